"""From tasks to runs of the core, and from their chains back to arrays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lrft.base import interrupts
from lrft.base.progress import Progress, ProgressCallback, showing
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model.sizes import Sizes
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.result import dataset as results
from lrft.result.variables import recorded


def groups(tasks: list[Task], ambient: bool) -> list[list[int]]:
    """Put tasks together that can share lanes: those of one shape and activation."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, task in enumerate(tasks):
        found.setdefault((*task.lane_shape, task.d if ambient else 0), []).append(i)
    return list(found.values())


def places(tasks: int, replicas: Sequence[int], paired: bool) -> list[tuple[int, int]]:
    """List the tasks, by number, and replicas that are run: all, or one replica a task."""
    if paired:
        return list(enumerate(replicas))
    return [(task, replica) for task in range(tasks) for replica in replicas]


FEW = 4  # reasons that ended no replica are kept
#: Of a chain that has not ended.
ON_THEIR_WAY = ("waiting", "running")
SLICE = 0.1  # seconds between looks at progress, and at signals that wait


class Chains:
    """Chains on their way through the core, and what functions of the user raise in them.

    A replica that such a function ends has failed, and the others go on.

    Parameters
    ----------
    tasks : sequence of Task
        Whose functions may be called.
    spec : dict
        Fields of a ``RunSpec``, as `describe.run` gives them.
    after : Chains, optional
        These are the same replicas, and have come so far.
    """

    def __init__(
        self, tasks: Sequence[Task], spec: dict[str, Any], after: Chains | None = None
    ) -> None:
        self.core = compiled.Run(compiled.RunSpec(**spec))
        self._tasks = tasks  # the core has the bare addresses of their compiled functions
        #: The last that ended replicas.
        self.error: Exception | None = None if after is None else after.error
        self._guards = [guard for task in tasks for guard in task.guards]
        # By job and replica, as the core has them.
        self._failed: set[tuple[int, int]] = set() if after is None else after._failed
        self._diverged: set[tuple[int, int]] = set() if after is None else after._diverged
        self._raised: dict[str, None] = (
            {} if after is None else after._raised
        )  # in order, once each

    def advance(self, seconds: float) -> bool:
        """Work for a while; True when all have ended.

        Replicas that diverged in a slice in which a function raised have failed. What is raised
        where it ends none, as in a lane that rests or at a loss, costs no result and is not hidden.
        """
        if not self._guards:
            return self.core.advance(seconds)
        error: BaseException | None = None
        ended: set[tuple[int, int]] = set()
        try:
            done = self._guarded(seconds)
        finally:  # a signal that waited does not take the reason away
            ended = {
                (chain.training, chain.replica)
                for chain in self.core.chains()
                if chain.status == "diverged"
            } - self._diverged
            self._diverged |= ended
            error = callbacks.taken(self._guards)
            if isinstance(error, Exception):
                lines = [str(error) or type(error).__name__, *getattr(error, "__notes__", ())]
                if ended or len(self._raised) < FEW:  # a lane that rests may raise in every slice
                    self._raised[f"{type(error).__name__}: {'; '.join(lines)}"] = None
                self._failed |= ended
                self.error = error if ended else self.error
        if error is not None and not isinstance(error, Exception):
            raise error
        return done

    def _guarded(self, seconds: float) -> bool:
        """Work in slices after which signals act, which wait while functions of the user run."""
        end = time.perf_counter() + seconds
        with callbacks.holding(self._guards) as held:
            while not (done := self.core.advance(min(SLICE, max(0.0, end - time.perf_counter())))):
                heard = held.came or any(guard.raised is not None for guard in self._guards)
                if heard or time.perf_counter() >= end:
                    break
        return done

    def finish(self) -> list[compiled.Chain]:
        """Work to the end; a function of the user that ends a replica ends it all."""
        while not self.advance(SLICE) and self.error is None:
            pass
        if self.error is not None:
            raise self.error
        return self.core.chains()

    def observe(self) -> None:
        """Bring what is seen of running students where they stand into their chains."""
        with callbacks.holding(self._guards):
            self.core.observe()
        error = callbacks.taken(self._guards)
        if error is not None and not isinstance(error, Exception):  # what one raises costs a loss
            raise error

    def marked(self, chains: list[compiled.Chain]) -> list[compiled.Chain]:
        """Give the chains that failed this status."""
        return [
            chain.replace(status="failed")
            if (chain.training, chain.replica) in self._failed
            else chain
            for chain in chains
        ]

    def chains(self) -> list[compiled.Chain]:
        """Return all as they are; ``training`` says of which job each is."""
        return self.marked(self.core.chains())

    def attrs(self) -> dict[str, str]:
        """Say what functions raised, for a result."""
        return {"failure": " | ".join(self._raised)} if self._raised else {}


