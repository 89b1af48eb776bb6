"""Studies on a grid: one dimension a field, or all points one after the other."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["gridded", "listed"]


def gridded(ds: xr.Dataset) -> xr.Dataset:
    """Give the points of a study on a grid a dimension for each field.

    Parameters
    ----------
    ds : xarray.Dataset
        With the dimension ``point``, first wherever it is, and the sizes of the grid in the
        attribute ``grid``.

    Returns
    -------
    xarray.Dataset
        As it is where there is no grid, or its sizes are not those of the points.
    """
    import xarray as xr

    sizes = _sizes(ds)
    if not sizes or math.prod(sizes.values()) != ds.sizes.get("point"):
        return ds
    if not all(name in ds.coords and ds[name].dims == ("point",) for name in sizes):
        return ds
    found = {}
    for name, variable in ds.variables.items():
        if "point" in variable.dims:
            values = variable.values.reshape(*sizes.values(), *variable.shape[1:])
            dims = (*sizes, *variable.dims[1:])
            if name in sizes:  # it changes along its own dimension alone
                values = values[tuple(slice(None) if one == name else 0 for one in sizes)]
                dims = (name,)
            found[name] = (dims, values, variable.attrs)
        else:
            found[name] = (variable.dims, variable.values, variable.attrs)
    return xr.Dataset(found, attrs=ds.attrs).set_coords(list(ds.coords))


def listed(ds: xr.Dataset) -> xr.Dataset:
    """Put the points of a study on a grid one after the other, the last field fastest.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.sweep` returns it, or a part of it.

    Returns
    -------
    xarray.Dataset
        With the dimension ``point``; as it is where there is no grid.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> study = {
    ...     "task": {"k": 2},
    ...     "training": {"lr": 0.01, "steps": 10},
    ...     "grid": {"d": [50, 100], "xi": [1.0, 2.0]},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db")
    >>> ds.final_loss.dims, lrft.study.listed(ds).final_loss.dims
    (('d', 'xi', 'replica'), ('point', 'replica'))
    """
    import xarray as xr

    names = [name for name in _sizes(ds) if name in ds.dims]
    if not names or "point" in ds.dims:
        return ds
    sizes = {name: ds.sizes[name] for name in names}
    found = {}
    for name, variable in ds.variables.items():
        dims, values = variable.dims, variable.values
        if set(names) & set(dims):
            rest = tuple(dim for dim in dims if dim not in names)
            shape = {dim: ds.sizes[dim] for dim in (*names, *rest)}
            base = variable.to_base_variable()
            whole = base.set_dims(shape).transpose(*shape)  # type: ignore[no-untyped-call]
            points = math.prod(sizes.values())
            values = whole.values.reshape(points, *(ds.sizes[dim] for dim in rest))
            dims = ("point", *rest)
        found[name] = (dims, values, variable.attrs)
    about = ds.attrs | {"grid": json.dumps(sizes)}
    return xr.Dataset(found, attrs=about).set_coords(list(ds.coords))


def _sizes(ds: xr.Dataset) -> dict[str, int]:
    try:
        found = json.loads(ds.attrs.get("grid", "{}"))
    except (TypeError, ValueError):  # of a file that somebody changed
        return {}
    known = isinstance(found, dict) and all(type(size) is int for size in found.values())
    return found if known else {}
