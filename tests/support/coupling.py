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

import lrft
from lrft.core.engine import compiled

STEPS, TOLERANCE = 2_000, 1e-10
MOVED = 0.02  # relative; a path that stands still would agree with anything
SMALL = 1e-3  # parameters that start at zero are compared with this


def lower_factor(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M = L U with U orthonormal rows and L lower triangular, its diagonal nonnegative."""
    q, r = np.linalg.qr(M.T)
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    return r.T * signs, (q * signs).T


def follow(
    task: lrft.Task,
    path: Any,
    inputs: np.ndarray,
    drive_spec: Any,
    rates: Any,
    moved: float = MOVED,
    Q: np.ndarray | None = None,
) -> None:
    """Drive the reduced space along `path`: rows (n, d) and own parameters after each step."""
    Q = task.Q if Q is None else Q
    s, noise = Q.shape[1], np.zeros(inputs.shape[1])
    lane = sum(map(ord, str(task))) % 8  # some lane, the same every time
    drive = None
    first = None
    worst = 0.0
    for t, (A, B) in enumerate(path):
        A = np.atleast_2d(A)
        n, size = len(A), max(np.abs(A).max(), SMALL)
        P = A @ Q
        rest = A - P @ Q.T
        L, U = lower_factor(rest)
        if drive is None:
            first = A
            drive = compiled.Drive(drive_spec, np.concatenate([P, L], axis=None), B, lane)
        rows = drive.rows()
        found_P, found_L = rows[: n * s].reshape(n, s), rows[n * s :].reshape(n, n)
        assert np.triu(found_L, 1).max(initial=0.0) == 0
        worst = max(
            worst,
            np.abs(found_P - P).max() / size,
            np.abs(found_L @ found_L.T - rest @ rest.T).max() / size**2,
            np.abs(drive.own().reshape(B.shape) - B).max() / max(np.abs(B).max(), SMALL),
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
    assert np.linalg.norm(A - first) > moved * np.linalg.norm(first)
