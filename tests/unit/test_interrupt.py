"""Ctrl-C during a run: it acts within half a second, and what was recorded is kept.

Each run is a program of its own.  The limit is on what lrft does, so the best of three signals
counts: a busy machine may hold any one of them back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="sends SIGINT"),
    pytest.mark.alone,
]

LIMIT = 0.5  # seconds
ATTEMPTS = 3

PROGRAM = """
import json, sys, time
import lrft
import lrft.result
lrft.result.dataset.get_ready()  # what the run would load first

task = lrft.Task.sample({task}, seed=1)
if {engine!r} == "ambient":
    task.W, task.u
training = lrft.Training(
    student={student}, lr=1e-12, steps=10**10,
    batch={batch}, record=lrft.geometric(60),
)
# The clock runs to the last step: exact losses where replicas stand, and saving, come after it.
at, advance = float("nan"), lrft.Simulation.advance
def noted(simulation, *arguments):
    global at
    try:
        return advance(simulation, *arguments)
    finally:
        at = time.monotonic()
lrft.Simulation.advance = noted
print("ready", flush=True)
try:
    lrft.simulate(task, training, replicas={replicas}, engine={engine!r}, threads={threads})
except lrft.Interrupted as error:
    ds = error.result
json.dump(
    dict(
        at=at, status=ds.status.values.tolist(), steps=ds.stop_step.values.tolist(),
        interrupted=int(ds.attrs["interrupted"]),
        recorded=[int(r.notnull().sum()) for r in ds.loss], grid=ds.step.values.tolist(),
    ),
    sys.stdout,
)
"""

BASE = {"student": "lrft.RankOne()", "batch": 1, "replicas": 3, "threads": 1}
RUNS = {  # what runs, and how long after its start the signal comes
    "reduced": ({"task": "d=10**6, k=16", "engine": "reduced"}, 0.3),
    "reduced, more replicas than lanes": (
        {
            "task": "d=100, k=50",
            "engine": "reduced",
            "replicas": 40,
            "threads": 2,
            "student": "lrft.RankOne(train_c=True)",
        },
        0.4,
    ),
    "reduced, wide batch": ({"task": "d=4000, k=8", "engine": "reduced", "batch": 2000}, 0.3),
    "ambient": ({"task": "d=200, k=4", "engine": "ambient", "threads": 2}, 0.3),
    "ambient, wide batch": ({"task": "d=1000, k=4", "engine": "ambient", "batch": 3000}, 0.3),
    # A block of inputs is half a gigabyte of numbers here, and is never held in memory.
    "ambient, d = 10^6": ({"task": "d=10**6, k=16", "engine": "ambient"}, 0.8),
    "ambient, d = 10^6, at once": ({"task": "d=10**6, k=16", "engine": "ambient"}, 0.05),
    "ambient, d = 2 10^6": (
        {
            "task": "d=2 * 10**6, k=4",
            "engine": "ambient",
            "threads": 2,
            "student": "lrft.RankOne(orthogonal=False)",
        },
        1.1,
    ),
    # Steps of seconds, so that no step ends before the signal comes.
    "slow, reduced, batch 10^5": (
        {"task": "d=10**6, k=50", "engine": "reduced", "batch": 10**5},
        0.5,
    ),
    "slow, reduced, wide LoRA": (
        {
            "task": "d=2000, k=300",
            "engine": "reduced",
            "batch": 300,
            "student": "lrft.LoRA(rank=100)",
        },
        1.0,
    ),
    "slow, reduced, full network": (
        {
            "task": "d=2000, k=300",
            "engine": "reduced",
            "batch": 200,
            "student": "lrft.FullNetwork()",
        },
        1.0,
    ),
    "slow, ambient, full network": (
        {"task": "d=10**5, k=200", "engine": "ambient", "student": "lrft.FullNetwork()"},
        2.0,
    ),
}


def interrupt(program: str, delay: float) -> tuple[float, str]:
    """Run, send SIGINT `delay` seconds after "ready"; when it was sent, and the output."""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    return sent, out


@pytest.mark.parametrize("name", RUNS)
def test_simulate_raises_with_what_was_recorded(name):
    options, delay = RUNS[name]
    taken = []
    while len(taken) < ATTEMPTS and not (taken and min(taken) < LIMIT):
        sent, out = interrupt(PROGRAM.format(**(BASE | options)), delay)
        found = json.loads(out)
        taken.append(found["at"] - sent)
        assert found["interrupted"] == 1
        assert set(found["status"]) == {"interrupted"}
        for steps, recorded in zip(found["steps"], found["recorded"], strict=True):
            # Every record reached is there, and none beyond; a replica in the queue has none.
            reached = sum(step <= steps for step in found["grid"])
            # Of a record at the very step where it was left the loss may have been cut short.
            cut = int(steps in found["grid"])
            assert recorded in ({reached, reached - cut} if steps else {0, 1})
        if "at once" not in name and "slow" not in name:
            assert max(found["steps"]) > 0
    assert min(taken) < LIMIT


def test_ctrl_c_while_the_run_loads_what_it_needs_is_kept_too():
    program = PROGRAM.format(**(BASE | RUNS["reduced"][0])).replace(
        "lrft.result.dataset.get_ready()", ""
    )
    _, out = interrupt(program, 0.1)
    found = json.loads(out)
    assert found["interrupted"] == 1
    assert set(found["status"]) == {"interrupted"}


CALLS = {
    "normals": "lrft.normals(0, 0, 0, 2**28)",
    "an automatic rate": "lrft.simulate(lrft.Task.sample(d=5000, k=1500, activation='tanh'),"
    " lrft.Training(lr='auto', steps=10), replicas=1)",
    "an exact loss": "lrft.simulate(lrft.Task.sample(d=5000, k=1200, activation='silu'),"
    " lrft.Training(lr=1e-9, steps=10), replicas=1)",
}
CALL = """
import time, lrft, lrft.result, lrft.theory
lrft.result.dataset.get_ready()
print("ready", flush=True)
try:
    while True:
        {call}
