"""What does not fit is refused before anything is made: wide students, many replicas."""

from __future__ import annotations

import numpy as np
import pytest

import lrft
from lrft import theory
from lrft.base import checks
from lrft.cli.config import parse
from lrft.cli.fields import Field
from lrft.study import dataset, design

TASK = lrft.Task.sample(d=200, k=4, seed=0)


def full(width: int) -> lrft.Training:
    student = lrft.FullNetwork(width=width, init="gaussian", lam_init="ones")
    return lrft.Training(student=student, lr=1e-9, steps=1, record=2)


@pytest.mark.parametrize("engine", ["ambient", "reduced"])
@pytest.mark.parametrize("width", [33_000, 46_341, 2**31, 2**62])
def test_rows_that_no_array_can_count(width, engine, monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 2**200)
    task = TASK.replace(d=2**53)  # so that no smaller dimension is in the way
    if engine == "ambient":
        task = TASK
    with pytest.raises(ValueError, match=r"rows .* 2\^31|d >= "):
        lrft.Simulation(task, full(width), replicas=1, engine=engine, threads=1)


@pytest.mark.parametrize(("engine", "size"), [("ambient", 2**20), ("reduced", 2**22)])
def test_memory_of_a_wide_student_counts_its_products(engine, size, monkeypatch):
    """n x n arrays: 300 rows are a small part of n d and a large one of n n."""
    task = lrft.Task.sample(d=1000, k=4, seed=0)
    assert task.W.shape == (4, 1000)  # made before memory is counted
    for memory, fits in ((size, False), (40 * size, True)):
        monkeypatch.setattr(checks, "available_memory", lambda memory=memory: memory)
        if fits:
            lrft.Simulation(task, full(300), replicas=1, engine=engine, threads=1)
        else:
            with pytest.raises(ValueError, match=r"300 rows of the student.* GiB"):
                lrft.Simulation(task, full(300), replicas=1, engine=engine, threads=1)


@pytest.mark.parametrize("count", [2**53 + 1, 2**62, 2**63, 10**30])
def test_numbers_beyond_what_the_core_counts(count):
    simulate = {"replicas": 1, "threads": 1}
    wide = lrft.Training(student=lrft.LoRA(rank=count), lr=1e-9, steps=1)
    batch = lrft.Training(lr=1e-9, steps=1, batch=count)
    data = np.ones((10, 200)), np.ones(10)
    for call, name in (
        (lambda: lrft.simulate(TASK, full(count), **simulate), "record|rows"),
        (lambda: lrft.simulate(TASK, wide, **simulate), f"student with {count} rows"),
        (lambda: lrft.simulate(TASK, batch, **simulate), f"batch = {count} "),
        (
            lambda: lrft.fit(TASK, lrft.LoRA(rank=1), *data, lr=0.1, batch=count),
            f"batch = {count} ",
        ),
    ):
        with pytest.raises(ValueError, match=name):
            call()


def test_replicas_that_memory_cannot_hold(monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 2**34)
    training = lrft.Training(lr=1e-3, steps=1, record=2)
    with pytest.raises(ValueError, match=r"16777216 replicas of 1 tasks needs .* fewer replicas"):
        lrft.Simulation(TASK, training, replicas=2**24)
    lrft.Simulation(TASK, training, replicas=100)


def test_no_overlaps_have_no_drift():
    assert theory.drift(TASK, TASK.c, []).shape == (0,)
    assert theory.drift(TASK, TASK.c, np.empty((2, 0))).shape == (2, 0)


LARGE = 2**53 + 1  # the first integer that float64 lacks


def test_large_integers_are_exact_or_refused():
    assert parse(f"{LARGE}e0", Field("run", "seed", None, "int", "")) == LARGE
    with pytest.raises(ValueError, match=f"every must be at most {2**53}, got {LARGE}"):
        lrft.schedule.Step(0.1, factor=0.5, every=LARGE)
    with pytest.raises(ValueError, match=f"d must be at most {2**53}, got {LARGE}"):
        lrft.Task.sample(d=LARGE, k=3)
    spaced = {"linspace": [0, 2**54, 3], "integer": True}
    with pytest.raises(ValueError, match="gives integers up to 2\\^53"):
        design._values("grid.run.seed", spaced)
    with pytest.raises(ValueError, match="gives integers up to 2\\^53"):
        design._draw("random.run.seed", {"uniform": [0, 2**60], "integer": True}, np.zeros(2))
    assert dataset._column([LARGE, 2**64 - 1]).tolist() == [LARGE, 2**64 - 1]
    assert dataset._column([LARGE, 0.5]).tolist() == [str(LARGE), "0.5"]
    assert dataset._column([3, 0.5]).tolist() == [3.0, 0.5]
