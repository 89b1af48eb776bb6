"""The exact population expectations against independent integrals and Monte Carlo.

`expected_square` is compared with (a) a 25-digit integral over the plane, for two neurons that
nearly coincide and for four neurons of different norms, (b) the sample mean over 10^6 Gaussian
vectors, and (c) identities that need no integral at all.  None shares a formula with the C++.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
import numpy.typing as npt
import pytest
from activations import DEFINITIONS, density

from lrft.core.engine import compiled
from lrft.model.activation import FACTS
from lrft.reference import students as reference_module

Array = npt.NDArray[np.float64]
EPS = float(np.finfo(np.float64).eps)
SERIES = (0.5, -1.0, 0.7, 0.3, 0.0, -0.2)


def core(kind: str) -> compiled.Activation:
    """The core's activation called `kind`; "hermite" has the coefficients SERIES."""
    coefficients = np.array(SERIES if kind == "hermite" else [], dtype=np.float64)
    return compiled.activation(kind, coefficients, 0, 0)


def libm(value: str, derivative: str) -> compiled.Activation:
    """A custom activation made of two functions of the C mathematics library."""
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    address = [ctypes.cast(getattr(library, n), ctypes.c_void_p).value for n in (value, derivative)]
    assert address[0] is not None
    assert address[1] is not None
    return compiled.activation("custom", np.zeros(0), address[0], address[1])


# ---- high precision ------------------------------------------------------------------------
def _plane(
    f: Callable[[mp.mpf], mp.mpf],
    weights: list[float],
    rows: list[tuple[mp.mpf, mp.mpf]],
    pole: float,
) -> mp.mpf:
    """E[(sum_j w_j f(a_j x + b_j y))^2] by the trapezoidal rule, error about 1e-15.

    For a pole at distance d over the largest norm n the error is exp(-2 pi d / (n h)); for entire
    functions of Gaussian growth, like erf, exp(-pi^2 / (h^2 (1/2 + n^2))).
    """
    norm = max(float(mp.hypot(a, b)) for a, b in rows)
    # The nearer of the two: far poles ask for the density's own growth to be resolved.
    h = mp.mpf(min(0.5 / math.sqrt(0.5 + norm**2), 0.14 * pole / norm))
    reach = int(9 / h)
    grid = [h * i for i in range(-reach, reach + 1)]
    weight = [h * density(x) for x in grid]
    total = mp.mpf(0)
    for x, px in zip(grid, weight, strict=True):
        for y, py in zip(grid, weight, strict=True):
            if px * py > 1e-19 * h * h:
                z = [a * x + b * y for a, b in rows]
                square = sum(w * f(v) for w, v in zip(weights, z, strict=True)) ** 2
                total += px * py * square
    return total


def _relu_plane(
    weights: list[float], rows: list[tuple[mp.mpf, mp.mpf]], derivative: bool
) -> mp.mpf:
    """The same for relu in polar coordinates: E[r^2] = 2, and one integral over the angle."""

    def ring(angle: mp.mpf) -> mp.mpf:
        z = [a * mp.cos(angle) + b * mp.sin(angle) for a, b in rows]
        slope = [
            w * ((1 if derivative else v) if v > 0 else 0) for w, v in zip(weights, z, strict=True)
        ]
        return mp.fsum(slope) ** 2

    kinks = {-mp.pi, mp.pi}
    for a, b in rows:
        for turn in (mp.pi / 2, -mp.pi / 2):
            angle = mp.atan2(b, a) + turn
            kinks.add(angle - 2 * mp.pi * mp.floor((angle + mp.pi) / (2 * mp.pi)))
    mean = mp.quad(ring, sorted(kinks), method="gauss-legendre") / (2 * mp.pi)
    return mean if derivative else 2 * mean


def integral(
    kind: str, derivative: bool, weights: list[float], rows: list[tuple[mp.mpf, mp.mpf]]
) -> float:
    with mp.workdps(25):
        if DEFINITIONS[kind].pole is None:
            return float(_relu_plane(weights, rows, derivative))
        one = DEFINITIONS[kind]
        assert one.pole is not None
        return float(_plane(one.slope if derivative else one.value, weights, rows, one.pole))


