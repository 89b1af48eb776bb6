"""A task in the coordinates of S along which a student is followed in the limit of large d.

Where the student or its base has biases, the first coordinate is the constant 1, along which a row
has b/neuron_scale: the law of the inputs has that direction too. Rows that a linearised student is
expanded around are further directions, the last.

What is outside S has an isotropic part, or one in each eigenvalue block of the covariance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.model.inputs import Law
from lrft.theory.population import perturbation

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


class Frame(NamedTuple):
    """Base, teacher and inputs of a task in such coordinates."""

    R: Floats  #: (k, s)  rows of the base
    change: Floats  #: (k, s)  of a teacher that perturbs it, minus the base's
    a: Floats  #: (r, s)  the teacher's directions
    law: Law | None  #: of the inputs; None where it is the standard normal
    before: int  #: coordinates before the task's own: 1 where there is the constant
    variances: Floats  #: (J,)  of the parts outside S, one where that is isotropic
    shares: Floats  #: (J,)  how much of d each of them has
    bases: tuple[Floats, ...]  #: (s_j, s)  of S in each, orthonormal rows

    @property
    def teacher(self) -> Floats:
        """Rows of a teacher that perturbs the base, (k, s)."""
        return self.R + self.change

    @property
    def variance(self) -> float:
        """E|x|^2 / d."""
        return float(self.variances @ self.shares)

    @property
    def covariance(self) -> Floats | None:
        """That of x in S, (s, s); None where components have means, or their labels shifts."""
        law, one = self.law, np.eye(self.R.shape[1])
        if law is None:
            return one
        if not law.centred:
            return None
        return one + (law.V.T * (law.stretch * (2.0 + law.stretch))) @ law.V

    def outside(self, rest: Floats) -> Floats:
        """Covariance (n, n) of what fields have from outside S, of rows whose parts are `rest`."""
        return np.tensordot(self.variances, rest, axes=1)

    def by_block(self, P: Floats, rest: Floats) -> Floats:
        """Inner products (..., J, n, n) of the parts that rows P (..., n, s) have in the blocks."""
        parts = [P @ base.T for base in self.bases]
        return np.stack([part @ np.swapaxes(part, -1, -2) for part in parts], axis=-3) + rest

    def products(self, P: Floats, rest: Floats) -> Floats:
        """Inner products (..., n, n) of rows in R^d: of all but their parts along the constant.

        Large biases would take the digits of all else.
        """
        found: Floats = self.by_block(P, rest).sum(axis=-3)
        return found

    @property
    def normals(self) -> int:
        """Normals an input is made of: one a coordinate, and one for its component."""
        mixed = self.law is not None and len(self.law.probabilities) > 1
        return int(self.R.shape[1] + mixed)

    def inputs(self, normals: Floats) -> tuple[Floats, Floats]:
        """Make inputs (N, s) of normals (N, normals), and what is added to their labels."""
        law, X = self.law, normals[:, : self.R.shape[1]]
        if law is None:
            return X, np.zeros(1)
        component = np.zeros(len(X), dtype=np.intp)
        if normals.shape[1] > X.shape[1]:
            component = law.components_of(normals[:, -1])
        X = X + (law.stretch * (X @ law.V.T) + law.means[component]) @ law.V
        return X, law.shifts[component]


def frame(task: Task, constant: bool, beside: int = 0) -> Frame:
    """Choose coordinates, with the constant or without, and so many directions beside the task's.

    The constant is there where ``student.biased(task)``.
    """
    ends = (0, 0), (int(constant), beside)
    R = np.pad(task.R, ends)
    if task.biases is not None:
        R[:, 0] = task.biases / task.neuron_scale
    law, variances, shares = task.law, np.ones(1), np.ones(1)
    bases: tuple[Floats, ...] = (np.eye(R.shape[1])[int(constant) :],)
    if law is not None:
        V, blocks = np.pad(law.V, ends), law.blocks
        if blocks is not None:
            variances, shares = np.array(blocks.variances), np.array(blocks.sizes) / task.d
            bases = tuple(V[here] for here in blocks.directions)
        law = Law(V, law.stretch, law.probabilities, law.means, law.shifts)
    if constant:
        law = _with_constant(law, R.shape[1])
    change, a = (np.pad(rows, ends) for rows in (perturbation(task), task.a))
    return Frame(R, change, a, law, int(constant), variances, shares, bases)


def _with_constant(law: Law | None, s: int) -> Law:
    """Make the first coordinate 1: nothing is left of what is drawn there, and its mean is 1."""
    if law is None:
        law = Law(np.zeros((0, s)), np.zeros(0), np.ones(1), np.zeros((1, 0)), np.zeros(1))
    return Law(
        np.concatenate([np.eye(1, s), law.V]),
        np.concatenate([[-1.0], law.stretch]),
        law.probabilities,
        np.column_stack([np.ones(len(law.means)), law.means]),
        law.shifts,
    )
