"""Running many small simulations side by side: what all claims share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft.result import intervals

if TYPE_CHECKING:
    import xarray as xr

    from lrft.paper.experiment import Context

#: Replicas that a step moves together.
LANES = 8
#: Instances of a job of many: where one ends before the others, its lane takes up the next.
INSTANCES = 4 * LANES


@dataclass(frozen=True, eq=False)
class Job(lrft.Job):
    """One simulation on one thread, of as many replicas as fill its lanes, or a few times that."""

    replicas: int | Sequence[int] = LANES
    expected: float | None = None  #: steps until a replica stops, if known

    @property
    def size(self) -> int:
        """Replicas, of all tasks together."""
        tasks = 1 if isinstance(self.task, lrft.Task) or self.paired else len(self.task)
        return tasks * (self.replicas if isinstance(self.replicas, int) else len(self.replicas))

    @property
    def weight(self) -> float:
        """Expected work, up to the cost of a step."""
        steps = self.training.steps if self.expected is None else self.expected
        return steps * -(-self.size // LANES)


def jobs_to(
    threshold: float,
    tasks: Sequence[lrft.Task],
    student: lrft.RankOne | lrft.LoRA,
    seed: int,
    expected: float | None = None,
    *,
    batch: int = 1,
) -> Callable[[float, int], list[Job]]:
    """Make jobs to a threshold from δ = lr d and the longest run, for `best_rate`.

    All rates share instances and seeds.
    """

    def jobs(delta: float, steps: int) -> list[Job]:
        training = lrft.Training(
            student=student,
            lr=delta / tasks[0].d,
            batch=batch,
            steps=steps,
            stop_at=threshold,
            thresholds=(threshold,),
            record=2,
        )
        return paired_jobs(tasks, training, seed, expected)

    return jobs


def first_hits(result: xr.Dataset) -> NDArray[np.float64]:
    """Return the steps to the only threshold; what was missed is infinite."""
    return intervals.hitting_steps(result.hit_step.values[:, 0])


def paired_jobs(
    tasks: Sequence[lrft.Task],
    training: lrft.Training,
    seed: int,
    expected: float | None = None,
) -> list[Job]:
    """Run each task once, with random numbers of its own, in jobs of `INSTANCES` of them.

    Instance i is replica i of task i, whatever job it is in; results in order give `hit_step` of
    shape (instances, thresholds) when put one after the other.
    """
    return [
        Job(
            tasks[first : first + INSTANCES],
            training,
            replicas=range(len(tasks))[first : first + INSTANCES],
            seed=seed,
            paired=True,
            expected=expected,
        )
        for first in range(0, len(tasks), INSTANCES)
    ]


def run_all(context: Context, jobs: Sequence[Job]) -> list[xr.Dataset]:
    """Run jobs, as many at a time as there are threads, the longest first.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, when the jobs in progress have been left.
    """
    order = sorted(range(len(jobs)), key=lambda i: -jobs[i].weight)
    found = lrft.simulate_all(
        [jobs[i] for i in order],
        threads=context.threads,
        progress=lambda moment: context.progress(moment.share),
    )
    return [one for _, one in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])]


def missed(steps: NDArray[np.float64]) -> str:
    """Say how many replicas never got there, as a sentence of a note; nothing if all did.

    Parameters
    ----------
    steps : ndarray
        ``inf`` where never; NaN is left out.

    Examples
    --------
    >>> missed(np.array([3.0, np.inf, np.nan]))
    '1 of 2 replicas never got there; they count as later than all others. '
    """
    never, run = int(np.isinf(steps).sum()), int((~np.isnan(steps)).sum())
    if not never:
        return ""
    return f"{never} of {run} replicas never got there; they count as later than all others. "
