"""Run online SGD: `simulate` in one call, `Simulation` step by step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft import _arguments, _checks, _core, _engine, schedule
from lrft.progress import Progress
from lrft.students import FullNetwork
from lrft.task import Task
from lrft.training import Training, check_compatible

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Simulation", "simulate"]

SLICE = 0.1  # seconds between looks at progress

ProgressCallback = Callable[[Progress], object]


def simulate(
    task: Task | Sequence[Task],
    training: Training,
    *,
    replicas: int | Sequence[int] = 8,
    seed: int = 0,
    engine: str = "auto",
    threads: int | None = None,
    progress: ProgressCallback | None = None,
) -> xr.Dataset:
    """Train replicas of a student by online SGD (Eq. 4) and return what was recorded.

    Parameters
    ----------
    task : Task or sequence of Task
        Tasks in a list share their random numbers.
    training : Training
    replicas : int or sequence of int
        How many, with indices 0, 1, …; or the indices themselves. A replica's path depends on
        its index and the seed, never on its company.
    seed : int
        0 ≤ seed < 2^64.
    engine : {"auto", "reduced", "ambient"}
        The space inputs live in. ``"reduced"`` is exact in law for Gaussian inputs at a cost
        independent of d; ``"ambient"`` draws every x in R^d. ``"auto"`` takes the reduced space
        wherever it is defined.
    threads : int, optional
        By default as many as this process may use. Results do not depend on it.
    progress : callable, optional
        Called about ten times a second with a `lrft.progress.Progress`.

    Returns
    -------
    xarray.Dataset
        ``overlap_u``, ``overlap_c``, ``loss``, ``hit_step``, ``status`` and more with dimensions
        ``(task, replica, step)``, or ``(replica, step)`` for one task. Ctrl-C returns what was
        recorded so far, with status ``"interrupted"``.

    Raises
    ------
    TypeError, ValueError
        For arguments that are wrong or do not fit each other, before anything runs.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, xi=2.0, activation="relu", c="quantized", seed=0)
    >>> training = lrft.Training(lr=0.002, steps=20_000, stop_at=0.9)
    >>> ds = lrft.simulate(task, training, replicas=8, seed=1)
    >>> ds.overlap_u.dims
    ('replica', 'step')
    """
    simulation = Simulation(
        task, training, replicas=replicas, seed=seed, engine=engine, threads=threads
    )
    simulation.run(progress)
    return simulation.dataset()


class Simulation:
    """A run that can be watched, stopped and looked at on the way.

    Parameters
    ----------
    task, training, replicas, seed, engine, threads
        As for `simulate`.

    Raises
    ------
    TypeError, ValueError
        As for `simulate`.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, seed=0)
    >>> simulation = lrft.Simulation(task, lrft.Training(lr=0.001, steps=1000), replicas=2)
    >>> while not simulation.advance(seconds=0.1):
    ...     pass
    >>> simulation.dataset().sizes["replica"]
    2
    """

    def __init__(
        self,
        task: Task | Sequence[Task],
        training: Training,
        *,
        replicas: int | Sequence[int] = 8,
        seed: int = 0,
        engine: str = "auto",
        threads: int | None = None,
    ) -> None:
        tasks = _arguments.check_tasks(task)
        if not isinstance(training, Training):
            raise TypeError(f"training must be a Training, got {type(training).__name__}")
        indices = _arguments.check_replicas(replicas, len(tasks))
        for one in tasks:
            check_compatible(one, training)
        training.check_memory(tasks, len(indices))
        chosen = _arguments.choose_engine(tasks, training, engine)
        self.threads = _arguments.settle_threads(threads)
        _arguments.check_sizes(tasks, training, chosen, self.threads, len(indices))
        _arguments.check_batch(tasks, training, chosen, self.threads)
        rates, notes = _arguments.settle_rates(tasks, training)
        self._begin(
            tasks=tasks,
            single=isinstance(task, Task),
            training=training,
            rates=rates,
            rate_notes=notes,
            replicas=indices,
            seed=_checks.seed("seed", seed),
            engine=chosen,
            seconds=0.0,
            chains=None,
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
            If the file is unreadable, changed, or of another version or instruction set.
        """
        from lrft.state import load_state

        simulation = cls.__new__(cls)
        simulation.threads = _arguments.settle_threads(threads)
        simulation._begin(**load_state(path))
        return simulation

    def _begin(
        self, *, tasks: list[Task], single: bool, training: Training,
        rates: list[float | schedule.Schedule], rate_notes: list[str], replicas: list[int],
        seed: int, engine: str, seconds: float, chains: list[dict[str, Any]] | None,
    ) -> None:  # fmt: skip
        """Set up the core, from the start or from the chains of a saved state."""
        self.tasks = tasks
        self.single = single
        self.training = training
        self.rates = rates
        self.rate_notes = rate_notes
        self.replicas = replicas
        self.seed = seed
        self.engine = engine
        self.seconds = seconds
        self.interrupted = False
        if chains is None:
            chains = [
                _engine.new_chain(i, replica, training)
                for i in range(len(tasks))
                for replica in replicas
            ]
        self._runs = [self._start(group, chains) for group in self._groups()]

    # ---- running ----------------------------------------------------------------------

    def advance(self, seconds: float = SLICE) -> bool:
        """Work for about `seconds`; return True when every replica has ended.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C, within half a second; what was done stays and can go on.
        """
        seconds = _checks.real("seconds", seconds, minimum=0.0)
        begin = time.perf_counter()
        try:
            for run in self._runs:
                # Every call moves on, however short its slice.
                left = max(0.0, seconds - (time.perf_counter() - begin))
                if not run.advance(left):
                    return False
            return True
        finally:
            self.seconds += time.perf_counter() - begin

    def run(self, progress: ProgressCallback | None = None) -> None:
        """Work until every replica has ended, or until Ctrl-C.

        Parameters
        ----------
        progress : callable, optional
            Called about ten times a second.
        """
        self.interrupted = False
        try:
            while not self.advance():
                if progress is not None:
                    progress(self.progress())
            if progress is not None:
                progress(self.progress())
        except KeyboardInterrupt:
            self.interrupted = True

    def progress(self) -> Progress:
        """Return where the run stands."""
        counts = np.array([run.progress()[:4] for run in self._runs]).sum(axis=0)
        overlaps = [run.progress()[4] for run in self._runs if sum(run.progress()[1:3])]
        chains = max(1, int(counts.sum()))
        return Progress(
            done_steps=sum(run.steps_done for run in self._runs) // chains,
            total_steps=self.training.steps,
            seconds=self.seconds,
            overlap=float(np.mean(overlaps)) if overlaps else float("nan"),
            running=int(counts[0] + counts[1]),
            finished=int(counts[2]),
            diverged=int(counts[3]),
        )

    def dataset(self) -> xr.Dataset:
        """Return everything recorded so far, labelled, as `simulate` does."""
        from lrft import result

        attrs: dict[str, Any] = {
            "seed": self.seed,
            "engine": self.engine,
            "threads": self.threads,
            "interrupted": int(self.interrupted),
            "learning_rate": "; ".join(self.rate_notes),
        }
        tasks = self.tasks[0] if self.single else self.tasks
        return result.assemble(tasks, self.training, self._raw(), attrs)

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
        from lrft.state import save_state

        for run in self._runs:
            run.save()
        save_state(self, path)

    # ---- setting up ---------------------------------------------------------------------

    def _groups(self) -> list[list[int]]:
        """Tasks that can share lanes: those of one shape and activation."""
        ambient = self.engine == "ambient"
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, task in enumerate(self.tasks):
            shape = (task.R.shape, task.features_rank, task.rank, task.activation.identity)
            groups.setdefault((*shape, task.d if ambient else 0), []).append(i)
        return list(groups.values())

    def _start(self, group: list[int], chains: list[dict[str, Any]]) -> _core.Run:
        ambient = self.engine == "ambient"
        student = self.training.student
        tasks = [self.tasks[i] for i in group]
        place = {task: j for j, task in enumerate(group)}
        mine = [
            chain | {"task": place[chain["task"]], "training": place[chain["task"]]}
            for chain in chains
            if chain["task"] in place
        ]
        return _core.Run(
            {
                "ambient": ambient,
                "activation": tasks[0].activation.core,
                **_engine.described(tasks, student, ambient, self.seed, mine),
                "trainings": [_engine.training_spec(self.training, self.rates[i]) for i in group],
                "seed": self.seed,
                "threads": self.threads,
                "keep_state": False,
            }
        )

    # ---- results --------------------------------------------------------------------------

    def _raw(self) -> dict[str, Any]:
        steps = self.training.record_steps
        shape = (len(self.tasks), len(self.replicas))
        raw: dict[str, Any] = {
            "step": steps,
            "replica": np.asarray(self.replicas, dtype=np.int64),
            "thresholds": np.asarray(self.training.thresholds, dtype=np.float64),
            "hit_step": np.full((*shape, len(self.training.thresholds)), -1, dtype=np.int64),
            "loss_thresholds": np.asarray(self.training.loss_thresholds, dtype=np.float64),
            "loss_hit_step": np.full(
                (*shape, len(self.training.loss_thresholds)), -1, dtype=np.int64
            ),
            "status": np.full(shape, "interrupted", dtype=object),
            "stop_step": np.zeros(shape, dtype=np.int64),
        }
        student = self.training.student
        extra = {"overlap_u": [_engine.overlap_shape(task, student) for task in self.tasks]}
        extra["overlap_c"] = [()] * len(self.tasks)
        if not isinstance(student, FullNetwork):
            extra["overlap_c"] = extra["overlap_u"]
        extra["loss"] = [()] * len(self.tasks)
        for name, shapes in extra.items():
            # Tasks with fewer overlaps leave the rest NaN.
            most = tuple(np.max(np.array(list(_aligned(shapes))), axis=0).tolist())
            raw[name] = np.full((*shape, len(steps), *most), np.nan)
        place = {replica: i for i, replica in enumerate(self.replicas)}
        for chain in self.chains():
            at = (chain["task"], place[chain["replica"]])
            for name, shapes in extra.items():
                fill = raw[name][at]
                records = chain[name].reshape(-1, *shapes[chain["task"]])
                used = tuple(slice(n) for n in records.shape)
                fill[used + (0,) * (fill.ndim - records.ndim)] = records
            raw["hit_step"][at] = chain["hits"]
            raw["loss_hit_step"][at] = chain["loss_hits"]
            raw["stop_step"][at] = chain["step"]
            if chain["status"] not in ("waiting", "running"):
                raw["status"][at] = chain["status"]
        return raw

    def chains(self) -> list[dict[str, Any]]:
        """Every replica of every task as the core holds it, ``task`` counting from 0."""
        return [
            chain | {"task": group[chain["training"]], "training": group[chain["training"]]}
            for group, run in zip(self._groups(), self._runs, strict=True)
            for chain in run.chains()
        ]


def _aligned(shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Make shapes equally long; one number is the first of several."""
    most = max(map(len, shapes))
    return [shape + (1,) * (most - len(shape)) for shape in shapes]
