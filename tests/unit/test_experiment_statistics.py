"""Intervals of the claims against known answers, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from lrft.paper.claims import claim4, claim7
from lrft.result import exponents, intervals

pytestmark = pytest.mark.any_set

INF = float("inf")


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0, 2.5])
def test_exact_power_laws_are_recovered(exponent):
    x = np.array([10.0, 30.0, 100.0, 1000.0])
    fit = exponents.power_law(x, [np.full(5, 7.0 * at**exponent) for at in x])
    assert np.allclose(fit.exponent, exponent, rtol=0, atol=1e-12)
    assert fit.prefactor == pytest.approx(7.0)
    line, low, high = fit.line([20.0, 500.0])
    for values in (line, low, high):
        assert values == pytest.approx(7.0 * np.array([20.0, 500.0]) ** exponent)


def test_kaplan_meier_median_of_a_textbook_sample():
    # Remission times under 6-mercaptopurine (Freireich et al. 1963); published: median 23, and
    # 13 with no upper end as its log-log interval.
    hit = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    steps = [*hit, *[INF] * len(censored)]
    horizon = [*hit, *censored]
    assert intervals.median_steps(steps, horizon) == (23.0, 13.0, INF)


@pytest.mark.parametrize(
    ("steps", "median"),
    [
        ([5.0], 5.0),
        ([4.0, 1.0, 3.0, 2.0], 2.0),
        ([1.0, 2.0, INF, INF], 2.0),
        ([1.0, INF, INF], INF),
        ([3.0, np.nan, 1.0, 2.0], 2.0),
        ([INF, INF], INF),
    ],
)
def test_both_medians_agree_where_all_censoring_is_late(steps, median):
    assert intervals.median_steps(steps, 10.0).value == median
    assert intervals.bootstrap_median(steps)[0] == median


def test_censored_replicas_move_the_median_up():
    steps = np.arange(1.0, 22.0)
    missed = np.where(np.arange(21) % 4 == 0, INF, steps)
    dropped = intervals.median_steps(np.where(np.isinf(missed), np.nan, missed)).value
    assert intervals.median_steps(missed).value > dropped


def coverage(make, truth, trials):
    """Share of trials whose interval holds the truth."""
    held = 0
    for trial in range(trials):
        interval = make(np.random.default_rng([7, trial]))
        held += interval.low <= truth <= interval.high
    return held / trials


# 300 trials: a true coverage of 0.95 passes 0.91 with probability 0.999, one of 0.85 with 0.002.
TRIALS, LEAST = 300, 0.91


@pytest.mark.parametrize("censored", [False, True])
def test_intervals_of_exponents_cover(censored):
    x = np.array([100.0, 400.0, 1600.0, 6400.0])

    def make(generator):
        samples = 20 * x[:, None] ** 1.5 * np.exp(0.6 * generator.standard_normal((4, 16)))
        if censored:  # the slowest tenth
            samples[samples > 20 * x[:, None] ** 1.5 * 2.15] = INF
        return exponents.power_law(x, samples, resamples=400).exponent

    share = coverage(make, 1.5, TRIALS)
    assert share >= LEAST
    # and they are no wider than needed: 16 replicas know a log median to 1.25 * 0.6 / 4
    spread = 1.25 * 0.6 / 4 / np.sqrt(np.sum((np.log(x) - np.log(x).mean()) ** 2))
    widths = [make(np.random.default_rng([8, i])) for i in range(20)]
    assert np.median([w.high - w.low for w in widths]) < 1.5 * 2 * 1.96 * spread


def test_intervals_that_ignore_instances_do_not_cover():
    # 8 instances of 8 replicas, the spread between instances: rows must be resampled whole.
    def sample(generator):
        return np.exp(generator.standard_normal((8, 1)) + 0.1 * generator.standard_normal((8, 8)))

    def rows(generator):
        given = sample(generator)
        return intervals.interval(*intervals.bootstrap_median(given, resamples=400))

    def pooled(generator):
        given = sample(generator).ravel()
        return intervals.interval(*intervals.bootstrap_median(given, resamples=400))

    assert coverage(rows, 1.0, TRIALS) >= LEAST - 0.04  # 8 instances are few
    assert coverage(pooled, 1.0, TRIALS) < 0.75


def test_kaplan_meier_intervals_cover():
    # exponential times, median log 2, half of them censored at random between 0 and 2
    def make(generator):
        times, ends = generator.exponential(size=40), generator.uniform(0, 2, size=40)
        return intervals.median_steps(np.where(times <= ends, times, INF), np.minimum(times, ends))

    assert coverage(make, np.log(2), TRIALS) >= LEAST


def test_an_infinite_median_decides_nothing():
    fit = exponents.power_law([1, 10, 100], [[1.0] * 4, [10.0] * 4, [INF] * 4])
    assert np.isnan(fit.exponent.value)
    assert fit.exponent[1:] == (-INF, INF)
    assert intervals.within(fit.exponent, 0.9, 1.1) == "not decided"


def test_a_resample_with_an_infinite_median_is_beyond_either_end():
    # 3 of 8 miss: more than 2.5 % of resamples have an infinite median.
    fit = exponents.power_law([1, 10], [[1.0] * 8, [10.0] * 5 + [INF] * 3])
    assert fit.exponent == (1.0, -INF, INF)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(0, 10, 0.0, 1 - 0.025**0.1), (10, 10, 0.025**0.1, 1.0), (1, 1, 0.025, 1.0)],
)
def test_proportions_at_the_ends(successes, count, low, high):
    interval = intervals.proportion(successes, count)
    assert interval == pytest.approx((successes / count, low, high))


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((1.0, 0.98, 1.02), "supported"),
        ((1.0, 0.8, 1.2), "not decided"),  # right, but it does not say much
        ((1.05, 1.01, 1.09), "not decided"),
        ((1.01, 0.98, 1.04), "not decided"),  # the estimate is inside, not the whole interval
        ((0.98, 0.96, 1.0), "not decided"),
        ((1.2, 1.1, 1.3), "not supported"),
        ((0.8, 0.7, 0.9), "not supported"),
        ((np.nan, -INF, INF), "not decided"),
    ],
)
def test_outcomes(interval, outcome):
    found = intervals.within(intervals.Interval(*interval), 0.97, 1.03, widest=0.05)
    assert found == outcome


@pytest.mark.parametrize(
    ("x", "samples", "message"),
    [
        ([1, 1], [[1.0], [1.0]], "two different values"),
        ([1, 2, 3], [[1.0], [1.0]], "two different values"),
        ([1, 2], [[0.0], [1.0]], "positive"),
        ([1, 2], [[np.nan], [1.0]], "at least one number"),
    ],
)
def test_bad_points_are_refused(x, samples, message):
    with pytest.raises(ValueError, match=message):
        exponents.power_law(x, samples)


def test_a_level_that_is_not_crossed_has_no_place():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([[0.0, 5.0, 0.0], [1.0, 6.0, 2.0], [3.0, 7.0, 4.0]])
    found = claim7._crossings(x, y, np.array([2.0, 2.0, 9.0]))
    assert found.tolist() == [1.5, INF, INF]


@pytest.mark.parametrize("kind", ["any", "no linear part", "hard case", "round", "along the least"])
def test_least_value_on_the_sphere(kind):
    """Against many descents from random starts: never above, and met by one of them."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        vectors, _ = np.linalg.qr(rng.standard_normal((5, 5)))
        quadratic = vectors @ np.diag(rng.standard_normal(5)) @ vectors.T
        linear = rng.standard_normal(5) * (kind != "no linear part")
        if kind == "round":
            quadratic = 0.7 * np.eye(5)
        if kind == "along the least":
            linear = 3.0 * np.linalg.eigh(quadratic)[1][:, 0]
        if kind == "hard case":  # nothing along the least eigenvector
            lowest = np.linalg.eigh(quadratic)[1][:, 0]
            linear = 0.1 * (linear - lowest * (lowest @ linear))

        def value(point, quadratic=quadratic, linear=linear):
            c = point / np.linalg.norm(point)
            return c @ quadratic @ c + linear @ c

        found = min(optimize.minimize(value, rng.standard_normal(5)).fun for _ in range(20))
        assert abs(claim4.least_on_sphere(quadratic, linear) - found) < 1e-8
