"""The paper's claim: steps grow linearly with d, whatever the Hermite expansion of σ.

Hitting step T of |overlap_u| = 0.9 for d = 10² … 10⁶ at η = δ/d, ĉ = c frozen, favourable
start (Theorems 1 and 12). The exponent is the slope of log median T against log d, which
the theory puts at 1 up to what the starting overlap of order d^{-1/2} saves at small d.
The instance and the jobs are those of claim 1, here with 16 replicas at every d.
"""

from __future__ import annotations

import numpy as np
import pytest

from lrft.paper.claims import claim1
from lrft.paper.experiment import Context
from lrft.paper.jobs import run_all
from lrft.result import exponents, intervals

REPLICAS = 16
SEED = 3


@pytest.mark.verification
@pytest.mark.parametrize("activation", ["relu", "he2", "he3"])
def test_hitting_steps_grow_linearly_with_the_dimension(
    activation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dimensions = claim1.DIMENSIONS
    # Half the rate of the claim, so that the noise of the gradient is small at d = 100 too.
    delta = claim1.ACTIVATIONS[activation][0] / 2
    jobs = claim1.known_c_jobs(
        activation, delta, dimensions, (REPLICAS,) * len(dimensions), seed=SEED, horizon=20.0
    )
    steps = [intervals.hitting_steps(ds.hit_step.values[:, 0]) for ds in run_all(Context(), jobs)]
    assert np.isfinite(steps).all(), f"never hit: {np.isinf(steps).sum(axis=1)} of {REPLICAS}"
    fit = exponents.power_law(dimensions, steps)
    with capsys.disabled():
        per_d = ", ".join(f"{t / d:.2f}" for t, d in zip(fit.medians, dimensions, strict=True))
        print(f"\n{activation}: delta = {delta:.4g}, T/d = {per_d}, slope {fit.exponent.text(4)}")
    assert abs(fit.exponent.value - 1.0) <= 0.02
