"""Learning-rate schedules: the rate of the update from step t to t + 1, t from 0.

A rate may be 0: such a step draws its inputs and moves nothing, up to rounding.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from lrft.base import checks
from lrft.base.fields import AS_JSON, Model, NotNegative, Positive, Vector, checked, explain, plain

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

__all__ = [
    "Array",
    "Constant",
    "Cosine",
    "InverseTime",
    "Schedule",
    "Step",
    "WarmUp",
    "rates",
]

Steps = Annotated[int, checked(lambda name, value: checks.integer(name, value, 1, 2**53))]


class ScheduleModel(Model):
    """What every schedule answers for itself."""

    @abstractmethod
    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps, float64 (n,) of int64 (n,)."""

    def rates(self, start: int, count: int) -> Floats:
        """Return the rates of the steps from `start` on.

        Parameters
        ----------
        start, count : int
            First step, and how many.

        Returns
        -------
        ndarray of float64, shape (count,)

        Raises
        ------
        ValueError
            If a step that has no rate is asked for.

        Examples
        --------
        >>> import lrft
        >>> lrft.schedule.Constant(0.1).rates(0, 2).tolist()
        [0.1, 0.1]
        """
        return self._at(np.arange(start, start + count))

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core: fields of `Schedule` in cpp/include/lrft/types.hpp."""

    @property
    def length(self) -> int | None:
        """How many steps have a rate; None where all have."""
        return None


class Constant(ScheduleModel):
    """The same rate at every step.

    Parameters
    ----------
    lr : float
        Not negative.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.Constant(0.1).rates(0, 3).tolist()
    [0.1, 0.1, 0.1]
    """

    kind: Literal["constant"] = "constant"
    lr: NotNegative

    positional: ClassVar[tuple[str, ...]] = ("lr",)

    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps."""
        return np.full(len(steps), self.lr)

    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core."""
        return {"kind": self.kind, "rate": self.lr}


class InverseTime(ScheduleModel):
    """The rate lr / (1 + t/t0).

    Parameters
    ----------
    lr, t0 : float
        Positive.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.InverseTime(0.1, t0=1.0).rates(0, 2).tolist()
    [0.1, 0.05]
    """

    kind: Literal["inverse_time"] = "inverse_time"
    lr: Positive
    t0: Positive

    positional: ClassVar[tuple[str, ...]] = ("lr", "t0")

    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps."""
        rates: Floats = self.lr / (1.0 + steps / self.t0)
        return rates

    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core."""
        return {"kind": self.kind, "rate": self.lr, "scale": self.t0}


class Step(ScheduleModel):
    """The rate lr · factor^⌊t/every⌋.

    Parameters
    ----------
    lr, factor : float
        Positive; factor at most 1.
    every : int
        At least 1.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.Step(0.1, factor=0.5, every=2).rates(0, 4).tolist()
    [0.1, 0.1, 0.05, 0.05]
    """

    kind: Literal["step"] = "step"
    lr: Positive
    factor: Positive
    every: Steps

    positional: ClassVar[tuple[str, ...]] = ("lr", "factor", "every")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.factor > 1.0:
            raise ValueError(f"factor must be at most 1, got {self.factor:g}")
        return self

    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps."""
        drops = steps // self.every
        return self.lr * np.power(self.factor, drops.astype(np.float64))

    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core."""
        return {
            "kind": self.kind,
            "rate": self.lr,
            "factor": self.factor,
            "scale": float(self.every),
        }


class Cosine(ScheduleModel):
    """Half a cosine from lr down to `final`: final + (lr - final) (1 + cos(π t/steps)) / 2.

    From t = steps on the rate is `final`.  Source: Loshchilov and Hutter, SGDR: stochastic
    gradient descent with warm restarts (arXiv 1608.03983), equation (5), without restarts.

    Parameters
    ----------
    lr : float
        Positive.
    steps : int
        At least 1.
    final : float
        Not negative and at most lr.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.Cosine(0.2, steps=2).rates(0, 4).round(15).tolist()
    [0.2, 0.1, 0.0, 0.0]
    """

    kind: Literal["cosine"] = "cosine"
    lr: Positive
    steps: Steps
    final: NotNegative = 0.0

    positional: ClassVar[tuple[str, ...]] = ("lr", "steps", "final")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.final > self.lr:
            raise ValueError(f"final must be at most lr = {self.lr:g}, got {self.final:g}")
        return self

    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps."""
        part = np.minimum(steps / self.steps, 1.0)
        # Not 1 + cos: near the end that loses all digits of a rate that is nearly 0.
        rates: Floats = self.final + (self.lr - self.final) * np.cos(np.pi / 2 * part) ** 2
        return np.where(part < 1.0, rates, self.final)

    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core."""
        return {
            "kind": self.kind,
            "rate": self.lr,
            "final": self.final,
            "scale": float(self.steps),
        }


class Array(ScheduleModel):
    """A rate for every step.

    Parameters
    ----------
    values : array_like of shape (n,)
        Rates, not negative; a training must not have more than n steps.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.Array([0.3, 0.2, 0.1]).rates(1, 2).tolist()
    [0.2, 0.1]
    """

    kind: Literal["array"] = "array"
    values: Vector

    positional: ClassVar[tuple[str, ...]] = ("values",)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.values < 0.0).any():
            raise ValueError(f"values must not be negative, got {self.values.min():g}")
        return self

    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps."""
        wrong = steps[(steps < 0) | (steps >= len(self.values))]
        if len(wrong):
            raise ValueError(
                f"values has {len(self.values)} rates, but step {wrong[-1]} was asked for"
            )
        return self.values[steps]

    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core."""
        return {"kind": self.kind, "values": np.asarray(self.values, dtype=np.float64)}

    @property
    def length(self) -> int:
        """How many steps have a rate."""
        return len(self.values)


#: Schedules that can follow a warm-up.
Warm = Annotated[
    Constant | InverseTime | Step | Cosine | Array,
    Field(discriminator="kind"),
]
_WARM: TypeAdapter[Warm] = TypeAdapter(Warm)


def _then(name: str, value: Any) -> Any:
    if isinstance(value, WarmUp):
        raise ValueError(f"{name} must be a schedule without a warm-up of its own, got {value!r}")
    if not isinstance(value, (Model, dict)):
        return Constant(lr=checks.real(name, value, minimum=0.0))
    try:
        return _WARM.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}: {explain(error)}") from None


class WarmUp(ScheduleModel):
    """A rate that rises linearly to the first one of a schedule, which then begins.

    The rate of step t is (t + 1)/steps · then(0) for t < steps, and then(t - steps) after.

    Parameters
    ----------
    then : float or schedule
        What comes after; a number is a constant rate.
    steps : int
        At least 1.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.WarmUp(0.4, steps=4).rates(0, 6).tolist()
    [0.1, 0.2, 0.30000000000000004, 0.4, 0.4, 0.4]
    >>> warm = lrft.schedule.WarmUp(lrft.schedule.Cosine(0.2, steps=2), steps=2)
    >>> warm.rates(0, 5).round(15).tolist()
    [0.1, 0.2, 0.2, 0.1, 0.0]
    """

    kind: Literal["warm_up"] = "warm_up"
    then: Annotated[Warm, plain(_then), AS_JSON]
    steps: Steps

    positional: ClassVar[tuple[str, ...]] = ("then", "steps")

    def _at(self, steps: Integers) -> Floats:
        """Return the rates of these steps."""
        rates: Floats = np.minimum((steps + 1) / self.steps, 1.0)
        return rates * self.then._at(np.maximum(steps - self.steps, 0))

    def _fields(self) -> dict[str, Any]:
        """Describe the schedule to the core."""
        return self.then._fields() | {"warm_up": self.steps}

    @property
    def length(self) -> int | None:
        """How many steps have a rate; None where all have."""
        after = self.then.length
        return None if after is None else self.steps + after


Schedule = Annotated[
    Constant | InverseTime | Step | Cosine | Array | WarmUp,
    Field(discriminator="kind"),
]


def described(lr: float | Schedule) -> dict[str, Any]:
    """Describe a number or a schedule to the core: fields of its `Schedule`."""
    return (Constant(lr=lr) if isinstance(lr, float) else lr)._fields()


def rates(lr: float | Schedule, start: int, count: int) -> Floats:
    """Return the rates of the steps from `start` on, for a number or a schedule.

    Parameters
    ----------
    lr : float or schedule
    start, count : int
        First step, and how many.

    Returns
    -------
    ndarray of float64, shape (count,)

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.rates(0.5, start=10, count=2).tolist()
    [0.5, 0.5]
    """
    return np.full(count, lr) if isinstance(lr, float) else lr.rates(start, count)
