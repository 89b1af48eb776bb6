"""What is printed, as facts: each a number whose place in the law of instances says if it fits."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.paper.figures.instances import hits, paths
from lrft.paper.figures.lines import LINES, Line
from lrft.paper.figures.matching import LEAST, level_times, points, same_law
from lrft.paper.figures.printed import printed

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Fact", "facts", "place"]

Floats = NDArray[np.float64]


class Fact(NamedTuple):
    """Something printed, held against instances.

    Parameters
    ----------
    name : str
    kind : {"time", "shape", "ratio", "share", "value"}
        A first step; the ratio of two of one curve, or of two curves at one rate, which no rate
        changes; whether it comes at all; an overlap or a loss.
    chance : float
        Two-sided share of instances as far out as what is printed.
    """

    name: str
    kind: str
    chance: float

    @property
    def fits(self) -> bool:
        """Whether it is one of the likely ones."""
        return self.chance >= LEAST


def place(values: ArrayLike, printed: float) -> float:
    """Find the share of instances that are as far out as a printed value, on either side, doubled.

    Infinite values are later than all; unknown ones (NaN) are left out.

    Examples
    --------
    >>> place([1.0, 2.0, 3.0, np.inf], 2.5), place([1.0, 2.0, 3.0], 9.0)
    (1.0, 0.5)
    """
    given = np.asarray(values, dtype=np.float64)
    given = given[~np.isnan(given)]
    below, above = np.sum(given <= printed), np.sum(given >= printed)
    # One more draw has each of the places between n values equally often.
    return float(min(1.0, 2 * (min(below, above) + 1) / (given.size + 1)))


def facts(figure: str, data: Mapping[str, xr.Dataset]) -> list[Fact]:
    """List what is printed of a figure, held against the instances of one convention.

    Parameters
    ----------
    figure : str
        ``"fig2"``, ``"fig4a"``, ... of `lrft.paper.figures.lines.LINES`.
    data : mapping of str to xarray.Dataset
        Of `simulate_curves`, by the label of the curve that is wanted.

    Returns
    -------
    list of Fact
    """
    if figure == "fig2":
        return _instances(data, "2a", "ĉ trained") + _instances(data, "2b", "ĉ frozen")
    if figure == "fig3":
        return _first_loss(data) + _rise(data, "3b", "u", "real network") + _second(data)
    found = []
    for line in LINES[figure]:
        found += _rise(data, line.panel, line.name, line.name)
    if figure == "fig5":
        found += _instances(data, "5b", "1/2")
    if figure == "fig6":
        found += [_apart(data, one, other) for one, other in pairwise(LINES[figure])]
    return found


def _rise(data: Mapping[str, xr.Dataset], panel: str, name: str, label: str) -> list[Fact]:
    """List when a printed curve passes levels, the ratios of that, and that it comes at all."""
    read = [(one.level, one.steps) for one in points(panel, name)]
    times = [level_times(data[label], panel, label, level) for level, _ in read]
    title = f"{panel} {name}"
    found = [
        Fact(f"{title}: {level:g} at {steps / 1e3:g}k", "time", place(one, steps))
        for (level, steps), one in zip(read, times, strict=True)
    ]
    for (one, first), (other, then) in pairwise(zip(read, times, strict=True)):
        both = np.isfinite(first)
        if both.any():
            chance = place(then[both] / first[both], other[1] / one[1])
            text = f"{title}: {other[0]:g} after {other[1] / one[1]:.2f} times that to {one[0]:g}"
            found.append(Fact(text, "shape", chance))
    share = float(np.isfinite(times[-1]).mean())
    return [*found, Fact(f"{title}: comes to {read[-1][0]:g}", "share", share)]


def _apart(data: Mapping[str, xr.Dataset], one: Line, other: Line) -> Fact:
    """Say how far two curves that share a rate are apart, whatever the rate.

    They may be of two instances: held against all pairs of ours.
    """
    first, then = (hits(data[line.name], line.name, 0.9) for line in (one, other))
    ratio = printed(other.panel, other.name, 0.9) / printed(one.panel, one.name, 0.9)
    text = f"{one.panel}: 0.9 at {other.name} after {ratio:.2f} times that at {one.name}"
    came = first[np.isfinite(first)]
    return Fact(text, "ratio", place(np.divide.outer(then, came), ratio))


def _instances(data: Mapping[str, xr.Dataset], panel: str, label: str) -> list[Fact]:
    """List the times of several printed instances, and that all of them come."""
    read = points(panel)
    times = hits(data[label], label, read[0].level)
    share = float(np.isfinite(times).mean()) ** len(read)
    title = f"{panel}: {len(read)} times to {read[0].level:g}"
    return [
        Fact(title, "time", same_law(times, [one.steps for one in read])),
        Fact(f"{panel}: all {len(read)} come", "share", share),
    ]


def _first_loss(data: Mapping[str, xr.Dataset]) -> list[Fact]:
    (read,) = points("3a", "real")
    loss = paths(data["real network"], "loss", "real network")[:, 0]
    return [Fact(f"3a: loss {read.level:g} at the start", "value", place(loss, read.level))]


def _second(data: Mapping[str, xr.Dataset]) -> list[Fact]:
    """List the overlaps of ĉ at printed steps."""
    real = data["real network"]
    values = paths(real, "overlap_c", "real network")
    return [
        Fact(
            f"3b c: {one.level:g} at {one.steps / 1e3:g}k",
            "value",
            place([np.interp(one.steps, real.step.values, path) for path in values], one.level),
        )
        for one in points("3b", "c")
    ]
