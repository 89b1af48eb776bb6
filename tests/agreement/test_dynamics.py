"""The order-parameter equations against closed forms and gradients in R^d."""

from __future__ import annotations

import numpy as np
import pytest

import lrft
from lrft import theory
from lrft.theory import velocity as velocities
from lrft.theory.cases import of_numbers
from lrft.theory.equations import Equations
from lrft.theory.noise_scale import NoiseScale

LINEAR = lrft.Activation.hermite([0.0, 1.0])


def single_index(activation, **changes):
    return lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation=activation, **changes)


def small_task(activation, **changes):
    arguments = {"d": 30, "k": 3, "xi": 1.3, "c": "sphere", "lam": "gaussian", "seed": 5}
    return lrft.Task.sample(**(arguments | {"activation": activation} | changes))


def whole_velocity(task, P, c_hat, delta, **numbers):
    """d(P, c_hat)/dtau of the equations of all statistics."""
    case = of_numbers(task, c_hat, P, {"orthogonal": True, "delta": delta} | numbers)
    equations = Equations(task, case, delta, 2**10)
    velocity = equations.velocity(0.0, equations.packed(case.start))
    return np.delete(velocity, len(P))  # of Q = 1


def random_state(task, rng, *, orthogonal=False):
    """Unit u_hat in R^d, its coordinates, and c_hat."""
    u_hat = rng.standard_normal(task.d) / np.sqrt(task.d) + 0.7 * task.u
    if orthogonal:
        u_hat -= np.linalg.pinv(task.W) @ (task.W @ u_hat)
    u_hat /= np.linalg.norm(u_hat)
    c_hat = rng.standard_normal(task.k)
    return u_hat, u_hat @ task.Q, c_hat / np.linalg.norm(c_hat)


@pytest.mark.parametrize("delta", [0.0, 0.1, 0.8])
def test_linear_neuron_in_closed_form(delta):
    # f_hat - f* = <u_hat - u, x>: h = 2 and E[g^2] = 4 * 2 (1 - m), so that
    # dm/dtau = (1 - m) (2 (1 + m) - 4 delta m); in r = 1 - m this is r (A r - B).
    task = single_index(LINEAR)
    ode = theory.order_parameter_ode(task, task.c, 0.2, delta, horizon=2.0)
    A, B = 2 - 4 * delta, 4 * (1 - delta)
    decay = np.exp(-B * ode.time)
    expected = 1 - B * 0.8 * decay / (B - A * 0.8 * (1 - decay))
    # Sobol points integrate this square to 1e-3; the solver is far below.
    assert np.abs(ode.overlap_u - expected).max() < (1e-6 if delta == 0 else 1e-3 * delta)
    assert ode.noise_error < 3e-3


def test_label_noise_keeps_the_overlap_below_one():
    # at the fixed point 2 (1 - m^2) = (delta / 2) m (8 (1 - m) + 4 noise^2)
    delta, noise = 0.3, 0.5
    task = single_index(LINEAR, noise=noise)
    ode = theory.order_parameter_ode(task, task.c, 0.2, delta, horizon=30.0)
    roots = np.roots([4 * delta - 2, -(4 + 2 * noise**2) * delta, 2])
    expected = next(root for root in roots if 0 < root < 1)
    assert ode.overlap_u[-1] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize("parallel", [0.0, 0.6])
@pytest.mark.parametrize("activation", ["relu", "tanh", "he3"])
def test_flow_of_all_statistics_is_minus_the_projected_gradient(activation, parallel, orthogonal):
    rng = np.random.default_rng(3)
    task = small_task(activation, parallel=parallel)
    u_hat, P, c_hat = random_state(task, rng, orthogonal=orthogonal)
    grad_u, grad_c = theory.population_gradient(task, u_hat, c_hat)
    if orthogonal:
        grad_u -= np.linalg.pinv(task.W) @ (task.W @ grad_u)
    grad_u -= u_hat * (u_hat @ grad_u)
    grad_c -= c_hat * (c_hat @ grad_c)
    velocity = whole_velocity(task, P, c_hat, 0.0, train_c=True, orthogonal=orthogonal, rate_c=0.5)
    expected = np.concatenate([-grad_u @ task.Q, -0.5 * grad_c])
    np.testing.assert_allclose(velocity, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("delta", [0.0, 0.4])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "he3"])
def test_overlap_alone_is_the_full_system_restricted(activation, delta):
    task = small_task(activation)
    c_hat = random_state(task, np.random.default_rng(1))[2]
    noise = NoiseScale(task, delta, 2**10)
    alone = velocities.overlap_velocity(task, c_hat, noise)
    for m in (-0.9, 0.0, 0.3, 0.99):
        # c_hat is trained, at next to no rate: else its equation would be that of m alone
        whole = whole_velocity(task, m * task.a[0], c_hat, delta, train_c=True, rate_c=1e-300)
        scale = np.abs(whole).max() + 1
        assert alone(np.array([m]))[0] == pytest.approx(
            whole[: task.k + 1] @ task.a[0], abs=1e-10 * scale
        )
        np.testing.assert_allclose(whole[: task.k], 0, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "quadratic"])
