"""The noise of the gradient, and the rates that the dynamics bear."""

from __future__ import annotations

import numpy as np
import pytest
from gradients import on_the_side, sample_gradients, unit

import lrft
from lrft import theory
from lrft.reference import students as twin


@pytest.mark.parametrize(("m", "noise"), [(0.0, 0.0), (0.6, 0.0), (-0.9, 0.5), (1.0, 0.5)])
def test_gradient_noise_of_a_linear_model(m, noise):
    """f = <u, x>: g = 2 (<u_hat - u, x> - label noise), so E[g^2] = 8 (1 - m) + 4 noise^2."""
    task = lrft.Task.sample(d=50, k=1, xi=1.0, features="zero", activation="he1", noise=noise)
    found = theory.gradient_noise(task, task.c, m)
    expected = 8 * (1 - m) + 4 * noise**2
    assert found.error <= 0.02 * expected
    assert abs(found.value - expected) <= 4 * found.error + 1e-12
    assert theory.gradient_noise(task, task.c, m, batch=4).value == pytest.approx(found.value / 4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "he2"])
def test_one_step_has_the_drift_of_the_order_parameter_ode(activation):
    """E[m' - m] = lr h (1 - m^2) - lr^2 (d / 2) m E[g^2], at a rate where both terms count."""
    d, n, m = 400, 20_000, 0.6
    task = lrft.Task.sample(d=d, k=3, activation=activation, normalization="unit", seed=2)
    rng = np.random.default_rng(3)
    c_hat = -unit(task.c + 0.3 * np.eye(3)[0])
    u_hat = on_the_side(task, m, rng)
    pull = theory.drift(task, c_hat, m) * (1 - m**2)
    noise = theory.gradient_noise(task, c_hat, m)
    lr = abs(pull) / (d * m * noise.value)  # half of the balance

    moved = np.empty(n)
    P = twin.project_out(task.W)
    for start in range(0, n, 2000):
        X = rng.standard_normal((2000, d))
        steps = P(sample_gradients(task, u_hat, c_hat, X)[0].T).T
        steps -= np.outer(steps @ u_hat, u_hat)
        after = u_hat - lr * steps
        moved[start : start + 2000] = after @ task.u / np.linalg.norm(after, axis=1) - m
    expected = lr * pull - lr**2 * (d / 2) * m * noise.value
    # beyond the statistical error: next order in lr d E[g^2], and d against d - k - 1
    error = moved.std() / np.sqrt(n) + lr**2 * (d / 2) * m * noise.error
    assert error < 0.25 * abs(expected)
    assert abs(moved.mean() - expected) <= 4 * error + 0.05 * lr * abs(pull)


def test_limit_of_a_linear_model_is_known():
    """J = x, so E|J|^2 / E|J|^4 = 1/d, and the curvature of a full batch adds 1."""
    task = lrft.Task.sample(d=500, k=1, xi=1.0, features="zero", activation="he1")
    assert theory.stability_limit(task, lrft.RankOne()) == pytest.approx(1 / 501, rel=1e-12)
    large = theory.stability_limit(task, lrft.RankOne(), batch=10**9)
    assert large == pytest.approx(1, rel=1e-5)


TASKS = {
    "paper": {"d": 2000, "k": 50, "c": "sphere", "normalization": "unit"},
    "orthonormal": {"d": 1000, "k": 8, "features": "orthonormal", "lam": 8**-0.5},
    "lazy": {"d": 1000, "k": 8, "xi": 0.1, "activation": "sigmoid"},
    "parallel": {"d": 1000, "k": 8, "parallel": 0.5},
    "noisy": {"d": 1000, "k": 8, "activation": "tanh", "noise": 0.5},
    "he3": {"d": 1000, "k": 8, "activation": "he3", "normalization": "unit"},
    "glm 2": {"d": 1000, "k": 4, "features": "zero", "activation": "quadratic"},
    "glm 3": {"d": 1000, "k": 1, "features": "zero", "activation": "he3"},
    "rank 2": {"d": 1000, "k": 8, "rank": 2, "activation": "gelu"},
}
STUDENTS = {
    "frozen": lrft.RankOne(),
    "joint": lrft.RankOne(train_c=True),
    "at the teacher": lrft.RankOne(c_init="teacher"),
    "free": lrft.RankOne(train_c=True, orthogonal=False, c_init="sphere"),
}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", STUDENTS)
def test_auto_lr_gives_a_rate_and_a_reason(name, kind):
    task = lrft.Task.sample(**TASKS[name], seed=1)
    lr, reasoning = theory.auto_lr(task, STUDENTS[kind])
    limit = theory.stability_limit(task, STUDENTS[kind])
    assert 0.45 * limit < lr <= 0.5 * limit
    assert float(f"{lr:.1e}") == lr  # two digits
    assert f"{lr:g}" in reasoning
    assert "above it" in reasoning
    assert theory.auto_lr(task, STUDENTS[kind]) == (lr, reasoning)


