"""Figures at few instances show the verdicts that are kept of many."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from experiments import give, tiny

import lrft
from lrft.paper import registry
from lrft.paper.experiment import Context
from lrft.paper.figures import measured, settings

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
    verdict = {"outcome": "not supported", "measured": "5 of 99", "note": "", "needs": ""}
    panel = {
        "instances": 99,
        "seed": settings.SEED,
        "settings": one.settings,
        "judged_by": measured.judged_by(one),
        "verdicts": [verdict | {"statement": here.verdicts[0].statement, "reason": "why"}],
    }
    monkeypatch.setattr(measured, "stored", lambda: {"panels": {"fig9a": panel}})
    (found,) = lrft.reproduce("fig9a", out=tmp_path, resume=True).finished[0].verdicts
    assert asked == [9, None]
    assert (found.outcome, found.reason) == ("not supported", "why")
    assert ">Why: why.<" in (tmp_path / "report.html").read_text(encoding="utf-8")
    said = "5 of 99: lrft reproduce fig9a --instances 99; here, 8 instances: "
    assert found.measured == said + here.verdicts[0].measured
    # As measured here, where many are asked for, or what decides is another.
    assert lrft.reproduce("fig9a", out=tmp_path, instances=9).finished[0].verdicts == here.verdicts
    for name, other in (("settings", "other"), ("seed", 1), ("judged_by", "other")):
        with monkeypatch.context() as changed:
            changed.setitem(panel, name, other)
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
        assert measured.holds(one, panel), f"{one.name}: see scripts/panels.py"
        assert {v["outcome"] for v in panel["verdicts"]} <= {"supported", "not supported"}
        against = [v for v in panel["verdicts"] if v["outcome"] == "not supported"]
        assert all(re.search(r"\d", v["reason"]) for v in against), "a reason is measured"


def test_what_is_kept_hangs_on_code_and_not_on_its_words() -> None:
    def tokens(text: str) -> list[str]:
        return list(measured._tokens(ast.parse(text)))

    code = '"""Say so."""\n\n\ndef double(x):\n    """Double."""\n    return 2 * x\n'
    words = 'def double(x):\n    """Twice."""\n    # Twice.\n    return (2 * x)\n'
    assert tokens(code) == tokens(words)
    assert tokens(code) != tokens(code.replace("2 *", "3 *"))
