"""A run of a sequence of tasks, stage by stage, each in stretches from record to record."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence as Several
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import checks, foreign, interrupts
from lrft.base.progress import Progress, ProgressCallback
from lrft.base.threads import settle_threads
from lrft.core.engine import compiled
from lrft.model.sequence import Sequence
from lrft.model.task import Task
from lrft.model.training import Training, training_data
from lrft.run import arguments, describe, stages
from lrft.run import chains as runs
from lrft.run.sequence_arguments import BETWEEN, check_stage, check_trainings
from lrft.run.sequence_state import STATE, load_sequence, save_sequence
from lrft.run.stages import Frozen

if TYPE_CHECKING:
    import xarray as xr

#: Between the seeds of stages, whose random numbers are independent.
STRIDE, SEEDS = 0x9E3779B97F4A7C15, 2**64


class SequenceSimulation:
    """A run of a sequence that can be watched, stopped, saved and looked at on the way.

    Parameters
    ----------
    sequence, training, between, replicas, seed, threads
        As for `simulate_sequence`.

    Raises
    ------
    TypeError, ValueError
        As for `simulate_sequence`.

    Examples
    --------
    >>> import lrft
    >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
    >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
    >>> run = lrft.SequenceSimulation(sequence, training, replicas=2)
    >>> run.run()
    >>> dict(run.dataset().loss.sizes)
    {'replica': 2, 'step': 5, 'task': 2}
    """

    def __init__(
        self,
        sequence: Sequence,
        training: Training | Several[Training],
        *,
        between: str = "continue",
        replicas: int | Several[int] | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        if not isinstance(sequence, Sequence):
            raise TypeError(f"sequence must be a Sequence, got {type(sequence).__name__}")
        trainings = check_trainings(training, len(sequence))
        between = checks.choice("between", between, BETWEEN)
        for task, one in zip(sequence.tasks, trainings, strict=True):
            check_stage(task, one, between, len(sequence))
        self._begin(
            tasks=list(sequence.tasks),
            trainings=trainings,
            between=between,
            replicas=arguments.settle_replicas(replicas, 1, False),
            seed=checks.seed("seed", seed),
            threads=threads,
            rates=[
                arguments.settle_rates([task], one)[0][0]
                for task, one in zip(sequence.tasks, trainings, strict=True)
            ],
        )

    def _begin(
        self,
        *,
        tasks: list[Task],
        trainings: list[Training],
        between: str,
        replicas: list[int],
        seed: int,
        threads: int | None,
        rates: list[Any],
    ) -> None:
        self.tasks, self.trainings, self.between = tasks, trainings, between
        self.replicas, self.seed, self.rates = replicas, seed, rates
        self.threads = settle_threads(threads)
        self.interrupted, self.seconds = False, 0.0
        #: Stage, and the record of it that is next.
        self.stage, self.next_record = 0, 0
        self.frozen: dict[int, list[Frozen]] = {replica: [] for replica in replicas}
        self.stage_chains = [describe.new_chain(0, replica) for replica in replicas]
        self._records = [one.record_steps for one in trainings]
        shape = (len(replicas), sum(map(len, self._records)), len(tasks))
        self.losses, self.overlaps = np.full(shape, np.nan), np.full(shape, np.nan)
        self._part: runs.Chains | None = None

    # ---- running ----------------------------------------------------------------------

    def advance(self, seconds: float = runs.SLICE) -> bool:
        """Work for a while, and come back to be looked at.

        Parameters
        ----------
        seconds : float
            About how long, at least 0.

        Returns
        -------
        bool
            True when every replica has ended.

        Raises
        ------
        TypeError, ValueError
            If `seconds` is no such number.
        KeyboardInterrupt
            On Ctrl-C; what was done stays and can go on.

        Examples
        --------
        >>> import lrft
        >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
        >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
        >>> run = lrft.SequenceSimulation(sequence, training, replicas=2, threads=1)
        >>> while not run.advance(seconds=0.1):
        ...     pass
        """
        end = time.perf_counter() + checks.real("seconds", seconds, minimum=0.0)
        begin = time.perf_counter()
        try:
            while self.stage < len(self.tasks):
                if not any(map(_alive, self.stage_chains)):
                    self.stage = len(self.tasks)
                    break
                if self._part is None:
                    self._part = self._segment()
                left = max(0.0, end - time.perf_counter())
                if not self._part.advance(left):
                    return False
                with interrupts.held_back():
                    self._arrive(self._part.marked(self._part.core.chains()))
                if time.perf_counter() >= end:
                    break
            return self.stage == len(self.tasks)
        finally:
            self.seconds += time.perf_counter() - begin

    def run(self, progress: ProgressCallback | bool | None = None) -> None:
        """Work until every replica has ended.

        Parameters
        ----------
        progress : bool or callable, optional
            As for `simulate`.

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

        Examples
        --------
        >>> import lrft
        >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
        >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
        >>> run = lrft.SequenceSimulation(sequence, training, replicas=2, threads=1)
        >>> run.progress().total_steps
        200
        """
        before = sum(one.steps for one in self.trainings[: self.stage])
        live = [chain for chain in self.stage_chains if _alive(chain)]
        over = self.stage == len(self.tasks)
        return Progress(
            done_steps=before + (0 if over or not live else live[0].step),
            total_steps=sum(one.steps for one in self.trainings),
            seconds=self.seconds,
            overlap=float("nan"),
            running=0 if over else len(live),
            finished=len(live) if over else 0,
            diverged=len(self.stage_chains) - len(live),
        )

    def _width(self) -> int:
        """Coordinates of S, with the directions of what is frozen."""
        s = int(self.tasks[0].R.shape[1])
        return s + sum(len(one.rows) for one in self._kept())

    def _kept(self) -> list[Frozen]:
        """Return what is frozen of the replicas that go on, all alike in shape."""
        live = [chain.replica for chain in self.stage_chains if _alive(chain)]
        return self.frozen[live[0]] if live else []

    def _segment(self) -> runs.Chains:
        """Set up the run of the core up to the next record."""
        task, training = self.tasks[self.stage], self.trainings[self.stage]
        live = [chain for chain in self.stage_chains if _alive(chain)]
        live = [chain.replace(task=0, training=0) for chain in live]
        seed = (self.seed + self.stage * STRIDE) % SEEDS
        spec = describe.described([task], training.student, False, seed, live)
        if self._kept():
            data, chains = [], []
            for i, chain in enumerate(live):
                wide = describe.task_data(task, False)
                for one in self.frozen[chain.replica]:
                    wide = describe.with_frozen(wide, one.own, one.rows, None)
                data.append(wide)
                chains.append(chain.replace(task=i))
            spec = {"tasks": data, "students": spec["students"] * len(live), "chains": chains}
        until = int(self._records[self.stage][self.next_record])
        empty = np.zeros(0)
        plan = training_data(training, self.rates[self.stage]).replace(
            steps=until,
            record=np.array([until], dtype=np.int64),
            thresholds=empty,
            loss_thresholds=empty,
            parameters=[],
        )
        return runs.Chains(
            [task],
            spec
            | {
                "ambient": False,
                "activation": task.activation.core,
                "trainings": [plan],
                "seed": seed,
                "threads": self.threads,
                "keep_state": True,
            },
        )

    def _arrive(self, chains: list[compiled.Chain]) -> None:
        """Note what is seen at a record, and aim at the next; at the end of a stage, turn over."""
        training = self.trainings[self.stage]
        found = {chain.replica: chain for chain in chains}
        self.stage_chains = [found.get(chain.replica, chain) for chain in self.stage_chains]
        at = sum(map(len, self._records[: self.stage])) + self.next_record
        for i, chain in enumerate(self.stage_chains):
            if _alive(chain):
                self._look(i, at, chain)
        self._part = None
        self.next_record += 1
        if self.next_record < len(self._records[self.stage]):
            self.stage_chains = [_going(chain, chain.step) for chain in self.stage_chains]
            return
        new = self.between == "new" and self.stage + 1 < len(self.tasks)
        width, n = self._width(), training.student.rows(self.tasks[0])
        for i, chain in enumerate(self.stage_chains):
            if not new or not _alive(chain):
                self.stage_chains[i] = _going(chain, 0)
                continue
            P, L = chain.rows[: n * width], chain.rows[n * width :]
            rows = np.concatenate([P.reshape(n, width), L.reshape(n, n)], axis=1)
            scale = training.student.specification(self.tasks[0], ambient=False).scale
            self.frozen[chain.replica].append(Frozen(scale * chain.own.reshape(-1, n), rows))
            self.stage_chains[i] = describe.new_chain(0, chain.replica)
        self.stage, self.next_record = self.stage + 1, 0
        if not new and self.stage < len(self.tasks):  # the student is where it was
            self.losses[:, at + 1], self.overlaps[:, at + 1] = (
                self.losses[:, at],
                self.overlaps[:, at],
            )
            self.next_record = 1

    def _look(self, i: int, at: int, chain: compiled.Chain) -> None:
        training = self.trainings[self.stage]
        found = stages.network(
            self.tasks[0],
            training.student,
            self.frozen[chain.replica],
            chain.rows,
            chain.own,
            self._width(),
        )
        for j, task in enumerate(self.tasks):
            self.losses[i, at, j] = stages.loss(task, found)
            if training.student.followed:
                self.overlaps[i, at, j] = stages.overlap(task, found)

    # ---- results --------------------------------------------------------------------------

    def dataset(self) -> xr.Dataset:
        """Return everything recorded so far, labelled, as `simulate_sequence` does.

        Returns
        -------
        xarray.Dataset
            NaN at records not yet reached, and of replicas that diverged.
        """
        over = self.stage == len(self.tasks)
        status = [
            ("finished" if over else "interrupted") if _alive(chain) else chain.status
            for chain in self.stage_chains
        ]
        attrs = {
            "kind": "sequence",
            "between": self.between,
            "seed": self.seed,
            "tasks": json.dumps([task.content_hash for task in self.tasks]),
            "training": json.dumps([one.model_dump(mode="json") for one in self.trainings]),
            "interrupted": int(self.interrupted),
        }
        return stages.labelled(
            self.losses,
            self.overlaps,
            status,
            self.replicas,
            self._records,
            [one.steps for one in self.trainings],
            attrs,
        )

    # ---- files ----------------------------------------------------------------------------

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Write all it takes to go on, to a ``.npz`` file that is whole or not there.

        Parameters
        ----------
        path : path
            Ending in ``.npz``.

        Raises
        ------
        ValueError
            If it cannot be written, or for a custom activation.

        Examples
        --------
        >>> import lrft
        >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
        >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
        >>> run = lrft.SequenceSimulation(sequence, training, replicas=2, threads=1)
        >>> import tempfile, pathlib
        >>> _ = run.advance(0.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "state.npz"
        ...     run.save_state(path)
        ...     again = lrft.SequenceSimulation.resume(path)
        >>> again.run()
        """
        if self._part is not None:
            self._part.core.save()
            found = {chain.replica: chain for chain in self._part.core.chains()}
            self.stage_chains = [found.get(chain.replica, chain) for chain in self.stage_chains]
        save_sequence({name: getattr(self, name) for name in STATE}, path)

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], *, threads: int | None = None
    ) -> SequenceSimulation:
        """Go on from a saved state; the path is that of a run that never stopped, bit for bit.

        Parameters
        ----------
        path : path
            A file of `save_state`.
        threads : int, optional
            As for `simulate`.

        Returns
        -------
        SequenceSimulation

        Raises
        ------
        ValueError
            If the file is unreadable, changed, or of another build or instruction set.

        Examples
        --------
        >>> import lrft
        >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
        >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
        >>> run = lrft.SequenceSimulation(sequence, training, replicas=2, threads=1)
        >>> import tempfile, pathlib
        >>> _ = run.advance(0.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "state.npz"
        ...     run.save_state(path)
        ...     again = lrft.SequenceSimulation.resume(path)
        >>> again.run()
        >>> again.progress().finished
        2
        """
        begun, came = load_sequence(path)
        with foreign.explained(f"cannot resume from {str(path)!r}"):
            run = cls(
                Sequence(begun.pop("tasks")), begun.pop("trainings"), threads=threads, **begun
            )
        for name, value in came.items():
            setattr(run, name, value)
        return run


def _alive(chain: compiled.Chain) -> bool:
    return chain.status not in ("diverged", "failed")


def _going(chain: compiled.Chain, step: int) -> compiled.Chain:
    """Let one that has come to the end of its segment go on from there."""
    if not _alive(chain):
        return chain
    nothing = {name: np.zeros(0) for name in chain.records}
    return chain.replace(
        status="running", step=step, state_step=step, recorded=0, records=nothing, last={}
    )
