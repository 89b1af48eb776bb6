"""From a design to work: points, the units they fall into, and the key of a unit.

A *unit* is one lane group of replicas of one point. It is what the ledger holds, because nothing
outside it can change its bits: not the other points, nor how units are put together into blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.model.given import given_weights
from lrft.model.sequence import Sequence
from lrft.model.students import STUDENTS, StudentModel
from lrft.model.task import Task
from lrft.model.teachers import with_teacher
from lrft.model.training import Training, check_compatible
from lrft.result import provenance
from lrft.run import arguments as settle
from lrft.run import describe
from lrft.run.sequence import SequenceSimulation
from lrft.run.sequence_arguments import own_of_stages
from lrft.study.design import Design, label

__all__ = ["LANES", "Point", "SequenceUnit", "Unit", "points"]

#: Version of what a key covers.
KEY_VERSION = 1
#: Replicas in a unit: as many as move together in the engine.
LANES = 8
#: Bytes of records in a unit: a row of the ledger holds a billion, everything included.
MOST_UNIT_BYTES = 900_000_000


@dataclass(frozen=True, eq=False)
class Unit:
    """Some replicas of one task under one training: the smallest piece of work.

    Attributes
    ----------
    task : Task
    training : Training
    seed : int
    engine : {"reduced", "ambient"}
    replicas : tuple of int
        Their indices.
    """

    task: Task
    training: Training
    seed: int
    engine: str
    replicas: tuple[int, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All that is learned: the task."""
        return (self.task,)

    @property
    def own(self) -> dict[str, Any]:
        """What defines it beside what all units have."""
        return {
            "task": self.task.content_hash,
            "training": self.training.model_dump(mode="json"),
        }

    @cached_property
    def definition(self) -> str:
        """Everything that defines the bits of the result, as canonical JSON."""
        return json.dumps(
            {
                "key_version": KEY_VERSION,
                "code": provenance.code_version(),
                "instruction_set": compiled.build_info()["isa"],
                "seed": self.seed,
                "engine": self.engine,
                "replicas": list(self.replicas),
                **self.own,
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of the definition."""
        return hashlib.sha256(self.definition.encode()).hexdigest()

    @cached_property
    def group(self) -> tuple[Any, ...]:
        """What units must have in common to share lanes."""
        return describe.shares_lanes(self.engine, self.seed, self.task, self.training)

    @property
    def steps(self) -> int:
        """Replica-steps at most: all replicas to the last step, each sample of a batch counted."""
        return len(self.replicas) * self.training.steps * self.training.batch


@dataclass(frozen=True, eq=False)
class SequenceUnit(Unit):
    """Some replicas of a sequence; ``task`` and ``training`` are those of the first stage.

    Attributes
    ----------
    sequence : Sequence
    trainings : tuple of Training
        One a stage.
    between : {"continue", "new"}
    """

    sequence: Sequence
    trainings: tuple[Training, ...]
    between: str

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All that is learned."""
        return self.sequence.tasks

    @property
    def own(self) -> dict[str, Any]:
        """What defines it beside what all units have."""
        return {
            "tasks": [task.content_hash for task in self.tasks],
            "trainings": [one.model_dump(mode="json") for one in self.trainings],
            "between": self.between,
        }

    @cached_property
    def group(self) -> tuple[Any, ...]:
        """A sequence shares no lanes with another: alike are those that are as fast."""
        plans = [one.model_dump_json(exclude={"lr", "steps"}) for one in self.trainings]
        return ("sequence", self.engine, self.task.lane_shape, self.between, *plans)

    @property
    def steps(self) -> int:
        """Replica-steps, each sample of a batch counted."""
        return len(self.replicas) * sum(one.steps * one.batch for one in self.trainings)


@dataclass(frozen=True, eq=False)
class Point:
    """One point of a design.

    Attributes
    ----------
    values : dict
        What the design set, by field.
    units : tuple of Unit
        All its replicas, in order.
    """

    values: dict[str, Any]
    units: tuple[Unit, ...]

    @property
    def task(self) -> Task:
        """The task of every unit."""
        return self.units[0].task

    @property
    def training(self) -> Training:
        """The training of every unit."""
        return self.units[0].training


def points(design: Design) -> list[Point]:
    """Make and check every point of a design, before anything runs.

    Parameters
    ----------
    design : Design

    Returns
    -------
    list of Point

    Raises
    ------
    TypeError, ValueError
        Naming the point by its values, and the field.

    Examples
    --------
    >>> from lrft.study.design import read
    >>> from lrft.study.points import points
    >>> study = {"task": {"d": 100, "k": 4}, "training": {"lr": 0.01, "steps": 10}}
    >>> found = points(read(study | {"grid": {"xi": [1.0, 2.0]}, "run": {"replicas": 10}}))
    >>> found[1].task.xi, [unit.replicas for unit in found[1].units]
    (2.0, [(0, 1, 2, 3, 4, 5, 6, 7), (8, 9)])
    """
    replicas = settle.check_replicas(design.fixed["run"]["replicas"])
    made = _Made()
    found = []
    for values in design.points:
        try:
            found.append(_point(design.fixed, values, replicas, made))
        except (TypeError, ValueError) as error:
            given = ", ".join(f"{label(field)}={_short(value)}" for field, value in values.items())
            where = f"point {len(found)} ({given}): " if given else ""
            raise type(error)(f"{where}{error}") from None
    _same_levels(found)
    return found


def _short(value: Any) -> str:
    return repr(value) if isinstance(value, int | float | str) else checks.describe(value)


def _point(
    fixed: dict[str, Any], values: dict[str, Any], replicas: list[int], made: _Made
) -> Point:
    set_here: dict[str, dict[str, Any]] = {name: {} for name in fixed}
    for field, value in values.items():
        section, _, name = field.rpartition(".")
        if section:
            set_here[section][name] = value
    run = fixed["run"] | set_here["run"]
    groups = [tuple(replicas[i : i + LANES]) for i in range(0, len(replicas), LANES)]
    if "sequence" in fixed:
        found = _sequence_unit(fixed, values, set_here, run, made)
        return Point(values, tuple(replace(found, replicas=group) for group in groups))
    task = _task(values.get("task", fixed["task"]), set_here["task"], made)
    training = made.training(
        fixed["training"],
        set_here["training"],
        values.get("student", fixed["student"]),
        set_here["student"],
    )
    check_compatible(task, training)
    engine = made.engine(task, training, run["engine"], len(replicas))
    seed = checks.seed("run.seed", run["seed"])
    return Point(values, tuple(Unit(task, training, seed, engine, group) for group in groups))


def _sequence_unit(
    fixed: dict[str, Any],
    values: dict[str, Any],
    set_here: dict[str, dict[str, Any]],
    run: dict[str, Any],
    made: _Made,
) -> SequenceUnit:
    """Make and check the sequence of a point; its replicas are still to be set."""
    base = values.get("sequence", fixed["sequence"])
    changes = set_here["sequence"]
    if isinstance(base, Sequence):
        if set(changes) - {"stages"}:
            raise ValueError(
                f"{', '.join(changes)} is set by the Sequence given: set one of the two"
            )
        sequence, stages = base, changes.get("stages")
    else:
        given = _table("sequence", base) | changes
        stages = given.pop("stages", None)
        sequence = made.sequence(given)
    student = values.get("student", fixed["student"])
    trainings = tuple(
        made.training(fixed["training"], set_here["training"] | own, student, set_here["student"])
        for own in own_of_stages(stages, len(sequence))
    )
    # Checks all of it; nothing runs.
    begun = SequenceSimulation(
        sequence,
        trainings,
        between=run["between"],
        replicas=1,
        seed=checks.seed("run.seed", run["seed"]),
        engine=run["engine"],
    )
    return SequenceUnit(
        sequence.tasks[0],
        trainings[0],
        begun.seed,
        begun.engine,
        (),
        sequence,
        trainings,
        begun.between,
    )


class _Made:
    """What points share: tasks, trainings, and checks of what depends on sizes only."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._sequences: dict[str, Sequence] = {}
        self._trainings: dict[str, Training] = {}
        self._engines: dict[tuple[Any, ...], str] = {}

    def task(self, arguments: dict[str, Any]) -> Task:
        try:
            name = json.dumps(arguments, sort_keys=True)
        except (TypeError, ValueError):  # an array, say
            return _make_task(arguments)
        if name not in self._tasks:
            self._tasks[name] = _make_task(arguments)
        return self._tasks[name]

    def sequence(self, arguments: dict[str, Any]) -> Sequence:
        try:
            name = json.dumps(arguments, sort_keys=True)
        except (TypeError, ValueError):
            return _call("sequence", Sequence.sample, arguments)
        if name not in self._sequences:
            self._sequences[name] = _call("sequence", Sequence.sample, arguments)
        return self._sequences[name]

    def training(self, *parts: Any) -> Training:
        try:
            name = json.dumps(parts, sort_keys=True)
        except (TypeError, ValueError):
            return _training(*parts)
        if name not in self._trainings:
            self._trainings[name] = _training(*parts)
        return self._trainings[name]

    def engine(self, task: Task, training: Training, wanted: Any, replicas: int) -> str:
        kind = "none" if task.link is None else task.link.kind
        sizes = task.d, *task.R.shape, task.rank, kind, task.biases is None
        key = (*sizes, training.model_dump_json(exclude={"lr"}), repr(wanted))
        if key not in self._engines:
            training.check_memory([task], replicas)
            numbers = min(LANES, replicas) * training.record_count * training.record_size(task)
            if 8 * numbers > MOST_UNIT_BYTES:
                raise ValueError(
                    f"record: {training.record_count:,} records of {min(LANES, replicas)} replicas "
                    f"take {8 * numbers:,} bytes, and {MOST_UNIT_BYTES:,} is the limit of a row of "
                    "the ledger: record fewer steps, or run fewer replicas"
                )
            engine = settle.choose_engine([task], training, wanted)
            settle.check_sizes([task], training, engine, 1, replicas)
            self._engines[key] = engine
        return self._engines[key]


def _task(base: Any, changes: dict[str, Any], made: _Made) -> Task:
    if isinstance(base, Task):
        changes = dict(changes)
        teacher = changes.pop("teacher", None)
        base = base.replace(**changes) if changes else base
        return base if teacher is None else with_teacher(base, teacher)
    return made.task(_table("task", base) | changes)


def _make_task(arguments: dict[str, Any]) -> Task:
    arguments = dict(arguments)
    teacher = arguments.pop("teacher", None)
    make = given_weights if "weights" in arguments else Task.sample
    base: Task = _call("task", make, arguments)
    return base if teacher is None else with_teacher(base, teacher)


Made = TypeVar("Made")


def _call(table: str, make: Callable[..., Made], arguments: dict[str, Any]) -> Made:
    try:
        return make(**arguments)
    except TypeError as error:
        # Python's own words for a missing or unknown argument name the function, not the table.
        text = str(error)
        if "argument" in text and "()" in text:
            text = f"{table}: {text.split('() ', 1)[1]}"
        raise TypeError(text) from None


def _training(
    base: Any, changes: dict[str, Any], student: Any, student_changes: dict[str, Any]
) -> Training:
    if isinstance(base, Training):
        if student:
            raise ValueError("student is set by the Training given: set one of the two")
        if student_changes:
            changes = changes | {"student": base.student.replace(**student_changes)}
        return base.replace(**changes) if changes else base
    chosen = _student(student, student_changes)
    return Training(**(_table("training", base) | changes), student=chosen)


def _student(base: Any, changes: dict[str, Any]) -> Any:
    if isinstance(base, StudentModel):
        return base.replace(**changes) if changes else base
    arguments = _table("student", base) | changes
    kind = checks.choice("student.kind", arguments.pop("kind", "rank_one"), tuple(STUDENTS))
    return STUDENTS[kind](**arguments)


def _table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a table, got {checks.describe(value)}")
    return dict(value)


def _same_levels(found: list[Point]) -> None:
    """Hitting steps of all points go side by side, so the levels must be the same."""
    for name in ("thresholds", "loss_thresholds"):
        if len({getattr(point.training, name) for point in found}) > 1:
            raise ValueError(f"training.{name} must be the same for all points of a study")
