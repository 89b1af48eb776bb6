"""Whole steps: the ambient and the reduced space against the baselines, threads, and whole runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

import lrft
from lrft.base.threads import available_threads
from lrft.bench import rivals
from lrft.bench.case import Case, Contest
from lrft.bench.interleave import Contender
from lrft.bench.limit import Work, limit
from lrft.bench.rivals.check import WrongAnswer, check_given, written_out

__all__ = ["SIMULATION_CASES", "problem_of", "simulator", "task_of", "training_of"]

_SEED = 7
_STEPS_CHECKED = 150
_REPLICAS = 64
_MANY = 256


@cache
def problem_of(d: int, k: int, activation: str, joint: bool) -> Any:
    """Draw the baselines' problem of these sizes, once."""
    return rivals.Problem.sample(d, k, activation, joint)


def task_of(problem: Any) -> Any:
    """Return it as an `lrft.Task`."""
    return lrft.Task(
        W=problem.W,
        lam=problem.lam,
        c=problem.c,
        u=problem.u,
        xi=problem.xi,
        activation=problem.activation,
        neuron_scale=problem.neuron_scale,
    )


def training_of(problem: Any, steps: int, record: Any = None, **options: Any) -> Any:
    """Return its rates and start as an `lrft.Training`; by default both ends are recorded."""
    student = lrft.RankOne(
        train_c=problem.joint, orthogonal=True, c_init=problem.c0, u_init=problem.u0
    )
    record = (0, steps) if record is None else record
    return lrft.Training(student=student, lr=problem.lr, steps=steps, record=record, **options)


def simulator(
    name: str,
    problem: Any,
    engine: str,
    replicas: int,
    threads: int = 1,
    task: Any = None,
    clock: Callable[[], float] = time.process_time,
    optimiser: Any = "sgd",
) -> Contender:
    """Time the steps of a simulation, with the exact loss at both ends.

    Setting up and labelling the result, some milliseconds however long the run, are left out;
    whole runs are a case of their own.
    """
    task = task_of(problem) if task is None else task

    def call(steps: int) -> float:
        simulation = lrft.Simulation(
            task,
            training_of(problem, steps, optimiser=optimiser),
            replicas=replicas,
            seed=_SEED,
            engine=engine,
            threads=threads,
        )
        start = clock()
        simulation.run()
        return clock() - start

    return Contender(name, call, multiple=256, per_call=replicas)


@cache
def _loops(
    problem_key: tuple[int, int, str, bool], thorough: bool = True
) -> tuple[tuple[Contender, str], ...]:
    """Return the baselines that are installed; raise AssertionError if one is wrong."""
    problem = problem_of(*problem_key)
    ready = []
    for baseline in rivals.installed():
        if baseline.slow_to_compile and not thorough:
            continue
        try:
            run = baseline.load()
            check_given(baseline, problem, _STEPS_CHECKED)
        except WrongAnswer:
            raise
        except Exception as error:
            if not baseline.optional:
                raise
            print(
                f"{baseline.name} left out: {type(error).__name__}: {error}"[:200], file=sys.stderr
            )
            continue
        multiple = 16 if baseline.chains > 1 else 256
        call = partial(run, problem)
        ready.append(
            (
                Contender(baseline.name, call, multiple=multiple, per_call=baseline.chains),
                baseline.kind,
            )
        )
    return tuple(ready)


def _check_path(problem: Any) -> None:
    """Hold the ambient engine, sample by sample, against Eq. 4 written out."""
    inputs = np.stack([lrft.normals(_SEED, 0, t, problem.d) for t in range(_STEPS_CHECKED)])
    expected = written_out(problem, inputs)
    training = training_of(problem, _STEPS_CHECKED, tuple(range(_STEPS_CHECKED + 1)))
    ds = lrft.simulate(
        task_of(problem), training, replicas=1, seed=_SEED, engine="ambient", threads=1
    )
    gap = float(np.abs(ds.overlap_u.values[0] - expected).max())
    if not gap <= 1e-9:
        raise AssertionError(f"the ambient engine is off by {gap:.1e}")