def factor(covariance: Array) -> list[tuple[mp.mpf, mp.mpf]]:
    """Two rows with exactly this 2 x 2 covariance, so that rounding it is no excuse."""
    with mp.workdps(40):
        a, b, c = mp.mpf(covariance[0, 0]), mp.mpf(covariance[1, 1]), mp.mpf(covariance[0, 1])
        s = mp.sqrt(a)
        return [(s, mp.mpf(0)), (c / s, mp.sqrt(max(b - c * c / a, mp.mpf(0))))]


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("kind", DEFINITIONS)
@pytest.mark.parametrize(
    ("gap", "norms"),
    [(1e-3, (1.0, 1.0)), (1e-8, (0.75, 0.75)), (1e-12, (1.0, 1.0)), (0.3, (0.25, 1.0))],
)
def test_teacher_and_student_nearly_coincide(
    kind: str, derivative: bool, gap: float, norms: tuple[float, float]
) -> None:
    s, t = norms
    covariance = np.array([[s * s, (1 - gap) * s * t], [(1 - gap) * s * t, t * t]])
    weights = np.array([1.0, -1.0])
    value, bound = compiled.expected_square(core(kind), weights, covariance, derivative)
    rows = factor(covariance)
    expected = integral(kind, derivative, [1.0, -1.0], rows)
    # Two neurons: E f*^2 + E fhat^2 by the same code, tested on its own below.
    scale = sum(
        compiled.expected_square(core(kind), np.eye(2)[i], covariance, derivative)[0]
        for i in (0, 1)
    )
    assert bound <= 1e-13 * scale
    # 2e-14: what the reference's own truncation leaves.
    assert abs(value - expected) <= bound + 2e-14 * scale


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_four_neurons_of_different_norms(kind: str, derivative: bool) -> None:
    # Dyadic rows: their Gram matrix is exact in float64.
    rows = np.array([[0.25, 0.125], [-0.5, 0.75], [0.3125, 0.125], [-0.5, 0.625]])
    weights = np.array([1.0, 0.5, -1.0, -0.5])
    value, bound = compiled.expected_square(core(kind), weights, rows @ rows.T, derivative)
    exact = [(mp.mpf(a), mp.mpf(b)) for a, b in rows]
    expected = integral(kind, derivative, weights.tolist(), exact)
    scale = sum(
        compiled.expected_square(core(kind), weights * part, rows @ rows.T, derivative)[0]
        for part in ([1, 1, 0, 0], [0, 0, 1, 1])
    )
    assert abs(value - expected) <= bound + 2e-14 * scale
    assert bound <= 1e-13 * scale


# Norm 10 is too slow for mpmath in the plane; along a line E[(f(sx) - f(tx))^2] is not.
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("kind", DEFINITIONS)
@pytest.mark.parametrize(
    ("s", "t"), [(10.0, 9.75), (8.0, 0.125), (0.125, -0.25), (6.0, -6.0), (200.0, 190.0)]
)
def test_parallel_neurons_of_any_norm(kind: str, derivative: bool, s: float, t: float) -> None:
    covariance = np.array([[s * s, s * t], [s * t, t * t]])
    value, bound = compiled.expected_square(
        core(kind), np.array([1.0, -1.0]), covariance, derivative
    )
    with mp.workdps(20):
        f = DEFINITIONS[kind].slope if derivative else DEFINITIONS[kind].value
        breaks = [0.0] + [2.0**k for k in range(-9, 3)] + [6.0, 9.5]

        def mean(g: Callable[[mp.mpf], mp.mpf]) -> float:
            return float(
                mp.quad(
                    lambda x: (g(x) + g(-x)) * density(x),
                    breaks,
                    method="gauss-legendre",
                    maxdegree=4,
                )
            )

        expected = mean(lambda x: (f(s * x) - f(t * x)) ** 2)
        scale = mean(lambda x: f(s * x) ** 2 + f(t * x) ** 2)
    if FACTS[kind].route != "quadrature":  # which at large norms promises no more than its bound
        assert bound <= 1e-13 * scale
    assert abs(value - expected) <= bound + 2e-14 * scale


# ---- Monte Carlo ---------------------------------------------------------------------------
def twin(kind: str, z: Array, derivative: bool) -> Array:
    """The values of the readable twin."""
    activation = reference_module.hermite(SERIES) if kind == "hermite" else kind
    return np.asarray(reference_module.resolve_activation(activation)[derivative](z))


