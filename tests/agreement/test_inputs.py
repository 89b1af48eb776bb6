"""Inputs that have a law of their own within S: twin, coupling, moments, law, bits, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import check_bits, final, initial_student, mover_of, reference_path, spec, task_of
from coupling import follow
from inputs import Law, laws
from laws import assert_same, two_samples

import lrft
from lrft.core.engine import compiled
from lrft.run import describe

SEED, REPLICA, LR = 77, 3, 0.005
B3 = np.random.default_rng(8).standard_normal((4, 3)) / 4
JOINT = lrft.RankOne(train_c=True, orthogonal=False)
# name: the law, changes of the task, the student, changes of the training
CASES: dict[str, tuple[str, dict[str, Any], Any, dict[str, Any]]] = {
    "rank one, spike": ("spike", {}, lrft.RankOne(train_c=True), {}),
    "rank one, two spikes, d over a tile": ("two spikes", {"d": 151}, JOINT, {"batch": 2}),
    "rank one, labels": ("labels", {}, JOINT, {"batch": 3}),
    "LoRA, mixture": ("mixture", {"noise": 0.3}, lrft.LoRA(rank=3, b_init=B3), {"batch": 2}),
    "LoRA, mixture, wide batch": ("mixture", {}, lrft.LoRA(rank=3, b_init=B3), {"batch": 40}),
    "LoRA, labels, Huber": (
        "labels",
        {},
        lrft.LoRA(rank=3, b_init=B3),
        {"loss": lrft.Huber(0.3), "lr": 0.02},
    ),
    "full, mixture, reused": ("mixture", {}, lrft.FullNetwork(), {"reuse": 2, "batch": 2}),
    "full, two spikes": ("two spikes", {}, lrft.FullNetwork(train_lam=True), {}),
    "full, labels, momentum": (
        "labels",
        {},
        lrft.FullNetwork(),
        {"optimiser": lrft.SGD(momentum=0.8, clip=1.0), "lr": 0.001},
    ),
    "staircase, mixture": ("mixture", {"teacher": "staircase"}, lrft.FullNetwork(), {"batch": 3}),
}


def case(name: str, steps: int) -> tuple[lrft.Task, lrft.Training, Law]:
    law, changes, student, more = CASES[name]
    task = task_of("tanh", **changes)
    arguments = {"lr": LR, "steps": steps, "record": [steps]} | more
    return task, lrft.Training(student=student, **arguments), laws(task)[law]


@pytest.mark.parametrize("name", CASES)
def test_ambient_path(name):
    """That of the twin, on inputs that NumPy made of the same normals and components."""
    task, training, law = case(name, 150)
    b, steps = training.batch, range(training.steps)
    drawn = law.components(SEED, REPLICA, b)
    parts = [next(drawn) for _ in steps]
    X = (law.move(lrft.normals(SEED, REPLICA, t, (b, task.d)), parts[t]) for t in steps)
    noise = [law.shifts[c] for c in parts]
    if task.noise > 0:
        purpose = compiled.purposes["noise"]
        for t in steps:
            normals = compiled.normals(SEED, REPLICA, purpose, t, 2 * b)
            noise[t] = noise[t] + task.noise * normals[::2]
    start = initial_student(task, training.student, SEED, REPLICA)
    *_, expected = reference_path(task, training, start, X, iter(noise))
    run = law.of(spec([task], training, [REPLICA], seed=SEED, ambient=True), task)
    (chain,) = final(run)
    for found, wanted in zip((chain.rows, chain.own), expected, strict=True):
        size = np.abs(wanted).max()
        assert np.abs(found.reshape(wanted.shape) - wanted).max() < 1e-10 * size
    assert np.linalg.norm(expected[0] - start[0]) > 0.01 * np.linalg.norm(start[0])


@pytest.mark.parametrize(
    "name", [name for name in CASES if "wide" not in name and "labels" not in name]
)
def test_coupling(name):
    """The reduced space, driven by the coordinates of such inputs, in S with all directions."""
    task, training, law = case(name, 300)
    rng = np.random.default_rng(17)
    shape = (training.steps, training.batch)
    parts = rng.choice(len(law.probabilities), shape, p=law.probabilities)
    inputs = law.move(rng.standard_normal((*shape, task.d)), parts)
    start = initial_student(task, training.student, SEED, REPLICA)
    mover = mover_of(training)
    path = reference_path(task, training, start, inputs, mover=mover)
    described = law.of(spec([task], training), task)
    rates = [getattr(described.trainings[0], name).rate for name in ("lr", "lr_own")]
    follow(task, path, inputs, described, rates, moved=0.01, Q=law.basis(task))


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
@pytest.mark.parametrize("name", ["spike", "two spikes", "mixture", "labels"])
def test_moments(name, ambient):
    """One step of a linear neuron is the covariance of the inputs, in every direction of S.

    It is off by five standard errors by chance once in a million.
    """
    task = task_of("tanh").replace(activation=lrft.Activation.hermite([0.0, 1.0]))
    law, batch, replicas = laws(task)[name], 512, 200
    v = task.W[0]  # in S, with nothing beside it
    student = lrft.FullNetwork(width=1, init=task.W[:1], lam_init=1.0)
    training = lrft.Training(student=student, lr=0.1, steps=1, batch=batch, record=[1])
    run = law.of(spec([task], training, range(replicas), seed=5, ambient=ambient), task)
    Q = law.basis(task)
    rows = np.array([chain.rows for chain in final(run)])
    found = rows @ Q if ambient else rows[:, : Q.shape[1]]
    scale = task.output_scale
    teacher = task.lam @ (task.W + task.xi * np.outer(task.c, task.u))
    with_label = (law.probabilities * law.shifts) @ law.means @ law.V
    slope = 2 * scale * (scale * law.covariance() @ (v - teacher) - with_label)
    error = found.std(axis=0, ddof=1) / np.sqrt(replicas)
    assert np.abs((found.mean(axis=0) - (v - 0.1 * slope) @ Q) / error).max() < 5
    # as they are not for inputs that are standard normal
    plain = 2 * scale**2 * (v - teacher)
    assert np.abs((found.mean(axis=0) - (v - 0.1 * plain) @ Q) / error).max() > 10


def test_law():
    """Replicas of both spaces have one law, to the end of the search."""
    pvalues = {}
    task = lrft.Task.sample(d=60, k=4, xi=2.0, activation="tanh", normalization="unit", seed=3)
    task = lrft.Task(
        **{name: getattr(task, name) for name in ("W", "lam", "c", "u", "xi")}, activation="tanh"
    )
    for name in ("spike", "mixture", "labels"):
        training = lrft.Training(student=JOINT, lr=0.004, steps=600, record=[150, 600])
        found = {}
        for ambient in (False, True):
            run = spec([task], training, range(200), seed=11 + ambient, ambient=ambient)
            found[ambient] = final(laws(task)[name].of(run, task))
        for at, when in enumerate(("early", "late")):
            first, second = (
                np.array([chain.records["overlap_u"][at] for chain in found[ambient]])
                for ambient in (False, True)
            )
            pvalues[f"{name}, {when}"] = two_samples(first, second)
            assert first.std() > 0.01
    assert_same(pvalues)


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
@pytest.mark.parametrize("batch", [1, 3])
def test_bits(batch, ambient):
    """Whatever threads, company and stops."""
    task, training, law = case("LoRA, labels, Huber", 3000)
    for plain in (training.replace(loss="squared", batch=batch), training.replace(batch=batch)):
        run = law.of(spec([task], plain, range(11), seed=4, ambient=ambient, threads=1), task)
        check_bits(run, 3000)


def test_training_loss():
    """Of fresh samples: that of inputs in R^d, within five standard errors of both."""
    task, training, law = case("LoRA, labels, Huber", 1)
    student = lrft.LoRA(rank=2, b_init="gaussian")
    training = training.replace(student=student, record=[0])
    A, B = initial_student(task, student, SEED, REPLICA)
    rng = np.random.default_rng(2)
    parts = rng.choice(2, 100_000, p=law.probabilities)
    X = law.move(rng.standard_normal((100_000, task.d)), parts)
    teacher = task.W + task.xi * np.outer(task.c, task.u)
    outputs = [
        task.output_scale * np.tanh(task.neuron_scale * X @ V.T) @ task.lam
        for V in (task.W + student.scale * B @ A, teacher)
    ]
    error = np.abs(outputs[0] - outputs[1] - law.shifts[parts])
    losses = np.minimum(error, 0.3) * (2 * error - np.minimum(error, 0.3))
    run = law.of(spec([task], training, [REPLICA], seed=SEED, ambient=True), task)
    (chain,) = final(run)
    found, own = chain.records["training_loss"][0], chain.records["training_loss_error"][0]
    assert abs(found - losses.mean()) < 5 * np.hypot(own, losses.std() / 100_000**0.5)


def test_bad_input():
    task, training, law = case("LoRA, mixture", 1)
    run = law.of(spec([task], training), task)
    (data,) = run.tasks
    wrong: dict[str, dict[str, Any]] = {
        "V must have orthonormal rows": {"V": 2.0 * data.V},
        "V must have": {"V": np.zeros(3)},
        "sum 1": {"probabilities": np.full(3, 0.3)},
        "probabilities must not be negative": {"probabilities": np.array([1.5, -0.5, 0.0])},
        "stretch, means, shifts must be finite": {"means": np.full((3, 2), np.nan)},
        "components must be at least 1": {"components": 0},
        "directions must be in": {"directions": 99},
        "first of the directions": {"constant": True},
        "biases are of a network link": {"biases": np.ones(1)},
    }
    for message, changes in wrong.items():
        with pytest.raises(ValueError, match=message):
            data.replace(**changes)
    ambient = law.of(spec([task], training, ambient=True), task)
    with pytest.raises(ValueError, match="V_x must be given"):
        ambient.replace(tasks=[ambient.tasks[0].replace(V_x=None)])
    (student,) = run.students
    for changes in ({"train_biases": True}, {"biases": np.ones(3)}):
        with pytest.raises(ValueError, match="the task has no constant"):
            run.replace(students=[student.replace(**changes)])
    with pytest.raises(ValueError, match="one shape"):
        run.replace(tasks=[data, describe.task_data(task, False)], students=[student] * 2)
