"""The dataset space against the twins: every student, partial batches, passes, orders, windows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, initial_student, rate, reference_path, task_of, twin_loss
from students import CASES, SEED, case

import lrft
from lrft.core.engine import compiled
from lrft.reference import students as twin

ROWS, EPOCHS, TOLERANCE = 101, 7, 1e-10
MOVED = 0.02  # relative; students that stand still would agree with anything
REPLICAS = [2, 5]
NAMES = ("u_hat", "c_hat", "A", "B", "W", "lam", "b")

#: Rank-one students beside those of students.CASES.
RANK_ONE: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "frozen": ({}, {}, {}),
    "joint, batch 3": ({}, {"train_c": True}, {"batch": 3}),
    "free": ({"parallel": 0.6}, {"train_c": True, "orthogonal": False}, {"batch": 5}),
    "rate of c": ({}, {"train_c": True, "lr_c": 0.001, "c_init": "sphere"}, {}),
    "c of the teacher": ({}, {"c_init": "teacher"}, {"batch": 32}),
    "batch 40": ({}, {"train_c": True}, {"batch": 40}),
    "batch of all": ({}, {"train_c": True, "orthogonal": False}, {"batch": ROWS}),
    "batch over all": ({}, {"train_c": True}, {"batch": 200}),
    "zero features": ({"features": "zero", "lam": 0.5}, {"c_init": "sphere"}, {}),
    "d over two tiles": ({"d": 271}, {"train_c": True}, {"lr": 0.001, "batch": 4}),
    "momentum, average": (
        {},
        {"train_c": True},
        {"optimiser": "momentum", "average": 50, "lr": 0.001, "batch": 3},
    ),
}
FITTED = [name for name in CASES if "teacher" not in name and "noise" not in name]


def samples(task: lrft.Task, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Inputs that are far from Gaussian, and labels that no teacher gave."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.5, 1.5, (ROWS, task.d)) + 0.2
    return X, np.sin(X[:, 0]) + 0.3 * X[:, 1] * X[:, 2]


def batches(
    seed: int, replica: int, rows: int, batch: int, epochs: int, shuffle: bool
) -> Iterator[np.ndarray]:
    """Which samples each step takes."""
    for epoch in range(epochs):
        order = np.arange(rows)
        if shuffle:
            order = compiled.permutation(seed, replica, epoch, rows)
        for first in range(0, rows, batch):
            yield order[first : first + batch]


def check(
    task: lrft.Task, training: lrft.Training, shuffle: bool = True, epochs: int | None = None
) -> None:
    student, batch = training.student, training.batch
    if epochs is None:
        epochs = EPOCHS if batch < 20 else 60
    X, y = samples(task)
    held_out = samples(task, seed=4)
    if isinstance(training.loss, lrft.Logistic):
        training = training.replace(loss="logistic")  # given labels are not turned over
        y, held_out = np.sign(y), (held_out[0], np.sign(held_out[1]))
    ds = lrft.fit(
        task,
        student,
        X,
        y,
        lr=training.lr,
        loss=training.loss,
        epochs=epochs,
        batch=batch,
        reuse=training.reuse,
        lookahead=training.lookahead,
        shuffle=shuffle,
        validation=held_out,
        replicas=REPLICAS,
        seed=SEED,
        threads=1,
        optimiser=training.optimiser,
        average=training.average,
    )
    assert (ds.status == "finished").all()
    fields = [name for name in NAMES if name in ds]
    for replica in REPLICAS:
        one = ds.sel(replica=replica)
        taken = list(batches(SEED, replica, len(X), batch, epochs, shuffle))
        labelled = reference_path(
            task,
            training,
            initial_student(task, student, SEED, replica),
            (X[rows] for rows in taken),
            labels=(y[rows] for rows in taken),
        )
        path = list(labelled)
        assert one.step.values[-1] == one.kept_step == len(path) - 1 == len(taken)
        change = 0.0
        first_and_last = parts(task, path[0]), parts(task, path[-1])
        for name, first, last in zip(fields, *first_and_last, strict=True):
            size = np.abs(last).max()
            assert np.abs(one[name].values - last.reshape(one[name].shape)).max() < TOLERANCE * size
            change = max(change, np.abs(last - first).max() / max(np.abs(first).max(), 1e-3))
        assert change > MOVED
        expected = losses(task, training, path, X, y, taken, one.step.values, held_out)
        np.testing.assert_allclose(one.train_loss.values, expected[0], rtol=1e-9)
        np.testing.assert_allclose(one.validation_loss.values, expected[1], rtol=1e-9)
        if training.average is not None:
            means = averages(path, training.average)
            expected = losses(task, training, means, X, y, taken, one.step.values, held_out)
            found = one.averaged_validation_loss.values
            np.testing.assert_allclose(found, expected[1], rtol=1e-9)


def parts(task: lrft.Task, state: Any) -> tuple[np.ndarray, ...]:
    """Rows and own parameters, and biases where they are a column of the rows."""
    rows, own = state
    if rows.shape[-1] == task.d:
        return rows, own
    return rows[:, :-1], own, task.neuron_scale * rows[:, -1]


def averages(path: list[Any], first: int) -> list[Any]:
    """The mean of the states from step `first` to each, the state itself before."""
    means = list(path[: first + 1])
    for count, state in enumerate(path[first + 1 :], start=1):
        means.append(
            tuple(m + (x - m) / (count + 1) for m, x in zip(means[-1], state, strict=True))
        )
    return means


def predict(task: lrft.Task, student: Any, state: Any, start: Any, X: np.ndarray) -> np.ndarray:
    """The student's outputs in plain NumPy, by the chain rule through its neurons."""
    scales = {"neuron_scale": task.neuron_scale, "output_scale": task.output_scale}
    biases = task.biases
    if isinstance(student, lrft.FullNetwork):
        if student.biased(task):
            *state, biases = parts(task, state)
            start = parts(task, start)[:2]
        (V, lam), (V0, lam0) = state, start
        shift, lam_shift = V - V0, lam - lam0
    else:
        one = isinstance(student, lrft.RankOne)
        scale = task.xi if one else student.scale
        (A, B), (A0, B0) = state, start
        rows = [np.atleast_2d(part) for part in (A, A0)]
        B, B0 = (np.reshape(part, (task.k, -1)) for part in (B, B0))
        lam = lam0 = task.lam
        lam_shift = 0 * lam
        V = task.W + scale * B @ rows[0]
        if one:  # around the base
            V0, shift = task.W, V - task.W
        else:
            V0 = task.W + scale * B0 @ rows[1]
            shift = scale * ((B - B0) @ rows[1] + B0 @ (rows[0] - rows[1]))
    if not student.linearized:
        return twin.network(X, V, lam, task.activation, biases=biases, **scales)
    _, dsigma = twin.resolve_activation(task.activation)
    z = task.neuron_scale * X @ V0.T
    moved = (dsigma(z) * (task.neuron_scale * X @ shift.T)) @ lam0
    at_start = twin.network(X, V0, lam0 + lam_shift, task.activation, **scales)
    return at_start + task.output_scale * moved


