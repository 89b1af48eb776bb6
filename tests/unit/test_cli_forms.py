"""What all commands share: help of 80 columns, --out, --quiet, --json, --csv, completion, --set."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

import lrft
from lrft.cli.fields import fit_fields

pytestmark = [pytest.mark.any_set, pytest.mark.usefixtures("folder")]

COMMANDS = (
    "run",
    "sequence",
    "fit",
    "reproduce",
    "sweep",
    "rerun",
    "plot",
    "bench",
    "info",
    "explore",
)
SMALL = ["--d", "40", "--k", "3", "--steps", "200", "--lr", "0.001", "--replicas", "3"]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that take no time."""
    monkeypatch.setattr("lrft.plot.pictures.drawn", lambda draw, suffix: b"a picture")


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


# ---- help --------------------------------------------------------------------------------------


def words(text: str) -> set[str]:
    return set("".join(" " if 0x2500 <= ord(c) < 0x2580 else c for c in text).split())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(command: str, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    for columns in (80, 400):
        monkeypatch.setenv("COLUMNS", str(columns))
        code, shown[columns], _ = cli(*command.split(), "--help")
        assert code == 0
        assert not command or "--quiet" in shown[columns]
    assert max(map(cell_len, shown[80].splitlines())) <= 80
    # What is cut in two at 80 columns is no word of the wide page; hyphens may part words.
    parts = {part for word in words(shown[400]) for part in (word, *hyphened(word))}
    assert words(shown[80]) - parts == set()


def hyphened(word: str) -> list[str]:
    pieces = word.split("-")
    heads = ["-".join(pieces[:i]) + "-" for i in range(1, len(pieces))]
    return heads + ["-".join(pieces[i:]) for i in range(1, len(pieces))]


def test_help_is_grouped(cli: Any) -> None:
    _, out, _ = cli("--help")
    assert all(name in out for name in ("One run", "Many runs", "Results", *COMMANDS))
    _, out, _ = cli("run", "--help")
    assert all(name in out for name in ("General", "Task", "Training", "Student", "Run"))
    assert "base|ones|signs|gaussian" not in out  # too wide, so it is said in the help
    assert "One of base, ones, signs, gaussian." in " ".join(out.replace("│", " ").split())


def test_version(cli: Any) -> None:
    assert cli("--version") == (0, f"lrft {lrft.__version__}\n", "")


def test_a_shell_can_complete() -> None:
    def completed(line: str) -> list[str]:
        settings = {"_LRFT_COMPLETE": "complete_bash", "COMP_WORDS": line}
        settings["COMP_CWORD"] = str(len(line.split()) - 1)
        done = subprocess.run(
            [sys.executable, "-m", "lrft_command"],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    assert completed("lrft re") == ["reproduce", "rerun"]
    assert "--teacher-rank" in completed("lrft run --te")


# ---- where results go, and what is said ----------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_out_is_a_file_or_a_folder(cli: Any, folder: Path) -> None:
    assert cli("run", *SMALL, "--out", "deep/a.nc")[0] == 0
    assert names(folder / "deep") == {"a.nc", "a.png"}
    assert cli("run", *SMALL, "--out", "run-1.5")[0] == 0
    assert "lrft-run.nc" in names(folder / "run-1.5")
    (folder / "b.nc").mkdir()
    assert cli("run", *SMALL, "--out", "b.nc")[0] == 0  # a folder whatever its name
    assert "lrft-run.nc" in names(folder / "b.nc")
    assert cli("plot", "deep/a.nc", "--out", "new/b.svg")[0] == 0
    assert cli("plot", "deep/a.nc", "--out", "new/below")[0] == 0
    assert names(folder / "new") == {"b.svg", "below"}
    assert names(folder / "new" / "below") == {"a.png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", *SMALL, "--out", "a.txt"], "out='a.txt' must be a folder or end in .nc"),
        (["run", *SMALL, "--out", "a.nc", "--name", "b"], "give out or name"),
        (["run", *SMALL, "--json", "--csv"], "give one of the two"),
        (["sweep", "s.toml", "--out", "a.html"], "must be a folder or end in .nc or .parquet"),
        (["reproduce", "fig2a", "--out", "a.html"], "must be a folder"),
    ],
)
def test_another_out_is_refused(arguments: list[str], message: str, cli: Any, folder: Path) -> None:
    (folder / "s.toml").write_text(STUDY)
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert names(folder) == {"s.toml"}


