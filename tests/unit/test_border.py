"""The core's plain types as Python sees them: fields, views, pickles; sizes and statistics."""

from __future__ import annotations

import copy
import gc
import pickle
import time
from typing import Any

import numpy as np
import pytest
from cases import spec

import lrft
from lrft.core.engine import compiled
from lrft.model.sizes import Sizes
from lrft.model.students import STUDENTS
from lrft.result import variables as result
from lrft.run import describe

TASK = lrft.Task.sample(d=24, k=4, seed=0)
STUDENT = lrft.LoRA(rank=2, a_init=np.ones((2, 24)), b_init="gaussian")
TRAINING = lrft.Training(
    student=STUDENT, lr=lrft.schedule.Array(values=[0.1] * 4), steps=4, record=3
)


def objects() -> list[Any]:
    """One of every type that is plain fields, with arrays in all that has arrays."""
    run = compiled.Run(spec([TASK], TRAINING, ambient=True))
    run.advance(10.0)
    described = spec([TASK], TRAINING, ambient=True)
    sizes = Sizes.of(TASK, TRAINING, ambient=True).core
    return [
        described.tasks[0],
        described.students[0],
        described.trainings[0],
        described.trainings[0].lr,
        run.chains()[0],
        sizes,
        compiled.footprint(sizes),
    ]


def same(one: Any, other: Any) -> bool:
    """Whether all fields are, down to bits."""
    if hasattr(one, "fields"):
        return type(one) is type(other) and same(one.fields(), other.fields())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("one", objects(), ids=lambda one: type(one).__name__)
def test_fields_are_all_there_is(one):
    fields = one.fields()
    assert any(np.size(value) for value in fields.values())
    assert same(type(one)(**fields), one)
    assert same(one.replace(), one)
    for name, value in fields.items():
        assert same(getattr(one, name), value)
        with pytest.raises(AttributeError):
            setattr(one, name, value)
    for again in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), copy.copy(one)):
        assert same(again, one)
    # Rebuilt by name: no module of an instruction set is asked for.
    assert b"isa_" not in pickle.dumps(one)


@pytest.mark.parametrize("one", objects(), ids=lambda one: type(one).__name__)
def test_what_is_wrong_with_a_field_names_it(one):
    with pytest.raises(TypeError, match="no field is called colour"):
        one.replace(colour=1)
    for name in one.fields():
        with pytest.raises(TypeError, match=name):
            one.replace(**{name: object()})


def test_arrays_are_views_that_keep_their_owner():
    W = np.random.default_rng(0).standard_normal((4, 24))
    task = describe.task_data(TASK, ambient=True).replace(W=W)
    assert np.shares_memory(task.W, W)
    assert task.R.shape == TASK.R.shape
    R, kept, numbers = task.R, task.W, W.copy()
    assert np.shares_memory(R, task.R)
    for array in (R, kept):
        assert not array.flags.writeable
    del task, W
    gc.collect()
    _ = [np.full((4, 24), np.nan) for _ in range(100)]  # what was freed would be used again
    np.testing.assert_array_equal(R, TASK.R)
    np.testing.assert_array_equal(kept, numbers)


def test_a_run_goes_on_and_its_chains_do_not_change():
    run = compiled.Run(spec([TASK], TRAINING.replace(lr=1e-3, steps=10**5, record=1000)))
    run.advance(0.0)
    run.save()
    (chain,) = run.chains()
    assert 0 < chain.step < 10**5
    rows, before = chain.rows, chain.rows.copy()
    while not run.advance(10.0):
        pass
    assert run.chains()[0].step == 10**5
    np.testing.assert_array_equal(rows, before)


def test_many_chains_are_made_in_under_a_second():
    begin = time.process_time()
    chains = [describe.new_chain(0, replica) for replica in range(10**5)]
    assert time.process_time() - begin < 1.0
    assert chains[-1].replica == 10**5 - 1


# ---- statistics and sizes ---------------------------------------------------------------------


def test_every_statistic_has_its_row_in_a_result():
    recorded = Sizes.of(TASK, TRAINING).records
    assert recorded.keys() <= result.STATISTICS.keys()
    of_data = compiled.statistics(Sizes.of(TASK, TRAINING, ambient=True, watch="errors").core)
    assert of_data.keys() <= set(result.FIT_VARIABLES)
    full = lrft.Training(student=lrft.FullNetwork(), lr=0.1, steps=1)
    of_full = Sizes.of(TASK, full).records
    assert of_full["overlap_u"] == (4, 4)
    assert "overlap_c" not in of_full
    assert set(recorded.values()) == {()}


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
def test_what_can_be_asked_for_has_its_row_in_a_result(student):
    """Own parameters under the name that the student has for them; none where nobody asks."""
    names = compiled.parameters()[student.model_fields["kind"].default]
    assert [name for name in names if name in ("c_hat", "B", "lam_hat")] == [student.own_name]
    assert all(result.STATISTICS[name].later for name in names)
    assert not set(names) & set(Sizes.of(TASK, TRAINING).records)


SIZES = {
    "d": 1000,
    "k": 5,
    "neurons": 5,
    "s": 6,
    "rank": 1,
    "rows": 3,
    "batch": 2,
    "kind": "lora",
}


@pytest.mark.parametrize("ambient", [False, True])
def test_a_footprint_counts_what_is_held(ambient):
    sizes = compiled.Sizes(ambient=ambient, **SIZES)
    size = compiled.footprint(sizes)
    assert size.lanes == (1 if ambient else 8)
    assert size.least_d == 6 + 3 + 2
    assert size.own == 5 * 3
    recorded = [one for one in compiled.statistics(sizes).values() if one is not None]
    assert size.record_bytes == 8 * len(recorded)  # a number each
    assert size.state_bytes == 8 * (3 * (1000 if ambient else 6 + 3) + 15)
    assert size.task_bytes == 8 * (5 * 6 + (6 * 1000 if ambient else 0))
    for name in ("k", "rows", "d" if ambient else "s", "batch"):
        more = compiled.footprint(compiled.Sizes(ambient=ambient, **SIZES | {name: 2000}))
        assert more.units > size.units, name
        assert more.thread_bytes + more.batch_bytes > size.thread_bytes + size.batch_bytes, name
    # In lanes there is a number of R for each of eight replicas.
    wide = compiled.footprint(compiled.Sizes(ambient=ambient, **SIZES | {"k": 17_000, "s": 17_001}))
    assert (wide.longest >= 2**31) == (not ambient)


def test_a_footprint_is_that_of_the_run():
    for ambient in (False, True):
        run = spec([TASK], TRAINING, ambient=ambient)
        # Entries of R that are 0 cost nothing, which sizes alone do not know.
        sizes = Sizes.of(TASK, TRAINING, ambient=ambient).core.replace(
            nonzero=np.count_nonzero(TASK.R)
        )
        assert same(compiled.footprint(run), compiled.footprint(sizes))
        chain = compiled.Run(run).chains()[0]
        assert chain.rows.size == 0
        done = compiled.Run(run)
        assert done.advance(10.0)
        (chain,) = done.chains()
        numbers = chain.rows.size + chain.own.size
        assert compiled.footprint(run).state_bytes == 8 * numbers
        assert compiled.footprint(run).record_bytes * chain.recorded == 8 * sum(
            values.size for values in chain.records.values()
        )


@pytest.mark.parametrize(("name", "bad"), [("d", np.nan), ("k", 0), ("rows", -1), ("batch", 0)])
def test_sizes_that_are_none_are_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name}.*must be at least 1"):
        compiled.Sizes(**SIZES | {name: bad})
