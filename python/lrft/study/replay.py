"""Compute results again from their own record alone, and compare bit for bit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft import _arguments, _core, provenance, result
from lrft.study import dataset
from lrft.study.driver import sweep
from lrft.study.ledger import Ledger
from lrft.study.points import Unit
from lrft.study.work import Block, decode, run_block
from lrft.training import Training

if TYPE_CHECKING:
    import xarray as xr

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
        A result of `lrft.simulate` or a study in NetCDF, or a ledger.
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
    ds = result.read_netcdf(path)
    _same_set(fspath(path), str(ds.attrs.get("instruction_set")))
    if "study_schema_version" in ds.attrs:
        again = _study(dataset.load(path), threads)
    else:
        again = run_again(result.load(path), threads=threads)
    differences = tuple(_differences(_unfinished_alike(ds, again), again))
    yield Compared(fspath(path), differences, _notes(ds.attrs))


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
    from lrft import simulate

    about = json.loads(ds.attrs["configuration"])
    stored = json.loads(ds.attrs.get("task_arrays", "{}"))
    tasks = [
        provenance.restore_task(one, stored.get(one["content_hash"])) for one in about["tasks"]
    ]
    return simulate(
        tasks if "task" in ds.dims else tasks[0],
        Training.model_validate(about["training"]),
        replicas=ds.replica.values.tolist(),
        seed=about["seed"],
        engine=about["engine"],
        threads=threads,
    )


def _study(ds: xr.Dataset, threads: int | None) -> xr.Dataset:
    if "study" not in ds.attrs:
        raise ValueError(
            "the study was made of Python objects, which its results do not hold: its ledger "
            f"({ds.attrs['ledger']}) does"
        )
    with tempfile.TemporaryDirectory() as folder:
        return sweep(json.loads(ds.attrs["study"]), Path(folder) / "again.db", threads=threads)


def _ledger(
    path: str | PathLike[str], units: int | None, threads: int | None
) -> Iterator[Compared]:
    hands = 1 if threads is None else _arguments.settle_threads(threads)
    with Ledger(path, write=False) as ledger:
        keys = ledger.units()
        if units is not None and len(keys) > units:
            keys = [keys[i] for i in np.linspace(0, len(keys) - 1, units).round().astype(int)]
        for key in keys:
            row = ledger.row(key)
            about = row.definition
            _same_set(f"unit {key[:12]}", about["instruction_set"])
            task = provenance.restore_task(*ledger.task(about["task"]))
            unit = Unit(
                task, Training.model_validate(about["training"]), about["seed"], about["engine"],
                tuple(about["replicas"]),
            )  # fmt: skip
            code, isa = provenance.code_version(), _core.build_info()["isa"]
            (outcome,) = run_block(Block((unit,), hands, code, isa))
            before, now = decode(row.result), decode(outcome.result)
            before.pop("learning_rate")  # text
            differences = tuple(_differences(before, now))
            yield Compared(f"unit {key[:12]}", differences, _notes(row.environment))


def _same_set(what: str, recorded: str) -> None:
    isa = _core.build_info()["isa"]
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
        unset = {"f": np.nan, "i": -1, "U": ""}[ds[name].dtype.kind]
        unknown = ds[name].isnull() if unset != unset else ds[name] == unset
        # Final values of an interrupted replica are those of where it stood.
        if name in ("status", "stop_step") or str(name).startswith("final_"):
            unknown = cut
        # Text is as wide as the longest of both.
        kind = str if ds[name].dtype.kind == "U" else ds[name].dtype
        filled[name] = ds[name].where(~(cut & unknown), again[name]).astype(kind)
    return filled.transpose(*ds.dims)


def _differences(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> Iterator[str]:
    """Compare two results variable by variable; the coordinates of a dataset are not data."""
    names = list(getattr(before, "data_vars", before))
    for name in names:
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
