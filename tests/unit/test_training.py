"""Trainings and students: records, rates, JSON, hashing, and what fits which task."""

from __future__ import annotations

import json
from typing import Annotated

import numpy as np
import pytest

import lrft
from lrft.base.fields import LATER, Model
from lrft.model.training import check_compatible

UNIT = np.array([0.6, 0.0, -0.8])


def training(**options):
    return lrft.Training(**({"lr": 0.1, "steps": 1000} | options))


@pytest.mark.parametrize(
    ("record", "steps", "expected"),
    [
        (5, 100, [0, 25, 50, 75, 100]),
        (2, 100, [0, 100]),
        (4, 10, [0, 3, 7, 10]),
        (200, 3, [0, 1, 2, 3]),
        (200, 0, [0]),
        ([10, 20], 30, [0, 10, 20, 30]),
        ([0, 30], 30, [0, 30]),
        (np.array([7]), 30, [0, 7, 30]),
        (range(0, 31, 10), 30, [0, 10, 20, 30]),
        (3, 2**40, [0, 2**39, 2**40]),
    ],
)
def test_record_steps(record, steps, expected):
    found = training(record=record, steps=steps).record_steps
    assert found.dtype == np.int64
    assert found.tolist() == expected


@pytest.mark.parametrize("steps", [0, 1, 2, 10, 49, 50, 51, 1000, 2_000_000, 2**40])
@pytest.mark.parametrize("n", [2, 3, 50])
def test_geometric_steps(n, steps):
    found = training(record=lrft.geometric(n), steps=steps).record_steps
    assert len(found) == min(n, steps + 1)
    assert found[0] == 0
    assert found[-1] == steps
    gaps = np.diff(found)
    assert (gaps > 0).all()
    # Spacing grows, up to rounding to whole steps.
    assert (gaps[1:] >= gaps[:-1] - 1).all()


