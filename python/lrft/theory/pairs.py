"""Expectations over pairs of jointly Gaussian preactivations, as matrices.

The compiled core has ``E[s(z_i) s(z_j)]`` and ``E[s'(z_i) s'(z_j)]``. A gradient in rows that
change their length needs one more, ``E[s(z_i) z_j s'(z_j)]``, which is the derivative of the first
in the scale of ``z_j``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.core import callbacks
from lrft.core.engine import compiled

if TYPE_CHECKING:
    from lrft.model.activation import Activation

Floats = NDArray[np.float64]

# Central differences of order 6 in the logarithmic scale. A function with its singularity at
# distance 1 (tanh: at scale 0) has truncation error 36 h^6 = 2e-15; rounding is 1e-16 / h = 5e-14.
_STEP = 2.0**-9
_STENCIL = ((1, 45.0), (2, -9.0), (3, 1.0))


class Pairs(NamedTuple):
    """Over all preactivations i and those of the student j: each (n, n_student)."""

    values: Floats  #: E[s(z_i) s(z_j)]
    slopes: Floats  #: E[s'(z_i) s'(z_j)]
    radial: Floats  #: E[s(z_i) z_j s'(z_j)]


def pair_expectations(activation: Activation, covariance: Floats, first: int) -> Pairs:
    """Compute the three matrices; the student's preactivations are those from `first` on."""
    n = len(covariance)
    student = np.arange(first, n)
    everything = np.concatenate([np.arange(n), student])

    def moments(matrix: Floats, derivative: bool = False) -> Floats:
        with callbacks.raising(activation.guards):
            found = compiled.moments(activation.core, np.ascontiguousarray(matrix), derivative)
        return np.asarray(found)

    def values_at(log_scale: float) -> Floats:
        """E[s(z_i) s(e^log_scale z_j)]: the student twice, once as it is and once scaled."""
        scale = np.ones(everything.size)
        scale[n:] = np.exp(log_scale)
        matrix = covariance[np.ix_(everything, everything)] * np.outer(scale, scale)
        return moments(matrix)[:n, n:]

    radial = np.zeros((n, student.size))
    for steps, weight in _STENCIL:
        radial += weight * (values_at(steps * _STEP) - values_at(-steps * _STEP))
    return Pairs(
        values=moments(covariance)[:, first:],
        slopes=moments(covariance, derivative=True)[:, first:],
        radial=radial / (60 * _STEP),
    )
