"""The results of a study, as one labelled dataset, a table, and files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from lrft.base import files, netcdf
from lrft.model import schedule
from lrft.model.task import Task
from lrft.result import numbers, provenance
from lrft.result.grid import gridded, listed
from lrft.result.sequences import described, dims_of
from lrft.result.variables import VARIABLES
from lrft.study.design import Design, label
from lrft.study.ledger import Damaged, Ledger
from lrft.study.points import Point, SequenceUnit, Unit
from lrft.study.work import decode, of_each_task, record_shapes, record_steps

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["SCHEMA_VERSION", "assemble", "load", "save", "to_dataframe"]

#: Version of the layout of a study's file.
SCHEMA_VERSION = 2
#: Full records are left out where they would need more bytes.
MOST_RECORD_BYTES = 2**30
_EXTRA = ((), ("component",), ("student_row", "teacher_row"))


def assemble(design: Design, points: list[Point], ledger: Ledger) -> xr.Dataset:
    """Put what a ledger has of a study into one dataset; see `lrft.sweep`."""
    import xarray as xr

    keys = {unit.key: unit for point in points for unit in point.units}
    sequence = isinstance(points[0].units[0], SequenceUnit)
    replicas = [i for unit in points[0].units for i in unit.replicas]
    failures = ledger.failures(keys)
    arrays, notes = _arrays(points, _results(ledger, keys), failures, len(replicas))

    training = points[0].training
    data = {}
    for name, values in arrays.items():
        if sequence:
            data[name] = (("point", *dims_of(name)), values)
            continue
        dims = ("point", "replica", *(VARIABLES[name].dims[2:] if name in VARIABLES else ()))
        extra = _EXTRA[values.ndim - len(dims)]
        data[name] = ((*dims, *extra), values)
    levels: dict[str, NDArray[Any]] = {
        "threshold": np.array(training.thresholds, dtype=np.float64),
        "loss_threshold": np.array(training.loss_thresholds, dtype=np.float64),
    }
    if sequence:
        levels = {"task": np.arange(len(points[0].units[0].tasks))}
    ds = xr.Dataset(
        data,
        coords={
            "replica": np.array(replicas, dtype=np.int64),
            **levels,
            **{name: ("point", values) for name, values in _coordinates(design, points).items()},
            **{name: ("point", values) for name, values in _rates(points, notes).items()},
            "failure": ("point", _reasons(points, failures)),
        },
    )
    if "loss" in arrays:
        ds = ds.assign_coords(step=record_steps(points[0].units[0]))
    for name in map(str, ds.data_vars):
        long_name, definition = described(name) if sequence else VARIABLES[name][1:]
        ds[name].attrs = {"long_name": long_name, "definition": definition}
    ds.status.attrs["definition"] += "; failed: see failure; missing: not yet in the ledger"
    ds.attrs = {
        "title": design.title or "Low-rank fine-tuning: a study",
        "study_schema_version": SCHEMA_VERSION,
        "created": provenance.now(),
        **provenance.environment(),
        "axes": json.dumps([label(axis) for axis in design.axes]),
        "grid": json.dumps({label(axis): size for axis, size in design.grid.items()}),
        "ledger": str(ledger.path.absolute()),
        "computed_by": json.dumps(ledger.environments(keys), sort_keys=True),
        **({"study": design.source} if design.source is not None else {}),
        **({"kind": "sequence"} if sequence else {}),
    }
    return gridded(ds)


def _results(ledger: Ledger, units: Mapping[str, Unit]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read results; a digest that is right does not make content right."""
    bad: list[str] = []
    try:
        for key, data in ledger.results(units):
            try:
                yield key, decode(data, units[key])
            except ValueError:
                bad.append(key)
    except Damaged as error:
        bad += error.keys
    if bad:
        raise Damaged(f"ledger {str(ledger.path)!r}", bad)


