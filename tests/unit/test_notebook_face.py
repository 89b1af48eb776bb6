"""What a notebook and a terminal show: tables, signatures, completion, the bar."""

from __future__ import annotations

import inspect
import os
import re
import sys
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import lrft
from lrft.base import html, progress

pytestmark = pytest.mark.any_set

TASK = lrft.Task.sample(d=50, k=3, noise=0.5, seed=1)


def parts(shown: Any) -> tuple[list[str], list[str]]:
    """Names that an object's table shows at once, and those that are folded away."""
    page = ElementTree.fromstring(shown._repr_html_())
    folded = page.find("details")
    rest = [] if folded is None else [cell.text for cell in folded.iter("th")]
    return [cell.text for cell in page.find("table").iter("th")], rest


def test_what_differs_from_the_defaults_comes_first() -> None:
    first, rest = parts(TASK)
    assert {"d", "k", "xi", "noise"} <= set(first)
    assert {"activation", "normalization", "rank", "features", "c", "u"} <= set(rest)
    assert "activation" in parts(lrft.Task.sample(d=50, k=3, activation="erf"))[0]
    training = lrft.Training(student=lrft.LoRA(2), lr=0.1, steps=10, batch=3)
    assert parts(training)[0] == ["student", "lr", "steps", "batch"]
    assert parts(lrft.RankOne(train_c=True))[0] == ["train_c"]
    assert "train_c" in parts(lrft.RankOne())[1]
    assert parts(lrft.LoRA(2, b_init=np.ones((3, 2))))[0] == ["rank", "b_init"]
    given = lrft.Task(W=np.eye(2, 4), lam=[1, 1], c=[0.6, 0.8], u=np.eye(4)[3], xi=1.0)
    assert "d" in parts(given)[0]


def test_a_run_and_weights_have_tables() -> None:
    simulation = lrft.Simulation(TASK, lrft.Training(lr=1e-4, steps=10), replicas=2)
    assert "0 of 10" in simulation._repr_html_()
    simulation.run()
    assert "10 of 10" in simulation._repr_html_()
    assert "2 ended" in simulation._repr_html_()
    first, rest = parts(lrft.Weights(np.eye(2, 3), np.ones(2), "relu", neuron_scale=0.5))
    assert first == ["k", "d", "activation", "neuron_scale"]
    assert rest == ["output_scale", "output_bias"]


def test_text_of_others_is_escaped() -> None:
    assert "<script>" not in html.table("a", {"<script>": "<script>"}, {"b": "<script>"})


@pytest.mark.parametrize(
    "model", [lrft.Training, lrft.RankOne, lrft.LoRA, lrft.FullNetwork, lrft.schedule.Step]
)
def test_signatures_show_types(model: Any) -> None:
    text = str(inspect.signature(model))
    for word in ("Validator", "Annotated", "typing", "function", "<", "args", "kind"):
        assert word not in text
    assert set(inspect.signature(model).parameters) == set(model.model_fields) - {"kind"}


def test_the_signature_of_a_training() -> None:
    text = str(inspect.signature(lrft.Training))
    assert "steps: 'int', batch: 'int' = 1, reuse: 'int' = 1, lookahead: 'float | None'" in text
    assert str(inspect.signature(lrft.LoRA)).startswith("(rank: 'int', *, alpha: 'float | None'")


@pytest.mark.parametrize(
    "shown", [lrft.Training, lrft.RankOne(), lrft.Training.paper(), lrft.theory, lrft.plot, lrft]
)
def test_completion_shows_public_names(shown: Any) -> None:
    names = dir(shown)
    assert names
    for name in ("model_construct", "parse_raw", "annotations", "copy", "euclidean_rates", "np"):
        assert name not in names
    if not inspect.ismodule(shown):
        model = shown if inspect.isclass(shown) else type(shown)
        assert {"replace", "model_dump_json", *model.model_fields} <= set(names)


def test_a_short_repr_makes_the_same_again() -> None:
    training = lrft.Training(student=lrft.LoRA(2, lr_b=0.5), lr=0.1, steps=10, record=[1, 5])
    assert repr(training).startswith("Training(student=LoRA(rank=2, lr_b=0.5), lr=0.1, steps=10")
    assert eval(repr(training), vars(lrft)) == training


def test_true_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    main, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        lrft.simulate(TASK, lrft.Training(lr=1e-4, steps=10), replicas=2, progress=True)
    shown = b""
    with suppress(OSError):  # how a terminal that nobody writes to any more ends
        while part := os.read(main, 100_000):
            shown += part
    os.close(main)
    assert re.search(r"100%\|.*2 done", shown.decode())


def test_true_is_silent_where_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    for work in (
        lambda: lrft.simulate(TASK, lrft.Training(lr=1e-4, steps=10), progress=True),
        lambda: lrft.Simulation(TASK, lrft.Training(lr=1e-4, steps=10)).run(progress=True),
        lambda: lrft.simulate_all([lrft.Job(TASK, lrft.Training(lr=1e-4, steps=9))], progress=True),
    ):
        work()
    assert capsys.readouterr() == ("", "")
    with pytest.raises(TypeError, match="progress must be True or callable, got 'yes'"):
        lrft.simulate(TASK, lrft.Training(lr=1e-4, steps=10), progress="yes")


def test_bars_say_what_is_done_where_none_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Bars() as bars:
        for share in (0.5, 1.0, 1.0):
            bars("fig2a", share)
    assert capsys.readouterr().err == "fig2a done\n"
