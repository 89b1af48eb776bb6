"""Studies that are killed: the ledger ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

import lrft
from lrft import study as studies
from lrft.study.ledger import Ledger

STUDY = {
    "task": {"k": 4, "features": "orthonormal"},
    "training": {"lr": 0.002, "steps": 2000, "record": 20},
    "grid": {
        "d": [100, 300],
        "xi": {"linspace": [1.0, 3.0, 40]},
        "activation": ["relu", "tanh", "he3"],
    },
}
SEED = 20240611  # of the moments; chosen once

# Says a line when it begins and one after each look at its blocks, each of one unit, so that
# every start counts.
CHILD = """
import json, sys
import lrft
from lrft.study import driver
driver.BLOCK_SECONDS, driver.PROBE_SECONDS = 0.0, 0.05
study = json.loads(sys.argv[1])
driver.dataset.assemble = lambda *arguments: None  # takes long to load and is not under test
say = lambda _: print("look", flush=True)
lrft.sweep(study, sys.argv[2], threads=2, announce=say, progress=say)
"""


def rows(path):
    """Everything about every unit, when and how it was computed included."""
    if not path.exists() or not path.stat().st_size:
        return {}
    with Ledger(path) as ledger:  # writing: what a kill left half done is rolled back
        return {key: ledger.row(key) for key in ledger.units()}


def results(path):
    return {key: row.result for key, row in rows(path).items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "study.db"
    lrft.sweep(STUDY, path, threads=1)
    assert len(results(path)) == 240
    return results(path)


def child(path):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(STUDY), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_and_restart(path, moments):
    """Start, kill at each moment (looks, then seconds); return how many units there were then."""
    counts, before = [], {}
    for looks, delay in moments:
        process = child(path)
        for _ in range(looks):
            assert process.stdout.readline() == "look\n", process.communicate()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = rows(path)
        # Whatever was finished is still there, and was not computed again.
        assert {key: now[key] for key in before} == before
        counts.append(len(now))
        before = now
    process = child(path)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    now = rows(path)
    assert {key: now[key] for key in before} == before
    return counts


@pytest.mark.verification
def test_twenty_kills_leave_the_ledger_of_an_undisturbed_run(tmp_path, undisturbed):
    draw = random.Random(SEED)
    moments = [(draw.randrange(7), draw.uniform(0.0, 0.03)) for _ in range(20)]
    counts = kill_and_restart(tmp_path / "study.db", moments)
    assert results(tmp_path / "study.db") == undisturbed
    assert sum(0 < count < len(undisturbed) for count in counts) >= 10, counts


def test_interruption_keeps_what_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(studies.driver, "BLOCK_SECONDS", 0.0)
    small = STUDY | {"grid": {"d": [100, 300], "xi": {"linspace": [1.0, 3.0, 10]}}}

    def interrupt(progress):
        if 0 < progress.done < progress.total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lrft.sweep(small, tmp_path / "study.db", threads=1, progress=interrupt)
    kept = rows(tmp_path / "study.db")
    assert 0 < len(kept) < 20
    lrft.sweep(small, tmp_path / "study.db", threads=1)
    lrft.sweep(small, tmp_path / "undisturbed.db", threads=1)
    now = rows(tmp_path / "study.db")
    assert results(tmp_path / "study.db") == results(tmp_path / "undisturbed.db")
    assert {key: now[key] for key in kept} == kept


# ---- a cluster of programs --------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """Address, scheduler and two workers, each a program of its own that can be killed."""
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    known = tmp_path / "scheduler.json"
    environment = os.environ | {
        "DASK_DISTRIBUTED__WORKER__DAEMON": "false",
        "OMP_NUM_THREADS": "1",
    }

    def start(stack, program, *arguments):
        command = [sys.executable, "-m", "distributed.cli." + program, *arguments]
        log = stack.enter_context((tmp_path / f"{program}.log").open("a"))
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    with ExitStack() as stack:
        scheduler = start(
            stack,
            "dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(known),
        )
        deadline = time.monotonic() + 60
        while not known.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        found = [
            start(
                stack,
                "dask_worker",
                "--scheduler-file",
                str(known),
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
                "--local-directory",
                str(tmp_path / name),
            )
            for name in ("one", "two")
        ]
        yield json.loads(known.read_text())["address"], scheduler, found


@pytest.mark.verification
def test_scheduler_and_workers_as_programs(cluster, tmp_path, undisturbed, monkeypatch):
    """The command line against a cluster; then a worker dies amid a study, then the scheduler."""
    address, scheduler, workers = cluster
    toml = tmp_path / "study.toml"
    toml.write_text(
        """
        [task]
        k = 4
        features = "orthonormal"
        [training]
        lr = 0.002
        steps = 2000
        record = 20
        [grid]
        d = [100, 300]
        xi = {linspace = [1.0, 3.0, 40]}
        activation = ["relu", "tanh", "he3"]
        """
    )
    done = subprocess.run(
        [sys.executable, "-m", "lrft.cli", "sweep", str(toml), "--scheduler", address],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "study.db") == undisturbed

    import distributed

    killed = []

    def kill(progress):
        if not killed and 0 < progress.done < progress.total:
            killed.append(workers[0])
            workers[0].kill()

    with distributed.Client(address) as client:
        client.wait_for_workers(2, timeout=60)
        monkeypatch.setattr(studies.driver, "BLOCK_SECONDS", 0.02)
        ds = lrft.sweep(STUDY, tmp_path / "killed.db", scheduler=client, progress=kill)
    assert killed
    assert (ds.failure == "").all()
    assert results(tmp_path / "killed.db") == undisturbed

    def kill_scheduler(progress):
        if 0 < progress.done < progress.total:
            scheduler.kill()

    with pytest.raises(ConnectionError, match="the scheduler has gone"):
        lrft.sweep(STUDY, tmp_path / "gone.db", scheduler=address, progress=kill_scheduler)
    kept = results(tmp_path / "gone.db")
    assert 0 < len(kept) < len(undisturbed)
    assert kept == {key: undisturbed[key] for key in kept}


def test_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    monkeypatch.setattr("lrft.study.workers.CONNECT_SECONDS", 0.5)
    with pytest.raises(ValueError, match="cannot connect"):
        lrft.sweep(STUDY, tmp_path / "study.db", scheduler="tcp://127.0.0.1:9")


def test_block_refuses_to_run_under_other_code():
    from lrft.study.work import Block, run_block

    unit = studies.plan(STUDY).missing[0]
    for code, isa in (("0.0.0", lrft._core.build_info()["isa"]), ("", "z80")):
        with pytest.raises(RuntimeError, match="bits would differ"):
            run_block(Block((unit,), 1, code, isa))
