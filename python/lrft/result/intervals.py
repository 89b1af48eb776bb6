"""Intervals for what runs measure: quantiles of censored steps, proportions, verdicts.

A replica that never hits is censored at its horizon; one that diverged never will.  Both are
``inf`` here, so that all censoring is beyond every observed step, where the Kaplan–Meier median is
the order statistic of the sample with its infinities.

Replicas are resampled; where several replicas share an instance (a draw of c), whole instances are.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "bootstrap_median",
    "hitting_steps",
    "interval",
    "mean",
    "median",
    "median_steps",
    "proportion",
    "quantile_ends",
    "quantile_steps",
    "row_medians",
    "within",
]

Floats = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000


class Interval(NamedTuple):
    """An estimate with the ends of its 95 % confidence interval; an end may be infinite."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 3) -> str:
        """Write it as ``1.002 [0.998, 1.006]``.

        Examples
        --------
        >>> Interval(1.0, 0.98, 1.02).text(2)
        '1.00 [0.98, 1.02]'
        """
        value, low, high = (f"{number:.{digits}f}".replace("-", "−") for number in self)
        return f"{value} [{low}, {high}]"

    def short(self) -> str:
        """Write it to two significant digits, for numbers over many orders.

        Examples
        --------
        >>> Interval(1.23e-4, 1e-4, 2e-4).short()
        '0.00012 [0.0001, 0.0002]'
        """
        return f"{self.value:.2g} [{self.low:.2g}, {self.high:.2g}]"


def hitting_steps(hit_step: ArrayLike) -> Floats:
    """Turn recorded hitting steps (−1: never) into numbers that can be ranked (never: inf).

    Parameters
    ----------
    hit_step : array_like of int
        As in ``ds.hit_step`` or ``ds.loss_hit_step``.

    Returns
    -------
    ndarray of float64, same shape

    Examples
    --------
    >>> hitting_steps([12, -1]).tolist()
    [12.0, inf]
    """
    steps = np.asarray(hit_step)
    return np.where(steps < 0, np.inf, steps)


def median_steps(steps: ArrayLike, horizon: ArrayLike = np.inf) -> Interval:
    """Kaplan–Meier median of censored steps: `quantile_steps` at one half.

    Parameters
    ----------
    steps : array_like of shape (n,)
    horizon : array_like, scalar or of shape (n,)

    Returns
    -------
    Interval

    Examples
    --------
    >>> median_steps([1, 2, 3, 4, float("inf")], horizon=10).value
    3.0
    """
    return quantile_steps(steps, 0.5, horizon)


def quantile_steps(steps: ArrayLike, p: float, horizon: ArrayLike = np.inf) -> Interval:
    """Kaplan–Meier quantile of censored steps, with the Brookmeyer–Crowley interval.

    The interval holds the steps at which the pointwise interval of the survival function
    (Greenwood's variance, log-log scale) contains 1 − p.

    Parameters
    ----------
    steps : array_like of shape (n,)
        ``inf`` where censored; NaN is left out.
    p : float
        In (0, 1).
    horizon : array_like, scalar or of shape (n,)
        Where a censored replica ended; ``inf`` for one that never can hit.

    Returns
    -------
    Interval
        Infinite where the estimated share of hits stays below p.

    Examples
    --------
    >>> quantile_steps([1, 2, 3, 4, float("inf")], 0.2, horizon=10).value
    1.0
    """
    from scipy import stats

    given = np.asarray(steps, dtype=np.float64).ravel()
    ends = np.broadcast_to(np.asarray(horizon, dtype=np.float64), given.shape)
    present = ~np.isnan(given)
    given, ends = given[present], ends[present]
    censored = np.isinf(given)
    if censored.all():
        return Interval(np.inf, np.inf, np.inf)
    # Beyond all hits any place of censoring is the same.
    beyond = given[~censored].max() + 1.0
    ends = np.where(np.isinf(ends), beyond, ends)
    sample = stats.CensoredData.right_censored(np.where(censored, ends, given), censored)
    survival = stats.ecdf(sample).sf
    with warnings.catch_warnings():
        # Undefined where the survival function is 0 or 1, where we do not need it.
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = survival.confidence_interval(LEVEL, method="log-log")

    def first(function: Any) -> float:
        at = np.flatnonzero(function.probabilities <= 1.0 - p + 1e-12)
        return float(function.quantiles[at[0]]) if at.size else np.inf

    value = first(survival)
    return Interval(value, min(first(low), value), max(first(high), value))


