"""Instruction sets side by side, one process for each: a process only ever loads one.

A worker answers lines "what amount" on its standard input with the seconds that took.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise

import lrft
from lrft.bench.case import Case, Contest
from lrft.bench.environment import one_thread_environment
from lrft.bench.interleave import Contender
from lrft.bench.parts import check_normals, numpy_normals
from lrft.bench.simulations import problem_of, simulator, task_of, training_of
from lrft.core import isa as instruction_sets
from lrft.core.engine import compiled

__all__ = ["ISA_CASES"]

#: what is timed: (units of work a call does at least, replicas)
_WORK = {"normals": (8192, 1), "ambient": (256, 1), "reduced": (256, 64)}


class Worker:
    """A process that runs one instruction set."""

    def __init__(self, isa: str) -> None:
        self.isa = isa
        environment = one_thread_environment() | {"LRFT_ISA": isa}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lrft.bench.worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def ask(self, line: str) -> str:
        """Send a line and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker for {self.isa} ended, with code {self._process.wait()}")
        return answer.strip()

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()


def _contender(worker: Worker, what: str) -> Contender:
    multiple, each = _WORK[what]
    return Contender(
        worker.isa, lambda n: float(worker.ask(f"{what} {n}")), multiple=multiple, per_call=each
    )


def _contest(what: str, better: str, worse: str) -> Contest:
    workers = Worker(better), Worker(worse)

    def check() -> None:
        for worker in workers:
            if worker.ask("isa") != worker.isa:
                raise AssertionError(f"{worker.isa} was asked for and does not run")
        a, b = (float(worker.ask("overlap")) for worker in workers)
        if not abs(a - b) < 1e-9:
            raise AssertionError(f"{better} and {worse} differ by {abs(a - b):.1e} after 500 steps")

    ours, other = (_contender(worker, what) for worker in workers)
    return Contest(ours, [(other, "self")], check)


def _against_numpy(isa: str) -> Contest:
    ours = _contender(Worker(isa), "normals")
    return Contest(ours, [(numpy_normals(), "loop")], check_normals)


def _cases() -> tuple[Case, ...]:
    sets = tuple(
        Case(
            f"{what}, {better} for {worse}",
            "instruction set",
            "normal" if what == "normals" else "replica-step",
            partial(_contest, what, better, worse),
            goal=1.0,
            goal_kinds=("self",),
            note="Each set runs in a process of its own.",
        )
        for better, worse in pairwise(instruction_sets.available())
        for what in _WORK
    )
    normals = tuple(
        Case(
            f"normals, {isa} for NumPy",
            "instruction set",
            "normal",
            partial(_against_numpy, isa),
            goal=goal,
            goal_kinds=("loop",),
        )
        for isa, goal in (("x86-64-v4", 4.0), ("x86-64-v3", 3.0))
        if isa in instruction_sets.available()
    )
    return sets + normals


ISA_CASES = _cases()


def _serve() -> None:
    problem = problem_of(1000, 16, "relu", False)
    work = {
        "normals": lambda n: compiled.limits.normals(n, 1),
        "ambient": simulator("ambient", problem, "ambient", 1).call,
        "reduced": simulator("reduced", problem, "reduced", 64).call,
    }
    for line in sys.stdin:
        what, *amount = line.split()
        if what == "isa":
            print(compiled.build_info()["isa"], flush=True)
        elif what == "overlap":
            training = training_of(problem, 500)
            ds = lrft.simulate(task_of(problem), training, replicas=1, seed=7, engine="ambient")
            print(repr(float(ds.overlap_u.values[0, -1])), flush=True)
        else:
            start = time.process_time()
            own = work[what](int(amount[0]))
            print(time.process_time() - start if what == "normals" else own, flush=True)


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    _serve()
