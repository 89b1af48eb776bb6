"""What was computed outlives what comes after: streams, pictures, folders, files of others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lrft
from lrft.study.ledger import Ledger

pytestmark = [pytest.mark.any_set, pytest.mark.usefixtures("folder")]

SMALL = ["--d", "40", "--k", "3", "--steps", "200", "--lr", "0.01", "--replicas", "3"]
STUDY = """
[task]
d = 40
k = 3
[training]
lr = 0.01
steps = 50
[grid]
xi = [1.0, 2.0]
"""


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def shell(folder: Path, command: str, **environment: str) -> tuple[int, str]:
    """Run a line of bash in which `lrft` is this one; exit code and what reached stderr."""
    script = f'lrft() {{ "{sys.executable}" -m lrft.cli "$@"; }}; {command}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


# ---- streams ------------------------------------------------------------------------------------

FULL = "lrft: cannot write to stdout: No space left on device\n"


STREAMS = {
    "2>&-": "",
    "<&- >&- 2>&-": "",
    ">/dev/full": FULL,
    ">/dev/full 2>/dev/full": "",
    "| true; exit ${PIPESTATUS[0]}": "",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int, str]]:
    """The same run with every kind of streams, two at a time: a folder, an exit code, stderr."""

    def run(streams: str) -> tuple[Path, int, str]:
        work = tmp_path_factory.mktemp("streams")
        return work, *shell(work, f"lrft run {' '.join(SMALL)} {streams}")

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(STREAMS, pool.map(run, STREAMS), strict=True))


@pytest.mark.parametrize("streams", STREAMS)
def test_a_result_is_saved_whatever_the_streams_are(
    ran: dict[str, tuple[Path, int, str]], streams: str
) -> None:
    folder, code, err = ran[streams]
    assert (code, err) == (0, STREAMS[streams])
    assert lrft.load(folder / "lrft-run.nc").sizes["replica"] == 3
    # Nothing was printed into a file that took the number of a closed stream.
    assert (folder / "lrft-run.png").read_bytes().startswith(b"\x89PNG")
    assert names(folder) == {"lrft-run.nc", "lrft-run.png"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("info --json >/dev/full", FULL),
        ("info >&-", ""),
        ("run --print-config >/dev/full", FULL),
        ("--help >/dev/full", FULL),
    ],
)
def test_a_command_whose_product_is_its_output_fails_with_it(
    folder: Path, command: str, said: str
) -> None:
    assert shell(folder, f"lrft {command}") == (1, said)


def test_a_study_is_saved_whatever_the_streams_are(folder: Path) -> None:
    (folder / "s.toml").write_text(STUDY)
    assert shell(folder, "lrft sweep s.toml >/dev/full 2>/dev/full")[0] == 0
    assert lrft.study.listed(lrft.study.load("s.nc")).sizes["point"] == 2
    assert shell(folder, "lrft sweep s.toml --dry-run >/dev/full 2>/dev/full")[0] == 1


def test_a_wrong_input_is_told_by_its_code_where_stderr_is_closed(folder: Path) -> None:
    assert shell(folder, "lrft run --d 0 2>&-")[0] == 2


# ---- pictures -----------------------------------------------------------------------------------


def test_pictures_do_not_depend_on_the_environment(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert shell(folder, f"lrft run {' '.join(SMALL)}") == (0, "")
    plain = (folder / "lrft-run.png").read_bytes()
    (folder / "rc").write_text("text.usetex: True\nfont.family: No Such Font\nnonsense\n")
    settings = {"MPLBACKEND": "bogus", "MATPLOTLIBRC": str(folder / "rc")}
    assert shell(folder, "lrft plot lrft-run.nc --out again.png", **settings) == (0, "")
    assert (folder / "again.png").read_bytes() == plain


def test_settings_of_this_process_stay(cli: Any, folder: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with matplotlib.rc_context({"text.usetex": True, "font.size": 3.0}):
        assert cli("run", *SMALL)[0] == 0
        assert matplotlib.rcParams["text.usetex"]
        assert matplotlib.rcParams["font.size"] == 3.0
    assert "MPLBACKEND" not in os.environ
    assert names(folder) == {"lrft-run.nc", "lrft-run.png"}


def test_a_settings_file_that_cannot_be_read_costs_the_picture_only(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    (folder / "matplotlibrc").write_bytes(b"\xff\xfe")
    code, err = shell(folder, f"lrft run {' '.join(SMALL)}")
    assert code == 0
    assert err.splitlines()[-1].startswith("lrft: no picture: ")
    assert "Traceback" not in err
    assert lrft.load("lrft-run.nc").sizes["replica"] == 3


@pytest.mark.parametrize("error", [RuntimeError("no pen"), ValueError("x"), OSError(28, "full")])
def test_a_picture_or_a_table_that_fails_is_a_warning(
    cli: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(ds: Any) -> None:
        raise error

    monkeypatch.setattr("lrft.plot.curves.summary", fail)
    monkeypatch.setattr("lrft.cli.table.show", fail)
    code, out, err = cli("run", *SMALL)
    assert (code, out) == (0, "saved lrft-run.nc\n")
    assert len(err.splitlines()) == 2
    lrft.load("lrft-run.nc")


def test_a_picture_goes_elsewhere_too(cli: Any, folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    (folder / "lrft-run.png").mkdir()
    code, out, err = cli("run", *SMALL)
    (picture,) = folder.glob("lrft-run-*.png")
    assert code == 0
    assert out.endswith(f"saved lrft-run.nc\nsaved {picture.name}\n")
    assert f"lrft-run.png' is a folder, expected a file name; saved {picture.name} instead" in err


# ---- places -------------------------------------------------------------------------------------


def test_a_folder_whose_name_is_no_text(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    out = os.fsdecode(b"caf\xe9")
    try:
        (folder / out).mkdir()
    except OSError:
        pytest.skip("this file system takes text only")
    code, err = shell(folder, f"lrft run {' '.join(SMALL)} --out $'caf\\xe9' >/dev/null")
    assert (code, err) == (0, "")
    assert names(folder / out) == {"lrft-run.nc", "lrft-run.png"}
    ds = lrft.load(folder / out / "lrft-run.nc")
    assert ds.attrs["command"].endswith(r"--out $'caf\xe9'")
    (folder / out / "s.toml").write_text(STUDY)
    assert shell(folder / out, "lrft sweep s.toml >/dev/null")[0] == 0
    lrft.study.load(folder / out / "s.nc")


def test_the_longest_name_there_is(
    cli: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "x" * (os.pathconf(folder, "PC_NAME_MAX") - 3)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, _, err = cli("run", *SMALL, "--name", name)
    assert code == 0  # its picture has a longer one
    assert "File name too long; saved " in err
    assert lrft.load(f"{name}.nc").sizes["replica"] == 3
    assert cli("run", *SMALL, "--name", name + "x")[0] == 2


def test_a_folder_that_goes_away_is_made_again(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(simulation: Any, progress: Any) -> None:
        (folder / "r").rmdir()
        real(simulation, progress)

    real = lrft.Simulation.run
    monkeypatch.setattr(lrft.Simulation, "run", gone)
    assert cli("run", *SMALL, "--out", "r")[::2] == (0, "")
    assert "lrft-run.nc" in names(folder / "r")


def test_a_folder_that_becomes_a_file_sends_the_result_elsewhere(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")

    def in_the_way(simulation: Any, progress: Any) -> None:
        (folder / "r").rmdir()
        (folder / "r").touch()
        real(simulation, progress)

    real = lrft.Simulation.run
    monkeypatch.setattr(lrft.Simulation, "run", in_the_way)
    code, out, err = cli("run", *SMALL, "--out", "r")
    assert code == 0
    assert out.endswith("saved lrft-run.nc\nsaved lrft-run.png\n")
    assert "lrft: cannot save r/lrft-run.nc: File exists; saved lrft-run.nc instead\n" in err
    lrft.load("lrft-run.nc")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_result_goes_into_no_pipe_device_or_folder(cli: Any, folder: Path, kind: str) -> None:
    place = folder / "lrft-run.nc"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/null")
    else:
        place.mkdir()
    code, out, err = cli("run", *SMALL)
    assert (code, out) == (2, "")
    assert "regular file" in err or "is a folder" in err
    assert names(folder) == {"lrft-run.nc"}


def test_the_command_in_a_result_is_what_was_given(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "-q", "x"])
    assert cli("run", *SMALL, "--name", "a b")[0] == 0
    assert lrft.load("a b.nc").attrs["command"] == f"lrft run {' '.join(SMALL)} --name 'a b'"


# ---- states of other runs -----------------------------------------------------------------------


@pytest.fixture
def state(folder: Path) -> bytes:
    task = lrft.Task.sample(d=40, k=3, seed=0)
    simulation = lrft.Simulation(task, lrft.Training(lr=0.01, steps=100), replicas=2)
    simulation.save_state(folder / "lrft-run.state.npz")
    return (folder / "lrft-run.state.npz").read_bytes()


def test_the_state_of_another_run_is_not_touched(cli: Any, folder: Path, state: bytes) -> None:
    code, out, err = cli("run", *SMALL, "--checkpoint", "60")
    assert (code, out) == (2, "")
    for word in ("'lrft-run.state.npz'", "--resume", "--name"):
        assert word in err, word
    assert names(folder) == {"lrft-run.state.npz"}
    assert cli("run", *SMALL)[0] == 0  # without checkpoints nothing is in its way
    assert (folder / "lrft-run.state.npz").read_bytes() == state


@pytest.mark.parametrize("how", ["lrft-run.state.npz", "./x/../lrft-run.state.npz", "link"])
def test_a_resumed_state_is_the_run_s_own_by_any_name(
    cli: Any, folder: Path, state: bytes, how: str
) -> None:
    (folder / "x").mkdir()
    (folder / "link").with_suffix(".npz").symlink_to("lrft-run.state.npz")
    how = how if "." in how else f"{how}.npz"
    assert cli("run", "--resume", how, "--checkpoint", "60")[0] == 0
    assert not (folder / "lrft-run.state.npz").exists()


def test_a_state_resumed_from_elsewhere_is_not_removed(
    cli: Any, folder: Path, state: bytes
) -> None:
    (folder / "lrft-run.state.npz").rename(folder / "mine.npz")
    assert cli("run", "--resume", "mine.npz", "--checkpoint", "60")[0] == 0
    assert (folder / "mine.npz").read_bytes() == state


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_state_that_came_while_the_run_went_on_is_not_touched(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    def another(simulation: Any, progress: Any) -> None:
        (folder / "lrft-run.state.npz").write_text("another")
        progress.every = 0.0
        real(simulation, progress)
        simulation.interrupted = interrupted

    real = lrft.Simulation.run
    monkeypatch.setattr(lrft.Simulation, "run", another)
    code, _, err = cli("run", *SMALL, "--checkpoint", "60")
    assert code == (130 if interrupted else 0)
    assert (folder / "lrft-run.state.npz").read_text() == "another"
    assert "'lrft-run.state.npz' is the state of another run" in err
    if interrupted:
        (own,) = folder.glob("lrft-run.state-*.npz")
        assert f"lrft run --resume {own.name} goes on" in err


# ---- studies ------------------------------------------------------------------------------------


@pytest.fixture
def study(cli: Any, folder: Path) -> Path:
    (folder / "s.toml").write_text(STUDY)
    assert cli("sweep", "s.toml")[0] == 0
    return folder / "s.db"


@pytest.mark.parametrize("name", ["plain", "dotted", "symbolic", "hard"])
def test_a_ledger_is_no_output(cli: Any, folder: Path, study: Path, name: str) -> None:
    (folder / "x.nc").write_bytes(study.read_bytes())
    before = (folder / "x.nc").read_bytes()
    other = {"plain": "x.nc", "dotted": "./../work/x.nc"}.get(name, "y.nc")
    if name == "symbolic":
        (folder / "y.nc").symlink_to("x.nc")
    elif name == "hard":
        (folder / "y.nc").hardlink_to(folder / "x.nc")
    for arguments in (
        ["s.toml", "--ledger", "x.nc", "--out", other],
        ["s.toml", "--ledger", other, "--out", "x.nc"],
        ["s.toml", "--merge", "x.nc", "--out", other],
        ["s.toml", "--ledger", "x.nc", "--out", other, "--collect"],
    ):
        code, out, err = cli("sweep", *arguments)
        assert (code, out) == (2, ""), arguments
        assert "itself: choose another name" in err
    assert (folder / "x.nc").read_bytes() == before


def test_a_new_ledger_is_no_output_either(cli: Any, folder: Path) -> None:
    (folder / "s.toml").write_text(STUDY)
    assert cli("sweep", "s.toml", "--ledger", "s.nc")[0] == 2
    assert names(folder) == {"s.toml"}


def test_a_study_is_no_output(cli: Any, folder: Path) -> None:
    (folder / "s.nc").write_text(STUDY)
    assert cli("sweep", "s.nc")[0] == 2
    assert cli("sweep", "s.nc", "--out", "t.nc", "--ledger", "s.nc")[0] == 2
    assert (folder / "s.nc").read_text() == STUDY


def test_nothing_overwrites_a_ledger(cli: Any, folder: Path) -> None:
    study = {"task": {"d": 40, "k": 3}, "training": {"lr": 0.01, "steps": 5}}
    ds = lrft.sweep(study, "x.nc", threads=1)
    task = lrft.Task.sample(d=40, k=3, seed=0)
    run = lrft.simulate(task, lrft.Training(lr=0.01, steps=5), replicas=2)
    for save in (lambda: lrft.study.save(ds, "x.nc"), lambda: lrft.save(run, "x.nc")):
        with pytest.raises(ValueError, match=r"'x\.nc' is the ledger of a study"):
            save()
    assert cli("run", *SMALL, "--name", "x")[0] == 2
    with Ledger("x.nc", write=False) as ledger:
        assert len(ledger.units()) == 1


def test_a_study_goes_elsewhere_and_all_its_files_are_tried(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_way(*arguments: Any, **options: Any) -> Any:
        (folder / "r").rmdir()
        (folder / "r").touch()
        return real(*arguments, **options)

    real = lrft.sweep
    monkeypatch.setattr(lrft, "sweep", in_the_way)
    (folder / "s.toml").write_text(STUDY)
    (folder / "r").mkdir()
    code, out, err = cli("sweep", "s.toml", "--out", "r/a.nc", "--out", "b.nc", "--threads", "1")
    assert code == 0
    assert "saved a.nc\nsaved b.nc\n" in out
    assert "cannot save r/a.nc: File exists; saved a.nc instead" in err


def test_a_report_outlives_its_folder(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from lrft.paper import runner

    def gone(*arguments: Any) -> Any:
        for file in (folder / "r").iterdir():
            file.unlink()
        (folder / "r").rmdir()
        return real(*arguments)

    real = runner._write_pictures
    monkeypatch.setattr(runner, "_write_pictures", gone)
    code, _, err = cli("reproduce", "fig2a", "--quick", "--out", "r", "--threads", "1")
    assert (code, err) == (0, "fig2a done\n")
    assert {"fig2a.png", "fig2a.svg", "report.html"} <= names(folder / "r")
