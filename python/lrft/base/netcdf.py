"""NetCDF files: written whole or not at all, with a digest at their end; read with suspicion.

The digest is of the bytes of the file, so a bit that turned over is noticed before HDF5 sees it.
It lies behind the end that HDF5 knows of, where no other program looks.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import files, foreign

if TYPE_CHECKING:
    import h5py
    import xarray as xr

#: What precedes the digest, in hexadecimal.
_SEAL = b"\nlrft sha256 "
_LENGTH = len(_SEAL) + 64
#: Version of the layouts whose files have one; newer ones are refused by their own reader.
_SEALED = 2


def write(ds: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a NetCDF file, whole or not at all.

    HDF5 works in memory: where writing fails, on a full disk, it would crash when it closes.
    """
    try:
        content = ds.to_netcdf(engine="h5netcdf")
    except ValueError:  # text that HDF5 cannot take, or something that stays wrong
        content = _texts(ds).to_netcdf(engine="h5netcdf")
    files.write(sealed(content), path)


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


def sealed(content: bytes | memoryview) -> bytes:
    """Add the digest to the bytes of a file."""
    return b"".join((content, _SEAL, hashlib.sha256(content).hexdigest().encode()))


def read(path: str | os.PathLike[str], *, ours: bool = False) -> xr.Dataset:
    """Read a dataset into memory with the types it was saved with; ValueError says why not.

    With `ours`, a file without a digest is refused, whatever it is.
    """
    import xarray as xr

    where = f"path={str(path)!r}"
    if not Path(path).exists():
        raise ValueError(f"{where}: no such file")
    if not Path(path).is_file():
        raise ValueError(f"{where} is not a file")
    try:
        sound = _is_sound(Path(path))
    except OSError as error:
        raise ValueError(f"{where}: {error.strerror or error}") from error
    if sound is False:
        raise ValueError(f"{where}: its content does not match its digest: the file is damaged")
    try:
        _look(Path(path))
        with warnings.catch_warnings():
            # Other people's files make xarray warn before the layout is looked at.
            warnings.simplefilter("ignore")
            ds = xr.load_dataset(path, engine="h5netcdf", decode_times=False)
            for name, variable in ds.variables.items():
                variable.encoding = {}
                if variable.dtype.kind in "OT":
                    ds[name] = ds[name].astype(str)
                variable.attrs = {key: _plain(value) for key, value in variable.attrs.items()}
    except Exception as error:  # h5py and xarray raise many kinds for files that are not NetCDF
        reason = foreign.shortened(_first_line(error))
        raise ValueError(f"{where}: not a readable NetCDF file ({reason})") from error
    ds.attrs = {key: _plain(value) for key, value in ds.attrs.items()}
    ds.encoding = {}
    version = ds.attrs.get("schema_version", ds.attrs.get("study_schema_version"))
    if sound is None and (ours or version == _SEALED):
        raise ValueError(
            f"{where}: it has no digest at its end: it is damaged, or another program wrote it; "
            "if that is so, lrft.save writes it anew from xarray.load_dataset"
        )
    return ds


def _is_sound(path: Path) -> bool | None:
    """Whether the file matches the digest at its end; None if there is none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - _LENGTH
        if size < 0:
            return None
        file.seek(size)
        seal = file.read()
        if not seal.startswith(_SEAL):
            return None
        file.seek(0)
        digest = hashlib.sha256()
        while size:
            block = file.read(min(size, 2**20))
            if not block:
                return False
            digest.update(block)
            size -= len(block)
    return seal == _SEAL + digest.hexdigest().encode()


# ---- before a byte is unpacked ----------------------------------------------------------------


def _look(path: Path) -> None:
    """Refuse a file that leads to other files, or to far more memory than it has bytes."""
    import h5py

    stored = path.stat().st_size
    total = 0
    with h5py.File(path, "r") as file:
        _look_at_texts(file, stored)
        for name in file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name!r} is a link to another place")
            part = file[name]
            if not isinstance(part, h5py.Dataset):
                raise ValueError(f"{name!r} is a {type(part).__name__.lower()}, not an array")
            if part.external or part.is_virtual:
                raise ValueError(f"{name!r} is kept in another file")
            _look_at_texts(part, stored)
            total += _size(part, path)
            foreign.unpacked("its content", total, stored)


def _size(part: h5py.Dataset, path: Path) -> int:
    """Bytes that an array takes in memory."""
    count, stored = int(part.size or 0), path.stat().st_size
    if part.dtype.kind != "O":
        return count * int(part.dtype.itemsize)
    offset = part.id.get_offset()
    if not count or offset is None or 16 * count > stored:
        return count * stored
    # Text as NumPy holds it: all as wide as the longest. Each entry begins with its length.
    with path.open("rb") as file:
        file.seek(offset)
        entries = np.frombuffer(file.read(16 * count), dtype="<u4")
    return 4 * count * max(4, int(entries[::4].max(initial=0)))


def _look_at_texts(part: Any, stored: int) -> None:
    """Refuse attributes of many texts, which may all be one long one."""
    import h5py

    for name in part.attrs:
        about = part.attrs.get_id(name)
        size = int(np.prod(about.shape, dtype=object)) if about.shape else 1
        if h5py.check_string_dtype(about.dtype) is not None and size > 1:
            foreign.unpacked(f"the attribute {name!r}", size * stored, stored)


def _plain(value: Any) -> Any:
    """HDF5 attributes come back as NumPy scalars; give back the Python ones that were saved."""
    return value.item() if isinstance(value, np.generic) else value


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
