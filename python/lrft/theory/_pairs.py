"""Expectations over pairs of jointly Gaussian preactivations, as matrices.

The scalar forms (loss, drift) come from the compiled core. A gradient needs the matrices
themselves, and one that the core does not have:

    values E[s(z_i) s(z_j)],   slopes E[s'(z_i) s'(z_j)],   radial E[s(z_i) z_j s'(z_j)]

With ``z_i = tau_i g_i``, ``corr(g_i, g_j) = rho`` and ``a_p(tau) = E[s(tau g) he_p(g)]``, they are
power series in rho: ``z s'(z)`` and ``s'(z)`` have the coefficients
``p a_p + sqrt((p+1)(p+2)) a_{p+2}`` and ``sqrt(p+1) a_{p+1} / tau``.
relu has no series that converges at rho = 1 in reasonable time, but a closed form (Cho, Saul 2009).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.activation import Activation
from lrft.theory.hermite import hermite_coefficients

Floats = NDArray[np.float64]

FEWEST_TERMS, MOST_TERMS = 64, 4096
#: Series stop where the last quarter of the terms at rho = 1 is below this share of the sum.
NEGLIGIBLE = 1e-14


class Pairs(NamedTuple):
    """Matrices over all pairs of preactivations, each (n, n)."""

    values: Floats
    slopes: Floats
    radial: Floats


def pair_expectations(activation: Activation, covariance: Floats) -> Pairs:
    """The three matrices for preactivations with this covariance, shape (n, n)."""
    tau = np.sqrt(np.diag(covariance))
    safe = np.where(tau > 0, tau, 1.0)
    rho = np.clip(covariance / np.outer(safe, safe), -1.0, 1.0)
    if activation.kind == "relu":
        return _relu(tau, rho)
    return _series(activation, tau, rho)


def _relu(tau: Floats, rho: Floats) -> Pairs:
    angle = np.arccos(rho)
    values = np.outer(tau, tau) * (np.sin(angle) + (np.pi - angle) * rho) / (2 * np.pi)
    alive = tau > 0  # a neuron at 0 has derivative 0 by convention
    slopes = np.outer(alive, alive) * (np.pi - angle) / (2 * np.pi)
    return Pairs(values, slopes, values)  # z s'(z) = s(z)


def _series(activation: Activation, tau: Floats, rho: Floats) -> Pairs:
    scales, which = np.unique(tau, return_inverse=True)
    values, slopes, radial = (table[which] for table in _coefficients(activation, scales))
    return Pairs(
        _power_series(values, values, rho),
        _power_series(slopes, slopes, rho),
        _power_series(values, radial, rho),
    )


def _coefficients(activation: Activation, scales: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients of s(tau g), s'(tau g), tau g s'(tau g): one row a scale."""
    if activation.kind == "hermite":
        terms = len(activation.coefficients)
    else:
        terms = FEWEST_TERMS
        while terms < MOST_TERMS and not _converged(activation, float(scales[-1]), terms):
            terms *= 2
    p = np.arange(terms)
    tables = np.zeros((3, len(scales), terms))
    for row, tau in enumerate(scales):
        if tau == 0.0:  # a constant: s(0), s'(0), 0
            tables[0, row, 0], tables[1, row, 0] = (float(f[0]) for f in activation.evaluate([0.0]))
            continue
        a, _ = hermite_coefficients(activation, terms + 2, float(tau))
        tables[0, row] = a[:-2]
        tables[1, row] = np.sqrt(p + 1) * a[1:-1] / tau
        tables[2, row] = p * a[:-2] + np.sqrt((p + 1) * (p + 2)) * a[2:]
    return tables[0], tables[1], tables[2]


def _converged(activation: Activation, tau: float, terms: int) -> bool:
    """Whether the slope series, the slowest, has converged at rho = 1 (largest scale)."""
    a, _ = hermite_coefficients(activation, terms, tau)
    sizes = np.arange(terms) * a**2
    return bool(sizes[3 * terms // 4 :].sum() <= NEGLIGIBLE * sizes.sum())


def _power_series(left: Floats, right: Floats, rho: Floats) -> Floats:
    """``sum_p left_ip right_jp rho_ij^p`` by Horner's rule."""
    total = np.zeros_like(rho)
    for p in range(left.shape[1] - 1, -1, -1):
        total *= rho
        total += np.outer(left[:, p], right[:, p])
    return total
