"""The floors of the package: a folder imports only folders below it, and nothing goes in circles.

CONTRIBUTING.md draws the same floors.  Imports that only a type checker sees count too.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import lrft

pytestmark = pytest.mark.any_set

ROOT = Path(lrft.__file__).parent

#: From the lowest; folders of one floor do not know each other. "" is `lrft` itself, the face, and
#: the modules beside it are names of it.
FLOORS = (
    ("base", "reference", "data"),
    ("core",),
    ("model",),
    ("theory", "result"),
    ("run", "plot"),
    ("fitting", "algorithm"),
    ("study",),
    ("", "schedule", "progress", "training", "tuning", "weights"),
    ("paper", "bench"),
    ("explore",),
    ("cli",),
)
FLOOR = {folder: height for height, folders in enumerate(FLOORS) for folder in folders}
#: The compiled modules lie beside the folders; only the room that loads them may name them.
COMPILED = ("lrft._core", "lrft._cpu")
#: What a guest may import: the face, its documented modules, and what knows nothing of learning.
GUESTS = ("paper",)
PUBLIC = (
    "lrft",
    *(f"lrft.{name}" for name in ("plot", "reference", "result", "schedule", "study", "theory")),
    *(f"lrft.result.{name}" for name in ("exponents", "intervals")),
)
#: Loads a command, or a public name, when it is asked for: that is what these two files are for.
ON_DEMAND = ("__init__.py", "cli/__init__.py")


def modules() -> dict[str, Path]:
    """Every module of the package by name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ("lrft", *path.relative_to(ROOT).with_suffix("").parts)
        if parts[1] != "_core":
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def folder(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(module: str) -> Iterator[tuple[str, ast.stmt]]:
    """What a module imports of lrft, each with its statement."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((a.name, node) for a in node.names if a.name.split(".")[0] == "lrft")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lrft":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in (*MODULES, *COMPILED) else str(node.module)), node


def test_every_folder_has_a_floor() -> None:
    assert {folder(module) for module in MODULES} == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    here = folder(module)
    upward = []
    for target, node in imports(module):
        there = folder(target)
        if target in COMPILED:
            fine = here == "core"
        elif module == "lrft":  # names are for when they are asked for, of guests too
            fine = FLOOR[there] < FLOOR[here] or (
                (there in GUESTS or there == "schedule") and _for_checkers(node)
            )
        elif here in GUESTS:
            fine = target in PUBLIC or there in (here, "base")
        else:
            fine = there == here or FLOOR[there] < FLOOR[here]
        if not fine:
            upward.append(f"line {node.lineno}: {target}")
    assert upward == []


def test_nothing_goes_in_circles() -> None:
    """Depth-first: a module met again on the way to itself closes a circle."""
    known: dict[str, int] = {}
    circles = []

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            circles.append([*path[path.index(module) :], module])
        elif module not in known:
            for target, node in imports(module):
                named = module == "lrft" and _for_checkers(node)
                if target in MODULES and target != module and not named:
                    visit(target, [*path, module])
            known[module] = 1

    for module in MODULES:
        visit(module, [])
    assert circles == []


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_lrft_is_imported_late(module: str) -> None:
    """An import inside a function hides a circle, or a cost; heavy third parties may come late."""
    path = MODULES[module]
    if path.relative_to(ROOT).as_posix() in ON_DEMAND:
        pytest.skip("loads on demand: that is what it is for")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = [
        f"line {node.lineno}"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(name.split(".")[0] == "lrft" for name in _names(node))
    ]
    assert late == []


def _for_checkers(node: ast.stmt) -> bool:
    """Only a type checker sees it: what is inside ``if TYPE_CHECKING:`` is indented."""
    return node.col_offset > 0


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]


@pytest.mark.parametrize("module", MODULES)
def test_no_file_name_carries_an_underscore(module: str) -> None:
    """Private means not in the face; `__init__` and `__main__` are Python's."""
    assert not any(part.startswith("_") and not part.startswith("__") for part in module.split("."))


def test_files_can_be_held_in_the_head() -> None:
    long = {
        module: length
        for module, path in MODULES.items()
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert long == {}, os.linesep.join(long)