def _arrays(
    points: list[Point],
    results: Iterable[tuple[str, dict[str, Any]]],
    failures: dict[str, str],
    replicas: int,
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Collect arrays (point, replica, ...) and how each rate was found.

    What is missing is nan, -1 or empty.
    """
    shape = (len(points), replicas)
    levels = len(points[0].training.thresholds), len(points[0].training.loss_thresholds)
    extra = _largest(points)
    found: dict[str, NDArray[Any]] = {
        f"final_{name}": np.full((*shape, *extra[name]), np.nan) for name in extra
    }
    found |= {
        "hit_step": np.full((*shape, levels[0]), -1, dtype=np.int64),
        "loss_hit_step": np.full((*shape, levels[1]), -1, dtype=np.int64),
    }
    first = points[0].units[0]
    if isinstance(first, SequenceUnit):
        found = {n: np.full((*shape, *one), np.nan) for n, one in of_each_task(first).items()}
    found |= {
        "stop_step": np.zeros(shape, dtype=np.int64),
        "status": np.full(shape, "missing", dtype=object),
    }
    steps = record_steps(first)
    numbers = sum(int(np.prod(size)) for size in extra.values())
    if _same_records(points) and 8 * replicas * len(points) * len(steps) * numbers <= (
        MOST_RECORD_BYTES
    ):
        found |= {name: np.full((*shape, len(steps), *extra[name]), np.nan) for name in extra}
    rates = [""] * len(points)
    places: dict[str, list[tuple[int, slice]]] = {}
    for i, point in enumerate(points):
        row = 0
        for unit in point.units:
            rows = slice(row, row + len(unit.replicas))
            row = rows.stop
            places.setdefault(unit.key, []).append((i, rows))
    for key, result in results:  # a few in memory at a time
        failures.pop(key, None)  # it has been done since
        for i, rows in places[key]:
            _fill(found, (i, rows), result)
            rates[i] = result["learning_rate"]
    for key in failures:
        for at in places[key]:
            found["status"][at] = "failed"
    found["status"] = found["status"].astype(str)
    return found, rates


def _fill(found: dict[str, NDArray[Any]], at: tuple[int, slice], result: Mapping[str, Any]) -> None:
    for name in filter(result.__contains__, found):
        _put(found[name][at], result[name])


def _put(target: NDArray[Any], values: NDArray[Any]) -> None:
    """Copy into the first entries of each axis; one number is the first of several."""
    values = values.reshape(*values.shape, *(1,) * (target.ndim - values.ndim))
    target[tuple(slice(n) for n in values.shape)] = values


def _largest(points: list[Point]) -> dict[str, tuple[int, ...]]:
    """Shapes of one record, large enough for all points."""
    shapes = [record_shapes(point.units[0]) for point in points]
    found = {}
    for name in dict.fromkeys(name for shape in shapes for name in shape):
        several = {shape[name] for shape in shapes if name in shape}
        most = max(map(len, several))
        padded = [shape + (1,) * (most - len(shape)) for shape in several]
        found[name] = tuple(max(sizes) for sizes in zip(*padded, strict=True))
    return found


def _same_records(points: list[Point]) -> bool:
    plans = {
        tuple((one.record, one.steps) for one in getattr(p.units[0], "trainings", (p.training,))): p
        for p in points
    }
    first = record_steps(points[0].units[0])
    return all(np.array_equal(record_steps(p.units[0]), first) for p in plans.values())


def _coordinates(design: Design, points: list[Point]) -> dict[str, NDArray[Any]]:
    """Collect the values of the design, and what identifies the task and the rate."""
    columns = {label(axis): [_plain(p.values[axis]) for p in points] for axis in design.axes}
    found = {name: _column(values) for name, values in columns.items()}
    own: dict[str, NDArray[Any]] = {
        "task_hash": np.array([point.task.content_hash for point in points], dtype=str),
        "d": np.array([point.task.d for point in points], dtype=np.int64),
        "k": np.array([point.task.k for point in points], dtype=np.int64),
        "xi": np.array([point.task.xi for point in points], dtype=np.float64),
        "activation": np.array([str(point.task.activation) for point in points], dtype=str),
        "steps": np.array([int(record_steps(p.units[0])[-1]) for p in points], dtype=np.int64),
        "engine": np.array([point.units[0].engine for point in points], dtype=str),
    }
    return own | found


def _plain(value: Any) -> Any:
    """Make a value a number or text, whatever it was."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Task):
        return value.content_hash[:12]
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    try:
        return json.dumps(value, sort_keys=True)
    except TypeError:
        return str(value)


def _column(values: list[Any]) -> NDArray[Any]:
    kinds = {bool if isinstance(value, bool) else type(value) for value in values}
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    if kinds == {int} and max(map(abs, values)) < 2**63:
        return np.array(values, dtype=np.int64)
    if kinds == {int} and min(values) >= 0 and max(values) < 2**64:
        return np.array(values, dtype=np.uint64)  # seeds
    if kinds <= {int, float} and all(float(value) == value for value in values):
        return np.array(values, dtype=np.float64)
    return np.array([str(value) for value in values], dtype=str)


def _rates(points: list[Point], notes: list[str]) -> dict[str, NDArray[Any]]:
    """Collect the rate of û at step 0, that times d, and what ``lr="auto"`` says of it."""
    chosen = np.array([numbers.chosen(note) for note in notes])
    given = [
        np.nan if point.training.lr == "auto" else float(schedule.rates(point.training.lr, 0, 1)[0])
        for point in points
    ]
    rate = np.where(np.isnan(given), chosen[:, 0], given)
    found = {"learning_rate": rate, "delta": rate * [point.task.d for point in points]}
    if set(notes) - {"", "given"}:
        found |= {"stability_limit": chosen[:, 1], "rate_note": np.array(notes, dtype=str)}
    return found


def _reasons(points: list[Point], failures: Mapping[str, str]) -> NDArray[Any]:
    first = [[failures[u.key] for u in point.units if u.key in failures][:1] for point in points]
    return np.array([reasons[0] if reasons else "" for reasons in first], dtype=str)


# ---- tables and files -----------------------------------------------------------------------


def to_dataframe(ds: xr.Dataset) -> pd.DataFrame:
    """Make a table with one row a replica of a point.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.sweep` returns it.

    Returns
    -------
    pandas.DataFrame
        Columns: ``point``, ``replica``, the coordinates of the points, ``status``, ``stop_step``,
        the final values (with several overlaps, one column each), ``hit_step_0.5`` and the like.
        Its ``attrs`` are those of the dataset.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {"task": {"d": 50, "k": 2}, "training": {"lr": 0.01, "steps": 10}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db")
    >>> lrft.study.to_dataframe(ds).shape[0]
    8
    """
    import pandas as pd

    ds = listed(ds)
    count, replicas = ds.sizes["point"], ds.sizes["replica"]
    columns: dict[str, Any] = {
        "point": np.repeat(np.arange(count), replicas),
        "replica": np.tile(ds.replica.values, count),
    }
    for name, coordinate in ds.coords.items():
        if coordinate.dims == ("point",):
            columns[str(name)] = np.repeat(coordinate.values, replicas)
    for name in ds.data_vars:
        if "step" in ds[name].dims:
            continue
        values = ds[name].values.reshape(count * replicas, -1)
        for j, suffix in enumerate(_suffixes(ds, str(name))):
            columns[f"{name}{suffix}"] = values[:, j]
    table = pd.DataFrame(columns)
    table.attrs = dict(ds.attrs)
    return table


def _suffixes(ds: xr.Dataset, name: str) -> list[str]:
    dims = ds[name].dims[2:]
    if not dims:
        return [""]
    if dims[0] in ds.coords:
        return [f"_{level:g}" for level in ds[dims[0]].values]
    return ["_" + "_".join(map(str, index)) for index in np.ndindex(ds[name].shape[2:])]


def save(ds: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write the results of a study to NetCDF, Parquet or CSV, whole or not at all.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.sweep` returns it.
    path : path
        Ends in ``.nc`` (everything), or ``.parquet`` or ``.csv`` (the table of `to_dataframe`).

    Raises
    ------
    ValueError
        For another suffix, a folder that does not exist, or a file that is a ledger.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {"task": {"d": 50, "k": 2}, "training": {"lr": 0.01, "steps": 10}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db")
    ...     lrft.study.save(ds, pathlib.Path(folder) / "study.nc")
    ...     lrft.study.load(pathlib.Path(folder) / "study.nc").identical(ds)
    True
    """
    check_suffix(path)
    if Path(path).suffix == ".nc":
        netcdf.write(listed(ds), path)
        return
    with files.whole(path) as temporary:
        if Path(path).suffix == ".csv":
            to_dataframe(ds).to_csv(temporary, index=False)
        else:
            to_dataframe(ds).to_parquet(temporary, engine="pyarrow", index=False)


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Refuse a file that `save` could not write, before anything runs."""
    if Path(path).suffix not in (".nc", ".parquet", ".csv"):
        raise ValueError(f"path must end in .nc, .parquet or .csv, got {os.fspath(path)!r}")
    if Path(path).suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ValueError("Parquet needs pyarrow: pip install 'lrft[sweep]'") from error


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the results of a study back from NetCDF, as they were saved.

    Parameters
    ----------
    path : path

    Returns
    -------
    xarray.Dataset
        In memory; the file is closed.

    Raises
    ------
    ValueError
        If there is no such file, or it holds no study of this layout.

    Examples
    --------
    >>> import lrft
    >>> lrft.study.load("no-such-file.nc")
    Traceback (most recent call last):
    ...
    ValueError: path='no-such-file.nc': no such file
    """
    ds = netcdf.read(path)
    where = f"path={os.fspath(path)!r}"
    version = ds.attrs.get("study_schema_version")
    if version is None:
        raise ValueError(f"{where}: not the results of a study")
    if version not in (1, SCHEMA_VERSION):
        raise ValueError(f"{where}: layout version {version!r}, expected {SCHEMA_VERSION}")
    sequence = ds.attrs.get("kind") == "sequence"
    own = ("forgetting", "transfer") if sequence else ("hit_step", "loss_hit_step")
    for name in ("status", "stop_step", *own):
        if name not in ds.data_vars or ds[name].dims[:2] != ("point", "replica"):
            raise ValueError(f"{where}: not the results of a study (it lacks {name})")
    return gridded(ds)
