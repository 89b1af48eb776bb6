"""The picture of README.md is what its first command draws; colours can be read."""

from __future__ import annotations

import importlib.util
import re
from importlib import resources
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


def test_other_pictures_are_kept_small() -> None:
    from PIL import Image

    modes = {}
    for path in (ROOT / "docs/images").glob("*.png"):
        with Image.open(path) as picture:
            modes[path.name] = picture.mode
    assert len(modes) > 5
    assert {name for name, mode in modes.items() if mode != "P"} == {"run.png"}


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


def test_text_of_the_report_can_be_read_on_a_light_and_on_a_dark_page() -> None:
    from lrft.paper.drawing.style import THEME

    css = (resources.files("lrft.paper.report") / "report.css").read_text(encoding="utf-8")
    places = css.split(":root {")[1:3]
    for page, place in enumerate(places):
        own = dict(re.findall(r"--(\w+): (#\w{6})", place.split("}")[0]))
        drawn = {name: colours[page] for name, colours in THEME.items()}
        card = drawn.pop("card")
        words = own | drawn
        del words["grid"], words["line"]
        words.pop("page")
        assert len(words) == 13
        for name, colour in words.items():
            assert contrast(colour, card) >= 4.5, (name, page)
        for name in ("ink", "muted", "link", "no"):  # outside of the cards
            assert contrast(words[name], own["page"]) >= 4.5, (name, page)


def test_the_thick_line_is_the_median_and_one_instance_is_thin() -> None:
    from lrft.paper.drawing import style

    _, axes = style.frame()
    paths = [[0.0, 9.0], [1.0, 2.0], [2.0, 3.0]]
    assert style.band(axes, [0, 1], paths, "C0", shown=0, thin=False).tolist() == [1.0, 3.0]
    drawn = {tuple(line.get_ydata()): line.get_linewidth() for line in axes.lines}
    assert max(drawn, key=drawn.__getitem__) == (1.0, 3.0)
    assert drawn[(0.0, 9.0)] < 1.0