def _check_law(problem: Any, task: Any = None, steps: int = 512) -> None:
    """Means and spreads of the overlap after `steps`, reduced against ambient, 64 replicas each."""
    task = task_of(problem) if task is None else task
    last = [
        lrft.simulate(
            task, training_of(problem, steps), replicas=_REPLICAS, seed=seed, engine=engine
        )
        .overlap_u.isel(step=-1)
        .values
        for engine, seed in (("reduced", _SEED), ("ambient", _SEED + 1))
    ]
    reduced, ambient = last
    score = abs(reduced.mean() - ambient.mean()) / math.hypot(reduced.std() / 8, ambient.std() / 8)
    spread = reduced.std() / ambient.std()
    if not (score < 5 and 0.5 < spread < 2):
        raise AssertionError(
            f"reduced and ambient: means {score:.1f} se apart, spread ratio {spread:.2f}"
        )


def _ambient(d: int, k: int, activation: str, joint: bool, thorough: bool) -> Contest:
    problem = problem_of(d, k, activation, joint)
    work = Work.of(task_of(problem), training_of(problem, 1), "ambient")
    return Contest(
        simulator("lrft", problem, "ambient", 1),
        _loops((d, k, activation, joint), thorough),
        partial(_check_path, problem),
        limit(work, activation),
    )


def _joint_against_frozen(d: int, k: int) -> Contest:
    frozen, joint = problem_of(d, k, "relu", False), problem_of(d, k, "relu", True)
    return Contest(
        simulator("joint", joint, "ambient", 1),
        [(simulator("frozen", frozen, "ambient", 1), "self")],
        partial(_check_path, joint),
    )


def _sampled(problem: Any, d: int, features: str) -> Any:
    """Return a task like the problem's that lives in coordinates: features of the kind named."""
    return lrft.Task.sample(
        d=d,
        k=problem.k,
        xi=problem.xi,
        activation=problem.activation,
        features=features,
        c=problem.c,
        u="orthogonal",
        lam=problem.lam,
        normalization="unit",
        seed=0,
    )


def _start_free(problem: Any) -> Any:
    """Return the problem with a start that any task accepts."""
    return replace(problem, u0="uniform")


def _reduced(k: int, joint: bool, features: str, thorough: bool) -> Contest:
    problem = _start_free(problem_of(1000, k, "relu", joint))
    task = _sampled(problem, 1000, features)
    return Contest(
        simulator("lrft", problem, "reduced", _REPLICAS, task=task),
        _loops((1000, k, "relu", joint), thorough),
        partial(_check_law, problem, task),
        limit(Work.of(task, training_of(problem, 1), "reduced"), "relu"),
    )


def _momentum(k: int) -> Contest:
    problem = _start_free(problem_of(1000, k, "relu", False))
    task = _sampled(problem, 1000, "orthonormal")

    def run(optimiser: Any, name: str) -> Contender:
        return simulator(name, problem, "reduced", _REPLICAS, task=task, optimiser=optimiser)

    return Contest(
        run(lrft.SGD(momentum=0.9), "momentum"),
        [(run("sgd", "plain SGD"), "self")],
        partial(_check_law, problem, task),
    )


def _any_dimension(k: int) -> Contest:
    problem = _start_free(problem_of(1000, k, "relu", False))
    large, small, between = (_sampled(problem, d, "orthonormal") for d in (10_000_000, 100, 1000))
    return Contest(
        simulator("d = 10⁷", problem, "reduced", _REPLICAS, task=large),
        [(simulator("d = 100", problem, "reduced", _REPLICAS, task=small), "self")],
        partial(_check_law, problem, between),
    )


def _threads(engine: str, d: int, k: int, counts: tuple[int, ...]) -> Contest:
    problem = problem_of(d, k, "relu", False)

    def check() -> None:
        one, *more = (
            lrft.simulate(
                task_of(problem),
                training_of(problem, 700),
                replicas=_REPLICAS,
                seed=_SEED,
                engine=engine,
                threads=n,
            ).overlap_u.values
            for n in counts
        )
        if not all(np.array_equal(one, other) for other in more):
            raise AssertionError(f"{counts} threads do not give the same bits")

    def on(threads: int) -> Contender:
        name = "one thread" if threads == 1 else f"{threads} threads"
        return simulator(name, problem, engine, _MANY, threads=threads, clock=time.perf_counter)

    return Contest(
        on(counts[-1]),
        [(on(n), "self" if n == 1 else "fewer threads") for n in counts[:-1]],
        check,
    )


def _thread_counts(most: int) -> tuple[int, ...]:
    """Return the powers of two below `most`, and `most`; 1 and 2 on one core."""
    most = max(most, 2)
    return (*(2**p for p in range((most - 1).bit_length())), most)


