"""Named arrays and texts in one file, ``.npz`` or ``.safetensors``.

Files are written beside their place and moved there, so that a full disk or a crash never leaves
half a file.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import archive, checks, files, foreign

SUFFIXES = (".npz", ".safetensors")


def _suffix(path: str | PathLike[str]) -> tuple[Path, str]:
    try:
        path = Path(path)
    except TypeError:
        raise TypeError(f"path must be a path, got {checks.describe(path)}") from None
    if path.suffix not in SUFFIXES:
        raise ValueError(f"path must end in .npz or .safetensors, got {str(path)!r}")
    return path, path.suffix


def read(path: str | PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and texts of a file, or ValueError naming the path and the reason."""
    path, suffix = _suffix(path)
    try:
        if suffix == ".safetensors":
            return _read_safetensors(path)
        with path.open("rb") as file:
            return archive.read(file)
    except FileNotFoundError:
        raise ValueError(f"cannot read {str(path)!r}: no such file") from None
    except Exception as error:  # many kinds, on files that are truncated, edited, of another kind
        reason = foreign.shortened(str(error)) or type(error).__name__
        raise ValueError(f"cannot read {str(path)!r} as a {suffix} file: {reason}") from None


#: Types of a safetensors file that NumPy has; BF16 is the upper half of a float32.
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def _read_safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    from safetensors import SafetensorError, deserialize, safe_open

    with path.open("rb"):  # for the usual reasons of the operating system
        pass
    try:
        with safe_open(path, framework="numpy") as stored:
            text = dict(stored.metadata() or {})
        found = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    arrays = {}
    for name, about in found:
        kind = about["dtype"]
        if kind not in _TYPES:
            raise ValueError(
                f"{name!r} has numbers of type {kind}, which NumPy does not have: save it as "
                "float32, or as bfloat16"
            )
        value = np.frombuffer(about["data"], dtype=_TYPES[kind])
        if kind == "BF16":  # exact
            value = (value.astype("<u4") << 16).view("<f4")
        arrays[name] = value.reshape(about["shape"])
    return arrays, text


def write(path: str | PathLike[str], arrays: dict[str, NDArray[Any]], text: dict[str, str]) -> None:
    """Write arrays and texts whole or not at all; ValueError naming the path and the reason."""
    path, suffix = _suffix(path)
    try:
        with files.whole(path) as temporary:
            if suffix == ".npz":
                entries = {name: np.array(value) for name, value in text.items()}
                with temporary.open("wb") as file:  # a path would get the suffix .npz
                    np.savez(file, **arrays, **entries)  # type: ignore[arg-type]
            else:
                from safetensors.numpy import save

                temporary.write_bytes(save(dict(arrays), metadata=text))
    except OSError as error:
        raise ValueError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
