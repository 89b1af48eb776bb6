"""What is printed, held against the instances as one more of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.paper.deciding import needed
from lrft.paper.experiment import Outcome, Verdict
from lrft.paper.figures import judging
from lrft.paper.figures.instances import dots, hits
from lrft.paper.figures.printed import Reading, readings
from lrft.result import intervals

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "DOTS",
    "LEAST",
    "MORE",
    "RULE",
    "all_come",
    "as_early",
    "decided",
    "farthest",
    "level_times",
    "one_more",
    "points",
    "printed_curve",
    "printed_value",
    "same_law",
    "same_times",
]

Floats = NDArray[np.float64]

#: What is printed is called unlike the instances at this share of instances as far out.
LEAST = 0.05
#: Steps between the dots of 4a, which are joined by straight lines.
DOTS = 10_000


def points(panel: str, curve: str = "") -> list[Reading]:
    """List what was read off a printed curve, or off all curves of a panel."""
    return [one for one in readings() if one.panel == panel and curve in ("", one.curve)]


def level_times(data: xr.Dataset, panel: str, label: str, level: float) -> Floats:
    """First steps (instances,) at an overlap, as that panel would show them."""
    return dots(data, label, level, DOTS) if panel == "4a" else hits(data, label, level)


def one_more(values: ArrayLike, printed: ArrayLike) -> float:
    """Find the share of instances, the print among them, that are as far out on its side, doubled.

    A permutation test, exact if the print is one more instance, on the early and the late side each
    at half the level: how far out is the largest deviation from the median on that side, over
    numbers, in units of each one's spread there (from the median to its 16 or 84 %).

    Parameters
    ----------
    values : array_like of shape (instances, numbers)
        Finite, but for ``inf``: as late as the latest, the print among them.  Where no instance
        comes the print is alone.
    printed : array_like of shape (numbers,)

    Returns
    -------
    float

    Examples
    --------
    >>> values = np.arange(99.0)[:, None]
    >>> one_more(values, [50.0]) > 0.9, one_more(values, [500.0]), one_more(values, [-1.0])
    (True, 0.02, 0.02)
    """
    rows = np.vstack([np.atleast_1d(printed)[None], np.asarray(values, dtype=np.float64)])
    if np.any(np.isfinite(rows[0]) & ~np.isfinite(rows[1:]).any(axis=0)):
        return float(min(1.0, 2 / len(rows)))  # of this only the print ever comes
    # No later: what stalls on its way shall not hide that the print is late from the start.
    last = np.max(np.where(np.isfinite(rows), rows, -np.inf), axis=0)
    rows = np.where(np.isfinite(rows), rows, last)
    low, half, high = np.quantile(rows, [0.16, 0.5, 0.84], axis=0)
    sides = (
        (half - rows) / np.maximum(half - low, 1e-9),
        (rows - half) / np.maximum(high - half, 1e-9),
    )
    shares = [np.mean(out >= out[0] - 1e-9) for out in (side.max(axis=1) for side in sides)]
    return float(min(1.0, 2 * min(shares)))


def same_law(values: ArrayLike, printed: ArrayLike) -> float:
    """Find the chance that several printed times are as unlike those of instances as they are.

    Kolmogorov and Smirnov's test of two samples.

    Examples
    --------
    >>> same_law(np.arange(100.0), [20.0, 50.0, 80.0]) > 0.5
    True
    >>> same_law(np.arange(99.0), [99.0] * 9) < 1e-6
    True
    """
    from scipy.stats import ks_2samp

    given = [
        np.nan_to_num(np.asarray(one, dtype=np.float64), posinf=1e15) for one in (values, printed)
    ]
    return float(ks_2samp(*given).pvalue)


# ---- verdicts -----------------------------------------------------------------------------------

#: With fewer instances nothing is unlikely: the farthest out of n and the print are 2/(n + 1).
_FEWEST = round(2 / LEAST)


#: What it takes to decide it.
MORE = f"{_FEWEST} instances at least"
#: The rule of `one_more`.
RULE = f"supported if at least {LEAST:.0%} of instances are as far out on either side as the print"


def decided(chance: float, instances: int) -> Outcome:
    """Decide by a chance of `one_more`, if there are instances enough to tell."""
    return "not decided" if instances < _FEWEST else judging.outcome(chance >= LEAST)


def printed_curve(
    data: xr.Dataset, panel: str, name: str, label: str, title: str, note: str = ""
) -> list[Verdict]:
    """Hold a printed curve against the instances: its times, and its shape, which no rate changes.

    Parameters
    ----------
    data : xarray.Dataset
        Of `simulate_curves`.
    panel, name : str
        In `lrft.paper.figures.printed`.
    label : str
        Of the curve in `data`.
    title : str
        As in "Fig. 4a: ReLU".
    note : str
    """
    read = points(panel, name)
    steps = [level_times(data, panel, label, one.level) for one in read]
    times = np.log(np.maximum(steps, 1.0)).T
    print_of = np.log([one.steps for one in read])
    at = ", ".join(
        f"{judging.steps_text(one.steps)} at {one.level:g} "
        f"(instances {judging.spread(np.exp(column))})"
        for one, column in zip(read, times.T, strict=True)
    )
    chance = one_more(times, print_of)
    verdicts = [
        Verdict(
            f"{title} passes its overlaps when one more instance might",
            f"{chance:.1%} of instances as far out; printed: {at}",
            decided(chance, len(times)),
            "; ".join(filter(None, (note, RULE))),
            MORE,
            farthest(np.exp(times), np.exp(print_of), [f"steps to {one.level:g}" for one in read]),
        )
    ]
    came = np.isfinite(times[:, 0])
    if len(read) < 2 or not came.any():
        return verdicts
    with np.errstate(invalid="ignore"):
        shape, print_shape = np.diff(times[came]), np.diff(print_of)
    shape = np.where(np.isnan(shape), np.inf, shape)
    chance = one_more(shape, print_shape)
    ratios = ", ".join(
        f"{np.exp(ratio):.2f} (instances {judging.middle(np.exp(column))})"
        for ratio, column in zip(print_shape, shape.T, strict=True)
    )
    levels = ", ".join(f"{one.level:g}" for one in read)
    verdicts.append(
        Verdict(
            f"{title} has the shape of one more instance",
            f"{chance:.1%} of instances as far out; printed ratios of the times to {levels}: "
            + ratios,
            decided(chance, len(shape)),
            RULE,
            MORE,
            farthest(
                np.exp(shape),
                np.exp(print_shape),
                [
                    f"steps to {then.level:g} over those to {one.level:g}"
                    for one, then in pairwise(read)
                ],
            )
            + f"; {np.isfinite(times[:, -1]).sum()} of {len(times)} come to {read[-1].level:g}",
        )
    )
    return verdicts


def farthest(values: Floats, printed: Floats, names: Sequence[str]) -> str:
    """Say which printed number the fewest instances reach, and how many do.

    Parameters
    ----------
    values : ndarray of shape (instances, numbers)
    printed : ndarray of shape (numbers,)
    names : sequence of str
        Of the numbers.

    Returns
    -------
    str
    """
    counts = np.array([np.sum(values <= printed, axis=0), np.sum(values >= printed, axis=0)])
    side, number = np.unravel_index(int(np.argmin(counts)), counts.shape)
    form = ".3g" if printed[number] < 1000 else ",.0f"
    return (
        f"{names[int(number)]} {'at most' if side == 0 else 'at least'} the printed "
        f"{printed[number]:{form}} come in {counts[side, number]} of {len(values)} instances"
    )


def same_times(data: xr.Dataset, panel: str, label: str, statement: str, note: str = "") -> Verdict:
    """Hold the times of several printed instances against the law of the instances."""
    printed = [one.steps for one in points(panel)]
    level = points(panel)[0].level
    steps = hits(data, label, level)
    chance = same_law(steps, printed)
    low, high = np.quantile(steps, [0.1, 0.9], method="lower")
    return Verdict(
        statement,
        f"{judging.spread(steps)}, 10–90 % {judging.steps_text(low)} to "
        f"{judging.steps_text(high)}; "
        f"printed: {judging.spread(np.array(printed))}; chance of so unlike a sample: {chance:.1%}",
        judging.outcome(chance >= LEAST),
        "; ".join(filter(None, (note, "Kolmogorov and Smirnov's test of two samples, at 5 %"))),
    )


def printed_value(statement: str, values: Floats, printed: float, note: str = "") -> Verdict:
    """Hold a printed number of one instance against the instances."""
    known = values[~np.isnan(values)][:, None]
    chance = one_more(known, [printed])
    return Verdict(
        statement,
        f"{judging.middle(values)}; {chance:.1%} of instances as far out as the print",
        decided(chance, values.size),
        "; ".join(filter(None, (note, RULE))),
        MORE,
        farthest(known, np.array([printed]), ["values"]),
    )


def all_come(data: xr.Dataset, label: str, level: float, count: int, statement: str) -> Verdict:
    """Hold it against the share of instances that come, that all of `count` printed ones do."""
    came = np.isfinite(hits(data, label, level))
    share = intervals.proportion(int(came.sum()), len(came))
    chance = intervals.Interval(*(end**count for end in share))
    return Verdict(
        statement,
        f"{came.sum()} of {len(came)} instances reach {level:g}; all of {count} do with a chance "
        f"of {chance.text(2)}",
        intervals.within(chance, LEAST),
        f"supported if the interval of that chance is above {LEAST:.0%}",
        needed(chance, LEAST, count=len(came)),
    )


def as_early(statement: str, values: Floats, limit: float, note: str = "") -> Verdict:
    """Hold it against the share of instances that are as early, that one printed instance is."""
    share = intervals.proportion(int(np.sum(values <= limit)), values.size)
    return Verdict(
        statement,
        f"{judging.middle(values)}; {share.text(2)} of instances are as early",
        intervals.within(share, LEAST),
        "; ".join(filter(None, (note, f"supported if the interval is above {LEAST:.0%}"))),
        needed(share, LEAST, count=values.size),
    )