def losses(task, training, path, X, y, taken, steps, held_out):
    """Online losses between records, and held-out losses at them."""
    value, _ = twin.resolve_loss(twin_loss(training.loss))

    def outputs(t: int, inputs: np.ndarray) -> np.ndarray:
        return predict(task, training.student, path[t], path[0], inputs)

    online = [value(outputs(t, X[rows]), y[rows]) for t, rows in enumerate(taken)]
    train = [np.nan]
    for first, last in pairwise(steps):
        train.append(np.concatenate(online[first:last]).mean())
    return train, [np.mean(value(outputs(t, held_out[0]), held_out[1])) for t in steps]


@pytest.mark.parametrize("name", RANK_ONE)
def test_rank_one(name):
    changes, options, more = RANK_ONE[name]
    task = task_of("tanh", **changes)
    arguments = {"lr": rate("tanh", task.d), "steps": 1} | more
    check(task, lrft.Training(student=lrft.RankOne(**options), **arguments))


@pytest.mark.parametrize("name", FITTED)
def test_every_student(name):
    check(*case(name))


@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a != "tanh"])
def test_every_activation(activation):
    task = task_of(activation)
    training = {"lr": 0.3 * rate(activation, task.d), "steps": 1, "batch": 2}
    check(task, lrft.Training(student=lrft.LoRA(rank=2, b_init="gaussian"), **training))


