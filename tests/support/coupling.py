"""Coupling: the reduced space, driven by the coordinates of a path in R^d, reproduces that path.

Each step of the reference twin has inputs X (b, d) and a student with rows A (n, d).  In a basis
(Q, the rows' own directions U outside it, the rest) these are

    P = A Q,   A - P Q^T = L U,   X_S = X Q,   Z = (X - X_S Q^T) U^T,   T T^T = the Gram matrix
                                                                        of what is left of X,

and from (X_S, Z, T) alone the reduced space must find the next P, L L^T and own parameters.
What it is given depends on A only through directions; its P, L and own parameters are its own.
Where the complement of S has several parts, eigenvalue blocks, each has an L, a Z and a T.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from driving import drive

import lrft

STEPS, TOLERANCE = 2_000, 1e-10
BEGIN = 20  # steps after which velocities, zero at first, have a direction each
MOVED = 0.02  # relative; a path that stands still would agree with anything
SMALL = 1e-3  # parameters that start at zero are compared with this


def lower_factor(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M = L U with U orthonormal rows and L lower triangular, its diagonal nonnegative; stacked."""
    q, r = np.linalg.qr(np.swapaxes(M, -1, -2))
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :]
    return np.swapaxes(r, -1, -2) * signs, np.swapaxes(q * signs, -1, -2)


def _nearest_frame(L: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The orthonormal rows U for which L U is nearest to `rest`."""
    left, _, right = np.linalg.svd(L.T @ rest, full_matrices=False)
    return left @ right


def _with_velocities(path: Any, mover: Any) -> Any:
    for rows, own in path:
        rows, own = np.atleast_2d(rows), np.ravel(own)
        velocities = mover.velocities or [np.zeros_like(rows), np.zeros_like(own)]
        of_rows = np.atleast_2d(velocities[0])
        beside = rows.shape[1] - of_rows.shape[1]  # along the constant nothing moves
        yield (
            np.concatenate([np.pad(of_rows, ((0, 0), (0, beside))), rows]),
            np.concatenate([own, np.ravel(velocities[1])]),
        )


def follow(
    task: lrft.Task,
    path: Any,
    inputs: np.ndarray,
    drive_spec: Any,
    rates: Any,
    moved: float = MOVED,
    Q: np.ndarray | None = None,
    mover: Any = None,
    blocks: Sequence[slice] = (slice(None),),
) -> None:
    """Drive the reduced space along `path`: rows (n, d) and own parameters after each step.

    With the `mover` of the path, the velocities of both are followed as well.  Those of several
    rows are nearly parallel, and what rounding does to their own directions would grow: inputs are
    then given in the frame in which the reduced space's own rows are nearest to those of the path.
    """
    if mover is not None:
        path = itertools.islice(_with_velocities(path, mover), BEGIN, None)
        inputs = inputs[BEGIN:]
    steps_done = len(inputs)
    Q = task.Q if Q is None else Q
    s, noise = Q.shape[1], np.zeros(inputs.shape[1])
    lane = sum(map(ord, str(task))) % 8  # some lane, the same every time
    steps = list(path)
    rows, owns = (np.array(series) for series in zip(*steps, strict=True))
    A = rows.reshape(len(steps), -1, rows.shape[-1])
    n = A.shape[1]
    # What the reduced space must find, and is given, at every step at once.
    P = A @ Q
    X_S = inputs @ Q
    rests = [(A - P @ Q.T)[..., block] for block in blocks]
    outsides = [(inputs - X_S @ Q.T)[..., block] for block in blocks]
    factors = [lower_factor(rest) for rest in rests]
    L = np.stack([L for L, _ in factors], axis=1)
    gram = np.stack([rest @ np.swapaxes(rest, -1, -2) for rest in rests], axis=1)
    space = drive(drive_spec, np.concatenate([P[0], L[0]], axis=None), owns[0], lane)
    found_rows, found_owns = [space.rows()], [space.own()]
    for t in range(steps_done):
        frames = [U[t] for _, U in factors]
        if mover is not None:
            own = found_rows[-1][n * s :].reshape(-1, n, n)
            frames = [
                _nearest_frame(*pair) for pair in zip(own, (r[t] for r in rests), strict=True)
            ]
        Z = [x[t] @ frame.T for x, frame in zip(outsides, frames, strict=True)]
        parts = zip(outsides, Z, frames, strict=True)
        T = [lower_factor(x[t] - z @ frame)[0] for x, z, frame in parts]
        space.step(X_S[t], np.concatenate(Z, axis=1), np.array(T), noise, *rates)
        found_rows.append(space.rows())
        found_owns.append(space.own())
    if mover is not None:  # of own parameters only what they are
        owns = owns[:, : found_owns[0].size]
    found = np.array(found_rows)
    found_P, found_L = found[:, : n * s].reshape(P.shape), found[:, n * s :].reshape(L.shape)
    assert np.triu(found_L, 1).max(initial=0.0) == 0
    found_own = np.array(found_owns).reshape(owns.shape)

    def largest(values: np.ndarray) -> np.ndarray:
        """Of every step."""
        return np.abs(values).reshape(len(steps), -1).max(axis=1)

    size = np.maximum(largest(A), SMALL)
    worst = (
        largest(found_P - P) / size,
        largest(found_L @ np.swapaxes(found_L, -1, -2) - gram) / size**2,
        largest(found_own - owns) / np.maximum(largest(owns), SMALL),
    )
    assert np.max(worst) < TOLERANCE
    assert np.linalg.norm(A[-1] - A[0]) > moved * np.linalg.norm(A[0])
