"""Files that are whole or not there, and folders that can be written to."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there takes its place at the end.

    Flushed to disk before it is renamed; removed if the block raises, so that an existing file is
    replaced only by a complete one.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ValueError(f"path={str(target)!r}: the folder {str(target.parent)!r} does not exist")
    if target.is_dir():
        raise ValueError(f"path={str(target)!r} is a folder, expected a file name")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def folder(out: str | os.PathLike[str]) -> Path:
    """Make the folder `out` unless it exists; ValueError if nothing can be written there."""
    made = Path(out)
    try:
        made.mkdir(parents=True, exist_ok=True)
        probe = made / f".{secrets.token_hex(4)}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"out={str(made)!r}: cannot write there ({error.strerror})") from error
    return made
