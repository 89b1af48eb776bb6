"""The paper's claim: steps grow linearly with d, whatever the Hermite expansion of σ.

Hitting step T of |overlap_u| = 0.9 for d = 10² … 10⁶ at η = δ/d, ĉ = c frozen, favourable
start (Theorems 1 and 12). The exponent is the slope of log median T against log d, which
the theory puts at 1 up to what the starting overlap of order d^{-1/2} saves at small d.
"""

from __future__ import annotations

import numpy as np
import pytest

import lrft

DIMENSIONS = (10**2, 10**3, 10**4, 10**5, 10**6)
REPLICAS = 16
SEED = 3


@pytest.mark.verification
@pytest.mark.parametrize("activation", ["relu", "he2", "he3"])
def test_hitting_steps_grow_linearly_with_the_dimension(
    activation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    k = 8
    instance = lrft.Task.sample(
        d=10**4, k=k, xi=k**0.5, activation=activation, features="orthonormal", c="quantized",
        lam=k**-0.5, normalization="unit", seed=0,
    )  # fmt: skip
    student = lrft.RankOne(c_init="teacher", u_init="favourable")
    # A quarter of the automatic rate, so that the noise of the gradient is small at d = 100 too.
    delta = lrft.theory.auto_lr(instance, student)[0] * instance.d / 4
    median = []
    for d in DIMENSIONS:
        training = lrft.Training(
            student=student, lr=delta / d, steps=2000 * d, stop_at=0.9, thresholds=[0.9], record=2
        )
        ds = lrft.simulate(instance.replace(d=d), training, replicas=REPLICAS, seed=SEED)
        hits = ds.hit_step.sel(threshold=0.9).values
        assert (hits >= 0).all(), f"d = {d}: {(hits < 0).sum()} of {REPLICAS} never hit"
        median.append(np.median(hits))
    slope = np.polyfit(np.log(DIMENSIONS), np.log(median), 1)[0]
    with capsys.disabled():
        per_d = ", ".join(f"{t / d:.2f}" for t, d in zip(median, DIMENSIONS, strict=True))
        print(f"\n{activation}: delta = {delta:.4g}, T/d = {per_d}, slope = {slope:.4f}")
    assert abs(slope - 1.0) <= 0.02
