"""What `fit` asks of its arguments, and makes of them, before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.fitting.samples import WINDOW
from lrft.model import schedule
from lrft.model.loss import Logistic, Loss, name_of
from lrft.model.sizes import Sizes
from lrft.model.students import StudentModel
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.model.weights import Weights


def open_training(common: dict[str, Any], record: Any) -> Training:
    """As many steps as there can be, where nobody knows how many there are."""
    if record is None:
        record = [2**i for i in range(40)]
    if isinstance(record, int) or not np.ndim(record):
        raise ValueError(
            "record must be a list of steps for an iterable X, whose length is not known, got "
            f"{checks.describe(record)}"
        )
    rates = {"lr": common["lr"], "the student's own rate": common["student"].given_own_rate}
    for name, rate in rates.items():
        if isinstance(rate, schedule.ScheduleModel) and rate.length is not None:
            raise ValueError(
                f"{name} must not be a schedule of {rate.length} steps for an iterable X, whose "
                "length is not known"
            )
    return Training(steps=checks.MAX_STEPS, record=record, thresholds=(), **common)


def beside_data(training: Training) -> Training:
    """Leave out what goes with a teacher and its inputs; refuse it where it is named."""
    known = training.student.order_parameters
    if training.record_parameters is True:
        there = tuple(name for name in known if name not in _OF_TEACHERS)
        return training.replace(record_parameters=there)
    for name, why in _OF_TEACHERS.items():
        if name in training.recorded_parameters:
            raise ValueError(
                f"record_parameters: {name!r} is {why}, got {list(training.recorded_parameters)}"
            )
    return training


#: Order parameters that are not recorded beside samples, and why.
_OF_TEACHERS = {
    "M": "in a basis of span(W, u), and samples have no u",
    "Q_blocks": "of the eigenvalue blocks of inputs that are drawn, and samples are given",
}


def window_steps(d: int, batch: int) -> int:
    """Count the steps of a window of a stream: whole blocks, so that the next can start there."""
    block: int = compiled.block_steps(d, batch)
    return block * max(1, WINDOW // (8 * d * batch * block))


def check_memory(
    task: Task, training: Training, replicas: int, threads: int, shuffled: int
) -> None:
    """Refuse students, records, a batch or orders of samples that do not fit into memory."""
    sizes = Sizes.of(task, training, ambient=True, watch="errors")
    of, rows = sizes.footprint, training.student.rows(task)
    own_task = of.task_bytes if training.student.start_of_its_own else 0
    records = 0 if training.steps == checks.MAX_STEPS else training.record_count
    checks.memory(
        f"{replicas} students of {rows} rows in R^{task.d}",
        int(replicas * (2 * of.state_bytes + own_task + records * of.record_bytes)),
        "use fewer replicas",
    )
    checks.memory(
        f"batch = {training.batch} on {threads} threads",
        int(of.batch_bytes * min(threads, replicas)),
        "use a smaller batch",
    )
    checks.memory(
        f"orders of {shuffled} samples on {threads} threads",
        4 * shuffled * min(threads, replicas),
        "use fewer threads, or shuffle=False",
    )


def base_task(base: Any, xi: float | None) -> Task:
    """Make a task of the base; its teacher is not used."""
    if isinstance(base, Task):
        if xi is not None:
            raise ValueError(f"xi is that of the task: give base={base!r} another one")
        return base
    if not isinstance(base, Weights):
        raise TypeError(f"base must be a Task or Weights, got {checks.describe(base)}")
    W = checks.array("base.W", base.W, ("k", "d"))
    if base.activation is None:
        raise ValueError(
            "base.activation must be given, got None: dataclasses.replace(base, activation='relu')"
        )
    if xi is None:
        xi = float(np.linalg.norm(W)) or 1.0
    return Task(
        W=W,
        lam=checks.array("base.lam", base.lam, (len(W),)),
        c=np.eye(len(W))[0],
        u=np.eye(1, W.shape[1])[0],
        xi=xi,
        activation=base.activation,
        biases=base.b,
        neuron_scale=base.neuron_scale,
        output_scale=base.output_scale,
    )


def without_teacher(task: compiled.TaskData) -> compiled.TaskData:
    """Describe a task whose teacher is nothing, and whose inputs have no law but their own."""
    constant = int(task.constant)
    return task.replace(
        directions=constant,
        components=constant,
        V=task.V[:constant],
        V_x=task.V_x[:constant] if constant else None,
        stretch=task.stretch[:constant],
        probabilities=np.ones(constant),
        means=np.ones((constant, constant)),
        shifts=np.zeros(constant),
        blocks=0,
        block_d=np.zeros(0),
        block_s=[],
        variances=np.zeros(0),
        biases=np.zeros(0),
        rank=1,
        xi=0.0,
        noise=0.0,
        link="none",
        terms=0,
        weights=np.zeros(0),
        powers=np.zeros(0, dtype=np.int32),
        a=np.zeros((1, task.s)),
        c=np.zeros((task.k, 1)),
        u=np.zeros((1, int(task.d))),
    )


def check_loss(loss: Loss, base: Any) -> tuple[bool, float]:
    """Refuse a loss that would change labels, or one of more than f − y beside an output bias.

    Return whether it asks for labels of ±1, and what labels are reckoned from.
    """
    bias = base.output_bias if isinstance(base, Weights) else 0.0
    bias = checks.real("base.output_bias", bias)
    if bias != 0.0 and name_of(loss) in ("correlation", "logistic"):
        raise ValueError(
            f"base has an output bias, {bias:g}, for which loss must be 'squared' or a Huber, "
            f"got {loss!r}"
        )
    if not isinstance(loss, Logistic):
        return False, bias
    if loss.flip > 0:
        raise ValueError(f"loss: labels that are given are not turned over, got {loss!r}")
    return True, 0.0


def check_student_of(base: Any, task: Task, student: StudentModel) -> None:
    """Refuse a student that does not fit the base, or asks for a teacher."""
    student.check_data(teacher=isinstance(base, Task))
    student.check(task)
