"""Intervals for what the claims measure: medians of censored steps, exponents, proportions.

A replica that never hits is censored at its horizon; one that diverged never will.  Both are
``inf`` here, so that all censoring is beyond every observed step, where the Kaplan–Meier median is
the order statistic of the sample with its infinities.

Independence: an exponent's interval takes its points as independent, so they must be run with
different seeds (tasks in one list share random numbers).  Within a point, replicas are resampled;
where several replicas share an instance (a draw of c), whole instances are.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from lrft.experiments.experiment import Outcome

__all__ = [
    "Interval",
    "PowerLaw",
    "bootstrap_median",
    "fit_line",
    "hitting_steps",
    "interval",
    "least_median",
    "median_steps",
    "power_law",
    "proportion",
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
        value, low, high = (f"{number:.{digits}f}" for number in self)
        return f"{value} [{low}, {high}]"


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
    """Kaplan–Meier median of censored steps, with the Brookmeyer–Crowley interval.

    The interval holds the steps at which the pointwise interval of the survival function
    (Greenwood's variance, log-log scale) contains one half.

    Parameters
    ----------
    steps : array_like of shape (n,)
        ``inf`` where censored; NaN is left out.
    horizon : array_like, scalar or of shape (n,)
        Where a censored replica ended; ``inf`` for one that never can hit.

    Returns
    -------
    Interval
        Infinite where fewer than half hit.

    Examples
    --------
    >>> median_steps([1, 2, 3, 4, float("inf")], horizon=10).value
    3.0
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
        at = np.flatnonzero(function.probabilities <= 0.5)
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


def least_median(
    samples: ArrayLike, *, success: float = 0.8, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[int, float, Floats]:
    """Find the learning rate with the least median among those that succeed often enough.

    The choice is part of what is resampled, so that the interval knows of it.

    Parameters
    ----------
    samples : array_like of shape (rates, n) or (rates, instances, replicas)
        As for `bootstrap_median`; the rates share their instances.
    success : float
        Least share of hits for a rate to be taken.
    resamples : int
    seed : int

    Returns
    -------
    index : int
        Of the rate; −1 if none succeeds often enough.
    value : float
        Its median; ``inf`` if there is none.
    medians : ndarray of shape (resamples,)

    Examples
    --------
    >>> index, value, medians = least_median([[5.0, 6.0, 7.0], [3.0, 4.0, float("inf")]])
    >>> index, value
    (0, 6.0)
    """
    rates = np.asarray(samples, dtype=np.float64)
    rates = rates[..., None] if rates.ndim == 2 else rates
    generator = np.random.default_rng(seed)
    drawn = generator.integers(rates.shape[1], size=(resamples, rates.shape[1]))
    whole = np.stack([_admitted(rate.reshape(1, -1), success) for rate in rates])[:, 0]
    medians = np.stack([_admitted(rate[drawn].reshape(resamples, -1), success) for rate in rates])
    best = int(np.argmin(whole))
    return (best if np.isfinite(whole[best]) else -1), float(whole[best]), medians.min(axis=0)


def interval(value: float, resampled: ArrayLike) -> Interval:
    """Make an estimate and its resampled values an interval; NaN counts as beyond either end.

    Examples
    --------
    >>> interval(0.5, np.linspace(0, 1, 1001)).text(2)
    '0.50 [0.03, 0.97]'
    """
    low, high = _quantiles(np.asarray(resampled, dtype=np.float64))
    return Interval(float(value), float(low), float(high))


def _admitted(samples: Floats, success: float) -> Floats:
    """Medians of rows, infinite where too few hit."""
    share = np.isfinite(samples).sum(axis=1) / (~np.isnan(samples)).sum(axis=1)
    admitted: Floats = np.where(share >= success - 1e-9, row_medians(samples), np.inf)
    return admitted


def row_medians(samples: Floats) -> Floats:
    """Take Kaplan–Meier medians of rows, (n, replicas), in which all censoring is late.

    That is the lower middle value, NaN left out.

    Examples
    --------
    >>> row_medians(np.array([[1.0, np.inf, 3.0, np.nan], [4.0, 2.0, 9.0, 8.0]])).tolist()
    [3.0, 4.0]
    """
    count = np.sum(~np.isnan(samples), axis=1)
    ordered = np.sort(samples, axis=1)  # NaN last
    middle: Floats = ordered[np.arange(len(samples)), (count - 1) // 2]
    return middle


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """A line through log medians: ``median = prefactor * x**exponent``.

    Attributes
    ----------
    exponent : Interval
    prefactor : float
    x, medians : ndarray of shape (n,)
        The points fitted.
    low, high : ndarray of shape (n,)
        95 % interval of each median.
    """

    exponent: Interval
    prefactor: float
    x: Floats
    medians: Floats
    low: Floats
    high: Floats
    _lines: Floats

    def line(self, x: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return the fitted line and its pointwise 95 % band at x."""
        at = np.log(np.asarray(x, dtype=np.float64))
        values = self._lines[:, :1] + self._lines[:, 1:] * at
        low, high = _quantiles(values)
        return self.prefactor * np.exp(self.exponent.value * at), np.exp(low), np.exp(high)


def power_law(
    x: ArrayLike,
    samples: Sequence[ArrayLike],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PowerLaw:
    """Fit an exponent to medians by least squares in logarithms, with a bootstrap interval.

    Each point is resampled on its own, which is right if points were run with seeds of their own.
    The interval is that of the slope over the range of x given; it does not cover curvature.

    Parameters
    ----------
    x : array_like of shape (n,)
        Positive, at least two different values.
    samples : sequence of n samples
        As `bootstrap_median` takes them.
    resamples : int
    seed : int

    Returns
    -------
    PowerLaw
        NaN with an infinite interval if a median is infinite. A resample with an infinite median
        counts as one beyond either end of the interval.

    Raises
    ------
    ValueError
        If lengths differ, there are too few points, or a number is not positive.

    Examples
    --------
    >>> fit = power_law([10, 100], [[20, 20, 20], [2000, 2000, 2000]])
    >>> fit.exponent.text(1), round(fit.prefactor, 3)
    ('2.0 [2.0, 2.0]', 0.2)
    """
    pairs = [
        bootstrap_median(sample, resamples=resamples, seed=seed + i)
        for i, sample in enumerate(samples)
    ]
    return fit_line(x, [value for value, _ in pairs], [values for _, values in pairs])


def fit_line(x: ArrayLike, values: ArrayLike, resampled: Sequence[ArrayLike]) -> PowerLaw:
    """Fit an exponent to statistics of which resampled values are known.

    Parameters
    ----------
    x, values : array_like of shape (n,)
        Positive; at least two different x.
    resampled : sequence of n arrays of shape (resamples,)
        As `bootstrap_median` gives them, independent from point to point.

    Returns
    -------
    PowerLaw

    Raises
    ------
    ValueError
        As `power_law`.

    Examples
    --------
    >>> fit_line([1, 10], [5, 50], [[5, 5], [50, 50]]).exponent.text(1)
    '1.0 [1.0, 1.0]'
    """
    at = np.asarray(x, dtype=np.float64)
    medians = np.asarray(values, dtype=np.float64)
    if at.shape != (len(resampled),) or len(np.unique(at)) < 2 or medians.shape != at.shape:
        raise ValueError(
            f"x must give at least two different values, one for each of the {len(resampled)} "
            f"samples, got shape {at.shape}"
        )
    drawn = np.stack([np.asarray(one, dtype=np.float64) for one in resampled], axis=1)
    if not ((at > 0).all() and (medians > 0).all() and (drawn > 0).all()):
        raise ValueError("x and samples must be positive: their logarithms are fitted")
    ends = _quantiles(drawn)
    lines = _lines(np.log(at), np.log(drawn))
    intercept, slope = _lines(np.log(at), np.log(medians)[None])[0]
    return PowerLaw(
        exponent=interval(slope, lines[:, 1]),
        prefactor=float(np.exp(intercept)),
        x=at,
        medians=medians,
        low=ends[0],
        high=ends[1],
        _lines=lines,
    )


def _lines(log_x: Floats, log_y: Floats) -> Floats:
    """Intercept and slope of the least-squares line through each row; NaN if one is infinite."""
    centred = log_x - log_x.mean()
    rows = np.where(np.isfinite(log_y), log_y, np.nan)
    slope = rows @ centred / (centred @ centred)
    return np.stack([rows.mean(axis=1) - slope * log_x.mean(), slope], axis=1)


def _quantiles(values: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval along axis 0; NaN counts as beyond either end."""
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
) -> Outcome:
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
        ``"supported"`` if the estimate is inside the range and its interval is informative;
        ``"not supported"`` if the whole interval is outside; else ``"not decided"``.

    Examples
    --------
    >>> within(Interval(1.01, 0.98, 1.04), 0.97, 1.03, widest=0.05)
    'supported'
    >>> within(Interval(1.2, 1.1, 1.3), 0.97, 1.03), within(Interval(1.1, 1.0, 1.2), 0.97, 1.03)
    ('not supported', 'not decided')
    """
    if not all(np.isfinite(interval)):
        return "not decided"
    reach = max(interval.high - interval.value, interval.value - interval.low)
    if low <= interval.value <= high and reach <= widest:
        return "supported"
    if interval.low > high or interval.high < low:
        return "not supported"
    return "not decided"
