"""What every student answers for itself, and the fields that students share.

Everything else in the package asks a student through `StudentModel`; no other module needs to
know which kind it is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from lrft.base import checks
from lrft.base.fields import AS_JSON, Model, explain, optional, plain
from lrft.core.engine import compiled
from lrft.model.schedule import Schedule

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]
Shape = tuple[int, ...]
#: Name of a trained array -> its dimensions and its shape.
Parameters = dict[str, tuple[tuple[str, ...], Shape]]

_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)


def _rate(name: str, value: Any) -> Any:
    """Take a number, not negative, or a schedule."""
    if not isinstance(value, (Model, dict)):
        return checks.real(name, value, minimum=0.0)
    try:
        return _SCHEDULE.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}: {explain(error)}") from None


def _rate_or_auto(name: str, value: Any) -> Any:
    return checks.choice(name, value, ("auto",)) if isinstance(value, str) else _rate(name, value)


def _optional_rate(name: str, value: Any) -> Any:
    return None if value is None else _rate(name, value)


RateOrAuto = Annotated[float | Literal["auto"] | Schedule, plain(_rate_or_auto), AS_JSON]
OptionalRate = Annotated[float | Schedule | None, plain(_optional_rate), AS_JSON]
OptionalPositive = Annotated[
    float | None, optional(lambda name, value: checks.real(name, value, above=0.0))
]


def is_named(value: object, name: str) -> bool:
    """Whether a name-or-array field holds this name."""
    return isinstance(value, str) and value == name


class Composition(NamedTuple):
    """What the neurons of a student's network are made of: base + mix rows, in any basis."""

    base: Floats  #: (m, s)
    mix: Floats  #: (m, n)
    lam: Floats  #: (m,) output weights


class StudentModel(Model):
    """A student: its rows move in R^d, its own parameters do not.

    A new member is a subclass with its fields, what is abstract here, and a place in
    `lrft.model.students.Student`; the core's part is in cpp/README.md.
    """

    #: Name of the field with the rate of the own parameters.
    own_rate: ClassVar[str]
    #: Name of the own parameters as they are recorded.
    own_name: ClassVar[str]
    #: Rows and own parameters stay on their unit spheres.
    spherical: ClassVar[bool] = False
    #: The overlap with u is a size that thresholds and stop_at can be compared with.
    followed: ClassVar[bool] = True
    #: A network of its own, with a width and output weights, instead of a change of the base.
    network: ClassVar[bool] = False
    #: One row beside one direction: overlaps have signs, and it is expanded in its neurons.
    single: ClassVar[bool] = False
    #: Fields of which the order-parameter equations know; None: they do not know the student.
    in_equations: ClassVar[frozenset[str] | None] = None

    if TYPE_CHECKING:  # fields of every student, declared last in each
        kind: str
        linearized: bool

    @property
    def unit_rows(self) -> bool:
        """Whether its rows stay on their unit spheres."""
        return self.spherical

    @property
    def core_kind(self) -> str:
        """The core's name of it, by which the core knows what stays unit."""
        return self.kind

    @abstractmethod
    def rows(self, task: Task) -> int:
        """Return how many rows move in R^d: 1, the rank or the width."""

    @abstractmethod
    def parameters(self, task: Task) -> Parameters:
        """Return dimensions and shapes of what is trained: rows, own parameters, biases."""

    @abstractmethod
    def describe(self, task: Task, *, ambient: bool) -> dict[str, Any]:
        """Describe the student on this task to the core; what is left out is as `start` says."""

    def specification(self, task: Task, *, ambient: bool) -> compiled.StudentSpec:
        """Describe the student on this task to the core."""
        return compiled.StudentSpec(
            kind=self.core_kind,
            rows=self.rows(task),
            linearized=self.linearized,
            **self.describe(task, ambient=ambient),
        )

    @abstractmethod
    def check(self, task: Task) -> None:
        """Refuse a task whose shapes do not fit; ValueError says why."""

    def composition(self, W: Floats, lam: Floats, own: Floats, scale: float) -> Composition:
        """Say how its neurons are made of a base (W, lam), in any basis, and its rows."""
        return Composition(W, scale * own.reshape(len(W), -1), lam)

    @abstractmethod
    def merged(
        self, W: Floats, lam: Floats, rows: Floats, own: Floats, xi: float | None
    ) -> tuple[Floats, Floats, dict[str, Floats], float | None]:
        """Merge what was learned into a base: W, λ, the factors by name, and their strength."""

    @classmethod
    @abstractmethod
    def in_words(cls, fields: dict[str, Any]) -> str:
        """Name a student of these fields, as a picture does."""

    def biased(self, task: Task) -> bool:
        """Whether its rows have a coordinate along the constant, the last in R^d."""
        return task.biases is not None

    def arrays(self, task: Task, rows: Floats, own: Floats) -> dict[str, Floats]:
        """Split rows in R^d, with a coordinate along the constant if they have one, by name."""
        parts, named = [rows, own], self.parameters(task)
        if self.biased(task):
            rows = rows.reshape(-1, task.d + 1)
            parts = [rows[:, :-1], own, task.neuron_scale * rows[:, -1]]
        return {
            name: part.reshape(shape)
            for part, (name, (_, shape)) in zip(parts, named.items(), strict=False)
        }

    @property
    def start_of_its_own(self) -> bool:
        """Whether the student is expanded around rows that are not those of the base.

        What it does then depends on their fields, so they join the features of the task.
        """
        return self.linearized

    @property
    def worked_out_start(self) -> bool:
        """Whether its start needs the task's gradient, and is none that the core draws."""
        return False

    @property
    def start_is_of_the_task(self) -> bool:
        """Whether a worked-out start is the same for every replica."""
        return False

    @property
    def takes_start_off(self) -> bool:
        """Whether what it starts with is taken off the base: a frozen adapter beside its own."""
        return False

    def check_data(self, *, teacher: bool) -> None:
        """Refuse a start that a fit to data cannot make; `teacher`: the base is that of a task."""

    @property
    def order_parameters(self) -> tuple[str, ...]:
        """Names of what can be recorded of it where asked for."""
        names: tuple[str, ...] = compiled.parameters()[self.core_kind]
        return names

    @property
    def given_own_rate(self) -> float | Schedule | None:
        """The rate of the own parameters where they have one."""
        rate: float | Schedule | None = getattr(self, self.own_rate)
        return rate

    def rates(self, lr: float | Schedule) -> tuple[float | Schedule, float | Schedule]:
        """Return the rates of rows and own parameters, where `lr` is that of the training."""
        own = self.given_own_rate
        return lr, lr if own is None else own


def expect(name: str, value: object, shape: Shape) -> None:
    """Refuse a given array of another shape."""
    if isinstance(value, np.ndarray) and value.shape != shape:
        raise ValueError(f"{name} must have shape {shape} for this task, got {value.shape}")
