"""Tasks whose teacher is no perturbed base: laws of what is drawn, coordinates, hashes, files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lrft
from lrft.reference.parts import link_output
from lrft.result import provenance

STAIRCASE = {(1,): 1.0, (1, 1): 1.0, (1, 1, 1): 1.0}
BASE = lrft.Task.sample(d=20, k=3, activation="tanh", xi=1.2, neuron_scale=0.8, seed=2)
GIVEN = lrft.Weights(BASE.W, BASE.lam, "tanh", 0.8)
ROWS = np.random.default_rng(0).standard_normal((2, 20))
TASKS = {
    "network": lrft.Task.teacher(d=20, width=2, lam_star="gaussian", k=3, lam=0.5),
    "network beside a base": lrft.Task.teacher("sphere", width=3, base=BASE, sigma_star="relu"),
    "given network": lrft.Task.teacher(ROWS, base=BASE, noise=0.1),
    "beside given weights": lrft.Task.teacher("orthonormal", width=2, base=GIVEN),
    "sphere beside given weights": lrft.Task.teacher("sphere", width=2, base=GIVEN),
    "single index": lrft.Task.single_index("he3", d=20),
    "given single index": lrft.Task.single_index("gelu", np.eye(20)[3], base=GIVEN),
    "staircase": lrft.Task.multi_index(STAIRCASE, d=20, seed=4),
    "staircase beside a base": lrft.Task.multi_index(STAIRCASE, base=BASE),
    "given parity": lrft.Task.multi_index({(1, 1): 2.0}, np.eye(20)[:2], base=BASE),
}
each_task = pytest.mark.parametrize("name", TASKS)


@each_task
def test_coordinates_are_those_of_the_weights(name):
    task = TASKS[name]
    Q = task.Q
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-13)
    np.testing.assert_allclose(task.W, task.R @ Q.T, atol=1e-13)
    np.testing.assert_allclose(np.atleast_2d(task.u), task.a @ Q.T, atol=1e-13)
    assert not np.any(task.c)
    if "base" in name or "weights" in name:
        np.testing.assert_allclose(task.gram, BASE.gram, atol=1e-13)
        assert (task.lam == BASE.lam).all()
        assert (task.neuron_scale, str(task.activation)) == (0.8, "tanh")


@each_task
def test_teacher_is_that_of_the_twin(name):
    task = TASKS[name]
    fields = np.random.default_rng(1).standard_normal((50, task.rank))
    np.testing.assert_allclose(task.link(fields), link_output(task.link, fields), rtol=1e-12)


@each_task
def test_hash_file_pickle_and_replace(name, tmp_path):
    task = TASKS[name]
    task.save(tmp_path / "task.npz")
    assert lrft.Task.load(tmp_path / "task.npz") == task
    assert pickle.loads(pickle.dumps(task)) == task
    other = task.replace(noise=0.7)
    assert other.link is task.link
    assert other != task
    assert other.replace(noise=task.noise) == task
    assert "link_weights" in task._arrays()
    assert provenance.describe_task(task)["teacher"] == str(task.link)
    if task.recipe is not None:
        arguments = dict(task.recipe)
        assert getattr(lrft.Task, arguments.pop("function"))(**arguments) == task


def test_every_part_of_the_teacher_is_in_the_hash():
    tasks = [
        lrft.Task.sample(d=20, k=1, features="zero"),
        lrft.Task.single_index("he3", d=20),
        lrft.Task.single_index("he2", d=20),
        lrft.Task.single_index("he2", d=20, activation="tanh"),
        lrft.Task.teacher(d=20, width=1, sigma_star="he2", lam_star=2.0),
        lrft.Task.multi_index({(2,): 1.0}, d=20),
        lrft.Task.multi_index({(3,): 1.0}, d=20),
        lrft.Task.multi_index({(3,): 2.0}, d=20),
    ]
    assert len({task.content_hash for task in tasks}) == len(tasks)


def test_rows_on_the_sphere_have_the_law_of_points_on_it():
    """Mean squares of cosines between rows, and with features, are 1/d: 5 standard errors."""
    d, cosines = 12, []
    for seed in range(400):
        base = lrft.Task.sample(d=d, k=2, seed=seed)
        task = lrft.Task.teacher("sphere", width=2, base=base, seed=seed)
        assert np.allclose(np.linalg.norm(task.a, axis=1), 1)
        cosines.append([task.a[0] @ task.a[1], *(task.R @ task.a.T).ravel()])
    squares = np.square(cosines)
    error = squares.std(axis=0) / np.sqrt(len(squares))
    assert (np.abs(squares.mean(axis=0) - 1 / d) < 5 * error).all()


def test_polynomials_have_unit_terms():
    """E f*^2 is the sum of the squares of the coefficients: 5 standard errors of 10^5 samples."""
    task = lrft.Task.multi_index({(1, 2): 1.0, (0, 1, 1): -0.5, (3,): 0.7}, d=20)
    y = task.link(np.random.default_rng(5).standard_normal((100_000, 3))) ** 2
    assert abs(y.mean() - (1 + 0.25 + 0.49)) < 5 * y.std() / np.sqrt(len(y))


def test_zero_student_has_the_square_of_the_teacher():
    X = np.random.default_rng(6).standard_normal((200_000, 20))
    for name, task in TASKS.items():
        loss = lrft.theory.population_loss(task, rows=np.zeros((1, 20)), lam=[0.0])
        y = task.link(X @ np.atleast_2d(task.u).T) ** 2
        assert abs(loss - y.mean()) < 5 * y.std() / np.sqrt(len(y)), name