def test_schedules():
    t = np.arange(7)
    schedule = lrft.schedule
    values = [0.5, 0.25, 0.125, 1.0, 2.0, 3.0, 4.0]
    for given, expected in [
        (schedule.Constant(lr=0.3), np.full(7, 0.3)),
        (schedule.InverseTime(lr=0.3, t0=2.0), 0.3 / (1.0 + t / 2.0)),
        (schedule.Step(lr=0.3, factor=0.5, every=3), 0.3 * 0.5 ** (t // 3)),
        (
            schedule.Cosine(lr=0.3, steps=5, final=0.1),
            np.where(t < 5, 0.2 + 0.1 * np.cos(np.pi * t / 5), 0.1),
        ),
        (schedule.Array(values=values), np.array(values)),
        (schedule.WarmUp(0.3, steps=4), [0.075, 0.15, 0.225, 0.3, 0.3, 0.3, 0.3]),
        (
            schedule.WarmUp(schedule.Step(lr=0.3, factor=0.5, every=2), steps=3),
            [0.1, 0.2, 0.3, 0.3, 0.3, 0.15, 0.15],
        ),
        (schedule.WarmUp(schedule.Array(values), steps=2), [0.25, 0.5, *values[:5]]),
        (0.3, np.full(7, 0.3)),
    ]:
        np.testing.assert_allclose(schedule.rates(given, 0, 7), expected, rtol=1e-15)
        np.testing.assert_array_equal(schedule.rates(given, 2, 3), schedule.rates(given, 0, 7)[2:5])
    with pytest.raises(ValueError, match="7 rates"):
        schedule.Array(values).rates(5, 3)
    assert schedule.InverseTime(0.1, 5.0) == schedule.InverseTime(lr=0.1, t0=5.0)
    assert schedule.Array(values).length == 7
    assert schedule.WarmUp(schedule.Array(values), steps=2).length == 9
    assert schedule.WarmUp(0.1, steps=2).length is None


def test_a_cosine_keeps_its_digits_to_the_end():
    steps = 10**8  # 1 + cos(pi t / steps) is 0 at the last steps
    late = lrft.schedule.Cosine(2.0, steps=steps).rates(steps - 2, 3)
    np.testing.assert_allclose(
        late, [(np.pi / steps) ** 2 * 2, (np.pi / steps) ** 2 / 2, 0.0], rtol=1e-7
    )


SCHEDULES = [
    0.1,
    "auto",
    lambda: lrft.schedule.Constant(0.1),
    lambda: lrft.schedule.InverseTime(0.1, 1 / 3),
    lambda: lrft.schedule.Step(0.1, 0.5, 10),
    lambda: lrft.schedule.Array(np.linspace(0.1, 1 / 3, 1000)),
    lambda: lrft.schedule.Cosine(0.1, 100, final=1 / 3e3),
    lambda: lrft.schedule.WarmUp(1 / 3, steps=10),
    lambda: lrft.schedule.WarmUp(lrft.schedule.Cosine(0.1, 100), steps=10),
    lambda: lrft.schedule.WarmUp(lrft.schedule.Array(np.linspace(0.1, 1 / 3, 1000)), steps=10),
]
STUDENTS = [
    {},
    {"student": lambda: lrft.RankOne(train_c=True, orthogonal=False, lr_c=0.01)},
    {"student": lambda: lrft.RankOne(c_init=UNIT, u_init=UNIT[::-1])},
    {"student": lambda: lrft.RankOne(u_init="favourable", c_init="sphere")},
    {"student": lambda: lrft.RankOne(train_c=True, lr_c=lrft.schedule.Step(0.1, 0.5, 3))},
    {"student": lambda: lrft.LoRA(rank=2, alpha=4, b_init=np.eye(3, 2), lr_b=0.2)},
    {"student": lambda: lrft.LoRA(rank=2, a_init="zero", b_init="gaussian", linearized=True)},
    {"student": lambda: lrft.FullNetwork(width=8, init="gaussian", std=0.1, lam_init=0.5)},
    {"student": lambda: lrft.FullNetwork(train_lam=True, lr_lam=0.1, init=np.eye(2, 3))},
    {"record": [1, 5, 7], "stop_at": 0.95, "stop_loss": 1e-3},
    {"record": lambda: lrft.geometric(30), "thresholds": [0.5], "loss_thresholds": (1.0, 0.1)},
    {"thresholds": [], "batch": 16},
    {"loss": "correlation"},
    {"loss": "huber"},
    {"loss": lambda: lrft.Huber(1 / 3)},
    {"loss": lambda: lrft.Logistic(flip=0.1)},
]
CASES = [{"lr": lr} for lr in SCHEDULES] + STUDENTS


def made(options):
    return {name: value() if callable(value) else value for name, value in options.items()}


def named(options):
    text = ", ".join(f"{name}={value}" for name, value in made(options).items())
    return text[:90] or "defaults"


@pytest.mark.parametrize("options", CASES, ids=named)
def test_json_round_trip(options):
    first = training(**made(options))
    text = first.model_dump_json()
    again = lrft.Training.model_validate_json(text)
    assert again == first
    assert hash(again) == hash(first)
    assert again.content_hash == first.content_hash
    assert again.model_dump_json() == text
    assert lrft.Training.model_validate(json.loads(text)) == first
    assert lrft.Training(**json.loads(text)) == first
    assert repr(again) == repr(first)


def test_cases_have_different_hashes():
    hashes = {training(**made(options)).content_hash for options in CASES}
    # {} and lr = 0.1 are the same training.
    assert len(hashes) == len(CASES) - 1


def test_hash_is_the_same_on_every_machine():
    assert training(student=lrft.RankOne(), record=10).content_hash == (
        "b21bce3ff426177992110a0430748277b8a5b7a42066c4f30931c716674fbf7b"
    )


def test_models_are_frozen_and_copy_arrays():
    start = UNIT.copy()
    student = lrft.RankOne(c_init=start)
    start[:] = 0.0
    assert np.array_equal(student.c_init, UNIT)
    with pytest.raises(ValueError, match="read-only"):
        student.c_init[0] = 1.0
    with pytest.raises(ValueError, match="frozen"):
        student.train_c = True
    with pytest.raises(ValueError, match="frozen"):
        training().lr = 1.0


def test_replace_checks():
    first = training(record=5, student=lrft.RankOne(train_c=True))
    longer = first.replace(steps=2000)
    assert longer == training(steps=2000, record=5, student=lrft.RankOne(train_c=True))
    assert first.model_copy(update={"steps": 2000}) == longer
    for change in (first.replace, lambda **changes: first.model_copy(update=changes)):
        with pytest.raises(ValueError, match="steps must be at least 0"):
            change(steps=-1)
        with pytest.raises(ValueError, match="unknown field"):
            change(epochs=1)


def test_numpy_numbers_are_numbers():
    options = {"lr": np.float32(0.5), "steps": np.int64(7), "batch": np.uint8(2)}
    assert training(**options) == training(lr=0.5, steps=7, batch=2)
    assert training(lr=1) == training(lr=1.0)


def test_names_of_losses():
    assert training(loss="squared") == training()
    assert training(loss="huber") == training(loss=lrft.Huber(1.0))
    assert training(loss={"kind": "logistic", "flip": 0.2}).loss == lrft.Logistic(0.2)
    assert repr(training(loss="correlation")) == "Training(lr=0.1, steps=1000, loss='correlation')"


def test_check_memory():
    task = lrft.Task.sample(d=100, k=4)
    training(steps=10**6, record=1000).check_memory(task, replicas=8)
    greedy = training(steps=2**40, record=10**9)
    with pytest.raises(ValueError, match=r"record.* GiB .*record fewer steps"):
        greedy.check_memory([task] * 10, replicas=1000)
    wide = lrft.FullNetwork(width=10**6, init="gaussian", lam_init="ones")
    with pytest.raises(ValueError, match="GiB"):
        training(student=wide, steps=10**6, record=10**5).check_memory(task, replicas=8)
    with pytest.raises(ValueError, match="GiB"):
        _ = training(steps=2**40, record=2**39).record_steps


ORTHOGONAL = {"d": 12, "k": 3, "features": "orthonormal"}


def outside_span(task):
    u = np.random.default_rng(0).standard_normal(task.d)
    u -= (u @ task.W.T) @ task.W  # the features are orthonormal
    u -= (u @ task.W.T) @ task.W
    return u / np.linalg.norm(u)


def test_compatible_students_pass():
    task = lrft.Task.sample(**ORTHOGONAL)
    parallel = lrft.Task.sample(**ORTHOGONAL, parallel=0.5)
    higher = lrft.Task.sample(**ORTHOGONAL, rank=2)
    for one, student in [
        (task, lrft.RankOne()),
        (task, lrft.RankOne(u_init=outside_span(task), c_init=UNIT)),
        (task, lrft.RankOne(u_init=task.u)),
        (task, lrft.RankOne(u_init=np.eye(12)[0], orthogonal=False)),
        (task, lrft.RankOne(u_init="favourable")),
        (parallel, lrft.RankOne()),
        (parallel, lrft.RankOne(orthogonal=False, train_c=True)),
        (higher, lrft.LoRA(rank=2, b_init=np.ones((3, 2)))),
        (task, lrft.LoRA(rank=3, a_init=np.ones((3, 12)))),
        (task, lrft.FullNetwork()),
        (task, lrft.FullNetwork(init=np.ones((3, 12)))),
        (task, lrft.FullNetwork(width=7, init="gaussian", lam_init="ones")),
        (lrft.Task.sample(d=1, k=1, features="zero"), lrft.RankOne()),
    ]:
        check_compatible(one, training(student=student))


def test_a_later_field_leaves_hashes_as_they_were():
    class Before(Model):
        steps: int

    class After(Before):
        decay: Annotated[float | None, LATER] = None

    After.__name__ = "Before"
    assert After(steps=3).content_hash == Before(steps=3).content_hash
    assert After(steps=3, decay=0.5).content_hash != Before(steps=3).content_hash
    assert After.model_validate_json(After(steps=3, decay=0.5).model_dump_json()).decay == 0.5
