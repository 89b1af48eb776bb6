"""A task in the coordinates of S along which a student is followed in the limit of large d.

Where the student or its base has biases, the first coordinate is the constant 1, along which a row
has b/neuron_scale: the law of the inputs has that direction too. Rows that a linearised student is
expanded around are further directions, the last.
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

    @property
    def teacher(self) -> Floats:
        """Rows of a teacher that perturbs the base, (k, s)."""
        return self.R + self.change

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
            from scipy.special import ndtr

            ends = np.cumsum(law.probabilities)[:-1]
            component = np.searchsorted(ends, ndtr(normals[:, -1]), side="right")
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
    law = task.law
    if law is not None:
        law = Law(np.pad(law.V, ends), law.stretch, law.probabilities, law.means, law.shifts)
    if constant:
        law = _with_constant(law, R.shape[1])
    return Frame(R, np.pad(perturbation(task), ends), np.pad(task.a, ends), law, int(constant))


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
