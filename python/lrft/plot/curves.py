"""Pictures of results: overlaps and losses against steps, with the spread over replicas.

Every function returns a `matplotlib.figure.Figure` and never touches pyplot's global state, so it
works without a display; save it with ``figure.savefig("run.png")``.
matplotlib comes with ``lrft[plot]``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.model.students import STUDENTS
from lrft.plot.fits import errors
from lrft.plot.limit import limit_curve
from lrft.plot.style import PALETTE, THIN_LINES, colours, figure_and_axes, figure_class, styled
from lrft.result.dataset import told
from lrft.result.endings import counted, held, one_overlap
from lrft.result.grid import listed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["loss", "overlap", "summary"]

_NAMES = {"d": "d", "k": "k", "xi": r"$\xi$"}
MOST_STOPS = 512  # places between records at which medians are taken


def overlap(
    ds: xr.Dataset, which: str = "u", axes: Axes | None = None, *, theory: bool = False
) -> Figure:
    """Draw the overlap of the student with the teacher against steps.

    Thin lines are replicas (drawn when there are at most 16), the thick line is their median and
    the band reaches from the 10th to the 90th percentile. A replica that stopped because it had
    converged is held at its final value (`lrft.held`), otherwise the median would forget the
    fastest; a diverged or interrupted one ends where it ended and leaves the statistics there.
    The title says how many there are and how many are counted to the end.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate` or `lrft.simulate_sequence` returns it; one colour per task, and in a
        sequence a dotted line where the next stage begins.
    which : {"u", "c"}
        ``"u"`` draws |<û,u>|. ``"c"`` draws <ĉ,c> with the sign that <û,u> has at the end, because
        (c, u) and (-c, -u) are the same teacher.
    axes : matplotlib.axes.Axes, optional
        Drawn into these instead of a new figure.
    theory : bool
        Draw the limit d -> infinity dashed (`lrft.theory.order_parameter_ode`), at a constant rate:
        from the replica in the middle where ``record_parameters=True`` tells its start; else from
        the median of the starts, of a rank-one student whose ĉ starts at a given place.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``which`` is unknown, or the overlap is not one number per step; if there is no such
        limit for this student, or with ``which="c"``.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=50, record=5), replicas=3, seed=0)
    >>> lrft.plot.overlap(ds).axes[0].get_xlabel()
    'steps'
    """
    if which not in ("u", "c"):
        raise ValueError(f"which={which!r}, expected 'u' or 'c'")
    refuse_others(ds, "overlap")
    if which == "c" and "overlap_c" not in ds:
        raise ValueError("which='c': a sequence records the overlap of û, which='u'")
    if theory and which != "u":
        raise ValueError("theory=True draws the overlap of û: which='u'")
    with styled():
        figure, axes = figure_and_axes(axes)
        _overlap(axes, ds, which, labelled=True)
        title = _band(ds)
        if theory:
            starts = _shaped(ds.overlap_u.isel(step=0))
            last = axes.get_xlim()[1]
            for index, (own, colour) in enumerate(zip(starts, colours(len(starts)), strict=True)):
                curve = limit_curve(ds, index, float(np.median(own)), last)
                axes.plot(*curve, color=colour, linewidth=1.6, linestyle=(0, (4, 2)), zorder=3)
            title += "\ndashed: the limit of infinite d"
        axes.set_title(title, loc="left", fontsize=9)
    return figure


def loss(ds: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw the population loss against steps.

    The vertical axis is logarithmic when the loss falls tenfold. Drawing as in `overlap`.

    Parameters
    ----------
    ds : xarray.Dataset
        As for `overlap`; of a sequence the loss on every task.
    axes : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=50, record=5), replicas=3, seed=0)
    >>> lrft.plot.loss(ds).axes[0].get_xlabel()
    'steps'
    """
    refuse_others(ds, "loss")
    with styled():
        figure, axes = figure_and_axes(axes)
        _loss(axes, ds, labelled=True)
        axes.set_title(_band(ds), loc="left", fontsize=9)
    return figure


def summary(ds: xr.Dataset) -> Figure:
    """Draw overlaps and loss side by side, under a title that says what was run.

    The panel for ĉ is left out when ĉ never moved. Of a fit, training and validation error.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate`, `lrft.simulate_sequence` or `lrft.fit` returns it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=50, record=5), replicas=3, seed=0)
    >>> len(lrft.plot.summary(ds).axes)
    2
    """
    figure_type = figure_class()
    if ds.attrs.get("kind") == "fit":
        return errors(ds)
    refuse_others(ds, "summary")
    figure: Figure
    ds = one_overlap(ds)
    if ds.overlap_u.isnull().all():  # a full network
        with styled():
            figure = figure_type(figsize=(4.7, 4.0), layout="constrained")
            _loss(figure.subplots(), ds, labelled=True)
            figure.suptitle(_title(ds), x=0.01, ha="left", fontsize=11)
        return figure
    c_trained = False
    if "overlap_c" in ds:  # a sequence has none
        c_paths = paths(ds, "overlap_c")[1]
        c_trained = bool(np.any(np.abs(c_paths - c_paths[..., :1]) > 1e-12))
    panels = 3 if c_trained else 2
    with styled():
        figure = figure_type(figsize=(4.3 * panels + 0.4, 4.0), layout="constrained")
        axes = figure.subplots(1, panels)
        _overlap(axes[0], ds, "u", labelled=False)
        if c_trained:
            _overlap(axes[1], ds, "c", labelled=False)
        _loss(axes[-1], ds, labelled=True)
        figure.suptitle(_title(ds), x=0.01, ha="left", fontsize=11)
    return figure


def _overlap(axes: Axes, ds: xr.Dataset, which: str, labelled: bool) -> None:
    step, values = paths(ds, f"overlap_{which}")
    if which == "u":
        values = np.abs(values)
        label = r"overlap  $|\langle\hat u, u\rangle|$"
    else:
        u = paths(ds, "overlap_u")[1]
        values = values * np.where(_last(u) < 0.0, -1.0, 1.0)[..., None]
        label = r"overlap  $\langle\hat c, c\rangle$"
    ends = _draw(axes, ds, step, values)
    lowest = np.min(values, initial=0.0, where=np.isfinite(values))
    axes.set_ylim(1.05 * lowest - 0.02, 1.02)
    axes.set_ylabel(label)
    if labelled:
        _label(axes, ends)


def _loss(axes: Axes, ds: xr.Dataset, labelled: bool) -> None:
    step, values = paths(ds, "loss")
    ends = _draw(axes, ds, step, values)
    positive = values[np.isfinite(values) & (values > 0.0)]
    if positive.size and positive.min() < 0.1 * positive.max():
        axes.set_yscale("log")
        # The loss is exact to 1e-12 of the functions' own size: below is rounding.
        axes.set_ylim(bottom=max(0.5 * positive.min(), 1e-13 * positive.max()))
    else:
        axes.set_ylim(bottom=0.0)
    axes.set_ylabel(r"population loss  $\mathrm{E}\,(\hat f - f^*)^2$")
    if labelled:
        _label(axes, ends)


class _End(NamedTuple):
    """Where a line ends, and what to write there."""

    height: float
    label: str
    colour: Any


def _draw(
    axes: Axes, ds: xr.Dataset, step: NDArray[np.int64], values: NDArray[np.float64]
) -> list[_End]:
    """Lines, medians and bands for values of shape (tasks, replicas, steps)."""
    tasks = len(values)
    labels = _labels(ds) if tasks > 1 else [""]
    ends = []
    for own, colour, label in zip(values, colours(tasks), labels, strict=True):
        middle = median_and_band(axes, step, own, colour, label)
        known = middle[np.isfinite(middle)]
        if label and known.size:
            ends.append(_End(float(known[-1]), label, colour))
    axes.set_xlabel("steps")
    engineering(axes)
    # Nothing moves after the last replica has stopped: do not spend the width on it.
    last = max(1, min(int(step[-1]), int(1.08 * ds.stop_step.max().item())))
    recorded = ds.step.values
    if (
        len(recorded) > 2 and recorded[len(recorded) // 2] < 0.1 * recorded[-1]
    ):  # ever farther apart
        axes.set_xscale("symlog", linthresh=max(1, int(recorded[1])))
    axes.set_xlim(0, last)
    mark_stages(axes, ds)
    return ends


def mark_stages(axes: Axes, ds: xr.Dataset, unit: float = 1.0) -> None:
    """Draw a line where each later stage of a sequence begins; a step is `unit` long."""
    for begin in ds.begins.values[1:] if "begins" in ds.coords else ():
        axes.axvline(unit * begin, color="0.45", linewidth=1.0, linestyle=(0, (2, 2)), zorder=1.5)


def median_and_band(
    axes: Axes,
    x: NDArray[Any],
    paths: NDArray[np.float64],
    colour: Any,
    label: str,
    line: Any = "-",
) -> NDArray[np.float64]:
    """Draw replicas, (replicas, n), as their median, band and thin lines; return the median."""
    replicas = len(paths)
    alive = np.isfinite(paths).any(axis=0)
    bounds = np.full((3, len(x)), np.nan)
    if alive.any():
        bounds[:, alive] = np.nanpercentile(paths[:, alive], (10, 50, 90), axis=0)
    low, middle, high = bounds
    if replicas > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    if 1 < replicas <= THIN_LINES:
        axes.plot(x, paths.T, color=colour, alpha=0.35, linewidth=0.6)
    axes.plot(x, middle, color=colour, linewidth=2.0, linestyle=line, label=label or None)
    return middle


def engineering(axes: Axes) -> None:
    """Write steps as 20k or 1M."""
    from matplotlib.ticker import EngFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def shared(runs: Sequence[xr.Dataset], but: Sequence[str] = ()) -> list[str]:
    """Say what all tasks of all runs have in common, and their student if it is one."""
    found = []
    for name in ("activation", "d", "k", "xi"):
        texts = {told(ds, name) for ds in runs}
        if len(texts) == 1 and " to " not in (text := texts.pop()) and name not in but:
            found.append(text if name == "activation" else rf"{_NAMES[name]} = {text}")
    students = {tuple(trained(ds)) for ds in runs}
    return [*found, *(students.pop() if len(students) == 1 else ())]


def _label(axes: Axes, ends: Sequence[_End]) -> None:
    """Name the lines at their ends, pushed apart where they end together; many get a legend."""
    if len(ends) > len(PALETTE):
        axes.legend(fontsize=7, ncols=2)
        return
    spacing = 0.07
    to_axes = axes.transData + axes.transAxes.inverted()
    # A loss of 0 is nowhere on a logarithmic axis.
    heights = [float(np.clip(to_axes.transform((0.0, end.height))[1], 0, 1)) for end in ends]
    order = np.argsort(heights)
    placed: list[float] = []
    for index in order:
        placed.append(max(heights[index], placed[-1] + spacing) if placed else heights[index])
    overflow = max(0.0, placed[-1] - 1.0) if placed else 0.0
    for index, height in zip(order, placed, strict=True):
        _, label, colour = ends[index]
        place: dict[str, Any] = {"transform": axes.transAxes, "va": "center", "fontsize": 9}
        # The name in the ink of the page, which is readable on any; its colour beside it.
        swatch: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "linewidth": 2.0}
        axes.plot(
            [1.015, 1.05],
            [height - overflow] * 2,
            color=colour,
            scalex=False,
            scaley=False,
            **swatch,
        )
        axes.text(1.06, height - overflow, label, **place)


def refuse_others(ds: xr.Dataset, name: str) -> None:
    """Refuse what is no run, and say which function draws it."""
    if ds.attrs.get("kind") == "fit":
        raise ValueError(f"lrft.plot.{name} draws runs, and ds is a fit: use lrft.plot.summary")
    if "point" in listed(ds).dims:
        raise ValueError(
            f"lrft.plot.{name} draws runs, and ds is a study: use lrft.plot.heatmap or "
            f"lrft.plot.scaling, or choose a point, as with ds.isel(d=0)"
        )


def paths(ds: xr.Dataset, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return steps (n,) and a variable held on them (tasks, replicas, n).

    The steps are those of records and of stops: between two records that are far apart a replica
    may have stopped, and a line from one to the other would show it as slower than it was.
    """
    values = _shaped(held(ds)[name], "step")
    step, stop = ds.step.values, _shaped(ds.stop_step)
    stop = np.broadcast_to(stop, values.shape[:2])  # tasks of a sequence end together
    final = _shaped(ds[f"final_{name}"]) if f"final_{name}" in ds else np.full(stop.shape, np.nan)
    stops = np.unique(stop[np.isfinite(final)])
    if len(stops) > MOST_STOPS:
        stops = stops[np.linspace(0, len(stops) - 1, MOST_STOPS).astype(int)]
    grid = np.union1d(step, stops)
    found = np.full((*stop.shape, len(grid)), np.nan)
    for at in np.ndindex(stop.shape):
        known = np.isfinite(values[at]) & (step <= stop[at])
        x, y = step[known], values[at][known]
        if np.isfinite(final[at]) and stop[at] not in x:
            x, y = np.append(x, stop[at]), np.append(y, final[at])
        if len(x):
            found[at] = np.interp(grid, x, y, left=np.nan, right=values[at][-1])
    return grid, found


