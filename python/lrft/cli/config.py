"""The settings of a run: defaults, then a TOML file, then flags; and their way back to TOML."""

from __future__ import annotations

import difflib
import json
import re
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrft.cli.fields import Field, fields

if TYPE_CHECKING:
    from lrft.task import Task
    from lrft.training import Training

Settings = dict[str, dict[str, Any]]

# The paper's simulations (App. B), where they differ from the library's defaults. Their output
# scale is 1/xi: see `_paper_output_scale`.
_PAPER: Settings = {
    "task": {"d": 2000, "k": 50, "features": "sphere", "c": "sphere", "normalization": "unit"},
    "training": {"lr": "auto", "steps": 1_000_000, "stop_at": 0.95},
    "student": {"train_c": True},
}
# Given weights are taken as they are; the strength is their own size, see `given_weights`.
_WEIGHTS: Settings = {
    "task": {"c": "sphere"},
    "training": {"lr": "auto", "steps": 1_000_000, "stop_at": 0.95},
    "student": {"train_c": True},
}
_FROM_WEIGHTS = ("d", "k", "features", "lam", "rank")  # a weights file says these itself


def resolve(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Merge defaults, file and flags, later ones overriding, into settings by section.

    Parameters
    ----------
    path : Path or None
        TOML file with the tables ``task``, ``training``, ``student`` and ``run``.
    flags : mapping
        Values by `Field.parameter`, text not yet read; None where the flag was not given.

    Returns
    -------
    dict
        A value for every field, None where the library decides.

    Raises
    ------
    ValueError
        If the file cannot be read, has unknown keys, or settings contradict each other.
    """
    known = fields()
    given = _read(path, known) if path else {section: {} for section in known}
    for section, members in known.items():
        for name, field in members.items():
            text = flags.get(field.parameter)
            if text is not None:
                given[section][name] = parse(text, field) if isinstance(text, str) else text
    weights = given["task"].get("weights")
    if weights is not None:
        for name in _FROM_WEIGHTS:
            if given["task"].get(name) is not None:
                raise ValueError(f"{name} is set by weights={weights!r}: give one of the two")
    defaults = _PAPER if weights is None else _WEIGHTS
    settings = {
        section: {name: field.default for name, field in members.items()}
        | defaults.get(section, {})
        | given[section]
        for section, members in known.items()
    }
    if weights is not None:
        settings["task"] |= dict.fromkeys(_FROM_WEIGHTS)
    elif settings["task"]["features"] == "sphere" and "output_scale" not in given["task"]:
        settings["task"]["output_scale"] = _paper_output_scale(settings["task"])
    return settings


def _paper_output_scale(task: Mapping[str, Any]) -> float:
    """1/xi, as in the simulations of App. B; 1 where xi is no number: the task will refuse it."""
    xi = task["k"] ** 0.5 if task["xi"] is None and isinstance(task["k"], int) else task["xi"]
    return 1.0 / xi if isinstance(xi, int | float) and xi > 0 else 1.0


def parse(text: str, field: Field) -> Any:
    """Read the text of a flag: a TOML value, a list without brackets, or plain text.

    Examples
    --------
    >>> from lrft.cli.config import parse
    >>> from lrft.cli.fields import Field
    >>> field = Field("training", "steps", None, "int", "")
    >>> parse("1e6", field), parse("0.1,0.5", field), parse("relu", field)
    (1000000, [0.1, 0.5], 'relu')
    """
    if field.type == "str" or field.name in ("weights", "out", "name"):
        return text
    if "\n" in text:
        return text
    for attempt in (text, f"[{text}]") if "," in text else (text,):
        try:
            value = tomllib.loads(f"x = {attempt}")["x"]
        except tomllib.TOMLDecodeError:
            continue
        whole = isinstance(value, float) and value.is_integer() and re.search("[eE]", text)
        return int(value) if whole and field.type.startswith("int") else value
    return text


def task(settings: Mapping[str, Any]) -> Task:
    """Make the task that the ``task`` table describes.

    Raises
    ------
    ValueError, TypeError
        From the task's own checks, or the weights file's.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if "weights" in given:
        from lrft.cli.weights import given_weights

        return given_weights(**given)
    import lrft

    return lrft.Task.sample(**given)


def training(settings: Settings) -> Training:
    """Make the training that the ``training`` and ``student`` tables describe.

    Raises
    ------
    ValueError
        Naming the first field that does not fit.
    """
    import lrft

    return lrft.Training(student=lrft.RankOne(**settings["student"]), **settings["training"])


def to_toml(settings: Settings) -> str:
    """Write settings as a TOML file that `resolve` reads back to the same.

    Every field is there, under its help; those the library decides are commented out.
    """
    lines = ["# lrft run --config FILE. Flags override this file."]
    known = fields()
    for section, members in known.items():
        lines += ["", f"[{section}]"]
        for name, field in members.items():
            value = settings[section][name]
            lines += [f"# {line}" for line in textwrap.wrap(field.help, 96)]
            lines += [f"# {name} =" if value is None else f"{name} = {literal(value)}"]
    return "\n".join(lines) + "\n"


def literal(value: Any) -> str:
    """Write a value as TOML; arrays, tuples and models become lists and inline tables."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {literal(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _read(path: Path, known: dict[str, dict[str, Field]]) -> Settings:
    where = f"config {str(path)!r}"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{where}: {error.strerror or error}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ValueError(f"{where}: not a TOML file: {error}") from error
    for section, table in document.items():
        if section not in known:
            raise ValueError(f"{where}: unknown table {section!r}{_hint(section, known)}")
        if not isinstance(table, dict):
            raise ValueError(f"{where}: {section} must be a table, got {table!r}")
        for name in table:
            if name not in known[section]:
                hint = _hint(name, known[section])
                raise ValueError(f"{where}: unknown key {name!r} in [{section}]{hint}")
    return {section: dict(document.get(section, {})) for section in known}


def _hint(name: str, options: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, options, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(options)}"
