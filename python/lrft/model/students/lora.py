"""Low-rank adaptation as practised: A and B free, Euclidean steps; or A on the sphere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from lrft.base import checks
from lrft.base.fields import AS_JSON, LATER, Count, Flag, named_or_array, optional
from lrft.model.schedule import Schedule
from lrft.model.students.starts import given_rows, normal_rows, rows_in_span
from lrft.model.students.student import (
    OptionalPositive,
    OptionalRate,
    Parameters,
    StudentModel,
    expect,
    is_named,
)
from lrft.model.task_state import check_no_link, check_unbiased

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


#: What `LoRA.start` may be.
STARTS = ("gradient", "lora_one", "lora_ga", "pissa")
#: Of which each has a place in the random stream.
MOST_SAMPLES = 2**40


def all_zero(value: object) -> bool:
    """Whether a name-or-array field holds zeros."""
    return isinstance(value, np.ndarray) and not value.any()


class LoRA(StudentModel):
    r"""Low-rank adaptation λᵀσ((W + (α/r) B A)x), A (r, d), B (k, r), Euclidean steps.

    Parameters
    ----------
    rank : int
        r ≥ 1.
    alpha : float, optional
        α; the default α = r gives the scale 1.
    a_init : {"gaussian", "zero"} or array_like of shape (r, d)
        Independent normals of standard deviation `a_std`, zero, or given. With `sphere`, uniform
        on the unit spheres, or given with rows of norm 1.
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
    sphere : bool
        Keep each row of A on its unit sphere, moved there as û is in Eq. 4; B stays free.
    start : {"gradient", "lora_one", "lora_ga", "pissa"}, optional
        A from a singular value decomposition, in place of `a_init`: with G = Σ_j σ_j u_j v_jᵀ the
        gradient of the loss in the base's W, ``"gradient"``: A_j = v_j, B as `b_init` says;
        ``"lora_one"``: (α/r) B A = −γ Σ_{j≤r} σ_j u_j v_jᵀ, the best step of rank r
        (arXiv 2502.01235); ``"lora_ga"``: A_j = v_j and B_j = u_{r+j} (arXiv 2407.05000).
        ``"pissa"``: (α/r) B A = the part of W of its r largest singular values
        (arXiv 2404.02948). The last two take (α/r) B A off the base, so that the network starts
        as the base. On the `sphere` B has all of the strength; else A and B share it.
    start_samples : int, optional
        Fresh samples that G is the mean of, besides those of the training; by default G is the
        gradient of the population.
    start_rate : float, optional
        γ of ``"lora_one"``.

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

    own_rate: ClassVar[str] = "lr_b"
    own_name: ClassVar[str] = "B"
    in_equations: ClassVar[frozenset[str] | None] = frozenset(
        ("rank", "alpha", "a_init", "a_std", "b_init", "train_a", "train_b", "lr_b", "linearized")
    )
    positional: ClassVar[tuple[str, ...]] = ("rank",)

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
    sphere: Annotated[Flag, LATER] = False
    start: Annotated[
        Literal["gradient", "lora_one", "lora_ga", "pissa"] | None,
        optional(lambda n, v: checks.choice(n, v, STARTS)),
        LATER,
    ] = None
    start_samples: Annotated[
        int | None, optional(lambda n, v: checks.integer(n, v, 1, MOST_SAMPLES)), LATER
    ] = None
    start_rate: Annotated[OptionalPositive, LATER] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.train_a or self.train_b):
            raise ValueError("train_a or train_b must be True: nothing would be trained")
        if self.lr_b is not None and not self.train_b:
            raise ValueError("lr_b is the rate of a trained B: it needs train_b=True")
        if self.a_std is not None and not is_named(self.a_init, "gaussian"):
            raise ValueError("a_std is for a_init='gaussian' only")
        if self.sphere:
            self._check_sphere()
        self._check_start()
        a_zero = is_named(self.a_init, "zero") or all_zero(self.a_init)
        b_zero = is_named(self.b_init, "zero") or all_zero(self.b_init)
        b_zero = b_zero and self.start in (None, "gradient")
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

    def _check_sphere(self) -> None:
        if self.a_std is not None:
            raise ValueError(f"a_std is for rows of any length, got {self.a_std} with sphere=True")
        if is_named(self.a_init, "zero"):
            raise ValueError("a_init must have rows of norm 1 for sphere=True, got 'zero'")
        if isinstance(self.a_init, np.ndarray):
            for i, row in enumerate(self.a_init):
                checks.unit(f"a_init[{i}] (sphere=True)", row)

    def _check_start(self) -> None:
        if self.start is None:
            for name in ("start_samples", "start_rate"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name} is of a start, got {getattr(self, name)} and no start"
                    )
            return
        if not is_named(self.a_init, "gaussian") or self.a_std is not None:
            raise ValueError(f"start={self.start!r} sets A: it goes with no a_init and no a_std")
        if self.start != "gradient" and not is_named(self.b_init, "zero"):
            raise ValueError(f"start={self.start!r} sets B: it goes with no b_init")
        if self.start == "pissa" and self.start_samples is not None:
            raise ValueError("start_samples is of a gradient, got start='pissa'")
        if (self.start_rate is not None) != (self.start == "lora_one"):
            raise ValueError(
                "start_rate is the γ of start='lora_one', which needs one, got "
                f"start={self.start!r} and start_rate={self.start_rate}"
            )
        if self.linearized and self.start in ("lora_ga", "pissa"):
            raise ValueError(
                f"start={self.start!r} changes the base, around which linearized=True expands"
            )

    @classmethod
    def rs(cls, rank: int, *, alpha: float, **options: Any) -> LoRA:
        """Rank-stabilised LoRA: rows W + (α/√r) B A, Eq. 4 of arXiv 2312.03732.

        Parameters
        ----------
        rank : int
        alpha : float
            The α of its scale α/√r. What it sets: `alpha`, to √r times that.
        **options
            What else `LoRA` takes.

        Returns
        -------
        LoRA

        Raises
        ------
        TypeError, ValueError
            As for `LoRA`.

        Examples
        --------
        >>> import lrft
        >>> lrft.LoRA.rs(rank=4, alpha=8).scale
        4.0
        """
        alpha = checks.real("alpha", alpha, above=0.0)
        return cls(rank=rank, alpha=alpha * math.sqrt(checks.integer("rank", rank, 1)), **options)

    @classmethod
    def plus(cls, rank: int, *, lr: float, ratio: float = 16.0, **options: Any) -> LoRA:
        """LoRA+: B at a rate that is larger than that of A, arXiv 2402.12354.

        Parameters
        ----------
        rank : int
        lr : float
            The rate of A, which is that of the training too. What is set: `lr_b`, to `ratio`
            times this.
        ratio : float
            λ = η_B/η_A; its authors advise about 16.
        **options
            What else `LoRA` takes.

        Returns
        -------
        LoRA

        Raises
        ------
        TypeError, ValueError
            As for `LoRA`.

        Examples
        --------
        >>> import lrft
        >>> lrft.LoRA.plus(rank=4, lr=0.01).lr_b
        0.16
        """
        ratio = checks.real("ratio", ratio, above=0.0)
        return cls(rank=rank, lr_b=ratio * checks.real("lr", lr, minimum=0.0), **options)

    @classmethod
    def frozen_a(cls, rank: int, **options: Any) -> LoRA:
        """LoRA-FA: A stays at its start and B is trained, arXiv 2308.03303.

        Parameters
        ----------
        rank : int
        **options
            What else `LoRA` takes. What is set: ``train_a=False``.

        Returns
        -------
        LoRA

        Raises
        ------
        TypeError, ValueError
            As for `LoRA`.

        Examples
        --------
        >>> import lrft
        >>> lrft.LoRA.frozen_a(rank=4).train_a
        False
        """
        return cls(rank=rank, train_a=False, **options)

    @property
    def worked_out_start(self) -> bool:
        """Whether it has a `start`."""
        return self.start is not None

    @property
    def start_is_of_the_task(self) -> bool:
        """Where neither samples nor B are drawn."""
        drawn = self.start_samples is not None or is_named(self.b_init, "gaussian")
        return self.start is not None and not drawn

    @property
    def takes_start_off(self) -> bool:
        """Whether what it starts with is taken off the base."""
        return self.start in ("lora_ga", "pissa")

    @property
    def unit_rows(self) -> bool:
        """On the sphere."""
        return self.sphere

    @property
    def core_kind(self) -> str:
        """Of another kind on the sphere."""
        return "sphere_lora" if self.sphere else self.kind

    @property
    def scale(self) -> float:
        """α/r."""
        return 1.0 if self.alpha is None else self.alpha / self.rank

    def rows(self, task: Task) -> int:
        """Return the rank."""
        return self.rank

    def parameters(self, task: Task) -> Parameters:
        """Return A (r, d) and B (k, r)."""
        return {
            "A": (("row", "input"), (self.rank, task.d)),
            "B": (("neuron", "row"), (task.k, self.rank)),
        }

    def rates(self, lr: float | Schedule) -> tuple[float | Schedule, float | Schedule]:
        """Those of A and B; a frozen A does not move."""
        lr_a, lr_b = super().rates(lr)
        return lr_a if self.train_a else 0.0, lr_b

    def describe(self, task: Task, *, ambient: bool) -> dict[str, Any]:
        """Describe the student on this task to the core."""
        spec: dict[str, Any] = {"train_own": self.train_b, "scale": self.scale}
        if is_named(self.b_init, "gaussian"):
            spec |= {"init_own": "gaussian", "own_std": task.k**-0.5}
        elif isinstance(self.b_init, str):
            spec["own"] = np.zeros((task.k, self.rank))
        else:
            spec["own"] = self.b_init
        if is_named(self.a_init, "gaussian"):
            return spec | normal_rows(task, self.a_std)
        if isinstance(self.a_init, str):
            return spec | rows_in_span(task, np.zeros((self.rank, task.R.shape[1])), ambient)
        return spec | given_rows(task, self.a_init, ambient)

    def check(self, task: Task) -> None:
        """Refuse given factors of another shape."""
        expect("a_init", self.a_init, (self.rank, task.d))
        expect("b_init", self.b_init, (task.k, self.rank))
        if self.start is None:
            return
        self._check_known(task)
        pissa, vectors = self.start == "pissa", self.rank * (1 + (self.start == "lora_ga"))
        most = task.features_rank if pissa else min(task.k, task.R.shape[1])
        if vectors > most:
            raise ValueError(
                f"start={self.start!r} of rank {self.rank} needs {vectors} singular values, and "
                f"{'W' if pissa else 'the gradient'} of this task has at most {most}"
            )

    def _check_known(self, task: Task) -> None:
        """Refuse a start that is not known beside this teacher and these inputs."""
        what, law = f"start={self.start!r}", task.law
        check_unbiased(task, what)
        check_no_link(task, what)
        if law is None:
            return
        if not law.centred and self.start != "pissa" and self.start_samples is None:
            raise ValueError(
                f"{what} needs start_samples under inputs with means or label shifts, where the "
                f"gradient of the population has no closed form, got {task.inputs!r}"
            )
        if law.blocks is not None and (self.takes_start_off or self.start_samples is not None):
            why = f"{what} with start_samples" if self.start_samples is not None else what
            raise ValueError(
                f"{why} needs inputs without eigenvalue blocks: S would hold the parts of what it "
                f"starts with in each block, got {task.inputs!r}"
            )

    def check_data(self, *, teacher: bool) -> None:
        """Refuse a start from the gradient of a task."""
        if self.start is not None:
            raise ValueError(
                f"start={self.start!r} needs the Gaussian inputs of a Task: give a fit a_init and "
                "b_init"
            )

    @classmethod
    def in_words(cls, fields: dict[str, Any]) -> str:
        """Name a student of these fields."""
        return f"LoRA of rank {fields['rank']}"

    def merged(
        self, W: Floats, lam: Floats, rows: Floats, own: Floats, xi: float | None
    ) -> tuple[Floats, Floats, dict[str, Floats], float | None]:
        """W + scale B A."""
        factors = {"A": rows, "B": own.reshape(-1, self.rank)}
        return W + self.scale * (factors["B"] @ factors["A"]), lam, factors, self.scale
