"""Coupling: the reduced space, driven by the coordinates of a path in R^d, reproduces that path.

How it is driven is in support/coupling.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, half_fraction, mover_of, rate, spec, task_of
from coupling import STEPS, follow

import lrft
from lrft.reference import students as twin

ROWS = 3
SGD = lrft.SGD()


def batches(task: lrft.Task, batch: int) -> np.ndarray:
    return np.random.default_rng(17).standard_normal((STEPS, batch, task.d))


def rank_one(
    task: lrft.Task,
    activation: str,
    batch: int,
    train_c: bool,
    orthogonal: bool,
    optimiser: lrft.SGD = SGD,
    slower: float = 1.0,
    **used: Any,
) -> None:
    rng = np.random.default_rng(4)
    lr = slower * rate(activation, task.d)
    training = lrft.Training(
        student=lrft.RankOne(train_c=train_c, orthogonal=orthogonal),
        lr=lr,
        steps=STEPS,
        batch=batch,
        **used,
        optimiser=optimiser,
    )
    mover = mover_of(training)
    P = twin.project_out(task.W) if orthogonal else lambda v: v
    u0, c0 = P(rng.standard_normal(task.d)), rng.standard_normal(task.k)
    inputs = batches(task, batch)
    path = twin.rank_one_path(
        task.W,
        task.lam,
        task.c,
        task.u,
        task.xi,
        task.activation,
        u0 / np.linalg.norm(u0),
        c0 / np.linalg.norm(c0),
        inputs,
        lr=lr,
        train_c=train_c,
        orthogonal=orthogonal,
        neuron_scale=task.neuron_scale,
        output_scale=task.output_scale,
        **used,
        mover=mover,
    )
    remembers = mover if mover.momentum else None
    follow(task, path, inputs, spec([task], training), (lr, lr), mover=remembers)


def three_rows(task: lrft.Task, activation: str, batch: int, train_own: bool) -> None:
    """Rows W + xi B A with A (3, d), B (k, 3), Euclidean: the same type with n = 3."""
    rng = np.random.default_rng(5)
    lr = rate(activation, task.d)
    described = spec([task], lrft.Training(lr=lr, steps=STEPS, batch=batch))
    (student,) = described.students
    student = student.replace(kind="lora", rows=ROWS, train_own=train_own, project=False)
    described = described.replace(students=[student])
    A0 = rng.standard_normal((ROWS, task.d)) / np.sqrt(task.d)
    B0 = rng.standard_normal((task.k, ROWS)) / np.sqrt(task.k * ROWS)
    inputs = batches(task, batch)
    path = twin.lora_path(
        task.W,
        task.lam,
        task.c,
        task.u,
        task.xi,
        task.activation,
        A0,
        B0,
        inputs,
        lr=lr,
        lr_b=lr if train_own else 0.0,
        scale=task.xi,
        neuron_scale=task.neuron_scale,
        output_scale=task.output_scale,
    )
    follow(task, path, inputs, described, (lr, lr))


OPTIONS = {
    "train_c": {"frozen": False, "joint": True},
    "orthogonal": {"Pi": True, "free": False},
    "batch": {"1": 1, "3": 3},
}


@pytest.mark.parametrize(("activation", "options"), half_fraction(OPTIONS))
def test_rank_one(activation, options):
    rank_one(task_of(activation), activation, **options)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_three_rows(activation, batch):
    three_rows(task_of(activation), activation, batch, train_own=True)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("used", [{"reuse": 2}, {"reuse": 3}, {"lookahead": 2.0}], ids=str)
def test_batches_used_more_than_once(used, batch):
    """In the frame that rows and batch make, whether or not it has more inputs than rows."""
    rank_one(task_of("tanh"), "tanh", batch, train_c=True, orthogonal=batch == 2, **used)


OPTIMISERS = {
    "momentum": (lrft.SGD(momentum=0.9), 1),
    "momentum, batch 3": (lrft.SGD(momentum=0.5), 3),
    "Nesterov, clipped": (lrft.SGD(momentum=0.9, nesterov=True, clip=2.0), 1),
    "normalised": (lrft.SGD(normalise=True), 3),
}


@pytest.mark.parametrize("orthogonal", [True, False], ids=["Pi", "free"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_rank_one_with_an_optimiser(name, orthogonal):
    optimiser, batch = OPTIMISERS[name]
    rank_one(task_of("tanh"), "tanh", batch, not orthogonal, orthogonal, optimiser, slower=0.1)


SHAPES: dict[str, dict[str, Any]] = {
    "u partly inside": {"parallel": 0.6},
    "u inside": {"parallel": 1.0},
    "zero features": {"features": "zero", "lam": 0.5},
    "orthonormal": {"features": "orthonormal"},
    "unit neurons": {"normalization": "unit"},
    "larger d": {"d": 200},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    task = task_of("tanh", **SHAPES[shape])
    orthogonal = shape != "u inside"
    rank_one(task, "tanh", 1, train_c=True, orthogonal=orthogonal)
    three_rows(task, "tanh", 5, train_own=False)  # a batch of more samples than rows
