"""Pages that are made, not written: the API by groups, the command line, files of the root."""

from __future__ import annotations

import importlib
import inspect
import math
import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import lrft
import lrft.model.activation

#: Files outside this folder that are pages of the site.
ROOT_PAGES = {
    "cpp/README.md": "engine",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
}
#: Home module of a public name -> title of its page; others get a page of their own name.
GROUPS = {
    "model.task": "Tasks",
    "model.sequence": "Tasks",
    "model.inputs": "Tasks",
    "model.eigen_blocks": "Tasks",
    "model.activation": "Activations",
    "model.training": "Training and students",
    "model.students": "Training and students",
    "model.recording": "Training and students",
    "model.loss": "Training and students",
    "model.optimiser": "Training and students",
    "schedule": "Learning-rate schedules",
    "run": "Simulation",
    "base": "Simulation",
    "result": "Results and files",
    "model.weights": "Weights and exchange",
    "model.files": "Weights and exchange",
    "fitting": "Given data",
    "study": "Studies",
    "core": "Random numbers",
    "theory": "Theory",
    "algorithm": "Both stages",
    "paper": "Reproducing the paper",
    "plot": "Plots",
    "reference": "The readable twin",
}
#: Public names that `lrft` itself does not export.
ALSO = {"lrft.result": ["counted", "environment", "code_version", "package_versions"]}
COMMANDS = (
    "run",
    "sequence",
    "fit",
    "plot",
    "bench",
    "info",
    "sweep",
    "rerun",
    "reproduce",
    "explore",
)


# ---- public names ------------------------------------------------------------------------------


def public_names() -> Iterator[tuple[str, str, Any]]:
    """Home module, full name and object of everything public, members of classes not included."""
    for name in lrft.__all__:
        value = getattr(lrft, name)
        if name.startswith("__"):
            continue
        if inspect.ismodule(value):
            for inner in _exported(value):
                yield name, f"lrft.{name}.{inner}", getattr(value, inner)
        else:
            yield value.__module__.removeprefix("lrft."), f"lrft.{name}", value
    for module, names in ALSO.items():
        for name in names:
            value = getattr(importlib.import_module(module), name)
            yield module.removeprefix("lrft."), f"{module}.{name}", value


