"""Pictures of power laws: medians with intervals, the fitted line with its band, guides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lrft.paper.drawing import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from lrft.result.exponents import PowerLaw
    from lrft.result.intervals import Interval


def exponent_text(exponent: Interval) -> str:
    """Write an exponent with its interval.

    Examples
    --------
    >>> from lrft.result.intervals import Interval
    >>> exponent_text(Interval(1.0, 0.97, 1.04)), exponent_text(Interval(1.0, 0.995, 1.004))
    ('1.00 [0.97, 1.04]', '1.000 [0.995, 1.004]')
    """
    if not np.isfinite(exponent.value):
        return "unknown"
    return exponent.text(3 if exponent.high - exponent.low < 0.04 else 2)


def power_law_points(
    axes: Axes, fit: PowerLaw, colour: str, label: str = "", *, marker: str = "o"
) -> None:
    """Draw one fit on logarithmic axes: points with intervals, the line with its band."""
    known = np.isfinite(fit.medians)
    points = (fit.x[known], fit.medians[known], fit.low[known], fit.high[known])
    style.intervals(axes, *points, colour, line=False, marker=marker, label=label or None)
    x = np.geomspace(fit.x.min(), fit.x.max(), 50)
    line, low, high = fit.line(x)
    if np.isfinite(line).all() and np.isfinite(high).all() and (low > 0).all():
        axes.plot(x, line, color=colour, linewidth=1.6)
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def power_of_ten(value: float) -> str:
    """Write a round number as in 10⁶ or 3·10⁵."""
    exponent = int(np.floor(np.log10(value)))
    digits = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    factor = value / 10**exponent
    return f"10{digits}" if factor == 1 else f"{factor:g}·10{digits}"


def logarithmic(axes: Axes, x_label: str, y_label: str) -> None:
    """Make both axes logarithmic and name them; call it when everything is drawn."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    if not any(one.dataLim.y1 > 0 for one in axes.get_shared_y_axes().get_siblings(axes)):
        axes.set_ylim(1, 10)  # nothing was drawn, as in a smoke run without a hit
    if not any(one.dataLim.x1 > 0 for one in axes.get_shared_x_axes().get_siblings(axes)):
        axes.set_xlim(1, 10)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    few_decades(axes.xaxis)
    few_decades(axes.yaxis)


def few_decades(axis: Axis) -> None:
    """Write out ticks at 1, 2 and 5 where a logarithmic axis is too short for powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axis.get_view_interval()
    if low > 0 and high / low < 100:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axis.set_minor_formatter(NullFormatter())


def whole_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Mark a logarithmic x axis at the values measured, written out."""
    axes.set_xticks(np.asarray(values, dtype=np.float64), [f"{value:,.10g}" for value in values])
    axes.minorticks_off()
