"""What `simulate` promises: stops, hits, records, divergence, engines, small dimensions, memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from functools import cache

import numpy as np
import pytest
from cases import task_of, twin

import lrft
from lrft.model.sizes import Sizes

ENGINES = ("reduced", "ambient")
each_engine = pytest.mark.parametrize("engine", ENGINES)

# ---- stops, hits and records, against the twin's path -------------------------------------------

SEED, STEPS = 6, 400
THRESHOLDS = (0.05, 0.3, 0.5, 0.55, 0.6, 0.8)


def small_task():
    return task_of("relu", d=30, xi=2.0, features="orthonormal", lam="ones", output_scale=1.0)


@pytest.fixture(scope="module")
def task():
    return small_task()


def training_of(**changes):
    student = lrft.RankOne(train_c=True)
    arguments = {"student": student, "lr": 0.01, "steps": STEPS, "record": 9} | changes
    return lrft.Training(**arguments)


@cache
def chosen() -> tuple[int, np.ndarray]:
    """The first replica that meets the thresholds in every way, and its |<u_hat, u>|.

    It starts above the lowest, passes two of them in one step and all of them in the end.
    """
    task = small_task()
    for replica in range(1000):
        path = twin(task, training_of(), seed=SEED, replica=replica)
        found = np.abs([u_hat @ np.ravel(task.u) for u_hat, _ in path])
        start, _, third, fourth, *_ = (first_hit(found, level) for level in THRESHOLDS)
        if start == 0 and found[0] < 0.3 and third == fourth > 0 and found.max() > 0.8:
            return replica, found
    raise AssertionError("no such replica")


@pytest.fixture(scope="module")
def overlaps():
    return chosen()[1]


def one(task, training, engine="ambient"):
    return lrft.simulate(task, training, replicas=[chosen()[0]], seed=SEED, engine=engine).isel(
        replica=0
    )


def first_hit(overlaps, level, never=-1):
    reached = np.flatnonzero(overlaps >= level)
    return int(reached[0]) if reached.size else never


def test_state_s_is_after_s_updates(task, overlaps):
    ds = one(task, training_of(record=STEPS + 1))
    np.testing.assert_array_equal(ds.step, np.arange(STEPS + 1))
    np.testing.assert_allclose(np.abs(ds.overlap_u), overlaps, atol=1e-10)


def test_thresholds_are_checked_at_every_step(task, overlaps):
    """Hits between records, with none of them recorded; the first step counts, not the last."""
    ds = one(task, training_of(record=2, thresholds=THRESHOLDS))
    expected = [first_hit(overlaps, level) for level in THRESHOLDS]
    assert ds.hit_step.values.tolist() == expected
    assert expected[0] == 0  # reached at the start: step 0
    assert expected[2] == expected[3]  # two levels in one step
    assert len(set(expected)) == 5


def test_a_level_on_the_way_down_does_not_count_again(task, overlaps):
    """Hits are first passages: the overlap falls below a level later, and nothing changes."""
    level = float(overlaps.max()) - 1e-9
    ds = one(task, training_of(thresholds=(level,)))
    assert ds.hit_step.item() == int(np.argmax(overlaps))
    assert overlaps[-1] < level


def test_levels_never_reached_are_censored(task, overlaps):
    ds = one(task, training_of(thresholds=(0.5, 1.0), steps=first_hit(overlaps, 0.5)))
    assert ds.hit_step.values.tolist() == [ds.stop_step.item(), -1]
    ds = one(task, training_of(thresholds=(0.5,), steps=first_hit(overlaps, 0.5) - 1))
    assert ds.hit_step.values.tolist() == [-1]
    assert ds.status.item() == "finished"


@pytest.mark.parametrize("level", [0.05, 0.5, 0.6])
def test_stop_at(task, overlaps, level):
    stop = first_hit(overlaps, level)
    ds = one(task, training_of(stop_at=level, record=STEPS + 1))
    assert ds.status.item() == "converged"
    assert ds.stop_step.item() == stop
    recorded = ds.overlap_u.values
    np.testing.assert_allclose(np.abs(recorded[: stop + 1]), overlaps[: stop + 1], atol=1e-10)
    assert np.isnan(recorded[stop + 1 :]).all()
    assert (ds.hit_step.values <= stop).all()


def test_stop_loss_and_loss_thresholds_are_checked_at_records(task):
    free = one(task, training_of(record=41))
    loss, steps = free.loss.values, free.step.values
    levels = (0.9 * loss[0], 0.5 * loss[0], 0.2 * loss[0], 1e-9)
    ds = one(task, training_of(record=41, loss_thresholds=levels))
    first = [steps[np.argmax(loss <= x)] if (loss <= x).any() else -1 for x in levels]
    assert ds.loss_hit_step.values.tolist() == first
    assert first[-1] == -1
    assert 0 < first[0] <= first[1]
    ds = one(task, training_of(record=41, stop_loss=levels[1]))
    assert ds.status.item() == "converged"
    assert ds.stop_step.item() == first[1]
    assert np.isnan(ds.loss.values[np.argmax(loss <= levels[1]) + 1 :]).all()
    ds = one(task, training_of(record=2, stop_loss=levels[1]))  # only the end is looked at
    assert ds.stop_step.item() == STEPS
    ds = one(task, training_of(stop_loss=2 * loss[0]))
    assert (ds.stop_step.item(), ds.status.item()) == (0, "converged")


@each_engine
def test_no_steps(task, engine):
    ds = lrft.simulate(task, training_of(steps=0), replicas=10, seed=1, engine=engine)
    assert ds.step.values.tolist() == [0]
    assert (ds.status == "finished").all()
    assert (ds.stop_step == 0).all()
    assert np.isfinite(ds.loss).all()
    at_start = np.abs(ds.overlap_u.values) >= ds.threshold.values
    np.testing.assert_array_equal(ds.hit_step, np.where(at_start, 0, -1))


RECORDS = {
    "count": (5, [0, 100, 200, 300, 400]),
    "list": ([7, 33, 399], [0, 7, 33, 399, 400]),
    "list with ends": ([0, 400], [0, 400]),
    "two": (2, [0, 400]),
    "geometric": (lrft.geometric(5), [0, 1, 7, 54, 400]),
}


@each_engine
@pytest.mark.parametrize("name", RECORDS)
def test_records(task, engine, name):
    record, steps = RECORDS[name]
    ds = one(task, training_of(record=record), engine)
    assert ds.step.values.tolist() == steps
    full = one(task, training_of(record=STEPS + 1), engine)
    for variable in ("overlap_u", "overlap_c", "loss"):
        np.testing.assert_array_equal(ds[variable], full[variable].sel(step=steps))
    assert np.isfinite(ds.overlap_u).all()


# ---- divergence ---------------------------------------------------------------------------------


@each_engine
@pytest.mark.parametrize(
    "student",
    [lrft.RankOne(), lrft.LoRA(rank=2), lrft.FullNetwork(), lrft.RankOne(linearized=True)],
    ids=["rank one", "lora", "full", "linearised"],
)
def test_more_tasks_than_lanes_have_losses_of_their_own(engine, student):
    """What the losses of a task share is not taken from another that was looked at before."""
    tasks = [task_of("relu", d=40, xi=1.0 + i / 5, seed=i) for i in range(20)]
    training = lrft.Training(student=student, lr=0.01, steps=30, record=4)
    together = lrft.simulate(tasks, training, replicas=2, engine=engine, threads=2)
    for i, task in enumerate(tasks):
        alone = lrft.simulate(task, training, replicas=2, engine=engine, threads=1)
        np.testing.assert_array_equal(together.loss.isel(task=i), alone.loss)


QUIET = 37  # steps before the rate becomes absurd


@each_engine
def test_divergence_is_marked_and_touches_nobody(task, engine):
    """A task with enormous outputs: a rate of 1e-180 suits it, 0.01 overflows at once.

    Beside it a task for which the small rate is rest and the large one ordinary."""
    wild = task.replace(output_scale=1e90)
    rates = lrft.schedule.Array(np.where(np.arange(STEPS) < QUIET, 1e-181, 0.01))
    training = training_of(lr=rates, record=STEPS + 1)
    arguments = {"replicas": 5, "seed": 3, "engine": engine, "threads": 1}
    ds = lrft.simulate([task, wild, task.replace(xi=1.0)], training, **arguments)
    broken = ds.isel(task=1)
    assert (broken.status == "diverged").all()
    # The update of step QUIET makes state QUIET + 1, unless every neuron is silent at its input.
    stops = broken.stop_step.values
    assert np.median(stops) == stops.min() == QUIET + 1
    for stop, path in zip(stops, broken.overlap_u.values, strict=True):
        assert np.isfinite(path[:stop]).all()
        assert np.isnan(path[stop:]).all()
    assert np.ptp(broken.overlap_u.values[:, : QUIET + 1], axis=1).min() > 1e-3
    for i, other in ((0, task), (2, task.replace(xi=1.0))):
        alone = lrft.simulate(other, training, **arguments)
        assert (alone.status == "finished").all()
        for name in ("overlap_u", "overlap_c", "loss", "hit_step", "stop_step"):
            np.testing.assert_array_equal(ds[name].isel(task=i), alone[name])


@each_engine
@pytest.mark.parametrize(
    "student",
    [
        lrft.RankOne(train_c=True),
        lrft.RankOne(train_c=True, orthogonal=False),
        lrft.LoRA(rank=3, b_init="gaussian"),
        lrft.FullNetwork(train_lam=True),
    ],
    ids=["rank one", "rank one, free", "lora", "full network"],
)
def test_a_rate_of_zero_moves_nothing(task, engine, student):
    """Not at the start, nor after the student has moved: the rounding of 300 normalisations."""
    rates = lrft.schedule.Array(np.where(np.arange(900) // 300 == 1, 1e-3, 0.0))
    training = lrft.Training(student=student, lr=rates, steps=900, record=[300, 600], batch=2)
    ds = lrft.simulate(task, training, replicas=9, seed=3, engine=engine)
    assert (ds.status == "finished").all()
    for series in ("overlap_u", "overlap_c", "loss"):
        values = ds[series].transpose("step", ...).values
        np.testing.assert_allclose(values[1], values[0], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(values[3], values[2], rtol=1e-12, atol=1e-13)
    assert (ds.loss.isel(step=2) != ds.loss.isel(step=1)).all()


@each_engine
def test_divergence_at_the_start(task, engine):
    """A loss that is infinite before any step."""
    ds = lrft.simulate(
        task.replace(output_scale=1e200), training_of(), replicas=3, seed=3, engine=engine
    )
    assert (ds.status == "diverged").all()
    assert (ds.stop_step == 0).all()


# ---- engines and dimensions ---------------------------------------------------------------------

# Sampled features, parallel part, batch, its uses, least d: s + 1 + min(1, batch), s + 1 + batch.
DIMENSIONS = [
    ("orthonormal", None, 1, {}, 7),
    ("orthonormal", 1.0, 1, {}, 6),
    ("sphere", 0.5, 3, {}, 7),
    ("zero", None, 1, {}, 3),
    ("zero", None, 1, {"reuse": 2}, 3),
    ("sphere", 0.5, 3, {"reuse": 2}, 9),
    ("orthonormal", None, 4, {"lookahead": 1.0}, 10),
]


@pytest.mark.parametrize(("features", "parallel", "batch", "used", "least"), DIMENSIONS)
def test_smallest_dimension(features, parallel, batch, used, least):
    training = lrft.Training(
        student=lrft.RankOne(orthogonal=parallel != 1.0), lr=0.01, steps=20, batch=batch, **used
    )

    def at(d):
        return lrft.Task.sample(d=d, k=4, features=features, parallel=parallel, seed=1)

    assert Sizes.of(at(50), training).least_d == least
    ds = lrft.simulate(at(least), training, replicas=9, engine="reduced")
    assert (ds.status == "finished").all()
    assert lrft.simulate(at(least), training, replicas=1).attrs["engine"] == "reduced"
    below = at(least - 1)
    message = rf"engine='reduced' needs d >= {least} .*got d = {least - 1}.*use engine='ambient'"
    with pytest.raises(ValueError, match=message):
        lrft.simulate(below, training, engine="reduced")
    assert lrft.simulate(below, training, replicas=1).attrs["engine"] == "ambient"


def test_engine_of_a_list():
    """One engine for all: one small task sends the list to the ambient space."""
    small, large = (lrft.Task.sample(d=d, k=4, features="orthonormal") for d in (6, 60))
    training = lrft.Training(lr=0.01, steps=5)
    assert lrft.simulate([large, small], training, replicas=1).attrs["engine"] == "ambient"
    assert lrft.simulate([large, large], training, replicas=1).attrs["engine"] == "reduced"
    with pytest.raises(ValueError, match=r"engine='ambient' needs d < 2\^31"):
        lrft.simulate([small, large.replace(d=2**31)], training)


def test_dimension_may_be_any_number():
    task = lrft.Task.sample(d=10**9, k=3, features="sphere", seed=0)
    ds = lrft.simulate(task, lrft.Training(lr=1e-10, steps=50), replicas=3)
    assert np.isfinite(ds.loss).all()
    with pytest.raises(ValueError, match=r"engine='ambient' at d = 1000000000"):
        lrft.simulate(task, lrft.Training(lr=1e-10, steps=50), replicas=3, engine="ambient")


@each_engine
@pytest.mark.parametrize("batch", [2**24, 2**28, 2**29, 2**31, 2**40])
def test_batches_beyond_the_random_stream_or_memory(engine, batch):
    """A step has 2^32 addresses: a batch that would use one twice is refused."""
    task = lrft.Task.sample(d=10**6, k=100, seed=0)
    training = lrft.Training(lr=1e-3, steps=1, batch=batch)
    with pytest.raises(ValueError, match="batch"):
        lrft.Simulation(task, training, engine=engine)
    small = training.model_copy(update={"batch": 100})
    lrft.Simulation(task.replace(d=1000), small, engine=engine)


def test_progress_is_reported(task):
    seen = []
    lrft.simulate(
        task,
        training_of(steps=200_000, record=2),
        replicas=8,
        engine="ambient",
        threads=1,
        progress=seen.append,
    )
    done = [p.done_steps for p in seen]
    assert len(seen) >= 2
    assert done == sorted(done)
    assert done[-1] == seen[-1].total_steps == 200_000
    assert seen[-1].finished == 8
    assert 0.0 < seen[-1].overlap <= 1.0


# ---- memory -------------------------------------------------------------------------------------

MEMORY = """
    import re
    from pathlib import Path

    def megabytes(name):
        text = Path("/proc/self/status").read_text()
        return int(re.search(name + r":\\s+(\\d+) kB", text)[1]) / 1024

    def reset_peak():
        Path("/proc/self/clear_refs").write_text("5")

    import lrft
