"""What the core is told: a size that does not fit is an error, never a read out of bounds."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from cases import spec
from driving import drive

import lrft
from lrft.core.engine import compiled
from lrft.model.sizes import Sizes

TASK = lrft.Task.sample(d=24, k=4, seed=0)
A, V = np.random.default_rng(1).standard_normal((2, 3, 24)) / 5
STUDENTS = {  # given starts, so that every array of a description is in use
    "rank one": lrft.RankOne(c_init=TASK.c, orthogonal=False, u_init=A[0] / np.linalg.norm(A[0])),
    "lora": lrft.LoRA(rank=3, a_init=A, b_init=V[:, :4].T),
    "full": lrft.FullNetwork(width=3, init=V, lam_init=[1.0, 2.0, 3.0]),
    "linearised": lrft.LoRA(rank=3, a_init=A, b_init=V[:, :4].T, linearized=True),
}
SPACES = {"reduced": False, "ambient": True}
ARRAYS = {
    "tasks": ["R", "a", "c", "lam"],
    "students": ["own"],
    "chains": ["rows", "own", "hits", "loss_hits"],
}
ARRAYS_OF = {
    "reduced": {"tasks": [], "students": ["rows_S", "rows_rest"]},
    "ambient": {"tasks": ["W", "u"], "students": ["rows_x"]},
}


def valid(student: str, space: str) -> compiled.RunSpec:
    """A run that has begun, as it goes on from a saved state."""
    training = lrft.Training(
        student=STUDENTS[student],
        lr=lrft.schedule.Array(values=[1e-9] * 5),
        steps=5,
        record=2,
        thresholds=[0.5],
        loss_thresholds=[1e-3],
    )
    whole = spec([TASK], training, [0, 1], ambient=SPACES[space])
    run = compiled.Run(whole)
    run.save()
    waiting = run.chains()
    assert {chain.status for chain in waiting} == {"waiting"}
    one, task = whole.students[0], whole.tasks[0]
    numbers = one.rows * (task.W.shape[1] if SPACES[space] else task.s + one.rows)
    shapes = Sizes.of(TASK, training).records
    begun = {
        "records": {name: np.ones(math.prod(shape)) for name, shape in shapes.items()},
        "recorded": 1,
        "status": "running",
        "step": 2,
        "state_step": 0 if SPACES[space] else 2,
        "rows": np.full(numbers, 0.1),
        "own": one.own,
    }
    return whole.replace(chains=[chain.replace(**begun) for chain in waiting])


def with_part(whole: compiled.RunSpec, part: str, **changes: object) -> compiled.RunSpec:
    first, *rest = getattr(whole, part)
    return whole.replace(**{part: [first.replace(**changes), *rest]})


@pytest.mark.parametrize(("student", "space"), [*itertools.product(STUDENTS, SPACES)])
def test_arrays_of_another_size_are_refused(student, space):
    whole = valid(student, space)
    assert compiled.Run(whole).advance(10.0)
    for part, common in ARRAYS.items():
        for name in common + ARRAYS_OF[space].get(part, []):
            given = np.ravel(getattr(getattr(whole, part)[0], name))
            for other in (given[:-1], np.append(given, given[-1:]), given[:0]):
                with pytest.raises(ValueError, match=rf"{name} must have"):
                    with_part(whole, part, **{name: other})
    if space == "ambient":
        for part, name in (("tasks", "W"), ("tasks", "u"), ("students", "rows_x")):
            with pytest.raises(ValueError, match="must be given"):
                with_part(whole, part, **{name: None})


#: part, field, what it must not be, in both spaces
NUMBERS = [
    *[("tasks", name, bad) for name in ("k", "s", "rank") for bad in (0, -1, 3, 10**6)],
    *[("tasks", "neurons", bad) for bad in (0, -1, 5, 10**6)],
    *[("tasks", "features_rank", bad) for bad in (-1, 5, 10**6)],
    *[("tasks", "d", bad) for bad in (0.0, -1.0, 24.5, float("nan"), float("inf"))],
    *[("students", "rows", bad) for bad in (0, -1, 2, 2**16)],
    *[("trainings", "batch", bad) for bad in (0, -1, 2**31 - 1)],
    *[("trainings", "reuse", bad) for bad in (0, -1)],
    *[("trainings", "lookahead", bad) for bad in (float("nan"), float("inf"))],
    *[("trainings", "steps", bad) for bad in (-1, 1)],
    ("trainings", "record", [3, 2]),
    ("trainings", "record", [-1]),
    ("trainings", "record", [6]),
    *[("chains", name, bad) for name in ("task", "training") for bad in (-1, 2, 2**31 - 1)],
    *[("chains", "recorded", bad) for bad in (-1, 0, 2)],
    ("chains", "records", {}),
    ("chains", "records", {"loss": np.zeros(1)}),
    ("chains", "records", {"weather": np.zeros(1)}),
    *[("chains", name, {"loss": np.zeros(2)}) for name in ("records", "last")],
    *[("chains", "last", {f"overlap_{name}": np.zeros(13)}) for name in "uc"],
    *[("chains", "step", bad) for bad in (-1, 6)],
    *[("chains", "state_step", bad) for bad in (-1, 3)],
    ("chains", "status", "gone"),
    ("students", "start", -1),
    ("students", "kind", "other"),
    ("students", "kind", "another"),
]


@pytest.mark.parametrize(("student", "space"), [*itertools.product(STUDENTS, SPACES)])
def test_numbers_out_of_range_are_refused(student, space):
    whole = valid(student, space)
    for part, name, bad in NUMBERS:
        if isinstance(bad, str) and bad == "other":
            bad = "lora" if whole.students[0].kind == "full" else "full"
        with pytest.raises(ValueError, match=r"must|sizes|unknown"):
            with_part(whole, part, **{name: bad})
    with pytest.raises(ValueError, match="must not be empty"):
        whole.trainings[0].lr.replace(values=np.empty(0))
    with pytest.raises(ValueError, match="threads"):
        whole.replace(threads=0)


def test_a_state_inside_a_block_is_refused():
    """The ambient space replays a block from its start; elsewhere its inputs are missing."""
    whole = with_part(valid("lora", "ambient"), "chains", state_step=1)
    with pytest.raises(ValueError, match="start of a block"):
        compiled.Run(whole).advance(1.0)


def test_members_of_a_run_must_be_alike():
    whole = valid("lora", "reduced")
    for part, changes in (
        ("tasks", {"features_rank": 3}),
        ("students", {"train_own": False}),
        ("trainings", {"batch": 2}),
        ("trainings", {"reuse": 2}),
        ("trainings", {"lookahead": 1.0}),
    ):
        more = {name: 2 * getattr(whole, name) for name in ("tasks", "students", "trainings")}
        first = more[part][0]
        more[part] = [first, first.replace(**changes)]
        with pytest.raises(ValueError, match=r"of a run must"):
            whole.replace(**more)


def test_a_drive_checks_too():
    whole = valid("lora", "reduced")
    n, s = 3, whole.tasks[0].s
    rows, own = np.zeros(n * (s + n)), np.zeros(4 * n)
    space = drive(whole, rows, own)
    step = {"X_S": np.zeros(s), "Z": np.zeros(n), "T": np.ones(1), "noise": np.zeros(1)}
    space.step(**step, lr=0.1, lr_own=0.1)
    for name, value in step.items():
        with pytest.raises(ValueError, match=name):
            space.step(**step | {name: np.append(value, 0.0)}, lr=0.1, lr_own=0.1)
    for bad in ((rows[1:], own, 0), (rows, own[1:], 0), (rows, own, 8), (rows, own, -1)):
        with pytest.raises(ValueError, match=r"must"):
            drive(whole, *bad)
    for name in ("R", "a", "c", "lam"):
        with pytest.raises(ValueError, match=f"{name} must have"):
            whole.tasks[0].replace(**{name: np.zeros(1)})


def test_limits_refuse_sizes_that_make_no_sense():
    limits, relu = compiled.limits, compiled.activation("relu", [])
    assert limits.normals(1, 1) > 0
    assert limits.multiply_adds(1, 1) > 0
    assert limits.activations(relu, False, 1, 1) > 0
    assert limits.activations(relu, True, 1, 1) > 0
    for bad in (0, -1, -(2**31), 2**31 - 1):
        for call in (
            lambda n: limits.normals(n, 1),
            lambda n: limits.normals(1, n),
            lambda n: limits.multiply_adds(n, 1),
            lambda n: limits.multiply_adds(1, n),
            lambda n: limits.activations(relu, True, n, 1),
            lambda n: limits.activations(relu, True, 1, n),
        ):
            with pytest.raises(ValueError, match=r"must be in \[1, "):
                call(bad)


# ---- given rows ---------------------------------------------------------------------------------


def test_coordinates_of_rows():
    rng = np.random.default_rng(3)
    for n, s, d in ((1, 1, 1), (1, 3, 40), (5, 3, 40), (6, 2, 7), (4, 5, 5), (9, 1, 3)):
        Q = np.linalg.qr(rng.standard_normal((d, s)))[0].T
        A = rng.standard_normal((n, d))
        P, L = compiled.coordinates(A, np.ascontiguousarray(Q))
        rest = A - A @ Q.T @ Q
        np.testing.assert_allclose(P, A @ Q.T, rtol=0, atol=1e-14)
        np.testing.assert_allclose(L @ L.T, rest @ rest.T, rtol=0, atol=1e-13)
        assert not np.triu(L, 1).any()
        assert (np.diag(L) >= 0).all()
    # A row inside the span leaves rounding, not its square root.
    assert np.abs(compiled.coordinates(3.0 * Q[:1], Q)[1]).max() < 1e-14
    for bad in ((np.zeros((0, 3)), Q), (A, np.zeros((0, 3))), (A[:, 1:], Q), (A[0], Q)):
        with pytest.raises(ValueError, match=r"must not be empty|equally long"):
            compiled.coordinates(*map(np.ascontiguousarray, bad))


BITS = """
import hashlib, numpy as np, lrft
from lrft.model.students.starts import given_rows
task = lrft.Task.sample(d=2000, k=40, seed=0)
rows = np.random.default_rng(1).standard_normal((60, 2000))
found = given_rows(task, rows, ambient=False)
print(hashlib.sha256(found["rows_S"].tobytes() + found["rows_rest"].tobytes()).hexdigest())
"""


def test_given_rows_do_not_depend_on_the_threads_of_a_library():
    found = set()
    for threads in ("1", "2"):
        names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
        found.add(
            subprocess.run(
                [sys.executable, "-c", BITS],
                env=os.environ | dict.fromkeys(names, threads),
                check=True,
                capture_output=True,
                text=True,
                timeout=120,
            ).stdout
        )
    assert len(found) == 1
