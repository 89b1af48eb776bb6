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
    engine: str = "auto",
    threads: int | None = None,
    progress: ProgressCallback | bool | None = None,
    on_interrupt: str = "raise",
) -> xr.Dataset:
    """Train a student on one task after another, and look at its loss on every task all along.

    A stage has steps, schedules, records, random numbers and an optimiser of its own: velocities
    begin at zero, and averages are those of the stage.

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
    engine : {"auto", "reduced", "ambient"}
        As for `simulate`: the reduced space where d leaves room for it, at a cost free of d. The
        ambient one is not for `RankOne`.

    Returns
    -------
    xarray.Dataset
        ``loss`` and ``overlap_u`` over (replica, step, task), steps counted from the start of the
        sequence, with the coordinate ``stage``; ``forgetting`` and ``transfer`` over (replica,
        task), ``status`` and ``stop_step``. Where trainings ask for them, ``averaged_loss``,
        ``training_loss`` and order parameters at every record too, on the task of its stage.
        `lrft.save`, `lrft.load`, `lrft.summary`, `lrft.plot.curves` and ``lrft rerun`` take it.

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
        sequence,
        training,
        between=between,
        replicas=replicas,
        seed=seed,
        engine=engine,
        threads=threads,
    )
    return runs.finished(run, progress, on_interrupt)
