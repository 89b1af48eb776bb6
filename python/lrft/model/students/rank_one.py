"""The paper's student: a perturbation ξ ĉ ûᵀ with both factors on their spheres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from lrft.base import checks
from lrft.base.fields import AS_JSON, Flag, named_or_array
from lrft.model.students.starts import given_rows
from lrft.model.students.student import (
    OptionalRate,
    Parameters,
    StudentModel,
    expect,
    is_named,
)

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: A given û may have a part of this length in span(W) and still count as orthogonal to it.
ORTHOGONAL_TOLERANCE = 1e-9


class RankOne(StudentModel):
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

    own_rate: ClassVar[str] = "lr_c"
    own_name: ClassVar[str] = "c_hat"
    spherical: ClassVar[bool] = True
    single: ClassVar[bool] = True
    in_equations: ClassVar[frozenset[str] | None] = frozenset(
        ("train_c", "orthogonal", "c_init", "u_init", "lr_c", "linearized")
    )

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

    @property
    def start_of_its_own(self) -> bool:
        """No: it is expanded in its neurons around the base."""
        return False

    def check_data(self, *, teacher: bool) -> None:
        """Refuse a favourable start, and the teacher's c where there is no teacher."""
        if is_named(self.u_init, "favourable"):
            raise ValueError("u_init='favourable' needs a teacher, and data has none")
        if is_named(self.c_init, "teacher") and not teacher:
            raise ValueError("c_init='teacher' needs a Task, and weights have no teacher")

    def rows(self, task: Task) -> int:
        """One row, û."""
        return 1

    def parameters(self, task: Task) -> Parameters:
        """û (d,) and ĉ (k,)."""
        return {"u_hat": (("input",), (task.d,)), "c_hat": (("neuron",), (task.k,))}

    def describe(self, task: Task, *, ambient: bool) -> dict[str, Any]:
        """Describe the student on this task to the core."""
        spec: dict[str, Any] = {
            "train_own": self.train_c,
            "project": self.orthogonal,
            "scale": task.xi,
        }
        if is_named(self.c_init, "teacher"):
            spec["own"] = task.c
        elif isinstance(self.c_init, str):
            spec["init_own"] = self.c_init
        else:
            spec["own"] = self.c_init
        if isinstance(self.u_init, str):
            return spec | {"init_rows": self.u_init}
        spec |= given_rows(task, self.u_init[None, :], ambient)
        if self.orthogonal and not ambient:
            spec["rows_S"][0, : task.features_rank] = 0.0
        return spec

    def check(self, task: Task) -> None:
        """Refuse a teacher of higher rank, shapes that do not fit, and what Π forbids."""
        if task.link is not None:
            if is_named(self.c_init, "teacher"):
                raise ValueError(
                    "c_init='teacher' needs a teacher that is a perturbed base: this one has no c"
                )
            if task.rank == 1:
                checks.unit("u of the teacher", task.a[0])
        if task.rank != 1:
            raise ValueError(
                f"student RankOne needs a teacher of rank 1, got rank {task.rank}: "
                f"use LoRA(rank={task.rank})"
            )
        expect("c_init", self.c_init, (task.k,))
        expect("u_init", self.u_init, (task.d,))
        rho = task.features_rank
        if self.orthogonal:
            if task.d <= rho:
                raise ValueError(
                    f"orthogonal=True needs d > rank of W, got d = {task.d} and rank {rho}"
                )
            if isinstance(self.u_init, np.ndarray) and rho:
                inside = float(np.linalg.norm(self.u_init @ task.Q[:, :rho]))
                if inside > ORTHOGONAL_TOLERANCE:
                    raise ValueError(
                        "u_init must be orthogonal to span(W) for orthogonal=True (tolerance "
                        f"{ORTHOGONAL_TOLERANCE:g}), got a part of length {inside:.3g} in it"
                    )
        plain = task.biases is None and task.inputs is None
        known = task.link is None and plain and task.u_orthogonal
        if is_named(self.u_init, "favourable") and not known:
            raise ValueError(
                "u_init='favourable' needs a perturbed base without biases, standard normal "
                "inputs, and u orthogonal to span(W): the drift h(m) is undefined for this task"
            )

    @classmethod
    def in_words(cls, fields: dict[str, Any]) -> str:
        """Name a student of these fields."""
        return r"$\hat u$ and $\hat c$ trained" if fields["train_c"] else r"$\hat u$ trained"

    def merged(
        self, W: Floats, lam: Floats, rows: Floats, own: Floats, xi: float | None
    ) -> tuple[Floats, Floats, dict[str, Floats], float | None]:
        """W + ξ ĉ ûᵀ."""
        if xi is None:
            raise ValueError("xi is needed for a rank-one student")
        factors = {"u_hat": rows.reshape(-1), "c_hat": own.reshape(-1)}
        return W + xi * np.outer(factors["c_hat"], factors["u_hat"]), lam, factors, xi
