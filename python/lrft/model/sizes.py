"""How large it is: the sizes of a task with a training, of which the core says what they take.

``compiled.footprint(sizes_of(task, training))`` has the bytes and counts that checks, estimates of
memory and the choice of the space are made of; cpp/include/lrft/footprint.hpp says what each is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lrft.core.engine import compiled

if TYPE_CHECKING:
    from lrft.model.students.student import StudentModel
    from lrft.model.task import Task

__all__ = ["record_shapes", "sizes_of", "smallest_reduced_dimension"]


class Trained(Protocol):
    """What of a training has to do with sizes; a `lrft.Training` is one."""

    @property
    def student(self) -> StudentModel:
        """What is trained."""

    @property
    def batch(self) -> int:
        """Samples a step."""


def sizes_of(
    task: Task, training: Trained, *, ambient: bool = False, labelled: bool = False
) -> compiled.Sizes:
    """Give the sizes of one task with one student, as the core counts them."""
    student = training.student
    rows, (k, s) = student.rows(task), task.R.shape
    start = rows if student.start_of_its_own else 0
    return compiled.Sizes(
        ambient=ambient, labelled=labelled, d=task.d, k=k + start, neurons=k, s=s + start,
        rank=task.rank, rows=rows, kind=student.kind,
        linearized=student.linearized, batch=training.batch,
    )  # fmt: skip


def smallest_reduced_dimension(task: Task, training: Trained) -> int:
    """Return the least d at which the reduced space is exact for this task's shape."""
    return int(compiled.footprint(sizes_of(task, training)).least_d)


def record_shapes(task: Task, training: Trained) -> dict[str, tuple[int, ...]]:
    """Return the shape of a record of each statistic; () for one number."""
    shapes: dict[str, tuple[int, ...]] = compiled.statistics(sizes_of(task, training))
    return shapes