@pytest.mark.usefixtures("undrawn")
def test_quiet_says_nothing(cli: Any, folder: Path) -> None:
    (folder / "s.toml").write_text(STUDY)
    assert cli("run", *SMALL, "--quiet") == (0, "", "")
    assert cli("sweep", "s.toml", "--quiet")[:2] == (0, "")
    assert {"lrft-run.nc", "s.nc"} <= names(folder)
    assert cli("plot", "lrft-run.nc", "--quiet") == (0, "", "")
    assert cli("rerun", "lrft-run.nc", "--quiet") == (0, "", "")
    assert cli("info", "--quiet") == (0, "", "")
    code, out, err = cli("run", *SMALL, "-q", "--d", "0")
    assert (code, out) == (2, "")
    assert "d must be at least 1" in err


@pytest.mark.usefixtures("undrawn")
def test_numbers_as_json_and_csv(cli: Any, folder: Path) -> None:
    code, out, err = cli("run", *SMALL, "--json", "--thresholds", "0.2,0.99")
    assert (code, err) == (0, "")
    found = json.loads(out)
    ds = lrft.load("lrft-run.nc")
    assert (found["d"], found["k"], found["status"]) == (40, 3, {"finished": 3})
    table = lrft.summary(ds)
    assert [list(row) for row in found["numbers"]] == [list(table.columns)] * 2
    low, high = found["numbers"]
    assert (low["threshold"], low["T50"]) == (0.2, lrft.hit_quantile(ds, 0.5).values[0])
    assert (high["share"], high["T50"]) == (0.0, None)
    assert low["final_loss"] == np.median(ds.final_loss)
    assert low["learning_rate"] == 0.001
    code, out, _ = cli("run", *SMALL, "--csv", "--thresholds", "0.2,0.99")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == list(table.columns)
    assert (float(rows[0]["T50"]), rows[1]["T50"]) == (low["T50"], "inf")
    code, out, _ = cli("run", *SMALL, "--json", "--loss-thresholds", "100")
    assert json.loads(out)["numbers"][-1]["loss_threshold"] == 100
    (folder / "s.toml").write_text(STUDY)
    code, out, err = cli("sweep", "s.toml", "--json")
    found, table = json.loads(out), lrft.summary(lrft.study.load("s.nc"))
    assert code == 0
    assert [row["final_loss"] for row in found["numbers"]] == table["final_loss"].tolist()
    assert sum(found["status"].values()) == lrft.study.load("s.nc").status.size


