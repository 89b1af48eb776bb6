"""Files that are whole or not there, and places that can be written to."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Why a rename fails where writing into the file may not: another file system is mounted on it,
#: or its folder may not be changed.
_NO_RENAME = (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES)


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there takes its place at the end.

    Flushed to disk before it is renamed; removed if the block raises, so that an existing file is
    replaced only by a complete one, which keeps its permissions and owner. Symbolic links are
    followed. A file with several names, and one whose folder may not be changed, is written into
    from a complete temporary one.

    Raises
    ------
    ValueError
        If the folder does not exist, or `path` is a folder, a device or a pipe.
    OSError
        If the file cannot be written.
    """
    target, before = regular(path)
    # Of a length that does not depend on the target's: that may be the longest there can be.
    temporary = target.with_name(f".lrft-{secrets.token_hex(8)}.tmp")
    mode = 0o666 if before is None else stat.S_IMODE(before.st_mode) | stat.S_IRUSR | stat.S_IWUSR
    into = before is not None and before.st_nlink > 1
    try:
        _make(temporary, mode)
    except OSError as error:
        if before is None or error.errno not in _NO_RENAME:
            raise
        temporary, into = Path(tempfile.gettempdir(), temporary.name), True
        _make(temporary, 0o600)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        if before is not None and not into:
            into = not _replaced(temporary, target, before)
        elif not into:
            os.replace(temporary, target)
        if into:
            _fill(target, temporary)
    finally:
        temporary.unlink(missing_ok=True)


def write(content: bytes | memoryview, path: str | os.PathLike[str]) -> None:
    """Write a file, `whole`."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def regular(
    path: str | os.PathLike[str], name: str = "path", *, ledger: bool = False
) -> tuple[Path, os.stat_result | None]:
    """Follow links to the file that writing to `path` means, and say what is there.

    Raises
    ------
    ValueError
        If its folder does not exist, or it is no regular file: to write there would destroy a
        device or a pipe. Also if it is a ledger, unless one is expected.
    OSError
        If the name is too long, or a link leads to itself.
    """
    shown = f"{name}={os.fspath(path)!r}"
    target = Path(os.path.realpath(path))
    try:
        found = target.stat()
    except FileNotFoundError:
        if not target.parent.is_dir():
            parent = os.fspath(Path(path).parent)
            raise ValueError(f"{shown}: the folder {parent!r} does not exist") from None
        return target, None
    except NotADirectoryError as error:
        raise ValueError(f"{shown}: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{shown} is a folder, expected a file name")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{shown} is no regular file")
    if not ledger and _is_ledger(target):
        raise ValueError(f"{shown} is the ledger of a study: choose another name")
    return target, found


def _is_ledger(path: Path) -> bool:
    """Look for the marks of SQLite and, in its header, of lrft (`lrft.study.ledger_file`)."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:  # written to, perhaps, but not read
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:] == b"lrft"


def same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Tell whether two names mean one file, through links, whether or not it exists."""
    with suppress(OSError):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


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


def somewhere(
    path: str | os.PathLike[str],
    write: Callable[[Path], object],
    say: Callable[[str], object],
) -> Path:
    """Write what must not be lost: where it belongs or, if that cannot be, elsewhere.

    A folder that has gone is made again. Otherwise the current folder is tried, then a new one
    among the temporary folders, in both under a name that is not taken.

    Parameters
    ----------
    path : path
        Where it belongs.
    write : callable
        Writes to the path it is given, as `whole` does.
    say : callable
        Told in one line why it is elsewhere, and where.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    OSError, ValueError
        The first reason, if it can be written nowhere.
    """
    first: Exception | None = None
    for find in _places(Path(path)):
        try:
            place = find()
            write(place)
        except (OSError, ValueError) as error:
            first = first or error
            continue
        if first is not None:
            say(f"cannot save {os.fspath(path)}: {reason(first)}; saved {place} instead")
        return place
    assert first is not None
    raise first


def reason(error: Exception) -> str:
    """Say why, without the file's name where the system gives one."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _places(path: Path) -> Iterator[Callable[[], Path]]:
    def here() -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def current() -> Path:
        if not os.path.lexists(path.name):
            return Path(path.name)
        return Path(f"{path.stem[:200]}-{secrets.token_hex(4)}{path.suffix}")

    def temporary() -> Path:
        # A short name: the one that was wanted may be what is wrong.
        return Path(tempfile.mkdtemp(prefix="lrft-"), f"result{path.suffix}")

    yield from (here, current, temporary)


def _make(temporary: Path, mode: int) -> None:
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))


def _replaced(temporary: Path, target: Path, before: os.stat_result) -> bool:
    """Put the temporary file in the place of one that was there, as its owner left it."""
    with suppress(OSError):  # only root may give files away
        os.chown(temporary, before.st_uid, before.st_gid)
    with suppress(OSError):
        os.chmod(temporary, stat.S_IMODE(before.st_mode))
    try:
        os.replace(temporary, target)
    except OSError as error:
        if error.errno not in _NO_RENAME:
            raise
        return False
    return True


def _fill(target: Path, temporary: Path) -> None:
    """Write a complete file into one that keeps its place."""
    with open(temporary, "rb") as source, open(target, "rb+") as sink:
        if hasattr(os, "posix_fallocate") and os.path.getsize(temporary):
            os.posix_fallocate(sink.fileno(), 0, os.path.getsize(temporary))  # full: nothing lost
        shutil.copyfileobj(source, sink)
        sink.truncate()
        sink.flush()
        os.fsync(sink.fileno())
