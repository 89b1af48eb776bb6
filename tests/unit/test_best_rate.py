"""The best rate: inside the rates tried, or not decided."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.paper import best_rate
from lrft.paper.claims import claim5
from lrft.paper.experiment import Context
from lrft.paper.jobs import paired_jobs
from lrft.result import exponents, intervals

pytestmark = pytest.mark.any_set

INF = float("inf")
RATES = np.array([1.0, 2.0, 4.0, 8.0])


def times(generator, instances=64):
    """Steps at each rate: least at 4, and at 8 half of them miss."""
    spread = np.exp(0.2 * generator.standard_normal((4, instances)))
    steps = np.array([80.0, 40.0, 20.0, 10.0])[:, None] * spread
    steps[3, ::2] = INF
    return steps


def test_the_best_rate_inside_those_tried():
    found = best_rate.best(RATES, times(np.random.default_rng(1)))
    assert (found.where, found.rate, found.index) == ("inside", 4.0, 2)
    assert found.interval.low < 20.0 < found.interval.high
    assert (found.low, found.high) == (0.0, 0.0)


@pytest.mark.parametrize("kept", [slice(0, 3), slice(2, 4), slice(2, 3)])
def test_a_truncated_grid_decides_nothing(kept):
    """The best rate of all, 4, is the greatest, the least, or the only one that is left."""
    points = [times(np.random.default_rng(i)) * d for i, d in enumerate((1, 10, 100))]
    whole = [best_rate.best(RATES, steps) for steps in points]
    cut = [whole[0], best_rate.best(RATES[kept], points[1][kept]), whole[2]]
    assert cut[1].where == "on the edge"
    assert np.isnan(cut[1].rate)

    def exponent(found):
        return exponents.fit_line(
            [1, 10, 100], [b.median for b in found], [b.medians for b in found]
        ).exponent

    assert intervals.within(exponent(whole), 0.9, 1.1) == "supported"
    assert intervals.within(exponent(cut), 0.9, 1.1) == "not decided"
    assert intervals.within(exponent(cut), 1.5, 2.5) == "not decided"
    assert "on the edge" in best_rate.edges(cut, [1, 10, 100])
    assert best_rate.edges(whole, [1, 10, 100]) == ""


def test_a_claim_with_a_truncated_grid_is_not_decided():
    """Claim 5 with clear power laws, and with the rates above the best one left out at one d."""
    names, dimensions, steps = [], [], []
    for one in claim5.STUDENTS:
        power = 2.0 if one.name == "scratch" else 1.0
        for d in one.dimensions:
            names.append(one.name)
            dimensions.append(d)
            steps.append(times(np.random.default_rng(d)) * d**power)
    data = xr.Dataset(
        {
            "steps": (("point", "rate", "instance", "member"), np.array(steps)[..., None]),
            "lr": (("point", "rate"), np.tile(RATES, (len(names), 1))),
        },
        {"student": ("point", names), "dimension": ("point", dimensions)},
    )
    assert {v.outcome for v in claim5.EXPERIMENT.judge(data)} == {"supported"}
    cut = data.copy(deep=True)
    last = names.index("scratch") + len(claim5.STUDENTS[0].dimensions) - 1
    cut.steps[last, 3], cut.lr[last, 3] = np.nan, np.nan
    outcomes = [v.outcome for v in claim5.EXPERIMENT.judge(cut)]
    assert outcomes == ["not decided", "not decided", "supported"]
    assert "on the edge" in claim5.EXPERIMENT.judge(cut)[0].note


def test_misses_are_infinite_and_too_many_exclude_a_rate():
    slow, fast = np.full(10, 20.0), np.r_[np.full(7, 5.0), np.full(3, INF)]
    never = np.full(10, INF)
    assert best_rate.best([0.5, 1, 2], [slow * 9, slow, fast]).rate == 1
    assert best_rate.best([0.5, 1, 2, 3], [slow * 9, slow, fast, never], success=0.7).rate == 2
    found = best_rate.best([0.5, 1, 2], [never, never, never])
    assert (found.where, found.index, found.low, found.high) == ("none succeeds", -1, 1.0, 1.0)


def test_the_choice_is_repeated_in_resamples_of_instances():
    """Two rates of the same law: the interval of the lesser median reaches below that of either."""
    generator = np.random.default_rng(5)
    steps = np.exp(generator.standard_normal((4, 32, 1)) + np.array([9, 0, 0, 9])[:, None, None])
    alone = best_rate.best(RATES[:3], steps[[0, 1, 3]])
    both = best_rate.best(RATES, steps)
    assert both.interval.low < alone.interval.low
    # Members of an instance are no more instances: the interval is that of one member.
    members = best_rate.best(RATES, np.repeat(steps, 8, axis=2))
    assert members.interval == both.interval


def test_places_that_were_not_run_and_the_order_of_rates_change_nothing():
    steps = times(np.random.default_rng(4))
    padded = np.full((6, 128, 2), np.nan)
    padded[[5, 0, 3, 2], :64, 0] = steps
    rates = np.full(6, np.nan)
    rates[[5, 0, 3, 2]] = RATES
    one, other = best_rate.best(RATES, steps), best_rate.best(rates, padded)
    assert (one.rate, one.median, one.low) == (other.rate, other.median, other.low)
    assert np.array_equal(one.medians, other.medians, equal_nan=True)
    assert other.index == 3


def _point(start):
    tasks = [lrft.Task.sample(d=60, k=2, activation="relu", seed=i) for i in range(16)]

    def jobs(rate, steps):
        training = lrft.Training(
            student=lrft.RankOne(c_init="teacher", u_init="favourable"),
            lr=rate / 60,
            steps=steps,
            stop_at=0.8,
            thresholds=(0.8,),
            record=2,
        )
        return paired_jobs(tasks, training, 3)

    return best_rate.Point(jobs, lambda ds: intervals.hitting_steps(ds.hit_step[:, 0]), start, 6000)


@pytest.mark.parametrize("start", [0.02, 20.0])
def test_a_search_begun_too_low_or_too_high_goes_on(start):
    data = best_rate.search(Context(threads=1), [_point(start)], most=16)
    found = best_rate.best(data.lr[0], data.steps[0])
    assert found.where == "inside"
    assert 0.02 < found.rate < 20.0
    assert data.steps.sizes["instance"] == 16


def test_a_search_that_may_not_go_on_says_so():
    data = best_rate.search(Context(threads=1), [_point(0.02)], most=3)
    assert best_rate.best(data.lr[0], data.steps[0]).where != "inside"


def test_threads_do_not_change_a_search():
    one = best_rate.search(Context(quick=True, threads=1), [_point(1.0), _point(0.5)])
    two = best_rate.search(Context(quick=True, threads=2), [_point(1.0), _point(0.5)])
    assert one.identical(two)


class Made(NamedTuple):
    """A job whose steps are known."""

    steps: np.ndarray

    @property
    def size(self):
        return self.steps.size


@pytest.mark.parametrize(("start", "members"), [(4.5, 1), (20.0, 1), (20.0, 2)])
def test_rates_at_which_most_would_miss_are_not_run_for_all(monkeypatch, start, members):
    """What is chosen is what it is where every rate is run for every instance."""
    generator = np.random.default_rng(5)
    spread, luck = np.exp(0.3 * generator.standard_normal(128)), generator.random(128)

    def jobs(rate, longest):
        steps = np.where(luck < 2.0 / rate, 100.0 / rate * spread, INF)
        steps[steps > longest] = INF
        each = np.repeat(steps[:, None], members, axis=1)
        return [Made(each[first : first + 32]) for first in range(0, 128, 32)]

    def searched(scouts):
        monkeypatch.setattr(best_rate, "SCOUTS", scouts)
        ran = []
        monkeypatch.setattr(best_rate, "run_all", lambda _, jobs: ran.extend(jobs) or jobs)
        point = best_rate.Point(jobs, lambda made: made.steps, start, 2000)
        return best_rate.search(Context(threads=1), [point], factor=1.2, most=60), len(ran)

    (few, some), (whole, all_) = searched(32), searched(128 * members)
    assert some < all_ == 4 * few.sizes["rate"]
    assert np.array_equal(few.lr, whole.lr)
    left = few.steps.values != whole.steps.values
    given_up = [(luck[:32] < 2 / rate).sum() < 0.48 * 32 for rate in few.lr.values[0]]
    assert left[0].any(axis=(1, 2)).tolist() == given_up
    assert np.isinf(few.steps.values[left]).all()
    one, other = (best_rate.best(ds.lr[0], ds.steps[0]) for ds in (few, whole))
    assert one.where == "inside"
    for name in ("rate", "median", "low", "high"):
        assert getattr(one, name) == getattr(other, name)
    assert np.array_equal(one.medians, other.medians, equal_nan=True)
