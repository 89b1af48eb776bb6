"""What the paper says of a curve held against the redrawn one.

What is printed as numbers is held against the instances in `lrft.paper.figures.matching`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.paper.deciding import needed
from lrft.paper.experiment import Outcome, Verdict
from lrft.paper.figures.instances import hits
from lrft.result import intervals

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "MOST",
    "between",
    "median_interval",
    "middle",
    "more",
    "most_reach",
    "mostly",
    "outcome",
    "quantiles",
    "ratio",
    "spread",
    "steps_text",
    "width",
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
    least = min(shares, key=lambda share: share.value)
    return Verdict(
        statement,
        "instances at 0.9: " + ", ".join(f"{n} of {most} ({names[c]})" for c, n in counts.items()),
        found,
        note or "the paper shows one instance: " + MOST,
        needed(least, 0.5, count=most),
    )


def more(
    statement: str,
    what: str,
    ratios: Floats,
    note: str = "",
    printed: float = 1.0,
    reason: str = "",
) -> Verdict:
    """Hold it against ratios, instance by instance, that they are above 1.

    Parameters
    ----------
    statement : str
    what : str
        Of what they are the ratios.
    ratios : ndarray of shape (instances,)
        NaN: unknown.
    note : str
    printed : float
        The ratio that is printed: where the interval lies below it, and not above 1, the statement
        is decided against.
    reason : str
        Why it is, then.
    """
    low, high = median_interval(ratios)
    rule = "supported if the interval is above 1, not supported if it is below " + (
        f"{printed:.2f}, the ratio that is printed" if printed > 1 else "1"
    )
    return Verdict(
        statement,
        f"{what}: {middle(ratios)}, 95 % interval of the median {low:.2f} to {high:.2f}",
        "supported" if low > 1 else "not supported" if high < printed else "not decided",
        "; ".join(filter(None, (note, rule))),
        needed(intervals.Interval(quantiles(ratios)[1], low, high), 1.0, count=ratios.size),
        reason,
    )


def mostly(statement: str, measured: str, holds: NDArray[np.bool_]) -> Verdict:
    """Hold the share of instances where something is so against one half."""
    share = intervals.proportion(int(holds.sum()), holds.size)
    return Verdict(
        statement,
        f"{measured}; so in {int(holds.sum())} of {holds.size} instances",
        intervals.within(share, 0.5),
        "supported if the 95 % interval of the share of instances where it is so is above one half",
        needed(share, 0.5, count=holds.size),
    )
