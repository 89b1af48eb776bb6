"""A run of a sequence of tasks, stage by stage."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence as Several
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import checks, foreign, interrupts
from lrft.base.progress import Progress, ProgressCallback
from lrft.base.threads import settle_threads
from lrft.core.engine import compiled
from lrft.model import schedule
from lrft.model.sequence import Sequence
from lrft.model.training import Training
from lrft.result import sequences
from lrft.run import arguments, describe
from lrft.run import chains as runs
from lrft.run.sequence_arguments import (
    BETWEEN,
    check_sizes,
    check_stage,
    check_trainings,
    choose_engine,
)
from lrft.run.sequence_state import STATE, load_sequence, save_sequence
from lrft.run.stages import Frozen, Stage

if TYPE_CHECKING:
    import xarray as xr

#: Between the seeds of stages, whose random numbers are independent.
STRIDE, SEEDS = 0x9E3779B97F4A7C15, 2**64


class SequenceSimulation:
    """A run of a sequence that can be watched, stopped, saved and looked at on the way.

    Parameters
    ----------
    sequence, training, between, replicas, seed, engine, threads
        As for `simulate_sequence`.

    Raises
    ------
    TypeError, ValueError
        As for `simulate_sequence`.

    Notes
    -----
    Every stage begins with an optimiser of its own: velocities are zero at its first step, and
    averages are those of its own steps.

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
        engine: str = "auto",
        threads: int | None = None,
    ) -> None:
        if not isinstance(sequence, Sequence):
            raise TypeError(f"sequence must be a Sequence, got {type(sequence).__name__}")
        tasks, trainings = sequence.tasks, check_trainings(training, len(sequence))
        between = checks.choice("between", between, BETWEEN)
        for task, one in zip(tasks, trainings, strict=True):
            check_stage(task, one, between)
        self.sequence, self.trainings, self.between = sequence, trainings, between
        self.replicas = arguments.settle_replicas(replicas, 1, False)
        self.seed = checks.seed("seed", seed)
        self.engine = choose_engine(tasks, trainings, between, engine)
        self.threads = settle_threads(threads)
        check_sizes(tasks, trainings, between, self.engine, self.threads, len(self.replicas))
        settled = [
            arguments.settle_rates([task], one) for task, one in zip(tasks, trainings, strict=True)
        ]
        self.rates = [rates[0] for rates, _ in settled]
        self.rate_notes = [notes[0] for _, notes in settled]
        self.interrupted, self.seconds = False, 0.0
        #: The stage that is run.
        self.stage = 0
        self.frozen: dict[int, list[Frozen]] = {replica: [] for replica in self.replicas}
        self.stage_chains = [describe.new_chain(0, replica) for replica in self.replicas]
        self.stop_step = np.zeros(len(self.replicas), dtype=np.int64)
        self.series = sequences.empty(tasks, trainings, len(self.replicas))
        self._part: runs.Chains | None = None
        self._after: runs.Chains | None = None  # the one before
        self._raised: dict[str, None] = {}  # what functions of the user did at losses
        self._before = 0  # steps of chains of this stage when it was taken up

    # ---- running ----------------------------------------------------------------------

    def advance(self, seconds: float = runs.SLICE) -> bool:
        """Go on with the stage that is run, and with those after it while there is time.

        Parameters
        ----------
        seconds : float
            About how long, at least 0. All replicas end a stage before any begins the next.

        Returns
        -------
        bool
            True when every replica has come to the end of the last stage, or diverged.

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
            while self.stage < len(self.trainings):
                if not any(map(_alive, self.stage_chains)):
                    self.stage = len(self.trainings)
                    break
                part = self._running()
                if not part.advance(max(0.0, end - time.perf_counter())):
                    return False
                with interrupts.held_back():
                    self._turn_over(part.marked(part.core.chains()))
                if time.perf_counter() >= end:
                    break
            return self.stage == len(self.trainings)
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

    @property
    def error(self) -> Exception | None:
        """What a function of the user has raised last that ended replicas; None if nothing."""
        last = self._part or self._after
        return None if last is None else last.error

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
        total = sum(one.steps for one in self.trainings)
        live = max(1, sum(map(_alive, self.stage_chains)))
        done, overlap = sum(one.steps for one in self.trainings[: self.stage]), float("nan")
        if self._part is not None:
            done += (self._before + self._part.core.steps_done) // live
            overlap = self._part.core.progress()[4]
        over = self.stage == len(self.trainings)
        return Progress(
            done_steps=min(done, total),
            total_steps=total,
            seconds=self.seconds,
            overlap=overlap,
            running=0 if over else live,
            finished=sum(map(_alive, self.stage_chains)) if over else 0,
            diverged=sum(not _alive(chain) for chain in self.stage_chains),
        )

    def _stage(self) -> Stage:
        at = self.stage
        ambient = self.engine == "ambient"
        return Stage(self.sequence.tasks, at, self.trainings[at], self.rates[at], ambient)

    def _running(self) -> runs.Chains:
        """Return the run of this stage, set up when it is first asked for."""
        if self._part is None:
            live = [chain for chain in self.stage_chains if _alive(chain)]
            self._before = sum(chain.step for chain in live)
            self._part = self._stage().run(
                live,
                self.frozen,
                seed=(self.seed + self.stage * STRIDE) % SEEDS,
                threads=self.threads,
                after=self._after,
            )
        return self._part

    def _come_to(self, chains: list[compiled.Chain]) -> tuple[dict[str, Any], Any]:
        """Return the series and the steps done, with what chains of this stage have come to."""
        series = {name: values.copy() for name, values in self.series.items()}
        steps = self.stop_step.copy()
        if self.stage == len(self.trainings):
            return series, steps
        stage, place = self._stage(), {replica: i for i, replica in enumerate(self.replicas)}
        at = sum(len(one.record_steps) for one in self.trainings[: self.stage])
        before = sum(one.steps for one in self.trainings[: self.stage])
        for chain in chains:
            i = place[chain.replica]
            steps[i] = before + chain.step
            # A stage begins where the one before has ended, and that has been seen.
            first = int(self.stage > 0)
            if chain.recorded <= first:
                continue
            seen = stage.seen(chain, self.frozen[chain.replica], self._raised, first)
            for name, values in seen.items():
                series[name][i, at + first : at + chain.recorded] = values
        return series, steps

    def _turn_over(self, chains: list[compiled.Chain]) -> None:
        """Note what was seen in a stage that has ended, and let the next one begin."""
        self.series, self.stop_step = self._come_to(chains)
        found, stage = {chain.replica: chain for chain in chains}, self._stage()
        self.stage_chains = [found.get(chain.replica, chain) for chain in self.stage_chains]
        self._after, self._part = self._running(), None
        self.stage += 1
        if self.stage == len(self.trainings):
            return
        for i, chain in enumerate(self.stage_chains):
            if not _alive(chain):
                continue
            if self.between == "new":
                left = stage.left(chain, self.frozen[chain.replica])
                self.frozen[chain.replica].append(left)
                self.stage_chains[i] = describe.new_chain(0, chain.replica)
            else:
                self.stage_chains[i] = self._stage().taken_over(chain)
        at = sum(len(one.record_steps) for one in self.trainings[: self.stage])
        for values in self.series.values():
            values[:, at] = values[:, at - 1]

    # ---- results --------------------------------------------------------------------------

    def chains(self) -> list[compiled.Chain]:
        """Return every replica as the core holds it, in the stage that it has come to.

        Returns
        -------
        list of Chain

        Examples
        --------
        >>> import lrft
        >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
        >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
        >>> run = lrft.SequenceSimulation(sequence, training, replicas=2, threads=1)
        >>> [chain.status for chain in run.chains()]
        ['waiting', 'waiting']
        """
        if self._part is None:
            return self.stage_chains
        found = {chain.replica: chain for chain in self._part.marked(self._part.core.chains())}
        return [found.get(chain.replica, chain) for chain in self.stage_chains]

    def dataset(self) -> xr.Dataset:
        """Return everything recorded so far, labelled, as `simulate_sequence` does.

        Returns
        -------
        xarray.Dataset
            NaN at records not yet reached, and of replicas that diverged.
        """
        chains = self.chains()
        series, steps = self._come_to([] if self._part is None else self._part.core.chains())
        over = self.stage == len(self.trainings)
        status = [
            ("finished" if over else "interrupted") if _alive(chain) else chain.status
            for chain in chains
        ]
        last = self._part or self._after
        of_the_core = [] if last is None else list(last.attrs().values())
        raised = dict.fromkeys([*of_the_core, *self._raised])
        return sequences.assemble(
            self.sequence.tasks,
            self.trainings,
            series,
            status=status,
            stop_step=steps,
            replicas=self.replicas,
            rates=[float(schedule.rates(rate, 0, 1)[0]) for rate in self.rates],
            attrs={
                "between": self.between,
                "seed": self.seed,
                "engine": self.engine,
                "threads": self.threads,
                "interrupted": int(self.interrupted),
                "learning_rate": "; ".join(dict.fromkeys(self.rate_notes)),
                **({"failure": " | ".join(raised)} if raised else {}),
            },
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
        state = {name: getattr(self, name) for name in STATE}
        save_sequence(state | {"stage_chains": self.chains()}, path)

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
            run = cls(begun.pop("sequence"), begun.pop("trainings"), threads=threads, **begun)
        for name, value in came.items():
            setattr(run, name, value)
        return run


def _alive(chain: compiled.Chain) -> bool:
    return chain.status not in ("diverged", "failed")
