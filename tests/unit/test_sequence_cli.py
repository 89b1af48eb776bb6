"""`lrft sequence`: flags, files, what it prints, and runs that are cut short and go on."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrft
from lrft.cli.fields import sequence_fields

pytestmark = [pytest.mark.any_set, pytest.mark.usefixtures("folder")]

SMALL = ["--d", "60", "--k", "3", "--steps", "200", "--lr", "0.0005", "--replicas", "3"]


def test_it_is_the_call_of_python(cli: Any, folder: Path) -> None:
    more = ["--overlap", "0.3", "--tasks", "3", "--task-seed", "4", "--seed", "2", "--rank", "2"]
    more += ["--between", "new", "--optimiser", "momentum", "--average", "50", "--record", "5"]
    code, out, err = cli("sequence", *SMALL, *more, "--stages", "[{}, {steps = 90}, {lr = 0.0}]")
    assert (code, err) == (0, "")
    assert "forgetting" in out
    assert "3 replicas: 3 finished" in out
    assert {one.name for one in folder.iterdir()} == {"lrft-sequence.nc", "lrft-sequence.png"}
    plan = lrft.Training(
        student=lrft.LoRA(rank=2), lr=0.0005, steps=200, optimiser="momentum", average=50, record=5
    )
    ds = lrft.simulate_sequence(
        lrft.Sequence.sample(60, 3, 0.3, tasks=3, seed=4),
        [plan, plan.replace(steps=90), plan.replace(lr=0.0)],
        between="new",
        replicas=3,
        seed=2,
    )
    found = lrft.load("lrft-sequence.nc")
    for name in ("loss", "averaged_loss", "forgetting", "stage", "task_hash"):
        np.testing.assert_array_equal(found[name], ds[name])
    code, out, _ = cli("rerun", "lrft-sequence.nc")
    assert (code, out) == (0, "lrft-sequence.nc: the same, bit for bit\n")
    assert cli("plot", "lrft-sequence.nc", "lrft-sequence.nc", "--out", "both.svg")[0] == 0
    # A file of settings is in the result.
    (folder / "again.toml").write_text(found.attrs["settings_toml"])
    assert cli("sequence", "--config", "again.toml", "--out", "again.nc")[0] == 0
    assert lrft.load("again.nc").loss.equals(found.loss)


def test_numbers_are_those_of_summary(cli: Any) -> None:
    code, out, _ = cli("sequence", *SMALL, "--json")
    assert code == 0
    document = json.loads(out)
    table = lrft.summary(lrft.load("lrft-sequence.nc"))
    assert document["status"] == {"finished": 3}
    assert [row["forgetting"] for row in document["numbers"]] == table.forgetting.tolist()
    code, out, _ = cli("sequence", *SMALL, "--csv")
    assert out.splitlines()[0].split(",") == list(table)
    assert cli("sequence", *SMALL, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--student", "rank_one", "--train-c"],
        ["--stages", "[{}, {lr = 0.1}]", "--tasks", "2", "--engine", "ambient", "--one-c"],
    ],
)
def test_printed_configuration_is_complete_and_gives_itself_back(
    cli: Any, folder: Path, flags: list[str]
) -> None:
    code, out, err = cli("sequence", *flags, "--print-config")
    assert (code, err) == (0, "")
    for section, members in sequence_fields().items():
        for name in members:
            assert f"\n{name} = " in out or f"\n# {name} = (" in out, f"{section}.{name}"
    (folder / "again.toml").write_text(out)
    assert cli("sequence", "--config", "again.toml", "--print-config")[1] == out
    assert tomllib.loads(out)["sequence"]["overlap"] == 0.5


def test_every_flag_is_explained(cli: Any) -> None:
    code, out, _ = cli("sequence", "--help")
    assert code == 0
    for members in sequence_fields().values():
        for field in members.values():
            assert f"--{field.flag} " in out, field.flag
            assert len(field.help) > 4, f"{field.section}.{field.name} has no description"


def test_one_that_is_interrupted_is_kept_and_goes_on(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*SMALL, "--lr", "0.003", "--steps", "20000", "--record", "9"]
    assert cli("sequence", *flags, "--name", "whole")[0] == 0
    advance, calls = lrft.SequenceSimulation.advance, []

    def cut_short(run: lrft.SequenceSimulation, seconds: float = 0.0) -> bool:
        calls.append(run.stage)
        if run.stage == 1:
            raise KeyboardInterrupt
        return advance(run, 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(lrft.SequenceSimulation, "advance", cut_short)
        code, _, err = cli("sequence", *flags, "--name", "part", "--checkpoint", "100")
    assert code == 130
    assert "interrupted at step 20,000 of 40,000" in err
    assert "lrft sequence --resume part.state.npz goes on" in err
    assert (folder / "part.png").exists()
    part, whole = lrft.load("part.nc"), lrft.load("whole.nc")
    assert (part.status == "interrupted").all()
    first = part.step <= 20_000
    assert part.loss[:, first].equals(whole.loss[:, first])
    assert part.loss[:, ~first].isnull().all()
    assert cli("sequence", "--resume", "part.state.npz", "--name", "part")[0] == 0
    assert lrft.load("part.nc").loss.equals(whole.loss)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--overlap", "2"], "overlap must be at most 1"),
        (["--between", "merge"], "between must be one of"),
        (["--stages", "[{}]"], "stages must be one a task, got 1 for 2 tasks"),
        (["--stages", "7"], r"stages\[0\] must be a table, got 7"),
        (["--stages", "[1, 2]"], r"stages\[0\] must be a table, got 1"),
        (["--stages", "[{}, {rate = 1}]"], "rate"),
        (["--stages", "[{}, {student = 1}]"], r"stages\[1\] has a student, which is the same"),
        (["--stop-at", "0.9"], "stop_at must be None in a sequence"),
        (["--train-c"], "train_c is a field of student=rank_one, got lora"),
        (["--resume", "no.npz"], "no.npz"),
    ],
)
def test_mistakes_end_with_a_line(cli: Any, folder: Path, flags: list[str], message: str) -> None:
    code, out, err = cli("sequence", *([] if "--resume" in flags else SMALL), *flags)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(message, err)
    assert list(folder.iterdir()) == []
