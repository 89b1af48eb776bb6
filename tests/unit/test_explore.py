"""What the explorer runs, shows and writes down, without a browser."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.explore.choices import Choices
from lrft.explore.limit import question, solve
from lrft.explore.runner import Runner

pytest.importorskip("tomlkit", reason="tomlkit is not installed")

pytestmark = pytest.mark.usefixtures("folder")

SMALL = Choices(log_d=2.0, k=3, log_steps=1.0)


@pytest.fixture
def start() -> Iterator[Callable[..., Runner]]:
    runners: list[Runner] = []

    def make(choices: Choices, **options: Any) -> Runner:
        runners.append(Runner(choices, **options))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()
        assert not runner.alive


def ended(moment: Any) -> bool:
    return moment.curves is not None and not moment.curves.running


VARIED = {
    "trained": SMALL,
    "linearised": Choices(
        log_d=2.0,
        k=3,
        log_steps=1.0,
        student="linearized",
        factor="teacher",
        activation="erf",
        noise=0.1,
        batch=2,
    ),
    "LoRA": Choices(log_d=2.0, k=3, log_steps=1.0, student="lora", rank=2, seed=5),
}


@pytest.mark.parametrize("name", VARIED)
def test_what_is_written_down_makes_the_same_bits(
    name: str, start: Any, cli: Any, folder: Path
) -> None:
    runner = start(VARIED[name])
    recipe = runner.wait(ended).recipe
    seen = runner.dataset()
    names: dict[str, Any] = {}
    exec(recipe.python(), names)
    Path("run.toml").write_text(recipe.toml(), encoding="utf-8")
    assert cli("run", "--config", "run.toml", "--name", "toml")[0] == 0
    words = shlex.split(recipe.command())
    assert words[0] == "lrft"
    assert cli(*words[1:], "--name", "command")[0] == 0
    for ds in (names["ds"], lrft.load("toml.nc"), lrft.load("command.nc")):
        xr.testing.assert_equal(ds, seen)
        assert ds.attrs["configuration"] == seen.attrs["configuration"]
    assert np.array_equal(runner.moment.curves.loss, seen.loss.values)


def test_a_change_begins_another_run(start: Any) -> None:
    runner = start(SMALL)
    first = runner.wait(ended)
    runner.change(Choices(log_d=2.0, k=3, log_steps=1.0, strength=2.0))
    second = runner.wait(lambda moment: moment.run > first.run and ended(moment))
    assert second.recipe.task["xi"] == 2 * first.recipe.task["xi"]
    assert not np.array_equal(first.curves.loss, second.curves.loss)
    assert second.choices.differences(SMALL) == "ξ = 2 √k"


def test_all_replicas_move_while_none_has_ended(start: Any) -> None:
    runner = start(Choices(log_d=7.0, k=3))  # a minute long
    curves = runner.wait(lambda moment: moment.curves).curves
    assert curves.running == 16
    assert np.isfinite(curves.loss[:, 1]).all()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (Choices(log_d=1.0, k=50), "d >= 11"),
        (Choices(batch=0), "batch must be"),
    ],
)
def test_what_cannot_be_run_is_a_message_and_not_the_end(
    choices: Choices, message: str, start: Any
) -> None:
    runner = start(choices)
    moment = runner.wait(lambda moment: moment.message)
    assert message in moment.message
    assert moment.curves is None
    runner.change(SMALL)
    assert runner.wait(ended).message == ""


def test_divergence_is_told(start: Any) -> None:
    runner = start(Choices(log_d=2.0, k=3, student="lora", rate=20.0))
    moment = runner.wait(ended)
    assert moment.curves.diverged == 16
    assert "16 of 16 replicas diverged" in moment.message
    assert np.isnan(moment.curves.median_loss).all()


def test_marks_and_medians_are_those_of_the_result(start: Any) -> None:
    runner = start(Choices(log_d=2.0, k=3, log_steps=2.0))
    curves = runner.wait(ended).curves
    ds = runner.dataset()
    assert curves.hit == lrft.hit_quantile(ds, 0.5).sel(threshold=0.9).item()
    assert curves.hits == int((ds.hit_step.sel(threshold=0.9) >= 0).sum())
    assert np.array_equal(curves.median_overlap, np.abs(ds.overlap_u).median("replica"))


def test_the_ode_is_near_the_median_at_a_large_dimension(start: Any) -> None:
    """ĉ = c and δ small: fluctuations are of order d^{-1/2}, and the limit has no other error."""
    recipe, _ = Choices(log_d=4.0, k=3, factor="teacher", rate=0.05, log_steps=2.5).recipe()
    ds = lrft.simulate(recipe.make_task(), recipe.make_training(), **recipe.run)
    asked = question(recipe, ds.overlap_u.isel(step=0).values.tolist())
    assert asked is not None
    limit = solve(asked)
    path = np.abs(ds.overlap_u.sel(replica=asked.replica)).values
    assert path[-1] > 0.9
    assert np.abs(limit.overlap - path).max() < 0.1
    losses = ds.loss.sel(replica=asked.replica, step=limit.loss_steps.astype(int)).values
    assert np.abs(limit.loss - losses).max() < 0.1 * losses[0]


def test_a_student_without_an_ode_has_none() -> None:
    recipe, _ = VARIED["LoRA"].recipe()
    assert question(recipe, []) is None


def test_saving_writes_both_files_and_replaces_none(start: Any, folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    runner = start(SMALL, folder=folder / "out")
    runner.wait(ended)
    for number in (1, 2):
        runner.save()
        path = folder / "out" / f"lrft-explore-{number}.nc"
        runner.wait(lambda moment, path=path: str(path) in moment.message)
        xr.testing.assert_equal(lrft.load(path), runner.dataset())
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
