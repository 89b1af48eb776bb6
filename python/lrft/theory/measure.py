"""What is recorded of a student, from its order parameters: overlaps and loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model import links
from lrft.theory.student_sample import State
from lrft.theory.under_law import loss_under_law

if TYPE_CHECKING:
    from lrft.theory.equations import Equations

Floats = NDArray[np.float64]


class Measure:
    """Overlaps and loss of the student of some equations, as `lrft.simulate` records them."""

    def __init__(self, equations: Equations) -> None:
        self.equations = equations
        task = equations.task
        self.a, self.before = equations.frame.a, equations.frame.before
        self.c = task.c.reshape(task.k, task.rank)

    def overlap_u(self, state: State) -> Any:
        """Return a number, singular values, or cosines of neurons with those of the teacher."""
        equations, P = self.equations, state.P
        Q = equations.frame.products(P, state.rest)
        if equations.student.single:
            return float(np.clip(P[0] @ self.a[0], -1.0, 1.0))
        if equations.student.network:
            T = equations.frame.teacher if equations.task.link is None else self.a
            P, T = P[:, self.before :], T[:, self.before :]  # cosines in R^d, without biases
            sizes = np.sqrt(np.outer(np.maximum(np.diag(Q), 0.0), np.sum(T**2, axis=1)))
            return np.divide(P @ T.T, sizes, out=np.zeros_like(sizes), where=sizes > 0)
        return _subspaces(Q, self.a @ self.a.T, P @ self.a.T)

    def overlap_c(self, state: State) -> Any:
        """Return the same for ĉ and c, or the columns of B and c; NaN where one of them is not."""
        student, own = self.equations.student, state.own
        if student.network or self.equations.task.link is not None:
            return float("nan")
        if student.single:
            return float(np.ravel(own) @ self.c[:, 0])
        return _subspaces(own.T @ own, self.c.T @ self.c, own.T @ self.c)

    def followed(self, state: State) -> float:
        """Return what thresholds are compared with."""
        if not self.equations.student.followed:
            raise ValueError(
                "the overlaps of a full network are a matrix, overlap_u: no one is followed"
            )
        return float(np.min(np.atleast_1d(self.overlap_u(state))))

    def loss(self, state: State) -> float:
        """Compute the population loss, without label noise."""
        equations = self.equations
        task = equations.task
        if equations.student.linearized:
            assert equations.sample is not None
            return equations.sample.loss(state)
        frame = equations.frame
        if frame.law is not None or getattr(task.link, "biases", None) is not None:
            neurons, weights, added = equations.neurons(state)
            b = neurons[:, : self.before]
            V = np.zeros((0, neurons.shape[1]))
            if frame.law is not None:
                V = frame.law.V[self.before :]  # without the constant, whose part are the biases
            beside = neurons[:, self.before :]
            return loss_under_law(
                task,
                beside @ beside.T + added,
                neurons[task.k :] @ self.a.T,
                weights,
                neurons @ V.T,
                task.neuron_scale * b.sum(axis=1),
            )
        gram, weights = equations.gram(state)
        C = np.ascontiguousarray(task.neuron_scale**2 * gram)
        if task.link is not None:
            k = task.k
            fields = task.neuron_scale * equations.neurons(state)[0][k:] @ self.a.T
            lam = -task.output_scale * weights[k:]
            with callbacks.raising(task.guards):
                loss, _ = links.moments(
                    task.link, task.activation, lam, C[k:, k:], fields, self.a @ self.a.T
                )
            return float(loss)
        with callbacks.raising(task.activation.guards):
            value, _ = compiled.expected_square(task.activation.core, weights, C)
        return task.output_scale**2 * float(value)


def _subspaces(first: Floats, second: Floats, across: Floats) -> Any:
    """Singular values between two spans, from Gram matrices; the cosine of one vector each."""
    if first.size == second.size == 1:
        size = float(np.sqrt(first[0, 0] * second[0, 0]))
        return float(np.clip(across[0, 0] / size, -1.0, 1.0)) if size > 0 else 0.0

    def whitened(square: Floats) -> Floats:
        values, vectors = np.linalg.eigh(square)
        small = values <= 1e-14 * max(values.max(), 1e-300)
        return vectors / np.sqrt(np.where(small, np.inf, values))

    found = np.linalg.svd(whitened(first).T @ across @ whitened(second), compute_uv=False)
    found = np.clip(found, 0.0, 1.0)
    return float(found[0]) if found.size == 1 else found
