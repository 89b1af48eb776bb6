"""What a study is: fixed settings, and a design that says which fields take which values.

A study is a table of tables, from TOML or Python::

    [task]      fixed arguments of `Task.sample`, or ``weights``, and ``teacher`` for another one
                (or, in Python, a Task)
    [sequence]  instead: fixed arguments of `Sequence.sample`, and ``stages``, tables of what the
                training of each stage has of its own (or, in Python, a Sequence)
    [training]  fixed fields of `Training`     (or a Training, with its student)
    [student]   fixed fields of the student; ``kind`` is rank_one unless given
    [run]       replicas = 8, seed = 0, engine = "auto"; of a sequence between = "continue"
    [grid]      field = values: every combination
    [list]      field = values: all of one length, taken side by side
    [random]    n, seed, and field = distribution
    [derived]   field = expression in the other fields

The points are list x random x grid; the last field of the grid varies fastest.
"""

from __future__ import annotations

import difflib
import inspect
import itertools
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from lrft.base import checks, foreign
from lrft.model.sequence import Sequence
from lrft.model.students import STUDENTS, StudentModel
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.study.expression import evaluate

__all__ = ["FIXED", "Design", "from_file", "label", "names", "read"]

_TABLES = ("task", "sequence", "training", "student", "run", "grid", "list", "random", "derived")
#: Those whose fields have one value.
FIXED = _TABLES[:5]
#: Of which a study has one: what is learned.
_LEARNED = ("task", "sequence")
_RUN = {"replicas": 8, "seed": 0, "engine": "auto"}
_SPACED = ("range", "linspace", "geomspace")
_DRAWN = ("uniform", "log_uniform", "choice")
#: Digits kept of computed values, so that every machine gets the same ones.
_DIGITS = 12
#: More points are a mistake more often than a wish.
MOST_POINTS = 10**6


@dataclass(frozen=True, eq=False)
class Design:
    """A study with its points worked out.

    Attributes
    ----------
    title : str
    fixed : dict
        ``task``, ``training``, ``student`` and ``run`` as given; ``sequence`` in place of
        ``task`` where that is what is learned.
    axes : tuple of str
        Fields that the design sets, as ``"task.d"``.
    points : list of dict
        The values of the axes, one dict a point.
    grid : dict of int
        How many values each field of the grid has, by name; empty where the points are no grid.
    source : str or None
        The study as JSON, from which it can be read again; None where it holds Python objects.
    """

    title: str
    fixed: dict[str, Any]
    axes: tuple[str, ...]
    points: list[dict[str, Any]]
    grid: dict[str, int]
    source: str | None


def read(study: Mapping[str, Any] | str | PathLike[str]) -> Design:
    """Read a study and work out its points.

    Parameters
    ----------
    study : mapping, or path of a TOML file

    Returns
    -------
    Design

    Raises
    ------
    TypeError, ValueError
        Naming the table and the field.

    Examples
    --------
    >>> from lrft.study.design import read
    >>> study = read({"grid": {"xi": [1.0, 2.0]}, "random": {"n": 2, "lr": {"uniform": [0, 1]}}})
    >>> len(study.points), study.axes
    (4, ('training.lr', 'task.xi'))
    """
    if isinstance(study, str | PathLike):
        where, tables = f"study {fspath(study)!r}: ", from_file(study)
    elif isinstance(study, Mapping):
        where, tables = "study: ", dict(study)
    else:
        raise TypeError(f"study must be a table or a path, got {checks.describe(study)}")
    try:
        return _design(tables)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}{error}") from None


def from_file(path: str | PathLike[str]) -> dict[str, Any]:
    """Read the tables of a TOML file."""
    try:
        return foreign.from_toml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"study {fspath(path)!r}: {error.strerror or error}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ValueError(f"study {fspath(path)!r}: not a TOML file: {error}") from error


