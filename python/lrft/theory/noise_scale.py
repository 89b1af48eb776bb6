"""E[g^2] of the rank-one student at any state, on one quasi-Monte Carlo sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.theory.population import perturbation

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

_SEED = 0x6C726674


class NoiseScale:
    """The term ``(delta / 2) E[g^2]`` of the order-parameter equations; grad_u L = g x.

    The preactivations of teacher and student are linear in s + 1 independent normals: the
    coordinates of x in span(W, u) and its component along the rest of u_hat. E[g^2] is their mean
    over Sobol points, in independent scramblings whose spread is the error.

    Parameters
    ----------
    task : Task
        Of rank one.
    delta : float
        With 0 there is no sample and no cost.
    samples : int
        In all; rounded up to powers of two.
    """

    SCRAMBLINGS = 8

    def __init__(self, task: Task, delta: float, samples: int) -> None:
        self.task, self.delta = task, delta
        self.noise_error = 0.0
        if delta == 0:
            return
        X = sobol_normals(task.R.shape[1] + 1, self.SCRAMBLINGS, samples)
        self.X, self.rest = X[:, :-1], X[:, -1]
        self.base = task.neuron_scale * (self.X @ task.R.T)
        moved = task.neuron_scale * (self.X @ perturbation(task).T)
        self.labels = task.output_scale * (task.activation(self.base + moved) @ task.lam)

    def half_rate(self, P: Floats, c_hat: Floats) -> float:
        """``(delta / 2) E[g^2]`` at the coordinates P (s,) and c_hat (k,)."""
        if self.delta == 0:
            return 0.0
        value, error = self.at(P, c_hat)
        if value > 0:
            self.noise_error = max(self.noise_error, error / value)
        return self.delta / 2 * value

    def at(self, P: Floats, c_hat: Floats) -> tuple[float, float]:
        """E[g^2] and its standard error."""
        task = self.task
        field = self.X @ P + np.sqrt(max(0.0, 1 - float(P @ P))) * self.rest
        strength = task.neuron_scale * task.xi
        z = self.base + np.multiply.outer(strength * field, c_hat)
        value, slope = task.activation.evaluate(z)
        residual = task.output_scale * (value @ task.lam) - self.labels
        along = task.output_scale * strength * (slope @ (task.lam * c_hat))
        squares = 4 * (residual**2 + task.noise**2) * along**2
        means = squares.reshape(self.SCRAMBLINGS, -1).mean(axis=1)
        return float(means.mean()), float(means.std(ddof=1) / np.sqrt(self.SCRAMBLINGS))


def sobol_normals(dimension: int, scramblings: int, samples: int) -> Floats:
    """Scrambled Sobol points as standard normals, (scramblings * 2^m, dimension)."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    log2 = max(1, int(np.ceil(np.log2(samples / scramblings))))
    parts = []
    for i in range(scramblings):
        points = qmc.Sobol(dimension, seed=_SEED + i).random_base2(log2)
        parts.append(ndtri(np.clip(points, 2.0**-53, 1 - 2.0**-53)))
    return np.concatenate(parts)
