"""What is trained and when: students, learning rates, stopping and recording.

Every model is frozen, refuses unknown fields and goes through JSON (or TOML) and back
unchanged.  What a training asks of a task is checked by :func:`check_compatible`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from lrft.base import checks
from lrft.base.fields import LATER, Count, Model, checked, optional
from lrft.core.engine import compiled
from lrft.model import loss as losses
from lrft.model import schedule
from lrft.model.optimiser import SGD, Average, Optimiser, optimiser_data
from lrft.model.recording import (
    Geometric,
    LossThresholds,
    Record,
    RecordParameters,
    Thresholds,
    geometric,
)
from lrft.model.sizes import Sizes
from lrft.model.students import FullNetwork, LoRA, RankOne, Student
from lrft.model.students.student import OptionalPositive, RateOrAuto
from lrft.model.task_state import (
    check_no_link,
    check_unbiased,
)

if TYPE_CHECKING:
    from lrft.model.task import Task

Integers = NDArray[np.int64]

#: Of the paper's simulations, and of `Training.paper`.
PAPER_DIMENSION, STEPS_PER_DIMENSION = 2000, 200
PAPER_STUDENT = RankOne(train_c=True)

MOST_USES = 2**16  # of a batch; a step is left between them, not between updates

__all__ = [
    "FullNetwork",
    "Geometric",
    "LoRA",
    "RankOne",
    "Training",
    "check_compatible",
    "geometric",
]


def _not_zero(name: str, value: Any) -> float:
    if (number := checks.real(name, value)) == 0:
        raise ValueError(f"{name} must not be 0, got {number}: None for no trial step")
    return number


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
    reuse : int
        Times in a row that every batch is used, each an update at the rate of its step. A step is
        still a batch: `steps`, records, hits and schedules count batches.
    lookahead : float, optional
        ρ, not 0: every step goes along the gradient at the end of a trial update on the same
        batch, of ρ times the learning rates (extragradient; against the gradient for ρ < 0). Not
        together with `reuse`.
    stop_at : float, optional
        Stop a replica when |overlap_u| reaches this, in (0, 1]; checked at every step. For LoRA
        above rank one, and `thresholds` too: the smallest singular value. Not for FullNetwork.
    stop_loss : float, optional
        Stop a replica at a record with a loss of at most this.
    record : int, list of int, or Geometric
        A number of evenly spaced records (at least 2), explicit strictly increasing steps, or
        :func:`geometric`.  Step 0 and the last step are always recorded.
    thresholds : sequence of float
        Strictly increasing in (0, 1]; the first step with |overlap_u| at or above each is kept.
        A FullNetwork, whose overlaps are a matrix, hits none.
    loss_thresholds : sequence of float
        Positive and distinct; checked at records.
    record_parameters : bool or sequence of str
        Record the order parameters too, all or those named: ``"M"``, the rows in an orthonormal
        basis of span(W, u), ``"Q"``, their inner products, ``"Q_blocks"``, those of their parts in
        each eigenvalue block of the inputs (one where only biases tell it from Q, which has them
        too), ``"norms"``, their lengths, and the own parameters,
        ``"c_hat"``, ``"B"`` or ``"lam_hat"``, and trained ``"biases"``. Their sizes do
        not grow with d.
    loss : {"squared", "correlation", "huber", "logistic"}, Huber or Logistic
        The loss of a sample that a step lowers, of the student's output f and the label y:
        (f - y)² without ½; -2 f y, what is left of that without f²; `Huber`; or `Logistic`, on
        labels of ±1. What is recorded as ``loss`` stays the squared error.
    optimiser : {"sgd", "momentum", "nesterov"} or SGD
        What is done with gradients beside a rate; by default nothing. ``"momentum"`` is
        ``SGD(momentum=0.9)``.
    average : int or "all", optional
        Record the loss of the average of all students from this step on too, ``averaged_loss``
        (Polyak–Ruppert); 0 or ``"all"``: of all. Before it, that of the student.

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
    lr: RateOrAuto
    steps: Annotated[
        int, checked(lambda name, value: checks.integer(name, value, 0, checks.MAX_STEPS))
    ]
    batch: Count = 1
    reuse: Annotated[
        int, checked(lambda name, value: checks.integer(name, value, 1, MOST_USES)), LATER
    ] = 1
    lookahead: Annotated[float | None, optional(_not_zero), LATER] = None
    stop_at: Annotated[
        float | None, optional(lambda n, v: checks.real(n, v, above=0.0, maximum=1.0))
    ] = None
    stop_loss: OptionalPositive = None
    record: Record = 200
    thresholds: Thresholds = (
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        0.95,
    )
    loss_thresholds: LossThresholds = ()
    record_parameters: Annotated[RecordParameters, LATER] = False
    loss: Annotated[losses.Loss, LATER] = "squared"
    optimiser: Annotated[Optimiser, LATER] = SGD()
    average: Annotated[Average, LATER] = None

    @classmethod
    def paper(
        cls,
        task: Task | None = None,
        *,
        student: Student = PAPER_STUDENT,
        lr: float | schedule.Schedule | Literal["auto"] = "auto",
        steps: int | None = None,
        **options: Any,
    ) -> Training:
        """Make the training of the paper's simulations (App. B), which `lrft run` does too.

        Parameters
        ----------
        task : Task, optional
            The one to be trained on, that of `Task.paper` by default; its d sets the steps.
        student : RankOne, LoRA or FullNetwork
            By default û and ĉ are trained jointly, with the projector.
        lr : float, schedule or "auto"
            From the stability limit by default.
        steps : int, optional
            200 d by default: the automatic rate falls as 1/d, the paper's run takes about 40 d
            steps to find û, and the rest is for ĉ.
        **options
            What else `Training` takes.

        Returns
        -------
        Training

        Raises
        ------
        TypeError, ValueError
            As for `Training`.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.paper(d=100, k=4)
        >>> training = lrft.Training.paper(task, stop_at=0.9)
        >>> training.steps, training.lr, training.student.train_c
        (20000, 'auto', True)
        """
        d = PAPER_DIMENSION if task is None else task.d
        steps = STEPS_PER_DIMENSION * d if steps is None else steps
        return cls(student=student, lr=lr, steps=steps, **options)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.record, tuple) and self.record[-1] > self.steps:
            raise ValueError(
                f"record must lie in [0, steps] = [0, {self.steps}], got step {self.record[-1]}"
            )
        if self.record_parameters is not False:
            known = self.student.order_parameters
            for name in self.recorded_parameters:
                if name not in known:
                    raise ValueError(
                        f"record_parameters of a {type(self.student).__name__} student are "
                        f"{', '.join(known)}, got {name!r}"
                    )
        if self.lookahead is not None and self.reuse > 1:
            raise ValueError(
                f"lookahead={self.lookahead} uses every batch twice in its own way: it must be "
                f"None with reuse={self.reuse}"
            )
        if self.uses > 1 and (self.optimiser != SGD() or self.average is not None):
            used = f"reuse={self.reuse}" if self.reuse > 1 else f"lookahead={self.lookahead}"
            raise ValueError(
                f"{used} is for plain SGD without average, got optimiser={self.optimiser!r}, "
                f"average={self.average}"
            )
        if self.optimiser.weight_decay and self.student.unit_rows:
            raise ValueError(
                f"weight_decay={self.optimiser.weight_decay:g} shrinks what is trained, and the "
                f"rows of {self.student!r} have length 1: use it with LoRA or FullNetwork"
            )
        own = self.student.own_rate
        for name, rate in (("lr", self.lr), (own, self.student.given_own_rate)):
            length = rate.length if isinstance(rate, schedule.ScheduleModel) else None
            if length is not None and length < self.steps:
                raise ValueError(
                    f"{name} must have a rate for each of the {self.steps} steps, got {length}"
                )
        return self

    @property
    def uses(self) -> int:
        """Gradients of a batch in a step."""
        return self.reuse if self.lookahead is None else 2

    @property
    def record_count(self) -> int:
        """Number of recorded states, or an upper bound of it."""
        if isinstance(self.record, tuple):
            return len(self.record) + 2
        n = self.record if isinstance(self.record, int) else self.record.n
        return min(n, self.steps + 1)

    @property
    def recorded_parameters(self) -> tuple[str, ...]:
        """Names of the order parameters that are recorded."""
        if isinstance(self.record_parameters, bool):
            return self.student.order_parameters if self.record_parameters else ()
        return self.record_parameters

    @property
    def recorded_losses(self) -> tuple[str, ...]:
        """Names of losses that are recorded beside the student's squared error."""
        averaged = () if self.average is None else ("averaged_loss",)
        if self.loss == "squared":
            return averaged
        estimated = () if self.loss == "correlation" else ("training_loss_error",)
        return ("training_loss", *estimated, *averaged)

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
        replicas = checks.integer("replicas", replicas, 1)
        several = tasks if isinstance(tasks, Sequence) else [tasks]
        values = sum(replicas * self.record_size(task) for task in several)
        self._check_records(values, f"record for {len(several)} tasks x {replicas} replicas")

    def _check_records(self, values: int, what: str) -> None:
        count = self.record_count
        checks.memory(
            f"{what}: {count} records of {values} numbers",
            8 * count * values,
            "record fewer steps",
        )

    def record_size(self, task: Task) -> int:
        """Count the numbers kept at each record of one replica, of all statistics together.

        Parameters
        ----------
        task : Task

        Returns
        -------
        int

        Examples
        --------
        >>> import lrft
        >>> lrft.Training(lr=0.1, steps=10).record_size(lrft.Task.sample(d=100, k=4))
        3
        """
        return Sizes.of(task, self).record_numbers