def _design(tables: dict[str, Any]) -> Design:
    title = tables.pop("title", "")
    if not isinstance(title, str):
        raise TypeError(f"title must be text, got {checks.describe(title)}")
    for name, table in tables.items():
        _known(name, _TABLES, "table")
        objects = {"task": Task, "sequence": Sequence}
        objects |= {"training": Training, "student": StudentModel}
        if not isinstance(table, Mapping) and not isinstance(table, objects.get(name, ())):
            raise TypeError(f"{name} must be a table, got {checks.describe(table)}")
    learned = _learned(tables)
    fixed = {name: tables.get(name, {}) for name in (learned, "training", "student")}
    usual = _RUN if learned == "task" else _RUN | {"between": "continue"}
    fixed["run"] = usual | dict(tables.get("run", {}))
    for name in fixed["run"]:
        _known(name, tuple(usual), "field of [run]")

    listed = _listed(dict(tables.get("list", {})), learned)
    drawn = _random(dict(tables.get("random", {})), learned)
    grid = _fields("grid", tables.get("grid", {}), learned)
    derived = _fields("derived", tables.get("derived", {}), learned)
    axes = (*listed[0], *drawn[0], *grid, *derived)
    for name in axes:
        if axes.count(name) > 1:
            raise ValueError(f"{name} is set twice by the design")
        _clash(name, axes, fixed)
    columns = {name: _values(f"grid.{name}", given) for name, given in grid.items()}
    count = len(listed[1]) * len(drawn[1])
    for values in columns.values():
        count *= len(values)
    if count > MOST_POINTS:
        raise ValueError(f"the design has {count:,} points, and {MOST_POINTS:,} is the limit")
    points = []
    for row, draw, values in itertools.product(
        listed[1], drawn[1], itertools.product(*columns.values())
    ):
        point = row | draw | dict(zip(columns, values, strict=True))
        points.append(_derive(point, derived, fixed))
    sizes = {} if listed[0] or drawn[0] else {name: len(v) for name, v in columns.items()}
    return Design(title, fixed, axes, points, sizes, _source(title, tables))


def _learned(tables: Mapping[str, Any]) -> str:
    """Name what is learned: a task, or a sequence of them."""
    designs = [name for table in _TABLES[5:] for name in tables.get(table, {})]
    sections = {name.partition(".")[0] for name in (*tables, *designs)}
    if set(_LEARNED) <= sections:
        raise ValueError("a study is of a task or of a sequence, and this has both")
    return "sequence" if "sequence" in sections else "task"


