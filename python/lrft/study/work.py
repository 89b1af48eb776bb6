"""The work itself: units that share lanes go through the engine together."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.base import foreign
from lrft.core.engine import compiled
from lrft.model.sizes import Sizes
from lrft.model.task import Task
from lrft.result import provenance
from lrft.result.sequences import places, series_shapes
from lrft.result.variables import SEQUENCE_VARIABLES, recorded
from lrft.run import arguments, describe
from lrft.run import chains as runs
from lrft.run.sequence import SequenceSimulation
from lrft.study.points import SequenceUnit, Unit

__all__ = ["Block", "Outcome", "decode", "record_shapes", "run_block", "speed"]

Arrays = dict[str, NDArray[Any]]


class Outcome(NamedTuple):
    """What became of a unit."""

    result: bytes  #: as `decode` reads it
    seconds: float  #: its share of the block's time
    threads: int
    environment: str  #: JSON of `provenance.environment` where it ran


@dataclass(frozen=True, eq=False)
class Block:
    """Units of one group, sent off together.

    Attributes
    ----------
    units : tuple of Unit
    threads : int
        It may use as many.
    code, instruction_set : str
        What it must run under: bits depend on them.
    """

    units: tuple[Unit, ...]
    threads: int
    code: str
    instruction_set: str


def run_block(block: Block) -> list[Outcome]:
    """Run a block, here or on another machine; one outcome a unit, in order.

    Raises
    ------
    RuntimeError
        If this process runs another version or instruction set than the block asks for.
    _core.Cancelled
        In a pool that is left; nothing of the block is kept.
    """
    here = provenance.code_version(), compiled.build_info()["isa"]
    if here != (block.code, block.instruction_set):
        raise RuntimeError(
            f"the study runs lrft {block.code} with instruction set {block.instruction_set}, but "
            f"this worker has lrft {here[0]} with {here[1]}: bits would differ (LRFT_ISA chooses "
            "the instruction set)"
        )
    begin = time.perf_counter()
    try:
        results = _computed(block.units, block.threads)
    finally:
        # Features that can be made again: of all tasks of a study, they would fill the memory.
        for task in (task for unit in block.units for task in unit.tasks):
            if not task.given:
                task.__dict__.pop("_ambient", None)
    seconds = time.perf_counter() - begin
    shares = np.array([1.0 + float(arrays["stop_step"].sum()) for arrays, _ in results])
    shares *= seconds / shares.sum()
    environment = json.dumps(provenance.environment(), sort_keys=True)
    return [
        Outcome(_encode(arrays, about), float(share), block.threads, environment)
        for (arrays, about), share in zip(results, shares, strict=True)
    ]


def speed(unit: Unit, seconds: float) -> float:
    """Measure replica-steps a second of one thread on units like this one, in about `seconds`.

    Samples of a batch are counted one by one, as in ``Unit.steps``.
    """
    if isinstance(unit, SequenceUnit):
        run, begin = _sequence(unit, 1), time.perf_counter()
        run.advance(seconds)
        done = run.progress().done_steps * len(unit.replicas)
    else:
        chains, _ = _start([unit], 1)
        begin = time.perf_counter()
        chains.advance(seconds)
        done = chains.core.steps_done
    took = time.perf_counter() - begin
    return max(1.0, float(done) * unit.training.batch) / took


def _computed(units: Sequence[Unit], threads: int) -> list[tuple[Arrays, dict[str, Any]]]:
    """Run units of one group: sequences one after the other, others in the same lanes."""
    if not isinstance(units[0], SequenceUnit):
        chains, notes = _start(units, threads)
        return _results(units, chains.finish(), notes)
    found = []
    for unit in units:
        assert isinstance(unit, SequenceUnit)
        run = _sequence(unit, threads)
        while not run.advance() and run.error is None:
            pass
        if run.error is not None:
            raise run.error
        ds = run.dataset()
        arrays: Arrays = {name: ds[name].values for name in _empty(unit)}
        note = str(ds.attrs["learning_rate"])
        found.append((arrays, {"status": ds.status.values.tolist(), "learning_rate": note}))
    return found


def _sequence(unit: SequenceUnit, threads: int) -> SequenceSimulation:
    return SequenceSimulation(
        unit.sequence,
        unit.trainings,
        between=unit.between,
        replicas=unit.replicas,
        seed=unit.seed,
        engine=unit.engine,
        threads=threads,
    )


def _start(units: Sequence[Unit], threads: int) -> tuple[runs.Chains, list[str]]:
    """Start units of one group; how the rate of each was found."""
    tasks: dict[str, Task] = {}
    jobs, notes = [], []
    for unit in units:
        task = tasks.setdefault(unit.task.content_hash, unit.task)
        (rate,), (note,) = arguments.settle_rates([task], unit.training)
        jobs.append(describe.Settled(task, unit.training, rate))
        notes.append(note)
    spec = describe.run(
        jobs,
        [
            describe.new_chain(i, replica)
            for i, unit in enumerate(units)
            for replica in unit.replicas
        ],
        ambient=units[0].engine == "ambient",
        seed=units[0].seed,
        threads=threads,
    )
    return runs.Chains(list(tasks.values()), spec), notes


def _results(
    units: Sequence[Unit], chains: list[compiled.Chain], notes: list[str]
) -> list[tuple[Arrays, dict[str, Any]]]:
    found = [_empty(unit) for unit in units]
    statuses = [["" for _ in unit.replicas] for unit in units]
    shapes = [record_shapes(unit) for unit in units]
    for chain in chains:
        i = chain.training
        row = units[i].replicas.index(chain.replica)
        records, last = chain.records, chain.last
        for name, shape in shapes[i].items():
            if name in records:  # not of this student, else
                values = records[name].reshape(-1, *shape)
                found[i][name][row][: len(values)] = values
            if name in last and last[name].size:
                found[i][f"final_{name}"][row] = last[name].reshape(shape)
        found[i]["hit_step"][row] = chain.hits
        found[i]["loss_hit_step"][row] = chain.loss_hits
        found[i]["stop_step"][row] = chain.step
        statuses[i][row] = chain.status
    about = [
        {"status": status, "learning_rate": note}
        for status, note in zip(statuses, notes, strict=True)
    ]
    return list(zip(found, about, strict=True))


def record_shapes(unit: Unit) -> dict[str, tuple[int, ...]]:
    """Shape of each series at one record of one replica."""
    if isinstance(unit, SequenceUnit):
        return series_shapes(unit.tasks, unit.trainings)
    found = Sizes.of(unit.task, unit.training).records
    return {name: found.get(name, ()) for name in recorded(unit.training, [found])}


def of_each_task(unit: SequenceUnit) -> dict[str, tuple[int, ...]]:
    """Shape of what is kept of one replica of a sequence beside its records."""
    own = (name for name, dims in SEQUENCE_VARIABLES.items() if dims == ("replica", "task"))
    return dict.fromkeys(own, (len(unit.tasks),))


def record_steps(unit: Unit) -> NDArray[np.int64]:
    """List the steps of the records, of a sequence from its start."""
    if not isinstance(unit, SequenceUnit):
        return unit.training.record_steps
    at = places(unit.trainings)
    return at.step[at.kept]


def _empty(unit: Unit) -> Arrays:
    training, n = unit.training, len(unit.replicas)
    records = len(training.record_steps)
    shapes = record_shapes(unit)
    if isinstance(unit, SequenceUnit):
        found = {name: np.full((n, *shape), np.nan) for name, shape in of_each_task(unit).items()}
        records = len(record_steps(unit))
        series = {name: np.full((n, records, *shape), np.nan) for name, shape in shapes.items()}
        return found | series | {"stop_step": np.zeros(n, dtype=np.int64)}
    return {
        **{name: np.full((n, records, *shape), np.nan) for name, shape in shapes.items()},
        **{f"final_{name}": np.full((n, *shape), np.nan) for name, shape in shapes.items()},
        "hit_step": np.full((n, len(training.thresholds)), -1, dtype=np.int64),
        "loss_hit_step": np.full((n, len(training.loss_thresholds)), -1, dtype=np.int64),
        "stop_step": np.zeros(n, dtype=np.int64),
    }


# ---- results as bytes -----------------------------------------------------------------------


def _encode(arrays: Arrays, about: dict[str, Any]) -> bytes:
    from safetensors.numpy import save

    text = np.frombuffer(json.dumps(about, sort_keys=True).encode(), dtype=np.uint8)
    # It writes memory as it lies, whatever the strides.
    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    data: bytes = save({**whole, "about": text})
    return data


def decode(result: bytes, unit: Unit) -> dict[str, Any]:
    """Read a unit's result: arrays by name, ``status`` (n,) and ``learning_rate``.

    Raises
    ------
    ValueError
        If it is not the result of such a unit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with foreign.explained("it is no result of its unit"):
        try:
            found: dict[str, Any] = load(result)
        except SafetensorError as error:
            raise ValueError(str(error)) from None
        about = foreign.from_json(found.pop("about").tobytes())
        for name, empty in _empty(unit).items():
            if found[name].shape != empty.shape or found[name].dtype != empty.dtype:
                raise ValueError(f"{name} has shape {found[name].shape}")
        status = np.array(about["status"], dtype=str)
        if status.shape != (len(unit.replicas),) or not isinstance(about["learning_rate"], str):
            raise ValueError(f"status has shape {status.shape}")
    return found | {"status": status, "learning_rate": about["learning_rate"]}
