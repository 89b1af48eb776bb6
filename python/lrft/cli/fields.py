"""Every setting of a run, read off the library's own signatures, models and docstrings.

There is no second table of names, defaults or help texts: a field added to `Task.sample`,
`Training`, the student or `simulate` appears as a flag and as a TOML key by itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import docstring_parser
from docstring_parser import DocstringStyle

import lrft
from lrft.model.students import STUDENTS

# What only the command line knows: section, name, default, type, help.
_OWN = (
    (
        "task",
        "weights",
        None,
        "name or file",
        "fine-tune given weights: 'digits', shipped with lrft, or a .npz or .safetensors file with "
        "W (k, d) and lam (k,)",
    ),
    (
        "task",
        "teacher",
        None,
        "name or table",
        "another teacher beside the base: the activation of one neuron in a direction outside "
        'span(W), \'he3\'; or a table, {terms = {"1" = 1.0, "1,1" = 1.0}} for `Task.multi_index`, '
        '{width = 3, sigma_star = "erf"} for `Task.teacher`',
    ),
    (
        "run",
        "out",
        ".",
        "path",
        "where the results go: a file ending in .nc, or a folder, made if missing",
    ),
    ("run", "name", "lrft-run", "str", "in a folder, the results are NAME.nc and NAME.png"),
)
_SAMPLE = lrft.Task.sample.__doc__
_STAGES = (
    "stages",
    None,
    "sequence of table",
    "what the training of each stage has that is not in [training], one table a task: "
    "[{}, {lr = 0.001}]",
)
# Two fields called seed: the one of `simulate` keeps the short flag.
# Two called rank: LoRA's keeps it; two called biases: the task's does.
_FLAGS = {("task", "seed"): "task-seed", ("task", "rank"): "teacher-rank"}
_FLAGS |= {("student", "kind"): "student", ("sequence", "seed"): "task-seed"}
_FLAGS |= {("student", "biases"): "student-biases"}


#: Of what stands beside a flag: at 80 columns there must be room for the words of the help.
_WIDEST = 13


@dataclass(frozen=True)
class Field:
    """One setting: `section` and `name` in TOML, `flag` on the command line."""

    section: str
    name: str
    default: Any
    type: str
    help: str

    @property
    def flag(self) -> str:
        """The flag without its dashes."""
        return _FLAGS.get((self.section, self.name), self.name.replace("_", "-"))

    @property
    def parameter(self) -> str:
        """The flag as a Python name."""
        return self.flag.replace("-", "_")

    @property
    def boolean(self) -> bool:
        """Whether it is a switch, ``--x`` or ``--no-x``."""
        return self.type == "bool"

    @property
    def metavar(self) -> str:
        """What the help shows in place of the value."""
        if self.options:
            return shown if len(shown := "|".join(self.options)) <= _WIDEST else "NAME"
        known = {"int": "INT", "float": "NUMBER", "path": "PATH"}
        return known.get(self.type.split(",")[0], "VALUE")

    @property
    def options(self) -> list[str]:
        """Names that it takes."""
        named = re.match(r"\{(.+?)\}", self.type)
        return re.findall(r'"(.+?)"', named.group(1)) if named else []

    @property
    def explained(self) -> str:
        """The help, with the options that its metavar does not show."""
        if self.metavar != "NAME":
            return self.help
        return f"{self.help.rstrip('.')}. One of {', '.join(self.options)}."


def fields() -> dict[str, dict[str, Field]]:
    """All settings by section (``task``, ``training``, ``student``, ``run``) and name."""
    found = [
        *_of_function("task", lrft.Task.sample, (), lrft.Task.__doc__),
        *_of_model("training", lrft.Training, ("student",)),
        *_students(),
        *_of_function(
            "run", lrft.simulate, ("task", "training", "paired", "progress", "on_interrupt")
        ),
        *(Field(*own) for own in _OWN),
    ]
    sections: dict[str, dict[str, Field]] = {}
    for field in found:
        sections.setdefault(field.section, {})[field.name] = field
    return sections


def fit_fields() -> dict[str, dict[str, Field]]:
    """All settings of `lrft fit` by section (``fit``, ``student``) and name."""
    skip = ("base", "student", "X", "y", "validation", "progress", "on_interrupt")
    found = [
        *_of_function("fit", lrft.fit, skip, lrft.simulate.__doc__, lrft.Training.__doc__),
        *_students(),
    ]
    sections: dict[str, dict[str, Field]] = {}
    for field in found:
        sections.setdefault(field.section, {})[field.name] = field
    return sections


def sequence_fields() -> dict[str, dict[str, Field]]:
    """All settings of `lrft sequence`: ``sequence``, ``training``, ``student`` and ``run``."""
    found = [
        *_of_function("sequence", lrft.Sequence.sample, (), lrft.Task.__doc__, _SAMPLE),
        Field("sequence", *_STAGES),
        *_of_model("training", lrft.Training, ("student",)),
        *_students(),
        *_of_function(
            "run",
            lrft.simulate_sequence,
            ("sequence", "training", "progress", "on_interrupt"),
            lrft.simulate.__doc__,
        ),
        *(Field(*own) for own in _OWN if own[1] == "out"),
        Field("run", "name", "lrft-sequence", *_OWN[-1][3:]),
    ]
    sections: dict[str, dict[str, Field]] = {}
    for field in found:
        sections.setdefault(field.section, {})[field.name] = field
    return sections


def student_models() -> dict[str, Any]:
    """Every student by its kind, as the command line names it."""
    return dict(STUDENTS)


def _students() -> Iterator[Field]:
    """Fields of all students together; the help says whose one is."""
    models = student_models()
    kinds = ", ".join(f'"{kind}"' for kind in models)
    yield Field(
        "student",
        "kind",
        "rank_one",
        "{" + kinds + "}",
        "the paper's student, low-rank adaptation, or a network with all rows trained",
    )
    found: dict[str, list[Field]] = {}
    for model in models.values():
        for field in _of_model("student", model, ("kind",)):
            found.setdefault(field.name, []).append(field)
    for same in found.values():
        whose = [m.__name__ for m in models.values() if same[0].name in m.model_fields]
        note = "" if len(whose) == len(models) else f" ({' and '.join(whose)})"
        yield replace(same[0], help=same[0].help + note)


def _of_function(section: str, function: Any, skip: Collection[str], *docs: Any) -> Iterator[Field]:
    documented: dict[str, tuple[str, str]] = {}
    for doc in (*docs, function.__doc__):
        own = _parameters(doc)
        # "As for Task" stands for the entry in an earlier docstring.
        documented |= {name: entry for name, entry in own.items() if entry[1][:6] != "As for"}
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in skip:
            default = None if parameter.default is parameter.empty else parameter.default
            yield Field(section, name, default, *documented.get(name, ("", "")))


def _of_model(section: str, model: Any, skip: Collection[str]) -> Iterator[Field]:
    documented = _parameters(model.__doc__)
    for name, info in model.model_fields.items():
        if name not in skip:
            default = None if info.is_required() else info.get_default(call_default_factory=True)
            yield Field(section, name, default, *documented.get(name, ("", "")))


def _parameters(doc: str | None) -> dict[str, tuple[str, str]]:
    """Type and description of each entry under "Parameters" in a numpydoc docstring."""
    found: dict[str, tuple[str, str]] = {}
    for entry in docstring_parser.parse(doc or "", DocstringStyle.NUMPYDOC).params:
        if entry.args[0] == "param":  # not an attribute
            text = _plain(" ".join((entry.description or "").split()))
            for name in entry.arg_name.split(","):
                found[name.strip()] = (entry.type_name or "", text)
    return found


def _plain(text: str) -> str:
    """Strip reStructuredText markup for the terminal."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text)
    return re.sub(r"`{1,2}([^`]+)`{1,2}", r"\1", text)
