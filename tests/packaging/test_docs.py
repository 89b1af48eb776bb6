"""What README.md and docs/ show runs as it stands, and what the pages point to exists."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.any_set

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "cpp/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
#: (language, code) of every example that runs, in the order of the page.
EXAMPLES = {
    name: re.findall(r"^(?<!-->\n)```(python|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for name, text in TEXT.items()
}
#: Packages that only an extra installs, or none; an example that imports a missing one is left out.
OPTIONAL = ("numba", "sklearn", "torch")
#: ``lrft`` is the module that is being tested, whatever is on the PATH.
SHELL = 'set -e; lrft() { "$PYTHON" -m lrft.cli "$@"; }\n'


def test_there_are_examples() -> None:
    assert EXAMPLES["README.md"]
    counts = {"python": 0, "sh": 0}
    for blocks in EXAMPLES.values():
        for language, _ in blocks:
            counts[language] += 1
    assert counts["python"] >= 30
    assert counts["sh"] >= 3


@pytest.mark.parametrize("name", [name for name, blocks in EXAMPLES.items() if blocks])
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, as if typed one after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("PYTHON", sys.executable)
    names: dict[str, object] = {}
    for number, (language, block) in enumerate(EXAMPLES[name]):
        if language == "sh":
            done = subprocess.run(
                ["sh", "-c", SHELL + block], env=os.environ, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{block}\n{done.stderr}"
            continue
        try:
            exec(compile(block, f"{name} example {number}", "exec"), names)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise


@pytest.mark.parametrize("name", TEXT)
def test_blocks_that_do_not_run_say_why(name: str) -> None:
    """Code has a language, and only a stated reason keeps a block from being run."""
    lines = TEXT[name].splitlines()
    inside = False
    for before, line in zip(["", *lines], lines, strict=False):
        if not line.startswith("```"):
            continue
        inside = not inside
        if inside:
            language = line.removeprefix("```")
            known = ("python", "sh", "toml", "text", "{toctree}")
            assert language in known, f"a block of {language or 'no language'}"
            if before.endswith("-->"):
                assert re.fullmatch(r"<!-- not run: .{10,} -->", before), before


@pytest.mark.parametrize("name", TEXT)
def test_links_and_pictures_exist(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", TEXT[name])
    assert [target for target in targets if not (page.parent / target).exists()] == []


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXT)
def test_anchors_exist(name: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", TEXT[name]):
        path = (ROOT / name).parent.joinpath(target).resolve() if target else ROOT / name
        assert anchor in anchors(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


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


@pytest.fixture(scope="module")
def outcomes() -> Any:
    spec = importlib.util.spec_from_file_location("outcomes", ROOT / "scripts/outcomes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_outcomes_of_a_run_become_a_page(outcomes: Any, tmp_path: Path) -> None:
    """Cases are counted, and of all comparisons the one nearest to its bound is shown."""
    test = "tests/unit/test_random.py::test_streams_are_independent"
    cases = {
        f"{test}[{i}]": {"outcome": "passed", "seconds": 1.0}
        | {"share": m / 5, "measured": m, "sign": "<", "bound": 5.0}
        for i, m in enumerate([1.25, 4.5])
    }
    about = {"isa": "x86-64", "version": "1", "compiler": "c", "python": "3", "machine": "m"}
    (tmp_path / "default.json").write_text(json.dumps({"about": about, "tests": cases}))
    page = outcomes.render(outcomes.gather(tmp_path))
    assert "**2 passed, 0 failed, 0 skipped**, in 1 checks." in page
    assert "| 2 | passed | 4.5 < 5 |" in page


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        ("1e-16 < 1e-12\n +  where 1e-16 = abs(...)", (1e-16, "<", 1e-12)),
        ("assert np.float64(0.068) <= (4 * np.float64(0.05))", (0.068, "<", 0.2)),
        ("0.5 > 0.001", (0.5, ">", 0.001)),
        ("1.75 == 2.0 ± 0.5", (0.25, "<", 0.5)),
        ("3 < 5", None),  # counts
        ("0 < 0.5 < 1", None),
        ("-0.5 < 0.1", None),
        ("array([0.1]) < 0.2", None),
        ("nan < 0.1", None),
    ],
)
def test_outcomes_read_comparisons(outcomes: Any, explanation: str, expected: Any) -> None:
    assert outcomes.compared(explanation) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("name", [name for name in TEXT if name.startswith("docs/")])
def test_every_page_of_docs_is_on_the_site(name: str) -> None:
    index = TEXT["docs/index.md"]
    listed = re.findall(r"^```{toctree}\n(.*?)^```", index, re.MULTILINE | re.DOTALL)
    entries = [line for block in listed for line in block.splitlines() if line[:1] != ":"]
    page = Path(name).stem
    assert page == "index" or any(Path(page).match(entry) for entry in entries)