def _source(title: str, tables: dict[str, Any]) -> str | None:
    try:
        return json.dumps({"title": title, **tables}, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


# ---- fields ---------------------------------------------------------------------------------


def names(learned: str = "task") -> dict[str, tuple[str, ...]]:
    """Every field that a design can set, by table, of a study of a task or of a sequence."""
    student = dict.fromkeys(name for kind in STUDENTS.values() for name in kind.model_fields)
    own = {
        "task": (*inspect.signature(Task.sample).parameters, "weights", "teacher"),
        "sequence": (*inspect.signature(Sequence.sample).parameters, "stages"),
    }
    return {
        learned: own[learned],
        "training": tuple(name for name in Training.model_fields if name != "student"),
        "student": tuple(student),
        "run": ("seed", "engine", *(("between",) if learned == "sequence" else ())),
    }


def _fields(table: str, given: Any, learned: str) -> dict[str, Any]:
    """Give the fields of a table of the design their full names."""
    return {_full_name(table, name, learned): value for name, value in _flat(given).items()}


def _flat(given: Mapping[str, Any]) -> dict[str, Any]:
    """Undo the nesting that TOML makes of ``task.d = ...`` without quotes."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if name in FIXED and isinstance(value, Mapping):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat


def _full_name(table: str, name: str, learned: str) -> str:
    known = names(learned)
    if name in (learned, "student"):
        return name
    section, _, field = name.rpartition(".")
    if section:
        _known(section, tuple(known), f"table in [{table}]")
        _known(field, known[section], f"field of {section} in [{table}]")
        return name
    homes = [section for section, fields in known.items() if name in fields]
    if not homes:
        _known(name, tuple(itertools.chain(*known.values())), f"field in [{table}]")
    if len(homes) > 1:
        options = " or ".join(f"{home}.{name}" for home in homes)
        raise ValueError(f"{name} in [{table}] could be {options}: write which, in quotes")
    return f"{homes[0]}.{name}"


def label(field: str) -> str:
    """Name of a field in a result: ``task.d`` is ``d``, but ``task.seed`` is ``task_seed``."""
    if field in (*_LEARNED, "student"):
        return field
    if field == "training.loss":
        return "loss_name"  # a result has variables called loss and training_loss
    section, _, name = field.rpartition(".")
    known = names("sequence" if section == "sequence" else "task")
    unique = sum(name in fields for fields in known.values()) == 1
    return name if unique or section == "run" else f"{section}_{name}"


def _clash(name: str, axes: tuple[str, ...], fixed: dict[str, Any]) -> None:
    section, _, field = name.rpartition(".")
    if not section and fixed.get(name):
        # A whole task or student would put all of the table out of force.
        raise ValueError(f"{name} is both fixed, by [{name}], and set by the design")
    if section and section in axes:
        raise ValueError(f"{name} and {section} are both set by the design")
    given = fixed.get(section, {}) if section != "run" else {}
    if isinstance(given, Mapping) and field in given:
        raise ValueError(f"{name} is both fixed and set by the design")


def _known(name: str, options: tuple[str, ...], what: str) -> None:
    if name not in options:
        close = difflib.get_close_matches(name, options, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(options)}"
        raise ValueError(f"unknown {what}: {name!r}; {hint}")


# ---- values ---------------------------------------------------------------------------------


def _listed(table: dict[str, Any], learned: str) -> tuple[list[str], list[dict[str, Any]]]:
    columns = {
        name: _values(f"list.{name}", given)
        for name, given in _fields("list", table, learned).items()
    }
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"list: values go side by side, so all need one length, got {text}")
    if not columns:
        return [], [{}]
    rows = zip(*columns.values(), strict=True)
    return list(columns), [dict(zip(columns, row, strict=True)) for row in rows]


def _random(table: dict[str, Any], learned: str) -> tuple[list[str], list[dict[str, Any]]]:
    if not table:
        return [], [{}]
    if "n" not in table:
        raise ValueError("random.n is required: the number of points to draw")
    count = checks.integer("random.n", table.pop("n"), 1, MOST_POINTS)
    seed = checks.seed("random.seed", table.pop("seed", 0))
    columns = {}
    for name, given in _fields("random", table, learned).items():
        # A stream for each field, so that the values of one do not depend on the others, and
        # the first n stay when n grows.
        stream = np.random.default_rng([seed, zlib.crc32(name.encode())])
        columns[name] = _draw(f"random.{name}", given, stream.random(count))
    if not columns:
        raise ValueError("random needs at least one field")
    rows = zip(*columns.values(), strict=True)
    return list(columns), [dict(zip(columns, row, strict=True)) for row in rows]


def _draw(name: str, given: Any, uniform: np.ndarray[Any, Any]) -> list[Any]:
    kind, value, whole = _special(name, given, _DRAWN)
    if kind == "choice":
        options = _values(name, value)
        return [options[min(int(x * len(options)), len(options) - 1)] for x in uniform]
    low, high = _numbers(f"{name}.{kind}", value, 2)
    if not low < high or (kind == "log_uniform" and low <= 0):
        positive = "0 < " if kind == "log_uniform" else ""
        raise ValueError(f"{name}.{kind} must be [a, b] with {positive}a < b, got [{low}, {high}]")
    _check_whole(f"{name}.{kind}", whole, low, high)
    if kind == "uniform":
        return [_rounded(x, whole) for x in low + uniform * (high - low)]
    return [_rounded(x, whole) for x in low * (high / low) ** uniform]


def _values(name: str, given: Any) -> list[Any]:
    if isinstance(given, Mapping):
        kind, value, whole = _special(name, given, _SPACED)
        if kind == "range":
            ends = [checks.integer(f"{name}.range", one) for one in _sequence(name, value)]
            if len(ends) not in (2, 3) or 0 in ends[2:] or not range(*ends):
                raise ValueError(f"{name}.range must be [start, stop] or [start, stop, step]")
            if range(*ends)[MOST_POINTS:]:  # len() has a limit of its own
                raise ValueError(f"{name}.range has over {MOST_POINTS:,} values, the limit")
            return list(range(*ends))
        low, high, number = _numbers(f"{name}.{kind}", value, 3)
        count = checks.integer(f"{name}.{kind}[2]", value[2], 1, MOST_POINTS)
        if kind == "geomspace" and min(low, high) <= 0:
            raise ValueError(f"{name}.geomspace must lie above 0, got [{low}, {high}, {number}]")
        _check_whole(f"{name}.{kind}", whole, low, high)
        space = np.linspace if kind == "linspace" else np.geomspace
        return list(dict.fromkeys(_rounded(x, whole) for x in space(low, high, count)))
    values = [one.item() if isinstance(one, np.generic) else one for one in _sequence(name, given)]
    if not values:
        raise ValueError(f"{name} must have at least one value")
    return values


def _special(name: str, given: Any, kinds: tuple[str, ...]) -> tuple[str, Any, bool]:
    """Take a table like ``{geomspace = [1, 100, 3], integer = true}`` apart."""
    rest = dict(given) if isinstance(given, Mapping) else {}
    whole = checks.boolean(f"{name}.integer", rest.pop("integer", False))
    if len(rest) != 1 or next(iter(rest)) not in kinds:
        raise ValueError(
            f"{name} must be a table with one of {checks.listed(kinds)}, "
            f"got {checks.describe(given)}"
        )
    kind, value = next(iter(rest.items()))
    return kind, value, whole


def _sequence(name: str, given: Any) -> list[Any]:
    if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__iter__"):
        raise TypeError(f"{name} must be a list of values, got {checks.describe(given)}")
    return list(given)


def _numbers(name: str, given: Any, count: int) -> list[float]:
    values = [checks.real(name, one) for one in _sequence(name, given)]
    if len(values) != count:
        raise ValueError(f"{name} must have {count} numbers, got {len(values)}")
    return values


def _check_whole(name: str, whole: bool, low: float, high: float) -> None:
    """Refuse integers that numbers in between cannot reach: above 2^53 only every second is one."""
    if whole and max(abs(low), abs(high)) > 2**53:
        raise ValueError(
            f"{name} gives integers up to 2^53, got [{low:g}, {high:g}]; range has no limit"
        )


def _rounded(value: float, whole: bool) -> int | float:
    return round(float(value)) if whole else float(f"{value:.{_DIGITS}g}")


def _derive(
    point: dict[str, Any], derived: dict[str, Any], fixed: dict[str, Any]
) -> dict[str, Any]:
    for field, text in derived.items():
        if not isinstance(text, str):
            raise TypeError(f"derived.{field} must be an expression, got {checks.describe(text)}")
        try:
            value = evaluate(text, _namespace(point, fixed))
        except ValueError as error:
            raise ValueError(f"derived.{field}: {error}") from None
        point[field] = _rounded(value, False) if isinstance(value, float) else value
    return point


def _namespace(point: dict[str, Any], fixed: dict[str, Any]) -> dict[str, Any]:
    """Collect what an expression can use: the fields set so far, by their short names."""
    found: dict[str, Any] = {}
    for section in ("run", "student", "training", *_LEARNED):
        table = fixed.get(section, {})
        if isinstance(table, Mapping):
            found |= {label(f"{section}.{name}"): value for name, value in table.items()}
        elif isinstance(table, Task):
            found |= {name: getattr(table, name) for name in ("d", "k", "xi", "noise")}
        elif isinstance(table, Sequence):
            found |= {name: getattr(table.tasks[0], name) for name in ("d", "k")}
        elif isinstance(table, Training):
            found |= {name: getattr(table, name) for name in ("lr", "steps", "batch")}
    return found | {label(field): value for field, value in point.items()}
