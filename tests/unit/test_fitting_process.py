"""`fit` as a program runs it: forks, memory maps, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import json, os, resource, sys, time
import numpy as np
import lrft

rng = np.random.default_rng(0)
base = lrft.Weights(rng.standard_normal((8, 64)) / 8, np.ones(8), "relu")

def fit(X, y, **more):
    return lrft.fit(base, lrft.LoRA(rank=2), X, y, lr=1e-3, **more)

def small(threads):
    X = np.sin(np.arange(300 * 64)).reshape(300, 64)
    return fit(X, X[:, 0], replicas=5, threads=threads).B.values

"""


def program(text, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + text, *arguments],
        env=os.environ | environment,
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_after_a_fork():
    program(
        """
first = small(2)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(small(2), first) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(small(1), first)
"""
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_memory_map_is_not_loaded(shuffle, tmp_path):
    """A map of 512 MiB under a limit of 96 MiB more than the process has: no copy can be made."""
    out = program(
        """
def anonymous():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024

rows = 2**20
X = np.memmap(sys.argv[1], dtype=np.float64, mode="w+", shape=(rows, 64))
X[:: rows // 64] = 1.0
y = np.zeros(rows)
fit(np.ones((10, 64)), np.ones(10))
for line in open("/proc/self/status"):
    if line.startswith("VmData"):
        used = 1024 * int(line.split()[1])
before, peak = anonymous(), 0.0
resource.setrlimit(resource.RLIMIT_DATA, (used + 96 * 2**20, used + 96 * 2**20))

def watch(_):
    global peak
    peak = max(peak, anonymous())

ds = fit(X, y, batch=64, shuffle=sys.argv[2] == "True", progress=watch, threads=1)
assert ds.stop_step[0] == rows // 64
print(json.dumps(peak - before))
""",
        str(tmp_path / "X"),
        str(shuffle),
    )
    # y twice (8 MiB), an order (4 MiB) and a block scanned at a time
    assert float(out) < 48


INTERRUPTED = """
import threading, signal
X = np.sin(np.arange(2000 * 64)).reshape(2000, 64)
y = X[:, 0] * X[:, 1]
epochs, caught = 200, 0
while caught < 3:  # a quick machine may need more steps, and so may a timer that is late
    more = dict(
        lr=1e-3, epochs=epochs, record=6, replicas=3, threads=2, seed=1, validation=(X, y)
    )
    fitting = lrft.Fitting(base, lrft.LoRA(rank=2), X, y, **more)
    caught, ended = 0, False
    while caught < 3 and not ended:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            ended = fitting.advance(60)
            timer.join()
        except KeyboardInterrupt:
            caught += not ended
    epochs *= 4
fitting.run()
ds, whole = fitting.dataset(), lrft.fit(base, lrft.LoRA(rank=2), X, y, **more)
for name in whole.variables:
    np.testing.assert_array_equal(ds[name], whole[name])
print("same")
"""


@pytest.mark.alone
def test_an_interrupted_fit_can_go_on():
    assert program(INTERRUPTED) == "same\n"


WAITING = """
X = np.sin(np.arange({rows} * 64)).reshape({rows}, 64)
def stream():
    while True:
        yield X, X[:, 0]
small(1)  # imports what the end of a run does
said = []
def begun(now):
    if now.done_steps and not said:
        said.append(print("ready", flush=True))
ds = fit({given}, threads={threads}, replicas=3, epochs={epochs}, on_interrupt="return",
         progress=begun, **{more})
json.dump(
    dict(at=time.monotonic(), status=ds.status.values.tolist(), steps=ds.stop_step.values.tolist(),
         shape=list(ds.B.shape), finite=bool(np.isfinite(ds.B.values[0]).all())), sys.stdout)
"""


@pytest.mark.alone
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize(
    ("given", "rows", "epochs", "threads", "more"),
    [
        ("X, X[:, 0]", 1000, 10**8, 1, "{}"),
        ("X, X[:, 0]", 50_000, 10**5, 2, "{'validation': (X, X[:, 0]), 'batch': 500}"),
        ("stream(), None", 1000, 1, 1, "{}"),
    ],
    ids=["passes", "two threads, held-out samples", "a stream"],
)
def test_ctrl_c_returns_what_was_recorded(given, rows, epochs, threads, more):
    text = WAITING.format(given=given, rows=rows, epochs=epochs, threads=threads, more=more)
    taken = []
    while len(taken) < 3 and not (taken and min(taken) < 0.5):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM + text], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.1)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        found = json.loads(out)
        taken.append(found["at"] - sent)
        assert set(found["status"]) == {"interrupted"}
        assert max(found["steps"]) > 0
        assert found["shape"] == [3, 8, 2]
        assert found["finite"]
    assert min(taken) < 0.5
