"""Optimisers: averages against the twin, lanes side by side, and momentum as a larger rate.

Step by step they are held against the twin where their students are: `test_ambient_reference`,
`test_coupling` and `test_students`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import final, mover_of, spec, task_of, twin
from students import difference_loss, loss

import lrft
from lrft.core.engine import compiled
from lrft.run import describe

SEED, REPLICA, FROM = 5, 2, 17
STUDENTS: dict[str, Any] = {
    "rank one": lrft.RankOne(train_c=True),
    "LoRA": lrft.LoRA(rank=2, b_init="gaussian"),
    "full": lrft.FullNetwork(train_lam=True),
    "frozen B": lrft.LoRA(rank=2, b_init="gaussian", train_b=False),
    "linearised": lrft.LoRA(rank=2, b_init="gaussian", linearized=True),
}
each_student = pytest.mark.parametrize("name", STUDENTS)


@each_student
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_loss_of_the_average(name, momentum):
    """Of the states from step FROM on; before it that of the student, to the bit."""
    task, student = task_of("tanh"), STUDENTS[name]
    training = lrft.Training(
        student=student,
        lr=0.003,
        steps=120,
        batch=2,
        record=[FROM, FROM + 1, 60],
        optimiser=lrft.SGD(momentum=momentum),
        average=FROM,
    )
    path = list(twin(task, training, seed=SEED, replica=REPLICA))
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    found = chain.records["averaged_loss"]
    np.testing.assert_array_equal(found[:2], chain.records["loss"][:2])
    for i, step in list(enumerate(training.record_steps))[2:]:
        rows, own = (np.mean(series, axis=0) for series in zip(*path[FROM : step + 1], strict=True))
        if student.linearized:
            expected = difference_loss(task, student, path[0], (rows, own), 0.01)
            assert abs(found[i] - expected) < 1e-6
        else:
            like = lrft.LoRA(rank=1, alpha=task.xi) if name == "rank one" else student
            shape = own.shape if name == "full" else (task.k, -1)
            expected = loss(task, like, np.atleast_2d(rows), own.reshape(shape))
            assert abs(found[i] - expected) < 1e-10 * max(1.0, expected)
    assert found[-1] != chain.records["loss"][-1]


@each_student
def test_loss_of_the_average_has_one_law(name):
    """In the reduced space the average is in other coordinates; means of 200 replicas agree."""
    training = lrft.Training(
        student=STUDENTS[name], lr=0.002, steps=300, record=2, optimiser="momentum", average=100
    )
    means, errors = [], []
    for engine, seed in (("reduced", 1), ("ambient", 2)):
        ds = lrft.simulate(task_of("tanh"), training, replicas=200, seed=seed, engine=engine)
        last = ds.averaged_loss.values[:, -1]
        means.append(last.mean())
        errors.append(last.std() / np.sqrt(len(last)))
    assert abs(means[0] - means[1]) < 4 * np.hypot(*errors)


OPTIMISERS = [
    lrft.SGD(momentum=0.9),
    lrft.SGD(momentum=0.5, nesterov=True, clip=0.01),
    lrft.SGD(momentum=0.2, normalise=True),
    lrft.SGD(momentum=0.9, weight_decay=0.5),
]


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
def test_a_lane_has_the_bits_that_it_has_alone(ambient):
    """Whatever the optimisers of the replicas beside it, as far as they may share lanes."""
    task, student = task_of("tanh"), STUDENTS["LoRA"]

    def ends(optimisers: list[lrft.SGD]) -> list[np.ndarray]:
        plans = [
            lrft.Training(student=student, lr=0.002, steps=50, batch=3, optimiser=one)
            for one in optimisers
        ]
        jobs = [describe.Settled(task, plan, plan.lr) for plan in plans]
        chains = [compiled.Chain(training=i) for i in range(len(plans))]
        described = describe.run(jobs, chains, ambient=ambient, seed=4, keep_state=True)
        return [chain.rows for chain in final(compiled.RunSpec(**described))]

    together = ends(OPTIMISERS)
    for optimiser, rows in zip(OPTIMISERS, together, strict=True):
        np.testing.assert_array_equal(rows, ends([optimiser])[0])
    assert len({rows.tobytes() for rows in together}) == len(OPTIMISERS)


def test_trainings_that_remember_differently_share_no_run():
    task = task_of("tanh")
    described = spec([task], lrft.Training(lr=0.1, steps=1))
    other = spec([task], lrft.Training(lr=0.1, steps=1, optimiser="momentum"))
    both = [*described.trainings, *other.trainings]
    with pytest.raises(ValueError, match="must remember the same of their rows"):
        compiled.Run(described.replace(trainings=both))


def test_momentum_is_plain_sgd_at_a_larger_rate():
    """On the same inputs, at η(1 - β) and at η, paths come together as η; slope 1 on logarithms."""
    beta, rates, horizon = 0.9, [0.008 / 2**i for i in range(4)], 4.0
    task = task_of("tanh")
    apart = []
    for lr in rates:
        common: dict[str, Any] = {"steps": round(horizon / lr), "record": 2}
        runs = [
            lrft.simulate(
                task,
                lrft.Training(lr=one, optimiser=optimiser, **common),
                replicas=24,
                seed=3,
                engine="ambient",
            ).overlap_u.values[:, -1]
            for one, optimiser in ((lr, "sgd"), ((1 - beta) * lr, lrft.SGD(momentum=beta)))
        ]
        apart.append(float(np.sqrt(np.mean((runs[0] - runs[1]) ** 2))))
    slope = np.polyfit(np.log(rates), np.log(apart), 1)[0]
    assert 0.8 < slope < 1.2, (slope, apart)
    assert apart[-1] < 0.02


def test_the_first_step_of_momentum_is_that_of_sgd_and_velocities_last():
    """With β the second step adds β of the first; Nesterov's first is 1 + β as long."""
    task = task_of("tanh")
    paths = {}
    for name, optimiser in {
        "plain": lrft.SGD(),
        "heavy": lrft.SGD(momentum=0.5),
        "nesterov": lrft.SGD(momentum=0.5, nesterov=True),
    }.items():
        training = lrft.Training(student=STUDENTS["full"], lr=1e-6, steps=2, optimiser=optimiser)
        mover = mover_of(training)
        paths[name] = [rows for rows, _ in twin(task, training, seed=1, replica=0)]
        assert len(paths[name]) == 3
        assert mover.momentum == optimiser.momentum
    first = {name: path[1] - path[0] for name, path in paths.items()}
    np.testing.assert_allclose(first["heavy"], first["plain"], rtol=1e-9)
    np.testing.assert_allclose(first["nesterov"], 1.5 * first["plain"], rtol=1e-9, atol=1e-15)
    second = paths["heavy"][2] - paths["heavy"][1]
    plain = paths["plain"][2] - paths["plain"][1]
    np.testing.assert_allclose(second, plain + 0.5 * first["plain"], rtol=1e-3, atol=1e-10)


def test_automatic_rate():
    """Plain SGD's times 1 - β; refused for steps of one length."""
    task = lrft.Task.sample(d=100, k=4, seed=0)
    rates = [
        lrft.simulate(
            task, lrft.Training(lr="auto", steps=1, optimiser=one), replicas=1
        ).learning_rate.item()
        for one in ("sgd", "momentum")
    ]
    assert rates[1] == pytest.approx(0.1 * rates[0], rel=1e-12)
    with pytest.raises(ValueError, match="give a rate for SGD"):
        lrft.simulate(
            task, lrft.Training(lr="auto", steps=1, optimiser=lrft.SGD(normalise=True)), replicas=1
        )
