"""What `simulate` asks of its arguments before anything runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from lrft import _checks, _engine, schedule
from lrft.task import Task
from lrft.training import Training

ENGINES = ("auto", "reduced", "ambient")


def available_threads() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settle_threads(threads: object) -> int:
    """Return the number asked for; by default all that this process may use."""
    if threads is None:
        return available_threads()
    return _checks.integer("threads", threads, 1, 4096)


def check_tasks(task: object) -> list[Task]:
    """Return the tasks as a list."""
    tasks = [task] if isinstance(task, Task) else task
    if not isinstance(tasks, Sequence) or isinstance(tasks, str | bytes):
        raise TypeError(f"task must be a Task or a list of them, got {type(task).__name__}")
    if not tasks:
        raise ValueError("task must not be an empty list")
    for i, one in enumerate(tasks):
        if not isinstance(one, Task):
            raise TypeError(f"task[{i}] must be a Task, got {type(one).__name__}")
    return list(tasks)


def check_replicas(replicas: object) -> list[int]:
    """Return the indices of the replicas, distinct."""
    if isinstance(replicas, Sequence | np.ndarray | range) and not isinstance(
        replicas, str | bytes
    ):
        indices = [
            _checks.integer(f"replicas[{i}]", value, 0, 2**32 - 1)
            for i, value in enumerate(replicas)
        ]
        if not indices:
            raise ValueError("replicas must name at least one replica, got none")
        if len(set(indices)) != len(indices):
            raise ValueError(f"replicas must be distinct, got {list(replicas)!r}")
        return indices
    return list(range(_checks.integer("replicas", replicas, 1, 2**24)))


def choose_engine(tasks: list[Task], training: Training, engine: object) -> str:
    """Settle the space; the reduced one wherever it is defined."""
    name = _checks.choice("engine", engine, ENGINES)
    small = [t for t in tasks if t.d < _engine.smallest_reduced_dimension(t, training)]
    if name == "auto":
        name = "ambient" if small else "reduced"
    if name == "reduced" and small:
        least = _engine.smallest_reduced_dimension(small[0], training)
        raise ValueError(
            f"engine='reduced' needs d >= {least} for this task (dimension of span(W, u), plus "
            f"the student's rows, plus the lesser of rows and batch), got d = {small[0].d}: "
            "use engine='ambient'"
        )
    if name == "reduced" or (name == "auto" and not small):
        for task in tasks:
            n = _engine.student_rows(task, training.student)
            _checks.memory(
                f"the reduced space of a student with {n} rows",
                64 * n * (task.R.shape[1] + 3 * n),
                "use a narrower student",
            )
    if name == "ambient":
        for task in tasks:
            if task.d > 2**31 - 64:
                raise ValueError(
                    f"engine='ambient' needs d < 2^31, got d = {task.d}: use engine='reduced'"
                )
            rows = task.k + task.rank + _engine.student_rows(task, training.student)
            _checks.memory(
                f"engine='ambient' at d = {task.d}, k = {task.k}",
                8 * rows * task.d,
                "use engine='reduced'",
            )
    return name


def check_batch(tasks: list[Task], training: Training, engine: str, threads: int) -> None:
    """Refuse a batch whose fields do not fit into memory, or into the random stream."""
    batch = training.batch
    own_start = _engine.has_start_of_its_own(training.student)

    def wide(task: Task) -> int:
        """Count numbers an input; rows of a start are features and directions too."""
        rows = _engine.student_rows(task, training.student) * (3 if own_start else 1)
        return sum(task.R.shape) + task.rank + 2 * rows + 2

    width = max(map(wide, tasks))
    numbers = batch * (8 * width if engine == "reduced" else width + _engine.AMBIENT_TILE)
    _checks.memory(
        f"batch = {batch} with engine='{engine}' on {threads} threads",
        8 * numbers * threads,
        "use a smaller batch",
    )
    if numbers >= 2**31:
        raise ValueError(f"batch = {batch} needs {numbers} numbers a step, and 2^31 is the limit")
    counters = batch * ((width if engine == "reduced" else max(task.d for task in tasks)) + 1) // 2
    if counters >= 2**32:
        raise ValueError(
            f"batch = {batch} needs {counters} counters of the random stream a step, and there "
            "are 2^32: use a smaller batch"
        )


def settle_rates(
    tasks: list[Task], training: Training
) -> tuple[list[float | schedule.Schedule], list[str]]:
    """Return each task's rate of û, and how it was found."""
    if training.lr != "auto":
        return [training.lr] * len(tasks), ["given"]
    from lrft import theory

    settled = [theory.auto_lr(task, training.student, batch=training.batch) for task in tasks]
    return [lr for lr, _ in settled], [note for _, note in settled]