@pytest.fixture(scope="module")
def sample() -> tuple[Array, Array, Array]:
    """Weights (6,), covariance (6, 6) and 10^6 draws (6, 10^6) of its Gaussian."""
    rng = np.random.default_rng(20)
    rows = rng.standard_normal((6, 6)) * np.array([0.1, 0.3, 0.4, 0.5, 0.7, 1.2])[:, None]
    rows[5] = 0.9 * rows[4]  # two parallel neurons
    draws = rows @ rng.standard_normal((6, 1_000_000))
    return rng.standard_normal(6), rows @ rows.T, draws


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_monte_carlo(kind: str, derivative: bool, sample: tuple[Array, Array, Array]) -> None:
    weights, covariance, draws = sample
    value, _ = compiled.expected_square(core(kind), weights, covariance, derivative)
    total = np.zeros(draws.shape[1])
    for w, z in zip(weights, draws, strict=True):
        total += w * twin(kind, z, derivative)
    square = total**2
    error = square.std() / math.sqrt(square.size)
    assert error < 0.05 * value  # the comparison has power
    assert abs(value - square.mean()) <= 4 * error


# ---- identities ------------------------------------------------------------------------------
def _covariance(m: int, seed: int) -> Array:
    rows = np.random.default_rng(seed).standard_normal((m, 4))
    return np.asarray(rows @ rows.T)


