"""`simulate`: a run from start to end in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrft.base import interrupts
from lrft.base.progress import ProgressCallback
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.run import chains as runs
from lrft.run.simulation import Simulation

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    task: Task | Sequence[Task],
    training: Training,
    *,
    replicas: int | Sequence[int] | None = None,
    seed: int = 0,
    engine: str = "auto",
    threads: int | None = None,
    paired: bool = False,
    progress: ProgressCallback | bool | None = None,
    on_interrupt: str = "raise",
) -> xr.Dataset:
    """Train replicas of a student by online SGD (Eq. 4) and return what was recorded.

    Parameters
    ----------
    task : Task or sequence of Task
        Tasks in a list share their random numbers.
    training : Training
    replicas : int or sequence of int, optional
        How many, with indices 0, 1, …; or the indices themselves. A replica's path depends on
        its index and the seed, never on its company. By default 8, or one for each paired task.
    seed : int
        0 ≤ seed < 2^64.
    engine : {"auto", "reduced", "ambient"}
        The space inputs live in. ``"reduced"`` is exact in law for Gaussian inputs at a cost
        independent of d; ``"ambient"`` draws every x in R^d. ``"auto"`` takes the reduced space
        wherever it is defined.
    threads : int, optional
        By default as many as this process may use. Results do not depend on it.
    paired : bool
        Run replica i of task i only, so that every task has random numbers of its own: as many
        replicas as tasks.
    progress : bool or callable, optional
        True for a bar, in a terminal or a notebook; or called about ten times a second with a
        `lrft.Progress`.
    on_interrupt : {"raise", "return"}
        Ctrl-C raises `Interrupted`, which holds what was recorded so far as ``result``, with
        status ``"interrupted"``; or returns that.

    Returns
    -------
    xarray.Dataset
        ``overlap_u``, ``overlap_c``, ``loss``, ``hit_step``, ``status`` and more with dimensions
        ``(task, replica, step)``, or ``(replica, step)`` for one task and for paired ones, whose
        ``task_hash``, ``d``, ``k``, ``xi`` and ``activation`` go by replica; ``final_overlap_u``
        and the like are the values at the stop.

    Raises
    ------
    TypeError, ValueError
        For arguments that are wrong or do not fit each other, before anything runs.
    Interrupted
        On Ctrl-C, within half a second.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, xi=2.0, activation="relu", c="quantized", seed=0)
    >>> training = lrft.Training(lr=0.002, steps=20_000, stop_at=0.9)
    >>> ds = lrft.simulate(task, training, replicas=8, seed=1)
    >>> ds.overlap_u.dims
    ('replica', 'step')

    Every replica with a task of its own:

    >>> tasks = [lrft.Task.sample(d=100, k=4, seed=i) for i in range(3)]
    >>> ds = lrft.simulate(tasks, lrft.Training(lr=0.001, steps=10), paired=True)
    >>> ds.task_hash.dims, ds.replica.values.tolist()
    (('replica',), [0, 1, 2])
    """
    on_interrupt = interrupts.check(on_interrupt)
    simulation = Simulation(
        task,
        training,
        replicas=replicas,
        seed=seed,
        engine=engine,
        threads=threads,
        paired=paired,
    )
    return runs.finished(simulation, progress, on_interrupt)
