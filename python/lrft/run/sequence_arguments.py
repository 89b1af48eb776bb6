"""What `simulate_sequence` asks of its arguments before anything runs."""

from __future__ import annotations

from collections.abc import Sequence as Several

import numpy as np

from lrft.model.sizes import Sizes
from lrft.model.task import Task
from lrft.model.training import Training, check_compatible

#: What becomes of the adapter when the next task begins.
BETWEEN = ("continue", "new")


def check_trainings(training: object, stages: int) -> list[Training]:
    """Return the training of each stage."""
    several = [training] * stages if isinstance(training, Training) else training
    if not isinstance(several, Several) or isinstance(several, str | bytes):
        raise TypeError(
            f"training must be a Training or a list of them, got {type(training).__name__}"
        )
    for i, one in enumerate(several):
        if not isinstance(one, Training):
            raise TypeError(f"training[{i}] must be a Training, got {type(one).__name__}")
    if len(several) != stages:
        raise ValueError(f"training must be one a task, got {len(several)} for {stages} tasks")
    if len({one.student for one in several}) > 1:
        raise ValueError("training must have one student in all stages")
    return list(several)


def check_stage(task: Task, training: Training, between: str, stages: int) -> None:
    """Refuse what a sequence cannot do."""
    check_compatible(task, training)
    student = training.student
    for name in ("stop_at", "stop_loss"):
        if getattr(training, name) is not None:
            raise ValueError(
                f"{name} must be None in a sequence, whose stages have all their steps"
            )
    if training.optimiser.momentum or training.average is not None:
        raise ValueError(
            "a sequence takes neither momentum nor average, which would remember more of the stage "
            f"before than its student, got optimiser={training.optimiser!r}, "
            f"average={training.average}"
        )
    if training.recorded_parameters or training.loss_thresholds:
        raise ValueError(
            "a sequence records losses and overlaps only: record_parameters must be False and "
            f"loss_thresholds empty, got {training.record_parameters} and "
            f"{list(training.loss_thresholds)}"
        )
    if training.steps < 1:
        raise ValueError(f"steps must be at least 1 in a sequence, got {training.steps}")
    if student.linearized or student.takes_start_off:
        raise ValueError("a sequence needs a student that is not linearised, around its own base")
    if between == "new":
        if student.kind != "lora":
            raise ValueError(f"between='new' needs a LoRA student, got {type(student).__name__}")
        if student.worked_out_start or isinstance(getattr(student, "a_init", ""), np.ndarray):
            raise ValueError("between='new' needs a student with a drawn A: no start and no a_init")
    least = Sizes.of(task, training).least_d
    more = student.rows(task) * (stages - 1) if between == "new" else 0
    if task.d < least + more:
        raise ValueError(
            f"d must be at least {least + more} for this sequence, which runs in the reduced "
            f"space, got {task.d}"
        )
