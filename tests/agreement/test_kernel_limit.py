"""Small xi: the network approaches its linearisation, at the rates of a Taylor expansion."""

from __future__ import annotations

import numpy as np
import pytest

import lrft
from lrft import theory
from lrft.core.engine import compiled

XIS = np.geomspace(0.02, 0.2, 6)


def task_of(xi, activation="tanh", **changes):
    arguments = {"d": 100, "k": 5, "c": "sphere", "lam": "gaussian", "seed": 4} | changes
    return lrft.Task.sample(xi=float(xi), activation=activation, **arguments)


def frozen_c(k):
    c_hat = np.random.default_rng(0).standard_normal(k)
    return c_hat / np.linalg.norm(c_hat)


def exponent(gaps):
    return np.polyfit(np.log(XIS), np.log(np.abs(gaps)), 1)[0]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "quadratic", "he3"])
@pytest.mark.parametrize("xi", [0.3, 2.0])
def test_linearized_loss_against_monte_carlo(activation, xi):
    task = task_of(xi, activation, parallel=0.4, output_scale=0.8, neuron_scale=0.9)
    c_hat, m, rho = frozen_c(task.k), 0.6, task.features_rank
    X = np.random.default_rng(1).standard_normal((2**17, task.R.shape[1] + 1))
    outside = np.where(np.arange(X.shape[1] - 1) < rho, 0.0, task.a[0])
    P = m * outside / (outside @ outside)
    field = X[:, :-1] @ P + np.sqrt(1 - P @ P) * X[:, -1]
    z = 0.9 * X[:, :-1] @ task.R.T
    v = z + 0.9 * xi * np.outer(X[:, :-1] @ task.a[0], task.c)
    value, slope = task.activation.evaluate(z)
    f_lin = (value + slope * 0.9 * xi * np.outer(field, c_hat)) @ task.lam
    squares = 0.64 * (f_lin - task.activation(v) @ task.lam) ** 2
    error = squares.std() / np.sqrt(len(X))
    assert abs(theory.linearized_loss(task, c_hat, m) - squares.mean()) < 4 * error
    assert error < 0.05 * squares.mean()


@pytest.mark.parametrize("m", [0.0, 0.5, -0.8])
def test_gap_of_the_losses_is_of_fourth_order(m):
    c_hat = frozen_c(5)
    gaps = [
        theory.population_loss(task, c_hat=c_hat, m=m) - theory.linearized_loss(task, c_hat, m)
        for task in map(task_of, XIS)
    ]
    assert exponent(gaps) == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("m", [0.0, 0.5, -0.8])
def test_drift_approaches_that_of_the_kernel_at_second_order(m):
    c_hat = frozen_c(5)
    base = task_of(1.0)
    slopes = compiled.moments(base.activation.core, base.gram, True)
    limit = 2 * (base.lam * base.c) @ slopes @ (base.lam * c_hat)
    gaps = [theory.drift(task, c_hat, m) / task.xi**2 - limit for task in map(task_of, XIS)]
    assert exponent(gaps) == pytest.approx(2, abs=0.1)


def test_bad_arguments():
    task = task_of(1.0)
    with pytest.raises(ValueError, match="out of reach"):
        theory.linearized_loss(task, task.c, 1.1)
    with pytest.raises(ValueError, match="rank 1, got rank 2"):
        theory.linearized_loss(task_of(1.0, rank=2), task.c, 0.1)
    with pytest.raises(ValueError, match="c_hat must have norm 1"):
        theory.linearized_loss(task, np.ones(5), 0.1)