"""


def measure(script: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY) + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_peak_memory_of_the_reduced_space():
    """The whole process at d = 10^7, k = 64, 64 replicas: k x d numbers alone would be 5 GB."""
    peak = measure("""
        task = lrft.Task.sample(d=10**7, k=64, features="sphere", seed=1)
        ds = lrft.simulate(task, lrft.Training(lr=1e-9, steps=200), replicas=64)
        assert ds.attrs["engine"] == "reduced"
        assert (ds.status == "finished").all()
        print(megabytes("VmHWM"))
    """)
    assert peak < 300


@linux
@pytest.mark.verification
@pytest.mark.parametrize("student", ["", "train_c=True, orthogonal=False"])
def test_memory_of_the_ambient_space(student):
    """At d = 10^6, k = 16 a run adds at most 64 MB to what is held once the task exists."""
    growth = measure(f"""
        small = lrft.Task.sample(d=50, k=16, features="sphere", seed=1)
        training = lrft.Training(student=lrft.RankOne({student}), lr=1e-8, steps=70, record=3)
        lrft.simulate(small, training, replicas=2, engine="ambient", threads=1)  # what imports
        task = lrft.Task.sample(d=10**6, k=16, features="sphere", seed=1)
        task.W, task.u
        before = megabytes("VmRSS")
        reset_peak()
        lrft.simulate(task, training, replicas=2, engine="ambient", threads=1)
        print(megabytes("VmHWM") - before)
    """)
    assert growth < 64
