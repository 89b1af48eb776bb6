"""Results: one labelled `xarray.Dataset` per run, and its NetCDF file.

The tables of `variables` are the layout; `assemble` fills it, `save` and `load` carry it to disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import netcdf
from lrft.model.task import Task
from lrft.result import provenance
from lrft.result.endings import hit_quantile, one_overlap
from lrft.result.variables import (
    COORDINATES,
    FIT_VARIABLES,
    SEQUENCE_VARIABLES,
    STATISTICS,
    VARIABLES,
    recorded,
)

if TYPE_CHECKING:
    import xarray as xr

    from lrft.model.training import Training

__all__ = ["assemble", "hit_quantile", "load", "one_overlap", "save"]


# More of û than one number: singular values between row spaces, or all pairs of neurons.
_EXTRA_DIMS: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("component",),
    2: ("student_row", "teacher_row"),
}


def get_ready(*, to_save: bool = False) -> None:
    """Load what a result needs before the work begins, so that Ctrl-C is answered at once.

    xarray loads some of it at the first dataset and some at the first file: half a second each.
    """
    import xarray as xr

    provenance.environment()  # in a checkout it asks git
    ds = xr.Dataset({"x": ("step", np.zeros(1))})
    if to_save:
        ds.to_netcdf(engine="h5netcdf")


def assemble(
    tasks: Task | Sequence[Task],
    training: Training,
    raw: Mapping[str, Any],
    attrs: Mapping[str, Any],
    *,
    paired: bool = False,
) -> xr.Dataset:
    """Label the arrays of a run and attach where they came from.

    Parameters
    ----------
    tasks : Task or sequence of Task
        One task not in a list drops the ``task`` dimension.
    training : Training
    raw : mapping
        ``step`` int64 (n,); ``overlap_u``, ``overlap_c``, ``loss`` float64 (T, R, n), and
        ``final_overlap_u``, ``final_overlap_c``, ``final_loss`` (T, R), overlaps optionally with
        one or two further axes; ``thresholds`` float64 (m,), ``hit_step`` int64
        (T, R, m); ``loss_thresholds`` float64 (q,), ``loss_hit_step`` int64 (T, R, q); ``status``
        str (T, R); ``stop_step`` int64 (T, R); optionally ``replica`` int64 (R,), else 0…R−1.
    attrs : mapping
        ``seed``, ``engine`` and ``threads`` are required; the rest (str, int or float, for example
        ``interrupted``) is kept as it is.
    paired : bool
        Replica i is of task i: the arrays have one row of replicas, T = 1.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(task, replica, step)``, or ``(replica, step)`` for one task, with coordinates
        ``threshold`` and ``loss_threshold`` for the hitting steps. Attributes carry the provenance;
        ``configuration`` is JSON with the tasks, the training, seed, replicas and engine;
        ``task_arrays`` the arrays of given tasks, up to 64 MiB each (`provenance.store_task`).

    Raises
    ------
    ValueError
        If an array's shape does not fit the others; the message names it.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10, record=2), replicas=3, seed=0)
    >>> ds.overlap_u.dims
    ('replica', 'step')
    """
    import xarray as xr

    single = isinstance(tasks, Task)
    task_list: list[Task] = [tasks] if isinstance(tasks, Task) else list(tasks)

    # Through objects, so that the string width is that of the longest entry, as `load` gives it.
    status = np.asarray(raw["status"]).astype(object).astype(str)
    rows = 1 if paired else len(task_list)
    if status.ndim != 2 or status.shape[0] != rows:
        raise ValueError(f"raw['status'] has shape {status.shape}, expected ({rows}, replicas)")
    replicas = status.shape[1]
    coordinates = {
        "step": np.asarray(raw["step"], dtype=np.int64),
        "replica": np.asarray(raw.get("replica", np.arange(replicas)), dtype=np.int64),
        "threshold": np.asarray(raw["thresholds"], dtype=np.float64),
        "loss_threshold": np.asarray(raw["loss_thresholds"], dtype=np.float64),
    }
    sizes = {"task": rows} | {name: len(values) for name, values in coordinates.items()}

    data = {}
    there = recorded(training, [raw])
    for name, variable in VARIABLES.items():
        statistic = STATISTICS.get(name.removeprefix("final_"))
        if statistic is not None and name.removeprefix("final_") not in there:
            continue
        values = status if name == "status" else np.asarray(raw[name])
        expected = tuple(sizes[dim] for dim in variable.dims if dim in sizes)
        extra: tuple[str, ...] | None = ()
        if statistic is not None and statistic.several:
            extra = statistic.dims or _EXTRA_DIMS.get(values.ndim - len(expected))
        if (
            extra is None
            or values.shape[: len(expected)] != expected
            or (len(expected) + len(extra) != values.ndim)
        ):
            raise ValueError(f"raw[{name!r}] has shape {values.shape}, expected {expected}")
        data[name] = ((*variable.dims[: len(expected)], *extra), values)

    per_task = {
        "task_hash": np.array([task.content_hash for task in task_list], dtype=str),
        "d": np.array([task.d for task in task_list], dtype=np.int64),
        "k": np.array([task.k for task in task_list], dtype=np.int64),
        "xi": np.array([task.xi for task in task_list], dtype=np.float64),
        "activation": np.array([str(task.activation) for task in task_list], dtype=str),
    }
    ds = xr.Dataset(
        data,
        coords=coordinates
        | {name: ("replica" if paired else "task", values) for name, values in per_task.items()},
    )
    for name in data:
        variable = VARIABLES[name]
        ds[name].attrs = {"long_name": variable.long_name, "definition": variable.definition}
        if name != "status":
            ds[name].attrs["units"] = "1"
    for name, (long_name, definition) in COORDINATES.items():
        ds[name].attrs = {"long_name": long_name, "definition": definition}
        if ds[name].dtype.kind != "U":
            ds[name].attrs["units"] = "1"

    ds.attrs = {
        "title": "Low-rank fine-tuning: learning dynamics",
        "schema_version": provenance.SCHEMA_VERSION,
        "created": provenance.now(),
        **provenance.environment(),
        "replicas": replicas,
        "configuration": provenance.configuration(
            task_list,
            training,
            seed=attrs["seed"],
            replicas=replicas,
            engine=attrs["engine"],
            paired=paired,
        ),
        **provenance.task_arrays(task_list),
        **attrs,
    }
    return ds.squeeze("task") if single or paired else ds


def told(ds: xr.Dataset, name: str) -> str:
    """Write ``d``, ``k``, ``xi`` or ``activation`` for a title; of paired tasks the range."""
    values = np.unique(ds[name].values)
    if values.dtype.kind == "U":
        return " or ".join(values.tolist())
    ends = dict.fromkeys((values[0], values[-1]))
    return " to ".join(f"{one:.4g}" if name == "xi" else str(one) for one in ends)


def save(ds: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a result to a NetCDF file, whole or not at all.

    The file is written beside ``path`` under a temporary name, flushed to disk and renamed, so an
    existing file is replaced only by a complete one.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate`, `lrft.simulate_sequence` or `lrft.fit` returns it.
    path : path-like
        Usually ending in ``.nc``; its folder must exist.

    Raises
    ------
    ValueError
        If ``ds`` is not a result, or the folder does not exist.
    OSError
        If the file cannot be written (no permission, disk full).

    Examples
    --------
    >>> import tempfile, pathlib, lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10, record=2), replicas=2, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lrft.save(ds, pathlib.Path(folder) / "run.nc")
    ...     lrft.load(pathlib.Path(folder) / "run.nc").identical(ds)
    True
    """
    _check_layout(ds, "ds")
    netcdf.write(ds, path)


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a result back from a NetCDF file, exactly as it was saved.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    xarray.Dataset
        In memory; the file is closed.

    Raises
    ------
    ValueError
        If there is no such file, it cannot be read, it was damaged since it was saved (its digest
        says so), it is not a result of lrft, or its layout is newer than this version understands.
        The message says which.

    Examples
    --------
    >>> import lrft
    >>> lrft.load("no-such-file.nc")
    Traceback (most recent call last):
    ...
    ValueError: path='no-such-file.nc': no such file
    """
    ds = netcdf.read(path)
    _check_layout(ds, f"path={str(path)!r}")
    return ds


def _later(name: str) -> bool:
    """Whether a file may have been made before there was such a statistic."""
    statistic = STATISTICS.get(name.removeprefix("final_"))
    return statistic is not None and statistic.later


def _check_layout(ds: xr.Dataset, where: str) -> None:
    kinds: dict[Any, Sequence[str]] = {"fit": FIT_VARIABLES, "sequence": [*SEQUENCE_VARIABLES]}
    kind, version = ds.attrs.get("kind"), ds.attrs.get("schema_version")
    expected = tuple(kinds.get(kind, VARIABLES))
    if version == 1:  # had no final values; `held` makes do with the last records
        expected = tuple(name for name in expected if not name.startswith("final_"))
    expected = tuple(name for name in expected if name in ds.variables or not _later(name))
    missing = [name for name in expected if name not in ds.variables]
    if version is None or missing:
        lacks = ", ".join(missing) or "the attribute schema_version"
        raise ValueError(f"{where}: not a result of lrft (it lacks {lacks})")
    if not isinstance(version, int | np.integer):
        raise ValueError(f"{where}: not a result of lrft (schema_version={version!r})")
    if version > provenance.SCHEMA_VERSION:
        raise ValueError(
            f"{where}: layout version {version} is newer than the version "
            f"{provenance.SCHEMA_VERSION} that lrft {provenance.lrft_version()} reads"
        )

    for name in (*expected, *(("replica", "step") if kind in kinds else COORDINATES)):
        if name not in ds.variables:
            raise ValueError(f"{where}: not a result of lrft (it lacks {name})")
        wanted, found = _dims(ds, name), ds[name].dims
        if found[: len(wanted)] != wanted or len(found) - len(wanted) not in _EXTRA_DIMS:
            raise ValueError(f"{where}: {name} has dimensions {found}, expected {wanted}")
        if ds[name].dtype.kind not in _kinds(name):
            raise ValueError(f"{where}: {name} has dtype {ds[name].dtype}")


def _dims(ds: xr.Dataset, name: str) -> tuple[str, ...]:
    """Dimensions that a variable begins with."""
    if name in ("replica", "step", "threshold", "loss_threshold"):
        return (name,)
    if name in COORDINATES:
        if "task" in ds.dims:
            return ("task",)
        return ("replica",) if "replica" in ds["task_hash"].dims else ()  # paired
    if ds.attrs.get("kind") == "sequence":
        return SEQUENCE_VARIABLES[name]
    if ds.attrs.get("kind") == "fit":
        return ("replica", "step") if name.endswith("_loss") else ("replica",)
    return tuple(dim for dim in VARIABLES[name].dims if dim != "task" or "task" in ds.dims)


def _kinds(name: str) -> str:
    """Kinds of type, as NumPy names them, that a variable may have."""
    if name in ("status", "task_hash", "activation"):
        return "U"
    counts = ("replica", "step", "d", "k", "stage", "begins")
    return "iu" if name in counts or name.endswith("_step") else "f"