def training_data(training: Training, lr: float | schedule.Schedule) -> compiled.TrainingData:
    """Describe a training to the core, its rate of û, A or the rows settled to `lr`.

    What is None is left out, and then as the core has it.
    """
    lr, lr_own = training.student.rates(lr)
    given = training.model_dump(include={"stop_at", "stop_loss"}, exclude_none=True)
    return compiled.TrainingData(
        steps=training.steps,
        batch=training.batch,
        reuse=training.reuse,
        lookahead=training.lookahead or 0.0,
        lr=compiled.Schedule(**schedule.described(lr)),
        lr_own=compiled.Schedule(**schedule.described(lr_own)),
        loss=losses.described(training.loss),
        optimiser=optimiser_data(training.optimiser, training.average),
        record=training.record_steps,
        thresholds=np.asarray(training.thresholds, dtype=np.float64),
        loss_thresholds=np.asarray(training.loss_thresholds, dtype=np.float64),
        parameters=list(training.recorded_parameters),
        **given,
    )


def _check_expanded(task: Task, student: Student) -> None:
    """Refuse laws of the inputs under which a linearised student is not known."""
    law = task.law
    if law is None:
        return
    if not law.centred:
        raise ValueError(
            "linearized=True needs inputs without means or label shifts, whose moments with "
            f"derivatives of σ are known for the exact loss, got {task.inputs!r}"
        )
    if law.blocks is not None and student.start_of_its_own:
        raise ValueError(
            f"linearized=True of a {type(student).__name__} student needs inputs without "
            "eigenvalue blocks: S would hold the parts of its starting rows in each block, got "
            f"{task.inputs!r}"
        )


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
        is kept orthogonal to it; for a favourable start where the drift is
        undefined; for a rank-one student of a teacher of higher rank; for a dimension too small;
        for `stop_at` with a full network; for a linearised student of an activation
        known by its values only; for a linearised student, a favourable start and ``lr="auto"``
        beside a teacher that is no perturbed base.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4)
    >>> lrft.check_compatible(task, lrft.Training(lr=0.1, steps=10))
    """
    student = training.student
    if not student.followed and training.stop_at is not None:
        raise ValueError(
            f"stop_at is on |overlap_u|, which is a matrix for the {type(student).__name__} "
            f"student: use stop_loss, got stop_at={training.stop_at!r}"
        )
    if student.linearized and not task.activation.facts.linearized:
        raise ValueError(
            "linearized=True needs an activation whose Hermite coefficients are known in closed "
            f"form, for the exact loss; those of {task.activation} come from quadrature"
        )
    if student.linearized:
        check_unbiased(task, "linearized=True", student)
        check_no_link(task, "linearized=True")
        _check_expanded(task, student)
    if training.lr == "auto":
        check_no_link(task, "lr='auto'")
    named = () if training.record_parameters is True else training.recorded_parameters
    blocks = student.biased(task) or (task.law is not None and task.law.blocks is not None)
    if "Q_blocks" in named and not blocks:
        raise ValueError(
            "record_parameters: 'Q_blocks' is of inputs with eigenvalue blocks, or networks with "
            f"biases, got inputs={task.inputs!r}"
        )
    student.check(task)
