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
from lrft.model import schedule
from lrft.model.optimiser import SGD, Average, Optimiser, optimiser_data
from lrft.model.recording import Geometric, LossThresholds, Record, Thresholds, geometric
from lrft.model.sizes import Sizes
from lrft.model.students import FullNetwork, LoRA, RankOne, Student
from lrft.model.students.student import OptionalPositive, RateOrAuto

if TYPE_CHECKING:
    from lrft.model.task import Task

Integers = NDArray[np.int64]

#: Of the paper's simulations, and of `Training.paper`.
PAPER_DIMENSION, STEPS_PER_DIMENSION = 2000, 200
PAPER_STUDENT = RankOne(train_c=True)

__all__ = [
    "FullNetwork",
    "Geometric",
    "LoRA",
    "RankOne",
    "Training",
    "check_compatible",
    "geometric",
]


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
        if self.optimiser.weight_decay and self.student.spherical:
            raise ValueError(
                f"weight_decay={self.optimiser.weight_decay:g} shrinks what is trained, and û and "
                f"ĉ of {type(self.student).__name__} have length 1: use it with LoRA or "
                "FullNetwork"
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
        lr=compiled.Schedule(**schedule.described(lr)),
        lr_own=compiled.Schedule(**schedule.described(lr_own)),
        optimiser=optimiser_data(training.optimiser, training.average),
        record=training.record_steps,
        thresholds=np.asarray(training.thresholds, dtype=np.float64),
        loss_thresholds=np.asarray(training.loss_thresholds, dtype=np.float64),
        **given,
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
        known by its values only.

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
    student.check(task)
