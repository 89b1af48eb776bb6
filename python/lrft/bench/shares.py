"""How near a step comes to the limit of this core: students, features, sizes, batches, spaces."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import Any

import numpy as np

import lrft
from lrft.bench.case import Case, Contest
from lrft.bench.interleave import Contender
from lrft.bench.limit import Work, limit

__all__ = ["SHARE_CASES"]

_GOAL = 0.65
_LANES = 8

_FROZEN = lrft.RankOne()
_JOINT = lrft.RankOne(train_c=True)
_FREE = lrft.RankOne(train_c=True, orthogonal=False)


def _tasks(k: int, features: str, activation: str, count: int) -> list[lrft.Task]:
    d = {16: 1000}.get(k, 2000)
    return [
        lrft.Task.sample(d=d, k=k, features=features, activation=activation, seed=seed)
        for seed in range(count)
    ]


def _contest(
    student: Any,
    k: int,
    features: str,
    activation: str,
    engine: str,
    batch: int,
    replicas: int,
    different: bool,
) -> Contest:
    tasks = _tasks(k, features, activation, replicas if different else 1)

    def training(steps: int) -> lrft.Training:
        return lrft.Training(student=student, lr=1e-6, steps=steps, batch=batch, record=(0, steps))

    def run(steps: int) -> lrft.Simulation:
        return lrft.Simulation(
            tasks if different else tasks[0],
            training(steps),
            replicas=range(replicas) if different else replicas,
            paired=different,
            engine=engine,
            threads=1,
        )

    def whole(steps: int) -> float:
        simulation = run(steps)
        begin = time.process_time()
        simulation.run()
        return time.process_time() - begin

    @cache
    def ends() -> float:
        """Seconds of what is not steps: starts, and exact losses at both ends."""
        return min(whole(1) for _ in range(5))

    def seconds(steps: int) -> float:
        return max(whole(steps) - ends(), 1e-9)

    def check() -> None:
        simulation = run(64)
        simulation.run()
        data = simulation.dataset()
        if not (np.isfinite(data.overlap_u).all() and (data.status == "finished").all()):
            raise AssertionError("a step is not finite")

    return Contest(
        Contender("lrft", seconds, multiple=32, per_call=replicas),
        [],
        check,
        limit(Work.of(tasks[0], training(1), engine), activation),
    )


def _case(
    name: str,
    student: Any,
    k: int,
    note: str = "",
    *,
    features: str = "sphere",
    activation: str = "relu",
    engine: str = "reduced",
    batch: int = 1,
    replicas: int = _LANES,
    different: bool = False,
) -> Case:
    return Case(
        f"{name}, {engine}, k = {k}",
        "share",
        "replica-step",
        partial(_contest, student, k, features, activation, engine, batch, replicas, different),
        goal_share=_GOAL,
        note=note,
    )


_WAITS = "A step is a chain of operations, of which each waits for the one before."
_ALONE = (
    "While inputs of one replica are drawn and multiplied a pack holds four of its steps; in the "
    "rest of a step seven of eight lanes rest."
)
_OWN = (
    "Every multiply-add of B and of the rows is of a replica's own numbers: it loads two and most "
    "store one, where the peak loads none."
)
_BACK = (
    "The way back to triangular form is a chain of reflections, or of rotations, with a root and a "
    "division each, and its multiply-adds load and store."
)
_GRAM = (
    "Sixteen inputs are multiplied at once, for which their Gram matrix is needed: eight more "
    "multiply-adds a coordinate. One at a time they would read W each."
)


def _full(width: int) -> Any:
    return lrft.FullNetwork(width=width, init="gaussian", lam_init=np.ones(width) / width)


_ONE_CHAIN: dict[str, Any] = {"engine": "ambient", "replicas": 1}

SHARE_CASES = (
    _case("ĉ frozen, orthonormal", _FROZEN, 16, _WAITS, features="orthonormal"),
    _case("ĉ frozen, orthonormal", _FROZEN, 100, features="orthonormal"),
    _case("ĉ frozen, sphere", _FROZEN, 16),
    _case("ĉ frozen, sphere", _FROZEN, 50),
    _case("ĉ frozen, sphere", _FROZEN, 200),
    _case("ĉ trained, sphere", _JOINT, 50),
    _case("ĉ trained without Π, he3", _FREE, 16, _WAITS, activation="he3"),
    _case("ĉ trained, sigmoid", _JOINT, 50, activation="sigmoid"),
    _case("ĉ frozen, eight tasks", _FROZEN, 50, different=True),
    _case("ĉ frozen, one replica", _FROZEN, 50, _ALONE, replicas=1),
    _case("ĉ frozen, batch 8", _FROZEN, 50, batch=8),
    _case("ĉ frozen, batch 64", _FROZEN, 50, batch=64),
    *(_case(f"LoRA of rank {r}", lrft.LoRA(rank=r), 50, _OWN) for r in (2, 4, 8)),
    _case("LoRA of rank 4, batch 8", lrft.LoRA(rank=4), 50, _OWN, batch=8),
    *(_case(f"full network of width {w}", _full(w), 16, _BACK) for w in (16, 32, 64)),
    _case("full network of width 16, batch 8", _full(16), 16, _BACK, batch=8),
    _case("ĉ frozen", _FROZEN, 16, _GRAM, **_ONE_CHAIN),
    _case("ĉ frozen", _FROZEN, 50, _GRAM, **_ONE_CHAIN),
    _case("ĉ frozen, batch 8", _FROZEN, 50, _GRAM, batch=8, **_ONE_CHAIN),
    _case("LoRA of rank 4", lrft.LoRA(rank=4), 50, _GRAM, **_ONE_CHAIN),
    _case("full network of width 16", _full(16), 16, _GRAM, **_ONE_CHAIN),
)
