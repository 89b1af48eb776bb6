"""Coupling: the reduced space, driven by the coordinates of a path in R^d, reproduces that path.

Each step of the reference twin has inputs X (b, d) and a student with rows A (n, d).  In a basis
(Q, the rows' own directions U outside it, the rest) these are

    P = A Q,   A - P Q^T = L U,   X_S = X Q,   Z = (X - X_S Q^T) U^T,   T T^T = the Gram matrix
                                                                        of what is left of X,

and from (X_S, Z, T) alone the reduced space must find the next P, L L^T and own parameters.
What it is given depends on A only through directions; its P, L and own parameters are its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, half_fraction, rate, spec, task_of

import lrft
from lrft import _core, reference

STEPS, TOLERANCE, ROWS = 2_000, 1e-10, 3
MOVED = 0.02  # relative; a path that stands still would agree with anything


def lower_factor(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M = L U with U orthonormal rows and L lower triangular, its diagonal nonnegative."""
    q, r = np.linalg.qr(M.T)
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    return r.T * signs, (q * signs).T


def follow(task: lrft.Task, path: Any, inputs: np.ndarray, drive_spec: Any, rates: Any) -> None:
    """Drive the reduced space along `path`, which yields (A, B) of rank n after each step."""
    Q, s, noise = task.Q, task.R.shape[1], np.zeros(inputs.shape[1])
    lane = sum(map(ord, str(task))) % 8  # some lane, the same every time
    drive = None
    first = None
    worst = 0.0
    for t, (A, B) in enumerate(path):
        A, B = np.atleast_2d(A), B.reshape(task.k, -1)
        n, size = len(A), np.abs(A).max()
        P = A @ Q
        rest = A - P @ Q.T
        L, U = lower_factor(rest)
        if drive is None:
            first = A
            drive = _core.Drive(drive_spec, np.concatenate([P, L], axis=None), B, lane)
        rows = drive.rows()
        found_P, found_L = rows[: n * s].reshape(n, s), rows[n * s :].reshape(n, n)
        assert np.triu(found_L, 1).max(initial=0.0) == 0
        worst = max(
            worst,
            np.abs(found_P - P).max() / size,
            np.abs(found_L @ found_L.T - rest @ rest.T).max() / size**2,
            np.abs(drive.own().reshape(B.shape) - B).max() / np.abs(B).max(),
        )
        if t == STEPS:
            break
        X = inputs[t]
        X_S = X @ Q
        outside = X - X_S @ Q.T
        Z = outside @ U.T
        T, _ = lower_factor(outside - Z @ U)
        drive.step(X_S, Z, T, noise, *rates)
    assert worst < TOLERANCE
    assert np.linalg.norm(A - first) > MOVED * np.linalg.norm(first)


def batches(task: lrft.Task, batch: int) -> np.ndarray:
    return np.random.default_rng(17).standard_normal((STEPS, batch, task.d))


def rank_one(task: lrft.Task, activation: str, batch: int, train_c: bool, orthogonal: bool) -> None:
    rng = np.random.default_rng(4)
    lr = rate(activation, task.d)
    training = lrft.Training(
        student=lrft.RankOne(train_c=train_c, orthogonal=orthogonal), lr=lr, steps=STEPS,
        batch=batch,
    )  # fmt: skip
    P = reference.project_out(task.W) if orthogonal else lambda v: v
    u0, c0 = P(rng.standard_normal(task.d)), rng.standard_normal(task.k)
    inputs = batches(task, batch)
    path = reference.rank_one_path(
        task.W, task.lam, task.c, task.u, task.xi, task.activation,
        u0 / np.linalg.norm(u0), c0 / np.linalg.norm(c0), inputs, lr=lr, train_c=train_c,
        orthogonal=orthogonal, neuron_scale=task.neuron_scale, output_scale=task.output_scale,
    )  # fmt: skip
    follow(task, path, inputs, spec([task], training), (lr, lr))


def three_rows(task: lrft.Task, activation: str, batch: int, train_own: bool) -> None:
    """Rows W + xi B A with A (3, d), B (k, 3), Euclidean: the same type with n = 3."""
    rng = np.random.default_rng(5)
    lr = rate(activation, task.d)
    described = spec([task], lrft.Training(lr=lr, steps=STEPS, batch=batch))
    described["students"][0] |= {
        "rows": ROWS, "spherical": False, "train_own": train_own, "project": False,
    }  # fmt: skip
    A0 = rng.standard_normal((ROWS, task.d)) / np.sqrt(task.d)
    B0 = rng.standard_normal((task.k, ROWS)) / np.sqrt(task.k * ROWS)
    inputs = batches(task, batch)
    path = reference.lora_path(
        task.W, task.lam, task.c, task.u, task.xi, task.activation, A0, B0, inputs, lr=lr,
        lr_b=lr if train_own else 0.0, scale=task.xi, neuron_scale=task.neuron_scale,
        output_scale=task.output_scale,
    )  # fmt: skip
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
