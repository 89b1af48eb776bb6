"""Losses other than the squared error: their gradients, and what is recorded of them.

A training of one of them takes the general step; so does Huber's loss with a bend that no error
reaches, which is the squared error again.  Paths and coupling are rows of test_students.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import final, initial_student, spec, task_of, twin_loss
from students import REPLICA, SEED, case, neurons, teacher

import lrft
from lrft.core.engine import compiled
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


# ---- what is recorded ---------------------------------------------------------------------------

RECORDED = ("LoRA, noise", "full, scratch", "linear, LoRA, both factors", "LoRA, unit neurons")


def recorded(name: str, loss: Any, engine: str, **changes: Any) -> tuple[Any, Any]:
    """Sixteen replicas of a case at eight records; the exact loss with its label noise."""
    task, training = case(name)
    training = training.replace(loss=loss, steps=200, record=8, **changes)
    ds = lrft.simulate(task, training, replicas=16, seed=8, engine=engine)
    return ds, ds.loss.values + task.noise**2


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", RECORDED)
def test_the_training_loss_of_samples_is_the_exact_one(name, engine):
    """Huber's loss without a bend has the mean loss + noise²; of 128 records, all together.

    One record over its own error is skewed, since squares have long tails; their sum over 131,072
    samples is nearly normal, and passes 4.5 with probability 7e-6.
    """
    ds, exact = recorded(name, lrft.Huber(1e200), engine)
    off, error = ds.training_loss.values - exact, ds.training_loss_error.values
    assert abs(off.sum()) < 4.5 * np.sqrt((error**2).sum())
    assert 0.7 < (off / error).std() < 1.4
    assert (ds.final_training_loss == ds.training_loss.isel(step=-1)).all()
    assert (ds.training_loss_error.values > 0).all()


@pytest.mark.parametrize("name", RECORDED)
def test_the_training_loss_of_correlation_is_exact(name):
    """-2 E f f* is what is left of E (f - f*)² without E f² and E f*²."""
    task, training = case(name)
    training = training.replace(loss="correlation", steps=20, record=2)
    simulation = lrft.Simulation(task, training, replicas=2, seed=8, engine="ambient")
    simulation.run()
    ds = simulation.dataset()
    assert "training_loss_error" not in ds
    start = initial_student(task, training.student, 8, 0)
    V, lam = neurons(task, training.student, *start)  # at step 0 linearised students are networks
    both = task.neuron_scale * np.concatenate([teacher(task), V])
    squares = [
        compiled.expected_square(
            task.activation.core,
            task.output_scale * np.concatenate([task.lam, sign * lam]),
            both @ both.T,
        )[0]
        for sign in (1, -1)
    ]
    expected = (squares[1] - squares[0]) / 2
    assert abs(ds.training_loss.values[0, 0] - expected) < 1e-10 * max(squares)


def test_the_logistic_training_loss_against_many_samples():
    """The mean over a million samples of the network that a replica ended with."""
    task = task_of("tanh", noise=0.3)
    loss = lrft.Logistic(flip=0.1)
    training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.01, steps=300, loss=loss, record=2)
    simulation = lrft.Simulation(task, training, replicas=4, seed=1, keep_students=True)
    simulation.run()
    ds = simulation.dataset()
    rng = np.random.default_rng(4)
    X = rng.standard_normal((200_000, task.d))
    star = reference.network(X, teacher(task), task.lam, "tanh", output_scale=task.output_scale)
    y = np.where(star + task.noise * rng.standard_normal(len(X)) < 0, -1.0, 1.0)
    for replica in range(4):
        f = simulation.trained(replica=replica).predict(X)
        values = 0.9 * np.logaddexp(0, -y * f) + 0.1 * np.logaddexp(0, y * f)
        error = np.hypot(ds.final_training_loss_error[replica], values.std() / np.sqrt(len(values)))
        assert abs(ds.final_training_loss[replica] - values.mean()) < 4.5 * error


def test_what_knows_the_squared_error_only_says_so():
    task, training = case("LoRA, rank 1")
    with pytest.raises(ValueError, match="lr='auto' is from the stability limit of the squared"):
        lrft.simulate(task, training.replace(lr="auto", loss="correlation"))
    student = lrft.RankOne(c_init="teacher", orthogonal=False)
    plan = training.replace(student=student, steps=50, loss="huber")
    ds = lrft.simulate(task, plan, replicas=2)
    with pytest.raises(
        ValueError, match=r"curve of the squared error, got loss.* run with record_"
    ):
        lrft.plot.overlap(ds, theory=True)


def test_a_correlation_that_grows_without_bound_diverges():
    """The loss has no least value: rows of LoRA grow until they are no numbers."""
    task = task_of("quadratic", xi=3.0)
    student = lrft.LoRA(rank=1, b_init="gaussian")
    plan = lrft.Training(student=student, lr=0.1, steps=3000, loss="correlation", record=2)
    ds = lrft.simulate(task, plan, replicas=8)
    assert (ds.status == "diverged").all()
    assert (ds.stop_step < 3000).all()


def test_a_study_over_losses(tmp_path):
    losses = ["squared", "correlation", lrft.Huber(0.5)]
    task, training = case("LoRA, rank 1")
    points = [training.replace(steps=50, record=3, loss=loss) for loss in losses]
    alone = [lrft.simulate(task, point, replicas=3, seed=2) for point in points]
    study = {
        "task": task,
        "training": {"lr": training.lr, "steps": 50, "record": 3},
        "student": training.student.model_dump(),
        "run": {"replicas": 3, "seed": 2},
        "grid": {"training.loss": losses},
    }
    ds = lrft.sweep(study, tmp_path / "study.db")
    assert ds.loss_name.values.tolist()[:2] == ["squared", "correlation"]
    for i, one in enumerate(alone):
        np.testing.assert_array_equal(ds.loss.isel(loss_name=i), one.loss)
        if "training_loss" in one:
            np.testing.assert_array_equal(ds.training_loss.isel(loss_name=i), one.training_loss)
    assert np.isnan(ds.training_loss.isel(loss_name=0)).all()
    assert np.isnan(ds.training_loss_error.isel(loss_name=1)).all()


def test_the_squared_error_has_no_variable_of_its_own():
    task, training = case("LoRA, rank 1")
    ds = lrft.simulate(task, training.replace(steps=5, record=2), replicas=1)
    assert not [name for name in ds.data_vars if "training_loss" in str(name)]
