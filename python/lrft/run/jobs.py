"""`simulate_all`: many runs side by side, each as if it were alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lrft.base import checks, interrupts
from lrft.base.progress import Progress, ProgressCallback
from lrft.base.threads import settle_threads
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.run import chains as runs
from lrft.run.pieces import Piece, pieces
from lrft.run.pool import Pool
from lrft.run.simulation import Simulation

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Job", "simulate_all"]


@dataclass(frozen=True, eq=False)
class Job:
    """One call of `simulate`, for `simulate_all`.

    Parameters
    ----------
    task, training, replicas, seed, engine, paired
        As for `simulate`.

    Examples
    --------
    >>> import lrft
    >>> lrft.Job(lrft.Task.sample(d=50, k=2), lrft.Training(lr=0.001, steps=10), replicas=2).seed
    0
    """

    task: Task | Sequence[Task]
    training: Training
    replicas: int | Sequence[int] | None = None
    seed: int = 0
    engine: str = "auto"
    paired: bool = False


def simulate_all(
    jobs: Sequence[Job],
    *,
    threads: int | None = None,
    progress: ProgressCallback | bool | None = None,
    on_interrupt: str = "raise",
) -> list[xr.Dataset]:
    """Run many small simulations side by side; each gives what `simulate` gives.

    A few replicas fill one thread, and runs that must be independent need seeds of their own: so
    threads share out jobs, not the replicas of one. Small jobs in the reduced space that differ in
    tasks of one shape, rates and records only share lanes, so that a replica begins where another
    has ended, on any thread where there are few of them. What a thread works with is held while it
    runs, and then only what the jobs give; so memory is that of as many jobs as there are threads,
    of the records of all, and of the tasks, which are not copied. Where the activation of one is a
    Python function, all run one after the other. An error that ends no replica, as of memory, ends
    the call; its note names the jobs.

    Parameters
    ----------
    jobs : sequence of Job
        Begun in this order, as many at a time as there are threads: the longest belong first.
    threads, on_interrupt
        As for `simulate`.
    progress : bool or callable, optional
        True for a bar; or called about ten times a second with a `Progress` of all jobs
        together.

    Returns
    -------
    list of xarray.Dataset
        One a job, in order, as `simulate` returns it.

    Raises
    ------
    TypeError, ValueError
        As `simulate`, naming the job, before anything runs.
    Interrupted
        On Ctrl-C, within half a second; its ``result`` is the list, each as far as it got.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> jobs = [lrft.Job(task, lrft.Training(lr=lr, steps=10), seed=1) for lr in (0.001, 0.002)]
    >>> [ds.attrs["seed"] for ds in lrft.simulate_all(jobs)]
    [1, 1]
    """
    on_interrupt = interrupts.check(on_interrupt)
    return runs.finished(Together(jobs, settle_threads(threads)), progress, on_interrupt)


class Together:
    """Simulations on threads that share them out."""

    def __init__(self, jobs: Sequence[Job], threads: int) -> None:
        if isinstance(jobs, str | bytes) or not isinstance(jobs, Sequence):
            raise TypeError(f"jobs must be a sequence of Job, got {checks.describe(jobs)}")
        share = max(1, threads // max(1, len(jobs)))
        simulations = [_simulation(i, job, share) for i, job in enumerate(jobs)]
        # Functions of Python run one at a time, and what one raises belongs to who called it.
        tasks = [task for one in simulations for task in one.tasks]
        guarded = any(task.guards for task in tasks)
        self._hands = 1 if guarded else threads
        #: What a thread takes up: several simulations or one; nothing once their results are here.
        self.work: list[Piece | None] = [
            *pieces(simulations, max(1, len(jobs)) if guarded else threads)
        ]
        # Of what has ended, what it gives: a core holds more than its results.
        self._jobs: list[Simulation | xr.Dataset] = [*simulations]
        self._moments = [one.progress() for one in self.work if one is not None]
        self._begin: list[Callable[[], Future[int]]] = []
        self._left: set[Future[int]] = set()
        self.seconds, self.interrupted, self._since = 0.0, False, 0.0

    def run(self, progress: ProgressCallback | bool | None = None) -> None:
        """Work until everything has ended; when it is left, so is the work, where it stands."""
        self._since = time.perf_counter() - self.seconds
        with Pool(self._hands) as pool:
            # Begun by `advance`, when what a run needs is loaded: threads would slow that down.
            self._begin = [
                partial(pool.submit, self._finish, number) for number in range(len(self.work))
            ]
            self._left = set()
            runs.to_the_end(self, progress)

    def _finish(self, number: int) -> int:
        piece = self.work[number]
        if piece is None:
            return number
        try:
            while not piece.advance():
                self._moments[number] = piece.progress()
        except Exception as error:
            error.add_note("in " + ", ".join(f"jobs[{i}]" for i in piece.numbers))
            raise
        self._moments[number] = piece.progress()
        return number

    def advance(self) -> bool:
        """Let the threads work for a while; what is raised in one is raised here."""
        while self._begin:
            self._left.add(self._begin.pop(0)())
        done, self._left = wait(self._left, runs.SLICE, FIRST_EXCEPTION)
        self.seconds = time.perf_counter() - self._since
        for future in done:
            number = future.result()
            if (piece := self.work[number]) is not None:
                for i in piece.numbers:
                    self._jobs[i] = self._given(self._jobs[i])
                self.work[number] = None
        return not self._left

    def progress(self) -> Progress:
        """Say where all of them stand; what ended early has done all that it had to."""
        moments = self._moments
        chains = [m.running + m.finished + m.diverged for m in moments]
        done = [m.done_steps if m.running else m.total_steps for m in moments]
        replicas = max(1, sum(chains))
        overlaps = [m.overlap for m in moments if m.running and m.overlap == m.overlap]
        return Progress(
            done_steps=sum(map(int.__mul__, done, chains)) // replicas,
            total_steps=sum(m.total_steps * n for m, n in zip(moments, chains, strict=True))
            // replicas,
            seconds=self.seconds,
            overlap=float(np.mean(overlaps)) if overlaps else float("nan"),
            running=sum(m.running for m in moments),
            finished=sum(m.finished for m in moments),
            diverged=sum(m.diverged for m in moments),
        )

    def dataset(self) -> list[xr.Dataset]:
        """Return what each has, as `simulate` returns it."""
        return [self._given(one) for one in self._jobs]

    def _given(self, job: Simulation | xr.Dataset) -> xr.Dataset:
        """Return what a job gives, as far as it got."""
        if not isinstance(job, Simulation):
            return job
        job.interrupted = self.interrupted and any(
            chain.status in runs.ON_THEIR_WAY for chain in job.chains()
        )
        return job.dataset()


def _simulation(number: int, job: Job, threads: int) -> Simulation:
    if not isinstance(job, Job):
        raise TypeError(f"jobs[{number}] must be a Job, got {checks.describe(job)}")
    try:
        return Simulation(
            job.task,
            job.training,
            replicas=job.replicas,
            seed=job.seed,
            engine=job.engine,
            paired=job.paired,
            threads=threads,
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"jobs[{number}]: {error}") from error
