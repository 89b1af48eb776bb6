"""Bitwise: a trajectory depends on task, training, engine, seed and replica, on nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits

import lrft
from lrft.core.isa import available

ENGINES = ("reduced", "ambient")
D, K, STEPS = 150, 5, 700  # d over a tile of 128; 700 steps are not a whole number of blocks

#: Students, batches and tasks whose code paths differ.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "frozen": ({}, {}, {}),
    "joint": ({}, {"train_c": True}, {}),
    "favourable": ({}, {"u_init": "favourable", "c_init": "teacher"}, {}),
    "free, batch 3, noise": ({"noise": 0.4, "parallel": 0.5}, {"orthogonal": False}, {"batch": 3}),
    "batch 40": ({"activation": "tanh"}, {"train_c": True}, {"batch": 40, "steps": 60}),
    "stopping": ({"d": 30}, {"train_c": True}, {"stop_at": 0.5}),
    "reused, batch 2": ({}, {"train_c": True}, {"reuse": 2, "batch": 2}),
    "lookahead": ({"activation": "tanh"}, {"train_c": True}, {"lookahead": 1.0}),
    "biases": ({"biases": 0.7, "activation": "tanh"}, {"train_c": True}, {}),
    "single index": ({"teacher": "he2"}, {"train_c": True, "orthogonal": False}, {}),
    "logistic, batch 3": (
        {"noise": 0.4},
        {"train_c": True},
        {"batch": 3, "loss": lrft.Logistic(flip=0.1), "record": 5},
    ),
    "rates": ({"activation": "gelu"}, {}, {"lr": lrft.schedule.InverseTime(0.02, t0=100.0)}),
    "momentum, clipped": (
        {},
        {"train_c": True},
        {"optimiser": lrft.SGD(momentum=0.9, clip=2.0), "lr": 0.001, "steps": 300},
    ),
}


def make(kind: str, **changes: Any) -> tuple[lrft.Task, lrft.Training]:
    task, student, training = KINDS[kind]
    arguments = {"lr": 0.01, "steps": STEPS, "record": 50} | training | changes
    star = task.get("teacher")
    task = {name: value for name, value in task.items() if name != "teacher"}
    sampled = lrft.Task.sample(**({"d": D, "k": K, "xi": 2.0, "seed": 4} | task))
    return (
        sampled if star is None else lrft.Task.single_index(star, base=sampled, noise=0.1),
        lrft.Training(student=lrft.RankOne(**student), **arguments),
    )


def run(kind, engine, *, replicas=16, threads=1, task=None, **changes):
    sampled, training = make(kind, **changes)
    return lrft.simulate(
        sampled if task is None else task,
        training,
        replicas=replicas,
        seed=12,
        engine=engine,
        threads=threads,
    )


each_kind = pytest.mark.parametrize("kind", KINDS)
each_engine = pytest.mark.parametrize("engine", ENGINES)


@each_kind
@each_engine
def test_threads(kind, engine):
    one = run(kind, engine)
    assert_same_bits(one, run(kind, engine, threads=2))
    assert_same_bits(one, run(kind, engine, threads=3))
    moved = one.overlap_u.values[:, 1]
    going = moved[np.isfinite(moved)]  # not stopped by then
    assert len(np.unique(going)) == len(going) >= 8  # the replicas are different ones


@each_kind
@each_engine
def test_alone_or_in_company(kind, engine):
    company = run(kind, engine)
    for replica in (0, 3, 13):
        alone = run(kind, engine, replicas=[replica])
        assert_same_bits(company.sel(replica=[replica]), alone)
    # In another order, so in other lanes, refilled at other times.
    order = [9, 3, 15, 0, 1, 2, 14, 7, 8, 13, 4]
    assert_same_bits(company.sel(replica=order), run(kind, engine, replicas=order))


@each_kind
@each_engine
def test_records_and_horizons(kind, engine):
    """Records do not touch the path; a longer run has the same beginning."""
    _, training = make(kind)
    full = run(kind, engine, replicas=5)
    shared = [0, training.steps // 7, training.steps // 2, training.steps]
    every = run(kind, engine, replicas=5, record=training.steps + 1)
    few = run(kind, engine, replicas=5, record=shared)
    for name in ("overlap_u", "overlap_c", "loss"):
        np.testing.assert_array_equal(every[name].sel(step=full.step), full[name])
        np.testing.assert_array_equal(every[name].sel(step=few.step), few[name])
    for name in ("hit_step", "status", "stop_step"):
        np.testing.assert_array_equal(every[name], full[name])
        np.testing.assert_array_equal(every[name], few[name])
    longer = run(kind, engine, replicas=5, steps=training.steps + 37, record=shared)
    for name in ("overlap_u", "overlap_c", "loss"):
        np.testing.assert_array_equal(longer[name].sel(step=shared), few[name])


@each_kind
@each_engine
@pytest.mark.parametrize(("threads", "seconds"), [(1, 0.0), (2, 1e-3)])
def test_slices_of_time(kind, engine, threads, seconds):
    """Advancing many times for next to no time gives what one call gives."""
    task, training = make(kind)
    simulation = lrft.Simulation(
        task, training, replicas=11, seed=12, engine=engine, threads=threads
    )
    slices = 1
    while not simulation.advance(seconds):
        slices += 1
        simulation.progress()
    assert slices > 1 or threads > 1
    assert_same_bits(simulation.dataset(), run(kind, engine, replicas=11))


@each_engine
def test_tasks_in_a_list(engine):
    """Each task of a list has the bits it has alone, whatever shapes the others have."""
    arguments = {"d": D, "k": K, "seed": 4}
    tasks = [
        lrft.Task.sample(**arguments, xi=2.0),
        lrft.Task.sample(**arguments, xi=0.5, lam="gaussian", output_scale=0.7),
        lrft.Task.sample(**arguments, xi=2.0, features="orthonormal"),
        lrft.Task.sample(d=90, k=K, xi=1.0, seed=5),
        lrft.Task.sample(d=90, k=3, xi=1.0, seed=5, activation="tanh"),
        lrft.Task.sample(**arguments, xi=2.0, features="zero", lam=0.5),
    ]
    _, training = make("joint", steps=200)
    together = lrft.simulate(tasks, training, replicas=3, seed=12, engine=engine, threads=2)
    for i, task in enumerate(tasks):
        alone = lrft.simulate(task, training, replicas=3, seed=12, engine=engine, threads=1)
        assert_same_bits(together.isel(task=i), alone)


def test_orthonormal_features_in_company():
    """Lanes whose R is the identity skip the product with it; beside others they do not."""
    plain = lrft.Task.sample(d=D, k=K, xi=2.0, features="orthonormal", seed=1)
    R, a = plain.R.copy(), plain.a.copy()
    rng = np.random.default_rng(0)
    R[:, :K] = rng.standard_normal((K, K))
    mixed = lrft.Task.from_coordinates(D, R, a, lam=plain.lam, c=plain.c, xi=2.0, activation="relu")
    _, training = make("frozen", steps=100)
    pair = lrft.simulate([plain, mixed], training, replicas=3, seed=1, engine="reduced")
    for i, task in enumerate((plain, mixed)):
        alone = lrft.simulate(task, training, replicas=3, seed=1, engine="reduced")
        assert_same_bits(pair.isel(task=i), alone)


@pytest.mark.parametrize("batch", [1, 2])
def test_wide_networks_in_company(batch):
    """Rows whose factor is moved by rotations; lanes with the same R and with different ones."""
    tasks = [lrft.Task.sample(d=D, k=K, xi=2.0, parallel=0.5, seed=seed) for seed in (1, 2)]
    student = lrft.FullNetwork(width=10, init="gaussian", lam_init="signs")
    training = lrft.Training(student=student, lr=0.002, steps=101, batch=batch, record=11)
    pair = lrft.simulate(tasks, training, replicas=11, seed=1, engine="reduced", threads=2)
    for i, task in enumerate(tasks):
        for replicas in (range(11), [3], [9, 4]):
            alone = lrft.simulate(task, training, replicas=replicas, seed=1, engine="reduced")
            assert_same_bits(pair.isel(task=i).sel(replica=list(replicas)), alone)


@each_engine
def test_lanes_that_are_refilled(engine):
    """More replicas than lanes, ending at very different steps: who follows whom is a matter of
    luck and of threads, the results are not."""
    many = run("stopping", engine, replicas=40, threads=1)
    assert len(np.unique(many.stop_step)) > 20
    assert "converged" in many.status.values
    assert_same_bits(many, run("stopping", engine, replicas=40, threads=2))
    for replica in (0, 17, 39):
        alone = run("stopping", engine, replicas=[replica])
        assert_same_bits(many.sel(replica=[replica]), alone)


@each_engine
def test_twice_and_otherwise(engine):
    """The same call twice gives the same bits; another seed gives others."""
    first = run("joint", engine)
    assert_same_bits(first, run("joint", engine))
    task, training = make("joint")
    other = lrft.simulate(task, training, replicas=16, seed=13, engine=engine)
    assert (other.overlap_u.values[:, 1:] != first.overlap_u.values[:, 1:]).all()


# ---- instruction sets ---------------------------------------------------------------------------

SETS = available()
SAVE = """
import sys
import numpy as np
import lrft

