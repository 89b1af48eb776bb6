"""Exponents: lines through log medians, with intervals.

Independence: an exponent's interval takes its points as independent, so they must be run with
different seeds (tasks in one list share random numbers by default).  Within a point, replicas or
whole instances are resampled, see `lrft.result.intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.result.intervals import (
    RESAMPLES,
    Interval,
    bootstrap_median,
    interval,
    quantile_ends,
)

__all__ = ["PowerLaw", "fit_line", "power_law"]

Floats = NDArray[np.float64]


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
        low, high = quantile_ends(values)
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
        Positive; at least two different x. NaN: not decided, as the median at a best rate on the
        edge of those tried; then nor is the exponent.
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
    if not (at > 0).all() or (medians <= 0).any() or (drawn <= 0).any():
        raise ValueError("x and samples must be positive: their logarithms are fitted")
    ends = quantile_ends(drawn)
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
