"""LoRA and full networks against their twins: path, coupling, overlaps, loss, identities.

One table for both spaces.  The ambient space must reproduce the reference path on the same
normals; the reduced space, driven along such a path, must reproduce it too.  Errors are relative
to the largest entry, since these students are not unit vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import (
    ACTIVATIONS,
    LINEARIZED,
    final,
    initial_student,
    mover_of,
    reference_path,
    spec,
    twin,
)
from coupling import MOVED, STEPS, TOLERANCE, follow, lower_factor
from students import CASES, REPLICA, SEED, case, linear_loss, loss, overlaps

import lrft
from lrft.model.sizes import Sizes


def can_move(student: lrft.LoRA) -> bool:
    """Whether A does: not when frozen, nor in the expansion around B = 0."""
    at_zero = isinstance(student.b_init, str) and student.b_init == "zero"
    return student.train_a and not (student.linearized and at_zero)


def moved(path: list[tuple[np.ndarray, np.ndarray]], student: Any) -> bool:
    frozen = isinstance(student, lrft.LoRA) and not can_move(student)
    first, last = path[0][frozen], path[-1][frozen]
    return bool(np.linalg.norm(last - first) > MOVED * max(np.linalg.norm(first), 1e-3))


def check_path(task: lrft.Task, training: lrft.Training) -> None:
    student = training.student
    path = list(twin(task, training, seed=SEED, replica=REPLICA))
    assert moved(path, student)
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    assert chain.status == "finished"
    rows, own = path[-1]
    if student.biased(task) and rows.shape[-1] == task.d:  # along the constant it never moves
        rows = np.concatenate([rows, np.zeros((*rows.shape[:-1], 1))], axis=-1)
    for name, expected in (("rows", rows), ("own", own)):
        size = np.abs(expected).max()
        assert (
            np.abs(getattr(chain, name).reshape(expected.shape) - expected).max() < TOLERANCE * size
        )
    shapes = Sizes.of(task, training).records
    for i, t in enumerate(training.record_steps):
        for name, expected in zip(
            ("overlap_u", "overlap_c"), overlaps(task, student, *path[t]), strict=False
        ):
            found = chain.records[name].reshape(-1, *shapes[name])[i]
            # a cosine forgets the length, and so does its error
            np.testing.assert_allclose(found, expected.reshape(shapes[name]), rtol=0, atol=1e-9)
        if student.linearized:
            expected_loss = linear_loss(task, student, path[0], path[t])
            tolerance = 1e-6 if task.activation.kind == "relu" else 1e-9
            assert abs(chain.records["loss"][i] - expected_loss) < tolerance * max(
                1.0, expected_loss
            )
            continue
        expected_loss = loss(task, student, *path[t])
        assert abs(chain.records["loss"][i] - expected_loss) < 1e-9 * max(1.0, expected_loss)


def with_constant(path: Any, d: int) -> Any:
    """Rows with a coordinate along the constant, zero where they have none."""
    for rows, own in path:
        rows = np.atleast_2d(rows)
        yield np.pad(rows, ((0, 0), (0, d + 1 - rows.shape[1]))), own


def check_coupling(task: lrft.Task, training: lrft.Training) -> None:
    inputs = np.random.default_rng(17).standard_normal((STEPS, training.batch, task.d))
    start = initial_student(task, training.student, SEED, REPLICA)
    mover = mover_of(training)
    path = reference_path(task, training, start, inputs, mover=mover)
    frozen = isinstance(training.student, lrft.LoRA) and not can_move(training.student)
    Q = task.Q
    if training.student.start_of_its_own:
        # the start's own directions belong to S
        lora = isinstance(training.student, lrft.LoRA)
        names = ("a_init", "b_init") if lora else ("init", "lam_init")
        given = training.student.replace(**dict(zip(names, start, strict=True)))
        training = training.replace(student=given)
        Q = np.concatenate([Q, lower_factor(start[0] - start[0] @ Q @ Q.T)[1].T], axis=1)
    if training.student.biased(task):  # the constant: first in S, last in R^d
        Q = np.pad(Q, ((0, 1), (1, 0)))
        Q[-1, 0] = 1.0
        inputs = np.concatenate([inputs, np.ones((*inputs.shape[:2], 1))], axis=2)
        path = with_constant(path, task.d)
    described = spec([task], training)
    rates = [getattr(described.trainings[0], name).rate for name in ("lr", "lr_own")]
    follow(
        task,
        path,
        inputs,
        described,
        rates,
        moved=-1.0 if frozen else MOVED,
        Q=Q,
        mover=mover if mover.momentum else None,
        blocks=task.law.blocks.slices if task.law and task.law.blocks else (slice(None),),
    )


@pytest.mark.parametrize("name", CASES)
def test_ambient_path(name):
    check_path(*case(name))


EVERYWHERE = [
    "LoRA, rank 3",
    "full, base, output weights",
    "linear, rank one, u inside",
    "linear, LoRA, both factors",
    "linear, full, scratch",
]


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        (name, activation)
        for activation in ACTIVATIONS
        for name in EVERYWHERE
        # tanh is that of the cases above
        if activation != "tanh" and (activation in LINEARIZED or not name.startswith("linear"))
    ],
)
def test_ambient_path_of_every_activation(name, activation):
    check_path(*case(name, activation))


@pytest.mark.parametrize("batch", [1, 2])
def test_coupling_of_rows_of_very_different_size(batch):
    """A row whose squares underflow must not turn those of ordinary size into noise."""
    size = np.resize([1e-158, 1.0, 1e-170, 1.0, 1.0, 1e-300, 1.0], 10)
    V = np.random.default_rng(6).standard_normal((10, 24)) / 5 * size[:, None]
    task, training = case("full, given")
    student = training.student.replace(init=V, lam_init=0.4 * size)
    check_coupling(task, training.replace(student=student, batch=batch))


@pytest.mark.parametrize(
    "name", [name for name in CASES if "wide" not in name and name != "linear, LoRA, zero A"]
)
def test_coupling(name):
    check_coupling(*case(name))
