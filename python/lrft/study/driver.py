"""Run a study: what the ledger lacks is put into blocks, sent to workers, and written down."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from lrft.base import interrupts
from lrft.base.progress import Bar, format_count, showing
from lrft.core.engine import compiled
from lrft.result import provenance
from lrft.study import dataset
from lrft.study.design import Design, read
from lrft.study.ledger import Damaged, Ledger
from lrft.study.points import Point, Unit, points
from lrft.study.watch import StudyProgress, duration
from lrft.study.work import Block, Outcome, speed
from lrft.study.workers import Cluster, Local, workers

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

__all__ = ["Plan", "collect", "merge", "plan", "sweep"]

#: Seconds of work in a block at most, unless one unit has more: what a kill can lose.
BLOCK_SECONDS = 2.0
#: Blocks for each worker thread at least, so that none waits long for the last one.
BLOCKS_PER_THREAD = 4
#: Seconds to spend on measuring speeds, all groups together, and for one at most.
PROBE_SECONDS, PROBE_ONE = 1.0, 0.02
_LOOK = 0.2  # seconds between reports

StudyCallback = Callable[[StudyProgress], object]


@dataclass(frozen=True, eq=False)
class Plan:
    """A study before it runs.

    Attributes
    ----------
    design : Design
    points : list of Point
    missing : list of Unit
        Distinct units that the ledger lacks.
    cost : dict
        Estimated seconds of one thread for each missing unit, by key; an upper bound where
        replicas stop early.
    """

    design: Design
    points: list[Point]
    missing: list[Unit]
    cost: dict[str, float]

    @property
    def keys(self) -> list[str]:
        """Keys of all units, of all points in order."""
        return [unit.key for point in self.points for unit in point.units]

    def describe(self) -> str:
        """One line: points, what is there already, what is left to do."""
        replicas = sum(len(unit.replicas) for unit in self.points[0].units)
        total = len(set(self.keys))
        text = f"{len(self.points):,} points x {replicas} replicas"
        if len(self.missing) < total:
            text += f", {1 - len(self.missing) / total:.0%} of it in the ledger"
        if self.missing:
            steps = format_count(float(sum(unit.steps for unit in self.missing)))
            text += f"; {steps} replica-steps to do, at most about "
            text += f"{duration(sum(self.cost.values()))} on one thread"
        return text


def plan(study: Mapping[str, Any] | str | PathLike[str], ledger: Ledger | None = None) -> Plan:
    """Check a study and estimate what it costs, without running it.

    Parameters
    ----------
    study : mapping or path
        As for `sweep`.
    ledger : Ledger, optional
        What is in it is not counted.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError, ValueError
        Naming the field that is wrong, and the point.

    Examples
    --------
    >>> from lrft.study import plan
    >>> study = {"task": {"d": 100, "k": 4}, "training": {"steps": 1000}}
    >>> len(plan(study | {"grid": {"lr": [0.01, 0.02, 0.04]}}).missing)
    3
    """
    design = read(study)
    return _plan(design, points(design), ledger)


def _plan(design: Design, found: list[Point], ledger: Ledger | None) -> Plan:
    units = {unit.key: unit for point in found for unit in point.units}
    known = ledger.known(units) if ledger is not None else set()
    missing = [unit for key, unit in units.items() if key not in known]
    return Plan(design, found, missing, _costs(missing))


def _costs(missing: list[Unit]) -> dict[str, float]:
    examples = {unit.group: unit for unit in missing}
    each = min(PROBE_ONE, PROBE_SECONDS / max(1, len(examples)))
    speeds = {}
    for group, unit in examples.items():
        try:
            speeds[group] = speed(unit, each)
        except Exception:  # it will fail in its turn, and be recorded then
            speeds[group] = 1e6
    return {unit.key: max(1, unit.steps) / speeds[unit.group] for unit in missing}


def sweep(
    study: Mapping[str, Any] | str | PathLike[str],
    ledger: str | PathLike[str] = "study.db",
    *,
    scheduler: str | Client | None = None,
    threads: int | None = None,
    progress: StudyCallback | bool | None = None,
    announce: Callable[[str], object] | None = None,
    on_interrupt: str = "raise",
) -> xr.Dataset:
    """Run a study, or what is missing of it, and return all its results.

    Parameters
    ----------
    study : mapping or path
        Tables ``task``, ``training``, ``student`` and ``run`` with what is fixed, and ``grid``,
        ``list``, ``random`` and ``derived`` with the design; or the TOML file that has them. See
        `lrft.study.design`. In a mapping, ``task`` may be a `Task`, ``training`` a `Training`.
    ledger : path
        The SQLite file that keeps finished work; made if missing. Points in it are not run again,
        whichever study they came from.
    scheduler : str or distributed.Client, optional
        A Dask scheduler such as ``"tcp://host:8786"``. By default threads of this process.
    threads : int, optional
        Locally, how many to use: all that this process may, by default. With a scheduler, how
        many each task may use: 1 by default, since Dask runs one task on each thread of a worker.
        Results do not depend on it.
    progress : bool or callable, optional
        True for a bar, in a terminal or a notebook; or called a few times a second with a
        `lrft.study.watch.StudyProgress`.
    announce : callable, optional
        Called once, before anything runs, with a line on what there is to do and what it costs.
    on_interrupt : {"raise", "return"}
        As for `lrft.simulate`: the result is what `collect` finds in the ledger.

    Returns
    -------
    xarray.Dataset
        With a dimension for each field of a grid, or else the dimension ``point``; coordinates for
        the fields of the design, ``learning_rate`` and ``delta``; and for each replica ``hit_step``
        (..., replica, threshold) and ``loss_hit_step`` int64, ``stop_step`` int64, ``status`` str,
        and float64 ``final_overlap_u``, ``final_overlap_c``, ``final_loss`` at its stop; full
        records (..., replica, step) where all points have the same. ``failure`` says why a point
        failed, if it did.

    Raises
    ------
    TypeError, ValueError
        For a study that is wrong, before anything runs; for a file that is not a ledger.
    OSError
        If the ledger cannot be written. What is in it stays.
    Interrupted
        On Ctrl-C, within half a second, once the ledger has been begun.

    Notes
    -----
    Ctrl-C and a kill lose only the blocks in hand, of about two seconds each. Run the same again
    to go on. A unit of work is keyed by everything that defines its bits, with the version and the
    instruction set of lrft, so a changed study keeps what still applies.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {
    ...     "task": {"k": 4, "features": "orthonormal"},
    ...     "training": {"steps": 1000},
    ...     "run": {"replicas": 2},
    ...     "grid": {"d": [100, 1000], "xi": [1.0, 2.0]},
    ...     "derived": {"lr": "0.1 / d"},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db")
    >>> ds.final_loss.dims, ds.d.values.tolist()
    (('d', 'xi', 'replica'), [100, 1000])
    """
    on_interrupt = interrupts.check(on_interrupt)
    begun = False
    try:
        design = read(study)
        found = points(design)
        # The ledger last: a study or a scheduler that is wrong leaves no empty file behind.
        with (
            workers(scheduler, threads) as hands,
            Ledger(ledger) as file,
            showing(progress, partial(Bar, remaining=False)) as show,  # it says what is left
        ):
            begun = True
            planned = _plan(design, found, file)
            if announce is not None:
                announce(planned.describe())
            while True:
                if planned.missing:
                    _Run(planned, file, hands, show).run()
                try:
                    return dataset.assemble(design, found, file)
                except Damaged as error:
                    file.forget(error.keys)
                    planned = _plan(design, found, file)
    except KeyboardInterrupt:
        if not begun:
            raise
    if on_interrupt == "return":
        return collect(study, ledger)
    raise interrupts.Interrupted(lambda: collect(study, ledger))


def collect(
    study: Mapping[str, Any] | str | PathLike[str], ledger: str | PathLike[str] = "study.db"
) -> xr.Dataset:
    """Return what a ledger has of a study, running nothing.

    Parameters
    ----------
    study, ledger
        As for `sweep`.

    Returns
    -------
    xarray.Dataset
        As `sweep` returns it, with status ``"missing"`` where there is nothing yet.

    Raises
    ------
    TypeError, ValueError, OSError
        As for `sweep`; also if there is no such ledger.

    Examples
    --------
    >>> from lrft.study import collect
    >>> collect({"task": {"d": 9, "k": 2}, "training": {"lr": 1, "steps": 1}}, "no-such-file.db")
    Traceback (most recent call last):
    ...
    ValueError: ledger 'no-such-file.db': no such file
    """
    design = read(study)
    found = points(design)
    with Ledger(ledger, write=False) as file:
        return dataset.assemble(design, found, file)


def merge(ledger: str | PathLike[str], *others: str | PathLike[str]) -> int:
    """Take over into a ledger what others have and it lacks.

    Parameters
    ----------
    ledger : path
        Made if missing.
    *others : path
        Left as they are.

    Returns
    -------
    int
        How many units were new.

    Raises
    ------
    ValueError
        If a file is no ledger, or holds another result for the same key; of that file nothing is
        taken over.
    OSError
        If the ledger cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {"task": {"d": 50, "k": 2}, "training": {"lr": 0.01, "steps": 10}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, two = pathlib.Path(folder) / "one.db", pathlib.Path(folder) / "two.db"
    ...     ds = lrft.sweep(study, one)
    ...     lrft.study.merge(two, one), lrft.study.merge(two, one)
    (1, 0)
    """
    with Ledger(ledger) as file:
        return sum(file.merge(other) for other in others)


class _Run:
    """A study while it runs. Only this, in the calling thread, writes the ledger."""

    def __init__(
        self, planned: Plan, ledger: Ledger, hands: Local | Cluster, progress: StudyCallback | None
    ) -> None:
        self.ledger = ledger
        self.hands = hands
        self.progress = progress
        self.cost = planned.cost
        self.total_cost = sum(planned.cost.values())
        self.done_cost = 0.0
        self.begin = time.monotonic()
        # A unit may belong to several points, where the design repeats itself.
        self.points_of: dict[str, list[int]] = {unit.key: [] for unit in planned.missing}
        self.units_left: Counter[int] = Counter()
        for i, point in enumerate(planned.points):
            for unit in point.units:
                if unit.key in self.points_of:
                    self.points_of[unit.key].append(i)
                    self.units_left[i] += 1
        self.total = len(planned.points)
        self.reused = self.total - len(self.units_left)
        self.failed: set[int] = set()
        self.in_hand: dict[Future[list[Outcome]], Block] = {}
        self.waiting = deque(self._blocks(planned.missing))

    def run(self) -> None:
        try:
            while self.waiting or self.in_hand:
                self._send()
                finished, _ = wait(self.in_hand, timeout=_LOOK, return_when=FIRST_COMPLETED)
                with interrupts.held_back():  # from the hand to the ledger
                    self._store(finished)
                self._report()
        except KeyboardInterrupt:
            with interrupts.held_back():
                self._store({future for future in self.in_hand if future.done()})
            raise

    def _blocks(self, missing: list[Unit]) -> list[Block]:
        """Units of one group, about `BLOCK_SECONDS` together, the longest first."""
        slots = self.hands.slots()
        target = min(BLOCK_SECONDS, self.total_cost / (slots * BLOCKS_PER_THREAD))
        groups: dict[tuple[Any, ...], list[Unit]] = {}
        for unit in missing:
            groups.setdefault(unit.group, []).append(unit)
        blocks: list[list[Unit]] = []
        for units in groups.values():
            filled = target
            for unit in sorted(units, key=lambda unit: -self.cost[unit.key]):
                if filled >= target:
                    blocks.append([])
                    filled = 0.0
                blocks[-1].append(unit)
                filled += self.cost[unit.key]
        # Fewer blocks than threads: each may have several.
        threads = max(self.hands.block_threads, slots // len(blocks) if self._local else 1)
        blocks.sort(key=self._seconds, reverse=True)
        return [self._block(units, threads) for units in blocks]

    @property
    def _local(self) -> bool:
        return isinstance(self.hands, Local)

    def _block(self, units: list[Unit], threads: int) -> Block:
        isa = compiled.build_info()["isa"]
        return Block(tuple(units), threads, provenance.code_version(), isa)

    def _seconds(self, units: list[Unit]) -> float:
        return sum(self.cost[unit.key] for unit in units)

    def _send(self) -> None:
        # One more than can run, so that no thread waits for this one.
        while self.waiting and len(self.in_hand) < self.hands.slots() + 1:
            block = self.waiting.popleft()
            self.in_hand[self.hands.submit(block)] = block

    def _store(self, finished: set[Future[list[Outcome]]]) -> None:
        done: list[tuple[Unit, Outcome]] = []
        failed: list[tuple[Unit, str]] = []
        gone: CancelledError | None = None
        for future in finished:
            block = self.in_hand.pop(future)
            try:
                outcomes = future.result()
            except compiled.Cancelled:
                continue
            except (Exception, CancelledError) as error:
                if isinstance(error, CancelledError) and isinstance(self.hands, Cluster):
                    gone = error
                else:
                    failed += self._failed(block, error)
            else:
                done += zip(block.units, outcomes, strict=True)
        if done or failed:
            self.ledger.add(done, failed)
        for unit, _ in [*done, *failed]:
            self.done_cost += self.cost[unit.key]
            for i in self.points_of[unit.key]:
                self.units_left[i] -= 1
        self.failed.update(i for unit, _ in failed for i in self.points_of[unit.key])
        if gone is not None:
            raise ConnectionError(
                "the scheduler has gone; what was finished is in the ledger: run again to go on"
            ) from gone

    def _failed(self, block: Block, error: BaseException) -> list[tuple[Unit, str]]:
        """Give the other units of a failed block another chance, each on its own."""
        if len(block.units) > 1:
            self.waiting.extend(self._block([unit], block.threads) for unit in block.units)
            return []
        return [(block.units[0], f"{type(error).__name__}: {error}")]

    def _report(self) -> None:
        if self.progress is None:
            return
        seconds = time.monotonic() - self.begin
        share = self.done_cost / self.total_cost
        running = {
            i
            for block in self.in_hand.values()
            for unit in block.units
            for i in self.points_of[unit.key]
        }
        over = self.reused + sum(not left for left in self.units_left.values())
        self.progress(
            StudyProgress(
                total=self.total,
                done=over - len([i for i in self.failed if not self.units_left[i]]),
                running=len(running),
                failed=len(self.failed),
                reused=self.reused,
                seconds=seconds,
                share=share,
                left=seconds * (1 - share) / share if share else float("nan"),
            )
        )
