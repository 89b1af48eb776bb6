"""SGD at rate delta / d in high dimension against its order-parameter equations.

All replicas of a case start from one u_hat and c_hat, as the equations do; they differ in their
samples. Seeds were fixed in advance and are not to be changed after a failure.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import lrft
from lrft import theory

START = 0.1
HORIZON = 2.0


def task_at(d, **changes):
    """Relu, k = 8, xi = 1, entries of c that do not cancel: m moves at a speed of order one."""
    c = np.array([1, -1, 1, 1, 1, 1, 1, -1]) / 8**0.5
    arguments = {"k": 8, "xi": 1.0, "features": "orthonormal", "c": c, "seed": 0} | changes
    return lrft.Task.sample(d=d, activation="relu", **arguments)


def other_c(task):
    """A frozen c_hat with <c_hat, c> = 1/2, which leaves noise at every overlap."""
    c_hat = np.array(task.c)
    c_hat[:2] *= -1
    return c_hat


def given_start(task, inside=None):
    """A unit u_hat with overlap START and, if given, coordinates `inside` in span(W)."""
    basis = task.Q
    rest = np.random.default_rng(0).standard_normal(task.d)
    rest -= basis @ (basis.T @ rest)
    P = START * task.a[0]
    if inside is not None:
        P = P + inside
    u_hat = basis @ P + np.sqrt(1 - P @ P) * rest / np.linalg.norm(rest)
    return u_hat / np.linalg.norm(u_hat), P


@functools.lru_cache
def run(d, delta, replicas, seed):
    """Simulated overlaps (replica, record) and their times, frozen c_hat."""
    task = task_at(d)
    student = lrft.RankOne(c_init=other_c(task), u_init=given_start(task)[0])
    training = lrft.Training(
        student=student, lr=delta / d, steps=int(HORIZON * d / delta), record=41
    )
    ds = lrft.simulate(task, training, replicas=replicas, seed=seed)
    return ds.overlap_u.values, ds.step.values * delta / d


def gaps(d, delta, replicas, seed):
    """Gap of the mean to the equations and to the flow, and its standard error, (record,)."""
    task = task_at(d)
    overlaps, times = run(d, delta, replicas, seed)
    ode = theory.order_parameter_ode(task, other_c(task), START, delta, horizon=HORIZON * 1.001)
    flow = theory.gradient_flow(task, other_c(task), START, horizon=HORIZON * 1.001)
    mean = overlaps.mean(axis=0)
    error = overlaps.std(axis=0, ddof=1) / np.sqrt(replicas)
    return np.abs(mean - ode.overlap_at(times)), np.abs(mean - flow.overlap_at(times)), error


CASES = [
    (0.2, 16),
    *(pytest.param(delta, 64, marks=pytest.mark.verification) for delta in (0.01, 0.05, 0.2)),
]


@pytest.mark.parametrize(("delta", "replicas"), CASES)
def test_mean_follows_the_equations(delta, replicas):
    gap, to_flow, error = gaps(20_000, delta, replicas, seed=101)
    assert (gap <= 3 * error + 0.01).all()
    # the test can tell the two apart where the noise term matters
    if delta == 0.2:
        assert (to_flow > 3 * error + 0.05).any()


def test_hitting_steps_are_the_predicted_ones():
    d, delta, replicas = 20_000, 0.2, 16
    task = task_at(d)
    student = lrft.RankOne(c_init=other_c(task), u_init=given_start(task)[0])
    training = lrft.Training(student=student, lr=delta / d, steps=int(HORIZON * d / delta))
    ds = lrft.simulate(task, training, replicas=replicas, seed=404)
    for threshold in (0.3, 0.6, 0.9):
        times = ds.hit_step.sel(threshold=threshold).values * delta / d
        assert (times > 0).all()
        predicted = theory.predicted_hitting_time(
            task, other_c(task), threshold, start=START, delta=delta
        )
        # 0.01 in the overlap, at its speed here of about 0.5 and more
        error = times.std(ddof=1) / np.sqrt(replicas)
        assert abs(times.mean() - predicted) < 3 * error + 0.02


@pytest.mark.verification
def test_gap_to_the_flow_grows_as_delta():
    deltas = np.array([0.01, 0.05, 0.2])
    largest = [gaps(20_000, delta, 64, seed=101)[1].max() for delta in deltas]
    exponent = np.polyfit(np.log(deltas), np.log(largest), 1)[0]
    assert exponent == pytest.approx(1, abs=0.1)


@pytest.mark.verification
def test_spread_falls_as_the_root_of_the_dimension():
    # 256 replicas know their spread to 4 %; over 1.5 decades the slope to 0.02.
    dimensions = np.array([2_000, 6_325, 20_000, 63_246])
    spread = []
    for d in dimensions:
        overlaps, times = run(int(d), 0.2, 256, seed=202)
        spread.append(overlaps.std(axis=0, ddof=1)[(times > 0.3) & (times < 1.5)].mean())
    exponent = np.polyfit(np.log(dimensions), np.log(spread), 1)[0]
    assert exponent == pytest.approx(-0.5, abs=0.08)


@pytest.mark.parametrize(
    ("delta", "noise", "batch"),
    [(0.1, 0.0, 1), (0.2, 0.5, 1), (0.4, 0.0, 4)],
)
def test_all_statistics_with_c_trained_and_free_u(delta, noise, batch):
    # u partly inside span(W), u_hat free to go there, c_hat trained at half the rate
    d, horizon, replicas = 20_000, 1.5, 16
    task = task_at(d, parallel=0.5, noise=noise)
    inside = np.zeros(task.R.shape[1])
    inside[:3] = [0.2, -0.3, 0.1]
    u_hat, P = given_start(task, inside)
    c_hat = other_c(task)
    student = lrft.RankOne(
        train_c=True, orthogonal=False, c_init=c_hat, u_init=u_hat, lr_c=0.5 * delta / d
    )
    training = lrft.Training(
        student=student, lr=delta / d, steps=int(horizon * d / delta), record=31, batch=batch
    )
    ds = lrft.simulate(task, training, replicas=replicas, seed=303)
    ode = theory.order_parameter_ode(
        task,
        c_hat,
        P,
        delta,
        horizon=horizon,
        train_c=True,
        orthogonal=False,
        rate_c=0.5,
        batch=batch,
        records=31,
        samples=2**12,
    )
    for simulated, expected in ((ds.overlap_u, ode.overlap_u), (ds.overlap_c, ode.overlap_c)):
        values = simulated.values
        error = values.std(axis=0, ddof=1) / np.sqrt(replicas)
        assert (np.abs(values.mean(axis=0) - expected) <= 3 * error + 0.01).all()
