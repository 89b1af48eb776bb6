"""Batches that are used more than once, against runs that use theirs once.

Paths, coupling, law, bits and refusals are rows of the tables for all trainings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import final, spec, task_of, twin
from students import REPLICA, SEED, case

import lrft

STUDENTS: dict[str, Any] = {
    "rank one": lrft.RankOne(train_c=True, c_init="sphere"),
    "LoRA": lrft.LoRA(rank=2, b_init="gaussian"),
    "full": lrft.FullNetwork(train_lam=True),
}


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", ["LoRA, rank 3", "full, noise", "linear, rank one, joint, free"])
def test_a_trial_of_no_length_changes_nothing(name, engine):
    task, training = case(name)
    training = training.replace(batch=1)
    ends = [
        final(spec([task], plan, [REPLICA], seed=SEED, ambient=engine == "ambient"))[0]
        for plan in (training, training.replace(lookahead=1e-200))
    ]
    for field in ("rows", "own"):
        once, ahead = (getattr(end, field) for end in ends)
        if field == "rows" and engine == "reduced":  # L is a factor; its signs are not the path's
            once, ahead = np.abs(once), np.abs(ahead)
        np.testing.assert_allclose(ahead, once, rtol=0, atol=1e-9 * np.abs(once).max())


@pytest.mark.parametrize("batch", [1, 5, 40])
@pytest.mark.parametrize("name", STUDENTS)
def test_used_twice_is_given_twice(name, batch):
    """A fit with reuse=2 is one of data in which every batch comes twice."""
    rng = np.random.default_rng(11)
    base = lrft.Task.sample(d=24, k=4, xi=1.5, activation="tanh", seed=3)
    X, y = rng.standard_normal((40 * batch, 24)), rng.standard_normal(40 * batch)
    twice = np.arange(len(X)).reshape(-1, batch).repeat(2, axis=0).ravel()
    options = {"lr": 0.01, "batch": batch, "shuffle": False, "replicas": 2, "seed": 5}
    reused = lrft.fit(base, STUDENTS[name], X, y, reuse=2, **options)
    given = lrft.fit(base, STUDENTS[name], X[twice], y[twice], **options)
    for found in (
        ("u_hat", "c_hat") if name == "rank one" else ("A", "B") if name == "LoRA" else ("W", "lam")
    ):
        expected = given[found].values
        np.testing.assert_allclose(
            reused[found].values, expected, rtol=0, atol=1e-11 * np.abs(expected).max()
        )
    once = lrft.fit(base, STUDENTS[name], X, y, **options)
    assert np.abs(once[found].values - expected).max() > 1e-4
    assert (reused.stop_step == 40).all()  # of batches


@pytest.mark.parametrize("used", [{"reuse": 2}, {"lookahead": 1.0}], ids=str)
def test_inputs_that_are_drawn_again_are_the_same(used):
    """Where a batch is too large to be kept it is drawn for every use."""
    task = task_of("tanh", d=14_000)
    student = lrft.RankOne(train_c=True, orthogonal=False)
    training = lrft.Training(student=student, lr=0.02, steps=3, batch=40, record=2, **used)
    *_, (u_hat, c_hat) = twin(task, training, seed=SEED, replica=REPLICA)
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    assert np.linalg.norm(chain.rows - u_hat) < 1e-10
    assert np.linalg.norm(chain.own - c_hat) < 1e-10


def test_lanes_look_ahead_each_at_its_own_distance():
    task, training = case("LoRA, lookahead")
    training = training.replace(steps=200, record=2)
    alone = spec([task], training, (0, 1, 2))
    together = spec([task, task], training, (0, 1, 2))
    near, far = (
        plan.replace(lookahead=rho)
        for plan, rho in zip(together.trainings, (0.5, 2.0), strict=True)
    )
    found = final(together.replace(trainings=[near, far]))
    for plan, chains in ((near, found[:3]), (far, found[3:])):
        for one, other in zip(final(alone.replace(trainings=[plan])), chains, strict=True):
            np.testing.assert_array_equal(one.rows, other.rows)
    assert (found[0].rows != found[3].rows).any()


def test_an_automatic_rate_is_shared_by_the_uses():
    task = lrft.Task.sample(d=200, k=4, seed=0)
    once = lrft.Training(lr="auto", steps=2)
    lr, ahead, third = (
        float(lrft.simulate(task, plan, replicas=1).learning_rate)
        for plan in (once, once.replace(lookahead=1.0), once.replace(reuse=3))
    )
    assert ahead == lr
    assert third == pytest.approx(lr / 3)
