"""Optimisers: what is done with gradients, beside the learning rate, before they move anything."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ValidationError, model_validator

from lrft.base import checks
from lrft.base.fields import (
    AS_JSON,
    Flag,
    Model,
    NotNegative,
    checked,
    explain,
    optional,
    plain,
)
from lrft.core.engine import compiled

__all__ = ["NAMES", "SGD", "Optimiser"]


class SGD(Model):
    """Stochastic gradient descent with what is usual beside a rate; by default nothing.

    With g the gradient, θ what is trained, rows and own parameters alike, η their rate:

    1. g ← g/|g| with `normalise`, g · min(1, clip/|g|) with `clip`, |g| over all that is trained;
    2. v ← momentum · v + g, from v = 0; the direction is v, with `nesterov` g + momentum · v;
    3. θ ← θ − η · weight_decay · θ − η · direction.

    On spheres g is the gradient along the sphere, and v is made tangent to it after every step.

    Parameters
    ----------
    momentum : float
        At least 0 and below 1; at small rates as SGD at η/(1 − momentum).
    nesterov : bool
        Nesterov's momentum, in PyTorch's form; needs `momentum`.
    weight_decay : float
        Not negative. Times the rate, and not through the velocity: as in PyTorch's AdamW, and
        without momentum as in its SGD. Not for `RankOne`, whose parameters have length 1.
    normalise : bool
        Divide the gradient by its length: a step has the length of its rate.
    clip : float, optional
        Positive. The length to which longer gradients are cut; not with `normalise`.

    Raises
    ------
    TypeError, ValueError
        Naming the field, its value and what was expected.

    Examples
    --------
    >>> import lrft
    >>> lrft.Training(lr=0.01, steps=10, optimiser="momentum").optimiser
    SGD(momentum=0.9)
    >>> lrft.Training(lr=0.01, steps=10, optimiser=lrft.SGD(clip=1.0)).optimiser.clip
    1.0
    """

    momentum: Annotated[float, checked(lambda n, v: checks.real(n, v, minimum=0.0))] = 0.0
    nesterov: Flag = False
    weight_decay: NotNegative = 0.0
    normalise: Flag = False
    clip: Annotated[float | None, optional(lambda n, v: checks.real(n, v, above=0.0))] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.momentum >= 1.0:
            raise ValueError(f"momentum must be below 1, got {self.momentum:g}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True is a form of momentum: it needs momentum above 0")
        if self.normalise and self.clip is not None:
            raise ValueError(
                "clip cuts gradients that normalise=True has made unit: give one of the two"
            )
        return self

    @property
    def direction(self) -> tuple[float, float]:
        """How much of v and of g moves θ."""
        return (self.momentum, 1.0) if self.nesterov else (1.0, 0.0)

    @property
    def speed(self) -> float:
        """The rate of plain SGD that moves as far, at small rates, in units of the rate here."""
        velocity, gradient = self.direction
        return velocity / (1.0 - self.momentum) + gradient


#: What can be typed in place of an `SGD`.
NAMES = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True),
}
#: Those that look at single coordinates, by their names elsewhere.
_BY_COORDINATE = ("adam", "adamw", "adagrad", "adadelta", "rmsprop", "sign", "signsgd", "lion")


def _optimiser(name: str, value: Any) -> Any:
    if isinstance(value, SGD):
        return value
    if isinstance(value, dict):
        try:
            return SGD.model_validate(value)
        except ValidationError as error:
            raise ValueError(f"{name}: {explain(error)}") from None
    if isinstance(value, str):
        if value.lower() in _BY_COORDINATE:
            raise ValueError(
                f"{name}={value!r} scales every coordinate by itself, so what it does depends on "
                "the axes of R^d: the reduced space, which knows rows up to rotations, cannot "
                f"follow it, and no space here has it. Use one of {checks.listed(tuple(NAMES))}, "
                "or SGD(normalise=True)"
            )
        return NAMES[checks.choice(name, value, tuple(NAMES))]
    raise TypeError(
        f"{name} must be one of {checks.listed(tuple(NAMES))} or an SGD, "
        f"got {checks.describe(value)}"
    )


Optimiser = Annotated[SGD, plain(_optimiser), AS_JSON]


def _average(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        checks.choice(name, value, ("all",))
        return 0
    return checks.integer(name, value, 0, checks.MAX_STEPS)


Average = Annotated[int | None, plain(_average), AS_JSON]


def optimiser_data(optimiser: SGD, average: int | None) -> compiled.Optimiser:
    """Describe an optimiser, and the first step that is averaged, to the core."""
    velocity, gradient = optimiser.direction
    return compiled.Optimiser(
        momentum=optimiser.momentum,
        velocity=velocity,
        gradient=gradient,
        decay=optimiser.weight_decay,
        normalise=optimiser.normalise,
        clip=optimiser.clip or 0.0,
        average=-1 if average is None else average,
    )