def test_noise_scale_against_monte_carlo(activation):
    task = small_task(activation, noise=0.3, normalization="unit")
    rng = np.random.default_rng(7)
    _, P, c_hat = random_state(task, rng)
    value, error = NoiseScale(task, 1.0, 2**14).at(P, c_hat)
    X = rng.standard_normal((2**17, task.k + 1))
    field = X @ P + np.sqrt(1 - P @ P) * rng.standard_normal(len(X))
    z = task.neuron_scale * X @ task.R.T
    z_hat = z + task.neuron_scale * task.xi * np.outer(field, c_hat)
    z_star = z + task.neuron_scale * task.xi * np.outer(X @ task.a[0], task.c)
    act, scale = task.activation, task.neuron_scale * task.xi
    residual = (act(z_hat) - act(z_star)) @ task.lam + task.noise * rng.standard_normal(len(X))
    squares = (2 * residual * scale * (act.derivative(z_hat) @ (task.lam * c_hat))) ** 2
    uncertainty = np.hypot(squares.std() / np.sqrt(len(X)), error)
    assert abs(value - squares.mean()) < 4 * uncertainty
    assert uncertainty < 0.05 * value


def test_given_coordinates_start_there_and_keep_their_length():
    task = small_task("tanh", parallel=0.5)
    _, P, c_hat = random_state(task, np.random.default_rng(2))
    ode = theory.order_parameter_ode(
        task, c_hat, P, 0.1, horizon=3.0, train_c=True, orthogonal=False, samples=2**10, records=31
    )
    np.testing.assert_allclose(ode.P[0], P)
    np.testing.assert_allclose(ode.overlap_u, ode.P @ task.a[0], atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(ode.c_hat, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.sum(ode.P**2, axis=1) + ode.rest**2, 1, atol=1e-12)
    np.testing.assert_allclose(ode.overlap_at(ode.time), ode.overlap_u, atol=1e-14)


def test_flow_decreases_the_loss():
    task = small_task("gelu", parallel=0.5)
    u_hat, P, c_hat = random_state(task, np.random.default_rng(4))
    flow = theory.gradient_flow(
        task, c_hat, P, horizon=4.0, train_c=True, orthogonal=False, records=9
    )
    other = u_hat - task.Q @ P
    other /= np.linalg.norm(other)
    losses = [
        theory.population_loss(task, unit(task.Q @ p + rest * other), unit(c))
        for p, rest, c in zip(flow.P, flow.rest, flow.c_hat, strict=True)
    ]
    assert (np.diff(losses) < 0).all()
    assert losses[-1] < 0.5 * losses[0]


def unit(v):
    return v / np.linalg.norm(v)


@pytest.mark.parametrize(
    ("activation", "start", "delta", "threshold"),
    [
        ("relu", 0.0, 0.0, 0.9),
        ("relu", -0.3, 0.3, 0.8),
        ("he3", 0.05, 0.0, 0.7),
        ("he2", -0.1, 0.01, 0.9),
    ],
)
def test_predicted_hitting_time_is_that_of_the_solution(activation, start, delta, threshold):
    task = small_task(activation, features="orthonormal", lam="ones", c="quantized")
    found = theory.predicted_hitting_time(
        task, task.c, threshold, start=start, delta=delta, samples=2**10
    )
    ode = theory.order_parameter_ode(
        task, task.c, start, delta, horizon=2 * found, samples=2**10, records=401
    )
    assert found == pytest.approx(ode.hitting_time(threshold), rel=1e-4)


def test_hitting_times_that_are_zero_or_infinite():
    he2, task = single_index("he2"), small_task("relu")
    assert theory.predicted_hitting_time(he2, he2.c, 0.5) == np.inf  # h(0) = 0
    assert theory.predicted_hitting_time(he2, he2.c, 0.5, start=0.6) == 0
    assert theory.predicted_hitting_time(task, task.c, 0.99, delta=1e3) == np.inf  # stalls
    flow = theory.gradient_flow(he2, he2.c, 0.1, horizon=0.2)
    assert flow.hitting_time(0.9) == np.inf
    assert flow.hitting_time(0.05) == 0
    assert repr(flow).startswith("OrderParameters(delta=0, time=0..0.2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delta": -0.1}, "delta must be at least 0, got -0.1"),
        ({"horizon": 0.0}, "horizon must be greater than 0, got 0"),
        ({"start": 1.5}, "out of reach"),
        ({"start": [0.1, 0.2]}, r"start must have shape \(4,\), got \(2,\)"),
        ({"start": [0.1, 0, 0, 0.2]}, r"no part in span\(W\)"),
        ({"start": [0, 0, 0, 1.1]}, "start must have norm at most 1, got 1.1"),
        ({"c_hat": [1.0, 1.0, 0.0]}, "c_hat must have norm 1"),
        ({"rate_c": 0.0}, "rate_c must be greater than 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"records": 1}, "records must be at least 2"),
        ({"samples": 1}, "samples must be at least 16"),
    ],
)
def test_bad_arguments(changes, message):
    task = small_task("relu")
    arguments = {"c_hat": task.c, "start": 0.1, "delta": 0.1, "horizon": 1.0} | changes
    with pytest.raises(ValueError, match=message):
        theory.order_parameter_ode(task, **arguments)


def test_rank_and_times_outside_are_refused():
    task = small_task("relu")
    with pytest.raises(ValueError, match="rank 1, got rank 2"):
        theory.gradient_flow(small_task("relu", rank=2), task.c, 0.1, horizon=1.0)
    with pytest.raises(ValueError, match=r"time must lie in \[0, 1\], got 1.5"):
        theory.gradient_flow(task, task.c, 0.1, horizon=1.0).overlap_at(1.5)
