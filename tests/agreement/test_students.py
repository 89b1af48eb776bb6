"""LoRA and full networks against their twins: path, coupling, overlaps, loss, identities.

One table for both spaces.  The ambient space must reproduce the reference path on the same
normals; the reduced space, driven along such a path, must reproduce it too.  Errors are relative
to the largest entry, since these students are not unit vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, final, initial_student, rate, reference_path, spec, task_of, twin
from coupling import MOVED, STEPS, TOLERANCE, follow

import lrft
from lrft import _core, _engine, reference

SEED, REPLICA = 77, 3
RNG = np.random.default_rng(8)
A3, B3 = RNG.standard_normal((3, 24)) / 5, RNG.standard_normal((4, 3)) / 4
V5 = RNG.standard_normal((5, 24)) / 4

LORA: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # name: changes of the task, the student, changes of the training
    "rank 1": ({}, {"rank": 1, "alpha": 2.0}, {}),
    "rank 1, batch 3": ({}, {"rank": 1}, {"batch": 3}),
    "rank 3": ({}, {"rank": 3, "alpha": 6.0}, {}),
    "rank 3, batch 5, rates": ({}, {"rank": 3, "lr_b": 0.004}, {"batch": 5}),
    "teacher of rank 2": ({"c": "sphere", "rank": 2}, {"rank": 2, "alpha": 3.0}, {}),
    "teacher of rank 2, one row": ({"c": "sphere", "rank": 2}, {"rank": 1}, {}),
    "teacher of rank 2, rank 3": ({"c": "sphere", "rank": 2}, {"rank": 3}, {"batch": 2}),
    "frozen A": ({}, {"rank": 2, "train_a": False}, {}),
    "frozen B": ({}, {"rank": 2, "train_b": False, "b_init": "gaussian"}, {}),
    "given": ({}, {"rank": 3, "a_init": A3, "b_init": B3}, {}),
    "zero A": ({}, {"rank": 3, "a_init": "zero", "b_init": B3}, {"batch": 4}),
    "narrow start": ({}, {"rank": 2, "a_std": 0.05, "b_init": "gaussian"}, {}),
    "zero features": ({"features": "zero", "lam": 0.5}, {"rank": 2, "b_init": "gaussian"}, {}),
    "u inside": ({"parallel": 0.6}, {"rank": 2}, {}),
    "noise": ({"noise": 0.3}, {"rank": 2}, {"batch": 2}),
    "unit neurons": ({"normalization": "unit"}, {"rank": 2}, {}),
    "wide batch": ({}, {"rank": 2}, {"batch": 40}),
}
FULL: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "base": ({}, {}, {}),
    "base, output weights": ({}, {"train_lam": True}, {"batch": 3}),
    "base, rate": ({}, {"train_lam": True, "lr_lam": 0.001}, {}),
    "scratch": ({}, {"width": 6, "init": "gaussian", "lam_init": "signs"}, {}),
    "scratch, one neuron": ({}, {"width": 1, "init": "gaussian", "lam_init": "ones"}, {}),
    "scratch, nine": (
        {}, {"width": 9, "init": "gaussian", "lam_init": "gaussian", "train_lam": True, "std": 0.1},
        {"batch": 2, "lr": 0.003},
    ),
    "given": ({}, {"init": V5, "lam_init": 0.4}, {}),
    "teacher of rank 2": ({"c": "sphere", "rank": 2}, {}, {}),
    "zero features": (
        {"features": "zero", "lam": 0.5}, {"width": 3, "init": "gaussian", "lam_init": 0.5}, {}
    ),
    "u inside": ({"parallel": 0.6}, {}, {"batch": 4}),
    "noise": ({"noise": 0.3}, {}, {}),
    "unit neurons": ({"normalization": "unit"}, {"train_lam": True}, {}),
    "wide batch": ({}, {"train_lam": True}, {"batch": 40}),
}  # fmt: skip
CASES = {f"LoRA, {name}": (lrft.LoRA, *rest) for name, rest in LORA.items()}
CASES |= {f"full, {name}": (lrft.FullNetwork, *rest) for name, rest in FULL.items()}


def case(name: str, activation: str = "tanh") -> tuple[lrft.Task, lrft.Training]:
    kind, changes, options, more = CASES[name]
    task = task_of(activation, **changes)
    arguments = {"lr": rate(activation, task.d), "steps": STEPS, "record": 9}
    return task, lrft.Training(student=kind(**options), **(arguments | more))


def neurons(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> Any:
    """Rows (m, d) and output weights of the network that these parameters make."""
    if isinstance(student, lrft.FullNetwork):
        return rows, own
    return task.W + student.scale * own @ rows, task.lam


def teacher(task: lrft.Task) -> np.ndarray:
    return task.W + task.xi * task.c.reshape(task.k, -1) @ np.atleast_2d(task.u)


def overlaps(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    u, c = np.atleast_2d(task.u), task.c.reshape(task.k, -1)
    if isinstance(student, lrft.FullNetwork):
        return [reference.neuron_cosines(rows, teacher(task))]
    if len(rows) == len(u) == 1:
        return [np.array(reference.cosine(rows, u)), np.array(reference.cosine(own, c))]
    return [reference.subspace_cosines(rows, u), reference.subspace_cosines(own.T, c.T)]


def loss(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> float:
    V, lam = neurons(task, student, rows, own)
    both = task.neuron_scale * np.concatenate([teacher(task), V])
    weights = task.output_scale * np.concatenate([task.lam, -lam])
    return _core.expected_square(task.activation.core, weights, both @ both.T)[0]


def moved(path: list[tuple[np.ndarray, np.ndarray]], student: Any) -> bool:
    frozen = isinstance(student, lrft.LoRA) and not student.train_a
    first, last = path[0][frozen], path[-1][frozen]
    return bool(np.linalg.norm(last - first) > MOVED * max(np.linalg.norm(first), 1e-3))


def check_path(task: lrft.Task, training: lrft.Training) -> None:
    student = training.student
    path = list(twin(task, training, seed=SEED, replica=REPLICA))
    assert moved(path, student)
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    assert chain["status"] == "finished"
    for name, expected in zip(("rows", "own"), path[-1], strict=True):
        size = np.abs(expected).max()
        assert np.abs(chain[name].reshape(expected.shape) - expected).max() < TOLERANCE * size
    shape = _engine.overlap_shape(task, student)
    for i, t in enumerate(training.record_steps):
        for name, expected in zip(
            ("overlap_u", "overlap_c"), overlaps(task, student, *path[t]), strict=False
        ):
            found = chain[name].reshape(-1, *shape)[i]
            # a cosine forgets the length, and so does its error
            np.testing.assert_allclose(found, expected.reshape(shape), rtol=0, atol=1e-9)
        expected_loss = loss(task, student, *path[t])
        assert abs(chain["loss"][i] - expected_loss) < 1e-9 * max(1.0, expected_loss)


def check_coupling(task: lrft.Task, training: lrft.Training) -> None:
    inputs = np.random.default_rng(17).standard_normal((STEPS, training.batch, task.d))
    start = initial_student(task, training.student, SEED, REPLICA)
    path = reference_path(task, training, start, inputs)
    described = spec([task], training)
    rates = [described["trainings"][0][name]["rate"] for name in ("lr", "lr_own")]
    frozen = rates[0] == 0.0
    follow(task, path, inputs, described, rates, moved=-1.0 if frozen else MOVED)


@pytest.mark.parametrize("name", CASES)
def test_ambient_path(name):
    check_path(*case(name))


@pytest.mark.parametrize("name", ["LoRA, rank 3", "full, base, output weights"])
@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a != "tanh"])
def test_ambient_path_of_every_activation(name, activation):
    check_path(*case(name, activation))


@pytest.mark.parametrize("name", [name for name in CASES if "wide" not in name])
def test_coupling(name):
    check_coupling(*case(name))
