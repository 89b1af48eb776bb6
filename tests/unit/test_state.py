"""Saved states: resumed bit for bit, refused with a reason when they cannot be."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import lrft
from lrft.cli import main
from lrft.run import state

TASK = lrft.Task.sample(d=60, k=4, xi=2.0, c="sphere", seed=0)
TRAININGS = {
    "frozen": lrft.Training(lr=4e-5, steps=100_000, stop_at=0.5),
    "joint, free, noise in the labels": lrft.Training(
        student=lrft.RankOne(train_c=True, orthogonal=False), lr=0.004, steps=40_000
    ),
    "batch 3, falling rate": lrft.Training(
        lr=lrft.schedule.InverseTime(0.02, t0=500.0), batch=3, steps=30_000
    ),
    "lora": lrft.Training(student=lrft.LoRA(rank=2), lr=0.002, steps=20_000),
    "reused": lrft.Training(
        student=lrft.RankOne(train_c=True), lr=0.004, batch=2, reuse=2, steps=20_000
    ),
    "lookahead": lrft.Training(student=lrft.LoRA(rank=2), lr=0.002, lookahead=1.0, steps=10_000),
    "full network": lrft.Training(student=lrft.FullNetwork(), lr=0.001, steps=10_000),
    "full network of a staircase": lrft.Training(
        student=lrft.FullNetwork(train_lam=True), lr=0.001, steps=10_000
    ),
    "logistic loss, noise": lrft.Training(
        lr=0.004, steps=30_000, batch=2, loss=lrft.Logistic(flip=0.1), record=20
    ),
    "momentum and average": lrft.Training(
        student=lrft.LoRA(rank=2), lr=4e-4, steps=10_000, optimiser="nesterov", average=200
    ),
    "momentum on spheres, clipped": lrft.Training(
        student=lrft.RankOne(train_c=True),
        lr=1e-4,
        steps=10_000,
        optimiser=lrft.SGD(momentum=0.9, clip=1.0),
    ),
}
STAIRCASE = lrft.Task.multi_index({(1,): 1.0, (1, 1): 1.0, (1, 1, 1): 1.0}, base=TASK)
FINAL = ("final_overlap_u", "final_overlap_c", "final_loss")
SERIES = ("overlap_u", "overlap_c", "loss", "hit_step", "status", "stop_step", *FINAL)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", TRAININGS)
def test_resumed_run_is_the_run_that_never_stopped(name, engine, tmp_path):
    task = TASK.replace(noise=0.1) if "noise" in name else TASK
    task = STAIRCASE if "staircase" in name else task
    training = TRAININGS[name]
    straight = lrft.simulate(task, training, replicas=11, seed=4, engine=engine)
    simulation = lrft.Simulation(task, training, replicas=11, seed=4, engine=engine, threads=1)
    for stretches in (1, 1, 2, 3, 5, 8):  # each the least that `advance` does, on any machine
        for _ in range(stretches):
            assert not simulation.advance(0.0), "the run ended before it was saved six times"
        simulation.save_state(tmp_path / "state.npz")
        simulation = lrft.Simulation.resume(tmp_path / "state.npz", threads=1)
    simulation.run()
    resumed = simulation.dataset()
    later = [name for name in straight.data_vars if "training_loss" in name]
    averaged = [name for name in straight.data_vars if "averaged" in name]
    assert len(averaged) == (2 if training.average is not None else 0)
    for series in (*SERIES, *later, *averaged):
        assert resumed[series].equals(straight[series]), series


STUDENTS = {
    "rank one, frozen": lrft.RankOne(),
    "rank one, joint": lrft.RankOne(train_c=True, orthogonal=False),
    "rank one, linearised": lrft.RankOne(train_c=True, linearized=True),
    "lora": lrft.LoRA(rank=2, alpha=3.0),
    "lora on the sphere": lrft.LoRA(rank=2, b_init="gaussian", sphere=True),
    "lora, linearised": lrft.LoRA(rank=2, linearized=True),
    "full network": lrft.FullNetwork(train_lam=True),
    "full network from scratch": lrft.FullNetwork(width=7, init="gaussian", lam_init="ones"),
    "full network, linearised": lrft.FullNetwork(linearized=True),
    "full network with biases": lrft.FullNetwork(biases=0.3, train_biases=True),
}


#: The others run in the long suite.
QUICK = (
    "rank one, joint",
    "lora, linearised",
    "full network from scratch",
    "full network with biases",
)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.verification)
        for name in STUDENTS
    ],
)
def test_resumed_at_ten_random_steps(name, engine, tmp_path):
    """Records at random steps end the shortest stretches of work there, so the stops are random."""
    random = np.random.default_rng([20240611, list(STUDENTS).index(name)])
    record = np.sort(random.choice(np.arange(1, 3000), 300, replace=False)).tolist()
    training = lrft.Training(student=STUDENTS[name], lr=0.002, steps=3000, record=record)
    straight = lrft.simulate(TASK, training, replicas=3, seed=4, engine=engine)
    simulation = lrft.Simulation(TASK, training, replicas=3, seed=4, engine=engine, threads=1)
    stops = set()
    for stretches in np.diff(
        np.sort(random.choice(np.arange(1, 280), 10, replace=False)), prepend=0
    ):
        for _ in range(stretches):
            assert not simulation.advance(0.0), "the run ended before it was saved ten times"
        stops.update(chain.step for chain in simulation.chains())
        simulation.save_state(tmp_path / "state.npz")
        simulation = lrft.Simulation.resume(tmp_path / "state.npz", threads=1)
    assert len(stops - {0}) >= 10
    simulation.run()
    resumed = simulation.dataset()
    for series in SERIES:
        assert resumed[series].equals(straight[series]), series


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    simulation = lrft.Simulation(TASK, TRAININGS["frozen"], replicas=2, threads=1)
    simulation.advance(0.0)
    path = tmp_path_factory.mktemp("state") / "state.npz"
    simulation.save_state(path)
    return path


def changed(path, change):
    with np.load(path) as stored:
        entries = {name: stored[name] for name in stored.files}
    change(entries)
    np.savez(path, **entries)


def about(**changes):
    def change(entries):
        text = json.loads(str(entries["lrft"]))
        entries["lrft"] = np.array(json.dumps(text | changes, sort_keys=True))

    return change


def sealed(**changes):
    """Edit what the file says of itself, and its digest with it."""

    def change(entries):
        about(**changes)(entries)
        arrays = {name: value for name, value in entries.items() if value.ndim}
        entries["digest"] = np.array(state.digest(arrays, str(entries["lrft"])))

    return change


def edited(entries):
    # Not the rows: a replica that has ended on a fast machine has none.
    entries["chain0.records.loss"] = np.nextafter(entries["chain0.records.loss"], 0.0)


def nested(entries):
    entries["lrft"] = np.array("[" * 100_000)


REFUSED = {
    "another version": (lambda p: changed(p, about(lrft="0.0.1")), "written by lrft 0.0.1"),
    "another build": (
        lambda p: changed(p, about(lrft=f"{lrft.__version__}+core.0")),
        r"written by lrft .*\+core.0 ",
    ),
    "another format": (lambda p: changed(p, about(version=99)), "state version 99"),
    "another instruction set": (
        lambda p: changed(p, sealed(instruction_set="z80")),
        "set LRFT_ISA=z80",
    ),
    "another instruction set, a build of its own": (
        lambda p: changed(p, sealed(instruction_set="z80", lrft=f"{lrft.__version__}+core.0")),
        "set LRFT_ISA=z80",
    ),
    "no rates": (lambda p: changed(p, sealed(rates=[])), "0 rates"),
    "no chains": (lambda p: changed(p, sealed(chains=[])), "not one for each task and replica"),
    "chains that are numbers": (lambda p: changed(p, sealed(chains=[1, 2])), "cannot resume"),
    "a training that is none": (lambda p: changed(p, sealed(training=3)), "cannot resume"),
    "replicas beyond counting": (lambda p: changed(p, sealed(replicas=10**30)), "cannot resume"),
    "nested": (lambda p: changed(p, nested), "nests too deeply"),
    "edited instruction set": (lambda p: changed(p, about(instruction_set="z80")), "was changed"),
    "edited numbers": (lambda p: changed(p, edited), "the file was changed"),
    "edited settings": (lambda p: changed(p, about(seed=5)), "the file was changed"),
    "not a state": (lambda p: TASK.save(p), "not the state of a run"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:1000]), "truncated"),
    "empty": (lambda p: p.write_bytes(b""), "cannot read"),
    "missing": (lambda p: p.unlink(), "no such file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_state_that_cannot_be_used_is_refused(name, saved, tmp_path):
    spoil, reason = REFUSED[name]
    path = tmp_path / "state.npz"
    shutil.copy(saved, path)
    lrft.Simulation.resume(path)  # the control
    spoil(path)
    with pytest.raises(ValueError, match=reason) as caught:
        lrft.Simulation.resume(path)
    assert "state.npz" in str(caught.value)


def test_state_is_saved_whole_or_not_at_all(tmp_path):
    simulation = lrft.Simulation(TASK, TRAININGS["frozen"], replicas=2)
    with pytest.raises(ValueError, match="does not exist"):
        simulation.save_state(tmp_path / "nowhere" / "state.npz")
    assert not list(tmp_path.iterdir())


# ---- lrft run --checkpoint, --resume ----------------------------------------------------------

RUN = ["run", "--d", "60", "--k", "4", "--lr", "0.002", "--steps", "40000", "--threads", "1"]


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, arguments)))
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_interrupted_run_goes_on_from_its_checkpoint(folder, capsys, monkeypatch):
    assert command(capsys, *RUN, "--name", "straight")[0] == 0
    saves = []
    real = lrft.Simulation.save_state

    def interrupt(simulation, path):
        real(simulation, path)
        saves.append(path)
        if len(saves) == 2:
            raise KeyboardInterrupt

    # The first looks come after milliseconds instead of a tenth of a second.
    monkeypatch.setattr(lrft.Simulation.advance, "__defaults__", (0.001,))
    monkeypatch.setattr(lrft.Simulation, "save_state", interrupt)
    code, _, err = command(capsys, *RUN, "--checkpoint", "1e-9", "--name", "part")
    assert code == 130
    assert "lrft run --resume part.state.npz goes on" in err
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert (lrft.load("part.nc").status == "interrupted").any()
    code, out, err = command(
        capsys, "run", "--resume", "part.state.npz", "--checkpoint", "60", "--name", "part"
    )
    assert (code, err) == (0, "")
    assert "saved part.nc" in out
    part, straight = lrft.load("part.nc"), lrft.load("straight.nc")
    for series in SERIES:
        assert part[series].equals(straight[series]), series
    assert not (folder / "part.state.npz").exists()
    assert json.loads(part.attrs["configuration"]) == json.loads(straight.attrs["configuration"])


def test_checkpoint_that_cannot_be_written_does_not_end_the_run(folder, capsys, monkeypatch):
    def full(simulation, path):
        raise ValueError(f"cannot write {str(path)!r}: No space left on device")

    monkeypatch.setattr(lrft.Simulation, "save_state", full)
    monkeypatch.setattr(lrft.Simulation.advance, "__defaults__", (0.001,))
    code, out, err = command(capsys, *RUN, "--checkpoint", "1e-9")
    assert code == 0
    assert "no checkpoint: cannot write 'lrft-run.state.npz': No space left" in err
    assert "saved lrft-run.nc" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "10"], "no --steps"),
        (["--config", "some.toml"], "no --config"),
        (["--checkpoint", "0"], "checkpoint must be greater than 0"),
    ],
)
def test_resume_takes_its_settings_from_the_state(flags, message, saved, folder, capsys):
    code, _, err = command(capsys, "run", "--resume", saved, *flags)
    assert code == 2
    assert message in err


def test_resume_from_no_state_is_refused(folder, capsys):
    (folder / "state.npz").write_bytes(b"hello")
    code, _, err = command(capsys, "run", "--resume", "state.npz")
    assert code == 2
    assert "cannot read 'state.npz'" in err
