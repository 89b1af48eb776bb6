"""Pictures of several runs and of studies: comparisons, maps, hitting times against a field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.plot import curves
from lrft.plot.style import colours, figure_and_axes, styled
from lrft.result import endings, exponents, numbers
from lrft.result.grid import listed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compare", "heatmap", "scaling"]

_WHAT = {
    "overlap": r"overlap  $|\langle\hat u, u\rangle|$",
    "loss": r"population loss  $\mathrm{E}\,(\hat f - f^*)^2$",
}
#: Of the tasks of a sequence.
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
#: How fields are written on axes.
_SYMBOLS = {"xi": r"$\xi$", "d": "$d$", "k": "$k$", "lr": r"learning rate $\eta$"}
_VALUES = {
    "T10": "steps until a tenth of the replicas has reached {threshold:g}",
    "T50": "median steps to overlap {threshold:g}",
    "T90": "steps until nine tenths of the replicas have reached {threshold:g}",
    "share": "share of replicas that reached {threshold:g}",
    "final_overlap_u": r"final  $|\langle\hat u, u\rangle|$, median",
    "final_overlap_c": r"final  $|\langle\hat c, c\rangle|$, median",
    "final_loss": "final population loss, median",
}


def compare(
    runs: Mapping[str, xr.Dataset],
    what: str = "overlap",
    time: str = "steps",
    axes: Axes | None = None,
) -> Figure:
    """Draw several runs on one axes: each its median and the band of the middle 80 %.

    Parameters
    ----------
    runs : mapping of str to xarray.Dataset
        Name and result of `lrft.simulate`, each of one task; or of `lrft.simulate_sequence`, whose
        tasks are lines of one colour, and a dotted line is where the next stage begins.
    what : {"overlap", "loss"}
    time : {"steps", "tau"}
        ``"tau"``: steps times the rate at step 0, which makes rates comparable.
    axes : matplotlib.axes.Axes, optional
        Drawn into these instead of a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If ``runs`` is no mapping.
    ValueError
        If ``what`` or ``time`` is unknown, or a run is of several tasks, a study or a fit.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> runs = {f"rate {lr}": lrft.simulate(task, lrft.Training(lr=lr, steps=50), seed=0)
    ...         for lr in (0.001, 0.002)}
    >>> figure = lrft.plot.compare(runs)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['rate 0.001', 'rate 0.002']
    """
    if not isinstance(runs, Mapping) or not runs:
        raise TypeError("runs must be a mapping of names to results, {'name': ds, ...}, not empty")
    if what not in _WHAT:
        raise ValueError(f"what={what!r}, expected 'overlap' or 'loss'")
    if time not in ("steps", "tau"):
        raise ValueError(f"time={time!r}, expected 'steps' or 'tau'")
    with styled():
        figure, axes = figure_and_axes(axes, 6.4)
        lowest, highest, last = np.inf, 0.0, 0.0
        for (name, ds), colour in zip(runs.items(), colours(len(runs)), strict=True):
            curves.refuse_others(ds, "compare")
            tasks = ds.sizes.get("task", 1)
            if tasks > 1 and "stage" not in ds.coords:
                raise ValueError(
                    f"runs[{name!r}] is of {ds.sizes['task']} tasks: give one each, ds.isel(task=0)"
                )
            step, values = curves.paths(
                endings.one_overlap(ds), "overlap_u" if what == "overlap" else "loss"
            )
            unit = numbers.rate_of(ds) if time == "tau" else 1.0
            if not np.isfinite(unit):
                raise ValueError(f"runs[{name!r}] does not say its rate: use time='steps'")
            paths = np.abs(values)
            for task in range(tasks):
                label = f"{name}, task {task}" if tasks > 1 else name
                line = _LINES[task % len(_LINES)]
                curves.median_and_band(axes, unit * step, paths[task], colour, label, line)
            curves.mark_stages(axes, ds, unit)
            positive = paths[np.isfinite(paths) & (paths > 0.0)]
            if positive.size:
                lowest, highest = min(lowest, positive.min()), max(highest, positive.max())
            last = max(last, unit * min(step[-1], 1.08 * ds.stop_step.max().item()))
        if what == "overlap":
            axes.set_ylim(-0.02, 1.02)
        elif lowest < 0.1 * highest:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0.0)
        axes.set_xlim(0, last or 1.0)
        axes.set_ylabel(_WHAT[what])
        axes.set_xlabel("steps" if time == "steps" else r"time  $\eta t$")
        if time == "steps":
            curves.engineering(axes)
        # Beside the axes: curves have all of it.
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=9)
        shared = curves.shared(list(runs.values()))
        text = f"{', '.join(shared)}\n" if shared else ""
        axes.set_title(f"{text}lines: medians, bands: 10–90 %", loc="left", fontsize=9)
    return figure


def heatmap(
    study: xr.Dataset,
    x: str,
    y: str,
    value: str = "T50",
    *,
    threshold: float = 0.9,
    axes: Axes | None = None,
) -> Figure:
    """Draw a number of each point of a study over two of its fields: a phase diagram.

    Parameters
    ----------
    study : xarray.Dataset
        As `lrft.sweep` returns it.
    x, y : str
        Fields of the design, as their coordinates are named.
    value : str
        A column of `lrft.summary`: ``"T50"``, ``"share"``, ``"final_overlap_u"``,
        ``"final_loss"``, …
    threshold : float
        Of |overlap|, for times and shares.
    axes : matplotlib.axes.Axes, optional
        Drawn into these instead of a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Cells where the number is censored (too few replicas hit within the steps) are hatched;
        cells without a result are empty.

    Raises
    ------
    ValueError
        If ``study`` is none, has no such fields or value, or several points fall into one cell.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {
    ...     "task": {"k": 2},
    ...     "training": {"lr": 0.001, "steps": 50},
    ...     "grid": {"d": [50, 100], "xi": [1.0, 2.0]},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db")
    >>> lrft.plot.heatmap(ds, "xi", "d", "final_loss").axes[0].get_ylabel()
    '$d$'
    """
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    table = _table(study, "heatmap", threshold)
    for name, field in (("x", x), ("y", y), ("value", value)):
        if field not in table:
            raise ValueError(f"{name}={field!r} is not in the study; it has {', '.join(table)}")
    if table.duplicated([x, y]).any():
        others = [f for f in json.loads(study.attrs.get("axes", "[]")) if f not in (x, y)]
        raise ValueError(
            f"several points have the same {x} and {y}: choose among {', '.join(others) or 'them'} "
            "first, as in ds.sel(k=8)"
        )
    cells = table.pivot(index=y, columns=x, values=value)
    found = cells.to_numpy(dtype=np.float64)
    censored, finite = np.isinf(found), found[np.isfinite(found)]
    logarithmic = bool(finite.size and finite.min() > 0 and finite.max() > 8 * finite.min())
    ends = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    norm = LogNorm(*ends) if logarithmic else Normalize(*ends)
    with styled():
        figure, axes = figure_and_axes(axes)
        axes.grid(visible=False)
        shown = np.ma.masked_invalid(found)
        mesh = axes.pcolormesh(shown, cmap="viridis", norm=norm, edgecolors="white", linewidth=0.5)
        for row, column in np.argwhere(censored):
            axes.add_patch(
                Rectangle(
                    (column, row), 1, 1, fill=False, hatch="///", edgecolor="#6E6E6E", linewidth=0
                )
            )
        axes.set_xticks(np.arange(cells.shape[1]) + 0.5, [_short(v) for v in cells.columns])
        axes.set_yticks(np.arange(cells.shape[0]) + 0.5, [_short(v) for v in cells.index])
        axes.set_xlabel(_SYMBOLS.get(x, x))
        axes.set_ylabel(_SYMBOLS.get(y, y))
        label = _VALUES.get(value, value).format(threshold=threshold)
        figure.colorbar(mesh, ax=axes, label=label)
        lines = [_fixed(study, table)]
        if censored.any():
            lines.append("hatched: censored, too few replicas got there in the steps done")
        axes.set_title("\n".join(filter(None, lines)), loc="left", fontsize=9)
    return figure


def scaling(
    runs: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset],
    x: str = "d",
    *,
    threshold: float = 0.9,
    axes: Axes | None = None,
) -> Figure:
    """Draw hitting times against a field on logarithmic axes, with a fitted power law.

    Points are Kaplan–Meier medians with 95 % intervals, thin bars reach from the 10 % to the
    90 % quantile over replicas; quantiles that too few replicas reached are open upwards. The
    exponent is that of a least-squares line through the log medians, with a bootstrap interval
    over replicas, which takes the points for independent (give them seeds of their own).

    Parameters
    ----------
    runs : xarray.Dataset, or sequence or mapping of them
        A study, a run of several tasks, or several runs.
    x : str
        A field: ``"d"``, ``"k"``, ``"xi"``, ``"learning_rate"``, or one that a study sweeps.
        Another field that is swept gives a line of its own to each of its values.
    threshold : float
        Of |overlap|.
    axes : matplotlib.axes.Axes, optional
        Drawn into these instead of a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a field or threshold is missing, or x is not positive.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import lrft
    >>> tasks = [lrft.Task.sample(d=d, k=2, seed=0) for d in (100, 400)]
    >>> student = lrft.RankOne(c_init="teacher")
    >>> runs = [lrft.simulate(task, lrft.Training(student=student, lr=0.1 / task.d,
    ...                                           steps=50 * task.d), seed=task.d)
    ...         for task in tasks]
    >>> figure = lrft.plot.scaling(runs, threshold=0.5)
    >>> figure.axes[0].get_xscale()
    'log'
    """
    import xarray
    from matplotlib.ticker import EngFormatter, LogLocator

    given: Any = runs
    if isinstance(runs, xarray.Dataset):  # a mapping too, of its variables
        given = [runs]
    elif isinstance(runs, Mapping):
        given = runs.values()
    several: list[xr.Dataset] = list(given)
    lines: dict[str, list[tuple[float, numbers.Hits]]] = {}
    for ds in several:
        for index, one in enumerate(numbers.points_of(ds)):
            at, name = _place(one, ds, x, index)
            lines.setdefault(name, []).append((at, numbers.hits(one, threshold)))
    with styled():
        figure, axes = figure_and_axes(axes, 7.6)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for (name, points), colour in zip(lines.items(), colours(len(lines)), strict=True):
            _power_law(axes, sorted(points, key=lambda point: point[0]), name, colour, x)
        values = sorted({at for points in lines.values() for at, _ in points})
        if len(values) <= 8:
            axes.set_xticks(values, [_short(value) for value in values])
            axes.minorticks_off()
        low, high = axes.get_ylim()
        if high < 100 * low:  # too few powers of ten
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel(_SYMBOLS.get(x, x))
        axes.set_ylabel(f"steps to overlap {threshold:g}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=9)
        shared = curves.shared(several, but=(x,))
        text = f"{', '.join(shared)}\n" if shared else ""
        axes.set_title(
            f"{text}points: medians with 95 % intervals; band: 10–90 % of replicas",
            loc="left",
            fontsize=9,
        )
    return figure


def _power_law(
    axes: Axes, points: list[tuple[float, numbers.Hits]], name: str, colour: Any, x: str
) -> None:
    """Medians, bands and the fitted line of one series."""
    at = np.array([place for place, _ in points])
    if not (at > 0).all():
        raise ValueError(f"x={x!r} must be positive on logarithmic axes, got {at.min():g}")
    middle, low, high = np.array([found.quantile(0.5) for _, found in points]).T
    first, last = (np.array([found.quantile(p).value for _, found in points]) for p in (0.1, 0.9))
    known = np.isfinite(middle) & (middle > 0)
    high = np.where(np.isfinite(high), high, middle)  # an end that is not known is left open
    law = _fitted(points, known)
    label = name
    if law is not None:
        exponent = law.exponent
        words = rf"${_SYMBOLS.get(x, x).strip('$')}^{{{exponent.value:.2f}}}$"
        ends = f"[{exponent.low:.2f}, {exponent.high:.2f}]"
        label = ": ".join(filter(None, (name, f"{words}, exponent {ends}")))
        across = np.geomspace(law.x.min(), law.x.max(), 50)
        axes.plot(across, law.line(across)[0], color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
    # A quantile that was not reached lies beyond the picture.
    above = np.where(np.isfinite(last), last, np.nan)
    seen = np.isfinite(first) & np.isfinite(above)
    axes.fill_between(at[seen], first[seen], above[seen], color=colour, alpha=0.18, linewidth=0)
    error = np.array([middle[known] - low[known], high[known] - middle[known]])
    axes.errorbar(
        at[known],
        middle[known],
        yerr=np.maximum(error, 0.0),
        color=colour,
        marker="o",
        markersize=5,
        linestyle="none",
        elinewidth=1.3,
        capsize=2.5,
        label=label or "median",
    )
    missed = at[~known]
    ends = np.array(
        [np.max(found.ends, where=np.isfinite(found.ends), initial=1.0) for _, found in points]
    )[~known]
    if missed.size:  # later than what was run
        axes.plot(missed, ends, "^", markerfacecolor="none", color=colour, markersize=7)
        axes.plot([], [], "^", markerfacecolor="none", color=colour, label="median beyond the run")


def _fitted(
    points: list[tuple[float, numbers.Hits]], known: NDArray[np.bool_]
) -> exponents.PowerLaw | None:
    """Fit the points whose median is known; None where they are too few."""
    used = [point for point, good in zip(points, known, strict=True) if good]
    if len({place for place, _ in used}) < 2:
        return None
    # Steps count from 0: what starts beyond the threshold has no logarithm.
    samples = [np.maximum(found.steps, 1.0) for _, found in used]
    return exponents.power_law([place for place, _ in used], samples)


def _place(one: xr.Dataset, ds: xr.Dataset, x: str, index: int) -> tuple[float, str]:
    """Where a point lies along x, and the name of its line: the other fields that are swept."""
    if x not in one.coords or one[x].dims or one[x].dtype.kind not in "fiu":
        known = [str(name) for name in one.coords if not one[name].dims]
        raise ValueError(f"x={x!r} is no number of the results; they have {', '.join(known)}")
    design = json.loads(ds.attrs.get("study", "{}"))
    others = [
        name
        for name in json.loads(ds.attrs.get("axes", "[]"))
        if name != x and name not in design.get("derived", {}) and "seed" not in name
    ]
    words = [f"{_SYMBOLS.get(name, name)} = {_short(one[name].item())}" for name in others]
    return float(one[x]), ", ".join(words)


def _table(study: xr.Dataset, function: str, threshold: float) -> Any:
    if "point" not in listed(study).dims:
        raise ValueError(
            f"lrft.plot.{function} draws studies, results of lrft.sweep: use lrft.plot.summary for "
            "a run or a fit, lrft.plot.compare for several runs"
        )
    return numbers.summary(study, threshold)


def _fixed(study: xr.Dataset, table: Any) -> str:
    """Name what all points share: activation, sizes, and the student if the study says so."""
    names = ("activation", "d", "k", "xi")
    parts = [
        str(table[name].iloc[0])
        if name == "activation"
        else f"{_SYMBOLS[name]} = {_short(table[name].iloc[0])}"
        for name in names
        if name in table and table[name].nunique() == 1
    ]
    return ", ".join([*parts, f"{study.sizes['replica']} replicas a point"])


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = float(value)
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:g}"
