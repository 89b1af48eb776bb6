"""A network of its own with all rows trained: full fine-tuning, learning from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from lrft.base import checks
from lrft.base.fields import AS_JSON, LATER, Flag, named_or_array, optional
from lrft.model.students.starts import given_rows, normal_rows, rows_in_span
from lrft.model.students.student import (
    Composition,
    OptionalPositive,
    OptionalRate,
    Parameters,
    StudentModel,
    expect,
    is_named,
)

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


class FullNetwork(StudentModel):
    r"""A network Σ_j λ̂_j σ(neuron_scale ⟨ŵ_j, x⟩ + b̂_j) with all rows trained.

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
    biases : {"base"}, float or array_like of shape (m,)
        b̂ at the start: those of the base, if it has any; a number is that of every neuron.
    train_biases : bool
        Train b̂ too, at the rate of the rows and as they are in a network with the neuron scale s
        in its weights: b̂/s is one more coordinate of ŵ, along an input that is 1. Else they stay.
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

    own_rate: ClassVar[str] = "lr_lam"
    own_name: ClassVar[str] = "lam_hat"
    positional: ClassVar[tuple[str, ...]] = ("width",)
    followed: ClassVar[bool] = False  # a matrix of cosines
    network: ClassVar[bool] = True
    in_equations: ClassVar[frozenset[str] | None] = frozenset(
        (
            *("width", "init", "std", "lam_init", "train_lam", "lr_lam", "linearized"),
            *("biases", "train_biases"),
        )
    )

    kind: Literal["full"] = "full"
    width: Annotated[int | None, optional(lambda n, v: checks.integer(n, v, 1))] = None
    init: Annotated[str | Floats, named_or_array("base", "gaussian", ndim=2), AS_JSON] = "base"
    std: OptionalPositive = None
    lam_init: Annotated[
        str | float | Floats,
        named_or_array("base", "ones", "signs", "gaussian", ndim=1, numbers=True),
        AS_JSON,
    ] = "base"
    train_lam: Flag = False
    lr_lam: OptionalRate = None
    biases: Annotated[
        str | float | Floats, named_or_array("base", ndim=1, numbers=True), AS_JSON, LATER
    ] = "base"
    train_biases: Annotated[Flag, LATER] = False
    linearized: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lr_lam is not None and not self.train_lam:
            raise ValueError(
                "lr_lam is the rate of trained output weights: it needs train_lam=True"
            )
        if self.std is not None and not is_named(self.init, "gaussian"):
            raise ValueError("std is for init='gaussian' only")
        for name in ("init", "lam_init", "biases"):
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

    @property
    def start_of_its_own(self) -> bool:
        """Whether it is linearised around rows that are not the base's."""
        return self.linearized and not (
            is_named(self.init, "base") and is_named(self.biases, "base")
        )

    def rows(self, task: Task) -> int:
        """Return the width."""
        return self.neurons(task)

    def parameters(self, task: Task) -> Parameters:
        """Ŵ (m, d) and λ̂ (m,)."""
        m = self.neurons(task)
        found: Parameters = {"W": (("neuron", "input"), (m, task.d)), "lam": (("neuron",), (m,))}
        return found | ({"b": (("neuron",), (m,))} if self.biased(task) else {})

    def biased(self, task: Task) -> bool:
        """Whether it, or the base, has biases."""
        return super().biased(task) or self.train_biases or not isinstance(self.biases, str)

    @property
    def order_parameters(self) -> tuple[str, ...]:
        """With biases where they are trained."""
        known = super().order_parameters
        return known if self.train_biases else tuple(name for name in known if name != "biases")

    def start_biases(self, task: Task) -> Floats:
        """Return the biases b̂ at the start, zero where there are none.

        Parameters
        ----------
        task : Task

        Returns
        -------
        ndarray of shape (m,), float64

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=2, biases=0.5)
        >>> lrft.FullNetwork(train_biases=True).start_biases(task).tolist()
        [0.5, 0.5]
        """
        m, b = self.neurons(task), self.biases
        if isinstance(b, str):
            b = 0.0 if task.biases is None else task.biases
        return np.array(np.broadcast_to(b, m), dtype=np.float64)

    def describe(self, task: Task, *, ambient: bool) -> dict[str, Any]:
        """Describe the student on this task to the core."""
        spec: dict[str, Any] = {"train_own": self.train_lam}
        if self.biased(task):
            spec["biases"] = self.start_biases(task) / task.neuron_scale
            spec["train_biases"] = self.train_biases
        lam = self.lam_init
        if isinstance(lam, str) and lam in ("signs", "gaussian"):
            spec["init_own"] = lam
        elif isinstance(lam, str):
            spec["own"] = task.lam if lam == "base" else np.ones(self.neurons(task))
        else:
            spec["own"] = np.array(np.broadcast_to(lam, self.neurons(task)), dtype=np.float64)
        if is_named(self.init, "gaussian"):
            return spec | normal_rows(task, self.std)
        if isinstance(self.init, str):
            return spec | rows_in_span(task, task.R, ambient)
        return spec | given_rows(task, self.init, ambient)

    def check(self, task: Task) -> None:
        """Refuse given arrays of another shape, and a start at a base of another width."""
        width = self.neurons(task)
        expect("init", self.init, (width, task.d))
        expect("lam_init", self.lam_init, (width,))
        expect("biases", self.biases, (width,))
        names = ("init", "lam_init") if task.biases is None else ("init", "lam_init", "biases")
        for name in names:
            if is_named(getattr(self, name), "base") and width != task.k:
                raise ValueError(
                    f"{name}='base' needs the width of the base, {task.k}, got width {width}"
                )

    @classmethod
    def in_words(cls, fields: dict[str, Any]) -> str:
        """Name a student of these fields."""
        return "full network"

    def composition(self, W: Floats, lam: Floats, own: Floats, scale: float) -> Composition:
        """Its rows alone."""
        own = own.reshape(-1)
        return Composition(np.zeros((len(own), W.shape[1])), np.eye(len(own)), own)

    def merged(
        self, W: Floats, lam: Floats, rows: Floats, own: Floats, xi: float | None
    ) -> tuple[Floats, Floats, dict[str, Floats], float | None]:
        """Nothing of the base is left."""
        return rows, own.reshape(-1), {}, None
