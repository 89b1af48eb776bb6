"""`lrft.theory` against series, closed forms, finite differences and Monte Carlo.

The Monte Carlo checks use the gradient of the reference twin, on inputs drawn by NumPy.
"""

from __future__ import annotations

import ctypes
import math
from types import SimpleNamespace

import numpy as np
import pytest
from activations import DEFINITIONS, SMOOTH
from gradients import on_the_side, sample_gradients, sphere, unit

import lrft
from lrft import theory
from lrft.reference import students as twin

KINDS = (*DEFINITIONS, "he3")


# ---- Hermite coefficients ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "scale", "expected"),
    [
        ("relu", 1.0, [0.3989422804014327, 0.5, 0.28209479177387814, 0, -0.08143375198381992]),
        ("relu", 2.0, [0.7978845608028654, 1.0, 0.5641895835477563, 0, -0.16286750396763983]),
        ("quadratic", 1.5, [2.25, 0, 2.25 * np.sqrt(2), 0, 0]),
        ("he3", 1.0, [0, 0, 0, 1, 0]),
        ("he3", 2.0, [0, 6 * np.sqrt(6) / 2, 0, 8, 0]),  # scale (scale^2 - 1) sqrt(3/2), scale^3
        ("erf", 1.0, [0, 0.5641895835477563, 0, -0.11516471649044516, 0]),
        ("sigmoid", 3.0, [0.5, None, 0, None, 0]),  # 1/2 and an odd function
    ],
)
def test_hermite_coefficients(activation, scale, expected):
    found, bound = theory.hermite_coefficients(activation, len(expected), scale)
    assert bound <= 1e-12
    for value, wanted in zip(found, expected, strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=1e-13)