def _exported(module: ModuleType) -> list[str]:
    """Functions and classes of a module: those in __all__, or defined there without underscore."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    return [
        name
        for name in names
        if inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name))
    ]


#: Bases whose methods are a contract inside lrft, described there, and not for users.
CONTRACTS = ("Model", "StudentModel", "Inputs")


def members(cls: type) -> list[str]:
    """Public methods and properties that a class of lrft defines, its bases in lrft included."""
    found: dict[str, None] = {}
    contracts = [one for one in cls.__mro__ if one.__name__ in CONTRACTS]
    inside = {name for one in contracts for name in vars(one)}
    for one in reversed(cls.__mro__):
        if one.__module__.startswith("lrft.") and one not in contracts:
            for name, value in vars(one).items():
                if name in inside:
                    continue
                raw = value.__func__ if isinstance(value, classmethod | staticmethod) else value
                if (name == "__call__" or not name.startswith("_")) and (
                    inspect.isfunction(raw)
                    or isinstance(raw, property)
                    or type(raw).__name__ == "cached_property"
                ):
                    found[name] = None
    return list(found)


# ---- generated pages ---------------------------------------------------------------------------


def generate(docs: Path) -> None:
    """Write docs/_generated/ anew."""
    out = docs / "_generated"
    shutil.rmtree(out, ignore_errors=True)
    (out / "api").mkdir(parents=True)
    for source, name in ROOT_PAGES.items():
        shutil.copy(docs.parent / source, out / f"{name}.md")
    groups: dict[str, list[tuple[str, Any]]] = {}
    for home, name, value in public_names():
        groups.setdefault(_title(home), []).append((name, value))
    order = list(dict.fromkeys(GROUPS.values()))
    titles = sorted(groups, key=lambda title: (order.index(title) if title in order else 99, title))
    for title in titles:
        (out / "api" / f"{_slug(title)}.rst").write_text(_group(title, groups[title]))
    (out / "api" / "index.rst").write_text(_index(titles, groups))
    (out / "cli.md").write_text(_command_line())


def _title(home: str) -> str:
    """Title of the group of a module: that of the innermost folder that has one."""
    parts = home.split(".")
    for end in range(len(parts), 0, -1):
        if (found := ".".join(parts[:end])) in GROUPS:
            return GROUPS[found]
    raise ValueError(f"GROUPS has no title for lrft.{home}")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _heading(title: str, line: str = "=") -> str:
    return f"{title}\n{line * (len(title) + 2)}\n\n"


def _summary(value: Any) -> str:
    text = inspect.getdoc(value) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def _index(titles: list[str], groups: dict[str, list[tuple[str, Any]]]) -> str:
    text = _heading("API reference")
    text += "Everything public, from its docstrings. One page a group.\n\n"
    text += ".. toctree::\n   :hidden:\n\n"
    text += "".join(f"   {_slug(title)}\n" for title in titles) + "\n"
    for title in titles:
        text += _heading(title, "-")
        text += f"See :doc:`{_slug(title)}`.\n\n.. list-table::\n   :widths: 30 70\n\n"
        for name, value in groups[title]:
            text += f"   * - :py:obj:`{name}`\n     - {_summary(value)}\n"
        text += "\n"
    return text


def _group(title: str, names: list[tuple[str, Any]]) -> str:
    text = _heading(title)
    if title == "Activations":
        text += _activations()
    for name, value in names:
        text += _heading(name.removeprefix("lrft."), "-")
        if not inspect.isclass(value):
            text += f".. autofunction:: {name}\n\n"
            continue
        text += f".. autoclass:: {name}\n\n"
        for member in members(value):
            raw = inspect.getattr_static(value, member)
            is_method = inspect.isfunction(raw) or isinstance(raw, classmethod | staticmethod)
            kind = "automethod" if is_method else "autoproperty"
            if type(raw).__name__ == "cached_property":
                kind = "autoattribute"
            text += f"   .. {kind}:: {name}.{member}\n\n"
    return text


def _activations() -> str:
    """Table of the core's records."""
    rows = [
        (
            facts.name,
            facts.formula,
            f"{facts.route}: {facts.law}",
            "not stated"
            if math.isnan(facts.value_error)
            else f"{facts.value_error:g}, {facts.slope_error:g}",
            facts.torch or "none",
        )
        for facts in lrft.model.activation.FACTS.values()
    ]
    text = "What is known of each; errors of σ and σ′ are the largest found, in units of 2⁻⁵².\n\n"
    text += ".. list-table::\n   :header-rows: 1\n\n"
    for row in (("name", "σ(z)", "exact loss", "errors", "in torch.nn"), *rows):
        # Bars would be a substitution.
        text += "   * - " + "\n     - ".join(row).replace("|", "\\|") + "\n"
    return text + "\n"


def _command_line() -> str:
    text = "# Command line\n\nWhat `lrft COMMAND --help` prints. Results go to stdout, progress "
    text += "and logs to stderr.\n\n"
    known = _help()
    for command in COMMANDS:
        if re.search(rf"^\W*{command}\b", known, re.MULTILINE):
            text += f"## lrft {command}\n\n```text\n{_help(command)}\n```\n\n"
    return text


def _help(*command: str) -> str:
    environment = os.environ | {"COLUMNS": "82", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "lrft.cli", *command, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


# ---- links -------------------------------------------------------------------------------------


def retarget(text: str, docname: str) -> str:
    """Point links at the site's own pages; leave a name where a file is no page.

    Links are relative to where a file lies in the repository.
    """
    lies_in = "docs"
    for source, name in ROOT_PAGES.items():
        if docname == f"_generated/{name}":
            lies_in = posixpath.dirname(source)
    here = posixpath.dirname(f"docs/{docname}")

    def link(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(lies_in, target))
        if path == "README.md":
            path = "docs/index.md"
        if path in ROOT_PAGES:
            path = f"docs/_generated/{ROOT_PAGES[path]}.md"
        if not path.startswith("docs/"):
            return label  # a file of the repository, which the site does not hold
        if label == posixpath.basename(target):
            label = ""  # the title of the page
        return f"[{label}]({posixpath.relpath(path, here)}{anchor})"

    # A pattern of the contents that no page matches yet is a warning: leave it out.
    text = re.sub(r"^(\w+)\*\n", lambda m: m[0] if _exists(m[1]) else "", text, flags=re.MULTILINE)
    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)", link, text)


def _exists(prefix: str) -> bool:
    return any(Path(__file__).parents[1].glob(f"{prefix}*.md"))
