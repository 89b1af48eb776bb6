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
    n = len(C)
    m = n - first
    # All pairs i <= j at once: the two columns of C, and the 2 x 2 matrix I + C.
    i, j = (index + first for index in np.triu_indices(m))
    A, B, D = 1 + C[i, i], C[i, j], 1 + C[j, j]
    determinant = A * D - B * B
    X, Y = C[:, i].T, C[:, j].T  # (pairs, n)
    inverse = 1 / determinant
    by_x, by_y = (D * inverse)[:, None] * X, (A * inverse)[:, None] * Y
    mixed = (B * inverse)[:, None]
    left, right = by_x - mixed * Y, by_y - mixed * X
    left_out = np.einsum("pa,pb->pab", left, X) + np.einsum("pa,pb->pab", right, Y)
    turned = C[None] - left_out
    sizes = 1 + np.einsum("paa->pa", turned)
    cosines = turned / np.sqrt(sizes[:, :, None] * sizes[:, None, :])
    values = (2 / np.pi) * np.arcsin(np.clip(cosines, -1.0, 1.0))
    found = (2 / np.pi) * np.einsum("pab,a,b->p", values, weights, weights)
    square = np.empty((m, m))
    square[i - first, j - first] = square[j - first, i - first] = found / np.sqrt(determinant)
    return square
