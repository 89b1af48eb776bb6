"""Every named activation, written out once more, apart from the code under test.

Tests loop over `DEFINITIONS`, whose names are those of the core's records
(`test_every_activation_is_defined_here` in tests/unit/test_activation.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import erfc, exp, log1p, mpf, sqrt

INF = math.inf


@dataclass(frozen=True)
class Definition:
    """One activation.

    Attributes
    ----------
    value, slope : callables
        sigma and sigma' of an mpmath number, accurate to its digits.
    formula : callable
        sigma as ``formula(xp, erf, z)`` of an array, for any array library and complex numbers.
    limits : three pairs
        (sigma, sigma') at minus infinity, 0 and infinity.
    delta : float
        lr * d of the runs in `cases`.  Large enough that 2,000 steps turn the state and bring the
        loss down, small enough that the dynamics do not expand: two paths that start 1e-9 apart
        end at most four times as far apart, over all students (measured), so a difference of
        1e-10 is an error and not chaos.
    pole : float or None
        Distance of the nearest pole from the real line; infinite for entire functions; None for a
        kink at 0 of a function that is positively homogeneous.
    slope_scale : callable, optional
        What the error of sigma' is relative to, where sigma' has a zero that is not one of its
        terms: the sum of their sizes.
    exponent : int
        Information exponent: the first p >= 1 whose Hermite coefficient is not zero.
    """

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    formula: Callable[[Any, Any, Any], Any]
    limits: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    delta: float
    pole: float | None
    slope_scale: Callable[[Any], Any] | None = None
    exponent: int = 1


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))


def density(z: Any) -> Any:
    """Of the standard normal distribution."""
    return exp(-z * z / 2) / sqrt(2 * mpmath.pi)


def _distribution(z: Any) -> Any:
    return erfc(-z / sqrt(2)) / 2


DEFINITIONS = {
    "relu": Definition(
        value=lambda z: max(z, mpf(0)),
        slope=lambda z: mpf(z > 0),
        formula=lambda xp, erf, z: xp.maximum(z, 0),
        limits=((0.0, 0.0), (0.0, 0.0), (INF, 1.0)),
        delta=0.5,
        pole=None,
    ),
    "erf": Definition(
        value=lambda z: mpmath.erf(z / sqrt(2)),
        slope=lambda z: 2 * density(z),
        formula=lambda xp, erf, z: erf(z / math.sqrt(2)),
        limits=((-1.0, 0.0), (0.0, math.sqrt(2 / math.pi)), (1.0, 0.0)),
        delta=0.3,
        pole=INF,
    ),
    "tanh": Definition(
        value=mpmath.tanh,
        slope=lambda z: mpmath.sech(z) ** 2,
        formula=lambda xp, erf, z: xp.tanh(z),
        limits=((-1.0, 0.0), (0.0, 1.0), (1.0, 0.0)),
        delta=0.3,
        pole=math.pi / 2,
    ),
    "sigmoid": Definition(
        value=_sigmoid,
        slope=lambda z: _sigmoid(z) * _sigmoid(-z),
        formula=lambda xp, erf, z: 1 / (1 + xp.exp(-z)),
        limits=((0.0, 0.0), (0.5, 0.25), (1.0, 0.0)),
        delta=3.0,
        pole=math.pi,
    ),
    "gelu": Definition(
        value=lambda z: z * _distribution(z),
        slope=lambda z: _distribution(z) + z * density(z),
        slope_scale=lambda z: _distribution(z) + abs(z) * density(z),
        formula=lambda xp, erf, z: z * (1 + erf(z / math.sqrt(2))) / 2,
        limits=((0.0, 0.0), (0.0, 0.5), (INF, 1.0)),
        delta=0.5,
        pole=INF,
    ),
    "silu": Definition(
        value=lambda z: z * _sigmoid(z),
        slope=lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z)),
        slope_scale=lambda z: _sigmoid(z) * (1 + abs(z) * _sigmoid(-z)),
        formula=lambda xp, erf, z: z / (1 + xp.exp(-z)),
        limits=((0.0, 0.0), (0.0, 0.5), (INF, 1.0)),
        delta=0.5,
        pole=math.pi,
    ),
    "softplus": Definition(
        value=lambda z: max(z, mpf(0)) + log1p(exp(-abs(z))),
        slope=_sigmoid,
        formula=lambda xp, erf, z: xp.log(1 + xp.exp(z)),
        limits=((0.0, 0.0), (math.log(2), 0.5), (INF, 1.0)),
        delta=0.6,
        pole=math.pi,
    ),
    # Polynomials have heavy-tailed gradients, hence the smaller rate.
    "quadratic": Definition(
        value=lambda z: z**2,
        slope=lambda z: 2 * z,
        formula=lambda xp, erf, z: z**2,
        limits=((INF, -INF), (0.0, 0.0), (INF, INF)),
        delta=0.03,
        pole=INF,
        exponent=2,
    ),
}
#: Those without a kink.
SMOOTH = {name: one for name, one in DEFINITIONS.items() if one.pole is not None}