def test_an_interrupted_run_says_where_it_stands_and_is_drawn(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")

    def run(simulation: lrft.Simulation, progress: object = None) -> None:
        simulation.advance(seconds=0.01)
        simulation.interrupted = True
        raise KeyboardInterrupt

    monkeypatch.setattr(lrft.Simulation, "run", run)
    code, out, err = cli("run", *SMALL, "--steps", "1_000_000_000", "--threads", "1")
    assert code == 130
    assert re.search(r"interrupted at step [\d,]+( to [\d,]+)? of 1,000,000,000; what", err)
    assert "3 interrupted" in out
    assert names(folder) == {"lrft-run.nc", "lrft-run.png"}


# ---- data in files -------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_fit_takes_data_in_files(cli: Any, folder: Path) -> None:
    rng = np.random.default_rng(0)
    base = lrft.Weights(rng.standard_normal((3, 5)), np.ones(3), "tanh")
    base.save(folder / "base.npz")
    X = rng.standard_normal((60, 5))
    y = base.predict(X) + X[:, 0]
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    np.savez(folder / "both.npz", X=X, y=y)
    np.savetxt(folder / "X.csv", X, delimiter=",", header="a,b,c,d,e", comments="", fmt="%.17g")
    np.savetxt(folder / "y.csv", y, fmt="%.17g")
    student = ["--student", "lora", "--rank", "2", "--lr", "0.01", "--epochs", "2"]
    known = lrft.fit(lrft.load_weights("base.npz"), lrft.LoRA(2), X, y, lr=0.01, epochs=2)
    for i, data in enumerate((["X.npy", "y.npy"], ["both.npz"], ["X.csv", "y.csv"])):
        code, out, err = cli("fit", "base.npz", *data, *student, "--out", f"{i}.nc")
        assert (code, err) == (0, "")
        assert "1 replicas: 1 finished" in out
        ds = lrft.load(f"{i}.nc")
        np.testing.assert_array_equal(ds.A.values, known.A.values)
    assert "1.png" in names(folder)
    held = ["--validation", "X.npy", "y.npy", "--json"]
    code, out, _ = cli("fit", "base.npz", "X.npy", "y.npy", *student, *held)
    (row,) = json.loads(out)["numbers"]
    assert row["final_train_loss"] == pytest.approx(row["final_validation_loss"], rel=0.5)
    assert "lrft-fit.nc" in names(folder)


def test_every_flag_of_fit_is_explained() -> None:
    for members in fit_fields().values():
        assert [field.name for field in members.values() if not field.help] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits", "X.npy", "y.npy"], "lr is required"),
        (["digits", "X.npy", "--lr", "0.1"], "y is missing"),
        (["digits", "none.npy", "y.npy", "--lr", "0.1"], "cannot read 'none.npy': No such file"),
        (["digits", "X.txt", "y.npy", "--lr", "0.1"], "must be a .npy, .csv or .npz file"),
        (["digits", "y.npy", "y.npy", "--lr", "0.1"], "X must"),
        (["digits", "X.npy", "y.npy", "--lr", "0.1", "--epochs", "0"], "epochs must be at least 1"),
        (["digits", "X.npy", "y.npy", "--lr", "0.1", "--rank", "2"], "rank is a field of"),
        (["nothing", "X.npy", "y.npy", "--lr", "0.1"], "neither a file nor one of digits"),
    ],
)
def test_fit_refuses(arguments: list[str], message: str, cli: Any, folder: Path) -> None:
    np.save(folder / "X.npy", np.ones((4, 64)))
    np.save(folder / "y.npy", np.ones(4))
    (folder / "X.txt").write_text("1\n")
    code, out, err = cli("fit", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


# ---- studies -------------------------------------------------------------------------------------

STUDY = """
[task]
features = "orthonormal"
d = 50
[training]
lr = 0.001
steps = 20
[run]
replicas = 2
[grid]
k = [2, 3]
xi = [1.0, 2.0]
"""


def test_a_study_takes_changes_from_flags(cli: Any, folder: Path) -> None:
    (folder / "s.toml").write_text("\ufeff" + STUDY, encoding="utf-8")  # as some editors begin
    change = ["--set", "task.k=4", "--set", "grid.xi=1,2,3", "--set", "training.steps=1e1"]
    code, out, _ = cli("sweep", "s.toml", *change, "--out", "a.csv", "--out", "r")
    assert code == 0
    ds = lrft.study.load("r/s.nc")
    assert ds.xi.values.tolist() == [1, 2, 3]
    assert (lrft.study.listed(ds).sizes["point"], ds.step.values[-1]) == (3, 10)
    assert len((folder / "a.csv").read_text().splitlines()) > 6
    for wrong, message in {
        "k=4": "TABLE.FIELD=VALUE",
        "task.kk=4": "kk",
        "tusk.k=4": "tusk",
        "task.k=0": "k must be at least 1",
    }.items():
        code, out, err = cli("sweep", "s.toml", "--set", wrong, "--dry-run")
        assert (code, out) == (2, "")
        assert message in err


def test_settings_may_begin_with_a_mark(cli: Any, folder: Path) -> None:
    (folder / "c.toml").write_text("\ufeff[task]\nd = 77\n", encoding="utf-8")
    _, out, _ = cli("run", "--config", "c.toml", "--print-config")
    assert "d = 77" in out
