"""Hermite coefficients of an activation, and what can be read off them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model.activation import Activation

Floats = NDArray[np.float64]


def hermite_coefficients(
    activation: str | Activation, count: int, scale: float = 1.0
) -> tuple[Floats, float]:
    """Expand sigma: ``mu_p = E[sigma(scale g) he_p(g)]``, g ~ N(0, 1).

    ``he_p`` are the *normalised* probabilists' Hermite polynomials, as everywhere in the paper
    (Assumption 6 bounds these coefficients).

    Parameters
    ----------
    activation : str or Activation
        As for ``lrft.Activation.parse``.
    count : int
        How many coefficients, p = 0 ... count - 1.
    scale : float
        Standard deviation of the argument of sigma, positive.

    Returns
    -------
    coefficients : ndarray of float64, shape (count,)
    bound : float
        Bound on the absolute error of every coefficient. They are exact up to rounding for
        named activations and polynomials, and by quadrature for custom ones.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; quadrature ends at 1024
        coefficients.

    Examples
    --------
    relu is 1/sqrt(2 pi) + z/2 + ...

    >>> coefficients, bound = hermite_coefficients("relu", 4)
    >>> coefficients.round(6) + 0.0
    array([0.398942, 0.5     , 0.282095, 0.      ])
    >>> bound < 1e-12
    True
    """
    count = checks.integer("count", count, 1)
    scale = checks.real("scale", scale, above=0.0)
    sigma = Activation.parse(activation)
    with callbacks.raising(sigma.guards):
        coefficients, bound = compiled.hermite_coefficients(sigma.core, scale, count)
    return np.asarray(coefficients, dtype=np.float64), float(bound)


def information_exponent(
    activation: str | Activation, *, tolerance: float = 1e-10, highest: int = 64
) -> int:
    """Find the first degree p >= 1 with ``mu_p != 0``.

    Online SGD on a single-index model needs about ``d``, ``d log d``, ``d^(p-1)`` samples for
    p = 1, 2, >= 3 (Ben Arous, Gheissari and Jagannath 2021); fine-tuning is claimed not to care
    (Theorems 1 to 3).

    Parameters
    ----------
    activation : str or Activation
    tolerance : float
        A coefficient counts as zero below this fraction of ``sqrt(E[sigma(g)^2])``.
    highest : int
        Where the search ends.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If all coefficients from 1 to `highest` vanish.

    Examples
    --------
    >>> information_exponent("relu"), information_exponent("quadratic"), information_exponent("he3")
    (1, 2, 3)
    """
    tolerance = checks.real("tolerance", tolerance, minimum=0.0)
    highest = checks.integer("highest", highest, 1)
    coefficients, bound = hermite_coefficients(activation, highest + 1)
    sigma = Activation.parse(activation)
    with callbacks.raising(sigma.guards):
        square, _ = compiled.expected_square(sigma.core, np.ones(1), np.ones((1, 1)))
    floor = max(bound, tolerance * float(np.sqrt(square)))
    present = np.flatnonzero(np.abs(coefficients[1:]) > floor)
    if present.size == 0:
        raise ValueError(
            f"activation {activation!s} has no Hermite coefficient above {floor:.2g} "
            f"in degrees 1 to {highest}"
        )
    return int(present[0]) + 1
