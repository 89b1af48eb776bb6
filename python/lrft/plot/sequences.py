"""Pictures of studies of sequences: what is forgotten against what was varied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from lrft.plot.style import colours, figure_and_axes, styled
from lrft.result import numbers
from lrft.result.dataset import told
from lrft.result.grid import listed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["forgetting"]

_MARKERS = "osd^v<>"


def forgetting(study: xr.Dataset, x: str | None = None, axes: Axes | None = None) -> Figure:
    """Draw what a sequence forgets of its tasks against a field of a study.

    Points are medians over replicas of ``forgetting`` of every task but the last, bars their 95 %
    intervals; a colour for each value of the other fields, and a marker for each task.

    Parameters
    ----------
    study : xarray.Dataset
        As `lrft.sweep` returns it for a ``sequence``.
    x : str, optional
        A field that is a number, by default the first that the study varies.
    axes : matplotlib.axes.Axes, optional
        Drawn into these instead of a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``study`` is no study of sequences, or ``x`` no number of it.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {
    ...     "sequence": {"d": 60, "k": 3},
    ...     "training": {"lr": 0.001, "steps": 100},
    ...     "student": {"kind": "lora", "rank": 1},
    ...     "grid": {"overlap": [0.0, 0.5]},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db")
    >>> lrft.plot.forgetting(ds).axes[0].get_xlabel()
    'overlap'
    """
    ds = listed(study)
    if ds.attrs.get("kind") != "sequence" or "point" not in ds.dims:
        raise ValueError(
            "lrft.plot.forgetting draws studies of sequences, results of lrft.sweep: use "
            "lrft.plot.summary for one sequence"
        )
    axes_of = json.loads(ds.attrs.get("axes", "[]"))
    known = [n for n in (*axes_of, "d", "k") if n in ds.coords and ds[n].dtype.kind in "fiu"]
    x = x if x is not None else next(iter(known), None)
    if x is None or x not in known:
        raise ValueError(f"x={x!r} is no number of the study; it has {', '.join(known) or 'none'}")
    table = numbers.summary(ds)
    others = [name for name in axes_of if name != x and name in table]
    lines = list(table.groupby(others, sort=False)) if others else [((), table)]
    with styled():
        figure, axes = figure_and_axes(axes)
        for (values, part), colour in zip(lines, colours(len(lines)), strict=True):
            words = [f"{n} = {v}" for n, v in zip(others, values, strict=True)]
            for task in range(ds.sizes["task"] - 1):
                own = part[part.task == task].sort_values(x)
                low, middle, high = (
                    own[f"forgetting{end}"].to_numpy() for end in ("_low", "", "_high")
                )
                known_ends = np.isfinite(low) & np.isfinite(high)
                bars = np.where(known_ends, [middle - low, high - middle], 0.0)
                label = ", ".join([*words, *([f"task {task}"] if ds.sizes["task"] > 2 else [])])
                axes.errorbar(
                    own[x],
                    middle,
                    yerr=bars,
                    color=colour,
                    marker=_MARKERS[task % len(_MARKERS)],
                    markersize=4,
                    capsize=2,
                    label=label or None,
                )
        axes.axhline(0.0, color="0.45", linewidth=1.0)
        axes.set_xlabel(x)
        axes.set_ylabel("forgetting, share of the first loss")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
        axes.set_title(
            f"{told(ds, 'activation')}, d = {told(ds, 'd')}, k = {told(ds, 'k')}; medians of "
            f"{ds.sizes['replica']} replicas, 95 % intervals",
            loc="left",
            fontsize=9,
        )
    return figure
