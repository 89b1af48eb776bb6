"""The bars of the claims: exponents that theory gives, and separations, at full size.

The claims' own seeds, fixed in advance; data are those of the report.
"""

from __future__ import annotations

import functools

import pytest

from lrft.paper.beyond import reuse
from lrft.paper.claims import claim1, claim3, claim5, claim6
from lrft.paper.experiment import Context
from lrft.paper.jobs import run_all
from lrft.result import exponents, intervals


@functools.lru_cache
def data(claim):
    return claim.EXPERIMENT.run(Context())


@pytest.mark.verification
def test_sigmoid_is_linear_in_d():
    dimensions = claim1.DIMENSIONS[:4]
    delta, _ = claim1.ACTIVATIONS["sigmoid"]
    replicas = tuple(claim1.REPLICAS[d] for d in dimensions)
    jobs = claim1.known_c_jobs("sigmoid", delta, dimensions, replicas)
    steps = [intervals.hitting_steps(ds.hit_step.values[:, 0]) for ds in run_all(Context(), jobs)]
    assert abs(exponents.power_law(dimensions, steps).exponent.value - 1) <= 0.03


@pytest.mark.verification
def test_exponents_of_single_index_regression():
    one, _, three, fine = (claim3._fit(data(claim3), i).exponent for i in range(4))
    assert one.high < 1.2
    assert three.low <= 2 <= three.high
    assert max(three.high - three.value, three.value - three.low) <= 0.2
    assert abs(fine.value - 1) <= 0.1
    # T/d = a + b log d with the b of the order-parameter equation
    slope, _ = claim3._log_terms(data(claim3), 1)
    assert slope.low <= claim3.logarithm_predicted(claim3.MODELS[1]) <= slope.high


@pytest.mark.verification
def test_learning_from_scratch_is_separated_from_fine_tuning():
    fits = claim5.fits(data(claim5))
    assert all(len(fit.x) >= 3 for fit in fits.values())
    scratch, full, rank_one = (fits[name] for name in ("scratch", "full", "rank_one"))
    assert scratch.exponent.low > max(full.exponent.high, rank_one.exponent.high)
    assert scratch.exponent.high - scratch.exponent.low <= 0.2
    assert (scratch.x.min(), scratch.x.max()) == (16, 512)
    # Between the ends, medians may go up or down.
    _, ratios, growth = claim5._ratios(data(claim5))
    assert growth.low > 1
    assert ratios[-1].value > 10


@pytest.mark.parametrize("claim", [claim3, claim5])
@pytest.mark.verification
def test_full_size_verdicts_are_decided(claim):
    verdicts = claim.EXPERIMENT.judge(data(claim))
    assert {v.statement for v in verdicts if v.outcome == "not decided"} == set()


@pytest.mark.verification
def test_reuse_takes_the_information_exponent_away():
    """`lrft reproduce reuse` with half of its replicas, to a quarter and a half of its d."""
    twice = reuse.TWICE._replace(dimensions=reuse.TWICE.dimensions[:4])
    once = reuse.ONCE._replace(dimensions=reuse.ONCE.dimensions[:4])
    found = reuse.measured(Context(), (twice, once), 128)
    assert reuse.fit(found, twice).exponent.value < 1.25
    assert reuse.fit(found, once).exponent.value > 1.7
    assert reuse.fit(found, once).exponent.low > reuse.fit(found, twice).exponent.high


def test_threads_do_not_change_a_claim():
    first = claim6.EXPERIMENT.run(Context(quick=True, threads=1))
    second = claim6.EXPERIMENT.run(Context(quick=True, threads=2))
    assert first.identical(second)
