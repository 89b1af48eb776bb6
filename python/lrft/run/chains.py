"""From tasks to runs of the core, and from their chains back to arrays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lrft.base import interrupts
from lrft.base.progress import Progress, ProgressCallback
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model import schedule, sizes
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.result import dataset as results
from lrft.run import describe

if TYPE_CHECKING:
    import xarray as xr


def groups(tasks: list[Task], ambient: bool) -> list[list[int]]:
    """Put tasks together that can share lanes: those of one shape and activation."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, task in enumerate(tasks):
        shape = (task.R.shape, task.features_rank, task.rank, task.activation.identity)
        found.setdefault((*shape, task.d if ambient else 0), []).append(i)
    return list(found.values())


def start(
    tasks: list[Task],
    training: Training,
    rates: list[float | schedule.Schedule],
    group: list[int],
    chains: list[compiled.Chain],
    *,
    ambient: bool,
    seed: int,
    threads: int,
    keep_students: bool,
) -> compiled.Run:
    """Start the core on one group of tasks, with those of the chains that are theirs."""
    mine = [tasks[i] for i in group]
    place = {task: j for j, task in enumerate(group)}
    theirs = [
        chain.replace(task=place[chain.task], training=place[chain.task])
        for chain in chains
        if chain.task in place
    ]
    return compiled.Run(
        compiled.RunSpec(
            ambient=ambient,
            activation=mine[0].activation.core,
            **describe.described(mine, training.student, ambient, seed, theirs),
            trainings=[describe.training_data(training, rates[i]) for i in group],
            seed=seed,
            threads=threads,
            keep_state=keep_students,
        )
    )


SLICE = 0.1  # seconds between looks at progress, and at signals that wait


def advance(run: compiled.Run, tasks: Sequence[Task], seconds: float) -> bool:
    """Work on a run for a while; what functions of the user raised in it comes out here."""
    guards = _guards(tasks)
    done = _guarded(run, guards, seconds)
    if (error := callbacks.taken(guards)) is not None:
        raise error
    return done


def _guards(tasks: Sequence[Task]) -> list[callbacks.Guard]:
    return [guard for task in tasks for guard in task.activation.guards]


def _guarded(run: compiled.Run, guards: Sequence[callbacks.Guard], seconds: float) -> bool:
    """Work in slices after which signals act, which wait while functions of the user may run."""
    if not guards:
        return run.advance(seconds)
    end = time.perf_counter() + seconds
    with callbacks.holding(guards) as held:
        while not (done := run.advance(min(SLICE, max(0.0, end - time.perf_counter())))):
            heard = held.came or any(guard.raised is not None for guard in guards)
            if heard or time.perf_counter() >= end:
                break
    return done


class Failures:
    """Replicas of a run that a function of the user ended by what it raised; the others go on."""

    def __init__(self) -> None:
        self.reasons: dict[tuple[int, int], str] = {}  # of task and replica, as the run has them
        self._diverged: set[tuple[int, int]] = set()

    def advance(self, run: compiled.Run, tasks: Sequence[Task], seconds: float) -> bool:
        """Work on the run for a while; what ended no replica, Ctrl-C too, is raised.

        The reason is that of the slice: all replicas that diverged in it have it.
        """
        guards = _guards(tasks)
        if not guards:
            return run.advance(seconds)
        error: BaseException | None = None
        ended: set[tuple[int, int]] = set()
        try:
            done = _guarded(run, guards, seconds)
        finally:  # a signal that waited does not take the reason away
            ended = {
                (chain.training, chain.replica)
                for chain in run.chains()
                if chain.status == "diverged"
            } - self._diverged
            self._diverged |= ended
            error = callbacks.taken(guards)
            if isinstance(error, Exception):
                lines = [str(error) or type(error).__name__, *getattr(error, "__notes__", ())]
                reason = f"{type(error).__name__}: {'; '.join(lines)}"
                self.reasons |= dict.fromkeys(ended, reason)
        if error is not None and (not ended or not isinstance(error, Exception)):
            raise error
        return done

    def marked(self, chains: list[compiled.Chain]) -> list[compiled.Chain]:
        """Give the chains that failed this status."""
        return [
            chain.replace(status="failed")
            if (chain.training, chain.replica) in self.reasons
            else chain
            for chain in chains
        ]

    def attrs(self) -> dict[str, str]:
        """Say why, for a result."""
        reasons = " | ".join(dict.fromkeys(self.reasons.values()))
        return {"failure": reasons} if reasons else {}


