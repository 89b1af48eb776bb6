"""Losses other than the squared error: their gradients, and what is recorded of them.

A training of one of them takes the general step, whose labels are whole; so does Huber's loss
with a bend that no error reaches, which is the squared error again.  Paths and coupling are rows of
test_students.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import final, spec, twin_loss
from students import REPLICA, SEED, case

import lrft
from lrft.reference import students as reference

LOSSES: dict[str, Any] = {
    "correlation": "correlation",
    "Huber": lrft.Huber(0.3),
    "logistic": lrft.Logistic(flip=0.2),
}
STUDENTS = (
    "LoRA, noise",
    "LoRA, sphere, rank 3",
    "full, base, output weights",
    "linear, LoRA, both factors",
)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", STUDENTS)
def test_the_general_step_is_the_plain_one(name, engine):
    """Of the squared error, the two differ in rounding alone."""
    task, training = case(name)
    ends = [
        final(spec([task], plan, [REPLICA], seed=SEED, ambient=engine == "ambient"))[0]
        for plan in (training, training.replace(loss=lrft.Huber(1e200)))
    ]
    for field in ("rows", "own"):
        plain, general = (getattr(end, field) for end in ends)
        if field == "rows" and engine == "reduced":  # L is a factor; its signs are not the path's
            plain, general = np.abs(plain), np.abs(general)
        np.testing.assert_allclose(general, plain, rtol=0, atol=1e-9 * np.abs(plain).max())
    assert (ends[0].rows != ends[1].rows).any()  # it was the other step


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_the_twin_is_a_difference(loss):
    """Slopes, and through them the gradient of every student, against differences of the value."""
    rng = np.random.default_rng(5)
    X, V = rng.standard_normal((6, 5)), rng.standard_normal((3, 5))
    lam, y = rng.standard_normal(3), rng.choice([-1.0, 1.0], 6)
    named = twin_loss(LOSSES[loss])

    def mean(V: np.ndarray) -> float:
        return float(np.mean(reference.resolve_loss(named)[0](network(V), y)))

    def network(V: np.ndarray) -> np.ndarray:
        return reference.network(X, V, lam, "tanh")

    D, _ = reference.row_gradient(X, y, V, lam, "tanh", loss=named)
    step = 1e-5
    for place in np.ndindex(V.shape):
        up, down = V.copy(), V.copy()
        up[place] += step
        down[place] -= step
        assert abs((mean(up) - mean(down)) / (2 * step) - (D.T @ X)[place]) < 1e-8
