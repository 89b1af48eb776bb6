"""Any student on one fixed quasi-Monte Carlo sample: its output, its derivatives and their means.

Fields of teacher and student are linear in independent normals: the coordinates of x in S and, for
each row, one along what the rows have outside it, in all blocks of the inputs together. One sample
serves all states, so the equations have one right-hand side; independent scramblings tell its
error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.theory.noise_scale import NoiseScale, sobol_normals
from lrft.theory.pulls import needs_noise, pulls

if TYPE_CHECKING:
    from lrft.model.loss import Loss
    from lrft.model.students import StudentModel
    from lrft.model.students.student import Composition
    from lrft.model.task import Task
    from lrft.theory.frame import Frame

Floats = NDArray[np.float64]


#: Of covariances outside S: below, against the largest, there is nothing.
NONE = 1e-12


class State(NamedTuple):
    """A student's order parameters at one time."""

    P: Floats  #: (n, s) rows in S, in the coordinates of a `Frame`
    rest: Floats  #: (J, n, n) inner products of what they have outside S, in every block
    own: Floats  #: ĉ (k, 1), B (k, n) or the output weights (n,)

    @property
    def Q(self) -> Floats:
        """Inner products (n, n) of the rows; of states at several times, as many."""
        all_of_it: Floats = self.P @ np.swapaxes(self.P, -1, -2) + self.rest.sum(axis=-3)
        return all_of_it


class Means(NamedTuple):
    """Means over inputs of one student, ``grad_A L = g x^T`` for one sample; h = A x."""

    by_S: Floats  #: (n, s)  E[g x_S]
    #: (n, n)  G: by Stein's lemma E[g c_j^T] = G variance_j rest_j, c_j = A x outside S in block j
    by_rest: Floats
    by_own: Floats  #: as own: E[dL/down]


class StudentSample:
    """A student beside its teacher on a fixed sample.

    Parameters
    ----------
    task : Task
    frame : Frame
        Its coordinates.
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
        frame: Frame,
        student: StudentModel,
        start: State,
        scale: float,
        loss: Loss,
        samples: int,
    ) -> None:
        n, s = start.P.shape
        noisy = 1 if needs_noise(loss, task.noise) else 0
        X = sobol_normals(frame.normals + n + noisy, NoiseScale.SCRAMBLINGS, samples)
        self.task, self.student, self.scale, self.start = task, student, scale, start
        self.frame = frame
        self.Z, self.noise = X[:, s : s + n], X[:, s + n - 1 + noisy]
        self.of_loss = loss
        self.X, shifts = frame.inputs(np.delete(X, np.s_[s : s + n + noisy], axis=1))
        self.base = self.X @ self._composition(start.own).base.T  # fields without the rows
        if task.link is not None:
            self.labels = task.link(self.X @ frame.a.T)
        else:
            moved = task.neuron_scale * (self.X @ frame.teacher.T)
            self.labels = task.output_scale * (task.activation(moved) @ task.lam)
        self.labels = self.labels + shifts
        self.first = self.X @ start.P.T  # fields of the starting rows
        if student.linearized:
            around = self.base
            if not student.single:
                around = around + self.first @ self._composition(start.own).mix.T
            self.known = task.activation.evaluate(task.neuron_scale * around)

    def _composition(self, own: Floats) -> Composition:
        return self.student.composition(self.frame.R, self.task.lam, own, self.scale)

    def look(self, state: State) -> tuple[Floats, Floats, Floats, Floats]:
        """Return f_hat (N,), df/dh (N, n), what df/down is made of, and h (N, n)."""
        task, student, own = self.task, self.student, state.own
        h = self.X @ state.P.T + self.Z @ root(self.frame.outside(state.rest))
        out, inner = task.output_scale, task.neuron_scale
        _, mix, lam = self._composition(own)
        if not student.linearized:
            value, slope = task.activation.evaluate(inner * (self.base + h @ mix.T))
            f = out * (value @ lam)
        else:
            value, slope = self.known
            f = out * (value @ lam)
            _, mix_then, lam = self._composition(self.start.own)
            if student.single:  # as it moves from no perturbation
                change = h @ mix.T
            else:
                change = self.first @ (mix - mix_then).T + (h - self.first) @ mix_then.T
                mix = mix_then
            f = f + np.einsum("nm,nm->n", out * inner * slope * lam, change)
        by_neuron = out * inner * slope * lam
        of_own = out * value if student.network else self.scale * by_neuron
        return f, by_neuron @ mix, of_own, h

    def squares(self, state: State) -> tuple[Floats, float]:
        """``E[g g^T]`` with label noise, (n, n), and the standard error of its trace."""
        f, by_row, _, _ = self.look(state)
        _, squares = self._pulls(f)
        found = self._blocks(squares, by_row, by_row)
        traces = np.einsum("bii->b", found)
        return found.mean(axis=0), float(traces.std(ddof=1) / np.sqrt(len(traces)))

    def means(self, state: State) -> tuple[Means, float, float]:
        """Return the mean gradients, their length, and its standard error.

        That of rows outside S is E[g c^T], c all that fields have from there.
        """
        f, by_row, of_own, h = self.look(state)
        pull, _ = self._pulls(f)
        known = self.first if self.student.linearized and not self.student.single else h
        around = root(self.frame.outside(state.rest))
        parts = [self._blocks(pull, by_row, x) for x in (self.X, self.Z @ around)]
        if self.student.network:
            parts.append(self._blocks(pull, of_own, np.ones((len(pull), 1)))[..., 0])
        else:
            parts.append(self._blocks(pull, of_own, known))
        together = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        spread = together.std(axis=0, ddof=1) / np.sqrt(len(together))
        length = float(np.linalg.norm(together.mean(axis=0)))
        by_S, by_c, by_own = (part.mean(axis=0) for part in parts)
        by_rest = by_c @ np.linalg.pinv(around @ around, rcond=NONE, hermitian=True)
        return Means(by_S, by_rest, by_own), length, float(np.linalg.norm(spread))

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


def root(square: Floats) -> Floats:
    """Find the symmetric root of a matrix that is positive up to the solver's error."""
    values, vectors = np.linalg.eigh((square + square.T) / 2)
    found: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return found
