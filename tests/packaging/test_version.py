"""The version has one home: python/lrft/base/version.py."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

import lrft

pytestmark = pytest.mark.any_set

SOURCE = Path(__file__).parents[2]


def test_everything_reports_the_same_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", lrft.__version__)
    assert importlib.metadata.version("lrft") == lrft.__version__
    assert lrft._core.__version__ == lrft.__version__  # else the extension is from another build


def test_no_second_home() -> None:
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]
    for name in ["CMakeLists.txt", "CITATION.cff", "README.md", "python/lrft/_core/__init__.pyi"]:
        assert lrft.__version__ not in (SOURCE / name).read_text(), name


def test_the_changelog_knows_the_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (SOURCE / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert lrft.__version__ in headings or headings[0] == "Unreleased"