class Shared(Chains):
    """Chains of some jobs of a run that are in the same lanes as those of others.

    Parameters
    ----------
    whole : Chains
    first, jobs : int
        They count from 0 here, from `first` there.
    """

    def __init__(self, whole: Chains, first: int, jobs: int) -> None:
        self.__dict__ |= whole.__dict__  # one run: what lets it go on, goes on with all
        self._of = range(first, first + jobs)

    def chains(self) -> list[compiled.Chain]:
        """Return those of its jobs."""
        return [
            chain.replace(training=self._of.index(chain.training))
            for chain in super().chains()
            if chain.training in self._of
        ]


Result = TypeVar("Result", covariant=True)


class Work(Protocol[Result]):
    """What goes on in slices: a `lrft.Simulation`, a `lrft.Fitting`, or several at a time."""

    interrupted: bool

    def advance(self) -> bool:
        """Work for a while; True when everything has ended."""

    def progress(self) -> Progress:
        """Say where it stands."""

    def run(self, progress: ProgressCallback | bool | None = None) -> None:
        """Work until everything has ended."""

    def dataset(self) -> Result:
        """Return what there is."""


def to_the_end(work: Work[object], progress: ProgressCallback | bool | None) -> None:
    """Work until everything has ended. Ctrl-C marks the work as interrupted and goes on up."""
    work.interrupted = False
    try:
        with interrupts.held_back():  # an import that is cut short cannot be repeated
            results.get_ready()
        with showing(progress) as show:
            while not work.advance():
                if show is not None:
                    show(work.progress())
            if show is not None:
                show(work.progress())
    except KeyboardInterrupt:
        work.interrupted = True
        raise


def finished(
    work: Work[Result], progress: ProgressCallback | bool | None, on_interrupt: str
) -> Result:
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
    tasks: list[Task],
    training: Training,
    replicas: list[int],
    chains: list[compiled.Chain],
    *,
    paired: bool,
) -> dict[str, Any]:
    """Fill arrays over (task, replica, ...) from chains, as `result.assemble` takes them."""
    steps = training.record_steps
    shape = (1 if paired else len(tasks), len(replicas))
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
    of_task = [Sizes.of(task, training).records for task in tasks]
    for name in recorded(training, of_task):
        # Tasks with fewer overlaps leave the rest NaN; what is not recorded is NaN.
        most = tuple(
            np.max(_aligned([shapes.get(name, ()) for shapes in of_task]), axis=0).tolist()
        )
        raw[name] = np.full((*shape, len(steps), *most), np.nan)
        raw[f"final_{name}"] = np.full((*shape, *most), np.nan)
    place = {replica: i for i, replica in enumerate(replicas)}
    for chain in chains:
        at = (0 if paired else chain.task, place[chain.replica])
        records, last = chain.records, chain.last
        for name, one in of_task[chain.task].items():
            _put(raw[name][at], records[name].reshape(-1, *one))
            if name in last and last[name].size:
                _put(raw[f"final_{name}"][(*at, ...)], last[name].reshape(one))
        raw["hit_step"][at] = chain.hits
        raw["loss_hit_step"][at] = chain.loss_hits
        raw["stop_step"][at] = chain.step
        if chain.status not in ON_THEIR_WAY:
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
