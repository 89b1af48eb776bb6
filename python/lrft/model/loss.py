"""Losses of a sample: what a training lowers, of the student's output f and the label y."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lrft.base import checks
from lrft.base.fields import AS_JSON, Model, Positive, checked, plain
from lrft.core.engine import compiled

Floats = NDArray[np.float64]

__all__ = ["Huber", "Logistic", "Loss", "described", "name_of"]


class Huber(Model):
    """Squared error of an error e = f - y up to δ, linear beyond.

    Beyond δ it is ``2 δ |e| - δ²``. As the squared error it has no factor ½, and for δ → ∞ it is
    the squared error.

    Parameters
    ----------
    delta : float
        δ, positive.

    Examples
    --------
    >>> import lrft
    >>> lrft.Training(lr=0.1, steps=10, loss=lrft.Huber(0.5)).loss
    Huber(delta=0.5)
    """

    kind: Literal["huber"] = "huber"
    delta: Positive = 1.0

    positional: ClassVar[tuple[str, ...]] = ("delta",)


class Logistic(Model):
    """log(1 + exp(-y f)) on labels of ±1: the sign of f*(x) + noise, turned over by chance.

    Parameters
    ----------
    flip : float
        The probability that a label is turned over, in [0, 1/2].  Not for labels that are given.

    Examples
    --------
    >>> import lrft
    >>> lrft.Training(lr=0.1, steps=10, loss=lrft.Logistic(flip=0.1)).loss
    Logistic(flip=0.1)
    """

    kind: Literal["logistic"] = "logistic"
    flip: Annotated[
        float, checked(lambda name, value: checks.real(name, value, minimum=0.0, maximum=0.5))
    ] = 0.0

    positional: ClassVar[tuple[str, ...]] = ("flip",)


_WITH_FIELDS = {"huber": Huber, "logistic": Logistic}
NAMES = ("squared", "correlation", *_WITH_FIELDS)


def _loss(name: str, value: Any) -> Any:
    if isinstance(value, Huber | Logistic):
        return value
    if isinstance(value, dict):
        given = dict(value)
        kind = checks.choice(f"{name}.kind", given.pop("kind", None), tuple(_WITH_FIELDS))
        return _WITH_FIELDS[kind](**given)
    if not isinstance(value, str):
        raise TypeError(
            f"{name} must be one of {checks.listed(NAMES)}, Huber or Logistic, "
            f"got {checks.describe(value)}"
        )
    chosen = checks.choice(name, value, NAMES)
    return _WITH_FIELDS[chosen]() if chosen in _WITH_FIELDS else chosen


_Any = Literal["squared", "correlation"] | Annotated[Huber | Logistic, Field(discriminator="kind")]
Loss = Annotated[_Any, plain(_loss), AS_JSON]


def name_of(loss: Loss) -> str:
    """Name a loss: one of `NAMES`."""
    return loss if isinstance(loss, str) else loss.kind


def described(loss: Loss) -> compiled.Loss:
    """Describe a loss to the core."""
    fields = {} if isinstance(loss, str) else loss.model_dump(exclude={"kind"})
    return compiled.Loss(kind=name_of(loss), **fields)
