"""The exact loss beside networks and polynomials: against quadrature, laws and samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from activations import DEFINITIONS
from cases import ACTIVATIONS
from scipy.special import roots_hermitenorm

import lrft
from lrft.core.engine import compiled
from lrft.reference import parts as twin

STAIRCASE = {(1,): 1.0, (1, 1): 1.0, (1, 1, 1): 1.0}
SMOOTH = [name for name in DEFINITIONS if name != "relu"]


def pair_by_quadrature(f, g, a, b, c, nodes=120):
    """E f(z) g(t) by a product rule, for smooth f and g."""
    x, w = roots_hermitenorm(nodes)
    w = w / np.sqrt(2 * np.pi)
    t = c / np.sqrt(a) * x[:, None] + np.sqrt(max(b - c * c / a, 0.0)) * x[None, :]
    return float((w * f(np.sqrt(a) * x)) @ (g(t) @ w))


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.8, 1.0])
def test_cross_moments_of_smooth_pairs(rho):
    names = [*SMOOTH, "he3", "series"]
    a, b = 0.8, 1.3
    for first, second in itertools.product(names, names):
        f, g = (lrft.Activation.parse(ACTIVATIONS[name]) for name in (first, second))
        c = rho * np.sqrt(a * b)
        value, bound = compiled.cross_moments(
            f.core, g.core, np.array([a]), np.array([b]), np.array([[c]])
        )
        expected = pair_by_quadrature(f, g, a, b, c)
        sizes = [
            pair_by_quadrature(h, h, v, v, v) for h, v in ((f, a), (g, b))
        ]  # the rule itself is good to 1e-12 here
        size = np.sqrt(sizes[0] * sizes[1])
        assert abs(value[0, 0] - expected) < bound[0, 0] + 1e-11 * size, (first, second)
        assert bound[0, 0] < 1e-12 * size, (first, second)


@pytest.mark.parametrize(("a", "b", "rho"), [(1.0, 1.0, 1.0), (1.0, 1.0, 0.4), (25.0, 4.0, -1.0)])
def test_cross_moments_of_relu(a, b, rho):
    """Of relu with the identity and with erf, whose other halves are even: closed forms."""
    relu, erf = (lrft.Activation.parse(name).core for name in ("relu", "erf"))
    line = lrft.Activation.hermite([0.0, 1.0]).core
    c = rho * np.sqrt(a * b)
    at = np.array([a]), np.array([b]), np.array([[c]])
    value, bound = compiled.cross_moments(relu, line, *at)
    assert abs(value[0, 0] - c / 2) <= bound[0, 0] < 1e-12 * np.sqrt(a * b)
    # E max(0, z) erf(t / sqrt 2) = E z erf(t / sqrt 2) / 2, since |z| is even
    value, bound = compiled.cross_moments(relu, erf, *at)
    expected = c / np.sqrt(2 * np.pi * (1 + b))
    assert abs(value[0, 0] - expected) <= bound[0, 0]
    assert bound[0, 0] < 1e-10 * np.sqrt(a * b)


def test_cross_moments_with_itself():
    """Of an activation with itself it is what the loss of one network is made of."""
    rng = np.random.default_rng(3)
    V = rng.standard_normal((4, 6)) / 2
    C = V @ V.T
    for name in ("relu", "tanh", "gelu", "series"):
        sigma = lrft.Activation.parse(ACTIVATIONS[name])
        value, bound = compiled.cross_moments(
            sigma.core, sigma.core, np.diag(C).copy(), np.diag(C).copy(), C
        )
        off = ~np.eye(4, dtype=bool)
        gap = np.abs(value - compiled.moments(sigma.core, C))
        assert (gap <= bound + 1e-14 * C.max())[off].all()
        assert bound[off].max() < 1e-11


@pytest.mark.parametrize("name", ["tanh", "erf", "softplus", "he3", "series"])
def test_polynomial_of_neuron_by_quadrature(name):
    """The closed form of E[sigma(<w, x>) prod h_p(<u_j, x>)], in three dimensions."""
    sigma = lrft.Activation.parse(ACTIVATIONS[name])
    x, w = roots_hermitenorm(40)
    w = w / np.sqrt(2 * np.pi)
    X = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    mass = np.einsum("i,j,k->ijk", w, w, w).reshape(-1)
    neuron = np.array([0.5, -0.3, 0.4])
    z = X @ neuron
    for powers in [(1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 2, 1), (3, 0, 2), (0, 0, 0)]:
        task = lrft.Task.multi_index(
            {powers: 1.0} | {(0, 0, 1): 0.0, (0, 1, 0): 0.0, (1, 0, 0): 0.0} | {powers: 1.0},
            np.eye(3),
            activation=ACTIVATIONS[name],
        )
        f = sigma(z)
        expected = float(mass @ (f - task.link(X)) ** 2)
        found = lrft.theory.population_loss(task, rows=neuron[None, :], lam=[1.0])
        assert abs(found - expected) < 1e-9 * (1 + expected)


def tasks() -> dict[str, lrft.Task]:
    base = lrft.Task.sample(d=12, k=3, activation="tanh", xi=1.2, neuron_scale=0.8, seed=2)
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((3, 12)) / 2
    return {
        "staircase": lrft.Task.multi_index(STAIRCASE, d=12),
        "parity of a base": lrft.Task.multi_index({(1, 1, 1, 1): 1.5, (2,): 0.4}, base=base),
        "relu teacher of a tanh base": lrft.Task.teacher(
            rows, lam_star=[1.0, -0.5, 0.7], sigma_star="relu", base=base
        ),
        "erf committee": lrft.Task.teacher(d=12, width=2, k=2, activation="erf", neuron_scale=0.9),
        "single index": lrft.Task.single_index("he3", d=12),
    }


TASKS = tasks()


@pytest.mark.parametrize("name", TASKS)
def test_loss_by_samples(name):
    """Within four standard errors of 10^6 samples (chance of a false alarm: 6e-5 each)."""
    task = TASKS[name]
    rng = np.random.default_rng(11)
    rows, lam = rng.standard_normal((4, task.d)) / 3, rng.standard_normal(4)
    exact = lrft.theory.population_loss(task, rows=rows, lam=lam)
    squares = []
    for _ in range(10):
        X = rng.standard_normal((100_000, task.d))
        f = twin.resolve_activation(task.activation)[0](task.neuron_scale * X @ rows.T) @ lam
        squares.append(
            (task.output_scale * f - twin.link_output(task.link, X @ np.atleast_2d(task.u).T)) ** 2
        )
    square = np.concatenate(squares)
    assert abs(exact - square.mean()) < 4 * square.std() / np.sqrt(square.size)


def test_teacher_itself_has_no_loss():
    for name in ("relu teacher of a tanh base", "erf committee"):
        task = TASKS[name]
        same = task.replace(activation=str(task.link.activation), neuron_scale=1.0)
        rows = np.atleast_2d(task.u)
        loss = lrft.theory.population_loss(same, rows=rows, lam=task.link.weights)
        assert loss < 1e-12


def test_relu_without_biases_does_not_see_he3():
    """Its third coefficient is zero at any norm: whatever is learned is added to E f*^2 = 1."""
    task = lrft.Task.single_index("he3", d=12)
    rng = np.random.default_rng(2)
    coefficients, _ = lrft.theory.hermite_coefficients("relu", 4)
    assert abs(coefficients[3]) < 1e-15
    for width in (1, 64):
        rows, lam = rng.standard_normal((width, 12)), rng.standard_normal(width) / width
        rows[0] = 2.0 * task.u  # even in the direction itself
        own = compiled.expected_square(task.activation.core, lam, rows @ rows.T)[0]
        loss = lrft.theory.population_loss(task, rows=rows, lam=lam)
        assert abs(loss - (1 + own)) < 1e-12