class Work(Protocol):
    """What goes on in slices: a `lrft.Simulation` or a `lrft.Fitting`."""

    interrupted: bool

    def advance(self) -> bool:
        """Work for a while; True when everything has ended."""

    def progress(self) -> Progress:
        """Say where it stands."""

    def run(self, progress: ProgressCallback | None = None) -> None:
        """Work until everything has ended."""

    def dataset(self) -> xr.Dataset:
        """Return what there is."""


def to_the_end(work: Work, progress: ProgressCallback | None) -> None:
    """Work until everything has ended. Ctrl-C marks the work as interrupted and goes on up."""
    work.interrupted = False
    try:
        with interrupts.held_back():  # an import that is cut short cannot be repeated
            results.get_ready()
        while not work.advance():
            if progress is not None:
                progress(work.progress())
        if progress is not None:
            progress(work.progress())
    except KeyboardInterrupt:
        work.interrupted = True
        raise


def finished(work: Work, progress: ProgressCallback | None, on_interrupt: str) -> xr.Dataset:
    """Work until everything has ended and return the result, which no Ctrl-C can take away."""
    interrupted, ds = False, None
    try:
        with interrupts.held_back() as held:
            interrupted = held.act(work.run, progress)
            ds = work.dataset()
    except KeyboardInterrupt:
        if ds is None:
            raise
        interrupted = True
    if interrupted and on_interrupt == "raise":
        raise interrupts.Interrupted(lambda: ds)
    return ds


def gather(
    tasks: list[Task], training: Training, replicas: list[int], chains: list[compiled.Chain]
) -> dict[str, Any]:
    """Fill arrays over (task, replica, ...) from chains, as `result.assemble` takes them."""
    steps = training.record_steps
    shape = (len(tasks), len(replicas))
    raw: dict[str, Any] = {
        "step": steps,
        "replica": np.asarray(replicas, dtype=np.int64),
        "thresholds": np.asarray(training.thresholds, dtype=np.float64),
        "hit_step": np.full((*shape, len(training.thresholds)), -1, dtype=np.int64),
        "loss_thresholds": np.asarray(training.loss_thresholds, dtype=np.float64),
        "loss_hit_step": np.full((*shape, len(training.loss_thresholds)), -1, dtype=np.int64),
        "status": np.full(shape, "interrupted", dtype=object),
        "stop_step": np.zeros(shape, dtype=np.int64),
    }
    of_task = [sizes.record_shapes(task, training) for task in tasks]
    for name in results.STATISTICS:
        # Tasks with fewer overlaps leave the rest NaN; what is not recorded is NaN.
        most = tuple(
            np.max(_aligned([shapes.get(name, ()) for shapes in of_task]), axis=0).tolist()
        )
        raw[name] = np.full((*shape, len(steps), *most), np.nan)
        raw[f"final_{name}"] = np.full((*shape, *most), np.nan)
    place = {replica: i for i, replica in enumerate(replicas)}
    for chain in chains:
        at = (chain.task, place[chain.replica])
        records, last = chain.records, chain.last
        for name, one in of_task[chain.task].items():
            _put(raw[name][at], records[name].reshape(-1, *one))
            if name in last and last[name].size:
                _put(raw[f"final_{name}"][(*at, ...)], last[name].reshape(one))
        raw["hit_step"][at] = chain.hits
        raw["loss_hit_step"][at] = chain.loss_hits
        raw["stop_step"][at] = chain.step
        if chain.status not in ("waiting", "running"):
            raw["status"][at] = chain.status
    return raw


def _put(target: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Copy into the first entries of each axis."""
    used = tuple(slice(n) for n in values.shape)
    target[used + (0,) * (target.ndim - values.ndim)] = values


def _aligned(shapes: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    """Make shapes equally long; one number is the first of several."""
    most = max(map(len, shapes))
    return np.array([shape + (1,) * (most - len(shape)) for shape in shapes], dtype=np.int64)
