"""Small simulations put together, so that the lanes of the engine stay full."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from lrft.base.progress import Progress
from lrft.run import chains as runs
from lrft.run import describe
from lrft.run.simulation import Simulation

__all__ = ["Piece", "pieces"]

LANES = 8  # replicas that a step moves together
SOME = 4 * LANES  # in a piece, where every thread has as many; else threads share pieces
MANY = 16 * LANES  # the most, where every thread has several such
SEVERAL = 4  # pieces of a thread: so they end together, whatever one takes


class Piece:
    """Simulations that are run to their end together.

    Parameters
    ----------
    members : dict of int to Simulation
        By number. Several must share lanes, and are then run as one.
    threads : int
        That several share, who takes a replica when one has ended. One by itself has its own.
    """

    def __init__(self, members: dict[int, Simulation], threads: int) -> None:
        self.numbers = list(members)
        simulations = list(members.values())
        self._alone = simulations[0] if len(simulations) == 1 else None
        if self._alone is not None:
            return
        jobs: list[describe.Settled] = []
        chains, first = [], []
        for one in simulations:
            first.append(len(jobs))
            chains += [c.replace(training=len(jobs) + c.training) for c in one.chains()]
            jobs += one._settled()[0]
        spec = describe.run(jobs, chains, ambient=False, seed=simulations[0].seed, threads=threads)
        self._chains = runs.Chains([job.task for job in jobs], spec)
        for one, begin in zip(simulations, first, strict=True):
            one._join(self._chains, begin)
        self._count = len(chains)
        self._steps = sum(jobs[chain.training].training.steps for chain in chains)

    def advance(self) -> bool:
        """Work for a while; True when all have ended."""
        if self._alone is not None:
            return self._alone.advance()
        return self._chains.advance(runs.SLICE)

    def progress(self) -> Progress:
        """Say where they stand; of several, what has ended has done all that it had to."""
        if self._alone is not None:
            return self._alone.progress()
        waiting, running, finished, diverged, overlap = self._chains.core.progress()
        ended = self._steps * (finished + diverged) // self._count
        return Progress(
            done_steps=max(self._chains.core.steps_done, ended) // self._count,
            total_steps=self._steps // self._count,
            seconds=0.0,
            overlap=overlap if running else float("nan"),
            running=waiting + running,
            finished=finished,
            diverged=diverged,
        )


def pieces(simulations: Sequence[Simulation], threads: int) -> list[Piece]:
    """Put simulations together for threads, in order.

    Replicas end at different times. Where the next one may be of another simulation, lanes rest
    only at the end of a piece. Where there is not work for several pieces a thread, all of a kind
    are one whose replicas threads share out, so that none waits for another's. What a replica does
    is its own, whoever is beside it.

    Parameters
    ----------
    simulations : sequence of Simulation
        That have not begun.
    threads : int

    Returns
    -------
    list of Piece

    Examples
    --------
    >>> import lrft
    >>> tasks = [lrft.Task.sample(d=50, k=2, seed=i) for i in range(3)]
    >>> several = [
    ...     lrft.Simulation(tasks, lrft.Training(lr=lr, steps=9), replicas=[0, 4, 9], paired=True)
    ...     for lr in (0.01, 0.02, 0.03)
    ... ]
    >>> [piece.numbers for piece in pieces(several, threads=2)]
    [[0, 1, 2]]
    """
    share = (whole := sum(map(_count, simulations))) // threads
    few = share < SOME
    size = whole if few else max(SOME, min(MANY, share // SEVERAL))
    found: list[dict[int, Simulation]] = []
    open_: dict[Hashable, dict[int, Simulation]] = {}  # the last of each kind
    for number, one in enumerate(simulations):
        kind = _kind(one) if len(simulations) > threads else None
        last = None if kind is None else open_.get(kind)
        if last is None or sum(map(_count, (*last.values(), one))) > size:
            found.append(last := {})
            if kind is not None:
                open_[kind] = last
        last[number] = one
    return [Piece(members, threads if few else 1) for members in found]


def _count(one: Simulation) -> int:
    return len(one.replicas) * (1 if one.paired else len(one.tasks))


def _kind(one: Simulation) -> Hashable | None:
    """Return what simulations have in common that share lanes; None for one that stays alone."""
    if (
        one.engine != "reduced"
        or len(one._settled()) > 1
        or one.training.student.worked_out_start  # twice would take long
        or any(task.guards for task in one.tasks)
    ):
        return None
    # Lanes of one task read its features once.
    own = id(one.tasks[0]) if len(one.tasks) == 1 and _count(one) >= LANES else None
    return own, describe.shares_lanes(one.engine, one.seed, one.tasks[0], one.training)
