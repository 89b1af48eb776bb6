"""The Python in README.md and docs/ runs as it stands, and what the pages point to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "cpp/README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
EXAMPLES = {
    name: re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for name, text in TEXT.items()
}
#: Packages that only an extra installs; an example that imports a missing one is left out.
OPTIONAL = ("numba",)


def test_there_are_examples() -> None:
    assert EXAMPLES["README.md"]
    assert sum(map(len, EXAMPLES.values())) >= 10


@pytest.mark.parametrize("name", [name for name, blocks in EXAMPLES.items() if blocks])
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, as if typed one after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, object] = {}
    for number, block in enumerate(EXAMPLES[name]):
        try:
            exec(compile(block, f"{name} example {number}", "exec"), names)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise


@pytest.mark.parametrize("name", TEXT)
def test_links_and_pictures_exist(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", TEXT[name])
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", TEXT)
def test_paths_exist(name: str) -> None:
    """Files and folders of the repository that a page names in code quotes."""
    folders = "bench|bindings|cmake|cpp|docs|python|scripts|tests"
    paths = re.findall(rf"`((?:{folders})/[\w./-]*)`", TEXT[name])
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    reached, open_pages = set(), ["README.md"]
    while open_pages:
        name = open_pages.pop()
        reached.add(name)
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+\.md)", TEXT.get(name, "")):
            path = (ROOT / name).parent.joinpath(target).resolve().relative_to(ROOT).as_posix()
            if path not in reached:
                open_pages.append(path)
    assert set(TEXT) - reached == set()
