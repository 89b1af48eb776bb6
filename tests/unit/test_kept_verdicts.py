"""Figures at few instances show the verdicts that are kept of many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from experiments import give, tiny

import lrft
from lrft.paper import registry
from lrft.paper.experiment import Context
from lrft.paper.figures import measured

pytestmark = pytest.mark.any_set
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
PANELS = {f"fig{n}{p}" for n in range(2, 7) for p in "ab"}


def test_instances_are_asked_for_or_few_with_the_verdicts_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    one = tiny("fig9a")

    def run(context: Context) -> xr.Dataset:
        asked.append(context.instances)
        return one.run(context).expand_dims(instance=context.instances or 8)

    give(monkeypatch, replace(one, run=run))
    here = lrft.reproduce("fig9a", out=tmp_path, instances=9).finished[0]
    lrft.reproduce("fig9a", out=tmp_path, instances=9, resume=True)
    assert asked == [9]
    assert here.command == "lrft reproduce fig9a --instances 9"
    verdict = {"outcome": "not supported", "measured": "5 of 99", "note": "why", "needs": ""}
    panel = {
        "instances": 99,
        "settings": one.settings,
        "verdicts": [verdict | {"statement": here.verdicts[0].statement}],
    }
    monkeypatch.setattr(measured, "stored", lambda: {"panels": {"fig9a": panel}})
    (found,) = lrft.reproduce("fig9a", out=tmp_path, resume=True).finished[0].verdicts
    assert asked == [9, None]
    assert (found.outcome, found.note) == ("not supported", "why")
    said = "5 of 99: lrft reproduce fig9a --instances 99; here, 8 instances: "
    assert found.measured == said + here.verdicts[0].measured
    # As measured here, where many are asked for, or settings are others.
    assert lrft.reproduce("fig9a", out=tmp_path, instances=9).finished[0].verdicts == here.verdicts
    panel["settings"] = "other"
    assert lrft.reproduce("fig9a", out=tmp_path).finished[0].verdicts == here.verdicts


@pytest.mark.parametrize(
    ("names", "options", "text"),
    [
        ("figures", {"instances": 3}, "instances must be at least 4, got 3"),
        ("fig2", {"instances": 9, "quick": True}, "instances must be None with quick"),
        (["fig2", "claim1"], {"instances": 9}, "instances=9 is for figures only, got claim1"),
    ],
)
def test_instances_that_mean_nothing(
    tmp_path: Path, names: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        lrft.reproduce(names, out=tmp_path, **options)


def test_verdicts_of_many_instances_are_of_these_settings_and_decided() -> None:
    kept = measured.stored()["panels"]
    assert set(kept) == PANELS
    for one in registry.experiments(kept):
        panel = kept[one.name]
        assert panel["instances"] >= 128
        assert panel["settings"] == one.settings, f"{one.name}: see scripts/panels.py"
        assert {v["outcome"] for v in panel["verdicts"]} <= {"supported", "not supported"}
        assert all(v["note"] for v in panel["verdicts"] if v["outcome"] == "not supported")
