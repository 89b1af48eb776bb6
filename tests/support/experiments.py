"""Experiments of `lrft reproduce` that take no time."""

from __future__ import annotations

from typing import Any

import pytest
import xarray as xr

from lrft.paper import registry
from lrft.paper.experiment import Context, Experiment, Verdict


def tiny(name: str, value: float = 1.0) -> Experiment:
    """One that draws a line and says so."""

    def run(context: Context) -> xr.Dataset:
        context.progress(0.5)
        return xr.Dataset({"y": ("x", [value, 2.0])}, {"x": [0, 1]}, {"seed": 3})

    def draw(data: xr.Dataset) -> Any:
        from lrft.paper.drawing import style

        figure, axes = style.frame()
        axes.plot(data.x, data.y)
        return [figure]

    def judge(data: xr.Dataset) -> list[Verdict]:
        return [Verdict("it is", f"{data.y.values[0]}", "supported")]

    return Experiment(name, "a title", "what it shows", "what was chosen", run, draw, judge)


def give(monkeypatch: pytest.MonkeyPatch, *experiments: Experiment) -> None:
    """Make them what there is."""
    monkeypatch.setattr(registry, "experiments", lambda names: list(experiments))
