"""What it would take to decide a statement: how many instances bring its interval off the bound.

Intervals of medians, shares and exponents shrink as one over the root of the number of instances.
"""

from __future__ import annotations

import numpy as np

from lrft.result.intervals import Interval

__all__ = ["needed"]

#: Beyond so many times the instances there is no telling.
_MOST = 100.0


def needed(
    interval: Interval,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    count: int,
    widest: float = np.inf,
    of: str = "instances",
) -> str:
    """Say how many instances decide whether a value lies in a range, if it stays where it is.

    Parameters
    ----------
    interval : Interval
        From `count` instances.
    low, high : float
        The range that the statement allows.
    count : int
    widest : float
        As for `lrft.result.intervals.within`.
    of : str
        What is counted.

    Returns
    -------
    str

    Examples
    --------
    >>> needed(Interval(0.9, 0.7, 1.1), high=1.0, count=50)
    'about 4 times as many instances, 200'
    >>> needed(Interval(1.0, 0.7, 1.3), 0.5, 1.5, widest=0.1, count=50)
    'about 9 times as many instances, 450'
    >>> needed(Interval(1.0, 0.7, 1.3), high=1.0, count=50)
    'more than 100 times as many instances: the value lies on the bound, 1'
    >>> needed(Interval(float("inf"), 3.0, float("inf")), high=2.0, count=50)
    'longer runs or more rates: an end of the interval is not known'
    """
    value, first, last = interval
    if not (np.isfinite(value) and np.isfinite(first) and np.isfinite(last)):
        return "longer runs or more rates: an end of the interval is not known"
    factors = [(max(last - value, value - first) / widest) ** 2]
    for bound in (low, high):
        if first <= bound <= last and low < high:
            reach = last - value if bound > value else value - first
            gap = abs(bound - value)
            if gap == 0 or reach > _MOST**0.5 * gap:
                return (
                    f"more than {_MOST:.0f} times as many {of}: the value lies on the bound, "
                    f"{bound:g}"
                )
            factors.append((reach / gap) ** 2)
    factor = max(factors)
    return f"about {factor:.2g} times as many {of}, {float(f'{factor * count:.2g}'):.0f}"
