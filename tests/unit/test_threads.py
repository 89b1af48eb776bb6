"""Threads where there are fewer than asked for, after a fork, and beside Python's own."""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import lrft
from lrft.core.engine import compiled

PROGRAM = """
import os, sys, threading
import numpy as np, lrft

task = lrft.Task.sample(d=100, k=4, seed=0)
training = lrft.Training(lr=1e-3, steps=500, record=2)

def run(threads):
    return lrft.simulate(task, training, replicas=20, threads=threads).overlap_u.values

"""
LIMITED = """
import resource
expected = run(1)
huge = 2**36  # a stack that no thread can have
resource.setrlimit(resource.RLIMIT_STACK, (huge, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))
if os.environ.get("AGAIN") is None:  # the size of stacks is read when a process begins
    os.environ["AGAIN"] = "1"
    os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[-1]])
try:
    threading.Thread(target=print).start()
except RuntimeError:
    pass
else:
    raise AssertionError("there are threads")
assert np.array_equal(run(2), expected)
"""
LEFT_BEHIND = """
def forever(begun):
    training = lrft.Training(lr=1e-9, steps=10**10)
    lrft.simulate(task, training, replicas=20, threads=2, progress=lambda _: begun.set())
all_begun = [threading.Event(), threading.Event()]
for begun in all_begun:
    threading.Thread(target=forever, args=(begun,), daemon=True).start()
for begun in all_begun:
    assert begun.wait(30)
"""
FORKED = """
import os
first = run(2)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(run(2), first) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(run(2), first)
"""


def finishes(program, **environment):
    subprocess.run(
        [sys.executable, "-c", PROGRAM + program],
        env=os.environ | environment,
        check=True,
        timeout=60,
    )


def test_fewer_threads_than_asked_for():
    finishes(LIMITED, OPENBLAS_NUM_THREADS="1")


def test_daemon_threads_do_not_take_the_process_down_at_its_end():
    finishes(LEFT_BEHIND)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_after_a_fork():
    finishes(FORKED)


def test_a_run_is_for_one_thread_at_a_time():
    inside, leave = threading.Event(), threading.Event()

    def value(z):
        if threading.current_thread().name == "other":
            inside.set()
            leave.wait(30)
        return math.sin(z)

    double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    activation = lrft.Activation.custom(double(value), double(math.cos))
    task = lrft.Task.sample(d=100, k=4, seed=0, activation=activation)
    training = lrft.Training(lr=1e-9, steps=2**40, record=2)
    simulation = lrft.Simulation(task, training, replicas=8, threads=1)
    other = threading.Thread(target=simulation.advance, args=(0.0,), name="other")
    simulation.advance(0.0)
    for seconds in (float("nan"), -1.0, "1"):
        with pytest.raises((TypeError, ValueError), match="seconds must be"):
            simulation.advance(seconds)
    assert len(simulation.chains()) == 8
    other.start()
    assert inside.wait(30)
    with pytest.raises(RuntimeError, match="another thread"):
        simulation.chains()
    leave.set()
    other.join()
    assert len(simulation.chains()) == 8


def test_empty_arrays_reach_no_pointer():
    for W, u in ((np.zeros((0, 3)), np.ones((1, 3))), (np.eye(3), np.zeros((0, 3)))):
        with pytest.raises(ValueError, match="must not be empty"):
            compiled.span_basis(W, u)
    with pytest.raises(ValueError, match="at least one task"):
        compiled.Run(compiled.RunSpec())


def test_a_wide_student_counts_in_a_batch():
    task = lrft.Task.sample(d=10**6, k=4, seed=0)
    student = lrft.FullNetwork(width=3000, init="gaussian", lam_init="ones")
    batch = 2**32 // 3006 + 1
    training = lrft.Training(student=student, lr=1e-4, steps=1, batch=batch, record=2)
    with pytest.raises(ValueError, match="batch"):
        lrft.Simulation(task, training, replicas=1, threads=1, engine="reduced")
