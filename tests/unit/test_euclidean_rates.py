"""Automatic rates of LoRA and full networks: known limits, and where learning ends."""

from __future__ import annotations

import numpy as np
import pytest

import lrft
from lrft import theory

TASKS = {
    "tanh": {"d": 300, "k": 6, "activation": "tanh", "features": "orthonormal"},
    "relu": {"d": 300, "k": 6, "normalization": "unit"},
    "xi = 1": {"d": 300, "k": 8, "xi": 1.0, "features": "orthonormal"},
    "blocks": {"d": 300, "k": 6, "features": "orthonormal", "inputs": "blocks 3 0.3 parts 0.4 0.6"},
    "rank 2": {"d": 300, "k": 8, "rank": 2, "activation": "gelu", "features": "orthonormal"},
}
STUDENTS = {
    "LoRA 1": lrft.LoRA(rank=1),
    "LoRA 4": lrft.LoRA(rank=4),
    "LoRA, alpha": lrft.LoRA(rank=2, alpha=8.0),
    "full": lrft.FullNetwork(),
    "full, output weights": lrft.FullNetwork(train_lam=True),
    "scratch": lrft.FullNetwork(width=8, init="gaussian", lam_init="ones"),
}


def test_limits_of_linear_networks_are_known():
    """One linear neuron: J = x, so 1 / d for single samples and 1 for a full batch."""
    task = lrft.Task.sample(d=500, k=1, xi=1.0, features="zero", activation="he1")
    student = lrft.FullNetwork(width=1, init="gaussian", lam_init="ones")
    assert theory.stability_limit(task, student) == pytest.approx(1 / 501, rel=1e-12)
    assert theory.stability_limit(task, student, batch=10**9) == pytest.approx(1, rel=1e-5)
    # LoRA with B frozen at b: J = b x
    lora = lrft.LoRA(rank=1, b_init=[[0.5]], train_b=False)
    assert theory.stability_limit(task, lora) == pytest.approx(4 / 501, rel=1e-12)
    # A frozen with rows of length 2: J = <A, x>, E[J^2] / E[J^4] = 1 / (3 * 4)
    a = np.zeros((1, 500))
    a[0, 7] = 2.0
    lora = lrft.LoRA(rank=1, a_init=a, train_a=False)
    assert theory.stability_limit(task, lora) == pytest.approx(1 / (12 + 4), rel=0.1)


# Not all pairs: they would repeat these. From scratch tanh waits on plateaus at any rate.
PAIRS = [("tanh", name) for name in STUDENTS if name != "scratch"]
PAIRS += [("relu", "LoRA 4"), ("relu", "full"), ("xi = 1", "LoRA 1"), ("rank 2", "LoRA 4")]
PAIRS += [("rank 2", "scratch"), ("blocks", "LoRA 4"), ("blocks", "full, output weights")]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_limit_separates_learning_from_failing(name, kind):
    """Half of it learns in 200 d steps, by a factor of 15 at least; eight times it does not."""
    task, student = lrft.Task.sample(**TASKS[name], seed=2), STUDENTS[kind]
    limit = theory.stability_limit(task, student)
    left = []
    for lr in ("auto", 8 * limit):
        steps = 200 * task.d if lr == "auto" else 25 * task.d
        training = lrft.Training(student=student, lr=lr, steps=steps, record=5)
        ds = lrft.simulate(task, training, replicas=8, seed=1, threads=1)
        loss = ds.loss.fillna(np.inf).values
        left.append(np.median(loss[:, -1]) / loss[0, 0])
        if lr == "auto":
            assert (ds.status == "finished").all()
            assert "of the stability limit" in ds.attrs["learning_rate"]
    assert left[0] < 1 / 15
    assert left[1] > 2 * left[0]
    assert left[1] > 0.05


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_rate_and_a_reason(kind):
    student = STUDENTS[kind]
    for name in TASKS:
        task = lrft.Task.sample(**TASKS[name], seed=1)
        lr, reasoning = theory.auto_lr(task, student)
        limit = theory.stability_limit(task, student)
        assert 0.45 * limit < lr <= 0.5 * limit
        assert f"{lr:g}" in reasoning
        assert "above it errors grow" in reasoning or "above it noise" in reasoning
        # as 1 / d, once own parameters do not count beside rows
        limits = [
            theory.stability_limit(lrft.Task.sample(**(TASKS[name] | {"d": d}), seed=1), student)
            for d in (30_000, 3_000_000)
        ]
        assert 80 < limits[0] / limits[1] < 125


@pytest.mark.parametrize("student", [lrft.FullNetwork(), lrft.RankOne(train_c=True)])
def test_one_block_is_a_scale(student):
    """A x = (2 A) z: as beside features that are twice as long, and for u as beside twice xi."""
    task = lrft.Task.sample(**TASKS["tanh"], seed=1)
    blocks = task.replace(inputs=lrft.EigenBlocks([4.0]))
    one = {"inputs": lrft.EigenBlocks([1.0])}
    longer = task.replace(neuron_scale=2 * task.neuron_scale, **one)
    if not student.spherical:  # whose exact pull at the start is of standard normal inputs
        assert theory.stability_limit(task.replace(**one), student) == pytest.approx(
            theory.stability_limit(task, student), rel=1e-9
        )
    for batch in (1, 10**9):
        one, two = (theory.stability_limit(t, student, batch=batch) for t in (blocks, longer))
        assert one == pytest.approx(two, rel=1e-9)


def test_own_rates_are_left_out_of_account():
    task = lrft.Task.sample(**TASKS["tanh"], seed=1)
    all_of_it = lrft.FullNetwork(train_lam=True)
    rows = all_of_it.replace(lr_lam=1e-3)
    assert theory.stability_limit(task, rows) >= theory.stability_limit(task, all_of_it)
    assert theory.stability_limit(task, rows) == theory.stability_limit(task, lrft.FullNetwork())


@pytest.mark.parametrize("activation", ["tanh", "relu", "he3", "quadratic"])
def test_linearised_students_are_judged_at_their_start(activation):
    for kind in (lrft.LoRA(rank=2, b_init="gaussian"), lrft.FullNetwork()):
        task = lrft.Task.sample(**TASKS["tanh"] | {"activation": activation}, seed=1)
        linear = kind.replace(linearized=True)
        _, reasoning = theory.auto_lr(task, linear)
        assert "near the start" in reasoning
        training = lrft.Training(student=linear, lr="auto", steps=30_000, record=2)
        ds = lrft.simulate(task, training, replicas=8, seed=1, threads=1)
        assert ds.loss.isel(step=-1).mean() < ds.loss.isel(step=0).mean()
