"""The one reader of ``.npz`` archives: sizes are looked at before anything is unpacked."""

from __future__ import annotations

import math
import os
import zipfile
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from lrft.base import foreign

__all__ = ["read"]


def read(file: IO[bytes]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read an archive: arrays by name, and 0-d entries as text.

    Parameters
    ----------
    file : binary file
        That can seek.

    Returns
    -------
    arrays : dict of str to array
    text : dict of str to str

    Raises
    ------
    ValueError
        If it is no archive of arrays, an entry is larger than it says or not plain numbers or
        text, or all of it would take far more memory than the file has bytes.
    OSError, zipfile.BadZipFile, zlib.error and others
        From the archive; `lrft.model.files.read` makes one error of them.
    """
    stored = file.seek(0, os.SEEK_END)
    if not zipfile.is_zipfile(file):
        raise ValueError("not a zip archive, or truncated")
    arrays: dict[str, NDArray[Any]] = {}
    text: dict[str, str] = {}
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        foreign.unpacked("its content", sum(entry.file_size for entry in entries), stored)
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError("it has two entries of one name")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename:
                raise ValueError(f"entry {name!r} is not an array")
            value = _entry(archive, entry, name)
            if value.ndim == 0:
                text[name] = str(value[()])
            else:
                arrays[name] = value
    return arrays, text


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    with archive.open(entry) as opened:
        version = npy.read_magic(opened)
        if version == (1, 0):
            shape, _, dtype = npy.read_array_header_1_0(opened)
        elif version == (2, 0):
            shape, _, dtype = npy.read_array_header_2_0(opened)
        else:
            raise ValueError(f"entry {name!r} has version {version} of the npy format")
        if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
            raise ValueError(f"entry {name!r} holds Python objects or records, not numbers")
        if any(size < 0 for size in shape):
            raise ValueError(f"entry {name!r} has shape {shape}")
        if opened.tell() + math.prod(shape) * dtype.itemsize != entry.file_size:
            raise ValueError(f"entry {name!r} has another size than its shape {shape}")
    with archive.open(entry) as opened:
        value: NDArray[Any] = npy.read_array(opened, allow_pickle=False)
    return value
