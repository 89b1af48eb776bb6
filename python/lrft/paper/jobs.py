"""Running many small simulations side by side: what all claims share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrft.core.engine import compiled
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.run import arguments
from lrft.run.simulation import Simulation

if TYPE_CHECKING:
    import xarray as xr

    from lrft.paper.experiment import Context

#: Replicas that a step moves together.
LANES = 8


@dataclass(frozen=True)
class Job:
    """One simulation on one thread."""

    task: Task | Sequence[Task]
    training: Training
    replicas: int
    seed: int
    expected: float | None = None  #: steps until a replica stops, if known

    @property
    def weight(self) -> float:
        """Expected work, up to the cost of a step."""
        tasks = 1 if isinstance(self.task, Task) else len(self.task)
        steps = self.training.steps if self.expected is None else self.expected
        return steps * -(-self.replicas * tasks // LANES)


def run_all(context: Context, jobs: Sequence[Job]) -> list[xr.Dataset]:
    """Run jobs, as many at a time as there are threads, the longest first.

    A job of eight replicas fills the lanes of one thread, and points that must be independent need
    seeds and rates of their own: so threads share out jobs, not the replicas of a job.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, when the jobs in progress have been left.
    """
    stop = compiled.Stop()
    simulations = [
        Simulation(job.task, job.training, replicas=job.replicas, seed=job.seed, threads=1)
        for job in jobs
    ]

    def work(index: int) -> None:
        with stop:
            while not simulations[index].advance(0.2):
                pass

    total = sum(job.weight for job in jobs)
    order = sorted(range(len(jobs)), key=lambda i: -jobs[i].weight)
    with ThreadPoolExecutor(arguments.settle_threads(context.threads)) as pool:
        futures = {pool.submit(work, i): jobs[i].weight for i in order}
        left = set(futures)
        try:
            while left:
                _, left = wait(left, timeout=0.2)
                context.progress(max(0.0, 1.0 - sum(futures[future] for future in left) / total))
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    for future in futures:
        future.result()
    return [simulation.dataset() for simulation in simulations]
