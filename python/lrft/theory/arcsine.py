"""Second moments of gradients for erf in closed form: expectations of four neurons.

``s'(a) s'(b)`` is (2/pi) exp(-(a^2 + b^2)/2): it turns a centred normal with covariance C into one
with ``C - C_ab (I + C_bb)^-1 C_ba`` and a factor, under which the other two neurons obey the
arcsine law. Written out, it is the I4 of Saad and Solla, Phys. Rev. E 52, 4225 (1995).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weighted_slopes(C: Floats, weights: Floats, first: int) -> Floats:
    """``E[e^2 s'(z_i) s'(z_j)]`` with ``e = sum_n w_n s(z_n)``, i and j from `first` on: (m, m).

    Parameters
    ----------
    C : ndarray of shape (n, n)
        Covariance of the preactivations.
    weights : ndarray of shape (n,)
    first : int
    """
    m = len(C) - first
    square = np.empty((m, m))
    for i in range(m):
        square[i, i:] = square[i:, i] = _with_one(C, weights, first + i)
    return square


def _with_one(C: Floats, weights: Floats, i: int) -> Floats:
    """Compute those of the pairs (i, j), j from i to the last, all at once."""
    j = np.arange(i, len(C))
    # The two columns of C, and the 2 x 2 matrix I + C of the pair.
    A, B, D = 1 + C[i, i], C[i, j], 1 + C[j, j]
    determinant = A * D - B * B
    x, Y = C[i], C[j]  # (n,) and (pairs, n)
    by_x = (D[:, None] * x - B[:, None] * Y) / determinant[:, None]
    by_Y = (A * Y - B[:, None] * x) / determinant[:, None]
    turned = C - by_x[:, :, None] * x - by_Y[:, :, None] * Y[:, None, :]
    sizes = 1 + np.einsum("paa->pa", turned)
    cosines = turned / np.sqrt(sizes[:, :, None] * sizes[:, None, :])
    values = (2 / np.pi) * np.arcsin(np.clip(cosines, -1.0, 1.0))
    found: Floats = (2 / np.pi) * (values @ weights @ weights) / np.sqrt(determinant)
    return found
