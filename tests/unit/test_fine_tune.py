"""`recover_c` and `fine_tune`: exactness, bookkeeping, restarts, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lrft
from lrft import theory
from lrft.algorithm import recovery, tuning

ACTIVATIONS = ("relu", "he2", "he3", "sigmoid")


def task_of(activation, **changes):
    arguments = {"d": 200, "k": 6, "features": "orthonormal", "lam": "gaussian", "seed": 2}
    return lrft.Task.sample(**(arguments | {"activation": activation} | changes))


def in_space(task, P, rest, seed=0):
    """A u_hat (d,) with these coordinates; the direction of the rest is free."""
    v = np.random.default_rng(seed).standard_normal(task.d)
    v -= task.Q @ (task.Q.T @ v)
    u_hat = task.Q @ P + rest * v / np.linalg.norm(v)
    return u_hat / np.linalg.norm(u_hat)


# ---- recover_c ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("activation", [*ACTIVATIONS, "erf", "gelu"])
def test_at_the_teacher_the_regression_is_exact(activation, sign):
    task = task_of(activation, normalization="unit", output_scale=0.7)
    found = lrft.recover_c(task, sign, samples=500)
    np.testing.assert_array_equal(found.c_hat, sign * task.c)
    # one feature of each pair carries lam, the other nothing
    carried = np.where(sign * task.c > 0, [[1.0], [0.0]], [[0.0], [1.0]]) * task.lam
    np.testing.assert_allclose(found.coefficients, carried, atol=1e-10 * found.condition)
    assert found.residual < 1e-20 * np.sum(task.lam**2)


def test_the_ways_to_give_u_hat_agree():
    task = task_of("relu")
    P = 0.7 * task.a[0]
    u_hat = in_space(task, P, np.sqrt(1 - 0.7**2))
    by_overlap = lrft.recover_c(task, 0.7, 1000, seed=5)
    for found in (
        lrft.recover_c(task, u_hat, 1000, seed=5),
        lrft.recover_c(task, None, 1000, seed=5, coordinates=P),
    ):
        np.testing.assert_allclose(found.coefficients, by_overlap.coefficients, atol=1e-10)
        assert found.residual == pytest.approx(by_overlap.residual, rel=1e-10)
    other = lrft.recover_c(task, 0.7, 1000, seed=6)
    assert other.residual != by_overlap.residual


@pytest.mark.parametrize("k", [6, 20])
def test_chunks_give_the_least_squares_solution(k):
    task, seed = task_of("tanh", k=k), 3
    chunk = recovery.FEW if k == 6 else recovery.MANY
    samples = 2 * chunk + 77
    P = 0.4 * task.a[0]
    rows = np.concatenate(
        [
            recovery._regression_rows(task, P, size, seed, recovery.REPLICA, i)
            for i, size in enumerate((chunk, chunk, 77))
        ]
    )
    X, y = rows[:, :-1], rows[:, -1]
    expected, residual, _, singular = np.linalg.lstsq(X, y, rcond=None)
    found = lrft.recover_c(task, 0.4, samples, seed=seed)
    np.testing.assert_allclose(found.coefficients.ravel(), expected, atol=1e-9)
    assert found.residual == pytest.approx(residual[0] / samples, rel=1e-9)
    assert found.condition == pytest.approx(singular[0] / singular[-1], rel=1e-6)


def test_label_noise_is_the_residual_at_the_teacher():
    task = task_of("relu", noise=0.5, output_scale=2.0)
    samples = 20_000
    found = lrft.recover_c(task, 1.0, samples)
    expected = 0.25 * (1 - 2 * task.k / samples)
    assert found.residual == pytest.approx(expected, abs=4 * 0.25 * np.sqrt(2 / samples))
    np.testing.assert_array_equal(found.c_hat, task.c)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_signs_are_found_long_before_u_hat_has_settled(activation):
    task = task_of(activation, k=16, d=1000, lam="ones")
    assert lrft.recover_c(task, 0.6, samples=40_000).c_hat.tolist() == task.c.tolist()


def test_neurons_that_coincide_have_no_finite_condition():
    task = lrft.Task.sample(d=50, k=3, features="zero")
    assert lrft.recover_c(task, 1.0, samples=100).condition == np.inf


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"u_hat": 1.5}, ValueError, "out of reach"),
        ({"u_hat": np.ones(3)}, ValueError, r"u_hat must have shape \(200,\), got \(3,\)"),
        ({"u_hat": "u"}, TypeError, "u_hat must be a real number"),
        ({"u_hat": None}, ValueError, "exactly one of u_hat and coordinates"),
        ({"coordinates": np.zeros(7)}, ValueError, "exactly one of u_hat and coordinates"),
        ({"u_hat": None, "coordinates": np.ones(7)}, ValueError, "norm at most 1"),
        ({"samples": 11}, ValueError, "samples must be at least 12, got 11"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_recover_c_refuses(refused, arguments, error, message):
    given = {"u_hat": 0.5, "samples": 100} | arguments
    refused(lambda: lrft.recover_c(task_of("relu"), **given), error, message)


# ---- fine_tune ----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_loss_is_met_and_is_that_of_the_student(activation):
    task = task_of(activation, lam="ones")
    result = lrft.fine_tune(task, 1e-4, relative_to="variance", seed=1)
    assert result.converged
    assert result.loss <= result.target == 1e-4 * result.scale
    assert abs(result.overlap_u) > 0.99
    assert result.samples == sum(stage.samples for stage in result.history)
    u_hat = in_space(task, result.P, result.rest)
    expected = theory.population_loss(task, u_hat, result.c_hat)
    assert result.loss == pytest.approx(expected, abs=1e-9 * result.scale)
    assert result.overlap_u == pytest.approx(u_hat @ task.u, abs=1e-12)
    assert result.overlap_c == pytest.approx(result.c_hat @ task.c, abs=1e-12)
    assert repr(result).startswith("FineTuned(converged: relative loss ")


def test_given_weights_and_u_partly_inside_the_features():
    given = task_of("relu", parallel=0.5, d=60)
    task = lrft.Task(W=given.W, u=given.u, c=given.c, lam=given.lam, xi=given.xi)
    result = lrft.fine_tune(task, 1e-3, seed=3)
    assert result.converged
    assert abs(result.overlap_u) > 0.99


def test_c_that_is_not_quantized_is_trained():
    task = task_of("relu", c="sphere", lam="ones")
    result = lrft.fine_tune(task, 1e-4, quantized=False, seed=1)
    assert result.converged
    assert abs(result.overlap_c) > 0.99
    assert np.ptp(np.abs(result.c_hat)) > 0.1
    # the other way is to regress in vain on features that the teacher does not have
    stubborn = lrft.fine_tune(task, 1e-4, quantized=True, seed=1, attempts=1, rounds=2)
    assert not stubborn.converged


def test_same_seed_same_student():
    task = task_of("tanh")
    first, again, other = (lrft.fine_tune(task, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.P, again.P)
    assert [s[:4] for s in first.history] == [s[:4] for s in again.history]
    assert not np.array_equal(first.P, other.P)


def test_restarts_turn_u_hat_round_and_then_draw_afresh():
    task = task_of("relu", lam="ones")
    result = lrft.fine_tune(task, 1e-9, seed=4, attempts=4, rounds=1, first_steps=1)
    assert not result.converged
    assert result.attempts == 4
    trained = [stage for stage in result.history if stage.stage == "u"]
    assert [stage[:4] for stage in trained] == [(i, 0, "u", 1) for i in range(4)]
    assert "not converged" in repr(result)
    assert "4 attempts" in repr(result)

    tuner = tuning._Tuner(
        task,
        eps=1.0,
        relative_to="variance",
        seed=4,
        quantized=True,
        rounds=1,
        patience=1,
        first_steps=1,
        samples_c=12,
    )
    starts = [tuner._start(i) for i in range(4)]
    for turned, start in zip(starts[1::2], starts[::2], strict=True):
        np.testing.assert_array_equal(turned.P, -start.P)
        np.testing.assert_array_equal(turned.c_hat, start.c_hat)
        assert turned.rest == start.rest
    assert not np.array_equal(np.abs(starts[2].P), np.abs(starts[0].P))
    assert not np.array_equal(starts[2].c_hat, starts[0].c_hat)


def test_the_best_student_is_returned():
    task = task_of("he3", noise=3.0)
    result = lrft.fine_tune(task, 1e-12, seed=1, attempts=2, rounds=3, first_steps=500)
    assert not result.converged
    assert result.loss <= min(stage.loss for stage in result.history)
    expected = theory.population_loss(task, in_space(task, result.P, result.rest), result.c_hat)
    assert result.loss == pytest.approx(expected, abs=1e-9 * result.scale)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "he3"])
def test_scales_are_the_moments_of_the_teacher(activation):
    task = task_of(activation, output_scale=0.5, normalization="unit")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2**17, task.R.shape[1]))
    rows = task.R + theory.population.perturbation(task)
    y = 0.5 * task.activation(task.neuron_scale * X @ rows.T) @ task.lam
    options = {"attempts": 1, "rounds": 1, "first_steps": 1}
    square = lrft.fine_tune(task, **options).scale
    variance = lrft.fine_tune(task, relative_to="variance", **options).scale
    assert square == pytest.approx((y**2).mean(), abs=4 * (y**2).std() / np.sqrt(len(y)))
    assert square - variance == pytest.approx(
        y.mean() ** 2, abs=8 * abs(y.mean()) * y.std() / np.sqrt(len(y)) + 1e-4 * square
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"eps": 0.0}, ValueError, "eps must be greater than 0, got 0"),
        ({"eps": "small"}, TypeError, "eps must be a real number"),
        ({"seed": 2**64}, ValueError, "seed must be at most"),
        ({"relative_to": "mean"}, ValueError, "relative_to must be one of"),
        ({"quantized": 1}, TypeError, "quantized must be True or False"),
        ({"attempts": 0}, ValueError, "attempts must be at least 1, got 0"),
        ({"patience": 0}, ValueError, "patience must be at least 1, got 0"),
        ({"rounds": 65}, ValueError, "rounds must be at most 64, got 65"),
        ({"first_steps": 0}, ValueError, "first_steps must be at least 1"),
        ({"samples_c": 3}, ValueError, "samples_c must be at least 12, got 3"),
    ],
)
def test_fine_tune_refuses(refused, arguments, error, message):
    refused(lambda: lrft.fine_tune(task_of("relu"), **arguments), error, message)


def test_tasks_that_do_not_fit_are_refused(refused):
    two = lrft.Task.sample(d=50, k=4, rank=2)
    refused(lambda: lrft.fine_tune(two), ValueError, "rank 1, got rank 2")
    refused(lambda: lrft.recover_c(two, 0.5, 100), ValueError, "rank 1, got rank 2")
    refused(lambda: lrft.fine_tune("task"), TypeError, "task must be a Task, got 'task' \\(str\\)")
    refused(lambda: lrft.recover_c(None, 0.5, 100), TypeError, "task must be a Task, got None")
    tight = lrft.Task.sample(d=6, k=5, features="orthonormal")
    refused(lambda: lrft.fine_tune(tight), ValueError, "task must have d >= 8")


def test_replicas_of_attempts_do_not_meet():
    # starts of attempt n at 256 n (n even), rounds from 256 n + 1, at most 64 of them
    assert tuning.REPLICAS > 64
    assert (2**20 + 1) * tuning.REPLICAS < recovery.REPLICA
