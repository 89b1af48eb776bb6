"""The figures of the paper, at its own sizes: the verdicts come out as they were measured."""

from __future__ import annotations

from pathlib import Path

import pytest

import lrft

pytestmark = pytest.mark.verification
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

#: Statements that do not hold here, with why: the notes of the verdicts and docs/reproduce.md.
NOT_SUPPORTED: set[str] = set()


def test_figures(tmp_path: Path) -> None:
    done = lrft.reproduce("figures", out=tmp_path)
    assert not [one.error for one in done.finished if one.error]
    others = {v.statement for _, v in done.verdicts if v.outcome != "supported"}
    assert others == NOT_SUPPORTED