@pytest.mark.parametrize("batch", [1, 3, 32, 40])
def test_in_order(batch):
    task = task_of("relu")
    check(task, lrft.Training(student=lrft.FullNetwork(), lr=0.01, steps=1, batch=batch), False, 3)


def test_average_of_a_linearised_student():
    task, training = case("linear, LoRA, both factors")
    check(task, training.replace(average=0, optimiser=lrft.SGD(weight_decay=0.1)))


def test_windows_of_a_stream_hand_velocities_on():
    task = task_of("tanh")
    X, y = samples(task)
    common = {"lr": 0.002, "batch": 4, "optimiser": "nesterov", "seed": 3}
    pieces = ((X[i : i + 7], y[i : i + 7]) for i in range(0, ROWS, 7))
    student = lrft.LoRA(rank=2, b_init="gaussian")
    whole = lrft.fit(task, student, X, y, shuffle=False, **common)
    stream = lrft.Fitting(task, student, pieces, **common)
    stream.run()
    for name in ("A", "B"):
        np.testing.assert_array_equal(stream.dataset()[name].values, whole[name].values)


def test_schedules_count_steps():
    task = task_of("gelu")
    lr = lrft.schedule.InverseTime(0.02, t0=100.0)
    check(task, lrft.Training(student=lrft.FullNetwork(), lr=lr, steps=1, batch=4))


def test_the_order_of_a_pass():
    """Fisher and Yates on Philox words, by hand; every pass and replica its own; uniform."""
    for size, epoch in ((1, 0), (2, 1), (7, 2), (8, 3), (101, 10**6)):
        order = list(range(size))
        for i in reversed(range(size)):
            purpose = compiled.purposes["shuffle"]
            words = compiled.philox((i, epoch, 6, purpose), SEED)
            j = ((words[0] << 32 | words[1]) * (i + 1)) >> 64
            order[i], order[j] = order[j], order[i]
        np.testing.assert_array_equal(compiled.permutation(SEED, 6, epoch, size), order)
    counts = np.zeros((4, 4))
    for epoch in range(6000):
        counts[np.arange(4), compiled.permutation(1, 0, epoch, 4)] += 1
    # chi-square with 9 degrees of freedom: above 33.7 with probability 1e-4
    assert (((counts - 1500) ** 2) / 1500).sum() < 33.7


def test_a_linearised_network_is_expanded_around_its_own_biases():
    """Rows of the base that are given are those of the base; biases that differ move both."""
    rng = np.random.default_rng(4)
    base = lrft.Weights(
        rng.standard_normal((3, 9)), rng.standard_normal(3), "tanh", b=rng.standard_normal(3)
    )
    X, y = rng.standard_normal((40, 9)), rng.standard_normal(40)
    own = {"linearized": True, "biases": 0.6, "train_biases": True}
    found = [
        lrft.fit(base, lrft.FullNetwork(**own, **init), X, y, lr=0.05, batch=40, epochs=4)
        for init in ({}, {"init": base.W})
    ]
    np.testing.assert_allclose(found[0].train_loss, found[1].train_loss, rtol=1e-12)