@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_slope_in_the_covariance_is_the_form_of_the_derivative(kind: str) -> None:
    # Price: d/dc E[f(z1) f(z2)] = E[f'(z1) f'(z2)], off the diagonal.
    act, c, h = core(kind), _covariance(2, 3), 1e-4

    def product(shift: float, derivative: bool) -> float:
        moved = c + shift * np.array([[0, 1], [1, 0]])
        plus = compiled.expected_square(act, np.array([1.0, 1.0]), moved, derivative)[0]
        minus = compiled.expected_square(act, np.array([1.0, -1.0]), moved, derivative)[0]
        return (plus - minus) / 4

    slope = (product(h, False) - product(-h, False)) / (2 * h)
    assert slope == pytest.approx(product(0.0, True), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_a_perfect_student_has_no_loss(kind: str, derivative: bool) -> None:
    rows = np.random.default_rng(5).standard_normal((8, 5)) * np.geomspace(0.1, 5, 8)[:, None]
    lam = np.random.default_rng(6).standard_normal(8)
    c = np.block([[rows @ rows.T, rows @ rows.T], [rows @ rows.T, rows @ rows.T]])
    value, bound = compiled.expected_square(core(kind), np.r_[lam, -lam], c, derivative)
    scale = 2 * compiled.expected_square(core(kind), lam, rows @ rows.T, derivative)[0]
    assert 0 <= value <= bound
    # The entries of C are rounded; of all forms only relu' feels that as its square root.
    assert value <= (1e-6 if kind == "relu" and derivative else 1e-12) * scale


def test_quadratic_by_isserlis_keeps_its_digits_at_small_norms() -> None:
    c, w = 1e-6 * _covariance(5, 12), np.random.default_rng(13).standard_normal(5)
    a = np.diag(c)
    value, bound = compiled.expected_square(core("quadratic"), w, c, False)
    exact = w @ (np.outer(a, a) + 2 * c**2) @ w
    assert bound <= 1e-12 * exact
    assert abs(value - exact) <= bound


@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_neurons_of_norm_zero_are_constants(kind: str) -> None:
    c = np.zeros((3, 3))
    c[0, 0] = 2.25
    for derivative in (False, True):
        at_0 = float(twin(kind, np.zeros(1), derivative)[0])
        alone, bound = compiled.expected_square(
            core(kind), np.array([0.0, 1.0, 2.0]), c, derivative
        )
        # 1e-14: a Hermite series cancels at 0, in NumPy as here.
        assert abs(alone - 9 * at_0**2) <= bound + 1e-14
        # E[(f(z) + k f(0))^2] is quadratic in k with leading coefficient f(0)^2.
        q = [
            compiled.expected_square(core(kind), np.array([1.0, k, 0.0]), c, derivative)[0]
            for k in (-1.0, 0.0, 1.0)
        ]
        assert q[0] + q[2] - 2 * q[1] == pytest.approx(2 * at_0**2, abs=1e-13)


def test_a_permutation_or_a_common_sign_of_odd_activations_changes_nothing() -> None:
    c, w = _covariance(9, 8), np.random.default_rng(9).standard_normal(9)
    order = np.random.default_rng(10).permutation(9)
    for kind in [*DEFINITIONS, "hermite"]:
        value, bound = compiled.expected_square(core(kind), w, c, False)
        moved, _ = compiled.expected_square(core(kind), w[order], c[np.ix_(order, order)], False)
        assert abs(value - moved) <= 2 * bound
    flip = np.ones(9)
    flip[[1, 4]] = -1
    for kind in ("erf", "tanh"):
        value, bound = compiled.expected_square(core(kind), w, c, False)
        moved, _ = compiled.expected_square(core(kind), w * flip, c * np.outer(flip, flip), False)
        assert abs(value - moved) <= 2 * bound


@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_a_covariance_that_is_not_finite_gives_nan(kind: str) -> None:
    for bad in (math.nan, math.inf):
        c = np.eye(3)
        c[1, 0] = c[0, 1] = bad
        value, bound = compiled.expected_square(core(kind), np.ones(3), c, False)
        assert math.isnan(value)
        assert bound == math.inf


# ---- custom ------------------------------------------------------------------------------------
def test_custom_sine_has_its_closed_form() -> None:
    c = np.array([[1.0, 0.9, 0.999], [0.9, 4.0, 0.5], [0.999, 0.5, 1.0]])
    w = np.array([1.0, 0.5, -1.0])
    a = np.diag(c)
    damping = np.exp(-(a[:, None] + a[None, :]) / 2)
    for derivative, wave in ((False, np.sinh), (True, np.cosh)):
        value, bound = compiled.expected_square(libm("sin", "cos"), w, c, derivative)
        assert abs(value - w @ (damping * wave(c)) @ w) <= bound
        assert bound <= 1e-12


def test_custom_with_a_kink_near_coincidence() -> None:
    # |z|: E|z1 z2| = (2/pi) (sqrt(ab - c^2) + c asin(c / sqrt(ab)))
    gap = 1e-6
    c = np.array([[1.0, 2 - 2 * gap], [2 - 2 * gap, 4.0]])
    value, bound = compiled.expected_square(libm("fabs", "cos"), np.array([2.0, -1.0]), c, False)
    rho = mp.mpf(c[0, 1]) / 2
    with mp.workdps(25):
        cross = 2 * 2 / mp.pi * (mp.sqrt(1 - rho**2) + rho * mp.asin(rho))
        expected = float(4 + 4 - 4 * cross)
    assert bound <= 1e-10
    assert abs(value - expected) <= bound


# ---- Hermite coefficients --------------------------------------------------------------------
@pytest.mark.parametrize("s", [0.25, 4.0])
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_hermite_coefficients_against_integrals(kind: str, s: float) -> None:
    values, bound = compiled.hermite_coefficients(core(kind), s, 24)
    f = DEFINITIONS[kind].value
    with mp.workdps(20):
        for p in (0, 1, 6, 21):
            expected = mp.quad(
                lambda x, p=p: (
                    f(s * x)
                    * density(x)
                    * mp.hermite(p, x / mp.sqrt(2))
                    / mp.mpf(2) ** (mp.mpf(p) / 2)
                    / mp.sqrt(mp.factorial(p))
                ),
                [-14, -7, -3, -1, -0.25, 0, 0.25, 1, 3, 7, 14],
                method="gauss-legendre",
                maxdegree=4,
            )
            assert abs(values[p] - float(expected)) <= bound + 1e-15
    assert bound <= 1e-13 * max(1.0, np.abs(values).max())


@pytest.mark.parametrize("kind", [*DEFINITIONS, "hermite"])
def test_hermite_coefficients_satisfy_parseval(kind: str) -> None:
    s = 0.9
    count = FACTS[kind].most_coefficients or 2000
    values, _ = compiled.hermite_coefficients(core(kind), s, count)
    moment, _ = compiled.expected_square(core(kind), np.ones(1), np.array([[s * s]]), False)
    # relu: mu_p^2 ~ p^(-5/2) / (2 pi), so 2000 terms leave 1e-6 of it.
    tail = 1e-6 if kind in ("relu",) else 1e-13
    assert float(values @ values) == pytest.approx(moment, rel=tail)


def test_hermite_coefficients_at_unit_scale_are_the_given_ones() -> None:
    values, _ = compiled.hermite_coefficients(core("hermite"), 1.0, 8)
    np.testing.assert_array_equal(values, [*SERIES, 0.0, 0.0])
    sine, bound = compiled.hermite_coefficients(libm("sin", "cos"), 1.0, 6)
    exact = [0, math.exp(-0.5), 0, -math.exp(-0.5) / math.sqrt(6), 0, math.exp(-0.5) / 120**0.5]
    np.testing.assert_allclose(sine, exact, rtol=0, atol=bound + 4 * EPS)


@pytest.mark.parametrize(
    ("s", "count", "name"),
    [(-1.0, 4, "scale"), (math.nan, 4, "scale"), (math.inf, 4, "scale"), (1.0, -1, "count")],
)
def test_hermite_coefficients_name_the_bad_argument(s: float, count: int, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        compiled.hermite_coefficients(core("tanh"), s, count)
