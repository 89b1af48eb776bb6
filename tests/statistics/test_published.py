"""Equations and simulations against what others published; the numbers are in published.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from published import GAMMA, NOISE, ROWS, STORED_ODE, STORED_SGD, plateau

import lrft
from lrft import theory
from lrft.theory import equations


def committee(d: int, M: int, **changes: Any) -> lrft.Task:
    """A base that is its own teacher but for 1e-12: M orthonormal rows."""
    rows = np.eye(M + 1, d)
    arguments = {"lam": np.ones(M), "activation": "erf", "xi": 1e-12} | changes
    return lrft.Task(W=rows[:M], c=np.eye(M)[0], u=rows[M], **arguments)


# ---- From high-dimensional & mean-field dynamics to dimensionless ODEs --------------------------


def wide_student(d: int, **changes: Any) -> tuple[lrft.Task, lrft.Training]:
    task = committee(d, 2, lam=np.full(2, 0.5), noise=NOISE**0.5)
    student = lrft.FullNetwork(init=np.pad(ROWS, ((0, 0), (0, d - 3))), lam_init=0.1)
    arguments = {"student": student, "lr": GAMMA / (2 * d), "steps": 1} | changes
    return task, lrft.Training(**arguments)


def risks_of_equations(times: np.ndarray) -> np.ndarray:
    task, training = wide_student(100)
    times = times - 1e-3
    ode = theory.order_parameter_ode(task, training, horizon=5.0 * times[-1], records=2)
    return ode.loss_at(np.maximum(5.0 * times, 0.0)) / 2


LAST = [9.0, pytest.param(1e4, marks=pytest.mark.verification)]


@pytest.mark.parametrize("last", LAST)
def test_their_equations_are_ours_without_a_term(
    monkeypatch: pytest.MonkeyPatch, last: float
) -> None:
    times, stored = np.array([one for one in STORED_ODE if one[0] < last]).T
    whole = risks_of_equations(times)
    assert np.max(np.abs(whole / stored - 1)) < 0.01  # the term is small at this gamma ...
    monkeypatch.setattr(
        equations, "weighted_slopes", lambda C, weights, first: np.zeros((len(C) - first,) * 2)
    )
    # ... and what is left is their Euler steps, of relative length 1e-3
    gap = np.max(np.abs(risks_of_equations(times) / stored - 1))
    assert gap < 1e-3
    assert np.max(np.abs(whole / stored - 1)) > 1.3 * gap


@pytest.mark.verification
def test_their_path_is_one_of_ours() -> None:
    steps = [round(time * 30 / GAMMA) for time, _ in STORED_SGD]
    task, training = wide_student(3, steps=steps[-1], record=steps)
    losses = lrft.simulate(task, training, replicas=32, seed=0).loss.values[:, 1:] / 2
    stored = np.array([risk for _, risk in STORED_SGD])
    gap = (stored - losses.mean(axis=0)) / losses.std(axis=0, ddof=1)
    assert (np.abs(gap) < 4).all()
    assert (losses.std(axis=0) < 0.15 * stored).all()


# ---- Saad and Solla -----------------------------------------------------------------------------


@pytest.mark.parametrize("M", [2, 3, 5])
def test_the_symmetric_plateau_is_a_fixed_point_of_the_flow(M: int) -> None:
    R, Q, error = plateau(M)
    task = committee(1000, M)
    training = lrft.Training(
        student=lrft.FullNetwork(init="gaussian", lam_init="ones"), lr=1e-3, steps=1000
    )
    # lengths in span(W) are all there is: Q = M R^2
    start = {"M": np.full((M, M), R) @ task.R[:, :M], "Q": np.full((M, M), Q)}
    start["M"] = np.pad(start["M"], ((0, 0), (0, task.R.shape[1] - M)))
    flow = theory.gradient_flow(task, training, start | {"lam_hat": np.ones(M)}, horizon=0.1)
    assert flow.loss[0] / 2 == pytest.approx(error, rel=1e-9)
    np.testing.assert_allclose(flow.M[-1], flow.M[0], atol=1e-8)
    np.testing.assert_allclose(flow.Q[-1], flow.Q[0], atol=1e-8)


@pytest.mark.parametrize("M", [2, 3])
def test_simulations_wait_at_the_plateau_and_follow_the_equations_into_it(M: int) -> None:
    _, Q, error = plateau(M)
    d, delta = 4_000, 0.02
    task = committee(d, M)
    rows = np.eye(M + 1, d)[:M] * 0.0
    rows[:, :M] = 0.05 + 1e-3 * np.eye(M)
    rows[:, M + 1 : 2 * M + 1] = 0.1 * np.eye(M)
    student = lrft.FullNetwork(init=rows, lam_init="ones")
    horizon = 6.0
    training = lrft.Training(
        student=student,
        lr=delta / d,
        steps=int(horizon * d / delta),
        record=13,
        record_parameters=["Q"],
    )
    ds = lrft.simulate(task, training, replicas=8, seed=M)
    ode = theory.order_parameter_ode(task, training)
    losses = ds.loss.values
    spread = losses.std(axis=0, ddof=1) / 8**0.5
    assert (np.abs(losses.mean(axis=0) - ode.loss) < 3 * spread + 0.002).all()
    # on the plateau: the error of order delta above the flow's, and the student's rows alike
    assert losses[:, 8:].mean() / 2 == pytest.approx(error, rel=0.1)
    np.testing.assert_allclose(ds.Q.values[:, 8:].mean(axis=(0, 1)), np.full((M, M), Q), atol=0.05)
