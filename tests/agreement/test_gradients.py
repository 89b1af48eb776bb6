"""The gradients of the reference twin against three independent derivatives of one loss.

The loss is written out here a second time, for any array library, so that automatic
differentiation, complex steps and central differences never see the code under test.
A gradient is read off a path: Euclidean students move by exactly ``-lr * gradient``; a spherical
one by its tangent part, which the move determines because the tangent is orthogonal to the start.
"""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from activations import DEFINITIONS
from autograd.scipy.special import erf as differentiable_erf
from scipy.special import erf as complex_erf

from lrft.reference import students as twin

HERMITE = (0.3, -0.5, 0.7, 0.4)


def hermite_3(xp, erf, z):
    he2, he3 = (z**2 - 1) / np.sqrt(2), (z**3 - 3 * z) / np.sqrt(6)
    return HERMITE[0] + HERMITE[1] * z + HERMITE[2] * he2 + HERMITE[3] * he3


SIGMA = {name: one.formula for name, one in DEFINITIONS.items()} | {"hermite": hermite_3}
STUDENTS = ("rank_one", "lora", "full_network")
D, K, BATCH, XI, SCALE = 7, 3, 4, 1.3, 0.8
SCALES = {"neuron_scale": 0.9, "output_scale": 0.7}


class Problem:
    """One random instance: teacher, one batch, and a starting point of each student."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        unit = lambda v: v / np.linalg.norm(v)  # noqa: E731
        self.W, self.lam = rng.standard_normal((K, D)) / 2, rng.standard_normal(K)
        self.c, self.u = unit(rng.standard_normal(K)), unit(rng.standard_normal(D))
        self.X = rng.standard_normal((BATCH, D))
        self.start = {
            "rank_one": (unit(rng.standard_normal(D)), unit(rng.standard_normal(K))),
            "lora": (rng.standard_normal((2, D)) / 2, rng.standard_normal((K, 2)) / 2),
            "full_network": (rng.standard_normal((5, D)) / 2, rng.standard_normal(5)),
        }


def rows(problem, student, p, q):
    """Rows and output weights of the student with parameters p and q."""
    if student == "rank_one":
        return problem.W + XI * q[:, None] * p[None, :], problem.lam
    if student == "lora":
        return problem.W + SCALE * q @ p, problem.lam
    return p, q


def outputs(xp, erf, kind, X, V, lam):
    return SCALES["output_scale"] * (SIGMA[kind](xp, erf, SCALES["neuron_scale"] * X @ V.T) @ lam)


def make_loss(problem, student, kind, linearized):
    """``loss(xp, erf, p, q)``, the mean squared error on the batch."""
    teacher = problem.W + XI * np.outer(problem.c, problem.u)
    y = outputs(np, complex_erf, kind, problem.X, teacher, problem.lam)
    p0, q0 = problem.start[student]

    def model(xp, erf, p, q):
        return outputs(xp, erf, kind, problem.X, *rows(problem, student, p, q))

    def taylor_model(xp, erf, p, q):
        if student == "rank_one":  # in the rows, around the base network
            f = lambda V: outputs(anp, differentiable_erf, kind, problem.X, V, problem.lam)  # noqa: E731
            J = autograd.jacobian(f)(problem.W)
            return f(problem.W) + XI * xp.sum(J * (q[:, None] * p[None, :]), axis=(1, 2))
        f = lambda p, q: model(anp, differentiable_erf, p, q)  # noqa: E731
        value = f(p0, q0)
        for i, (now, then) in enumerate(((p, p0), (q, q0))):
            J = autograd.jacobian(f, i)(p0, q0)
            value = value + xp.reshape(J, (BATCH, -1)) @ xp.reshape(now - then, (-1,))
        return value

    chosen = taylor_model if linearized else model
    return lambda xp, erf, p, q: xp.mean((chosen(xp, erf, p, q) - y) ** 2)


def path_gradient(problem, student, kind, linearized, start, lr=1e-2):
    """Both gradients, read off one step of the reference path from ``start``."""
    activation = HERMITE if kind == "hermite" else kind
    teacher = (problem.W, problem.lam, problem.c, problem.u, XI, activation)
    options = {"lr": lr, "linearized": linearized, **SCALES}
    if student == "rank_one":
        path = twin.rank_one_path(
            *teacher, *start, problem.X[None], train_c=True, orthogonal=False, **options
        )
    elif student == "lora":
        path = twin.lora_path(*teacher, *start, problem.X[None], scale=SCALE, **options)
    else:
        path = twin.full_network_path(*teacher, *start, problem.X[None], train_lam=True, **options)
    before, after = path
    if student == "rank_one":  # undo the normalisation: what is left is b - lr * tangent
        after = tuple(a / (a @ b) for a, b in zip(after, before, strict=True))
    return [(b - a) / lr for a, b in zip(after, before, strict=True)]


def tangent(gradient, at):
    return gradient - at * (at @ gradient)


def numerical_gradient(f, at, step, value):
    """Gradient of f by one evaluation rule per coordinate: ``value(f, at, direction, step)``."""
    result = np.empty(at.shape)
    for index in np.ndindex(*at.shape):
        direction = np.zeros(at.shape)
        direction[index] = 1
        result[index] = value(f, at, direction, step)
    return result


def complex_step(f, at, direction, step):
    return f(at + 1j * step * direction).imag / step


def central_difference(f, at, direction, step):
    return (f(at + step * direction) - f(at - step * direction)) / (2 * step)


@pytest.mark.parametrize("linearized", [False, True])
@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("kind", SIGMA)
def test_gradients_agree(kind, student, linearized):
    problem = Problem(seed=sum(map(ord, kind + student)))
    loss = make_loss(problem, student, kind, linearized)
    start = problem.start[student]
    found = path_gradient(problem, student, kind, linearized, start)

    methods = {"autograd": 1e-11, "central": 2e-8}
    if kind != "relu":  # complex steps need an analytic function
        methods["complex"] = 1e-11
    for method, tolerance in methods.items():
        for i in range(2):

            def along(value, xp=np, erf=complex_erf, i=i):
                return loss(xp, erf, *(value if j == i else start[j] for j in range(2)))

            if method == "autograd":
                expected = autograd.grad(lambda v: along(v, anp, differentiable_erf))(start[i])
            elif method == "complex":
                expected = numerical_gradient(along, start[i], 1e-30, complex_step)
            else:
                expected = numerical_gradient(along, start[i], 1e-6, central_difference)
            if student == "rank_one":
                expected = tangent(expected, start[i])
            # rounding of (b - a) / lr is about 1e-16 / 1e-2; central differences lose half
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(found[i], expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("student", ["lora", "full_network"])
@pytest.mark.parametrize("kind", SIGMA)
def test_linearized_second_step(kind, student):
    """Away from the expansion point the linear student follows the gradient of its own loss."""
    problem = Problem(seed=3)
    loss = make_loss(problem, student, kind, linearized=True)
    activation = HERMITE if kind == "hermite" else kind
    teacher = (problem.W, problem.lam, problem.c, problem.u, XI, activation)
    lr = 0.3  # large, to get away from the start
    options = {"lr": lr, "linearized": True, **SCALES}
    inputs = np.stack([problem.X, problem.X])
    if student == "lora":
        path = twin.lora_path(*teacher, *problem.start[student], inputs, scale=SCALE, **options)
    else:
        path = twin.full_network_path(
            *teacher, *problem.start[student], inputs, train_lam=True, **options
        )
    _, first, second = path
    assert np.abs(first[0] - problem.start[student][0]).max() > 1e-3, "did not leave the start"
    for i in range(2):
        expected = autograd.grad(lambda p, q: loss(anp, differentiable_erf, p, q), i)(*first)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose((first[i] - second[i]) / lr, expected, atol=1e-11 * scale)


def test_a_wrong_gradient_is_seen():
    """Control: the factor 1/2 that other codes put into the loss does not pass."""
    problem = Problem(seed=1)
    loss = make_loss(problem, "lora", "tanh", linearized=False)
    found, _ = path_gradient(problem, "lora", "tanh", False, problem.start["lora"])
    expected = autograd.grad(lambda p, q: loss(anp, differentiable_erf, p, q) / 2)(
        *problem.start["lora"]
    )
    assert np.abs(found - expected).max() > 1e-3
