"""`simulate_sequence`: a sequence of tasks from start to end in one call."""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import TYPE_CHECKING

from lrft.base import interrupts
from lrft.base.progress import ProgressCallback
from lrft.model.sequence import Sequence
from lrft.model.training import Training
from lrft.run import chains as runs
from lrft.run.sequence import SequenceSimulation

if TYPE_CHECKING:
    import xarray as xr


def simulate_sequence(
    sequence: Sequence,
    training: Training | Several[Training],
    *,
    between: str = "continue",
    replicas: int | Several[int] | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: ProgressCallback | bool | None = None,
    on_interrupt: str = "raise",
) -> xr.Dataset:
    """Train a student on one task after another, and look at its loss on every task all along.

    Runs in the reduced space, exact in law at a cost free of d. A stage has steps, schedules,
    records and random numbers of its own.

    Parameters
    ----------
    sequence : Sequence
    training : Training or sequence of Training
        Of every stage, or one a stage, all of one student.
    between : {"continue", "new"}
        The student goes on to the next task as it is; or its adapter stays as it is and a new one,
        from the start that the student says, is trained beside it. Whether the old one is merged
        into the base or kept frozen beside the new one is the same network and the same path.
    replicas, seed, threads, progress, on_interrupt
        As for `simulate`.

    Returns
    -------
    xarray.Dataset
        ``loss`` and ``overlap`` over (replica, step, task), steps counted from the start of the
        sequence, with the coordinate ``stage``; ``forgetting`` and ``transfer`` over (replica,
        task), and ``status``.

    Raises
    ------
    TypeError, ValueError
        For arguments that are wrong or do not fit each other, before anything runs.
    Interrupted
        On Ctrl-C.

    Examples
    --------
    >>> import lrft
    >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
    >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
    >>> ds = lrft.simulate_sequence(sequence, training, between="new", replicas=2)
    >>> ds.step.values.tolist(), ds.stage.values.tolist()
    ([0, 50, 100, 150, 200], [0, 0, 0, 1, 1])
    """
    on_interrupt = interrupts.check(on_interrupt)
    run = SequenceSimulation(
        sequence, training, between=between, replicas=replicas, seed=seed, threads=threads
    )
    return runs.finished(run, progress, on_interrupt)