def _whole_run(engine: str, steps: int, thorough: bool) -> Contest:
    """Time all a user waits for: the task's basis, 200 records with losses, the dataset."""
    problem = problem_of(2000, 50, "relu", True)
    replicas = 8

    def ours(calls: int) -> None:
        for _ in range(calls):
            lrft.simulate(
                task_of(problem),
                training_of(problem, steps, 200),
                replicas=replicas,
                seed=_SEED,
                engine=engine,
                threads=1,
            )

    def check() -> None:
        _check_path(problem)
        _check_law(problem)

    return Contest(
        Contender("lrft", ours, per_call=replicas * steps),
        _loops((2000, 50, "relu", True), thorough),
        check,
    )


def _ambient_case(d: int, k: int, activation: str, joint: bool, goal: float | None) -> Case:
    quick = goal is not None and d == 1000
    return Case(
        f"ambient, d = {d}, k = {k}, {activation}, {'joint' if joint else 'frozen'}",
        "ambient",
        "step",
        partial(_ambient, d, k, activation, joint, False),
        thorough=partial(_ambient, d, k, activation, joint, True) if goal is not None else None,
        goal=goal,
        goal_share=None if goal is None else 0.7,
        quick=quick,
        note="One chain.",
    )


def _joint_case(d: int, k: int) -> Case:
    return Case(
        f"ambient, d = {d}, k = {k}, joint for frozen",
        "ambient",
        "step",
        partial(_joint_against_frozen, d, k),
        goal=1 / 1.2,
        goal_kinds=("self",),
        note="The ratio is the time with ĉ frozen over that with ĉ trained.",
    )


def _reduced_case(k: int, features: str, joint: bool, goal: float | None) -> Case:
    return Case(
        f"reduced, k = {k}, {features}, {'joint' if joint else 'frozen'}",
        "reduced",
        "replica-step",
        partial(_reduced, k, joint, features, False),
        goal=goal,
        thorough=partial(_reduced, k, joint, features, True) if goal is not None else None,
        quick=goal is not None,
        note="64 replicas; the loops are at d = 1000, orthonormal.",
    )


def _threads_case(engine: str) -> Case:
    counts = _thread_counts(available_threads())
    return Case(
        f"{engine}, {_MANY} replicas, {counts[-1]} threads",
        "ensemble",
        "replica-step",
        partial(_threads, engine, 1000, 16, counts),
        goal=0.9 * counts[-1],
        goal_kinds=("self",),
        quick=engine == "ambient",
        all_cores=True,
        note="The ratio is the time on fewer threads over that on all.",
    )


def _whole_case(engine: str, steps: int) -> Case:
    return Case(
        f"whole run, {engine}, d = 2000, k = 50, joint",
        "whole run",
        "replica-step",
        partial(_whole_run, engine, steps, False),
        note=f"8 replicas of {steps} steps with 200 records, exact losses and the dataset; "
        "the loops do the steps and overlaps only.",
    )


SIMULATION_CASES = (
    _ambient_case(1000, 16, "relu", False, 6.0),
    _ambient_case(1000, 16, "relu", True, None),
    _ambient_case(1000, 16, "tanh", False, None),
    _ambient_case(1000, 16, "gelu", False, None),
    _joint_case(1000, 16),
    _ambient_case(2000, 50, "relu", False, 5.0),
    _ambient_case(2000, 50, "relu", True, None),
    _ambient_case(2000, 50, "tanh", False, None),
    _ambient_case(2000, 50, "gelu", False, None),
    _joint_case(2000, 50),
    _reduced_case(16, "orthonormal", False, 200.0),
    _reduced_case(16, "orthonormal", True, None),
    _reduced_case(16, "sphere", False, None),
    Case(
        "reduced, k = 16, momentum for plain SGD",
        "reduced",
        "replica-step",
        partial(_momentum, 16),
        goal=1 / 1.6,
        goal_kinds=("self",),
        note="The ratio is the time of plain SGD over that with momentum.",
    ),
    Case(
        "reduced, k = 16, d = 10⁷ for d = 100",
        "reduced",
        "replica-step",
        partial(_any_dimension, 16),
        goal=0.9,
        goal_kinds=("self",),
        note="The ratio is the time at d = 100 over that at d = 10⁷.",
    ),
    _threads_case("ambient"),
    _threads_case("reduced"),
    _whole_case("ambient", 10_000),
    _whole_case("reduced", 20_000),
)