def test_auto_lr_of_a_linearized_student():
    """It never fits, so only noise counts; a base without slope gives it no gradient at all."""
    task = lrft.Task.sample(**TASKS["orthonormal"], seed=1)
    lr, reasoning = theory.auto_lr(task, lrft.RankOne(linearized=True, c_init=task.c))
    assert 1e-5 < lr < 1e-2
    assert "noise outweighs the pull at overlap" in reasoning
    flat = lrft.Task.sample(**TASKS["glm 2"], seed=1)
    with pytest.raises(ValueError, match="the gradient vanishes"):
        theory.auto_lr(flat, lrft.RankOne(linearized=True))


def test_rate_of_a_single_index_model_falls_faster_than_1_over_d():
    """Information exponent 3: lr of order d^(-3/2), set by the start; exponent 1: of order 1/d."""
    for activation, power in (("he3", 1.5), ("tanh", 1.0)):
        limits = [
            theory.stability_limit(
                lrft.Task.sample(d=d, k=1, features="zero", activation=activation), lrft.RankOne()
            )
            for d in (10**4, 10**6)
        ]
        assert np.log10(limits[0] / limits[1]) / 2 == pytest.approx(power, abs=0.02)


@pytest.mark.parametrize("train_c", [False, True])
def test_the_limit_separates_learning_from_stalling(train_c):
    """Half of it reaches overlap 0.95; four times as much is far from it at the end."""
    task = lrft.Task.sample(d=60, k=4, features="orthonormal", normalization="unit", seed=3)
    rng = np.random.default_rng(0)
    limit = theory.stability_limit(task, lrft.RankOne(train_c=train_c, c_init=task.c))
    final = {}
    for share in (0.5, 4.0):
        path = twin.rank_one_path(
            task.W,
            task.lam,
            task.c,
            task.u,
            task.xi,
            task.activation,
            on_the_side(task, 0.1, rng),
            task.c,
            rng.standard_normal((6000, 1, task.d)),
            lr=share * limit,
            train_c=train_c,
            neuron_scale=task.neuron_scale,
        )
        overlaps = np.array([u_hat @ task.u for u_hat, _ in path])
        final[share] = np.abs(overlaps[-1000:]).mean()
    assert final[0.5] > 0.95
    assert final[4.0] < 0.8


@pytest.mark.parametrize("student", [lrft.RankOne(), lrft.FullNetwork(train_biases=True)])
def test_the_limit_of_a_relu_that_its_bias_keeps_on_is_that_of_a_linear_neuron(student):
    given = {"d": 500, "k": 1, "xi": 1.0, "features": "orthonormal"}
    linear = lrft.Task.sample(activation="he1", **given)
    biased = lrft.Task.sample(activation="relu", biases=30.0, **given)
    expected = theory.stability_limit(linear, student)
    assert theory.stability_limit(biased, student) == pytest.approx(expected, rel=1e-9)
    assert theory.rates.far_above(biased, student, 20 * expected)
    assert not theory.rates.far_above(biased, student, expected)


def test_the_limit_under_a_spike_is_that_of_longer_weights():
    """u and all rows are in span(W), where inputs are twice as long."""
    task = lrft.Task.sample(d=10**4, k=3, xi=0.5, parallel=1.0, activation="tanh", seed=1)
    parts = {"c": task.c, "lam": task.lam, "xi": 2 * task.xi, "activation": "tanh"}
    longer = lrft.Task.from_coordinates(task.d, 2 * task.R, task.a, **parts)
    student = lrft.FullNetwork(train_lam=True)
    expected = theory.stability_limit(longer, student)
    spiked = task.replace(inputs=lrft.Spiked("features", 3.0))
    assert theory.stability_limit(spiked, student) == pytest.approx(expected, rel=1e-9)
    assert theory.stability_limit(task, student) != pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("student", [lrft.LoRA(rank=2, b_init="gaussian"), lrft.FullNetwork()])
def test_the_limit_under_a_mean_is_that_with_biases(student):
    """Means in span(W) move preactivations as biases do; samples of the two differ."""
    task = lrft.Task.sample(d=10**4, k=3, xi=0.5, activation="tanh", seed=1)
    mean = np.array([1.0, -1.5, 0.5])
    moved = task.replace(inputs=lrft.Mixture(mean[None], directions="features"))
    biased = task.replace(biases=task.R[:, : len(mean)] @ mean)
    limits = [theory.stability_limit(one, student, samples=2**15) for one in (moved, biased)]
    assert limits[0] == pytest.approx(limits[1], rel=0.03)
    assert theory.stability_limit(task, student) != pytest.approx(limits[0], rel=0.1)
