"""The ledger as a file: how it is opened, what it must be, and what errors say.

Why it is set up as it is:

- *Rollback journal, not a write-ahead log.* The log needs memory shared between processes, which
  network file systems do not have, and leaves a second file that must travel with the first. The
  journal with ``synchronous = EXTRA`` survives a SIGKILL or a power cut at any moment; its two
  extra flushes a commit do not matter at about one commit a second.
- ``application_id`` and ``user_version`` say that a file is ours, and which layout it has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Self

from lrft.result import provenance

__all__ = ["LedgerError", "LedgerFile"]

#: "lrft" in ASCII.
APPLICATION_ID = 0x6C726674
#: Version of the tables; others are refused.
SCHEMA_VERSION = 2
_BUSY = 60.0  # seconds to wait for another process that commits

_SCHEMA = (
    "CREATE TABLE environment (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    "CREATE TABLE task (hash TEXT PRIMARY KEY, description TEXT NOT NULL, arrays TEXT)",
    """CREATE TABLE unit (
      key TEXT PRIMARY KEY,
      definition TEXT NOT NULL,  -- canonical JSON; its sha256 is the key
      environment INTEGER NOT NULL REFERENCES environment(id),
      threads INTEGER NOT NULL,
      created TEXT NOT NULL,     -- UTC
      seconds REAL NOT NULL,
      result BLOB NOT NULL,      -- safetensors
      digest TEXT NOT NULL       -- sha256 of the result
    )""",
    """CREATE TABLE failure (
      key TEXT PRIMARY KEY, definition TEXT NOT NULL, created TEXT NOT NULL, reason TEXT NOT NULL
    )""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class LedgerError(OSError):
    """The ledger cannot be read or written; what is in it stays."""


class LedgerFile:
    """A connection to a ledger, as a context manager; see `lrft.study.ledger.Ledger`."""

    def __init__(self, path: str | PathLike[str], *, write: bool = True) -> None:
        self.path = Path(path)
        if not write and not self.path.exists():
            raise ValueError(f"ledger {fspath(path)!r}: no such file")
        _refuse_foreign(self.path)
        if not write:
            _roll_back(self.path)
        uri = f"{self.path.absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
        with self._explained("open"):
            # No implicit transactions: each is written out below.
            self._db = sqlite3.connect(uri, uri=True, timeout=_BUSY, isolation_level=None)
        try:
            with self._explained("write" if write else "read"):
                self._set_up(write)
        except BaseException:
            self._db.close()
            raise

    def _set_up(self, write: bool) -> None:
        if write and self._blank():
            with self._transaction() as db:
                if self._blank():  # no other process was faster
                    for statement in _SCHEMA:
                        db.execute(statement)
        found = self._pragma("application_id"), self._pragma("user_version")
        if found[0] != APPLICATION_ID:
            raise ValueError(f"{self._where} is an SQLite file, but no ledger of lrft")
        if found[1] != SCHEMA_VERSION:
            raise ValueError(
                f"{self._where} has layout {found[1]}, and lrft {provenance.lrft_version()} "
                f"reads layout {SCHEMA_VERSION}"
            )
        if write:
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.execute("PRAGMA synchronous = EXTRA")
            # A file or folder that cannot be written shows now, not after the first block.
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("CREATE TABLE probe (x)")
            self._db.execute("ROLLBACK")

    def _blank(self) -> bool:
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return not tables and not self._pragma("application_id")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    @property
    def _where(self) -> str:
        return f"ledger {str(self.path)!r}"

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Turn SQLite's errors into one that names the file, the reason and what is left."""
        try:
            yield
        except sqlite3.Error as error:
            reasons = {
                "SQLITE_FULL": "the disk is full",
                "SQLITE_IOERR_WRITE": "writing failed; is the disk full?",
                "SQLITE_CANTOPEN": "the folder is missing, or cannot be written",
                "SQLITE_READONLY": "the file or its folder is read-only",
                "SQLITE_BUSY": "another process has held it for a minute",
                "SQLITE_NOTADB": "it is not an SQLite file",
                "SQLITE_CORRUPT": "the file is damaged",
            }
            name = getattr(error, "sqlite_errorname", "")
            reason = next((text for key, text in reasons.items() if name.startswith(key)), "")
            text = f"{reason} ({error})" if reason else str(error)
            raise LedgerError(f"cannot {action} {self._where}: {text}") from error


def _refuse_foreign(path: Path) -> None:
    """Refuse a file that is not SQLite's, before SQLite touches it."""
    try:
        if path.is_dir():
            raise ValueError(f"ledger {str(path)!r} is a folder, expected a file name")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError(f"ledger {str(path)!r} is no regular file")
        if path.exists():
            with path.open("rb") as file:
                head = file.read(16)
            if head and head != b"SQLite format 3\0":
                raise ValueError(f"ledger {str(path)!r} is not a ledger of lrft")
    except OSError as error:
        raise LedgerError(f"cannot open ledger {str(path)!r}: {error.strerror}") from error


def _roll_back(path: Path) -> None:
    """Undo what a killed process left half written, which cannot be done read-only."""
    if not path.with_name(f"{path.name}-journal").exists():
        return
    # What goes wrong here shows again when the file is read.
    with suppress(sqlite3.Error):
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            db.close()
