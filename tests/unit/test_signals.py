"""Signals at any moment of any command: the right exit code, and files that can be read.

The moments are random. `LRFT_SIGNALS` says how many are tried; the reaction is the time from the
signal to the last step, saving and drawing excluded, as the process itself measures it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lrft
from lrft.study.ledger import Ledger

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="sends signals"),
    pytest.mark.verification,
    pytest.mark.alone,
    pytest.mark.any_set,
]

COUNT = int(os.environ.get("LRFT_SIGNALS", "20"))
SEED = 20240711  # of the moments; chosen once
LIMIT = 0.5  # seconds
STUDY = """
[task]
k = 8
features = "orthonormal"
[training]
lr = 1e-7
steps = 2_000_000
record = 20
[run]
replicas = 8
[grid]
d = [100, 300]
xi = {linspace = [1.0, 3.0, 40]}
"""

# The command, in a process that notes when the engine was left.
COMMAND = """
import sys, time
from pathlib import Path
from lrft.base import interrupts
from lrft.cli import main, signals
from lrft.study import workers

def left(*_):
    with Path("left").open("a") as file:
        print(time.monotonic(), file=file)

act, held, local = signals.act, interrupts.Held.act, workers.Local.__exit__
def noted_act(*one):
    came = act(*one)
    came and left()
    return came
def noted_held(*one):
    came = held(*one)
    came and left()
    return came
def noted_local(self, kind, *more):
    local(self, kind, *more)
    kind is not None and left()
signals.act, interrupts.Held.act, workers.Local.__exit__ = noted_act, noted_held, noted_local
print("ready", file=sys.stderr, flush=True)
main()
"""
LOOP = """
import sys, time
from pathlib import Path
import lrft
try:
    print("ready", file=sys.stderr, flush=True)
    task = lrft.Task.sample(d=500, k=20, seed=0)
    student = lrft.LoRA(rank=4)
    training = lrft.Training(student=student, lr=1e-6, steps=20_000, batch=8, record=5)
    while True:
        lrft.simulate(task, training, replicas=8)
except KeyboardInterrupt as error:
    if isinstance(error, lrft.Interrupted):
        Path("left").write_text(str(time.monotonic()))
        assert set(error.result.status.values.tolist()) <= {"interrupted", "finished"}
    sys.exit(130)
"""

COMMANDS = {  # arguments, and seconds from "ready" within which signals come
    "run": (["run", "--steps", "900000000", "--lr", "1e-12", "--name", "out"], 5.0),
    "wide run": (
        [
            "run",
            "--k",
            "200",
            "--student",
            "lora",
            "--rank",
            "60",
            "--batch",
            "300",
            "--lr",
            "1e-9",
            "--steps",
            "100000",
            "--name",
            "out",
        ],
        6.0,
    ),
    "sweep": (["sweep", "study.toml", "--threads", "2"], 8.0),
    "rerun": (["rerun", "long.nc"], 6.0),
    "reproduce": (["reproduce", "figures", "--quick", "--out", "report"], 20.0),
    "loop": ([], 5.0),
}


def send(
    folder: Path, arguments: list[str], kinds: list[signal.Signals], moment: float, gap: float
) -> tuple[int, str, float]:
    """Run, and signal after `moment` and, if there are two, `gap`; code, stderr and reaction."""
    program = COMMAND if arguments else LOOP
    (folder / "left").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        time.sleep(moment)
        sent = time.monotonic()
        process.send_signal(kinds[0])
        for kind in kinds[1:]:
            time.sleep(gap)
            process.send_signal(kind)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    left = folder / "left"
    reaction = float(left.read_text().split()[0]) - sent if left.exists() else float("nan")
    return process.returncode, err, reaction


def check_files(folder: Path, name: str) -> None:
    """Whatever there is can be read; nothing is half written."""
    assert not list(folder.glob("**/.lrft-*.tmp")), list(folder.iterdir())
    for file in folder.glob("**/out.nc"):
        lrft.load(file)
    if (folder / "study.db").exists() and (folder / "study.db").stat().st_size:
        with Ledger(folder / "study.db") as ledger:
            ledger.units()
    for file in folder.glob("report/*.json"):
        json.loads(file.read_text())
    if name == "reproduce" and any(folder.glob("report/*.nc")):
        import xarray as xr

        for file in folder.glob("report/*.nc"):
            xr.open_dataset(file, engine="h5netcdf").close()


def test_signals_at_random_moments(tmp_path, capsys):
    draw = random.Random(SEED)
    (tmp_path / "study.toml").write_text(STUDY)
    long = lrft.simulate(
        lrft.Task.sample(d=2000, k=8, seed=0), lrft.Training(lr=1e-7, steps=20_000_000), replicas=8
    )
    lrft.save(long, tmp_path / "long.nc")
    reactions, ended, slowest = [], 0, ""
    for i in range(COUNT):
        name = list(COMMANDS)[i % len(COMMANDS)]
        arguments, within = COMMANDS[name]
        kinds = [draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])]
        if name == "loop":
            kinds = [signal.SIGINT]
        elif draw.random() < 0.5:
            kinds.append(draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        moment, gap = draw.uniform(0.0, within), draw.uniform(0.0, 0.3)
        code, err, reaction = send(tmp_path, arguments, kinds, moment, gap)
        what = f"{name} {[k.name for k in kinds]} after {moment:.3f} s, {gap:.3f} s: {code} {err!r}"
        assert "Traceback" not in err, what
        # A second one that comes first by a hair may be the one that counts.
        assert code in {128 + kind for kind in kinds} | {0}, what
        ended += code == 0
        if not np.isnan(reaction):
            slowest = what if reaction > max(reactions, default=0.0) else slowest
            reactions.append(reaction)
            if name in ("run", "wide run"):
                assert (tmp_path / "out.nc").exists(), what
        check_files(tmp_path, name)
        (tmp_path / "out.nc").unlink(missing_ok=True)
    with capsys.disabled():
        print(
            f"\n{COUNT} signals, {ended} after the end, {len(reactions)} while the engine ran: "
            f"slowest reaction {max(reactions):.3f} s, median {np.median(reactions):.3f} s\n"
            f"slowest: {slowest[:200]}; all: {np.round(sorted(reactions)[-8:], 3)}"
        )
    assert max(reactions) < LIMIT
