"""What is trained and when: students, learning rates, stopping and recording.

Every model is frozen, refuses unknown fields and goes through JSON (or TOML) and back
unchanged.  What a training asks of a task is checked by :func:`check_compatible`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lrft import _checks, schedule
from lrft._model import AS_LIST, Count, Flag, Model, checked, named_or_array, optional
from lrft.schedule import Schedule

if TYPE_CHECKING:
    from lrft.task import Task

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: A given û may have a part of this length in span(W) and still count as orthogonal to it.
ORTHOGONAL_TOLERANCE = 1e-9


def _rate(name: str, value: Any) -> Any:
    """A number, or what pydantic then takes as a schedule."""
    if isinstance(value, (Model, dict)) or value is None:
        return value
    return _checks.real(name, value, above=0.0)


def _rate_or_auto(name: str, value: Any) -> Any:
    return _checks.choice(name, value, ("auto",)) if isinstance(value, str) else _rate(name, value)


Rate = Annotated[float | Schedule, checked(_rate)]
OptionalRate = Annotated[float | Schedule | None, checked(_rate)]
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
        AS_LIST,
    ] = "quantized"
    u_init: Annotated[
        str | Floats, named_or_array("uniform", "favourable", ndim=1, unit=True), AS_LIST
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
    a_init: Annotated[str | Floats, named_or_array("gaussian", "zero", ndim=2), AS_LIST] = (
        "gaussian"
    )
    a_std: OptionalPositive = None
    b_init: Annotated[str | Floats, named_or_array("zero", "gaussian", ndim=2), AS_LIST] = "zero"
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
        stuck = a_zero and b_zero or a_zero and not self.train_a or b_zero and not self.train_b
        if stuck:
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
    init: Annotated[str | Floats, named_or_array("base", "gaussian", ndim=2), AS_LIST] = "base"
    std: OptionalPositive = None
    lam_init: Annotated[
        str | float | Floats,
        named_or_array("base", "ones", "signs", "gaussian", ndim=1, numbers=True),
        AS_LIST,
    ] = "base"
    train_lam: Flag = False
    lr_lam: OptionalRate = None
    linearized: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lr_lam is not None and not self.train_lam:
            raise ValueError("lr_lam is the rate of trained output weights: it needs train_lam=True")
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
        """The width for this task."""
        if self.width is not None:
            return self.width
        return task.k if isinstance(self.init, str) else len(self.init)


Student = Annotated[RankOne | LoRA | FullNetwork, Field(discriminator="kind")]


class Geometric(Model):
    """Geometrically spaced records; see :func:`geometric`."""

    kind: Literal["geometric"] = "geometric"
    n: Annotated[int, checked(lambda name, value: _checks.integer(name, value, 2))]

    positional: ClassVar[tuple[str, ...]] = ("n",)

    def steps(self, last: int) -> Integers:
        """At most n distinct steps from 0 to `last`; fewer only where `last` has fewer."""
        if self.n > last:
            return np.arange(last + 1, dtype=np.int64)
        # Small steps collide when rounded, so take more points until n are distinct: the count
        # grows with the number of points, and a bisection finds where it reaches n.
        low, high = self.n - 1, 2 * self.n
        while len(_geometric_steps(high, last)) < self.n:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if len(_geometric_steps(middle, last)) < self.n:
                low = middle
            else:
                high = middle
        return _geometric_steps(high, last)


def _geometric_steps(points: int, last: int) -> Integers:
    spaced = np.rint(np.geomspace(1.0, float(last), points)).astype(np.int64)
    return np.unique(np.concatenate([[0], np.minimum(spaced, last), [last]]))


def geometric(n: int) -> Geometric:
    """Record at n geometrically spaced distinct steps, 0 and the last included.

    Parameters
    ----------
    n : int
        At least 2.

    Returns
    -------
    Geometric
        For ``Training(record=...)``.

    Examples
    --------
    >>> import lrft
    >>> lrft.Training(lr=0.1, steps=1000, record=lrft.geometric(5)).record_steps.tolist()
    [0, 1, 10, 100, 1000]
    """
    return Geometric(n=n)


def _record(name: str, value: Any) -> Any:
    """Number of records, explicit steps, or what pydantic then takes as Geometric."""
    if isinstance(value, (Geometric, dict)):
        return value
    if isinstance(value, (list, tuple, range)) or isinstance(value, np.ndarray) and value.ndim:
        given = [_checks.integer(name, step, 0) for step in value]
        if not given:
            raise ValueError(f"{name} must not be an empty list")
        if any(b <= a for a, b in zip(given, given[1:], strict=False)):
            raise ValueError(f"{name} must have strictly increasing steps")
        return tuple(given)
    return _checks.integer(name, value, 2)


def _thresholds(name: str, value: Any) -> Any:
    given = tuple(_checks.array(name, value, ("n",)).tolist()) if len(value) else ()
    for threshold in given:
        _checks.real(name, threshold, above=0.0, maximum=1.0)
    if any(b <= a for a, b in zip(given, given[1:], strict=False)):
        raise ValueError(f"{name} must be strictly increasing, got {given}")
    return given


def _loss_thresholds(name: str, value: Any) -> Any:
    given = tuple(_checks.array(name, value, ("n",)).tolist()) if len(value) else ()
    for threshold in given:
        _checks.real(name, threshold, above=0.0)
    if len(set(given)) < len(given):
        raise ValueError(f"{name} must be distinct, got {given}")
    return given


class Training(Model):
    """Online SGD: who is trained, at which rate, for how long, and what is recorded.

    Parameters
    ----------
    student : RankOne, LoRA or FullNetwork
    lr : float, schedule or "auto"
        Learning rate η, of û, A or the rows.  ``"auto"``: from the stability limit.
    steps : int
        At least 0 and at most 2^40.
    batch : int
        Fresh samples a step; the gradient is their mean.
    stop_at : float, optional
        Stop a replica when |overlap_u| reaches this, in (0, 1]; checked at every step.
    stop_loss : float, optional
        Stop a replica at a record with a loss of at most this.
    record : int, list of int, or Geometric
        A number of evenly spaced records (at least 2), explicit strictly increasing steps, or
        :func:`geometric`.  Step 0 and the last step are always recorded.
    thresholds : sequence of float
        Strictly increasing in (0, 1]; the first step with |overlap_u| at or above each is kept.
    loss_thresholds : sequence of float
        Positive and distinct; checked at records.

    Raises
    ------
    TypeError, ValueError
        Naming the field, its value and what was expected.

    Examples
    --------
    >>> import lrft
    >>> training = lrft.Training(student=lrft.RankOne(), lr=1e-3, steps=100, record=5)
    >>> training.record_steps.tolist()
    [0, 25, 50, 75, 100]
    >>> lrft.Training.model_validate_json(training.model_dump_json()) == training
    True
    """

    student: Student = RankOne()
    lr: Annotated[float | Literal["auto"] | Schedule, checked(_rate_or_auto)]
    steps: Annotated[
        int, checked(lambda name, value: _checks.integer(name, value, 0, _checks.MAX_STEPS))
    ]
    batch: Count = 1
    stop_at: Annotated[
        float | None, optional(lambda n, v: _checks.real(n, v, above=0.0, maximum=1.0))
    ] = None
    stop_loss: OptionalPositive = None
    record: Annotated[int | tuple[int, ...] | Geometric, checked(_record)] = 200
    thresholds: Annotated[tuple[float, ...], checked(_thresholds)] = (
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95,
    )  # fmt: skip
    loss_thresholds: Annotated[tuple[float, ...], checked(_loss_thresholds)] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.record, tuple) and self.record[-1] > self.steps:
            raise ValueError(
                f"record must lie in [0, steps] = [0, {self.steps}], got step {self.record[-1]}"
            )
        student_rates = {
            name: getattr(self.student, name, None) for name in ("lr_c", "lr_b", "lr_lam")
        }
        for name, rate in {"lr": self.lr, **student_rates}.items():
            if isinstance(rate, schedule.Array) and len(rate.values) < self.steps:
                raise ValueError(
                    f"{name} must have a rate for each of the {self.steps} steps, "
                    f"got {len(rate.values)}"
                )
        return self

    @property
    def record_count(self) -> int:
        """Number of recorded states, or an upper bound of it."""
        if isinstance(self.record, tuple):
            return len(self.record) + 2
        n = self.record if isinstance(self.record, int) else self.record.n
        return min(n, self.steps + 1)

    @property
    def record_steps(self) -> Integers:
        """The recorded states as int64 (n,), sorted and distinct, 0 and the last included.

        Raises
        ------
        ValueError
            If there are more than memory can hold.
        """
        self._check_records(1, "record")
        if isinstance(self.record, Geometric):
            return self.record.steps(self.steps)
        if isinstance(self.record, tuple):
            return np.unique(np.array([0, *self.record, self.steps], dtype=np.int64))
        spaced = np.rint(np.linspace(0.0, float(self.steps), self.record_count))
        return np.unique(spaced.astype(np.int64))

    def check_memory(self, tasks: Task | Sequence[Task], replicas: int) -> None:
        """Refuse a record plan whose results do not fit into memory.

        Parameters
        ----------
        tasks : Task or sequence of Task
        replicas : int
            Replicas of each task.

        Raises
        ------
        ValueError
            With the size asked for and the size available.

        Examples
        --------
        >>> import lrft
        >>> training = lrft.Training(lr=0.1, steps=10)
        >>> training.check_memory(lrft.Task.sample(d=100, k=4), replicas=8)
        """
        replicas = _checks.integer("replicas", replicas, 1)
        several = tasks if isinstance(tasks, Sequence) else [tasks]
        values = sum(replicas * self._values(task) for task in several)
        self._check_records(values, f"record for {len(several)} tasks x {replicas} replicas")

    def _check_records(self, values: int, what: str) -> None:
        count = self.record_count
        _checks.memory(
            f"{what}: {count} records of {values} numbers", 8 * count * values, "record fewer steps"
        )

    def _values(self, task: Task) -> int:
        """Numbers kept at each record of one replica: overlaps of u and c, and the loss."""
        student = self.student
        if isinstance(student, LoRA):
            return 2 * min(student.rank, task.rank) + 1
        if isinstance(student, FullNetwork):
            return student.neurons(task) * task.k + 1
        return 3


def check_compatible(task: Task, training: Training) -> None:
    """Refuse a training that does not fit the task.

    Parameters
    ----------
    task : Task
    training : Training

    Raises
    ------
    ValueError
        For given initial values of another shape, or with a part in span(W) where the student
        is kept orthogonal to it; for a favourable start where the drift is undefined; for a rank-one student
        of a teacher of higher rank; for a dimension too small.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4)
    >>> lrft.training.check_compatible(task, lrft.Training(lr=0.1, steps=10))
    """
    student = training.student
    if isinstance(student, RankOne):
        _check_rank_one(task, student)
    elif isinstance(student, LoRA):
        _expect("a_init", student.a_init, (student.rank, task.d))
        _expect("b_init", student.b_init, (task.k, student.rank))
    else:
        width = student.neurons(task)
        _expect("init", student.init, (width, task.d))
        _expect("lam_init", student.lam_init, (width,))
        for name in ("init", "lam_init"):
            if is_named(getattr(student, name), "base") and width != task.k:
                raise ValueError(
                    f"{name}='base' needs the width of the base, {task.k}, got width {width}"
                )


def _check_rank_one(task: Task, student: RankOne) -> None:
    if task.rank != 1:
        raise ValueError(
            f"student RankOne needs a teacher of rank 1, got rank {task.rank}: "
            f"use LoRA(rank={task.rank})"
        )
    _expect("c_init", student.c_init, (task.k,))
    _expect("u_init", student.u_init, (task.d,))
    rho = task.features_rank
    if student.orthogonal:
        if task.d <= rho:
            raise ValueError(
                f"orthogonal=True needs d > rank of W, got d = {task.d} and rank {rho}"
            )
        if isinstance(student.u_init, np.ndarray) and rho:
            inside = float(np.linalg.norm(student.u_init @ task.Q[:, :rho]))
            if inside > ORTHOGONAL_TOLERANCE:
                raise ValueError(
                    "u_init must be orthogonal to span(W) for orthogonal=True (tolerance "
                    f"{ORTHOGONAL_TOLERANCE:g}), got a part of length {inside:.3g} in it"
                )
    if is_named(student.u_init, "favourable") and not task.u_orthogonal:
        raise ValueError(
            "u_init='favourable' needs a teacher with u orthogonal to span(W): "
            "the drift h(m) is undefined for this task"
        )


def _expect(name: str, value: object, shape: tuple[int, ...]) -> None:
    if isinstance(value, np.ndarray) and value.shape != shape:
        raise ValueError(f"{name} must have shape {shape} for this task, got {value.shape}")
