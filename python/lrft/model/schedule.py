"""Learning-rate schedules: the rate of the update from step t to t + 1, t from 0."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lrft.base import checks
from lrft.base.fields import Model, Positive, Vector, checked

Floats = NDArray[np.float64]

__all__ = ["Array", "Constant", "InverseTime", "Schedule", "Step", "rates"]


class Constant(Model):
    """The same rate at every step.

    Parameters
    ----------
    lr : float
        Positive.

    Examples
    --------
    >>> import lrft
    >>> lrft.schedule.Constant(0.1).rates(0, 3).tolist()
    [0.1, 0.1, 0.1]
    """

    kind: Literal["constant"] = "constant"
    lr: Positive

    positional: ClassVar[tuple[str, ...]] = ("lr",)

    def rates(self, start: int, count: int) -> Floats:
        """Return the rates of the steps from `start` on.

        Parameters
        ----------
        start, count : int
            First step, and how many.

        Returns
        -------
        ndarray of float64, shape (count,)

        Examples
        --------
        >>> import lrft
        >>> lrft.schedule.Constant(0.1).rates(0, 2).tolist()
        [0.1, 0.1]
        """
        return np.full(count, self.lr)


class InverseTime(Model):
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

    def rates(self, start: int, count: int) -> Floats:
        """Return the rates of the steps from `start` on.

        Parameters
        ----------
        start, count : int
            First step, and how many.

        Returns
        -------
        ndarray of float64, shape (count,)

        Examples
        --------
        >>> import lrft
        >>> lrft.schedule.InverseTime(0.1, t0=1.0).rates(1, 1).tolist()
        [0.05]
        """
        return self.lr / (1.0 + np.arange(start, start + count, dtype=np.float64) / self.t0)


class Step(Model):
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
    every: Annotated[int, checked(lambda name, value: checks.integer(name, value, 1, 2**53))]

    positional: ClassVar[tuple[str, ...]] = ("lr", "factor", "every")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.factor > 1.0:
            raise ValueError(f"factor must be at most 1, got {self.factor:g}")
        return self

    def rates(self, start: int, count: int) -> Floats:
        """Return the rates of the steps from `start` on.

        Parameters
        ----------
        start, count : int
            First step, and how many.

        Returns
        -------
        ndarray of float64, shape (count,)

        Examples
        --------
        >>> import lrft
        >>> lrft.schedule.Step(0.1, factor=0.5, every=2).rates(1, 2).tolist()
        [0.1, 0.05]
        """
        drops = np.arange(start, start + count) // self.every
        return self.lr * np.power(self.factor, drops.astype(np.float64))


class Array(Model):
    """A rate for every step.

    Parameters
    ----------
    values : array_like of shape (n,)
        Positive rates; a training must not have more than n steps.

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
        if not (self.values > 0.0).all():
            raise ValueError(f"values must be positive, got {self.values.min():g}")
        return self

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
            If a step beyond the last rate is asked for.

        Examples
        --------
        >>> import lrft
        >>> lrft.schedule.Array([0.3, 0.2, 0.1]).rates(0, 2).tolist()
        [0.3, 0.2]
        """
        if start < 0 or start + count > len(self.values):
            raise ValueError(
                f"values has {len(self.values)} rates, but step {start + count - 1} was asked for"
            )
        return self.values[start : start + count]


Schedule = Annotated[Constant | InverseTime | Step | Array, Field(discriminator="kind")]


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
