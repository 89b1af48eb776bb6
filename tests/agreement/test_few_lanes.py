"""Where few replicas run, a pack of what is drawn holds several of their inputs: the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits

import lrft

ONE, JOINT = lrft.RankOne(), lrft.RankOne(train_c=True)
LORA = lrft.LoRA(rank=3, sphere=True)
WIDE = lrft.FullNetwork(width=10, init="gaussian", lam_init="signs")
NETWORK = lrft.FullNetwork()
BLOCKS = lrft.EigenBlocks([0.5, 2.0])

# name: changes of the task, the student, changes of the training
CASES: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "one input": ({}, ONE, {}),
    "one input, many features": ({"k": 21}, JOINT, {}),
    "three inputs, many features": ({"k": 12}, JOINT, {"batch": 3}),
    "one input, the features themselves": ({"features": "orthonormal"}, ONE, {}),
    "one input, chi of a few dimensions": ({"d": 9}, JOINT, {}),
    "one input, three rows": ({}, LORA, {}),
    "one input, rotations": ({}, WIDE, {}),
    "two inputs": ({"noise": 0.2}, JOINT, {"batch": 2}),
    "three inputs": ({}, JOINT, {"batch": 3}),
    "five inputs, three rows": ({}, LORA, {"batch": 5}),
    "more inputs than rows": ({}, LORA, {"batch": 9}),
    "sixteen inputs": ({"activation": "tanh"}, JOINT, {"batch": 16}),
    "slow steps": ({"d": 700, "k": 300}, JOINT, {"batch": 64, "steps": 3, "record": 2}),
    "used again": ({}, JOINT, {"batch": 3, "reuse": 2}),
    "momentum": ({}, JOINT, {"batch": 2, "optimiser": lrft.SGD(momentum=0.9)}),
    "labels whole": ({}, JOINT, {"batch": 4, "loss": lrft.Logistic()}),
    "blocks of variances": ({"inputs": BLOCKS}, NETWORK, {}),
    "blocks of variances, three inputs": ({"inputs": BLOCKS}, NETWORK, {"batch": 3}),
    "a spike": ({"inputs": lrft.Spiked("u", 0.5)}, JOINT, {}),
    "a mixture, three inputs": ({"inputs": lrft.Mixture([-1.0, 0.3])}, JOINT, {"batch": 3}),
}


def case(name: str, seeds: range) -> tuple[list[lrft.Task], lrft.Training]:
    changes, student, more = CASES[name]
    arguments: dict[str, Any] = {"d": 60, "k": 5, "xi": 2.0} | changes
    tasks = [lrft.Task.sample(**arguments, seed=seed) for seed in seeds]
    given = {"lr": 0.002, "steps": 43, "record": 5} | more
    return tasks, lrft.Training(student=student, **given)


@pytest.mark.parametrize("name", CASES)
def test_few_of_one_task(name: str) -> None:
    """In eight lanes, and in five down to one of them."""
    (task,), training = case(name, range(1))
    arguments: dict[str, Any] = {"seed": 3, "engine": "reduced", "threads": 1}
    eight = lrft.simulate(task, training, replicas=8, **arguments)
    assert np.ptp(eight.final_overlap_u.values) > 0
    for few in ([5, 2, 7, 0, 1], [6, 1, 3, 4], [2, 7, 0], [7, 4], [1], [6]):
        found = lrft.simulate(task, training, replicas=few, **arguments)
        assert_same_bits(eight.sel(replica=few), found)


@pytest.mark.parametrize("name", CASES)
def test_few_of_different_tasks(name: str) -> None:
    """Each lane has features of its own, and so have packs of several inputs."""
    tasks, training = case(name, range(8))
    arguments: dict[str, Any] = {"replicas": [4], "seed": 3, "engine": "reduced", "threads": 1}
    eight = lrft.simulate(tasks, training, **arguments)
    for few in ([5, 2, 7, 0, 1], [6, 1, 3, 4], [2, 7, 0], [7, 4], [3]):
        found = lrft.simulate([tasks[i] for i in few], training, **arguments)
        assert_same_bits(eight.isel(task=few), found)


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("threads", [1, 2])
def test_lanes_that_end_one_by_one(batch: int, threads: int) -> None:
    """Lanes go on at different steps, some with numbers that were drawn for all of them."""
    tasks = [lrft.Task.sample(d=30, k=4, xi=2.0, seed=seed) for seed in range(11)]
    training = lrft.Training(
        student=JOINT, lr=0.01, steps=4000, batch=batch, stop_at=0.8, record=7, thresholds=(0.5,)
    )
    arguments: dict[str, Any] = {"seed": 1, "engine": "reduced", "paired": True}
    replicas = list(range(11))
    together = lrft.simulate(tasks, training, replicas=replicas, threads=threads, **arguments)
    assert len(np.unique(together.stop_step)) > 8
    assert len(np.unique(together.stop_step % 4)) > 2
    for i in replicas:
        alone = lrft.simulate(tasks[i : i + 1], training, replicas=[i], threads=1, **arguments)
        assert_same_bits(together.isel(replica=[i]), alone)


def test_features_beside_a_lane_that_rests() -> None:
    """The one that ended had features that are no coordinates; those of the other are, and they
    are still computed."""
    plain = lrft.Task.sample(d=60, k=5, xi=2.0, features="orthonormal", seed=1)
    R = plain.R.copy()
    R[:, :5] = 2 * np.random.default_rng(0).standard_normal((5, 5))
    named = {name: getattr(plain, name) for name in ("lam", "c", "xi", "activation")}
    mixed = lrft.Task.from_coordinates(60, R, plain.a, **named)
    training = lrft.Training(student=ONE, lr=0.005, steps=3000, stop_at=0.6, record=2)
    arguments: dict[str, Any] = {"replicas": 1, "seed": 1, "engine": "reduced", "threads": 1}
    tasks = [mixed, plain]
    together = lrft.simulate(tasks, training, **arguments)
    first, then = together.stop_step.values[:, 0]
    assert first < then
    for i, task in enumerate(tasks):
        assert_same_bits(together.isel(task=i), lrft.simulate(task, training, **arguments))
