"""Compute results again from their own record alone, and compare bit for bit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks, foreign, netcdf
from lrft.base.threads import settle_threads
from lrft.core.engine import compiled
from lrft.fitting.fit import fit
from lrft.model.sequence import Sequence
from lrft.model.training import Training
from lrft.result import dataset as results
from lrft.result import provenance
from lrft.result.grid import listed
from lrft.run import arguments
from lrft.run.simulate import simulate
from lrft.run.simulate_sequence import simulate_sequence
from lrft.study import dataset
from lrft.study.design import read
from lrft.study.driver import sweep
from lrft.study.ledger import Ledger
from lrft.study.points import SequenceUnit, Unit, points
from lrft.study.work import Block, decode, record_steps, run_block

if TYPE_CHECKING:
    import xarray as xr

    from lrft.model.task import Task

__all__ = ["Compared", "rerun"]

#: What the code that made a result is known by.
_MADE_BY = ("lrft_version", "git_commit", "compiler", "eigen_version")


class Compared(NamedTuple):
    """A record beside what it gives now."""

    what: str
    differences: tuple[str, ...]  #: empty: every bit is the same
    notes: tuple[str, ...]  #: what else is different, code or compiler


def rerun(
    path: str | PathLike[str], *, units: int | None = 10, threads: int | None = None
) -> Iterator[Compared]:
    """Compute a result again from its file alone.

    Parameters
    ----------
    path : path
        A result of `lrft.simulate`, `lrft.simulate_sequence`, `lrft.fit` or a study in NetCDF, or
        a ledger.
    units : int, optional
        Of a ledger: how many units, evenly spread over it. None: all.
    threads : int, optional
        As for `lrft.simulate`; results do not depend on it.

    Yields
    ------
    Compared
        One for a file of results, one a unit for a ledger.

    Raises
    ------
    ValueError
        If the file is neither, its record is not enough, or it was made under another
        instruction set than the one that runs.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> from lrft.study.replay import rerun
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10), replicas=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lrft.save(ds, pathlib.Path(folder) / "run.nc")
    ...     [one.differences for one in rerun(pathlib.Path(folder) / "run.nc")]
    [()]
    """
    if not Path(path).is_file():
        raise ValueError(f"{fspath(path)!r}: no such file")
    with Path(path).open("rb") as file:
        head = file.read(16)
    if head == b"SQLite format 3\0":
        yield from _ledger(path, units, threads)
        return
    ds = netcdf.read(path)
    where = fspath(path)
    _same_set(where, str(ds.attrs.get("instruction_set")))
    try:
        if "study_schema_version" in ds.attrs:
            again = _study(dataset.load(path), threads)
        elif ds.attrs.get("kind") == "fit":
            again = fit_again(results.load(path), threads=threads)
        elif ds.attrs.get("kind") == "sequence":
            again = sequence_again(results.load(path), threads=threads)
        else:
            again = run_again(results.load(path), threads=threads)
    except (TypeError, ValueError) as error:  # of a record: content, not arguments
        text = str(error)
        raise ValueError(text if where in text else f"{where}: {text}") from error
    with foreign.explained(where):
        differences = tuple(_differences(_unfinished_alike(ds, again), again))
    yield Compared(where, differences, _notes(ds.attrs))


def run_again(ds: xr.Dataset, threads: int | None = None) -> xr.Dataset:
    """Run what a result of `lrft.simulate` says of itself.

    Parameters
    ----------
    ds : xarray.Dataset
    threads : int, optional

    Returns
    -------
    xarray.Dataset
        From ``configuration``, ``task_arrays`` and the coordinate ``replica`` alone.

    Raises
    ------
    ValueError
        If a task cannot be made again: a custom activation, or arrays too large to be kept.

    Examples
    --------
    >>> import lrft
    >>> from lrft.study.replay import run_again
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10), replicas=2)
    >>> run_again(ds).loss.equals(ds.loss)
    True
    """
    with foreign.explained("it cannot be computed again"):
        about, training = _configuration(ds)
        tasks = [_task(ds, one) for one in about["tasks"]]
        paired = checks.boolean("paired", about.get("paired", False))
        if len(tasks) != ds.sizes.get("replica" if paired else "task", 1):
            raise ValueError(f"its record has {len(tasks)} tasks, and its data have another number")
        seed, engine = about["seed"], about["engine"]
    return simulate(
        tasks if paired or "task" in ds.dims else tasks[0],
        training,
        replicas=ds.replica.values.tolist(),
        seed=seed,
        engine=engine,
        threads=threads,
        paired=paired,
    )


def fit_again(ds: xr.Dataset, threads: int | None = None) -> xr.Dataset:
    """Run what a result of `lrft.fit` says of itself.

    Parameters
    ----------
    ds : xarray.Dataset
    threads : int, optional

    Returns
    -------
    xarray.Dataset
        From the attributes, the samples in the dataset and the coordinate ``replica`` alone.

    Raises
    ------
    ValueError
        If the samples are not in the dataset, since they were a stream or over 64 MiB, or the base
        cannot be made again.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> from lrft.study.replay import fit_again
    >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
    >>> X = np.ones((10, 3))
    >>> ds = lrft.fit(base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01)
    >>> fit_again(ds).train_loss.equals(ds.train_loss)
    True
    """
    with foreign.explained("it cannot be computed again"):
        if "X" not in ds:
            stream = ds.attrs.get("data") == "stream"
            why = "were a stream" if stream else "take more than 64 MiB"
            raise ValueError(f"its samples {why} and are not in the file")
        held_out = None
        if "validation_X" in ds:
            held_out = ds["validation_X"].values, ds["validation_y"].values
        about, training = _configuration(ds)
        base = _task(ds, about["base"])
        options = {name: ds.attrs[name] for name in ("seed", "epochs", "keep")}
    again = fit(
        base,
        training.student,
        ds["X"].values,
        ds["y"].values,
        lr=training.lr,  # type: ignore[arg-type]
        batch=training.batch,
        reuse=training.reuse,
        lookahead=training.lookahead,
        shuffle=ds.attrs.get("shuffle") == 1,
        validation=held_out,
        record=training.record,
        stop_loss=training.stop_loss,
        loss=training.loss,
        optimiser=training.optimiser,
        average=training.average,
        record_parameters=training.record_parameters,
        patience=ds.attrs.get("patience") or None,
        replicas=ds.replica.values.tolist(),
        threads=threads,
        **options,
    )
    for name in ("data_sha256", "validation_sha256"):
        if ds.attrs.get(name) != again.attrs.get(name):
            raise ValueError(f"{name} of the samples in it is another: they were changed")
    return again


def sequence_again(ds: xr.Dataset, threads: int | None = None) -> xr.Dataset:
    """Run what a result of `lrft.simulate_sequence` says of itself.

    Parameters
    ----------
    ds : xarray.Dataset
    threads : int, optional

    Returns
    -------
    xarray.Dataset
        From ``configuration``, ``task_arrays`` and the coordinate ``replica`` alone.

    Raises
    ------
    ValueError
        If a task cannot be made again: a custom activation, or arrays too large to be kept.

    Examples
    --------
    >>> import lrft
    >>> from lrft.study.replay import sequence_again
    >>> sequence = lrft.Sequence.sample(d=200, k=4, overlap=0.5)
    >>> training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.001, steps=100, record=3)
    >>> ds = lrft.simulate_sequence(sequence, training, replicas=2)
    >>> sequence_again(ds).loss.equals(ds.loss)
    True
    """
    with foreign.explained("it cannot be computed again"):
        about = foreign.from_json(ds.attrs["configuration"])
        sequence = Sequence([_task(ds, one) for one in about["tasks"]])
        trainings = [Training.model_validate(one) for one in about["trainings"]]
        options = {name: about[name] for name in ("between", "seed", "engine")}
    return simulate_sequence(
        sequence, trainings, replicas=ds.replica.values.tolist(), threads=threads, **options
    )


def _configuration(ds: xr.Dataset) -> tuple[dict[str, Any], Training]:
    """Read what defines a result; its data must have the steps that it says."""
    about = foreign.from_json(ds.attrs["configuration"])
    training = Training.model_validate(about["training"])
    if training.steps != ds.step[-1] or not np.array_equal(training.record_steps, ds.step):
        raise ValueError("its record is of other steps than its data")
    return about, training


def _task(ds: xr.Dataset, description: Any) -> Task:
    stored = foreign.from_json(ds.attrs.get("task_arrays", "{}"))
    return provenance.restore_task(description, stored.get(description["content_hash"]))


def _study(ds: xr.Dataset, threads: int | None) -> xr.Dataset:
    if "study" not in ds.attrs:
        raise ValueError(
            "the study was made of Python objects, which its results do not hold: its ledger "
            f"({ds.attrs.get('ledger')}) does"
        )
    with foreign.explained("it cannot be computed again"):
        study = foreign.from_json(ds.attrs["study"])
        found = points(read(study))
        for name, values in (
            ("task_hash", [point.task.content_hash for point in found]),
            ("steps", [int(record_steps(point.units[0])[-1]) for point in found]),
        ):
            if listed(ds)[name].values.tolist() != values:
                raise ValueError(f"its record is of another {name} than its data")
    with tempfile.TemporaryDirectory() as folder:
        return listed(sweep(study, Path(folder) / "again.db", threads=threads))


def _ledger(
    path: str | PathLike[str], units: int | None, threads: int | None
) -> Iterator[Compared]:
    hands = 1 if threads is None else settle_threads(threads)
    with Ledger(path, write=False) as ledger:
        keys = ledger.units()
        if units is not None and len(keys) > units:
            keys = [keys[i] for i in np.linspace(0, len(keys) - 1, units).round().astype(int)]
        for key in keys:
            with foreign.explained(f"unit {str(key)[:12]}"):
                row = ledger.row(key)
                about = row.definition
                _same_set(f"unit {key[:12]}", about["instruction_set"])
                unit = _unit(ledger, about)
                before = decode(row.result, unit)
            code, isa = provenance.code_version(), compiled.build_info()["isa"]
            (outcome,) = run_block(Block((unit,), hands, code, isa))
            now = decode(outcome.result, unit)
            before.pop("learning_rate")  # text
            differences = tuple(_differences(before, now))
            yield Compared(f"unit {key[:12]}", differences, _notes(row.environment))


def _unit(ledger: Ledger, about: Mapping[str, Any]) -> Unit:
    """Make a unit again from its definition."""

    def task(name: str) -> Task:
        return provenance.restore_task(*ledger.task(name))

    run = (
        checks.seed("seed", about["seed"]),
        checks.choice("engine", about["engine"], ("reduced", "ambient")),
        tuple(arguments.check_replicas(about["replicas"])),
    )
    if "tasks" not in about:
        return Unit(task(about["task"]), Training.model_validate(about["training"]), *run)
    sequence = Sequence([task(name) for name in about["tasks"]])
    trainings = tuple(Training.model_validate(one) for one in about["trainings"])
    of_all = sequence, trainings, about["between"]
    return SequenceUnit(sequence.tasks[0], trainings[0], *run, *of_all)


def _same_set(what: str, recorded: str) -> None:
    isa = compiled.build_info()["isa"]
    if recorded == "None":
        raise ValueError(f"{what} does not say under which instruction set it was made")
    if recorded != isa:
        raise ValueError(
            f"{what} was made under instruction set {recorded}, but {isa} is running: set "
            f"LRFT_ISA={recorded}"
        )


def _notes(recorded: Mapping[str, Any]) -> tuple[str, ...]:
    now = provenance.environment()
    return tuple(
        f"{name} was {recorded.get(name, 'not recorded')}, now it is {now.get(name, 'unknown')}"
        for name in _MADE_BY
        if recorded.get(name) != now.get(name)
    )


def _unfinished_alike(ds: xr.Dataset, again: xr.Dataset) -> xr.Dataset:
    """Fill what was not reached when a run was cut short, or a study was collected."""
    cut = ds.status.isin(["interrupted", "missing"])
    if not cut.any():
        return ds
    filled = ds.copy()
    for name in ds.data_vars:
        unset = {"f": np.nan, "i": -1, "U": ""}.get(ds[name].dtype.kind)
        if name not in again or "replica" not in ds[name].dims or unset is None:
            continue
        unknown = ds[name].isnull() if unset != unset else ds[name] == unset
        # What is known of the end only is that of where it stood.
        if not {"step", "threshold", "loss_threshold"} & set(ds[name].dims):
            unknown = cut
        # Text is as wide as the longest of both.
        kind = str if ds[name].dtype.kind == "U" else ds[name].dtype
        filled[name] = ds[name].where(~(cut & unknown), again[name]).astype(kind)
    return filled.transpose(*ds.dims)


def _differences(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> Iterator[str]:
    """Compare two results variable by variable; the coordinates of a dataset are not data."""
    names = list(getattr(before, "data_vars", before))
    for name in names:
        if name not in now:
            yield f"{name} is not part of what is computed"
            continue
        old, new = np.asarray(before[name]), np.asarray(now[name])
        if old.shape != new.shape or old.dtype.kind != new.dtype.kind:
            yield f"{name} had shape {old.shape}, now it has {new.shape}"
            continue
        different = ~_same_bits(old, new)
        if different.any():
            yield f"{name} differs in {int(different.sum())} of {different.size} entries"


def _same_bits(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.bool_]:
    same = np.asarray(old == new)
    if old.dtype.kind == "f":
        same = (same & (np.signbit(old) == np.signbit(new))) | (np.isnan(old) & np.isnan(new))
    return same
