"""Shared looks of the report's pictures: frames, lines with bands, points with intervals, labels.

Draw inside ``with style.context():`` (the runner does), make frames with `frames`, and let every
line have its `band` and every point its interval.  Colours are those of `lrft.plot.PALETTE`; the
ink, grid and paper are replaced by the report where the reader prefers a dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.plot import PALETTE, STYLE, figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DPI",
    "GRID",
    "INK",
    "MUTED",
    "PALETTE",
    "PAPER",
    "band",
    "context",
    "frames",
    "intervals",
    "label_ends",
    "label_line",
    "legend",
    "note",
    "power",
    "reference",
    "steps_axis",
]

DPI = 160
INK, MUTED, GRID, PAPER = "#1b1f24", "#57606a", "#e4e4e4", "#ffffff"

_LOOKS: dict[str, Any] = STYLE | {
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "legend.fontsize": 9.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    # The same data give the same file.
    "svg.hashsalt": "lrft",
    "svg.fonttype": "path",
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.08,
}


def context() -> AbstractContextManager[None]:
    """Matplotlib settings of the report, for drawing and for saving.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> with style.context():
    ...     figure, axes = style.frames()
    """
    from matplotlib import rc_context

    return rc_context(_LOOKS)  # type: ignore[arg-type]


def frames(
    columns: int = 1, *, width: float | None = None, height: float = 3.9, **options: Any
) -> tuple[Figure, NDArray[Any]]:
    """Make a figure with a row of axes.

    Parameters
    ----------
    columns : int
    width, height : float
        Inches; by default 5.9 for one column and 4.6 for each of several.
    **options
        For ``Figure.subplots``: ``sharey=True``, ``width_ratios=...``.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of Axes, shape (columns,)

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> style.frames(2)[1].shape
    (2,)
    """
    if width is None:
        width = 5.9 if columns == 1 else 4.6 * columns
    figure = figure_class()(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False, **options)[0]


def band(
    axes: Axes,
    x: ArrayLike,
    paths: ArrayLike,
    colour: str,
    *,
    label: str | None = None,
    share: float = 0.8,
    thin: bool = True,
    shown: int | None = None,
    linestyle: str = "-",
) -> NDArray[np.float64]:
    """Draw replicas or instances: their median, the band of the middle `share`, and single lines.

    Parameters
    ----------
    axes : Axes
    x : array_like of shape (n,)
    paths : array_like of shape (replicas, n)
        NaN where a replica has nothing to show; it is then left out of median and band.
    colour : str
    label : str, optional
        For `legend`.
    share : float
        0.8: from the 10th to the 90th percentile.
    thin : bool
        Draw every path as a thin line, up to 16 of them.
    shown : int, optional
        Index of the path drawn as the main line instead of the median (the paper's one instance).
    linestyle : str

    Returns
    -------
    ndarray of shape (n,)
        The main line, for `label_ends`.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.band(axes[0], [0, 1], [[0, 1], [0, 2], [0, 3]], style.PALETTE[0]).tolist()
    [0.0, 2.0]
    """
    values = np.atleast_2d(np.asarray(paths, dtype=np.float64))
    steps = np.asarray(x, dtype=np.float64)
    alive = np.isfinite(values).any(axis=0)
    bounds = np.full((3, len(steps)), np.nan)
    if alive.any():
        quantiles = (50 * (1 - share), 50, 50 * (1 + share))
        bounds[:, alive] = np.nanpercentile(values[:, alive], quantiles, axis=0)
    if len(values) > 1:
        axes.fill_between(steps, bounds[0], bounds[2], color=colour, alpha=0.15, linewidth=0)
        if thin and len(values) <= 16:
            axes.plot(steps, values.T, color=colour, alpha=0.4, linewidth=0.6, linestyle=linestyle)
        elif not thin:  # edges tell overlapping bands apart
            axes.plot(steps, bounds[[0, 2]].T, color=colour, alpha=0.55, linewidth=0.7)
    main = bounds[1] if shown is None else values[shown]
    axes.plot(steps, main, color=colour, linewidth=2.0, label=label, linestyle=linestyle)
    return np.asarray(main)


def intervals(
    axes: Axes,
    x: ArrayLike,
    middle: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    colour: str,
    *,
    label: str | None = None,
    marker: str = "o",
    line: bool = True,
) -> None:
    """Draw points with intervals.

    Parameters
    ----------
    axes : Axes
    x, middle, low, high : array_like of shape (n,)
        ``low <= middle <= high``; a missing or infinite end is drawn as an open one (no whisker).
    colour : str
    label : str, optional
    marker : str
    line : bool
        Join the points.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.intervals(axes[0], [1, 2], [3, 4], [2, 3], [4, 6], style.PALETTE[0])
    """
    y = np.asarray(middle, dtype=np.float64)
    below, above = y - np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64) - y
    error = np.where(np.isfinite([below, above]), [below, above], 0.0)
    axes.errorbar(
        np.asarray(x, dtype=np.float64),
        y,
        yerr=np.maximum(error, 0.0),
        color=colour,
        label=label,
        marker=marker,
        markersize=5,
        linewidth=1.6,
        linestyle="-" if line else "none",
        elinewidth=1.3,
        capsize=2.5,
    )


def power(
    axes: Axes, x: ArrayLike, exponent: float, anchor: tuple[float, float], text: str
) -> None:
    """Draw the guide y ∝ x^exponent through `anchor` on logarithmic axes, named at its end.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> _ = axes[0].loglog([10, 100], [5, 50])
    >>> style.power(axes[0], [10, 100], 1.0, (10, 4), "slope 1")
    """
    steps = np.asarray(x, dtype=np.float64)
    heights = anchor[1] * (steps / anchor[0]) ** exponent
    axes.plot(steps, heights, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
    last = int(np.argmax(steps))
    axes.annotate(
        text,
        (steps[last], heights[last]),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=MUTED,
    )


def reference(axes: Axes, value: float, text: str = "", *, axis: Literal["x", "y"] = "y") -> None:
    """Draw a thin dashed line at a value that theory or the paper names, with a small label.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.reference(axes[0], 0.9, "0.9")
    """
    line: dict[str, Any] = {"color": MUTED, "linewidth": 1.0, "linestyle": (0, (4, 3)), "zorder": 1}
    place: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "color": MUTED}
    if axis == "y":
        axes.axhline(value, **line)
        at = (0.01, value)
        axes.annotate(text, at, xycoords=("axes fraction", "data"), xytext=(0, 3), **place)
    else:
        axes.axvline(value, **line)
        at = (value, 0.98)
        axes.annotate(
            text, at, xycoords=("data", "axes fraction"), xytext=(3, 0), va="top", **place
        )


def steps_axis(axes: Axes, last: float, *, name: str = "steps (one fresh sample each)") -> None:
    """Make x an axis of steps from 0 to `last`, with units like 250k and 1M.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.steps_axis(axes[0], 2_000_000)
    >>> float(axes[0].get_xlim()[1])
    2000000.0
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.set_xlim(0, last)
    axes.set_xlabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, str, str]], *, spacing: float = 0.065
) -> None:
    """Name lines at the right edge, pushed apart where they end together.

    Call it last, when the limits of the axes are settled.

    Parameters
    ----------
    axes : Axes
    ends : sequence of (height, text, colour)
        Heights in data coordinates.
    spacing : float
        Least distance in fractions of the axes' height.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.label_ends(axes[0], [(0.5, "relu", style.PALETTE[0]), (0.5, "He3", "black")])
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    low, high = axes.get_ylim()
    heights = [
        float(np.clip(to_axes.transform((1.0, np.clip(y, low, high)))[1], 0, 1)) for y, *_ in ends
    ]
    # Those that end together keep the given order, the first on top.
    order = sorted(range(len(ends)), key=lambda i: (round(heights[i] / spacing), -i))
    placed: list[float] = []
    for index in order:
        placed.append(max(heights[index], placed[-1] + spacing) if placed else heights[index])
    # Those pushed beyond the top push back, and only they.
    limit = 1.0
    for place in reversed(range(len(placed))):
        placed[place] = min(placed[place], limit)
        limit = placed[place] - spacing
    for index, height in zip(order, placed, strict=True):
        _, text, colour = ends[index]
        axes.text(
            1.015, height, text, color=colour, fontsize=9.5, va="center", transform=axes.transAxes
        )


def label_line(
    axes: Axes, x: float, y: float, text: str, colour: str, *, offset: tuple[float, float] = (4, 4)
) -> None:
    """Name a line beside one of its points (data coordinates; offset in points).

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.label_line(axes[0], 0.5, 0.5, "relu", style.PALETTE[0])
    """
    axes.annotate(
        text, (x, y), xytext=offset, textcoords="offset points", color=colour, fontsize=9.5
    )


def legend(axes: Axes, **options: Any) -> None:
    """Name lines in a legend, where direct labels have no room.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> _ = axes[0].plot([0, 1], label="relu")
    >>> style.legend(axes[0], loc="lower right")
    """
    axes.legend(**({"labelcolor": INK, "handlelength": 1.6} | options))


def note(figure: Figure, text: str) -> None:
    """Write one small line above the axes: what lines and bands are.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frames()
    >>> style.note(figure, "line: median, band: 10–90 % of 10 instances")
    """
    figure.suptitle(text, x=0.01, ha="left", fontsize=9, color=MUTED)
