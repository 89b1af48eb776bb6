"""The limit beside which a step is held: its unavoidable parts, each at the peak of this core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import lrft
from lrft.bench.interleave import Contender
from lrft.core.engine import compiled

__all__ = ["Work", "limit"]

_COUNT = 1 << 20  # of each part, a millisecond or so; the best of five
_REPEATS = 5


@dataclass(frozen=True)
class Work:
    """What a replica-step cannot do without, counted from its shapes.

    Attributes
    ----------
    normals, multiply_adds : int
    values : int
        Of σ alone: the teacher's neurons.
    slopes : int
        Of σ and σ′ together: the student's.
    """

    normals: int
    multiply_adds: int
    values: int
    slopes: int

    @classmethod
    def of(cls, task: lrft.Task, training: lrft.Training, engine: str) -> Work:
        """Count it, for u of rank one outside span(W).

        Parameters
        ----------
        task : Task
        training : Training
        engine : {"reduced", "ambient"}

        Examples
        --------
        >>> task = lrft.Task.sample(d=100, k=4, features="orthonormal", u="orthogonal", seed=0)
        >>> Work.of(task, lrft.Training(lr=0.1, steps=1), "reduced")
        Work(normals=8, multiply_adds=21, values=4, slopes=4)
        """
        student, d, k, b = training.student, task.d, task.k, training.batch
        n = student.rows(task)
        width = n if student.network else k
        # Teacher's and student's pre-activations, f, and what pulls at the rows.
        adds = b * (k + (2 * width if student.network else k + 2 * k * n))
        if getattr(student, "train_c", False) or getattr(student, "train_b", False):
            adds += b * k * n + 3 * k * n
        if engine == "ambient":
            return cls(b * d, adds + b * d * (k + 1 + 2 * n), b * k, b * width)
        identity = np.array_equal(task.R, np.eye(*task.R.shape))
        # With Π the rows' coordinates in span(W) stay zero.
        s, moving = k + 1, 1 if getattr(student, "orthogonal", False) else k + 1
        chi = min(n, b)
        adds += b * (0 if identity else int(np.count_nonzero(task.R)))
        adds += 2 * b * n * moving + b * n * (n + 1) // 2
        adds += min(4 * b * n * n, n * n * (n + chi))
        # The two normals of a counter make one χ.
        return cls(b * (s + n) + 2 * chi + chi * (chi - 1) // 2, adds, b * k, b * width)


def limit(work: Work, activation: str) -> Contender:
    """Time it: each part alone, as many at a time as hide each other's latency."""
    sigma = lrft.Activation.parse(activation).core

    def seconds(steps: int) -> float:
        parts = (
            (work.normals, compiled.limits.normals(_COUNT, _REPEATS)),
            (work.multiply_adds, compiled.limits.multiply_adds(_COUNT, _REPEATS)),
            (work.values, compiled.limits.activations(sigma, False, _COUNT, _REPEATS)),
            (work.slopes, compiled.limits.activations(sigma, True, _COUNT, _REPEATS)),
        )
        return steps * sum(count * time / _COUNT for count, time in parts)

    return Contender("limit", seconds, multiple=256)
