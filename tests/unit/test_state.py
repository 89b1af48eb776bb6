"""Saved states: resumed bit for bit, refused with a reason when they cannot be."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import lrft

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
    "full network": lrft.Training(student=lrft.FullNetwork(), lr=0.001, steps=10_000),
}
SERIES = ("overlap_u", "overlap_c", "loss", "hit_step", "status", "stop_step")


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", TRAININGS)
def test_resumed_run_is_the_run_that_never_stopped(name, engine, tmp_path):
    task = TASK.replace(noise=0.1) if "noise" in name else TASK
    training = TRAININGS[name]
    straight = lrft.simulate(task, training, replicas=11, seed=4, engine=engine)
    simulation = lrft.Simulation(task, training, replicas=11, seed=4, engine=engine, threads=1)
    inside = 0
    for _ in range(6):
        ended = simulation.advance(0.002)
        inside += not ended
        simulation.save_state(tmp_path / "state.npz")
        simulation = lrft.Simulation.resume(tmp_path / "state.npz", threads=1)
    assert inside, "the run ended before it was ever saved"
    simulation.run()
    resumed = simulation.dataset()
    for series in SERIES:
        assert resumed[series].equals(straight[series]), series


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    simulation = lrft.Simulation(TASK, TRAININGS["frozen"], replicas=2, threads=1)
    simulation.advance(0.001)
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


def edited(entries):
    entries["chain0.rows"] = entries["chain0.rows"] + 1e-15


REFUSED = {
    "another version": (lambda p: changed(p, about(lrft="0.0.1")), "written by lrft 0.0.1"),
    "another format": (lambda p: changed(p, about(version=99)), "state version 99"),
    "another instruction set": (lambda p: changed(p, about(instruction_set="z80")), "changed"),
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
    with pytest.raises(ValueError, match="cannot write"):
        simulation.save_state(tmp_path / "nowhere" / "state.npz")
    assert not list(tmp_path.iterdir())
