"""Inputs with structure: what a spike does to the search, and one law in both spaces."""

from __future__ import annotations

import numpy as np
import pytest
from laws import assert_same, two_samples

import lrft
from lrft.result.exponents import power_law

D, LEVEL, RATE = 1000, 0.5, 0.01


def test_a_spike_shortens_the_search():
    """As gradient flow says: dm/dt = 4 Q m (1 - m^2), Q = v^2 + theta^2 / 2, v = 1 + theta.

    For he2, whose correlation under the spike is m^2 Q (docs/inputs.md).  At a finite rate, 0.01
    of 1 / (d v), the noise along u hurries replicas that start low, more where theta is larger.
    """
    strengths, times, flow = np.array([0.0, 1.0, 3.0, 7.0]), [], []
    speed = (1 + strengths) ** 2 + strengths**2 / 2
    for i, theta in enumerate(strengths):
        task = lrft.Task.single_index(
            "he2", d=D, activation="he2", inputs=lrft.Spiked("u", float(theta))
        )
        lr = RATE / (D * (1 + theta))
        training = lrft.Training(
            student=lrft.RankOne(orthogonal=False),
            lr=lr,
            steps=int(10 / speed[i] / lr),
            record=[0],
            stop_at=LEVEL,
            loss="correlation",
        )
        ds = lrft.simulate(task, training, replicas=64, seed=i)
        start = np.median(np.abs(ds.overlap_u.isel(step=0).values))
        hits = ds.hit_step.sel(threshold=LEVEL).values.reshape(-1)
        times.append(lr * np.where(hits < 0, np.inf, hits))
        odds = [m / np.sqrt(1 - m**2) for m in (start, LEVEL)]
        flow.append(np.log(odds[1] / odds[0]) / (4 * speed[i]))
    medians = np.array([np.median(one) for one in times])
    assert np.abs(medians / flow - 1).max() < 0.15
    law = power_law(speed, times)
    assert law.exponent.low < -0.95
    assert law.exponent.high > -1.05


@pytest.mark.parametrize(
    "inputs", ["spiked features 2", "mixture beside -1.5 1.5", "mixture u -1 1 labels -0.5 0.5"]
)
def test_spaces_agree(inputs):
    """Overlaps and losses of both spaces, of LoRA and of the rank-one student."""
    pvalues = {}
    for student in (lrft.LoRA(rank=2), lrft.RankOne(train_c=True, orthogonal=False)):
        name = type(student).__name__
        task = lrft.Task.sample(
            d=60, k=4, xi=2.0, activation="tanh", inputs=inputs, normalization="unit", seed=3
        )
        training = lrft.Training(student=student, lr=0.004, steps=500, record=[100, 500])
        found = [
            lrft.simulate(task, training, replicas=160, seed=5 + i, engine=engine)
            for i, engine in enumerate(("reduced", "ambient"))
        ]
        for step in (100, 500):
            for variable in ("loss", "overlap_u"):
                one, two = (ds[variable].sel(step=step).values for ds in found)
                pvalues[f"{name} {variable} {step}"] = two_samples(one, two)
                assert one.std() > 1e-4
    assert_same(pvalues)
