"""What the paper says of a curve held against the redrawn one.

The tolerance is the spread over instances.  What the paper prints is one more draw: its value is
matched if it lies in the 95 % prediction interval of one further instance.  An interval that says
next to nothing matches nothing (`inside`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.paper.experiment import Outcome, Verdict
from lrft.paper.figures.instances import hits
from lrft.result import intervals

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "MOST",
    "all_reach",
    "between",
    "by",
    "inside",
    "median_interval",
    "middle",
    "most_reach",
    "one_more",
    "outcome",
    "quantiles",
    "ratio",
    "spread",
    "steps_text",
    "width",
    "window",
]

Floats = NDArray[np.float64]

#: The rule of `most_reach`.
MOST = (
    "supported if for every curve the 95 % interval of the share of instances that do is above one "
    "half, not supported if one is below, else not decided"
)


def outcome(holds: bool) -> Outcome:
    """Say it in the words of a verdict."""
    return "supported" if holds else "not supported"


def steps_text(value: float) -> str:
    """Write a number of steps.

    Examples
    --------
    >>> steps_text(153_400), steps_text(2.5e6), steps_text(np.inf)
    ('153k', '2.50M', 'never')
    """
    if not np.isfinite(value):
        return "never"
    if value >= 1e6:
        return f"{value / 1e6:.2f}M"
    return f"{value / 1e3:.0f}k" if value >= 1e4 else f"{value / 1e3:.1f}k"


def quantiles(values: Floats) -> tuple[float, float, float]:
    """Least, median (the lower one) and greatest; infinite is greatest, unknown left out.

    Examples
    --------
    >>> quantiles(np.array([3.0, np.inf, 1.0]))
    (1.0, 3.0, inf)
    """
    ordered = np.sort(_known(values))
    if not ordered.size:
        return float("nan"), float("nan"), float("nan")
    return float(ordered[0]), float(ordered[(len(ordered) - 1) // 2]), float(ordered[-1])


def spread(steps: Floats) -> str:
    """Write median and extremes of first steps."""
    low, half, high = map(steps_text, quantiles(steps))
    return f"median {half} (instances {low} to {high})"


def middle(values: Floats, form: str = ".2f") -> str:
    """Write median and extremes of numbers; unknown ones (NaN) are left out.

    Examples
    --------
    >>> middle(np.array([1.0, 2.0, 4.0, np.nan]))
    '2.00 (1.00 to 4.00)'
    """
    low, half, high = quantiles(values)
    if np.isnan(half):
        return "unknown"
    return f"{half:{form}} ({low:{form}} to {high:{form}})".replace("-", "−")


def ratio(one: Floats, other: Floats) -> Floats:
    """Divide first steps; unknown (NaN) where the other never came, or came at once.

    Examples
    --------
    >>> ratio(np.array([2.0, np.inf, np.inf]), np.array([1.0, 4.0, np.inf])).tolist()
    [2.0, inf, nan]
    """
    known = np.isfinite(other) & (other > 0)
    found = np.full(np.shape(one), np.nan)
    found[known] = one[known] / other[known]
    return found


def one_more(values: Floats, logarithms: bool = False) -> tuple[float, float]:
    """Find the 95 % prediction interval of one further value of the same law.

    Student's; on logarithms for first steps; the extremes where some never came.

    Examples
    --------
    >>> low, high = one_more(np.array([1.0, 2.0, 4.0, 2.0, 2.0]), logarithms=True)
    >>> bool(0.0 < low < 1.0), bool(high > 4.0)
    (True, True)
    >>> one_more(np.array([3.0, np.inf, 5.0]))
    (3.0, inf)
    """
    from scipy.stats import t

    known = _known(values)
    if known.size < 3 or not np.isfinite(known).all():
        low, _, high = quantiles(known)
        return low, high
    shown = np.log(known) if logarithms else known
    size = float(t.ppf(0.975, known.size - 1)) * np.sqrt(1 + 1 / known.size)
    ends = shown.mean() + np.array([-1.0, 1.0]) * size * shown.std(ddof=1)
    low, high = np.exp(ends) if logarithms else ends
    return float(low), float(high)


def between(one: Floats, other: Floats) -> Floats:
    """Count steps from one event to another; unknown (NaN) where either never came."""
    known = np.isfinite(one) & np.isfinite(other)
    found = np.full(np.shape(one), np.nan)
    found[known] = other[known] - one[known]
    return found


def median_interval(values: Floats) -> tuple[float, float]:
    """95 % confidence interval of a median, from order statistics; no assumption on the law.

    Examples
    --------
    >>> median_interval(np.arange(16.0))
    (3.0, 12.0)
    """
    from scipy.stats import binom

    ordered = np.sort(_known(values))
    if not ordered.size:
        return float("nan"), float("nan")
    # P(fewer than i + 1 of n below the median) <= 2.5 % on either side.
    out = int(binom.ppf(0.025, len(ordered), 0.5)) - 1
    low = max(0, out)
    return float(ordered[low]), float(ordered[len(ordered) - 1 - low])


def width(steps: Floats) -> float:
    """90th over 10th percentile of first steps; infinite if a tenth never came."""
    low, high = _tenths(steps)
    return high / low if 0 < low < np.inf else float("inf")


def _tenths(steps: Floats) -> tuple[float, float]:
    """10th and 90th percentile of first steps; infinite ones are greatest."""
    ordered = np.sort(steps)
    tenth = round(0.1 * (len(ordered) - 1))
    return float(ordered[tenth]), float(ordered[-1 - tenth])


def _known(values: Floats) -> Floats:
    given = np.asarray(values, dtype=np.float64)
    return given[~np.isnan(given)]


# ---- verdicts -----------------------------------------------------------------------------------


def all_reach(
    data: xr.Dataset, curve: str, threshold: float, statement: str, note: str = ""
) -> Verdict:
    """Hold against it that every instance of a curve reaches the threshold within the horizon."""
    steps = hits(data, curve, threshold)
    count = int(np.isfinite(steps).sum())
    return Verdict(
        statement,
        f"{count} of {len(steps)} instances reach {threshold:g}; {spread(steps)}",
        outcome(count == len(steps)),
        note,
    )


def most_reach(
    data: xr.Dataset, names: Mapping[str, str], statement: str, note: str = ""
) -> Verdict:
    """Hold against it that more than half of the instances of every curve reach 0.9.

    Parameters
    ----------
    data : xarray.Dataset
    names : mapping of str to str
        Curves and what to call them.
    statement, note : str
    """
    counts = {curve: int(np.isfinite(hits(data, curve, 0.9)).sum()) for curve in names}
    most = data.sizes["instance"]
    shares = [intervals.proportion(count, most) for count in counts.values()]
    if all(share.low > 0.5 for share in shares):
        found: Outcome = "supported"
    else:
        found = outcome(False) if any(share.high < 0.5 for share in shares) else "not decided"
    return Verdict(
        statement,
        "instances at 0.9: " + ", ".join(f"{n} of {most} ({names[c]})" for c, n in counts.items()),
        found,
        note or "the paper shows one instance: " + MOST,
    )


def window(
    steps: Floats, low: float, high: float, statement: str, note: str = "", most: bool = False
) -> Verdict:
    """Hold the median of first steps against a printed window; `most`: their 10-90 % range.

    With `most`, supported if the range lies in the window, not supported if not even the median
    does, else not decided: the outermost tenths of a few instances are one or two of them.
    """
    inside = int(((steps >= low) & (steps <= high)).sum())
    found = outcome(low <= quantiles(steps)[1] <= high)
    measured = f"{inside} of {len(steps)} instances in the window; {spread(steps)}"
    rule = "supported if the median lies in the window"
    if most:
        first, last = _tenths(steps)
        if found == "supported" and not (low <= first and last <= high):
            found = "not decided"
        measured += f"; 10–90 % of them {steps_text(first)} to {steps_text(last)}"
        rule = "supported if 10–90 % of the instances lie in the window"
    return Verdict(
        statement,
        measured,
        found,
        "; ".join(filter(None, (note, rule))),
    )


#: A time is known no better than its order if its interval spans more than this factor.
_WIDEST_RATIO = 4.0


def inside(
    statement: str,
    values: Floats,
    printed: float,
    note: str = "",
    text: Callable[[float], str] = "{:.2f}".format,
) -> Verdict:
    """Hold a printed value of one instance against the interval for one further instance.

    Supported if the interval holds the printed value and is narrow enough to say something: for
    times, ends within a factor 4 of each other; for overlaps and losses, no wider than the printed
    value.  Not supported if the value is outside, or no instance came at all.  Not decided if the
    interval is wider, or an end is not finite: some instances never came.
    """
    times = text is steps_text
    low, high = one_more(values, logarithms=times)
    least, half, most = quantiles(values)
    return Verdict(
        statement,
        f"{text(half)} (instances {text(least)} to {text(most)}); 95 % interval for one "
        f"further instance: {text(low)} to {text(high)}",
        _matched(printed, low, high, times),
        note,
    )


def _matched(printed: float, low: float, high: float, times: bool) -> Outcome:
    if low == np.inf:
        return "not supported"
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not decided"
    if not low <= printed <= high:
        return "not supported"
    narrow = high <= _WIDEST_RATIO * low if times else high - low <= abs(printed)
    return "supported" if narrow else "not decided"


def by(statement: str, steps: Floats, limit: float, note: str = "") -> Verdict:
    """Hold the median of first steps against a printed limit, with the tolerance of `inside`.

    Supported if the median is in time, or the interval for one further instance reaches down to the
    limit; but then not decided if its ends are further apart than a factor 4.
    """
    low, high = one_more(steps, logarithms=True)
    found = outcome(quantiles(steps)[1] <= limit)
    if found != "supported" and np.isfinite(high) and low <= limit:
        found = _matched(limit, low, high, times=True)
    return Verdict(
        statement,
        f"{spread(steps)}; 95 % interval for one further instance: {steps_text(low)} to "
        f"{steps_text(high)}",
        found,
        note,
    )
