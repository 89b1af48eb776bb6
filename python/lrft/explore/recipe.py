"""A run as plain values: made here, or written down to be run elsewhere, bit for bit."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import lrft
from lrft.model.students import STUDENTS

__all__ = ["Recipe"]

# Where a flag of `lrft run` is not the name of its argument.
_FLAGS = {("task", "seed"): "task-seed"}


@dataclass(frozen=True)
class Recipe:
    """The arguments of a run: numbers, texts and switches.

    Attributes
    ----------
    task : dict
        Arguments of `lrft.Task.sample`.
    kind : str
        Of the student, as the command line names it.
    student, training : dict
        Fields of the student and of `lrft.Training`; ``record`` is the number of geometrically
        spaced records.
    run : dict
        Arguments of `lrft.simulate`.

    Examples
    --------
    >>> from lrft.explore.recipe import Recipe
    >>> recipe = Recipe({"d": 100, "k": 4}, "rank_one", {"train_c": True},
    ...                 {"lr": 0.001, "steps": 50, "record": 5}, {"replicas": 2})
    >>> print(recipe.command())
    lrft run --d 100 --k 4 --student rank_one --train-c --lr 0.001 --steps 50 --record \
'{kind = "geometric", n = 5}' --replicas 2
    """

    task: dict[str, Any]
    kind: str
    student: dict[str, Any]
    training: dict[str, Any]
    run: dict[str, Any]

    def make_task(self) -> lrft.Task:
        """Make the task.

        Returns
        -------
        lrft.Task

        Raises
        ------
        TypeError, ValueError
            As `lrft.Task.sample`.
        """
        return lrft.Task.sample(**self.task)

    def make_student(self) -> Any:
        """Make the student.

        Returns
        -------
        lrft.RankOne, lrft.LoRA or lrft.FullNetwork

        Raises
        ------
        TypeError, ValueError
            As its class.
        """
        return STUDENTS[self.kind](**self.student)

    def make_training(self) -> lrft.Training:
        """Make the training.

        Returns
        -------
        lrft.Training

        Raises
        ------
        TypeError, ValueError
            As `lrft.Training`.
        """
        own = self.training | {"record": lrft.geometric(self.training["record"])}
        return lrft.Training(student=self.make_student(), **own)

    def python(self) -> str:
        """Write the run as Python.

        Returns
        -------
        str
        """
        training = {name: repr(value) for name, value in self.training.items()}
        training["record"] = f"lrft.geometric({training['record']})"
        student = f"lrft.{STUDENTS[self.kind].__name__}({_arguments(self.student)})"
        lines = [f"    {name}={value!r}," for name, value in self.task.items()]
        settled = ", ".join(f"{name}={value}" for name, value in training.items())
        return "\n".join(
            [
                "import lrft",
                "",
                "task = lrft.Task.sample(",
                *lines,
                ")",
                f"student = {student}",
                f"training = lrft.Training(student=student, {settled})",
                f"ds = lrft.simulate(task, training, {_arguments(self.run)})",
                "",
            ]
        )

    def toml(self) -> str:
        """Write the run as a file for ``lrft run --config``.

        Returns
        -------
        str

        Raises
        ------
        ImportError
            If tomlkit, which comes with ``lrft[explore]``, is not installed.
        """
        import tomlkit

        record = tomlkit.inline_table()
        record.update(_record(self.training["record"]))
        text: str = tomlkit.dumps(
            {
                "task": self.task,
                "student": {"kind": self.kind} | self.student,
                "training": self.training | {"record": record},
                "run": self.run,
            }
        )
        return text

    def command(self) -> str:
        """Write the run as a command for a shell.

        Returns
        -------
        str
        """
        words = ["lrft", "run"]
        for section in ("task", "student", "training", "run"):
            values = dict(getattr(self, section))
            if section == "student":
                words += ["--student", self.kind]
            if section == "training":
                record = _record(values["record"])
                inside = ", ".join(f"{name} = {json.dumps(v)}" for name, v in record.items())
                values["record"] = f"{{{inside}}}"
            for name, value in values.items():
                flag = _FLAGS.get((section, name), name.replace("_", "-"))
                if isinstance(value, bool):
                    words.append(f"--{flag}" if value else f"--no-{flag}")
                else:
                    words += [f"--{flag}", value if isinstance(value, str) else repr(value)]
        return shlex.join(words)


def _arguments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _record(n: int) -> dict[str, Any]:
    return {"kind": "geometric", "n": n}
