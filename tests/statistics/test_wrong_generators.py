"""Verdicts at reduced size, and what a wrong generator makes of them."""

from __future__ import annotations

import pytest

import lrft
from lrft.paper.experiment import Context
from lrft.paper.figures import judging, settings
from lrft.paper.figures.instances import Curve, paths, simulate_curves

pytestmark = pytest.mark.verification


def first_loss(scale_power: float) -> str:
    """Outcome of Fig. 3a's first loss, with neurons scaled by (k/(k+ξ²)) to a power."""
    k = 50
    tasks = []
    for i in range(128):
        task = settings.task(i, d=2000, k=k, xi=k**0.5)
        tasks.append(task.replace(neuron_scale=(k / (k + task.xi**2)) ** scale_power))
    training = lrft.Training(
        student=settings.student(train_c=True), lr=1e-9, steps=1, record=2, thresholds=(0.9,)
    )
    data = simulate_curves(Context(), [Curve("real", tuple(tasks), training)], settings.SEED)
    return judging.inside("s", paths(data, "loss", "real")[:, 0], 2.045).outcome


def test_without_the_root_the_first_loss_of_figure_3_does_not_fit() -> None:
    assert first_loss(0.5) == "supported"
    assert first_loss(1.0) == "not supported"
