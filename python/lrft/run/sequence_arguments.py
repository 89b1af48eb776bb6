"""What `simulate_sequence` asks of its arguments before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Several
from typing import Any

import numpy as np

from lrft.base import checks
from lrft.model.sizes import Sizes
from lrft.model.task import Task
from lrft.model.task_state import check_unbiased
from lrft.model.training import Training, check_compatible
from lrft.run import arguments
from lrft.run.stages import watched

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


def own_of_stages(stages: object, count: int) -> list[dict[str, Any]]:
    """Return what the training of each stage has of its own, from tables or None."""
    if stages is None:
        return [{} for _ in range(count)]
    if not isinstance(stages, Several) or isinstance(stages, str | bytes):
        raise TypeError(f"stages must be a list of tables, got {checks.describe(stages)}")
    for i, one in enumerate(stages):
        if not isinstance(one, Mapping):
            raise TypeError(f"stages[{i}] must be a table, got {checks.describe(one)}")
        if "student" in one:
            raise ValueError(f"stages[{i}] has a student, which is the same in all stages")
    if len(stages) != count:
        raise ValueError(f"stages must be one a task, got {len(stages)} for {count} tasks")
    return [dict(one) for one in stages]


def check_stage(task: Task, training: Training, between: str) -> None:
    """Refuse what a sequence cannot do."""
    check_compatible(task, training)
    student = training.student
    check_unbiased(task, "a sequence", student)
    for name in ("stop_at", "stop_loss"):
        if getattr(training, name) is not None:
            raise ValueError(
                f"{name} must be None in a sequence, whose stages have all their steps"
            )
    if training.loss_thresholds:
        raise ValueError(
            "loss_thresholds must be empty in a sequence, whose losses are of every task, got "
            f"{list(training.loss_thresholds)}"
        )
    if training.steps < 1:
        raise ValueError(f"steps must be at least 1 in a sequence, got {training.steps}")
    if student.linearized or student.takes_start_off:
        raise ValueError("a sequence needs a student that is not linearised, around its own base")
    if between == "new":
        if student.network or student.single:
            raise ValueError(f"between='new' needs a LoRA student, got {type(student).__name__}")
        if student.worked_out_start or isinstance(getattr(student, "a_init", ""), np.ndarray):
            raise ValueError("between='new' needs a student with a drawn A: no start and no a_init")


def choose_engine(
    tasks: Several[Task], trainings: Several[Training], between: str, engine: object
) -> str:
    """Settle the space; the reduced one wherever it is defined."""
    name = checks.choice("engine", engine, arguments.ENGINES)
    task, student = tasks[0], trainings[0].student
    more = student.rows(task) * (len(tasks) - 1) if between == "new" else 0
    least = more + max(Sizes.of(task, one).least_d for one in trainings)
    rank_one = student.single
    if name == "auto":
        name = "ambient" if task.d < least and not rank_one else "reduced"
    if name == "reduced" and task.d < least:
        raise ValueError(
            f"d must be at least {least} for this sequence in the reduced space, got {task.d}"
            + ("" if rank_one else ": use engine='ambient'")
        )
    if name == "ambient" and rank_one:
        raise ValueError(
            "engine='ambient' follows a RankOne student along the direction of its own task alone, "
            "and a sequence asks for its loss on all: use LoRA(rank=1), or engine='reduced'"
        )
    return name


def check_sizes(
    tasks: Several[Task],
    trainings: Several[Training],
    between: str,
    engine: str,
    threads: int,
    replicas: int,
) -> None:
    """Refuse what is too large to be held."""
    for task, one in zip(tasks, trainings, strict=True):
        plan = watched(one)
        plan.check_memory([task], replicas)
        arguments.check_sizes([task], plan, engine, threads, replicas)
    if between == "new" and engine == "ambient":  # every replica has a base of its own
        task, n = tasks[0], trainings[0].student.rows(tasks[0])
        checks.memory(
            f"the bases of {replicas} replicas beside adapters that stay, at d = {task.d}",
            8 * replicas * task.d * (task.k + task.rank + 2 * n * len(tasks)),
            "use engine='reduced' or fewer replicas",
        )
