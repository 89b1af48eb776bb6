"""Activations and their derivatives against 40-digit arithmetic.

Errors are relative, in units of 2^-52.  Each record states the largest that was found over 50,000
points on all three x86-64 instruction sets; the points here are other ones, 400 per activation, so
up to 1.3 times as much is let pass.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import pytest
from activations import DEFINITIONS
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.model.activation import FACTS

mpmath = pytest.importorskip("mpmath")
mpf, sqrt = mpmath.mpf, mpmath.sqrt

Array = NDArray[np.float64]
ULP = 2.0**-52
SMALLEST_NORMAL = 2.0**-1022


@pytest.fixture(autouse=True)
def digits() -> Any:
    with mpmath.workdps(40):
        yield


def make(kind: str, coefficients: list[float] | tuple[float, ...] = ()) -> Any:
    return compiled.activation(kind, np.array(coefficients, dtype=np.float64), 0, 0)


def points() -> Array:
    """Tiny, moderate and tail points of both signs, subnormals, and the borders inside."""
    rng = np.random.default_rng(20260)
    size = np.concatenate(
        [
            10.0 ** rng.uniform(-300, -8, 40),
            10.0 ** rng.uniform(-8, 0, 80),
            np.abs(rng.normal(size=120)),
            rng.uniform(0, 5, 60),
            rng.uniform(5, 39, 60),
            rng.uniform(39, 760, 40),
            [5e-324, 1e-310, 2.3e-308, 1.25, np.nextafter(1.25, 0), 0.88, 0.173, 0.347],
            [10, 30, 37.6, 37.7, 38.6, 50, 700, 708.5, 712, 745, 1e5, 1e300],
        ]
    )
    z = size * rng.choice([-1.0, 1.0], size.size)
    return np.concatenate([z, [-10, -30, -37.65, -50, -700, -712, -0.7518, -1.2785]])


def error(got: Array, want: list[Any], scale: list[Any]) -> tuple[float, int]:
    """The largest error over `scale` in units of 2^-52, and where it is."""
    ratio = [
        float(abs(mpf(float(g)) - w) / max(abs(s), SMALLEST_NORMAL)) / ULP
        for g, w, s in zip(got, want, scale, strict=True)
    ]
    where = int(np.argmax(ratio))
    return ratio[where], where


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_activations_are_accurate_everywhere(kind: str) -> None:
    one, facts = DEFINITIONS[kind], FACTS[kind]
    # Beyond, mpmath cannot take erfc and squares overflow; there the limits below are the test.
    z = points()[np.abs(points()) < 1e150]
    sigma, dsigma = make(kind).evaluate(z)
    assert np.all(np.isfinite(sigma))
    assert np.all(np.isfinite(dsigma))
    exact = [mpf(float(x)) for x in z]
    want = [one.value(x) for x in exact]
    off, where = error(sigma, want, want)
    assert off <= 1.3 * facts.value_error, f"sigma({z[where]!r}) is off by {off:.2f} x 2^-52"
    want = [one.slope(x) for x in exact]
    scale = want if one.slope_scale is None else [one.slope_scale(x) for x in exact]
    off, where = error(dsigma, want, scale)
    assert off <= 1.3 * facts.slope_error, f"sigma'({z[where]!r}) is off by {off:.2f} x 2^-52"


@pytest.mark.parametrize(
    ("coefficients", "bound"),
    [
        ((0.0, 1.0), 1),
        ((0.0, 0.0, 1.0), 2),
        ((0.0, 0.0, 0.0, 1.0), 3),
        ((0.0,) * 10 + (1.0,), 9),
        ((0.3, -0.2, 0.5, 0.0, 1.0), 3),
        (tuple(float(x) for x in np.random.default_rng(3).normal(size=16)), 5),
        (tuple(float(x) for x in np.random.default_rng(4).normal(size=64) / range(1, 65)), 10),
    ],
)
def test_hermite_series_are_accurate(coefficients: tuple[float, ...], bound: float) -> None:
    # he_p oscillates, so errors are relative to its envelope sqrt(he_p^2 + he_{p-1}^2).
    rng = np.random.default_rng(11)
    z = np.concatenate([rng.normal(size=60), rng.uniform(-6, 6, 30), rng.uniform(-20, 20, 10)])
    sigma, dsigma = make("hermite", coefficients).evaluate(z)
    want, slope, scale, slope_scale = [], [], [], []
    for x in z:
        he = [mpf(0), mpf(1)]  # he_{-1}, he_0
        for p in range(1, len(coefficients)):
            he.append((mpf(float(x)) * he[-1] - sqrt(p - 1) * he[-2]) / sqrt(p))
        a = [mpf(c) for c in coefficients]
        want.append(sum(c * he[p + 1] for p, c in enumerate(a)))
        slope.append(sum(c * sqrt(p) * he[p] for p, c in enumerate(a)))
        envelope = [mpf(0)] + [sqrt(he[p] ** 2 + he[p - 1] ** 2) for p in range(1, len(he))]
        scale.append(sum(abs(c) * envelope[p + 1] for p, c in enumerate(a)))
        slope_scale.append(sum(abs(c) * sqrt(p) * envelope[p] for p, c in enumerate(a)))
    off, where = error(sigma, want, scale)
    assert off < bound, f"sigma({z[where]!r}) is off by {off:.2f} x 2^-52"
    off, where = error(dsigma, slope, slope_scale)
    assert off < bound, f"sigma'({z[where]!r}) is off by {off:.2f} x 2^-52"


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_limits(kind: str) -> None:
    below, at_zero, above = DEFINITIONS[kind].limits
    z = np.array([-math.inf, 0.0, -0.0, math.inf, np.nan, -1e300, 1e300])
    sigma, dsigma = make(kind).evaluate(z)
    want = np.array([below, at_zero, at_zero, above])
    np.testing.assert_array_equal(sigma[:4], want[:, 0])
    np.testing.assert_array_equal(dsigma[:4], want[:, 1])
    assert np.isnan(sigma[4])
    assert np.isnan(dsigma[4])
    if math.isfinite(above[1]):  # at most linear growth
        assert (sigma[5], sigma[6]) == (below[0], min(above[0], 1e300))
    if at_zero[0] == 0 and at_zero[1] > 0:
        np.testing.assert_array_equal(np.signbit(sigma[1:3]), [False, True])


@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_an_entry_does_not_depend_on_its_neighbours(kind: str) -> None:
    act = make(kind, (0.1, 0.2, 0.3) if kind == "hermite" else ())
    z = points()[:21]
    sigma, dsigma = act.evaluate(z)
    for i, x in enumerate(z):
        alone = act.evaluate(np.array([x]))
        assert (alone[0][0], alone[1][0]) == (sigma[i], dsigma[i])
    matrix = act.evaluate(z.reshape(3, 7))
    np.testing.assert_array_equal(matrix[0], sigma.reshape(3, 7))
    np.testing.assert_array_equal(matrix[1], dsigma.reshape(3, 7))


def test_custom_activations_are_called_entry_by_entry() -> None:
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    value, slope = function(math.sin), function(math.cos)
    address = [ctypes.cast(f, ctypes.c_void_p).value for f in (value, slope)]
    z = np.linspace(-3, 3, 19)
    sigma, dsigma = compiled.activation("custom", np.empty(0), *address).evaluate(z)
    np.testing.assert_array_equal(sigma, [math.sin(x) for x in z])
    np.testing.assert_array_equal(dsigma, [math.cos(x) for x in z])
