"""The picture of README.md is what its first command draws; colours can be read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.any_set

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "scripts/pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_readme_is_what_its_command_draws(script: Any) -> None:
    assert "![" in (text := (ROOT / "README.md").read_text(encoding="utf-8"))
    assert script.PICTURE.relative_to(ROOT).as_posix() in text
    assert script.difference(script.draw(), script.PICTURE.read_bytes()) < script.MOST


def test_another_picture_is_seen(script: Any) -> None:
    other = (ROOT / "docs/images/fig3a.png").read_bytes()
    assert script.difference(other, script.PICTURE.read_bytes()) > script.MOST


def contrast(colour: Any, page: Any) -> float:
    """WCAG 2 contrast ratio."""
    from matplotlib.colors import to_rgb

    def luminance(one: Any) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(one)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colour), luminance(page)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("count", [1, 7, 8, 40])
def test_colours_can_be_read_on_white_and_seen_on_black(count: int) -> None:
    from lrft.plot.style import colours

    assert len(colours(count)) == count
    for colour in colours(count):
        assert contrast(colour, "white") >= 4.5
        assert contrast(colour, "#0d1117") >= 3.0