out = {}
# The rate of he3 is small: at ten times this the paths are chaotic, and a start moved by 1e-12
# ends 0.1 away on one instruction set too.
for activation, lr in (("relu", 0.002), ("tanh", 0.002), ("gelu", 0.002), ("he3", 0.0002)):
    for engine in ("reduced", "ambient"):
        task = lrft.Task.sample(d=60, k=5, xi=1.5, activation=activation, seed=3)
        training = lrft.Training(
            student=lrft.RankOne(train_c=True, orthogonal=False), lr=lr, steps=500, record=501
        )
        ds = lrft.simulate(task, training, replicas=3, seed=1, engine=engine)
        for name in ("overlap_u", "overlap_c", "loss"):
            out[f"{activation} {engine} {name}"] = ds[name].values
out["isa"] = lrft._core.build_info()["isa"]
np.savez(sys.argv[1], **out)
"""


@pytest.mark.skipif(len(SETS) < 2, reason=f"one instruction set is available here: {SETS}")
def test_instruction_sets_agree(tmp_path):
    """Trajectories of 500 steps under every set this machine runs, within 1e-9."""
    results = {}
    for isa in SETS:
        path = tmp_path / f"{isa}.npz"
        subprocess.run(
            [sys.executable, "-c", SAVE, str(path)], check=True, env=os.environ | {"LRFT_ISA": isa}
        )
        results[isa] = dict(np.load(path))
        assert results[isa].pop("isa") == isa
    first, *others = results.values()
    for name, values in first.items():
        if "overlap_u" in name:
            assert np.abs(values[:, -1] - values[:, 0]).max() > 0.01
        for other in others:
            np.testing.assert_allclose(other[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
def test_the_end_of_a_diverging_subspace_does_not_depend_on_chunks(engine):
    """Near divergence the quick test of a threshold and the overlap itself may disagree."""
    task = lrft.Task.sample(d=80, k=5, seed=4, xi=1.0, noise=0.1, activation="quadratic")
    training = lrft.Training(student=lrft.LoRA(rank=2), lr=2.0, steps=400, record=20)

    def ended(seconds, replicas):
        simulation = lrft.Simulation(
            task, training, replicas=replicas, seed=2, engine=engine, threads=1
        )
        while not simulation.advance(seconds):
            pass
        ds = simulation.dataset()
        return ds.stop_step.values, ds.hit_step.values

    whole = ended(60.0, 32)
    for _ in range(5):
        for found, expected in zip(ended(0.0, 32), whole, strict=True):
            np.testing.assert_array_equal(found, expected)
    for found, expected in zip(ended(0.0, [9, 3]), whole, strict=True):
        np.testing.assert_array_equal(found, expected[[9, 3]])
