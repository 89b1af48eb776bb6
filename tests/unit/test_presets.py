"""The paper's presets, names and numbers as people type them, and rates that cannot work."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import lrft
from lrft.cli import config

pytestmark = pytest.mark.any_set


def test_the_presets_are_what_the_command_line_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.resolve(None, {})
    task = config.task(settings["task"])
    assert task == lrft.Task.paper()
    assert task.recipe == lrft.Task.paper().recipe
    assert config.training(settings, task) == lrft.Training.paper()
    assert lrft.Training.paper().steps == 200 * lrft.Task.paper().d


def test_the_presets_take_what_a_flag_takes() -> None:
    settings = config.resolve(None, {"d": "100", "k": "4", "xi": "3", "train_c": False})
    task = config.task(settings["task"])
    assert task == lrft.Task.paper(d=100, k=4, xi=3)
    student = lrft.RankOne(train_c=False)
    assert config.training(settings, task) == lrft.Training.paper(task, student=student)
    assert task.output_scale == 1 / 3
    assert lrft.Task.paper(d=100, k=4, output_scale=2).output_scale == 2
    assert lrft.Task.paper(d=100, k=4, features="orthonormal").output_scale == 1


def test_a_default_of_the_preset_is_one_of_the_command_line(monkeypatch) -> None:
    real = lrft.Task.paper

    def paper(d: int = 77, **options: Any) -> lrft.Task:
        return real(d, **options)

    monkeypatch.setattr(lrft.Task, "paper", paper)
    monkeypatch.setattr(config, "_PAPER", config._paper())
    assert config.resolve(None, {})["task"]["d"] == 77
    assert inspect.signature(real).parameters["d"].default == 2000


@pytest.mark.parametrize("typed", ["ReLU", "RELU", "GELU", "SiLU", "Tanh", "He3", "Hermite(0, 1)"])
def test_activations_in_any_case(typed: str) -> None:
    plain = lrft.Task.sample(d=20, k=2, activation=typed.lower())
    assert lrft.Task.sample(d=20, k=2, activation=typed) == plain


def test_whole_numbers_written_as_floats() -> None:
    assert lrft.Training(lr=0.1, steps=1e4) == lrft.Training(lr=0.1, steps=10_000)
    assert type(lrft.Training(lr=0.1, steps=np.float64(1e4)).steps) is int
    one, other = lrft.Task.sample(d=1e3, k=2.0), lrft.Task.sample(d=1000, k=2)
    assert one == other
    assert one.recipe == other.recipe
    for wrong in (1.5, 2.0**60, float("nan"), float("inf"), "1e4", True):
        with pytest.raises(TypeError, match="steps must be an integer"):
            lrft.Training(lr=0.1, steps=wrong)


def test_rank_and_width_by_position() -> None:
    assert lrft.LoRA(2) == lrft.LoRA(rank=2)
    assert lrft.FullNetwork(5) == lrft.FullNetwork(width=5)


TASK = lrft.Task.sample(d=1000, k=4)


@pytest.mark.parametrize(
    "student", [lrft.RankOne(), lrft.RankOne(train_c=True), lrft.LoRA(2), lrft.FullNetwork()]
)
def test_a_rate_far_above_the_limit_is_warned_of(student: Any) -> None:
    limit = lrft.theory.stability_limit(TASK, student)
    for lr in (1000 * limit, lrft.schedule.InverseTime(1000 * limit, 1e6)):
        with pytest.warns(lrft.RateWarning, match="far above the stability limit") as seen:
            lrft.Simulation(TASK, lrft.Training(student=student, lr=lr, steps=10))
        assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for lr in (3 * limit, "auto"):
            lrft.Simulation(TASK, lrft.Training(student=student, lr=lr, steps=10))


def test_the_command_line_warns_on_stderr(cli: Any, folder: Any) -> None:
    small = ["run", "--d", "100", "--k", "3", "--steps", "5", "--replicas", "1", "--lr", "1"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = cli(*small)
    assert code == 0
    assert err.startswith("lrft: lr = 1 is far above the stability limit")
    assert len(err.splitlines()) == 1
    assert "stability" not in out


def test_presets_of_lora_say_what_they_set() -> None:
    assert lrft.LoRA.rs(4, alpha=3.0, b_init="gaussian") == lrft.LoRA(
        4, alpha=6.0, b_init="gaussian"
    )
    assert lrft.LoRA.plus(2, lr=0.01, ratio=4) == lrft.LoRA(2, lr_b=0.04)
    assert lrft.LoRA.frozen_a(2, sphere=True) == lrft.LoRA(2, train_a=False, sphere=True)
    with pytest.raises(ValueError, match="alpha must be greater than 0"):
        lrft.LoRA.rs(4, alpha=0)
    with pytest.raises(ValueError, match="ratio must be greater than 0"):
        lrft.LoRA.plus(4, lr=0.1, ratio=0)


def test_what_came_later_leaves_hashes_alone() -> None:
    plain = lrft.LoRA(2)
    assert not {"sphere", "start", "start_samples", "start_rate"} & set(plain.model_dump())
    assert lrft.LoRA(2, sphere=True).content_hash != plain.content_hash
