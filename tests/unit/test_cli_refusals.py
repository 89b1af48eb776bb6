"""What the command line refuses, each beside the same command without its fault."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.any_set,
    pytest.mark.usefixtures("folder"),
]


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.fixture
def wrong_files(folder: Path) -> None:
    """Files that no command takes."""
    (folder / "toml").write_text("[task\n")
    (folder / "utf").write_bytes(b"\xff\xfe")
    (folder / "key").write_text("[task]\ndd = 3\n")
    (folder / "table").write_text("[tasks]\nd = 3\n")
    (folder / "flat").write_text("task = 3\n")
    (folder / "type").write_text("[training]\nsteps = 'many'\n")
    (folder / "date").write_text("[task]\nd = 2020-01-01\n")
    (folder / "text.npz").write_text("hello")
    (folder / "file").touch()
    (folder / "deep").write_text("[task]\nd = " + "[" * 100_000)
    study = "[task]\nd = 9\nk = 2\n[training]\nlr = 0.1\n[derived]\nsteps = "
    (folder / "round").write_text(f"{study}'round(1, -10**9)'\n")
    (folder / "power").write_text(f"{study}'max(10**300 * 10**300, 1) // 10**290'\n")
    (folder / "long").write_text(f"{study}'{'(' * 900}'\n")
    np.savez(folder / "nan.npz", W=np.full((2, 3), np.nan), lam=np.ones(2))
    np.savez(folder / "shape.npz", W=np.ones((2, 3)), lam=np.ones(5))
    np.savez(folder / "full.npz", W=np.eye(3), lam=np.ones(3))
    np.savez(folder / "named.npz", weights=np.eye(3))


BAD = """
frobnicate
--frobnicate
run extra
run --nosuch 1
run --d
info extra
run --d 0
run --d -3
run --d 2.5
run --d many
run --d nan
run --d 1e400
run --k 0
run --k 1e30
run --xi 0
run --xi -1
run --xi nan
run --xi inf
run --activation swish
run --activation he0x
run --features cube
run --d 10 --k 20
run --features orthonormal --d 10 --k 20
run --c 0,0
run --k 2 --c 3,4
run --c cube
run --u sideways
run --parallel 1.5
run --parallel -0.1
run --lam 0
run --lam many
run --normalization batch
run --normalization unit --neuron-scale 2
run --noise -1
run --output-scale 0
run --teacher-rank 0
run --teacher-rank 2
run --rank 2
run --student lora
run --student lora --rank 0
run --student lora --rank 2 --train-c
run --student lora --rank 2 --b-init zero --no-train-b
run --student full --rank 2
run --student full --width 7
run --student full --stop-at 0.5
run --student sgd
run --name ..
run --task-seed -1
run --lr 1e999
run --lr -0.1
run --lr fast
run --lr nan
run --lr "{kind='constant'}"
run --loss hinge
run --loss "{kind='logistic', flip=0.7}"
run --loss correlation --lr auto
run --steps -5
run --steps 1.5
run --steps 1e30
run --batch 0
run --stop-at 1.5
run --stop-at 0
run --stop-loss -1
run --record 0
run --record 5,3
run --record 1e13 --steps 1e12
run --thresholds 0.5,0.1
run --thresholds 2
run --loss-thresholds 0
run --lr-c 0.1 --no-train-c
run --c-init cube
run --u-init up
run --u-init favourable --no-orthogonal
run --c-init 1,2,3
run --replicas 0
run --replicas many
run --replicas 1.5
run --seed -1
run --seed 1.5
run --engine gpu
run --threads 0
run --threads many
run --out file
run --out file/below
run --name a/b
run --name ''
run --config missing
run --config toml
run --config utf
run --config key
run --config table
run --config flat
run --config type
run --config date
run --config .
run --weights nosuch
run --weights nosuch.npz
run --weights text.npz
run --weights nan.npz
run --weights shape.npz
run --weights full.npz
run --weights named.npz
run --weights file
run --weights digits --d 100
run --weights digits --features zero
run --weights digits --lam 1
run --weights digits --xi 1e150
run --d 100 --k 3 --noise 1e200
run --d 100 --k 3 --output-scale 1e200
run --d 100 --k 3 --neuron-scale 1e200 --normalization none
run --lr .
run --lr 0.1.2
run --config deep
run --parallel 1.0000000000000002
sweep deep
sweep round
sweep power
sweep long
plot
plot missing.nc
plot text.npz
plot .
""".strip().splitlines()


@pytest.mark.usefixtures("wrong_files")
@pytest.mark.parametrize("command", BAD)
def test_bad_input_is_one_line_and_exit_code_two(cli: Any, folder: Path, command: str) -> None:
    before = names(folder)
    started = time.process_time()
    code, out, err = cli(*shlex.split(command))
    assert code == 2, out
    assert out == ""
    assert err.startswith("lrft: ")
    assert err.count("\n") == 1, err
    assert len(err) > len("lrft: \n") + 8, "the message says nothing"
    assert names(folder) == before
    assert time.process_time() - started < 10.0, "it ran"


@pytest.mark.usefixtures("wrong_files")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("run --config key", "unknown key 'dd' in [task]"),
        ("run --config table", "unknown table 'tasks'; did you mean 'task'?"),
        ("run --config missing", "No such file"),
        ("run --weights digits --d 100", "d is set by weights='digits'"),
        ("run --weights nosuch", "neither a file nor one of digits"),
        ("run --weights full.npz", "d >= 4"),
        ("run --steps 1.5", "steps must be an integer, got 1.5"),
        ("run --config deep", "config 'deep': not a TOML file: it nests too deeply"),
        ("sweep deep", "study 'deep': not a TOML file: it nests too deeply"),
        ("sweep round", "round takes at most 400 digits"),
        ("sweep power", "too large"),
        ("sweep long", "it is not an expression"),
        ("run --parallel 1.0000000000000002", "at most 1, got 1.0000000000000002"),
        ("run --weights digits --xi 1e150", "lr='auto' cannot be worked out"),
        ("run --out file", "out='file': cannot write there"),
    ],
)
def test_messages_name_what_is_wrong(cli: Any, command: str, reason: str) -> None:
    assert reason in cli(*shlex.split(command))[2]


CONTROLS = [
    "",
    "--d 1e2",
    "--k 2 --c 0.6,0.8",
    "--features orthonormal --d 20 --k 19",
    "--features zero",
    "--parallel 0.5 --no-orthogonal",
    "--lam 0.5",
    "--normalization none --neuron-scale 2",
    "--noise 0",
    "--stop-at 1",
    "--stop-loss 1",
    "--record 3,5",
    "--thresholds 0.1,0.5",
    "--thresholds 0.5",
    "--lr-c 0.1",
    "--lr .001",
    "--lr 1.",
    "--thresholds .1,.5",
    "--seed 007",
    "--u-init favourable",
    "--c-init quantized",
    "--steps 0",
    "--engine ambient",
    "--threads 1",
    "--seed 18446744073709551615",
    "--lr \"{kind='constant', lr=0.1}\"",
    "--loss correlation",
    "--loss \"{kind='logistic', flip=0.1}\"",
    "--activation he4",
    "--out new/folder",
    "--batch 3",
]


@pytest.mark.parametrize("flags", CONTROLS)
def test_good_input_beside_the_bad_runs(cli: Any, flags: str) -> None:
    small = [] if "--k" in flags else ["--k", "3"]
    given = ["run", "--d", "40", "--steps", "9", "--lr", "0.01", "--replicas", "2", *small]
    code, _, err = cli(*given, *shlex.split(flags))
    assert (code, err) == (0, "")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a=" * 5000])
def test_flag_that_nests_without_end_is_refused(cli: Any, text: str) -> None:
    code, out, err = cli("run", "--lr", text)
    assert (code, out, err) == (2, "", "lrft: --lr: it nests too deeply\n")


def test_folder_does_not_shadow_the_weights_that_are_shipped(cli: Any, folder: Path) -> None:
    (folder / "digits").mkdir()
    small = ["--steps", "5", "--lr", "0.01", "--replicas", "1"]
    assert cli("run", "--weights", "digits", *small)[0] == 0


def test_ledger_is_not_merged_with_itself(cli: Any, folder: Path) -> None:
    (folder / "s.toml").write_text("[task]\nd = 9\nk = 2\n[training]\nlr = 0.1\nsteps = 3\n")
    assert cli("sweep", "s.toml")[0] == 0
    (folder / "link.db").symlink_to("s.db")
    started = time.process_time()
    for other in ("s.db", "link.db"):
        code, _, err = cli("sweep", "--ledger", "s.db", "--merge", other)
        assert (code, err) == (2, "lrft: ledger 's.db' cannot be merged with itself\n")
    assert time.process_time() - started < 10.0
