"""Sequences of tasks: against the twin's law, what is frozen, saved states, derived numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import lrft
from lrft.reference import students as twin

SEQUENCE = lrft.Sequence.sample(
    d=50, k=4, overlap=0.5, xi=1.5, activation="tanh", output_scale=0.7, seed=3
)
STEPS, LR = 100, 0.06


def training(**changes: Any) -> lrft.Training:
    arguments = {"lr": LR, "steps": STEPS, "batch": 2, "record": [0, 20, STEPS]}
    return lrft.Training(**({"student": lrft.LoRA(rank=1)} | arguments | changes))


def teacher(task: lrft.Task) -> np.ndarray:
    return task.W + task.xi * task.c.reshape(task.k, -1) @ np.atleast_2d(task.u)


def losses_of_twin(between: str, replica: int) -> np.ndarray:
    """Losses (2 stages, 2 tasks) at the ends of both stages, by NumPy in R^d."""
    rng = np.random.default_rng([17, replica])
    first, second = SEQUENCE.tasks
    scales = {"neuron_scale": first.neuron_scale, "output_scale": first.output_scale}
    W, found = first.W, []
    A, B = rng.standard_normal((1, first.d)) / first.d**0.5, np.zeros((first.k, 1))
    for task in (first, second):
        if found and between == "new":
            W = W + B @ A
            A, B = rng.standard_normal((1, first.d)) / first.d**0.5, np.zeros((first.k, 1))
        inputs = rng.standard_normal((STEPS, 2, first.d))
        labels = [twin.network(X, teacher(task), task.lam, "tanh", **scales) for X in inputs]
        *_, (A, B) = twin.lora_path(
            W,
            task.lam,
            task.c,
            task.u,
            task.xi,
            "tanh",
            A,
            B,
            inputs,
            lr=LR,
            labels=labels,
            **scales,
        )
        rows = W + B @ A
        found.append([lrft.theory.population_loss(one, rows=rows) for one in (first, second)])
    return np.array(found)


@pytest.mark.parametrize("between", ["continue", "new"])
def test_losses_have_the_law_of_the_twin(between):
    """Of four losses; p < 1e-4 has a chance of 1 in 1250 over both cases."""
    ds = lrft.simulate_sequence(SEQUENCE, training(), between=between, replicas=200, seed=1)
    ours = ds.loss.sel(step=[STEPS, 2 * STEPS]).values
    theirs = np.array([losses_of_twin(between, replica) for replica in range(80)])
    for stage in range(2):
        for task in range(2):
            assert stats.ks_2samp(ours[:, stage, task], theirs[:, stage, task]).pvalue > 1e-4
    assert ours[:, 0, 0].mean() < 0.8 * ds.loss.values[:, 0, 0].mean()


@pytest.mark.parametrize(
    "student", [lrft.LoRA(rank=2), lrft.RankOne(train_c=True), lrft.FullNetwork(train_lam=True)]
)
def test_the_first_stage_is_a_plain_run(student):
    plan = training(student=student, lr=0.004)
    ds = lrft.simulate_sequence(SEQUENCE, plan, replicas=3, seed=4)
    alone = lrft.simulate(SEQUENCE.tasks[0], plan, replicas=3, seed=4, engine="reduced")
    loss = ds.loss.sel(step=plan.record_steps).isel(task=0).values
    np.testing.assert_allclose(loss, alone.loss.values, rtol=0, atol=1e-12)
    assert (ds.loss.values[:, -1, 1] < ds.loss.values[:, 3, 1]).mean() > 0.5


def test_records_do_not_change_the_path():
    few = lrft.simulate_sequence(SEQUENCE, training(record=[0]), between="new", replicas=9, seed=4)
    many = lrft.simulate_sequence(SEQUENCE, training(record=13), between="new", replicas=9, seed=4)
    np.testing.assert_array_equal(
        few.loss.sel(step=2 * STEPS).values, many.loss.sel(step=2 * STEPS).values
    )
    alone = lrft.simulate_sequence(SEQUENCE, training(), between="new", replicas=[7], seed=4)
    np.testing.assert_array_equal(alone.loss.values[0, -1], many.loss.values[7, -1])


@pytest.mark.parametrize("between", ["continue", "new"])
def test_a_saved_state_goes_on(between, tmp_path):
    plan = training(steps=900, record=5)
    whole = lrft.simulate_sequence(SEQUENCE, plan, between=between, replicas=3, seed=2)
    run = lrft.SequenceSimulation(SEQUENCE, plan, between=between, replicas=3, seed=2, threads=1)
    saved = 0
    while not run.advance(0.0):
        run.save_state(tmp_path / "state.npz")
        run = lrft.SequenceSimulation.resume(tmp_path / "state.npz", threads=1)
        saved += 1
    assert saved > 8
    for name in ("loss", "overlap", "forgetting", "transfer", "status"):
        assert run.dataset()[name].equals(whole[name]), name


def test_forgetting_and_transfer():
    ds = lrft.simulate_sequence(SEQUENCE, training(), replicas=4, seed=1)
    loss = ds.loss.values
    np.testing.assert_allclose(
        ds.forgetting.values[:, 0], (loss[:, -1, 0] - loss[:, 2, 0]) / loss[:, 0, 0]
    )
    assert (ds.forgetting.values[:, 1] == 0).all()
    assert (ds.transfer.values[:, 0] == 0).all()
    np.testing.assert_allclose(
        ds.transfer.values[:, 1], (loss[:, 0, 1] - loss[:, 2, 1]) / loss[:, 0, 1]
    )


def test_one_task_twice_is_not_forgotten():
    sequence = lrft.Sequence.sample(d=50, k=4, overlap=1.0, one_c=True, xi=1.5, seed=3)
    first, second = sequence.tasks
    np.testing.assert_allclose(second.a, first.a, atol=1e-15)
    ds = lrft.simulate_sequence(sequence, training(lr=0.004, steps=400), replicas=4)
    np.testing.assert_allclose(ds.loss.values[..., 0], ds.loss.values[..., 1])
    assert (ds.forgetting.values[:, 0] < 0).all()


def test_given_weights_are_brought_to_one_basis():
    rng = np.random.default_rng(1)
    W = rng.standard_normal((3, 30)) / 30**0.5
    u = np.linalg.qr(rng.standard_normal((30, 2)))[0].T
    common = {"W": W, "lam": np.ones(3), "c": np.eye(3)[0], "xi": 1.0, "activation": "tanh"}
    given = [lrft.Task(u=one, **common) for one in u]
    ds = lrft.simulate_sequence(lrft.Sequence(given), training(), replicas=2)
    for task, loss in zip(given, ds.loss.values[0, 0], strict=True):
        assert abs(loss - lrft.theory.population_loss(task, rows=W)) < 1e-12


def test_a_replica_that_diverges_ends_alone():
    ds = lrft.simulate_sequence(
        SEQUENCE, [training(lr=0.01), training(lr=1e200)], between="new", replicas=2
    )
    assert ds.status.values.tolist() == ["diverged"] * 2
    assert np.isfinite(ds.loss.values[:, :3]).all()
    assert np.isnan(ds.loss.values[:, -1]).all()


REFUSED: list[tuple[Any, str]] = [
    (lambda: lrft.Sequence([SEQUENCE.tasks[0]]), "at least two Tasks"),
    (lambda: lrft.Sequence([SEQUENCE.tasks[0], 1]), r"tasks\[1\] must be a Task"),
    (lambda: lrft.Sequence([SEQUENCE.tasks[0], SEQUENCE.tasks[1].replace(d=60)]), "share d"),
    (
        lambda: lrft.Sequence([lrft.Task.sample(d=50, k=4, seed=i) for i in range(2)]),
        "must share W",
    ),
    (lambda: lrft.Sequence([lrft.Task.single_index("he3", d=50)] * 2), "the base with ξ c"),
    (lambda: lrft.Sequence.sample(50, 4, overlap=1.5), "overlap must be at most 1"),
    (lambda: lrft.Sequence.sample(50, 4, overlap=0.5, rank=2), "rank is settled by the sequence"),
    (lambda: lrft.SequenceSimulation(SEQUENCE.tasks, training()), "must be a Sequence"),
    (lambda: lrft.SequenceSimulation(SEQUENCE, [training()]), "one a task, got 1 for 2"),
    (lambda: lrft.SequenceSimulation(SEQUENCE, training(), between="merge"), "between must be"),
    (lambda: lrft.SequenceSimulation(SEQUENCE, training(stop_at=0.9)), "stop_at must be None"),
    (
        lambda: lrft.SequenceSimulation(SEQUENCE, training(optimiser="momentum")),
        r"neither momentum nor average.*SGD\(momentum=0.9\)",
    ),
    (lambda: lrft.SequenceSimulation(SEQUENCE, training(average=3)), "average, .*average=3"),
    (
        lambda: lrft.SequenceSimulation(SEQUENCE, training(record_parameters=True)),
        "record_parameters must be False",
    ),
    (
        lambda: lrft.SequenceSimulation(SEQUENCE, training(loss_thresholds=[0.1])),
        "loss_thresholds empty",
    ),
    (
        lambda: lrft.SequenceSimulation(SEQUENCE, training(student=lrft.RankOne()), between="new"),
        "needs a LoRA student, got RankOne",
    ),
    (
        lambda: lrft.SequenceSimulation(
            SEQUENCE, training(student=lrft.LoRA(rank=1, start="pissa"))
        ),
        "around its own base",
    ),
    (
        lambda: lrft.SequenceSimulation(
            SEQUENCE, training(student=lrft.LoRA(rank=1, start="gradient")), between="new"
        ),
        "with a drawn A",
    ),
    (
        lambda: lrft.SequenceSimulation(
            SEQUENCE, [training(), training(student=lrft.LoRA(rank=2))]
        ),
        "one student in all stages",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_is_no_sequence_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_changed_file_is_refused(tmp_path):
    run = lrft.SequenceSimulation(SEQUENCE, training(), replicas=1)
    run.save_state(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as file:
        content = dict(file)
    content["losses"] = np.zeros_like(content["losses"])
    np.savez(tmp_path / "state.npz", **content)
    with pytest.raises(ValueError, match="the file was changed"):
        lrft.SequenceSimulation.resume(tmp_path / "state.npz")