except KeyboardInterrupt:
    print(time.monotonic())
"""


@pytest.mark.parametrize("name", CALLS)
def test_every_long_call_reacts(name):
    taken = []
    while len(taken) < ATTEMPTS and not (taken and min(taken) < LIMIT):
        sent, out = interrupt(CALL.format(call=CALLS[name]), 0.5)
        taken.append(float(out) - sent)
    assert min(taken) < LIMIT


def test_a_loop_stops_unless_it_asks_for_the_result():
    loop = """
import json, lrft
task, training = lrft.Task.sample(d=100, k=4, seed=0), lrft.Training(lr=1e-9, steps=10**10)
lrft.simulate(task, lrft.Training(lr=1e-9, steps=10), replicas=1)
print("ready", flush=True)
n = 0
try:
    while n < 2:
        n += 1
        ds = lrft.simulate(task, training, replicas=2, on_interrupt={how!r})
        if ds.attrs["interrupted"]:
            break
except KeyboardInterrupt as error:
    print(n, type(error).__name__, set(error.result.status.values.tolist()))
else:
    print(n, "returned", set(ds.status.values.tolist()))
"""
    for how, said in (("raise", "Interrupted"), ("return", "returned")):
        _, out = interrupt(loop.format(how=how), 0.3)
        assert out == f"1 {said} {{'interrupted'}}\n"


SLOW = """
import os, signal, threading
import numpy as np
import lrft

task = lrft.Task.sample(d=1500, k=60, seed=1)
students = [lrft.LoRA(rank=40, b_init="gaussian"), lrft.FullNetwork()]
for student, engine, batch, steps in (
    (students[0], "reduced", 2500, 5), (students[1], "reduced", 2500, 12),
    (students[0], "ambient", 2000, 5), (students[1], "ambient", 1, 600),
):
    if engine == "ambient":
        task = lrft.Task.sample(d=12_000, k=60, seed=1)
    training = lrft.Training(student=student, lr=1e-5, steps=steps, batch=batch, record=3)
    simulation = lrft.Simulation(task, training, replicas=3, engine=engine, threads=2)
    caught = tries = 0
    while not simulation.progress().running == 0:
        timer = threading.Timer(0.01 + 0.004 * tries, os.kill, (os.getpid(), signal.SIGINT))
        tries += 1
        try:
            timer.start()
            simulation.advance(60)
            timer.join()
        except KeyboardInterrupt:
            caught += 1
    assert caught >= 2, caught
    ds, whole = simulation.dataset(), lrft.simulate(task, training, replicas=3, engine=engine)
    for name in ("overlap_u", "loss", "hit_step", "status", "stop_step"):
        np.testing.assert_array_equal(ds[name], whole[name], err_msg=f"{student} {engine} {name}")
print("same")
"""


def test_a_step_that_is_left_leaves_no_trace():
    """Steps of a tenth of a second, left again and again in the middle: the same bits."""
    done = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "same\n", done.stderr


RESUMED = """
import os, signal, threading
import numpy as np
import lrft

task = lrft.Task.sample(d=50, k=4, seed=1)
for engine, steps in (("reduced", 10_000_000), ("ambient", 400_000)):
    training = lrft.Training(lr=0.01, steps=steps)
    simulation = lrft.Simulation(task, training, replicas=12, engine=engine, threads=2)
    caught = 0
    while caught < 3:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            assert not simulation.advance(60), "ended before the signal came"
        except KeyboardInterrupt:
            caught += 1
    simulation.run()
    ds, whole = simulation.dataset(), lrft.simulate(task, training, replicas=12, engine=engine)
    assert ds.attrs["interrupted"] == 0
    for name in ("overlap_u", "loss", "hit_step", "status", "stop_step"):
        np.testing.assert_array_equal(ds[name], whole[name])
print("same")
"""


def test_an_interrupted_simulation_can_go_on():
    """advance() raises KeyboardInterrupt and loses nothing: the rest gives the same bits."""
    done = subprocess.run(
        [sys.executable, "-c", RESUMED], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "same\n", done.stderr
