"""Run online SGD: `simulate` in one call, `Simulation` step by step."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import checks, foreign, html
from lrft.base.progress import Progress, ProgressCallback
from lrft.base.threads import settle_threads
from lrft.core.engine import compiled
from lrft.model import schedule
from lrft.model.task import Task
from lrft.model.training import Training, check_compatible
from lrft.result import dataset as results
from lrft.result import numbers
from lrft.run import arguments, describe, trained
from lrft.run import chains as runs
from lrft.run.state import load_state, save_state

if TYPE_CHECKING:
    import xarray as xr

    from lrft.model.weights import Weights

__all__ = ["Simulation"]

#: What `_begin` takes, beside the chains.
_STATE = (
    "tasks",
    "single",
    "paired",
    "training",
    "rates",
    "rate_notes",
    "replicas",
    "seed",
    "engine",
    "seconds",
    "keep_students",
)


class Simulation:
    """A run that can be watched, stopped and looked at on the way.

    Parameters
    ----------
    task, training, replicas, seed, engine, threads, paired
        As for `simulate`.
    keep_students : bool
        Keep every replica's student when it ends, for `trained`: d numbers a row in the ambient
        space, a few in the reduced one.

    Raises
    ------
    TypeError, ValueError
        As for `simulate`.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, seed=0)
    >>> simulation = lrft.Simulation(task, lrft.Training(lr=0.001, steps=1000), replicas=2)
    >>> simulation.progress().done_steps
    0
    >>> while not simulation.advance(seconds=0.1):
    ...     pass
    >>> simulation.run()  # nothing is left to do
    >>> [chain.status for chain in simulation.chains()]
    ['finished', 'finished']
    >>> simulation.dataset().sizes["replica"]
    2
    """

    def __init__(
        self,
        task: Task | Sequence[Task],
        training: Training,
        *,
        replicas: int | Sequence[int] | None = None,
        seed: int = 0,
        engine: str = "auto",
        threads: int | None = None,
        paired: bool = False,
        keep_students: bool = False,
    ) -> None:
        tasks = arguments.check_tasks(task)
        if not isinstance(training, Training):
            raise TypeError(f"training must be a Training, got {type(training).__name__}")
        single = isinstance(task, Task)
        if checks.boolean("paired", paired) and single:
            raise ValueError("paired=True pairs a list of tasks with replicas, got one task")
        indices = arguments.settle_replicas(replicas, len(tasks), paired)
        each = 1 if paired else len(indices)
        for one in tasks:
            check_compatible(one, training)
        training.check_memory(tasks, each)
        chosen = arguments.choose_engine(tasks, training, engine)
        if checks.boolean("keep_students", keep_students):
            arguments.check_kept(tasks, training, chosen, each)
        self.threads = settle_threads(threads)
        arguments.check_sizes(tasks, training, chosen, self.threads, each)
        rates, notes = arguments.settle_rates(tasks, training)
        arguments.warn_of_rate(tasks, training)
        self._begin(
            tasks=tasks,
            single=single,
            paired=paired,
            training=training,
            rates=rates,
            rate_notes=notes,
            replicas=indices,
            seed=checks.seed("seed", seed),
            engine=chosen,
            seconds=0.0,
            chains=None,
            keep_students=keep_students,
        )

    @classmethod
    def resume(cls, path: str | os.PathLike[str], *, threads: int | None = None) -> Simulation:
        """Go on from a saved state; the path is that of a run that never stopped, bit for bit.

        Parameters
        ----------
        path : path
            A file of `save_state`.
        threads : int, optional
            As for `simulate`.

        Returns
        -------
        Simulation

        Raises
        ------
        ValueError
            If the file is unreadable, changed, or of another version, build or instruction set.

        Examples
        --------
        >>> import lrft, tempfile, pathlib
        >>> task = lrft.Task.sample(d=100, k=4, seed=0)
        >>> simulation = lrft.Simulation(task, lrft.Training(lr=0.001, steps=500), replicas=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "state.npz"
        ...     simulation.save_state(path)
        ...     again = lrft.Simulation.resume(path)
        >>> again.run()
        >>> again.progress().finished
        2
        """
        simulation = cls.__new__(cls)
        simulation.threads = settle_threads(threads)
        state = load_state(path)
        with foreign.explained(f"cannot resume from {str(path)!r}"):
            simulation._begin(**state)
        return simulation

    def _begin(
        self,
        *,
        tasks: list[Task],
        single: bool,
        paired: bool,
        training: Training,
        rates: list[float | schedule.Schedule],
        rate_notes: list[str],
        replicas: list[int],
        seed: int,
        engine: str,
        seconds: float,
        chains: list[compiled.Chain] | None,
        keep_students: bool,
    ) -> None:
        """Set up the core, from the start or from the chains of a saved state."""
        self.tasks = tasks
        self.single = single
        self.paired = paired
        self.training = training
        self.rates = rates
        self.rate_notes = rate_notes
        self.replicas = replicas
        self.seed = seed
        self.engine = engine
        self.seconds = seconds
        self.keep_students = keep_students
        self.interrupted = False
        if chains is None:
            chains = [
                describe.new_chain(i, replica)
                for i, replica in runs.places(len(tasks), replicas, paired)
            ]
        ambient = engine == "ambient"
        self._groups = runs.groups(tasks, ambient)
        at: dict[int, list[compiled.Chain]] = {}
        for chain in chains:
            at.setdefault(chain.task, []).append(chain)
        self._parts = []
        for group, settled in zip(self._groups, self._settled(), strict=True):
            theirs = [c.replace(training=job) for job, i in enumerate(group) for c in at.get(i, ())]
            own = {"threads": self.threads, "keep_state": keep_students}
            spec = describe.run(settled, theirs, ambient=ambient, seed=seed) | own
            self._parts.append(runs.Chains([tasks[i] for i in group], spec))

    # ---- running ----------------------------------------------------------------------

    def advance(self, seconds: float = runs.SLICE) -> bool:
        """Step replicas of all tasks for a while, and come back to be looked at.

        Parameters
        ----------
        seconds : float
            About how long, at least 0. Every call moves on, and where it stops is no part of any
            path: with other slices the bits are the same.

        Returns
        -------
        bool
            True when every replica has ended: all steps done, `stop_at` or `stop_loss` met, or
            diverged.

        Raises
        ------
        TypeError, ValueError
            If `seconds` is no such number.
        KeyboardInterrupt
            On Ctrl-C, within half a second; what was done stays and can go on.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=4, seed=0)
        >>> simulation = lrft.Simulation(task, lrft.Training(lr=0.001, steps=1000), replicas=2)
        >>> while not simulation.advance(seconds=0.1):
        ...     pass
        """
        seconds = checks.real("seconds", seconds, minimum=0.0)
        begin = time.perf_counter()
        try:
            for part in self._parts:
                # Every call moves on, however short its slice.
                left = max(0.0, seconds - (time.perf_counter() - begin))
                if not part.advance(left):
                    return False
            return True
        finally:
            self.seconds += time.perf_counter() - begin

    def run(self, progress: ProgressCallback | bool | None = None) -> None:
        """Work until every replica has ended.

        Parameters
        ----------
        progress : bool or callable, optional
            True for a bar, in a terminal or a notebook; or called about ten times a second with a
            `lrft.Progress`.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C, as `advance`; what was done stays and can go on.
        """
        runs.to_the_end(self, progress)

    def progress(self) -> Progress:
        """Return where the run stands.

        Returns
        -------
        lrft.Progress
        """
        parts = [part.core.progress() for part in self._parts]
        counts = np.array([part[:4] for part in parts]).sum(axis=0)
        overlaps = [part[4] for part in parts if sum(part[1:3])]
        chains = max(1, int(counts.sum()))
        return Progress(
            done_steps=sum(part.core.steps_done for part in self._parts) // chains,
            total_steps=self.training.steps,
            seconds=self.seconds,
            overlap=float(np.mean(overlaps)) if overlaps else float("nan"),
            running=int(counts[0] + counts[1]),
            finished=int(counts[2]),
            diverged=int(counts[3]),
        )

    def _repr_html_(self) -> str:
        moment = self.progress()
        first = repr(self.tasks[0])
        rows = {
            "step": f"{moment.done_steps:,} of {moment.total_steps:,}",
            "replicas": f"{moment.running} running, {moment.finished} ended, "
            f"{moment.diverged} diverged",
            "task": first if self.single else f"{len(self.tasks)} tasks, the first {first}",
            "training": self.training,
            "engine": self.engine,
            "seed": self.seed,
        }
        return html.table("Simulation", rows)

    def dataset(self) -> xr.Dataset:
        """Return everything recorded so far, labelled, as `simulate` does.

        Returns
        -------
        xarray.Dataset
            NaN at records not yet reached; replicas that have not ended are ``"interrupted"``,
            with the final values of where they stand.
        """
        for part in self._parts:
            part.observe()
        records = runs.gather(
            self.tasks, self.training, self.replicas, self.chains(), paired=self.paired
        )
        attrs: dict[str, Any] = {
            "seed": self.seed,
            "engine": self.engine,
            "threads": self.threads,
            "interrupted": int(self.interrupted),
            "learning_rate": "; ".join(self.rate_notes),
        }
        for part in self._parts:
            attrs |= part.attrs()
        tasks = self.tasks[0] if self.single else self.tasks
        ds = results.assemble(tasks, self.training, records, attrs, paired=self.paired)
        first = [float(schedule.rates(rate, 0, 1)[0]) for rate in self.rates]
        return ds.assign_coords(numbers.rate_coordinates(ds, first, self.rate_notes))

    def trained(self, replica: int = 0, task: int = 0) -> Weights:
        """Return the network that a replica ended with, what it learned merged into its base.

        Parameters
        ----------
        replica : int
            Index of the replica, as in the dataset.
        task : int
            Place of the task in the list; one that is paired with replicas is that of the replica.

        Returns
        -------
        lrft.Weights
            Merged W (k, d) and λ, and the factors û, ĉ or A, B.

        Raises
        ------
        ValueError
            Without ``keep_students=True``; for a linearised student, which is no network of this
            kind; for a replica that does not exist, has not ended, or diverged.

        Notes
        -----
        The reduced space keeps the student's coordinates in S = span(W, u) and the lengths of
        what lies outside; the direction of that part is uniform given these, and is drawn here,
        from the replica's own address. So û has the law that it has in R^d.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=4, seed=0)
        >>> training = lrft.Training(lr=0.001, steps=500)
        >>> simulation = lrft.Simulation(task, training, replicas=2, keep_students=True)
        >>> simulation.run()
        >>> network = simulation.trained(replica=1)
        >>> network.W.shape, sorted(network.factors)
        ((4, 100), ['c_hat', 'u_hat'])
        >>> overlap = simulation.dataset().overlap_u.sel(replica=1, step=500)
        >>> bool(abs(network.factors["u_hat"] @ task.u - overlap) < 1e-12)
        True
        """
        if not self.keep_students:
            raise ValueError("keep_students is False: this run does not keep its students")
        index = checks.integer("task", task, 0, len(self.tasks) - 1)
        replica = checks.integer("replica", replica)
        if self.paired and replica in self.replicas:
            index = self.replicas.index(replica)
        chain = trained.ended(self.chains(), index, replica)
        ambient = self.engine == "ambient"
        student = self.training.student
        return trained.from_chain(
            self.tasks[index], student, chain, ambient=ambient, seed=self.seed
        )

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Write all it takes to go on, to a ``.npz`` file that is whole or not there.

        Parameters
        ----------
        path : path
            Ending in ``.npz``. An ambient run's file holds one û (d numbers) a replica that
            has begun and not ended.

        Raises
        ------
        ValueError
            If it cannot be written, or for a custom activation.

        Examples
        --------
        >>> import lrft, tempfile, pathlib
        >>> task = lrft.Task.sample(d=100, k=4, seed=0)
        >>> training = lrft.Training(lr=0.001, steps=500)
        >>> simulation = lrft.Simulation(task, training, replicas=2, threads=1)
        >>> _ = simulation.advance(seconds=0.001)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "state.npz"
        ...     simulation.save_state(path)
        ...     again = lrft.Simulation.resume(path)
        >>> again.run()
        >>> again.dataset().overlap_u.equals(lrft.simulate(task, training, replicas=2).overlap_u)
        True
        """
        for part in self._parts:
            part.core.save()
            part.observe()
        state = {name: getattr(self, name) for name in _STATE}
        save_state(state | {"chains": self.chains()}, path)

    # ---- results --------------------------------------------------------------------------

    def chains(self) -> list[compiled.Chain]:
        """Return every replica of every task as the core holds it.

        Returns
        -------
        list of Chain
            With ``task``, ``replica``, ``status``, ``step``, the records ``overlap_u``,
            ``overlap_c`` and ``loss`` so far by name in ``records``, ``hits``, ``loss_hits``, the
            final values of those that have ended in ``last``, and the student's ``rows`` and
            ``own`` at ``state_step``, empty where they are not kept.
        """
        return [
            chain.replace(task=group[chain.training], training=group[chain.training])
            for group, part in zip(self._groups, self._parts, strict=True)
            for chain in part.chains()
        ]

    def _settled(self) -> list[list[describe.Settled]]:
        """List the jobs of each part, which are tasks that can share lanes."""
        pairs = zip(self.tasks, self.rates, strict=True)
        jobs = [describe.Settled(task, self.training, rate) for task, rate in pairs]
        return [[jobs[i] for i in group] for group in self._groups]

    def _join(self, whole: runs.Chains, first: int) -> None:
        """Let the only part be jobs of a run of several, from `first` on."""
        self._parts = [runs.Shared(whole, first, len(self.tasks))]