@pytest.mark.parametrize("kind", SMOOTH)
def test_hermite_coefficients_against_gauss_hermite(kind):
    """An independent rule: 200 nodes integrate these analytic functions to 1e-9 at scale 0.5."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    sigma, _ = twin.resolve_activation(kind)
    found, _ = theory.hermite_coefficients(kind, 12, 0.5)
    for p in range(12):
        he, _ = twin.hermite(np.eye(p + 1)[-1])
        expected = weights @ (sigma(0.5 * nodes) * he(nodes)) / np.sqrt(2 * np.pi)
        assert found[p] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("activation", "exponent"),
    [*((kind, one.exponent) for kind, one in DEFINITIONS.items()), ("he2", 2), ("he5", 5)],
)
def test_information_exponent(activation, exponent):
    assert theory.information_exponent(activation) == exponent


# ---- drift -------------------------------------------------------------------------------------


def prop_4(task, c_hat, m, terms):
    """h(m) as the double series of Prop. 4, for unit neurons."""
    mu, _ = theory.hermite_coefficients(task.activation, terms)
    size = 1 + task.xi**2 / task.k
    rho = (task.gram + task.xi**2 * np.outer(task.c, c_hat) * m) / size
    assert np.abs(rho).max() <= 0.9 or task.activation.kind in ("hermite", "quadratic")
    series = sum(p * mu[p] ** 2 * rho ** (p - 1) for p in range(1, terms))
    weights = np.outer(task.lam * task.c, task.lam * c_hat)
    return 2 * task.xi**2 / size * np.sum(weights * series)


@pytest.mark.parametrize("activation", [*KINDS, "he2", "he4", "he5"])
def test_drift_is_proposition_4(activation):
    rng = np.random.default_rng(1)
    for seed in range(3):
        task = lrft.Task.sample(
            d=60, k=5, activation=activation, normalization="unit", lam="gaussian", seed=seed
        )
        c_hat = np.where(rng.standard_normal(5) < 0, -1, 1) / np.sqrt(5)
        for m in (-0.7, -0.2, 0.0, 0.4, 0.7):
            expected = prop_4(task, c_hat, m, terms=400 if activation in DEFINITIONS else 8)
            size = 1 + abs(expected)
            assert theory.drift(task, c_hat, m) == pytest.approx(expected, abs=1e-12 * size)


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_drift_at_zero(degree):
    """h(0) is of order one for fine-tuning, and vanishes to order degree - 1 for the GLM."""
    tuning = lrft.Task.sample(
        d=100, k=6, activation=f"he{degree}", lam="gaussian", normalization="unit", seed=1
    )
    assert abs(theory.drift(tuning, tuning.c, 0.0)) > 0.1
    glm = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation=f"he{degree}")
    m = np.array([0.01, 0.1, 0.5])
    found = theory.drift(glm, glm.c, m)
    np.testing.assert_allclose(found, 2 * degree * m ** (degree - 1), rtol=1e-6, atol=1e-13)


def random_case(seed):
    """A task with u orthogonal to W, at any scales and norms, and a state."""
    rng = np.random.default_rng(seed)
    k, d = int(rng.integers(1, 6)), 9
    W = rng.standard_normal((k, d)) * rng.uniform(0.2, 0.6)
    u = unit(twin.project_out(W)(rng.standard_normal(d)))
    task = lrft.Task(
        W=W,
        lam=rng.standard_normal(k),
        c=sphere(rng, k),
        u=u,
        xi=rng.uniform(0.5, 2.5),
        activation=KINDS[seed % len(KINDS)],
        neuron_scale=rng.uniform(0.5, 1.2),
        output_scale=rng.uniform(0.5, 2.0),
    )
    return task, sphere(rng, k), float(rng.uniform(-0.95, 0.95)), rng


@pytest.mark.parametrize("seed", range(20))
def test_drift_against_monte_carlo(seed):
    task, c_hat, m, rng = random_case(seed)
    u_hat = on_the_side(task, m, rng)
    gradients, _ = sample_gradients(task, u_hat, c_hat, rng.standard_normal((40_000, task.d)))
    pull = -gradients @ (task.u - m * u_hat)  # its mean is h(m) |u - m u_hat|^2
    error = pull.std() / np.sqrt(len(pull)) / (1 - m**2)
    assert error < 2.0, "too few samples to tell anything"
    assert abs(pull.mean() / (1 - m**2) - theory.drift(task, c_hat, m)) <= 4 * error


# ---- population loss and gradient --------------------------------------------------------------


def case_with_parallel_part(activation, seed=4):
    rng = np.random.default_rng(seed)
    task = lrft.Task.sample(
        d=9,
        k=4,
        activation=activation,
        xi=1.3,
        neuron_scale=0.9,
        output_scale=0.7,
        lam="gaussian",
        parallel=0.5,
        seed=seed,
    )
    return task, sphere(rng, 9), sphere(rng, 4), rng


@pytest.mark.parametrize("activation", KINDS)
def test_gradient_is_the_derivative_of_the_loss(activation):
    """Central differences of fourth order; the loss is exact to 1e-12, so h = 1e-3 leaves 1e-9."""
    task, u, c, rng = case_with_parallel_part(activation)
    h = 1e-3

    def derivative(loss):
        return (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)

    def along(at, to):
        to = unit(to - at * (at @ to))
        return (lambda angle: np.cos(angle) * at + np.sin(angle) * to), to

    grad_u, grad_c = theory.population_gradient(task, u, c)
    for _ in range(3):
        path, direction = along(u, rng.standard_normal(9))
        expected = derivative(lambda x, path=path: theory.population_loss(task, path(x), c))
        assert grad_u @ direction == pytest.approx(expected, abs=1e-8 * (1 + abs(expected)))
        path, direction = along(c, rng.standard_normal(4))
        expected = derivative(lambda x, path=path: theory.population_loss(task, u, path(x)))
        assert grad_c @ direction == pytest.approx(expected, abs=1e-8 * (1 + abs(expected)))

    V, lam = rng.standard_normal((3, 9)) / 2, rng.standard_normal(3)
    grad_V, grad_lam = theory.population_gradient(task, rows=V, lam=lam)
    E, e = rng.standard_normal((3, 9)), rng.standard_normal(3)
    expected = derivative(lambda x: theory.population_loss(task, rows=V + x * E, lam=lam))
    assert np.sum(grad_V * E) == pytest.approx(expected, abs=1e-8 * (1 + abs(expected)))
    expected = derivative(lambda x: theory.population_loss(task, rows=V, lam=lam + x * e))
    assert grad_lam @ e == pytest.approx(expected, abs=1e-8 * (1 + abs(expected)))


@pytest.mark.parametrize("activation", KINDS)
def test_loss_and_gradient_against_monte_carlo(activation):
    task, u, c, rng = case_with_parallel_part(activation)
    X = rng.standard_normal((40_000, 9))
    scales = {"neuron_scale": task.neuron_scale, "output_scale": task.output_scale}
    teacher, student = (
        twin.network(X, task.W + task.xi * np.outer(*pair), task.lam, activation, **scales)
        for pair in ((task.c, task.u), (c, u))
    )
    samples = (student - teacher) ** 2
    error = samples.std() / np.sqrt(len(X))
    assert abs(samples.mean() - theory.population_loss(task, u, c)) <= 4 * error
    for found, expected in zip(
        sample_gradients(task, u, c, X), theory.population_gradient(task, u, c), strict=True
    ):
        errors = found.std(axis=0) / np.sqrt(len(X))
        assert (np.abs(found.mean(axis=0) - expected) <= 4.5 * errors).all()  # 13 numbers at once


@pytest.mark.parametrize("activation", KINDS)
def test_gradient_contains_the_drift(activation):
    task = lrft.Task.sample(d=20, k=4, activation=activation, lam="signs", seed=2)
    rng = np.random.default_rng(0)
    c_hat, m = sphere(rng, 4), 0.3
    u_hat = on_the_side(task, m, rng)
    gradient, _ = theory.population_gradient(task, u_hat, c_hat)
    projected = twin.project_out(task.W)(gradient)
    projected -= u_hat * (u_hat @ projected)
    expected = -theory.drift(task, c_hat, m) * (task.u - m * u_hat)
    np.testing.assert_allclose(projected, expected, atol=1e-9 * (1 + np.abs(expected).max()))


def test_ways_to_give_a_student_agree():
    rng = np.random.default_rng(0)
    task = lrft.Task.sample(d=20, k=4, activation="gelu", parallel=0.6, seed=2)
    c_hat = sphere(rng, 4)
    u_hat = unit(twin.project_out(task.W)(rng.standard_normal(20)))
    by_vector = theory.population_loss(task, u_hat, c_hat)
    by_overlap = theory.population_loss(task, c_hat=c_hat, m=u_hat @ task.u)
    rows = task.W + task.xi * np.outer(c_hat, u_hat)
    by_rows = theory.population_loss(task, rows=rows, lam=task.lam)
    assert by_vector > 0.01
    assert by_overlap == pytest.approx(by_vector, rel=1e-11)
    assert by_rows == pytest.approx(by_vector, rel=1e-11)
    exact = theory.population_loss(task, task.u, task.c)
    assert 0 <= exact <= 1e-12 * theory.population_loss(task, rows=rows, lam=0 * task.lam)


def test_custom_activation():
    """A callback gets the same theory as the built-in function it computes."""
    double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    functions = double(math.tanh), double(lambda z: 1 - math.tanh(z) ** 2)
    built_in = lrft.Task.sample(d=10, k=2, activation="tanh", seed=1)
    custom = built_in.replace(activation=lrft.Activation.custom(*functions))
    assert theory.drift(custom, custom.c, 0.3) == pytest.approx(
        theory.drift(built_in, custom.c, 0.3), rel=1e-9
    )
    u_hat, c_hat = unit(np.arange(10) - 4.0), unit(np.array([1.0, -2.0]))
    for found, expected in zip(
        theory.population_gradient(custom, u_hat, c_hat),
        theory.population_gradient(built_in, u_hat, c_hat),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())


def test_teacher_of_higher_rank():
    task = lrft.Task.sample(d=12, k=4, rank=2, activation="tanh", seed=2)
    rows = task.W + task.xi * task.c @ task.u
    scale = theory.population_loss(task, rows=rows, lam=0 * task.lam)
    assert 0 <= theory.population_loss(task, rows=rows) <= 1e-12 * scale
    c_hat = sphere(np.random.default_rng(0), 4)
    by_vector = theory.population_loss(task, task.u[0], c_hat)
    assert by_vector == pytest.approx(
        theory.population_loss(task, c_hat=c_hat, m=[1.0, 0.0]), rel=1e-11
    )


# ---- errors ------------------------------------------------------------------------------------


@pytest.fixture
def given():
    """One task of each kind that some function refuses."""
    task = lrft.Task.sample(d=10, k=3, seed=1)
    return SimpleNamespace(
        task=task,
        slanted=lrft.Task.sample(d=10, k=3, parallel=0.5, seed=1),
        inside=lrft.Task.sample(d=10, k=3, parallel=1.0, seed=1),
        rank_2=lrft.Task.sample(d=10, k=3, rank=2, seed=1),
        c=task.c,
        e=np.eye(10)[0],
    )


ERRORS = {
    "drift, u not orthogonal": (lambda t: theory.drift(t.slanted, t.c, 0.1), "population_gradient"),
    "drift, rank 2": (
        lambda t: theory.drift(t.rank_2, t.c, 0.1),
        "rank 2; use population_gradient",
    ),
    "drift, m too large": (lambda t: theory.drift(t.task, t.c, [0.1, 1.1]), r"m must lie.*1\.1"),
    "drift, c not unit": (lambda t: theory.drift(t.task, 2 * t.c, 0.1), "c_hat must have norm 1"),
    "drift, c too long": (lambda t: theory.drift(t.task, t.e, 0.1), "c_hat must have shape"),
    "noise, rank 2": (lambda t: theory.gradient_noise(t.rank_2, t.c, 0.1), "rank 1"),
    "noise, m too large": (lambda t: theory.gradient_noise(t.slanted, t.c, 0.95), "out of reach"),
    "loss, two students": (
        lambda t: theory.population_loss(t.task, t.e, t.c, m=0.1),
        "exactly one of",
    ),
    "loss, no student": (lambda t: theory.population_loss(t.task, c_hat=t.c), "exactly one of"),
    "loss, no c": (lambda t: theory.population_loss(t.task, t.e), "c_hat must be given"),
    "loss, lam alone": (
        lambda t: theory.population_loss(t.task, t.e, t.c, lam=t.c),
        "lam goes with rows",
    ),
    "loss, c with rows": (
        lambda t: theory.population_loss(t.task, c_hat=t.c, rows=[t.e]),
        "not with rows",
    ),
    "loss, lam missing": (
        lambda t: theory.population_loss(t.task, rows=[t.e]),
        "lam must be given",
    ),
    "loss, u not unit": (
        lambda t: theory.population_loss(t.task, 2 * t.e, t.c),
        "u_hat must have norm 1",
    ),
    "loss, m for rank 2": (
        lambda t: theory.population_loss(t.rank_2, c_hat=t.c, m=0.1),
        "m must have shape",
    ),
    "gradient, wrong rows": (
        lambda t: theory.population_gradient(t.task, rows=np.eye(3)),
        "rows must have shape",
    ),
    "coefficients, scale": (
        lambda t: theory.hermite_coefficients("relu", 3, 0.0),
        "scale must be greater",
    ),
    "coefficients, none": (lambda t: theory.hermite_coefficients("relu", 0), "count must be"),
    "exponent beyond": (lambda t: theory.information_exponent("he5", highest=4), "no Hermite"),
    "rate, other student": (lambda t: theory.auto_lr(t.task, object()), "RankOne.*not object"),
    "rate, nothing to learn": (lambda t: theory.auto_lr(t.inside, lrft.RankOne()), "span"),
    "rate, batch": (lambda t: theory.auto_lr(t.task, lrft.RankOne(), batch=0), "batch must be"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case, given):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call(given)
