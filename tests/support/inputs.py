"""Laws of inputs within S, made by hand: what the core is given, and what NumPy makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import lrft
from lrft.core.engine import compiled


@dataclass
class Law:
    """x <- x + V^T (stretch (V x) + mean_c), and shift_c more in the label."""

    V: np.ndarray  # (q, d)  orthonormal rows
    stretch: np.ndarray  # (q)
    probabilities: np.ndarray  # (m)
    means: np.ndarray  # (m, q)
    shifts: np.ndarray  # (m)

    def basis(self, task: lrft.Task) -> np.ndarray:
        """Q (d, s) of the task, and what of V is beside it."""
        rest = self.V - self.V @ task.Q @ task.Q.T
        _, sizes, right = np.linalg.svd(rest, full_matrices=False)
        return np.concatenate([task.Q, right[sizes > 1e-9].T], axis=1)

    def of(self, described: compiled.RunSpec, task: lrft.Task) -> compiled.RunSpec:
        """Give the inputs of a run this law."""
        Q, (one,) = self.basis(task), described.tasks
        more = Q.shape[1] - one.s

        def wide(rows: np.ndarray) -> np.ndarray:
            return np.pad(rows.reshape(-1, one.s), ((0, 0), (0, more)))

        (student,) = described.students
        data = one.replace(
            s=one.s + more,
            R=wide(one.R),
            a=wide(one.a),
            directions=len(self.V),
            components=len(self.probabilities),
            V=self.V @ Q,
            V_x=self.V if described.ambient else None,
            stretch=self.stretch,
            probabilities=self.probabilities,
            means=self.means,
            shifts=self.shifts,
        )
        if student.rows_S.size:
            student = student.replace(rows_S=wide(student.rows_S))
        return described.replace(tasks=[data], students=[student])

    def move(self, X: np.ndarray, components: np.ndarray) -> np.ndarray:
        """Inputs (..., d) of this law, from standard normal ones of these components (...)."""
        return np.asarray(X + (self.stretch * (X @ self.V.T) + self.means[components]) @ self.V)

    def covariance(self) -> np.ndarray:
        """E x x^T (d, d)."""
        of_means = np.einsum("c,ci,cj->ij", self.probabilities, self.means, self.means)
        along = np.diag((1 + self.stretch) ** 2 - 1) + of_means
        return np.asarray(np.eye(self.V.shape[1]) + self.V.T @ along @ self.V)

    def components(self, seed: int, replica: int, batch: int) -> Iterator[np.ndarray]:
        """Which components the core draws: input b of step t by the first word of slot b."""
        purpose, ends = compiled.purposes["component"], np.cumsum(self.probabilities)[:-1]
        t = 0
        while True:
            words = [compiled.philox([b, t, replica, purpose], seed)[0] for b in range(batch)]
            yield np.searchsorted(ends, np.array(words) / 2.0**32, side="right")
            t += 1


def orthonormal(rows: np.ndarray) -> np.ndarray:
    return np.linalg.qr(np.atleast_2d(rows).T)[0].T


def laws(task: lrft.Task) -> dict[str, Law]:
    """A spike, two of them, a mixture with a mean beside S, one whose labels depend on it."""
    u = orthonormal(task.u)[:1]
    beside = orthonormal(np.concatenate([task.Q.T, np.eye(task.d)[-1:]]))[-1:]
    pair = orthonormal(np.concatenate([task.W[:1], u + beside]))
    one: Any = {"probabilities": np.ones(1), "shifts": np.zeros(1)}
    return {
        "spike": Law(u, np.array([0.8]), means=np.zeros((1, 1)), **one),
        "two spikes": Law(pair, np.array([0.5, -0.4]), means=np.zeros((1, 2)), **one),
        "mixture": Law(
            np.concatenate([u, beside]),
            np.array([0.0, 0.3]),
            np.array([0.5, 0.2, 0.3]),
            np.array([[1.0, 0.0], [-0.5, 0.8], [0.0, -1.2]]),
            np.zeros(3),
        ),
        "labels": Law(
            u,
            np.array([-0.2]),
            np.array([0.6, 0.4]),
            np.array([[0.7], [-1.1]]),
            np.array([0.5, -0.8]),
        ),
    }
