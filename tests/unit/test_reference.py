"""The reference twin does what its formulas say: values, identities, symmetries, errors."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from activations import DEFINITIONS

from lrft.reference import students as twin

KINDS = (*twin.ACTIVATIONS, "he3")
D, K, STEPS, XI = 9, 3, 12, 1.4


def unit(v):
    return v / np.linalg.norm(v)


@pytest.fixture
def task():
    """Teacher with u orthogonal to W, and a rank-one start that is too."""
    rng = np.random.default_rng(5)
    W = rng.standard_normal((K, D)) / 2
    P = twin.project_out(W)
    return {
        "W": W,
        "lam": rng.standard_normal(K),
        "c": unit(rng.standard_normal(K)),
        "u": unit(P(rng.standard_normal(D))),
        "xi": XI,
        "u0": unit(P(rng.standard_normal(D))),
        "c0": unit(rng.standard_normal(K)),
        "inputs": rng.standard_normal((STEPS, 2, D)),
    }


def rank_one(task, activation="tanh", **options):
    return list(twin.rank_one_path(activation=activation, **task, **{"lr": 0.05, **options}))


# ---- activations -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_activation_values(kind):
    sigma, dsigma = twin.resolve_activation(kind)
    for z in (-800.0, -1.0, 0.0, 0.5, 1.0, 2.0, 2.5, 800.0):
        # The derivatives of the twin cancel in places: 1 - tanh^2, for one.
        value, slope = (
            float(f(mpmath.mpf(z))) for f in (DEFINITIONS[kind].value, DEFINITIONS[kind].slope)
        )
        assert sigma(z) == pytest.approx(value, rel=1e-14, abs=1e-300)
        assert dsigma(z) == pytest.approx(slope, rel=1e-14, abs=1e-16)


def test_a_hermite_polynomial_has_its_values():
    sigma, dsigma = twin.resolve_activation("he3")
    assert sigma(2.0) == pytest.approx(0.8164965809277260, rel=1e-14)
    assert dsigma(2.0) == pytest.approx(3.674234614174767, rel=1e-14)


def test_activations_may_be_named_in_five_ways():
    class Named:
        kind, coefficients = "hermite", (0.0, 0.0, 0.0, 1.0)

    z = np.linspace(-3, 3, 7)
    ways = ("he3", [0, 0, 0, 1], Named(), twin.hermite([0, 0, 0, 1]))
    for way in ways:
        for found, expected in zip(
            twin.resolve_activation(way),
            (lambda z: (z**3 - 3 * z) / np.sqrt(6), lambda z: (3 * z**2 - 3) / np.sqrt(6)),
            strict=True,
        ):
            np.testing.assert_allclose(found(z), expected(z), atol=1e-14)
    with pytest.raises(ValueError, match=r"activation must be one of relu, .*'rleu'"):
        twin.resolve_activation("rleu")
    with pytest.raises(ValueError, match="coefficients must be a non-empty vector"):
        twin.resolve_activation([])


# ---- Eq. 4 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("train_c", "orthogonal"), [*itertools.product([False, True], repeat=2)])
def test_one_step_is_equation_4(task, train_c, orthogonal):
    """Eq. 4 with every product written as a sum over neurons and samples."""
    W, lam, c, u, u0, c0 = (task[name] for name in ("W", "lam", "c", "u", "u0", "c0"))
    s, out, lr, lr_c = 0.8, 1.7, 0.05, 0.02
    grad_u, grad_c = np.zeros(D), np.zeros(K)
    X = task["inputs"][0]
    for x in X:
        z = [s * (W[i] + XI * c0[i] * u0) @ x for i in range(K)]
        t = [s * (W[i] + XI * c[i] * u) @ x for i in range(K)]
        residual = out * sum(lam[i] * (np.tanh(z[i]) - np.tanh(t[i])) for i in range(K))
        for i in range(K):
            common = 2 * residual * out * lam[i] * s * XI * (1 - np.tanh(z[i]) ** 2) / len(X)
            grad_u += common * c0[i] * x
            grad_c[i] += common * (u0 @ x)
    projector = np.eye(D)
    if orthogonal:
        projector -= W.T @ np.linalg.inv(W @ W.T) @ W
    expected_u = unit(u0 - lr * (np.eye(D) - np.outer(u0, u0)) @ projector @ grad_u)
    expected_c = unit(c0 - lr_c * (np.eye(K) - np.outer(c0, c0)) @ grad_c) if train_c else c0

    options = {"lr": lr, "lr_c": lr_c, "neuron_scale": s, "output_scale": out}
    path = rank_one(task, train_c=train_c, orthogonal=orthogonal, **options)
    np.testing.assert_allclose(path[1][0], expected_u, atol=1e-14)
    np.testing.assert_allclose(path[1][1], expected_c, atol=1e-14)
    assert len(path) == STEPS + 1
    np.testing.assert_array_equal(path[0][0], u0)


def test_invariants_along_a_path(task):
    for u_hat, c_hat in rank_one(task, "relu", lr=0.3, train_c=True):
        assert np.linalg.norm(u_hat) == pytest.approx(1, abs=1e-14)
        assert np.linalg.norm(c_hat) == pytest.approx(1, abs=1e-14)
        assert np.abs(task["W"] @ u_hat).max() < 1e-13
    assert np.abs(task["W"] @ rank_one(task, "relu", orthogonal=False)[-1][0]).max() > 1e-3


def test_rates_are_numbers_or_functions_of_the_step(task):
    constant = rank_one(task, train_c=True, lr=0.05)
    as_function = rank_one(task, train_c=True, lr=lambda t: 0.05, lr_c=0.05)
    np.testing.assert_array_equal(constant[-1][0], as_function[-1][0])
    np.testing.assert_array_equal(constant[-1][1], as_function[-1][1])
    stopped = rank_one(task, lr=lambda t: 0.05 if t < 5 else 0.0)
    np.testing.assert_array_equal(stopped[5][0], rank_one(task)[5][0])
    np.testing.assert_allclose(stopped[-1][0], stopped[5][0], atol=1e-15)
    assert np.abs(stopped[5][0] - stopped[4][0]).max() > 1e-6


def test_teacher_is_a_fixed_point_and_noise_moves_it(task):
    at_teacher = {**task, "u0": task["u"], "c0": task["c"]}
    still = rank_one(at_teacher, train_c=True)[-1][0]
    np.testing.assert_allclose(still, task["u"], atol=1e-14)
    noise = np.random.default_rng(0).standard_normal((STEPS, 2))
    moved = rank_one(at_teacher, train_c=True, noise_values=noise)[-1][0]
    assert np.abs(moved - task["u"]).max() > 1e-3


# ---- identities between students --------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_lora_of_full_rank_is_full_fine_tuning(task, kind):
    """r = k, B = I frozen, A = 0: the adapter is the change of the rows."""
    shared = [task[n] for n in ("W", "lam", "c", "u", "xi")]
    lora = twin.lora_path(
        *shared, kind, np.zeros((K, D)), np.eye(K), task["inputs"], lr=0.01, lr_b=0.0
    )
    full = twin.full_network_path(*shared, kind, task["W"], task["lam"], task["inputs"], lr=0.01)
    for (A, _), (V, _) in zip(lora, full, strict=True):
        np.testing.assert_allclose(task["W"] + A, V, atol=1e-13 * np.abs(V).max())


def test_zero_features_are_a_single_index_model(task):
    """W = 0, c = 1/sqrt k, lam = 1/k, xi = sqrt k: spherical SGD on sigma(<u, x>)."""
    ones = np.ones(K)
    glm = {**task, "W": np.zeros((K, D)), "lam": ones / K, "c": unit(ones), "c0": unit(ones)}
    v = task["u0"]
    for X, (u_hat, _) in zip(task["inputs"], rank_one({**glm, "xi": K**0.5}), strict=False):
        np.testing.assert_allclose(u_hat, v, atol=1e-13)
        z = X @ v
        g = np.mean((2 * (np.tanh(z) - np.tanh(X @ task["u"])) / np.cosh(z) ** 2)[:, None] * X, 0)
        v = unit(v - 0.05 * (g - v * (v @ g)))


@pytest.mark.parametrize("student", ["rank_one", "lora", "full"])
def test_small_perturbations_are_the_kernel_regime(task, student):
    """Real and linearised paths on the same inputs: the gap vanishes linearly in xi."""
    shared = [task[n] for n in ("W", "lam", "c", "u")]

    def final(xi, linearized):
        if student == "rank_one":  # gradients are of order xi^2, so time is 1 / xi^2
            return rank_one({**task, "xi": xi}, lr=0.05 / xi**2, linearized=linearized)[-1][0]
        options = {"lr": 0.02, "linearized": linearized}
        if student == "lora":  # A frozen, else the factors are bilinear at any xi
            A0 = np.random.default_rng(1).standard_normal((2, D))
            options |= {"lr": 0.0, "lr_b": 0.02 / xi**2, "scale": xi}
            path = twin.lora_path(
                *shared, xi, "tanh", A0, np.zeros((K, 2)), task["inputs"], **options
            )
            return list(path)[-1][1]
        path = twin.full_network_path(
            *shared, xi, "tanh", task["W"], task["lam"], task["inputs"], **options
        )
        return (list(path)[-1][0] - task["W"]) / xi

    gaps = [np.abs(final(xi, False) - final(xi, True)).max() for xi in (1e-2, 1e-3)]
    assert gaps[0] > 1e-7  # far above rounding, so that the ratio means something
    assert gaps[0] / gaps[1] >= 8  # at least linear: 10 up to the next order


def test_teacher_of_higher_rank_is_a_sum(task):
    rng = np.random.default_rng(2)
    c, u = rng.standard_normal((K, 2)), rng.standard_normal((2, D))
    merged = {**task, "c": c, "u": u}
    target = task["W"] + XI * sum(np.outer(c[:, j], u[j]) for j in range(2))
    path = twin.full_network_path(
        *(merged[n] for n in ("W", "lam", "c", "u", "xi")),
        "relu",
        target,
        task["lam"],
        task["inputs"],
        lr=0.1,
    )
    for V, _ in path:
        np.testing.assert_allclose(V, target, atol=1e-13)


# ---- symmetries ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rotation", "permutation", "sign"])
def test_symmetries(task, name):
    rng = np.random.default_rng(11)
    Q, _ = np.linalg.qr(rng.standard_normal((D, D)))
    order = np.array([2, 0, 1])
    moved, undo_u, undo_c = dict(task), np.eye(D), np.eye(K)
    if name == "rotation":
        for key in ("W", "u", "u0", "inputs"):
            moved[key] = task[key] @ Q.T
        undo_u = Q.T
    elif name == "permutation":
        for key in ("W", "lam", "c", "c0"):
            moved[key] = task[key][order]
        undo_c = np.eye(K)[order].T
    else:
        for key in ("u", "c", "u0", "c0"):
            moved[key] = -task[key]
        undo_u, undo_c = -undo_u, -undo_c
    options = {"lr": 0.1, "train_c": True, "orthogonal": False}
    for (u1, c1), (u2, c2) in zip(
        rank_one(task, "gelu", **options), rank_one(moved, "gelu", **options), strict=True
    ):
        np.testing.assert_allclose(undo_u @ u2, u1, atol=1e-12)
        np.testing.assert_allclose(undo_c @ c2, c1, atol=1e-12)


# ---- overlaps, projector, errors -------------------------------------------------------------


def test_projector_takes_any_rank():
    rng = np.random.default_rng(0)
    v = rng.standard_normal(6)
    W = rng.standard_normal((2, 6))
    P = twin.project_out(np.vstack([W, W[0] - 3 * W[1]]))  # rank 2 of 3
    assert np.abs(W @ P(v)).max() < 1e-14
    np.testing.assert_allclose(P(v), twin.project_out(W)(v), atol=1e-14)
    np.testing.assert_array_equal(twin.project_out(np.zeros((2, 6)))(v), v)
    assert np.abs(twin.project_out(rng.standard_normal((8, 6)))(v)).max() < 1e-13


def test_subspace_cosines():
    rng = np.random.default_rng(0)
    A, mix = rng.standard_normal((2, 6)), rng.standard_normal((2, 2))
    np.testing.assert_allclose(twin.subspace_cosines(A, mix @ A), [1, 1], atol=1e-12)
    np.testing.assert_allclose(twin.subspace_cosines(A, np.eye(6)), [1, 1], atol=1e-12)
    np.testing.assert_array_equal(twin.subspace_cosines(A, np.zeros((3, 6))), [0, 0])
    angles = np.array([0.3, 1.2])
    B = np.hstack([np.diag(np.cos(angles)), np.diag(np.sin(angles))])
    found = twin.subspace_cosines(np.eye(4)[:2], B)
    np.testing.assert_allclose(found, np.cos(angles), rtol=1e-14)


def test_cosine_and_neuron_cosines():
    rng = np.random.default_rng(0)
    V, T = rng.standard_normal((4, 6)), rng.standard_normal((3, 6))
    table = twin.neuron_cosines(V, T)
    for j, i in np.ndindex(4, 3):
        assert table[j, i] == pytest.approx(twin.cosine(V[j], T[i]), abs=1e-15)
    assert twin.cosine(np.zeros(6), T[0]) == 0
    assert twin.cosine(T[0], -2 * T[0]) == pytest.approx(-1, abs=1e-15)


BAD = {
    "u0 not unit": ({"u0": np.ones(D)}, r"u0 must have norm 1, got 3\.0"),
    "c0 not unit": ({"c0": np.zeros(K)}, r"c0 must have norm 1, got 0\.0"),
    "c0 with nan": ({"c0": np.full(K, np.nan)}, "c0 must have norm 1, got nan"),
    "inputs flat": ({"inputs": np.zeros((4, D))}, r"inputs must give \(batch, d\)"),
    "unknown sigma": ({"activation": "step"}, "activation must be one of"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors(task, case):
    change, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        list(twin.rank_one_path(**{"activation": "tanh", **task, **change}, lr=0.1))
