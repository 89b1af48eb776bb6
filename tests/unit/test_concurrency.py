"""Ensembles on several threads, and Python threads that simulate at once: the serial results.

The thread sanitizer runs this file too (see .ci/run).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lrft
from lrft import theory

A = np.random.default_rng(5).standard_normal((2, 40)) / 6
STUDENTS: dict[str, Any] = {
    "rank one": lrft.RankOne(u_init="favourable"),
    "joint": lrft.RankOne(train_c=True, orthogonal=False),
    "lora, given": lrft.LoRA(rank=2, a_init=A),
    "full": lrft.FullNetwork(train_lam=True),
    "linearised": lrft.LoRA(rank=2, b_init="gaussian", linearized=True),
}
FINAL = ("final_overlap_u", "final_overlap_c", "final_loss")
SERIES = ("overlap_u", "overlap_c", "loss", "hit_step", "status", "stop_step", *FINAL)


def run(name: str, engine: str, threads: int, tasks: Any = None) -> dict[str, np.ndarray]:
    if tasks is None:
        tasks = task_list(engine)
    training = lrft.Training(student=STUDENTS[name], lr=2e-3, steps=60, batch=2, record=3)
    ds = lrft.simulate(tasks, training, replicas=12, seed=3, engine=engine, threads=threads)
    return {series: ds[series].values for series in SERIES}


def task_list(engine: str) -> list[lrft.Task]:
    tasks = [lrft.Task.sample(d=40, k=4, noise=0.1 * i, seed=i) for i in range(2)]
    if engine == "ambient":  # given weights, whose basis is found here
        tasks = [
            lrft.Task(**{n: getattr(t, n) for n in ("W", "u", "c", "lam", "xi")}) for t in tasks
        ]
    return tasks


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for series in SERIES:
        np.testing.assert_array_equal(a[series], b[series], err_msg=series)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", STUDENTS)
def test_threads_of_an_ensemble(name: str, engine: str) -> None:
    assert_same(run(name, engine, threads=4), run(name, engine, threads=1))


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What the calls return, each in a thread of its own, all started together."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def work(i: int) -> None:
        barrier.wait()
        try:
            results[i] = calls[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def test_python_threads_that_simulate_at_once() -> None:
    pairs = [(name, engine) for name in STUDENTS for engine in ("reduced", "ambient")]
    serial = [run(*pair, threads=1) for pair in pairs]
    together = at_once([lambda pair=pair: run(*pair, threads=2) for pair in pairs])
    for one, other in zip(serial, together, strict=True):
        assert_same(one, other)


SAMPLES = np.random.default_rng(6).standard_normal((90, 9))
BASE = lrft.Weights(SAMPLES[:4] / 3, np.ones(4), "tanh")


def fitted(name: str, threads: int) -> dict[str, np.ndarray]:
    student = lrft.RankOne(train_c=True) if name == "joint" else STUDENTS[name]
    ds = lrft.fit(
        BASE,
        student,
        SAMPLES,
        np.sin(SAMPLES[:, 0]),
        validation=(SAMPLES, SAMPLES[:, 1]),
        lr=0.01,
        epochs=3,
        batch=7,
        replicas=12,
        seed=3,
        threads=threads,
    )
    return {series: ds[series].values for series in ("train_loss", "validation_loss", "kept_step")}


def test_fits_on_several_threads_and_at_once() -> None:
    names = ["joint", "full", "linearised"]
    serial = [fitted(name, threads=1) for name in names]
    together = at_once([lambda name=name: fitted(name, threads=2) for name in names])
    for one, other in zip(serial, together, strict=True):
        for series in one:
            np.testing.assert_array_equal(one[series], other[series], err_msg=series)


def test_python_threads_that_share_a_task() -> None:
    """W, u, the content hash and the compiled activation are made when first asked for."""
    task = lrft.Task.sample(d=40, k=4, activation="tanh", seed=9)
    other = lrft.Task.sample(d=40, k=4, activation="tanh", seed=9)
    serial = run("rank one", "ambient", 1, other)
    for one in at_once([lambda: run("rank one", "ambient", 2, task)] * 4):
        assert_same(one, serial)
    losses = at_once([lambda: theory.population_loss(task, c_hat=task.c, m=0.3)] * 4)
    assert losses == [theory.population_loss(other, c_hat=other.c, m=0.3)] * 4


def test_python_threads_that_save_at_once(tmp_path: Any) -> None:
    def saved(i: int) -> dict[str, np.ndarray]:
        training = lrft.Training(lr=2e-3, steps=400, record=3)
        simulation = lrft.Simulation(task_list("reduced"), training, replicas=9, threads=2)
        simulation.advance(0.0)
        simulation.save_state(tmp_path / f"{i}.npz")
        again = lrft.Simulation.resume(tmp_path / f"{i}.npz", threads=2)
        again.run()
        return {series: again.dataset()[series].values for series in SERIES}

    first, *rest = at_once([lambda i=i: saved(i) for i in range(3)])
    for other in rest:
        assert_same(first, other)
