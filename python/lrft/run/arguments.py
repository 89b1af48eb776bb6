"""What `simulate` asks of its arguments before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrft import theory
from lrft.base import checks
from lrft.model import schedule, sizes
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.run import describe

CHAIN = 4400  # bytes of a replica without its records, at the end of a run: measured
WIDTH = 8  # replicas that share the arrays of one thread in the reduced space
MOST_REPLICAS = 2**24
REPLICAS = 8  # by default: one lane group
ENGINES = ("auto", "reduced", "ambient")


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


def check_replicas(replicas: object, tasks: int = 1) -> list[int]:
    """Return the indices of the replicas, distinct; as many as memory can hold of each task."""
    count = replicas
    if isinstance(replicas, range) and replicas[MOST_REPLICAS:]:  # len() has a limit of its own
        raise ValueError(f"replicas must be at most {MOST_REPLICAS}, got {replicas!r}")
    if isinstance(replicas, Sequence | np.ndarray):
        count = len(replicas)
    if isinstance(count, int) and count > 0:
        checks.memory(
            f"{count} replicas of {tasks} tasks", CHAIN * tasks * count, "use fewer replicas"
        )
    if isinstance(replicas, Sequence | np.ndarray) and not isinstance(replicas, str | bytes):
        indices = [
            checks.integer(f"replicas[{i}]", value, 0, 2**32 - 1)
            for i, value in enumerate(replicas)
        ]
        if not indices:
            raise ValueError("replicas must name at least one replica, got none")
        if len(set(indices)) != len(indices):
            raise ValueError(f"replicas must be distinct, got {checks.describe(list(replicas))}")
        return indices
    return list(range(checks.integer("replicas", replicas, 1, MOST_REPLICAS)))


def settle_replicas(replicas: object, tasks: int, paired: bool) -> list[int]:
    """Return the indices of the replicas of each task, or of the one replica of every task."""
    if not paired:
        return check_replicas(REPLICAS if replicas is None else replicas, tasks)
    indices = check_replicas(tasks if replicas is None else replicas)
    if len(indices) != tasks:
        raise ValueError(
            f"paired=True needs a replica for each of the {tasks} tasks, got {len(indices)}"
        )
    return indices


def choose_engine(tasks: list[Task], training: Training, engine: object) -> str:
    """Settle the space; the reduced one wherever it is defined."""
    name = checks.choice("engine", engine, ENGINES)
    small = [t for t in tasks if t.d < sizes.smallest_reduced_dimension(t, training)]
    if name == "auto":
        name = "ambient" if small else "reduced"
    if name == "reduced" and small:
        least = sizes.smallest_reduced_dimension(small[0], training)
        raise ValueError(
            f"engine='reduced' needs d >= {least} for this task (dimension of span(W, u), plus "
            f"the student's rows, plus the lesser of rows and batch), got d = {small[0].d}: "
            "use engine='ambient'"
        )
    return name


def check_sizes(
    tasks: list[Task], training: Training, engine: str, threads: int, replicas: int
) -> None:
    """Refuse a task or a student whose arrays are too large to be counted or to be held."""
    student = training.student
    chains = len(tasks) * replicas
    groups = min(threads, chains if engine == "ambient" else -(-chains // WIDTH))
    own_start = student.start_of_its_own
    for task in tasks:
        if engine == "ambient" and task.d > 2**31 - 64:
            raise ValueError(
                f"engine='ambient' needs d < 2^31, got d = {task.d}: use engine='reduced'"
            )
        n = student.rows(task)
        k, s = (size + n * own_start for size in task.R.shape)
        # The longest arrays: the covariance of the loss, and the coordinates of the features.
        side = 3 * task.k + 2 * n if student.linearized else k + max(k, n)
        numbers = max(
            side * side, (2 * k + n) ** 2, side * (k + n + task.rank), k * s, 2 * n * n, n * (n + s)
        )
        if numbers >= 2**31:
            raise ValueError(
                f"a student with {n} rows on a task with k = {task.k} needs an array of {numbers} "
                "numbers, and 2^31 is the limit: use a narrower one"
            )
        made = engine != "ambient" or "_ambient" in task.__dict__
        fixed = 0 if made else 8 * (task.k + task.rank) * task.d
        if engine == "ambient":
            own = 8 * (4 * n * n + 3 * n * task.d)
        else:
            own = 8 * WIDTH * (4 * n * n + 2 * n * s + k * s)
        if own_start:  # every chain has a task of its own
            own += 8 * (k * s + (k * task.d if engine == "ambient" else 0)) * chains // groups
        checks.memory(
            f"engine='{engine}' at d = {task.d}, k = {task.k} with {n} rows of the student, on "
            f"{groups} threads",
            fixed + groups * (own + 24 * side * side),
            "use engine='reduced'" if fixed > groups * own else "use a narrower student",
        )


def check_kept(tasks: list[Task], training: Training, engine: str, replicas: int) -> None:
    """Refuse to keep students that memory cannot hold."""
    numbers = 0
    for task in tasks:
        n = training.student.rows(task)
        row = task.d if engine == "ambient" else n + task.R.shape[1]
        numbers += n * (row + task.k)
    checks.memory(
        f"keep_students=True for {len(tasks)} tasks x {replicas} replicas",
        8 * numbers * replicas,
        "use engine='reduced' or fewer replicas" if engine == "ambient" else "use fewer replicas",
    )


def check_batch(tasks: list[Task], training: Training, engine: str, threads: int) -> None:
    """Refuse a batch whose fields do not fit into memory, or into the random stream."""
    batch = training.batch
    own_start = training.student.start_of_its_own

    def wide(task: Task) -> int:
        """Count numbers an input; rows of a start are features and directions too."""
        rows = training.student.rows(task) * (3 if own_start else 1)
        return sum(task.R.shape) + task.rank + 2 * rows + 2

    width = max(map(wide, tasks))
    numbers = batch * (8 * width if engine == "reduced" else width + describe.AMBIENT_TILE)
    checks.memory(
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

    settled = [theory.auto_lr(task, training.student, batch=training.batch) for task in tasks]
    return [lr for lr, _ in settled], [note for _, note in settled]