def bootstrap_median(
    sample: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, Floats]:
    """Median of a sample with infinities, and medians of resamples of it.

    Parameters
    ----------
    sample : array_like of shape (n,), or (instances, replicas)
        Two dimensions: whole instances (rows) are resampled.  ``inf``: censored; NaN: absent.
    resamples : int
    seed : int

    Returns
    -------
    value : float
    medians : ndarray of shape (resamples,)

    Raises
    ------
    ValueError
        If nothing is present.

    Examples
    --------
    >>> value, medians = bootstrap_median([1.0, 2.0, 3.0, float("inf")])
    >>> value, medians.shape
    (2.0, (2000,))
    """
    rows = np.asarray(sample, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    rows = rows[~np.isnan(rows).all(axis=1)]
    if not rows.size:
        raise ValueError("sample must hold at least one number, got none")
    generator = np.random.default_rng(seed)
    drawn = rows[generator.integers(len(rows), size=(resamples, len(rows)))]
    return float(row_medians(rows.ravel()[None])[0]), row_medians(drawn.reshape(resamples, -1))


def interval(value: float, resampled: ArrayLike) -> Interval:
    """Make an estimate and its resampled values an interval; NaN counts as beyond either end.

    Parameters
    ----------
    value : float
    resampled : array_like of shape (resamples,)

    Returns
    -------
    Interval

    Examples
    --------
    >>> interval(0.5, np.linspace(0, 1, 1001)).text(2)
    '0.50 [0.03, 0.97]'
    """
    low, high = quantile_ends(np.asarray(resampled, dtype=np.float64))
    return Interval(float(value), float(low), float(high))


def row_medians(samples: Floats) -> Floats:
    """Take Kaplan–Meier medians of rows, (n, replicas), in which all censoring is late.

    That is the lower middle value, NaN left out.

    Parameters
    ----------
    samples : ndarray of shape (n, replicas)

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> row_medians(np.array([[1.0, np.inf, 3.0, np.nan], [4.0, 2.0, 9.0, 8.0]])).tolist()
    [3.0, 4.0]
    """
    count = np.sum(~np.isnan(samples), axis=1)
    ordered = np.sort(samples, axis=1)  # NaN last
    middle: Floats = ordered[np.arange(len(samples)), (count - 1) // 2]
    return middle


def mean(values: ArrayLike) -> Interval:
    """Mean of independent values with Student's interval; infinite for fewer than two.

    Parameters
    ----------
    values : array_like of shape (n,)

    Returns
    -------
    Interval

    Examples
    --------
    >>> mean([1.0, 2.0, 3.0]).text(2)
    '2.00 [−0.48, 4.48]'
    """
    from scipy import stats

    given = np.asarray(values, dtype=np.float64)
    middle = float(given.mean()) if len(given) else np.nan
    if len(given) < 2 or not np.isfinite(middle):
        return Interval(middle, -np.inf, np.inf)
    error = given.std(ddof=1) / np.sqrt(len(given))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(given) - 1) * error)
    return Interval(middle, middle - half, middle + half)


def median(values: ArrayLike) -> Interval:
    """Median of independent values with the exact interval of order statistics.

    Parameters
    ----------
    values : array_like of shape (n,)

    Returns
    -------
    Interval
        NaN for none; the ends are infinite for fewer than six.

    Examples
    --------
    >>> median(range(1, 10)).text(0)
    '5 [2, 8]'
    """
    from scipy import stats

    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    count = len(ordered)
    if count == 0:
        return Interval(np.nan, np.nan, np.nan)
    at = int(stats.binom.ppf((1 - LEVEL) / 2, count, 0.5))
    ends = (ordered[at - 1], ordered[count - at]) if at else (-np.inf, np.inf)
    return Interval(float(np.median(ordered)), float(ends[0]), float(ends[1]))


def quantile_ends(values: Floats) -> tuple[Floats, Floats]:
    """Find the ends of the 95 % interval along axis 0; NaN counts as beyond either end.

    Parameters
    ----------
    values : ndarray of shape (resamples, ...)

    Returns
    -------
    low, high : ndarray of shape (...)

    Examples
    --------
    >>> low, high = quantile_ends(np.arange(1001.0))
    >>> float(low), float(high)
    (25.0, 975.0)
    """
    # Order statistics, not interpolated: a neighbour may be infinite.
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low = np.quantile(
        np.where(np.isnan(values), -np.inf, values), tails[0], axis=0, method="inverted_cdf"
    )
    high = np.quantile(
        np.where(np.isnan(values), np.inf, values), tails[1], axis=0, method="inverted_cdf"
    )
    return low, high


def proportion(successes: int, count: int) -> Interval:
    """Share of successes with the exact (Clopper–Pearson) interval.

    Parameters
    ----------
    successes, count : int

    Returns
    -------
    Interval

    Examples
    --------
    >>> proportion(32, 32).text(2)
    '1.00 [0.89, 1.00]'
    """
    from scipy import stats

    test = stats.binomtest(int(successes), int(count))
    ends = test.proportion_ci(LEVEL, method="exact")
    return Interval(successes / count, float(ends.low), float(ends.high))


def within(
    interval: Interval, low: float = -np.inf, high: float = np.inf, *, widest: float = np.inf
) -> Literal["supported", "not supported", "not decided"]:
    """Hold an interval against a range: the outcome of a verdict.

    Parameters
    ----------
    interval : Interval
    low, high : float
        The range that the statement allows.
    widest : float
        An interval that reaches further than this from its value decides nothing in favour.

    Returns
    -------
    str
        ``"supported"`` if the whole interval is inside the range and it is informative;
        ``"not supported"`` if the whole interval is outside; else ``"not decided"``.

    Examples
    --------
    >>> within(Interval(1.0, 0.98, 1.02), 0.97, 1.03), within(Interval(1.0, 0.98, 1.04), 0.97, 1.03)
    ('supported', 'not decided')
    >>> within(Interval(1.2, 1.1, 1.3), 0.97, 1.03), within(Interval(1.1, 1.0, 1.2), 0.97, 1.03)
    ('not supported', 'not decided')
    """
    if not all(np.isfinite(interval)):
        return "not decided"
    reach = max(interval.high - interval.value, interval.value - interval.low)
    if low <= interval.low and interval.high <= high and reach <= widest:
        return "supported"
    if interval.low > high or interval.high < low:
        return "not supported"
    return "not decided"
