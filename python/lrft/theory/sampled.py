"""Gradients of the rank-one student on a fixed Gaussian sample, in coordinates.

One sample of x serves every state, so that estimates at different states share their errors and
the same question always has the same answer. Cost: samples x k activations a state, whatever d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.theory.frame import frame

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: Seed of the sample; any constant will do.
SEED = 0x6C726674


@dataclass(frozen=True)
class Gradients:
    """One state on all samples; ``L = (f_hat - y)^2``, arrays of shape (samples,) unless said."""

    residual: Floats  #: f_hat - f*
    slope: Floats  #: df_hat/du_hat = slope * x
    by_neuron: Floats  #: (samples, k), df_hat/dc_hat_j = by_neuron_j <u_hat, x>
    target: Floats  #: <t, x>
    field: Floats  #: <u_hat, x>
    noise: float  #: variance of the label noise

    @property
    def squared_scale(self) -> Floats:
        """g^2 where dL/du_hat = g x, averaged over the label noise."""
        return 4 * (self.residual**2 + self.noise) * self.slope**2

    @property
    def squared_slope_c(self) -> Floats:
        """|df_hat/dc_hat|^2."""
        squares: Floats = np.einsum("nj,nj->n", self.by_neuron, self.by_neuron)
        return self.field**2 * squares

    def pull(self, overlap: float) -> Floats:
        """Movement of <t, u_hat> against the gradient on the sphere, per unit of rate."""
        towards = self.target - overlap * self.field
        return -2 * self.residual * self.slope * towards


class SampledGradient:
    """A task on a fixed sample, seen by students ``u_hat = q t + sqrt(1 - q^2) v``.

    Parameters
    ----------
    task : Task
    direction : ndarray, shape (s,)
        Coordinates of t, a unit vector of S; v is orthogonal to S, and where the inputs have
        eigenvalue blocks as a random direction in them.
    samples : int
    """

    def __init__(self, task: Task, direction: Floats, samples: int) -> None:
        seen = frame(task, task.biases is not None)
        size = seen.normals + 1
        normals = compiled.normals(SEED, 0, compiled.purposes["inputs"], 0, samples * size)
        normals = np.asarray(normals).reshape(samples, size)
        X, shifts = seen.inputs(normals[:, :-1])
        self.task = task
        self.base = task.neuron_scale * (X @ seen.R.T)
        moved = task.neuron_scale * (X @ seen.change.T)
        self.labels = task.output_scale * (task.activation(self.base + moved) @ task.lam) + shifts
        self.target = X[:, seen.before :] @ direction
        self.rest = np.sqrt(seen.variance) * normals[:, -1]
        #: E|x|^2, and the largest variance outside S.
        self.square = task.d * seen.variance
        self.steepest = float(seen.variances.max())

    def at(self, c_hat: Floats, overlap: float, *, linearized: bool = False) -> Gradients:
        """Evaluate the student with this c_hat and this overlap q = <t, u_hat>."""
        task = self.task
        out = task.output_scale
        strength = task.neuron_scale * task.xi
        field = overlap * self.target + np.sqrt(1 - overlap**2) * self.rest
        change = strength * np.multiply.outer(field, c_hat)
        value, slope = task.activation.evaluate(self.base if linearized else self.base + change)
        f_hat = out * ((value + slope * change if linearized else value) @ task.lam)
        by_neuron = slope * (out * strength * task.lam)
        return Gradients(
            residual=f_hat - self.labels,
            slope=by_neuron @ c_hat,
            by_neuron=by_neuron,
            target=self.target,
            field=field,
            noise=task.noise**2,
        )
