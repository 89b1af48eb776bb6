"""NetCDF files, written whole or not at all, with whatever text they are given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft import _files

if TYPE_CHECKING:
    import xarray as xr


def write(ds: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a NetCDF file, whole or not at all.

    HDF5 works in memory: where writing fails, on a full disk, it would crash when it closes.
    """
    try:
        content = ds.to_netcdf(engine="h5netcdf")
    except ValueError:  # text that HDF5 cannot take, or something that stays wrong
        content = _texts(ds).to_netcdf(engine="h5netcdf")
    _files.write(content, path)


def _texts(ds: xr.Dataset) -> xr.Dataset:
    """Put question marks for what is no text: bytes of a path that are not UTF-8, and NUL."""
    ds = ds.copy()
    for name, variable in ds.variables.items():
        if variable.dtype.kind in "OU":
            values = [_text(value) for value in variable.values.flat]
            ds[name] = variable.copy(data=np.array(values).reshape(variable.shape))
        ds[name].attrs = {key: _text(value) for key, value in variable.attrs.items()}
    ds.attrs = {key: _text(value) for key, value in ds.attrs.items()}
    return ds


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "?")
