"""The settings of a run: defaults, then a TOML file, then flags; and their way back to TOML."""

from __future__ import annotations

import difflib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lrft
from lrft.base import checks, foreign
from lrft.cli.fields import Field, fields, student_models
from lrft.model.given import given_weights
from lrft.model.optimiser import NAMES, SGD

if TYPE_CHECKING:
    from lrft.model.task import Task
    from lrft.model.training import Training

Settings = dict[str, dict[str, Any]]


def _paper() -> Settings:
    """Read off what `Task.paper` and `Training.paper` take where nothing is given."""
    task = inspect.signature(lrft.Task.paper).parameters.values()
    training = inspect.signature(lrft.Training.paper).parameters
    student = training["student"].default
    return {
        "task": {one.name: one.default for one in task if one.default is not one.empty},
        "training": {"lr": training["lr"].default},
        "student": {name: getattr(student, name) for name in student.model_fields_set},
    }


_PAPER = _paper()
# Given weights are taken as they are, and their perturbation is trained in the same way.
_WEIGHTS: Settings = _PAPER | {"task": {"c": _PAPER["task"]["c"]}}
# Defaults that follow from other settings, in words; `task` and `training` work them out.
DERIVED = {
    ("task", "xi"): "√k, or the Frobenius norm of given weights",
    ("task", "output_scale"): "1/ξ for sphere features (App. B), else 1",
    ("training", "steps"): "200 d",
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
        settings["task"]["activation"] = given["task"].get("activation")  # or that of the file
    for section, name in DERIVED:
        settings[section][name] = given[section].get(name)
    settings["student"] = student(settings["student"], given["student"])
    return settings


def student(settings: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Keep the fields of the chosen student; refuse those of another that were given."""
    models = student_models()
    kind = checks.choice("student", settings["kind"], models)
    model = models[kind]
    for name in given:
        if given[name] is not None and name not in model.model_fields:
            whose = [other for other, m in models.items() if name in m.model_fields]
            raise ValueError(f"{name} is a field of student={' or '.join(whose)}, got {kind}")
    defaults = {
        name: info.get_default()
        for name, info in model.model_fields.items()
        if not info.is_required()
    }
    if kind == "rank_one":
        defaults |= _PAPER["student"]
    own = defaults | given | {"kind": kind}
    return {name: own.get(name) for name in settings}


def parse(text: str, field: Field) -> Any:
    """Read the text of a flag: a TOML value, a list without brackets, or plain text.

    Examples
    --------
    >>> from lrft.cli.config import parse
    >>> from lrft.cli.fields import Field
    >>> field = Field("training", "steps", None, "int", "")
    >>> parse("1e6", field), parse("0.1,.5", field), parse("relu", field)
    (1000000, [0.1, 0.5], 'relu')
    >>> parse("M,B", Field("training", "record_parameters", False, "bool or sequence of str", ""))
    ['M', 'B']
    """
    if field.type == "str" or field.name in ("weights", "out", "name"):
        return text
    if "\n" in text:
        return text
    if field.type.endswith("sequence of str") and re.fullmatch(r"\w+(\s*,\s*\w+)*", text):
        names = [name.strip() for name in text.split(",")]
        if names not in (["true"], ["false"]):
            return names
    for attempt in (text, f"[{text}]") if "," in text else (text,):
        try:
            value = foreign.from_toml(f"x = {attempt}")["x"]
        except tomllib.TOMLDecodeError:
            continue
        except ValueError as error:
            raise ValueError(f"--{field.flag}: {error}") from None
        if field.type.startswith("int") and re.search("[eE]", text) and isinstance(value, float):
            # Not int(value): above 2^53 that would be another number than the one typed.
            return int(Decimal(text.replace("_", ""))) if value.is_integer() else value
        return [value] if field.type.startswith("sequence") and _number(value) else value
    # As people write numbers where TOML does not: .001, 1., 007.
    numbers = [_as_number(part) for part in text.split(",")]
    if any(number is None for number in numbers):
        return text
    several = len(numbers) > 1 or field.type.startswith("sequence")
    return numbers if several else numbers[0]


def _as_number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def task(settings: Mapping[str, Any]) -> Task:
    """Make the task that the ``task`` table describes.

    Raises
    ------
    ValueError, TypeError
        From the task's own checks, or the weights file's.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    teacher = given.pop("teacher", None)
    base = given_weights(**given) if "weights" in given else lrft.Task.paper(**given)
    return base if teacher is None else _taught(base, teacher)


def _taught(base: Task, teacher: Any) -> Task:
    """Put another teacher beside a base: a name, or a table of arguments."""
    common: dict[str, Any] = {"base": base, "noise": base.noise, "inputs": base.inputs}
    if isinstance(teacher, str):
        return lrft.Task.single_index(teacher, **common)
    if not isinstance(teacher, dict):
        raise TypeError(
            f"teacher must be the name of an activation or a table, got {checks.describe(teacher)}"
        )
    own = dict(teacher)
    make: Any = lrft.Task.teacher
    if "terms" in own:
        terms = own["terms"]
        if not isinstance(terms, dict):
            raise TypeError(f"terms must be a table, got {checks.describe(terms)}")
        own["terms"] = {_degrees(name): value for name, value in terms.items()}
        make = lrft.Task.multi_index
    try:
        return cast(lrft.Task, make(**own, **common))
    except TypeError as error:
        raise TypeError(f"teacher: {error}") from None


def _degrees(text: str) -> tuple[int, ...]:
    """Read the degrees of a term, as of "1,0,2"."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"terms must have degrees as keys, such as '1,0,2', got {text!r}"
        ) from None


def training(settings: Settings, task: Task) -> Training:
    """Make the training that the ``training`` and ``student`` tables describe.

    Raises
    ------
    ValueError
        Naming the first field that does not fit.
    """
    given = {name: value for name, value in settings["training"].items() if value is not None}
    own = {name: value for name, value in settings["student"].items() if value is not None}
    model = student_models()[own.pop("kind")]
    return lrft.Training.paper(task, student=model(**own), **given)


def to_toml(settings: Settings) -> str:
    """Write settings as a TOML file that `resolve` reads back to the same.

    Every field is there, under its help; those the library decides are commented out.
    """
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("lrft run --config FILE. Flags override this file."))
    for section, members in fields().items():
        document.add(tomlkit.nl())
        table = tomlkit.table()
        for name, field in members.items():
            for line in textwrap.wrap(field.help, 96):
                table.add(tomlkit.comment(line))
            value = settings[section][name]
            if value is None:
                derived = DERIVED.get((section, name), "not set")
                table.add(tomlkit.comment(f"{name} = ({derived})"))
            else:
                table.add(name, _item(value))
        document.add(section, table)
    text: str = tomlkit.dumps(document)
    return text


def literal(value: Any) -> str:
    """Write a value as TOML; arrays, tuples and models become lists and inline tables.

    Examples
    --------
    >>> from lrft.cli.config import literal
    >>> literal((0.5, 1.0)), literal({"kind": "geometric", "n": 9})
    ('[0.5, 1.0]', '{kind = "geometric", n = 9}')
    """
    text: str = _item(value).as_string()
    return text


def _item(value: Any) -> Any:
    import tomlkit

    if isinstance(value, SGD):  # by its name where it has one
        value = next((name for name, one in NAMES.items() if one == value), value)
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for name, entry in value.items():
            if entry is not None:  # for which TOML has no word: it is the default
                table.add(name, _item(entry))
        return table
    if isinstance(value, list | tuple):
        array = tomlkit.array()
        array.extend(_item(entry) for entry in value)
        return array
    return tomlkit.item(value)


def _read(path: Path, known: dict[str, dict[str, Field]]) -> Settings:
    where = f"config {str(path)!r}"
    try:
        document = foreign.from_toml(path.read_text(encoding="utf-8"))
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
