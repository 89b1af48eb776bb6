"""Shared looks of the report's pictures: frames, lines with bands, points with intervals, labels.

Draw inside ``with style.context():`` (the runner does), make a `frame` for each panel, and let
every line have its `band` and every point its interval.  Colours are those of `THEME`, which the
report replaces by others where the reader prefers a dark page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.plot import PALETTE, STYLE, figure_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ACTIVATIONS",
    "DPI",
    "GRID",
    "INK",
    "MUTED",
    "PALETTE",
    "PAPER",
    "THEME",
    "band",
    "context",
    "frame",
    "intervals",
    "label_ends",
    "legend",
    "note",
    "reference",
    "steps_axis",
]

DPI = 160
INK, MUTED, GRID, PAPER = "#1b1f24", "#57606a", "#e4e4e4", "#ffffff"

#: Colours by the name the report gives them: on a white page, as drawn, and on a dark one.  Text
#: and labels have at least 4.5 : 1 on PAPER and on its dark counterpart.
THEME: dict[str, tuple[str, str]] = {
    "ink": (INK, "#e8ebee"),
    "muted": (MUTED, "#a3adb8"),
    "grid": (GRID, "#333b44"),
    "card": (PAPER, "#181d23"),
}
_DARK = ("#4aa8e0", "#ff8a3c", "#2fc79b", "#e79ac6", "#b3a1f2", "#e8b54a", "#b4bac1")
THEME |= {f"c{i}": pair for i, pair in enumerate(zip(PALETTE, _DARK, strict=True))}

#: Activations as pictures name them.
ACTIVATIONS = {
    "relu": "ReLU",
    "sigmoid": "sigmoid",
    "quadratic": "quadratic",
    "he2": r"$\mathrm{He}_2$",
    "he3": r"$\mathrm{He}_3$",
    "he4": r"$\mathrm{He}_4$",
}

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
    ...     figure, axes = style.frame()
    """
    from matplotlib import rc_context

    return rc_context(_LOOKS)  # type: ignore[arg-type]


def frame(height: float = 3.2, width: float = 4.6) -> tuple[Figure, Axes]:
    """Make the figure of one panel, small enough to be read on a telephone.

    Parameters
    ----------
    height, width : float
        Inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : matplotlib.axes.Axes

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> float(style.frame()[0].get_figwidth())
    4.6
    """
    figure = figure_class()(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


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
    """Draw replicas or instances: their median, thick, the band of the middle `share`, thin lines.

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
        Index of one path drawn thin and dotted beside the median (as the paper shows one instance).
    linestyle : str

    Returns
    -------
    ndarray of shape (n,)
        The median, for `label_ends`.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frame()
    >>> style.band(axes, [0, 1], [[0, 1], [0, 2], [0, 3]], style.PALETTE[0]).tolist()
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
    if shown is not None:
        axes.plot(steps, values[shown], color=colour, linewidth=0.9, linestyle=":")
    axes.plot(steps, bounds[1], color=colour, linewidth=2.0, label=label, linestyle=linestyle)
    return np.asarray(bounds[1])


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
    >>> figure, axes = style.frame()
    >>> style.intervals(axes, [1, 2], [3, 4], [2, 3], [4, 6], style.PALETTE[0])
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


def reference(axes: Axes, value: float, text: str = "") -> None:
    """Draw a thin dashed line at a height that theory or the paper names, with a small label.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frame()
    >>> style.reference(axes, 0.9, "0.9")
    """
    axes.axhline(value, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        text,
        (0.01, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=9,
        color=MUTED,
    )


def steps_axis(axes: Axes, last: float, *, name: str = "steps (one fresh sample each)") -> None:
    """Make x an axis of steps from 0 to `last`, with units like 250k and 1M.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frame()
    >>> style.steps_axis(axes, 2_000_000)
    >>> float(axes.get_xlim()[1])
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
    >>> figure, axes = style.frame()
    >>> style.label_ends(axes, [(0.5, "relu", style.PALETTE[0]), (0.5, "He3", "black")])
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


def legend(axes: Axes, columns: int = 1) -> None:
    """Name lines below the axes, where no curve passes through the names.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frame()
    >>> _ = axes.plot([0, 1], label="ReLU")
    >>> style.legend(axes)
    """
    axes.get_figure().legend(  # type: ignore[union-attr]
        loc="outside lower left", ncols=columns, labelcolor=INK, handlelength=1.6, fontsize=9.5
    )


def note(figure: Figure, text: str) -> None:
    """Write small lines above the axes: what lines and bands are.

    Examples
    --------
    >>> from lrft.paper.drawing import style
    >>> figure, axes = style.frame()
    >>> style.note(figure, "thick: median; band: 10–90 % of 10 instances")
    """
    lines = textwrap.fill(text, int(16.5 * figure.get_figwidth()), break_on_hyphens=False)
    figure.suptitle(lines, x=0.01, ha="left", fontsize=9, color=MUTED)
