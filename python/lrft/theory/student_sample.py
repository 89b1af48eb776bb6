"""Any student on one fixed quasi-Monte Carlo sample: its output, its derivatives and their means.

Fields of teacher and student are linear in independent normals: the coordinates of x in S and, for
each row, one along what the rows have outside it. One sample serves all states, so the equations
have one right-hand side; independent scramblings tell its error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.theory.noise_scale import NoiseScale, sobol_normals
from lrft.theory.population import perturbation
from lrft.theory.pulls import needs_noise, pulls

if TYPE_CHECKING:
    from lrft.model.inputs import Law
    from lrft.model.loss import Loss
    from lrft.model.students import StudentModel
    from lrft.model.task import Task

Floats = NDArray[np.float64]


class State(NamedTuple):
    """A student's order parameters at one time."""

    P: Floats  #: (n, s) rows in S
    Q: Floats  #: (n, n) inner products of the rows
    own: Floats  #: ĉ (k, 1), B (k, n) or the output weights (n,)


class Means(NamedTuple):
    """Means over inputs of one student, ``grad_A L = g x^T`` for one sample; h = A x."""

    by_S: Floats  #: (n, s)  E[g x_S]
    by_rows: Floats  #: (n, n)  E[g h^T]
    by_own: Floats  #: as own: E[dL/down]


class StudentSample:
    """A student beside its teacher on a fixed sample.

    Parameters
    ----------
    task : Task
    student : StudentModel
    start : State
        Where a linearised student is expanded; S holds its rows.
    scale : float
        Of the perturbation B A.
    loss : Loss
    samples : int
        In all; rounded up to powers of two.
    """

    def __init__(
        self,
        task: Task,
        student: StudentModel,
        start: State,
        scale: float,
        loss: Loss,
        samples: int,
    ) -> None:
        n, s = start.P.shape
        noisy = 1 if needs_noise(loss, task.noise) else 0
        mixed = 1 if task.law is not None and len(task.law.probabilities) > 1 else 0
        X = sobol_normals(s + n + noisy + mixed, NoiseScale.SCRAMBLINGS, samples)
        self.task, self.kind, self.linearized = task, student.kind, student.linearized
        self.scale, self.start = scale, start
        self.X, self.Z, self.noise = X[:, :s], X[:, s : s + n], X[:, s + n - 1 + noisy]
        self.of_loss = loss
        inside = self.X[:, : task.R.shape[1]]
        shifts: Floats | float = 0.0
        if task.law is not None:
            inside, shifts = _of_law(task.law, inside, X[:, -1])
            self.X = np.concatenate([inside, self.X[:, task.R.shape[1] :]], axis=1)
        self.base = inside @ task.R.T
        if task.link is not None:
            self.labels = task.link(inside @ task.a.T)
        else:
            moved = task.neuron_scale * (self.base + inside @ perturbation(task).T)
            self.labels = task.output_scale * (task.activation(moved) @ task.lam)
        self.labels = self.labels + shifts
        self.first = self.X @ start.P.T  # fields of the starting rows
        if self.linearized:
            self.known = task.activation.evaluate(task.neuron_scale * self._neurons_at_start())

    def _neurons_at_start(self) -> Floats:
        """Fields of the neurons around which a linearised student is expanded."""
        if self.kind == "full":
            return self.first
        if self.kind == "rank_one":
            return self.base
        return self.base + self.scale * (self.first @ self.start.own.T)

    def look(self, state: State) -> tuple[Floats, Floats, Floats, Floats]:
        """Return f_hat (N,), df/dh (N, n), what df/down is made of, and h (N, n)."""
        task, (P, Q, own) = self.task, state
        h = self.X @ P.T + self.Z @ root(Q - P @ P.T)
        out, inner = task.output_scale, task.neuron_scale
        if self.kind == "full":
            if not self.linearized:
                value, slope = task.activation.evaluate(inner * h)
                f = out * (value @ own)
                by_row = out * inner * slope * own
            else:
                value, slope = self.known
                by_row = out * inner * slope * self.start.own
                f = out * (value @ own) + np.einsum("nj,nj->n", by_row, h - self.first)
            return f, by_row, out * value, h
        if not self.linearized:
            value, slope = task.activation.evaluate(inner * (self.base + self.scale * h @ own.T))
        else:
            value, slope = self.known
        by_neuron = out * inner * self.scale * slope * task.lam
        f = out * (value @ task.lam)
        if self.linearized and self.kind == "rank_one":
            f = f + np.einsum("nk,nk->n", by_neuron, h @ own.T)
        elif self.linearized:
            B = self.start.own
            change = self.first @ (own - B).T + (h - self.first) @ B.T
            return (
                f + np.einsum("nk,nk->n", by_neuron, change),
                by_neuron @ B,
                by_neuron,
                h,
            )
        return f, by_neuron @ own, by_neuron, h

    def squares(self, state: State) -> tuple[Floats, float]:
        """``E[g g^T]`` with label noise, (n, n), and the standard error of its trace."""
        f, by_row, _, _ = self.look(state)
        _, squares = self._pulls(f)
        found = self._blocks(squares, by_row, by_row)
        traces = np.einsum("bii->b", found)
        return found.mean(axis=0), float(traces.std(ddof=1) / np.sqrt(len(traces)))

    def means(self, state: State) -> tuple[Means, float]:
        """Return the mean gradients, and the standard error of their length."""
        f, by_row, of_own, h = self.look(state)
        pull, _ = self._pulls(f)
        known = self.first if self.linearized and self.kind == "lora" else h
        parts = [self._blocks(pull, by_row, x) for x in (self.X, h)]
        if self.kind == "full":
            parts.append(self._blocks(pull, of_own, np.ones((len(pull), 1)))[..., 0])
        else:
            parts.append(self._blocks(pull, of_own, known))
        together = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        spread = together.std(axis=0, ddof=1) / np.sqrt(len(together))
        return Means(*(part.mean(axis=0) for part in parts)), float(np.linalg.norm(spread))

    def loss(self, state: State) -> float:
        """``E[(f_hat - f*)^2]``."""
        return float(np.mean((self.look(state)[0] - self.labels) ** 2))

    def _pulls(self, f: Floats) -> tuple[Floats, Floats]:
        return pulls(self.of_loss, f, self.labels, self.task.noise, self.noise)

    def _blocks(self, weights: Floats, a: Floats, b: Floats) -> Floats:
        """Means of weights a b^T over each scrambling."""
        blocks = NoiseScale.SCRAMBLINGS
        each = len(weights) // blocks
        a = (weights[:, None] * a).reshape(blocks, each, -1)
        found: Floats = np.swapaxes(a, 1, 2) @ b.reshape(blocks, each, -1) / each
        return found


def _of_law(law: Law, X: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """Give standard normal inputs (N, s) a law; return them, and what is added to their labels.

    A normal of their own says which component they are of.
    """
    from scipy.special import ndtr

    ends = np.cumsum(law.probabilities)[:-1]
    component = np.searchsorted(ends, ndtr(normal), side="right")
    return X + (law.stretch * (X @ law.V.T) + law.means[component]) @ law.V, law.shifts[component]


def root(square: Floats) -> Floats:
    """Find the symmetric root of a matrix that is positive up to the solver's error."""
    values, vectors = np.linalg.eigh((square + square.T) / 2)
    found: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return found