def _shaped(variable: xr.DataArray, *further: str) -> NDArray[Any]:
    """Return values as (tasks, replicas, *further), with missing dimensions of length one."""
    dims = ("task", "replica", *further)
    if extra := [str(dim) for dim in variable.dims if dim not in dims]:
        raise ValueError(
            f"{variable.name} has the dimension {extra[0]!r}; choose one with ds.isel({extra[0]}=0)"
        )
    for dim in ("task", "replica"):
        if dim not in variable.dims:
            variable = variable.expand_dims(dim)
    return np.asarray(variable.transpose(*dims).values)


def _last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Last finite value along the last axis, nan where there is none."""
    finite = np.isfinite(values)
    index = values.shape[-1] - 1 - np.argmax(finite[..., ::-1], axis=-1)
    last = np.take_along_axis(values, index[..., None], axis=-1)[..., 0]
    return np.where(finite.any(axis=-1), last, np.nan)


def _labels(ds: xr.Dataset) -> list[str]:
    """Say what tells the tasks apart, one label per task."""
    described = [_describe(ds.isel(task=index)) for index in range(ds.sizes["task"])]
    differing = [key for key in described[0] if len({one[key] for one in described}) > 1]
    if not differing:
        return [f"task {index}" for index in range(len(described))]
    return [", ".join(one[key] for key in differing) for one in described]


def _describe(one: xr.Dataset) -> dict[str, str]:
    return {
        "activation": told(one, "activation"),
        **{name: f"{_NAMES[name]} = {told(one, name)}" for name in _NAMES},
    }


def _title(ds: xr.Dataset) -> str:
    """Name the task (or what the tasks share), and how the replicas ended."""
    if "task" in ds.dims:
        described = [_describe(ds.isel(task=index)) for index in range(ds.sizes["task"])]
        shared = [
            text for key, text in described[0].items() if len({o[key] for o in described}) == 1
        ]
        parts = [f"{len(described)} tasks", *shared]
    else:
        parts = list(_describe(ds).values())
    names, counts = np.unique(np.asarray(ds.status.values), return_counts=True)
    ended = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    return f"{', '.join([*parts, *trained(ds)])}\n{ended}   |   {_band(ds)}"


def trained(ds: xr.Dataset) -> list[str]:
    """Name the student and the rate of a run, as far as it says."""
    found = []
    if "configuration" in ds.attrs:
        about = json.loads(ds.attrs["configuration"])
        student = about.get("training", about.get("trainings", [{}])[0])["student"]
        words = STUDENTS[student["kind"]].in_words(student)
        found.append(("linearised " if student.get("linearized") else "") + words)
    if "learning_rate" in ds.coords:
        rates = np.unique(ds.learning_rate.values)
        ends = dict.fromkeys((np.nanmin(rates), np.nanmax(rates)))
        found.append(r"$\eta$ = " + " to ".join(f"{rate:.3g}" for rate in ends))
    return found


def _band(ds: xr.Dataset) -> str:
    """Say what line and band are, and of how many replicas."""
    replicas, all_of_them, to_the_end = ds.replica.size, ds.status.size, int(counted(ds).sum())
    if all_of_them == 1:
        return "one replica"
    each = " a task" if all_of_them > replicas else ""
    left = "" if to_the_end == all_of_them else f", {to_the_end} of {all_of_them} to the end"
    return f"line: median, band: 10–90 % of {replicas} replica{'s' * (replicas > 1)}{each}{left}"
