"""The command line: what it writes where, and its exit codes."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrft
from lrft.cli.fields import fields
from lrft.model.files import save_weights

pytestmark = [
    pytest.mark.any_set,
    pytest.mark.usefixtures("folder"),
]

# Small and quick, and every replica still goes through all of the spine.
SMALL = ["--d", "40", "--k", "3", "--steps", "200", "--lr", "0.01", "--replicas", "3"]


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_run_saves_draws_and_prints(cli: Any, folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    code, out, err = cli("run", *SMALL, "--loss-thresholds", "1e-9")
    assert (code, err) == (0, "")
    assert names(folder) == {"lrft-run.nc", "lrft-run.png"}
    assert (folder / "lrft-run.png").read_bytes().startswith(b"\x89PNG")
    for text in ("|<û,u>| ≥ 0.95", "loss ≤ 1e-09", "median step", "3 replicas", "lrft-run.nc"):
        assert text in out, text
    ds = lrft.load("lrft-run.nc")
    assert ds.sizes["replica"] == 3
    assert ds.step.values[-1] == 200
    assert ds.attrs["command"].startswith("lrft ")


def test_out_and_name_choose_the_place(cli: Any, folder: Path) -> None:
    assert cli("run", *SMALL, "--out", "deep/er", "--name", "ξ=1.5")[0] == 0
    assert names(folder) == {"deep"}
    assert "ξ=1.5.nc" in names(folder / "deep" / "er")


STUDENTS = {
    "lora": (
        ["--rank", "2", "--alpha", "4", "--lr-b", "0.003"],
        lrft.LoRA(rank=2, alpha=4, lr_b=3e-3),
    ),
    "full": (
        ["--width", "5", "--init", "gaussian", "--lam-init", "ones", "--train-lam"],
        lrft.FullNetwork(width=5, init="gaussian", lam_init="ones", train_lam=True),
    ),
    "rank_one": (["--linearized"], lrft.RankOne(train_c=True, linearized=True)),
}


@pytest.mark.parametrize("kind", STUDENTS)
def test_every_student_runs(kind: str, cli: Any, folder: Path, tmp_path: Path) -> None:
    flags, student = STUDENTS[kind]
    code, out, err = cli("run", *SMALL, "--lr", "auto", "--student", kind, *flags)
    assert (code, err) == (0, "")
    assert "of the stability limit" in out
    assert ("≥ 0.95" in out) == (kind != "full")  # overlaps of which are a matrix
    assert "loss" in out
    ds = lrft.load("lrft-run.nc")
    training = lrft.Training.model_validate(json.loads(ds.attrs["configuration"])["training"])
    assert training.student == student
    assert names(folder) == {"lrft-run.nc", "lrft-run.png"}
    # the settings in the file make the same run
    again = tmp_path / "again.toml"
    again.write_text(ds.attrs["settings_toml"], encoding="utf-8")
    assert cli("run", "--config", str(again), "--name", "again")[0] == 0
    np.testing.assert_array_equal(lrft.load("again.nc").loss, ds.loss)


def test_teachers_of_higher_rank(cli: Any) -> None:
    code, _, err = cli(
        "run", *SMALL, "--student", "lora", "--rank", "3", "--teacher-rank", "2", "--k", "4"
    )
    assert (code, err) == (0, "")
    ds = lrft.load("lrft-run.nc")
    assert ds.sizes["component"] == 2


def test_flags_reach_task_training_student_and_run(cli: Any) -> None:
    code, _, _ = cli(
        "run",
        *SMALL,
        "--xi",
        "2.5",
        "--activation",
        "he3",
        "--features",
        "orthonormal",
        "--c",
        "0.6,0.8,0",
        "--noise",
        "0.1",
        "--task-seed",
        "5",
        "--batch",
        "2",
        "--thresholds",
        "[0.3, 0.4]",
        "--record",
        "0,7,100",
        "--no-train-c",
        "--no-orthogonal",
        "--c-init",
        "sphere",
        "--seed",
        "11",
        "--engine",
        "ambient",
        "--threads",
        "1",
    )
    assert code == 0
    ds = lrft.load("lrft-run.nc")
    expected = lrft.Task.sample(
        d=40,
        k=3,
        xi=2.5,
        activation="he3",
        features="orthonormal",
        c=[0.6, 0.8, 0.0],
        noise=0.1,
        normalization="unit",
        seed=5,
    )
    assert ds.task_hash.item() == expected.content_hash
    stored = json.loads(ds.attrs["configuration"])
    assert stored["training"]["batch"] == 2
    assert stored["training"]["student"]["train_c"] is False
    assert stored["training"]["student"]["orthogonal"] is False
    assert stored["training"]["student"]["c_init"] == "sphere"
    assert (stored["seed"], stored["engine"]) == (11, "ambient")
    assert ds.step.values.tolist() == [0, 7, 100, 200]
    assert ds.threshold.values.tolist() == [0.3, 0.4]


def test_result_equals_that_of_the_library(cli: Any) -> None:
    assert cli("run", *SMALL, "--seed", "4", "--task-seed", "9", "--no-train-c")[0] == 0
    task = lrft.Task.sample(
        d=40, k=3, c="sphere", normalization="unit", output_scale=1 / 3**0.5, seed=9
    )
    training = lrft.Training(student=lrft.RankOne(), lr=0.01, steps=200)
    direct = lrft.simulate(task, training, replicas=3, seed=4)
    np.testing.assert_array_equal(
        lrft.load("lrft-run.nc").overlap_u.values, direct.overlap_u.values
    )


def test_settings_in_the_result_run_it_again(cli: Any, folder: Path) -> None:
    flags = ["--lr", "auto", "--xi", "1.5", "--seed", "3", "--u-init", "favourable"]
    code, out, _ = cli("run", *SMALL, *flags, "--name", "first")
    assert code == 0
    assert "of the stability limit" in out
    first = lrft.load("first.nc")
    (folder / "stored.toml").write_text(first.attrs["settings_toml"])
    assert cli("run", "--config", "stored.toml", "--name", "second")[0] == 0
    second = lrft.load("second.nc")
    assert first.drop_attrs().identical(second.drop_attrs())
    assert first.attrs["configuration"] == second.attrs["configuration"]


def test_file_sets_fields_and_flags_override(cli: Any, folder: Path) -> None:
    (folder / "run.toml").write_text(
        "[task]\nd = 30\nk = 2\nxi = 1.5\n[training]\nsteps = 100\nlr = 0.01\n"
        "[student]\ntrain_c = false\n[run]\nreplicas = 2\nname = 'a'\n"
    )
    assert cli("run", "--config", "run.toml", "--d", "50", "--train-c")[0] == 0
    ds = lrft.load("a.nc")
    assert (ds.d.item(), ds.k.item(), ds.xi.item()) == (50, 2, 1.5)
    assert ds.sizes["replica"] == 2
    assert json.loads(ds.attrs["configuration"])["training"]["student"]["train_c"] is True


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--weights", "digits"],
        ["--features", "zero", "--k", "4", "--lam", "signs", "--record", "{kind='geometric', n=9}"],
        ["--lr", "{kind='inverse_time', lr=0.1, t0=10.0}", "--lr-c", "0.5", "--thresholds", "0.5"],
        ["--teacher", "{terms = {'1' = 1.0, '1,1' = 0.5}}", "--student", "lora", "--rank", "2"],
        ["--loss", "{kind='huber', delta=0.5}", "--lr", "0.1"],
        ["--c", "0.6,0.8", "--k", "2", "--out", 'a "b" \\c', "--name", "ξ\x7f"],
    ],
    ids=["defaults", "weights", "glm", "schedules", "teacher", "loss", "text"],
)
def test_printed_configuration_is_complete_and_gives_itself_back(
    cli: Any, folder: Path, flags: list[str]
) -> None:
    code, out, err = cli("run", *flags, "--print-config")
    assert (code, err) == (0, "")
    assert names(folder) == set()
    for section, members in fields().items():
        for name in members:
            assert f"\n{name} = " in out or f"\n# {name} = (" in out, f"{section}.{name}"
    (folder / "again.toml").write_text(out)
    assert cli("run", "--config", "again.toml", "--print-config")[1] == out
    assert tomllib.loads(out)


def test_every_flag_is_explained(cli: Any) -> None:
    code, out, _ = cli("run", "--help")
    assert code == 0
    for members in fields().values():
        for field in members.values():
            assert f"--{field.flag} " in out, field.flag
            assert len(field.help) > 4, f"{field.section}.{field.name} has no description"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["plot", "--help"], ["info", "-h"]])
def test_help_goes_to_stdout(cli: Any, arguments: list[str]) -> None:
    code, out, err = cli(*arguments)
    assert (code, err) == (0, "")
    assert "Usage" in out


def test_digits_are_fine_tuned(cli: Any) -> None:
    code, out, _ = cli("run", "--weights", "digits", "--steps", "50", "--lr", "1e-5")
    assert code == 0
    ds = lrft.load("lrft-run.nc")
    assert (ds.d.item(), ds.k.item()) == (64, 32)
    assert "relu, d = 64, k = 32" in out


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_own_weights_work_the_same_way(cli: Any, suffix: str) -> None:
    rng = np.random.default_rng(0)
    save_weights(f"mine{suffix}", W=rng.normal(size=(4, 9)), lam=np.ones(4), activation="tanh")
    arguments = ["run", "--weights", f"mine{suffix}", "--steps", "50", "--lr", "1e-4"]
    assert cli(*arguments)[0] == 0
    ds = lrft.load("lrft-run.nc")
    assert (ds.d.item(), ds.k.item(), ds.activation.item()) == (9, 4, "tanh")
    assert cli(*arguments, "--activation", "erf")[0] == 0
    assert lrft.load("lrft-run.nc").activation.item() == "erf"


@pytest.mark.parametrize(
    ("teacher", "student", "made"),
    [
        ("he3", ["rank_one"], "1 neuron he3"),
        ("{width = 3, sigma_star = 'erf'}", ["lora", "--rank", "2"], "3 neurons erf"),
        ("{terms = {'1' = 1.0, '1,1' = 0.5}}", ["full"], "2 terms in 2 directions"),
    ],
)
def test_another_teacher(cli: Any, teacher: str, student: list[str], made: str) -> None:
    arguments = ["--d", "50", "--k", "3", "--steps", "20", "--lr", "1e-3", "--student", *student]
    assert cli("run", *arguments, "--teacher", teacher)[0] == 0
    ds = lrft.load("lrft-run.nc")
    assert json.loads(ds.attrs["configuration"])["tasks"][0]["teacher"] == made
    code, _, err = cli("run", *arguments, "--teacher", "{terms = {x = 1.0}}")
    assert code == 2
    assert "terms must have degrees as keys, such as '1,0,2', got 'x'" in " ".join(err.split())


def test_divergence_is_reported_and_fails_only_when_nothing_is_left(cli: Any) -> None:
    code, out, _ = cli("run", *SMALL, "--activation", "he3", "--lr", "1e300", "--no-train-c")
    assert code == 1
    assert "3 diverged (first divergence at step" in out
    assert (lrft.load("lrft-run.nc").status == "diverged").all()


def test_without_matplotlib_everything_but_the_picture_is_there(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = cli("run", *SMALL)
    assert code == 0
    assert names(folder) == {"lrft-run.nc"}
    assert "median step" in out
    assert err == "lrft: no picture: plots need matplotlib: pip install 'lrft[plot]'\n"


def test_result_that_cannot_be_saved_is_still_printed(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ds: Any, path: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lrft.result.dataset.save", fail)
    code, out, err = cli("run", *SMALL)
    assert code == 1
    assert "median step" in out
    assert err.startswith("lrft: cannot save lrft-run.nc: No space left on device")


def test_plot_draws_a_saved_result_again(cli: Any, folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    cli("run", *SMALL)
    (folder / "lrft-run.png").unlink()
    assert cli("plot", "lrft-run.nc") == (0, "saved lrft-run.png\n", "")
    assert (folder / "lrft-run.png").exists()
    assert cli("plot", "lrft-run.nc", "--out", "b.svg")[0] == 0
    assert "<svg" in (folder / "b.svg").read_text()


def test_info_says_what_runs(cli: Any) -> None:
    code, out, err = cli("info", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["version"] == lrft.__version__
    assert found["instruction_set"] in found["instruction_sets"]
    assert found["threads"] >= 1
    assert found["packages"]["numpy"] == np.__version__
    _, text, _ = cli("info")
    for value in (found["version"], found["instruction_set"], found["compiler"], "numpy"):
        assert value in text, value
