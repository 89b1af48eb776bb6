"""`lrft sweep`: what it prints, writes and refuses."""

from __future__ import annotations

import sqlite3

import pytest

import lrft
from lrft.cli import main
from lrft.study.ledger import LedgerError

STUDY = """
title = "two strengths"
[task]
d = 60
k = 3
[training]
lr = 0.01
steps = 50
[grid]
xi = [1.0, 2.0]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


@pytest.fixture
def cli(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["sweep", *map(str, arguments)])
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return run


def test_study_says_its_cost_first_then_runs_and_saves(cli, folder):
    code, out, err = cli("study.toml", "--threads", "1")
    assert code == 0
    assert err.startswith("lrft: 2 points x 8 replicas; 800 replica-steps to do, at most about")
    assert out == "2 points x 8 replicas: 16 finished\nsaved study.nc\nsaved study.png\n"
    written = {"study.db", "study.nc", "study.png"}
    assert {path.name for path in folder.iterdir()} == {"study.toml", *written}
    ds = lrft.study.load("study.nc")
    assert ds.attrs["title"] == "two strengths"
    code, _, err = cli("study.toml")
    assert (code, err) == (0, "lrft: 2 points x 8 replicas, 100% of it in the ledger\n")


def test_dry_run_makes_nothing(cli, folder):
    code, out, err = cli("study.toml", "--dry-run")
    assert (code, err) == (0, "")
    assert out.startswith("2 points x 8 replicas; 800 replica-steps to do")
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_results_go_where_they_are_wanted(cli, folder):
    pytest.importorskip("pyarrow")
    (folder / "deep").mkdir()
    code, out, _ = cli(
        "study.toml", "--ledger", "deep/work.db", "--out", "deep/a.nc", "--out", "b.parquet"
    )
    assert code == 0
    assert "saved deep/a.nc\nsaved b.parquet\n" in out
    assert (folder / "deep" / "work.db").exists()


def test_ledgers_merge_and_partial_results_are_collected(cli, folder):
    (folder / "one.toml").write_text(STUDY.replace("[1.0, 2.0]", "[2.0]"))
    assert cli("one.toml")[0] == 0
    code, out, _ = cli("--ledger", "study.db", "--merge", "one.db")
    assert (code, out) == (0, "merged 1 units of one.db into study.db\n")
    code, out, _ = cli("study.toml", "--collect")
    assert code == 0
    assert out.startswith("2 points x 8 replicas: 8 finished, 8 missing\n")
    code, _, err = cli("study.toml", "--threads", "1")
    assert code == 0
    assert err.startswith("lrft: 2 points x 8 replicas, 50% of it in the ledger; 400 replica-steps")


def test_failed_points_are_told(cli, monkeypatch):
    def fail(tasks, training):
        raise ArithmeticError("no luck")

    monkeypatch.setattr("lrft.study.work.arguments.settle_rates", fail)
    code, out, err = cli("study.toml", "--threads", "1")
    assert code == 1
    assert out.startswith("2 points x 8 replicas: 16 failed\n")
    assert "lrft: point 0 failed: ArithmeticError: no luck\n" in err


def test_interrupted_study_says_how_to_go_on(cli, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("lrft.study.driver._Run.run", interrupt)
    code, out, err = cli("study.toml")
    assert (code, out) == (130, "")
    assert "lrft: interrupted; study.db keeps what is finished\n" in err


def test_an_interrupted_study_is_written_drawn_and_told(cli, folder, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    (folder / "one.toml").write_text(STUDY.replace("[1.0, 2.0]", "[2.0]"))
    assert cli("one.toml", "--ledger", "study.db")[0] == 0

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("lrft.study.driver._Run.run", interrupt)
    code, out, err = cli("study.toml")
    assert code == 130
    assert "lrft: interrupted; study.db keeps what is finished\n" in err
    assert out.startswith("2 points x 8 replicas: 8 finished, 8 missing\nsaved study.nc\n")
    assert (folder / "study.png").is_file()
    assert lrft.study.load("study.nc").status.values[0].tolist() == ["missing"] * 8


def test_full_disk_is_told_in_a_line(cli, monkeypatch):
    def full(*arguments):
        raise LedgerError("cannot write ledger 'study.db': the disk is full")

    monkeypatch.setattr("lrft.study.ledger.Ledger.add", full)
    code, _, err = cli("study.toml")
    assert code == 1
    assert err.endswith("the disk is full; what is finished is kept\n")


REFUSED = {
    "nothing": ([], "give a STUDY.toml"),
    "no such study": (["none.toml"], "No such file"),
    "suffix": (["study.toml", "--out", "a.txt"], "end in .nc or .parquet or .csv"),
    "folder": (["study.toml", "--out", "other.db/a.nc"], "cannot write there"),
    "nothing to collect": (["study.toml", "--collect"], "ledger 'study.db': no such file"),
    "not a ledger": (["study.toml", "--ledger", "other.db"], "no ledger of lrft"),
    "threads": (["study.toml", "--threads", "0"], "threads must be at least 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told_in_a_line(name, cli, folder):
    with sqlite3.connect(folder / "other.db") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    arguments, message = REFUSED[name]
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
