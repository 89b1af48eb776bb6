"""The students: what is trained, from where, at which rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from lrft import _checks
from lrft._model import (
    AS_JSON,
    Count,
    Flag,
    Model,
    checked,
    explain,
    named_or_array,
    optional,
    plain,
)
from lrft.schedule import Schedule

if TYPE_CHECKING:
    from lrft.task import Task

Floats = NDArray[np.float64]


_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)


def _rate(name: str, value: Any) -> Any:
    """Take a positive number or a schedule."""
    if not isinstance(value, (Model, dict)):
        return _checks.real(name, value, above=0.0)
    try:
        return _SCHEDULE.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}: {explain(error)}") from None


def _rate_or_auto(name: str, value: Any) -> Any:
    return _checks.choice(name, value, ("auto",)) if isinstance(value, str) else _rate(name, value)


def _optional_rate(name: str, value: Any) -> Any:
    return None if value is None else _rate(name, value)


RateOrAuto = Annotated[float | Literal["auto"] | Schedule, plain(_rate_or_auto), AS_JSON]
OptionalRate = Annotated[float | Schedule | None, plain(_optional_rate), AS_JSON]
OptionalPositive = Annotated[
    float | None, optional(lambda name, value: _checks.real(name, value, above=0.0))
]


def is_named(value: object, name: str) -> bool:
    """Whether a name-or-array field holds this name."""
    return isinstance(value, str) and value == name


def _all_zero(value: object) -> bool:
    return isinstance(value, np.ndarray) and not value.any()


class RankOne(Model):
    r"""The paper's student: λᵀσ((W + ξ ĉ ûᵀ)x) with ‖û‖ = ‖ĉ‖ = 1 (Eq. 4).

    Parameters
    ----------
    train_c : bool
        Train ĉ jointly, on the unit sphere; otherwise it stays at its start.
    orthogonal : bool
        Keep û ⟂ span(W): the projector Π of Eq. 4.
    c_init : {"quantized", "sphere", "teacher"} or array_like of shape (k,)
        Uniform on {±1/√k}^k, uniform on the unit sphere, the teacher's c, or given with norm 1.
    u_init : {"uniform", "favourable"} or array_like of shape (d,)
        Uniform on the unit sphere (of span(W)^⊥ with `orthogonal`); the same, negated unless
        m₀ h(m₀) > 0 (Prop. 4); or given with norm 1.
    lr_c : float or schedule, optional
        Rate of ĉ; that of û by default.
    linearized : bool
        Train the first-order expansion of the network around the base instead.

    Raises
    ------
    TypeError, ValueError
        Naming the field; also for `lr_c` without `train_c`.

    Examples
    --------
    >>> import lrft
    >>> lrft.RankOne(train_c=True, orthogonal=False).c_init
    'quantized'
    """

    kind: Literal["rank_one"] = "rank_one"
    train_c: Flag = False
    orthogonal: Flag = True
    c_init: Annotated[
        str | Floats,
        named_or_array("quantized", "sphere", "teacher", ndim=1, unit=True),
        AS_JSON,
    ] = "quantized"
    u_init: Annotated[
        str | Floats, named_or_array("uniform", "favourable", ndim=1, unit=True), AS_JSON
    ] = "uniform"
    lr_c: OptionalRate = None
    linearized: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lr_c is not None and not self.train_c:
            raise ValueError("lr_c is the rate of a trained c: it needs train_c=True")
        if is_named(self.u_init, "favourable"):
            if not self.orthogonal:
                raise ValueError(
                    "u_init='favourable' needs orthogonal=True: the drift h(m) is defined for "
                    "u orthogonal to span(W) with the projector on"
                )
            if self.linearized:
                raise ValueError(
                    "u_init='favourable' is not defined for linearized=True: the drift h(m) is "
                    "that of the network itself"
                )
        return self


class LoRA(Model):
    r"""Low-rank adaptation λᵀσ((W + (α/r) B A)x), A (r, d), B (k, r), Euclidean steps.

    Parameters
    ----------
    rank : int
        r ≥ 1.
    alpha : float, optional
        α; the default α = r gives the scale 1.
    a_init : {"gaussian", "zero"} or array_like of shape (r, d)
        Independent normals of standard deviation `a_std`, zero, or given.
    a_std : float, optional
        1/√d by default, so that the rows have norm about 1.
    b_init : {"zero", "gaussian"} or array_like of shape (k, r)
        Zero as usual, normals of standard deviation 1/√k, or given.
    train_a, train_b : bool
        Which factors are trained.
    lr_b : float or schedule, optional
        Rate of B; that of A by default.
    linearized : bool
        First-order expansion in the parameters at their initial values.

    Raises
    ------
    TypeError, ValueError
        Naming the field; also where nothing could ever move.

    Examples
    --------
    >>> import lrft
    >>> lrft.LoRA(rank=4, alpha=8).scale
    2.0
    """

    kind: Literal["lora"] = "lora"
    rank: Count
    alpha: OptionalPositive = None
    a_init: Annotated[str | Floats, named_or_array("gaussian", "zero", ndim=2), AS_JSON] = (
        "gaussian"
    )
    a_std: OptionalPositive = None
    b_init: Annotated[str | Floats, named_or_array("zero", "gaussian", ndim=2), AS_JSON] = "zero"
    train_a: Flag = True
    train_b: Flag = True
    lr_b: OptionalRate = None
    linearized: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.train_a or self.train_b):
            raise ValueError("train_a or train_b must be True: nothing would be trained")
        if self.lr_b is not None and not self.train_b:
            raise ValueError("lr_b is the rate of a trained B: it needs train_b=True")
        if self.a_std is not None and not is_named(self.a_init, "gaussian"):
            raise ValueError("a_std is for a_init='gaussian' only")
        a_zero = is_named(self.a_init, "zero") or _all_zero(self.a_init)
        b_zero = is_named(self.b_init, "zero") or _all_zero(self.b_init)
        if (a_zero and (b_zero or not self.train_a)) or (b_zero and not self.train_b):
            raise ValueError(
                "a_init and b_init leave B A = 0 for ever: one factor must start nonzero and "
                "the other be trained"
            )
        for name, axis in (("a_init", 0), ("b_init", 1)):
            value = getattr(self, name)
            if not isinstance(value, str) and value.shape[axis] != self.rank:
                side = "rows" if axis == 0 else "columns"
                raise ValueError(
                    f"{name} must have {self.rank} {side} (the rank), got shape {value.shape}"
                )
        return self

    @property
    def scale(self) -> float:
        """α/r."""
        return 1.0 if self.alpha is None else self.alpha / self.rank


class FullNetwork(Model):
    r"""A network Σ_j λ̂_j σ(neuron_scale ⟨ŵ_j, x⟩) with all rows trained.

    Parameters
    ----------
    width : int, optional
        Number of neurons m ≥ 1; that of the base by default.
    init : {"base", "gaussian"} or array_like of shape (m, d)
        The base's W (full fine-tuning), independent normals of standard deviation `std`
        (learning from scratch), or given.
    std : float, optional
        1/√d by default, so that the rows have norm about 1.
    lam_init : {"base", "ones", "signs", "gaussian"}, float or array_like of shape (m,)
        Output weights at the start; ``"base"`` needs the width of the base.
    train_lam : bool
        Train λ̂ too.
    lr_lam : float or schedule, optional
        Rate of λ̂; that of the rows by default.
    linearized : bool
        First-order expansion in the parameters at their initial values.

    Raises
    ------
    TypeError, ValueError
        Naming the field.

    Examples
    --------
    >>> import lrft
    >>> lrft.FullNetwork(width=8, init="gaussian", lam_init="ones").train_lam
    False
    """

    kind: Literal["full"] = "full"
    width: Annotated[int | None, optional(lambda n, v: _checks.integer(n, v, 1))] = None
    init: Annotated[str | Floats, named_or_array("base", "gaussian", ndim=2), AS_JSON] = "base"
    std: OptionalPositive = None
    lam_init: Annotated[
        str | float | Floats,
        named_or_array("base", "ones", "signs", "gaussian", ndim=1, numbers=True),
        AS_JSON,
    ] = "base"
    train_lam: Flag = False
    lr_lam: OptionalRate = None
    linearized: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lr_lam is not None and not self.train_lam:
            raise ValueError(
                "lr_lam is the rate of trained output weights: it needs train_lam=True"
            )
        if self.std is not None and not is_named(self.init, "gaussian"):
            raise ValueError("std is for init='gaussian' only")
        for name in ("init", "lam_init"):
            value = getattr(self, name)
            if isinstance(value, np.ndarray) and self.width not in (None, len(value)):
                raise ValueError(
                    f"{name} must have {self.width} rows (the width), got shape {value.shape}"
                )
        return self

    def neurons(self, task: Task) -> int:
        """Return the width for this task.

        Parameters
        ----------
        task : Task

        Returns
        -------
        int
            `width`; where it is not given, the rows of a given `init`, else those of the base.

        Examples
        --------
        >>> import lrft
        >>> lrft.FullNetwork().neurons(lrft.Task.sample(d=100, k=4))
        4
        """
        if self.width is not None:
            return self.width
        return task.k if isinstance(self.init, str) else len(self.init)


def _student(name: str, value: Any) -> Any:
    if isinstance(value, (RankOne, LoRA, FullNetwork, dict)):
        return value
    raise TypeError(f"{name} must be RankOne, LoRA or FullNetwork, got {_checks.describe(value)}")


Student = Annotated[RankOne | LoRA | FullNetwork, Field(discriminator="kind"), checked(_student)]
