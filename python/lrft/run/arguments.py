"""What `simulate` asks of its arguments before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrft import theory
from lrft.base import caller, checks
from lrft.model import schedule
from lrft.model.sizes import Sizes
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.theory import rates

CHAIN = 4400  # bytes of a replica without its records, at the end of a run: measured
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
    sizes = [Sizes.of(task, training) for task in tasks]
    least = [one.least_d for one in sizes]
    small = [i for i, task in enumerate(tasks) if task.d < least[i] or sizes[i].narrow_block]
    if name == "auto":
        name = "ambient" if small else "reduced"
    if name == "reduced" and small:
        i = small[0]
        if (narrow := sizes[i].narrow_block) is not None:
            block, needed = narrow
            raise ValueError(
                f"engine='reduced' needs {needed} coordinates in block {block} of the inputs, "
                f"{tasks[i].inputs!r} (the parts of W and u there, the student's rows, and the "
                "lesser of rows and batch, or batch where it is used again), got "
                f"{sizes[i].blocks.sizes[block]} of d = {tasks[i].d}: use engine='ambient'"  # type: ignore[union-attr]
            )
        batch = (
            "batch, which is used again" if training.uses > 1 else "the lesser of rows and batch"
        )
        remembers = training.optimiser.momentum or training.average is not None
        rows = "rows, those that are remembered too," if remembers else "rows,"
        raise ValueError(
            f"engine='reduced' needs d >= {least[i]} for this task (dimension of span(W, u), plus "
            f"the student's {rows} plus {batch}), got d = {tasks[i].d}: use engine='ambient'"
        )
    return name


def check_sizes(
    tasks: list[Task], training: Training, engine: str, threads: int, replicas: int
) -> None:
    """Refuse what is too large to be counted or to be held: a task, a student, a batch."""
    ambient, batch = engine == "ambient", training.batch
    chains = len(tasks) * replicas
    for task in tasks:
        if ambient and task.d > 2**31 - 64:
            raise ValueError(
                f"engine='ambient' needs d < 2^31, got d = {task.d}: use engine='reduced'"
            )
        sizes = Sizes.of(task, training, ambient=ambient)
        of, alone, rows = sizes.footprint, sizes.alone(), training.student.rows(task)
        if alone.longest >= 2**31:
            raise ValueError(
                f"a student with {rows} rows on a task with k = {task.k} needs an array of "
                f"{alone.longest:.0f} numbers, and 2^31 is the limit: use a narrower one"
            )
        groups = min(threads, -(-chains // of.lanes))
        # Where the rows of the start are features, every chain has a task of its own.
        made = not ambient or "_ambient" in task.__dict__
        held = chains if training.student.start_of_its_own else 0 if made else 1
        fixed, own = held * of.task_bytes, groups * of.thread_bytes
        checks.memory(
            f"engine='{engine}' at d = {task.d}, k = {task.k} with {rows} rows of the student, on "
            f"{groups} threads",
            int(fixed + own),
            "use engine='reduced'" if ambient and fixed > own else "use a narrower student",
        )
        checks.memory(
            f"batch = {batch} with engine='{engine}' on {threads} threads",
            int(of.batch_bytes * threads),
            "use a smaller batch",
        )
        if of.longest >= 2**31:
            raise ValueError(
                f"batch = {batch} needs {of.longest:.0f} numbers a step, and 2^31 is the limit"
            )
        if of.counters >= 2**32:
            raise ValueError(
                f"batch = {batch} needs {of.counters:.0f} counters of the random stream a step, "
                "and there are 2^32: use a smaller batch"
            )


def check_kept(tasks: list[Task], training: Training, engine: str, replicas: int) -> None:
    """Refuse to keep students that memory cannot hold."""
    ambient = engine == "ambient"
    each = sum(Sizes.of(one, training, ambient=ambient).footprint.state_bytes for one in tasks)
    checks.memory(
        f"keep_students=True for {len(tasks)} tasks x {replicas} replicas",
        int(each * replicas),
        "use engine='reduced' or fewer replicas" if ambient else "use fewer replicas",
    )


def warn_of_rate(tasks: list[Task], training: Training) -> None:
    """Warn if a given rate is far above the stability limit of the first task.

    Not of all: of LoRA and full networks a limit takes up to 30 ms, and there may be thousands.
    """
    if training.lr == "auto" or training.steps == 0 or training.loss != "squared":
        return  # the limit is that of the squared error
    if training.optimiser.normalise:
        return  # the limit is of steps that are as long as their gradients
    # The same inputs r times in a row are, to first order, one step at r times the rate.
    speed = training.reuse * training.optimiser.speed
    lr = speed * float(schedule.rates(training.lr, 0, 1)[0])
    reason = rates.far_above(tasks[0], training.student, lr, batch=training.batch)
    if reason is not None and speed != 1:
        reason += f" (lr = {lr / speed:g} moves as far as {speed:g} times that once a sample)"
    if reason is not None:
        caller.warn(reason, caller.RateWarning)


def settle_rates(
    tasks: list[Task], training: Training
) -> tuple[list[float | schedule.Schedule], list[str]]:
    """Return each task's rate of û, and how it was found.

    Raises
    ------
    ValueError
        For an automatic rate where it is not known.
    """
    if training.lr != "auto":
        return [training.lr] * len(tasks), ["given"]
    if training.loss != "squared":
        raise ValueError(
            "lr='auto' is from the stability limit of the squared error: give a rate for "
            f"loss={training.loss!r}"
        )

    if training.optimiser.normalise:
        raise ValueError(
            "lr='auto' is a share of the stability limit, which is of steps that are as long as "
            "their gradients: give a rate for SGD(normalise=True)"
        )
    found = [theory.auto_lr(task, training.student, batch=training.batch) for task in tasks]
    if (reuse := training.reuse) > 1:
        found = [
            (lr / reuse, f"1/{reuse} for batches used {reuse} times, of {n}") for lr, n in found
        ]
    if (slow := training.optimiser.speed) != 1.0:
        says = f", over 1/(1 - momentum) = {slow:.4g}"
        found = [(lr / slow, note + says) for lr, note in found]
    return [lr for lr, _ in found], [note for _, note in found]
