"""How large is it: the one place where the core is asked what a task with a training takes.

Checks, estimates of memory and the choice of the space are lines on `Sizes`;
cpp/include/lrft/footprint.hpp says what each number is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lrft.core.engine import compiled
from lrft.model.loss import Loss, name_of

if TYPE_CHECKING:
    from lrft.model.input_law import Blocks
    from lrft.model.optimiser import SGD
    from lrft.model.students import StudentModel
    from lrft.model.task import Task

__all__ = ["Sizes"]

#: Far above every limit, and a number that the core can hold.
MOST = 2**53


class Trained(Protocol):
    """What of a training has to do with sizes; a `lrft.Training` is one."""

    @property
    def loss(self) -> Loss:
        """One that is not the squared error is recorded beside it."""

    @property
    def student(self) -> StudentModel:
        """It has rows and own parameters."""

    @property
    def batch(self) -> int:
        """Samples a step."""

    @property
    def recorded_parameters(self) -> tuple[str, ...]:
        """Order parameters that are recorded."""

    @property
    def uses(self) -> int:
        """Gradients of a batch in a step."""

    @property
    def optimiser(self) -> SGD:
        """It may remember rows."""

    @property
    def average(self) -> int | None:
        """So does an average."""


class Sizes:
    """What a task with a training takes in one space: bytes and counts.

    Parameters
    ----------
    core : compiled.Sizes
    constant : bool
        Whether d and s count a coordinate that is 1, for biases.
    blocks : Blocks, optional
        Those of the eigenvalues of the inputs' covariance.

    Attributes
    ----------
    core : compiled.Sizes
    footprint : compiled.Footprint
        Every number that grows with the sizes.

    Examples
    --------
    >>> import lrft
    >>> from lrft.model.sizes import Sizes
    >>> sizes = Sizes.of(lrft.Task.sample(d=100, k=4), lrft.Training(lr=0.1, steps=10))
    >>> sizes.least_d, sizes.records
    (7, {'overlap_u': (), 'overlap_c': (), 'loss': ()})
    """

    def __init__(
        self, core: compiled.Sizes, *, constant: bool = False, blocks: Blocks | None = None
    ) -> None:
        self.core, self.constant, self.blocks = core, constant, blocks
        self.footprint = compiled.footprint(core)

    @classmethod
    def of(
        cls, task: Task, training: Trained, *, ambient: bool = False, watch: str = "overlaps"
    ) -> Sizes:
        """Measure a task with a training; ``watch="errors"``: beside given samples, no teacher."""
        student = training.student
        rows, (k, s) = student.rows(task), task.R.shape
        start = rows if student.start_of_its_own else 0
        frozen = rows if student.takes_start_off else 0
        constant = student.biased(task)
        law = None if watch == "errors" else getattr(task, "law", None)
        blocks = None if law is None else law.blocks
        return cls(
            compiled.Sizes(
                ambient=ambient,
                watch=watch,
                d=task.d + constant,
                k=k + start,
                neurons=k,
                s=s + start + frozen + constant,
                directions=(0 if law is None else len(law.stretch)) + constant,
                blocks=0 if blocks is None else len(blocks.sizes),
                constant=constant,
                rank=task.rank + frozen,
                followed=task.rank,
                link="none" if task.link is None else task.link.kind,
                rows=min(rows, MOST),
                velocity=training.optimiser.momentum > 0.0,
                average=training.average is not None,
                kind=student.core_kind,
                linearized=student.linearized,
                batch=min(training.batch, MOST),
                parameters=list(training.recorded_parameters),
                uses=training.uses,
                loss=name_of(training.loss),
            ),
            constant=constant,
            blocks=blocks,
        )

    @property
    def least_d(self) -> int:
        """The least d at which the reduced space is exact."""
        return int(self.footprint.least_d) - self.constant

    @property
    def narrow_block(self) -> tuple[int, int] | None:
        """The first block without room beside S, and the coordinates that it needs; or None."""
        if self.blocks is not None:
            beside = int(self.footprint.least_d) - self.core.s
            for j, (size, inside) in enumerate(
                zip(self.blocks.sizes, self.blocks.inside, strict=True)
            ):
                if size < inside + beside:
                    return j, inside + beside
        return None

    @property
    def record_numbers(self) -> int:
        """Numbers in one record of a replica."""
        return int(self.footprint.record_bytes) // 8

    @property
    def records(self) -> dict[str, tuple[int, ...]]:
        """The shape of a record of each statistic; () for one number."""
        shapes: dict[str, tuple[int, ...]] = compiled.statistics(self.core)
        return shapes

    def alone(self) -> compiled.Footprint:
        """Measure it without its batch: one sample a step."""
        return compiled.footprint(self.core.replace(batch=1))
