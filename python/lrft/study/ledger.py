"""The ledger: one row a finished unit of work, in an SQLite file (`lrft.study.ledger_file`).

- *One transaction a commit of finished blocks.* A unit is in the file or it is not.
- Results carry a digest, since SQLite does not notice bits that turn over.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from lrft.base import foreign
from lrft.result import provenance
from lrft.study.ledger_file import LedgerError, LedgerFile
from lrft.study.points import Unit
from lrft.study.work import Outcome

__all__ = ["Damaged", "Ledger", "LedgerError", "Row"]

#: The text of an environment; as bytes, since SQLite refuses to hand out text that is not UTF-8.
_BYTES = "CAST(text AS BLOB)"
_DAMAGED: dict[str, Any] = {"damaged": True}
_MANY, _FEW = 500, 8  # keys in one query; of those that read results


class Damaged(LedgerError):
    """Results do not match their digests: bits turned over since they were written.

    Attributes
    ----------
    keys : list of str
    """

    def __init__(self, where: str, keys: list[str]) -> None:
        units = f"the result of unit {keys[0][:12]} is damaged"
        if len(keys) > 1:
            units = f"the results of {len(keys):,} units are damaged, the first is {keys[0][:12]}"
        super().__init__(f"{where}: {units}; the study, run once more, computes them again")
        self.keys = keys


class Row(NamedTuple):
    """A finished unit as the ledger holds it."""

    key: str
    definition: dict[str, Any]
    environment: dict[str, str]
    threads: int
    created: str
    seconds: float
    result: bytes


class Ledger(LedgerFile):
    """A ledger file, as a context manager.

    Parameters
    ----------
    path : path
        Made if missing, in a folder that exists.
    write : bool
        Whether it will be written; otherwise the file must exist and is left as it is.

    Raises
    ------
    ValueError
        If the file is not a ledger of lrft, or of another version.
    LedgerError
        If it cannot be opened, read or written.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> from lrft.study.ledger import Ledger
    >>> study = {
    ...     "task": {"d": 100, "k": 2}, "training": {"lr": 0.001, "steps": 10},
    ...     "run": {"replicas": 2}, "grid": {"xi": [1.0, 2.0]},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, other = (pathlib.Path(folder) / name for name in ("study.db", "other.db"))
    ...     ds = lrft.sweep(study, path)
    ...     with Ledger(path, write=False) as ledger:
    ...         keys = ledger.units()
    ...         assert ledger.known([*keys, "no such key"]) == set(keys)
    ...         assert {key for key, _ in ledger.results(keys)} == set(keys)
    ...         assert ledger.failures(keys) == {}
    ...         assert len(ledger.environments(keys)) == 1
    ...         row = ledger.row(keys[0])
    ...         description, _ = ledger.task(row.definition["task"])
    ...     with Ledger(other) as copy:
    ...         copy.add(done=[], failed=[])
    ...         taken = copy.merge(path)
    >>> taken == len(keys), description["d"], row.environment["lrft_version"] == lrft.__version__
    (True, 100, True)
    """

    # ---- writing ------------------------------------------------------------------------------

    def add(self, done: Iterable[tuple[Unit, Outcome]], failed: Iterable[tuple[Unit, str]]) -> None:
        """Write finished and failed units, all or none.

        A unit that is there already stays as it is; a failure is forgotten when the unit is done.

        Parameters
        ----------
        done : iterable of (Unit, Outcome)
        failed : iterable of (Unit, str)
            With the reason.

        Raises
        ------
        LedgerError
            If the file cannot be written; then it is as it was.
        """
        now = provenance.now()
        with self._explained("write"), self._transaction() as db:
            for unit, outcome in done:
                self._add_tasks(db, unit)
                db.execute(
                    "INSERT INTO environment(text) VALUES (?) ON CONFLICT DO NOTHING",
                    (outcome.environment,),
                )
                db.execute(
                    "INSERT INTO unit SELECT ?, ?, id, ?, ?, ?, ?, ? FROM environment "
                    "WHERE text = ? ON CONFLICT DO NOTHING",
                    (
                        unit.key,
                        unit.definition,
                        outcome.threads,
                        now,
                        outcome.seconds,
                        outcome.result,
                        _digest(outcome.result),
                        outcome.environment,
                    ),
                )
                db.execute("DELETE FROM failure WHERE key = ?", (unit.key,))
            for unit, reason in failed:
                self._add_tasks(db, unit)
                db.execute(
                    "INSERT OR REPLACE INTO failure SELECT ?1, ?2, ?3, ?4 "
                    "WHERE NOT EXISTS (SELECT 1 FROM unit WHERE key = ?1)",
                    (unit.key, unit.definition, now, reason),
                )

    def forget(self, keys: Iterable[str]) -> None:
        """Delete finished units, so that they are computed again.

        Parameters
        ----------
        keys : iterable of str

        Raises
        ------
        LedgerError
            If the file cannot be written; then it is as it was.
        """
        with self._explained("write"), self._transaction() as db:
            db.executemany("DELETE FROM unit WHERE key = ?", [(key,) for key in keys])

    def _add_tasks(self, db: sqlite3.Connection, unit: Unit) -> None:
        for task in unit.tasks:
            name = task.content_hash
            if db.execute("SELECT 1 FROM task WHERE hash = ?", (name,)).fetchone() is None:
                description = json.dumps(provenance.describe_task(task), sort_keys=True)
                row = (name, description, provenance.store_task(task))
                db.execute("INSERT INTO task VALUES (?, ?, ?)", row)

    def merge(self, other: str | PathLike[str]) -> int:
        """Take over what another ledger has and this one lacks.

        Damaged units stay behind; one that is damaged here is replaced.

        Parameters
        ----------
        other : path

        Returns
        -------
        int
            How many units.

        Raises
        ------
        ValueError
            If the other is no ledger, is this one, or holds another result for the same key; then
            nothing is taken over.
        """
        if Path(other).exists() and self.path.samefile(other):
            raise ValueError(f"{self._where} cannot be merged with itself")
        with Ledger(other, write=False) as source:
            better, new = self._compared(source)
        self.forget(better)
        with self._explained(f"take over {fspath(other)!r} into"):
            self._db.execute("ATTACH ? AS other", (f"{Path(other).absolute().as_uri()}?mode=ro",))
            try:
                with self._transaction() as db:
                    return _merge(db, better + new)
            finally:
                self._db.execute("DETACH other")

    def _compared(self, source: Ledger) -> tuple[list[str], list[str]]:
        """Find what another ledger has better, this one's being damaged, and what is new."""
        here, there = self._digests(), source._digests()
        different = [key for key in there if key in here and here[key] != there[key]]
        better = []
        for key in different:
            if source._sound(key):
                if self._sound(key):
                    raise ValueError(
                        f"{self._where} and {str(source.path)!r} have different results for unit "
                        f"{key[:12]}"
                    )
                better.append(key)
        return better, [key for key in there if key not in here and source._sound(key)]

    def _digests(self) -> dict[str, str]:
        with self._explained("read"):
            return dict(self._db.execute("SELECT key, digest FROM unit").fetchall())

    def _sound(self, key: str) -> bool:
        try:
            return bool(list(self.results([key])))
        except Damaged:
            return False

    # ---- reading ------------------------------------------------------------------------------

    def known(self, keys: Iterable[str]) -> set[str]:
        """Find those of the keys whose units are finished.

        Parameters
        ----------
        keys : iterable of str

        Returns
        -------
        set of str
        """
        return {row[0] for row in self._select("SELECT key FROM unit", keys)}

    def results(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Read the results of those units that are finished, in any order.

        Parameters
        ----------
        keys : iterable of str

        Yields
        ------
        key : str
        result : bytes

        Raises
        ------
        Damaged
            At the end, if there are results that do not match their digests; they are left out.
        """
        damaged = []
        query = "SELECT key, result, digest FROM unit"
        for key, result, digest in self._select(query, keys, _FEW):
            if _digest(result) == digest:
                yield key, result
            else:
                damaged.append(key)
        if damaged:
            raise Damaged(self._where, damaged)

    def failures(self, keys: Iterable[str]) -> dict[str, str]:
        """Read why those units failed that did.

        Parameters
        ----------
        keys : iterable of str

        Returns
        -------
        dict of str to str
            Reasons by key.
        """
        return dict(self._select("SELECT key, reason FROM failure", keys))

    def units(self) -> list[str]:
        """List all finished units, in the order in which they finished.

        Returns
        -------
        list of str
        """
        with self._explained("read"):
            return [row[0] for row in self._db.execute("SELECT key FROM unit ORDER BY rowid")]

    def environments(self, keys: Iterable[str]) -> list[dict[str, Any]]:
        """Say where units ran.

        Parameters
        ----------
        keys : iterable of str

        Returns
        -------
        list of dict
            The distinct environments; ``{"damaged": True}`` for one that cannot be read.
        """
        found = {row[0] for row in self._select("SELECT environment FROM unit", keys)}
        with self._explained("read"):
            rows = self._db.execute(f"SELECT id, {_BYTES} FROM environment ORDER BY id").fetchall()
        known = {number: _environment(text) for number, text in rows if number in found}
        return list(known.values()) + [_DAMAGED] * (len(known) < len(found))

    def row(self, key: str) -> Row:
        """Read everything about one finished unit.

        Parameters
        ----------
        key : str

        Returns
        -------
        Row

        Raises
        ------
        ValueError
            If there is none with this key.
        Damaged
            If the result does not match its digest.
        """
        query = (
            f"SELECT key, definition, {_BYTES}, threads, created, seconds, result, digest "
            "FROM unit LEFT JOIN environment ON environment = id WHERE key = ?"
        )
        with self._explained("read"):
            found = self._db.execute(query, (key,)).fetchone()
        if found is None:
            raise ValueError(f"{self._where} has no finished unit with key {key!r}")
        if _digest(found[6]) != found[7]:
            raise Damaged(self._where, [key])
        with foreign.explained(f"{self._where}: unit {key[:12]}"):
            if hashlib.sha256(found[1].encode()).hexdigest() != key:
                raise ValueError("its definition was changed")
            about = dict(foreign.from_json(found[1]))
        return Row(found[0], about, _environment(found[2]), *found[3:7])

    def task(self, content_hash: str) -> tuple[dict[str, Any], str | None]:
        """Look up a task, for `provenance.restore_task`.

        Parameters
        ----------
        content_hash : str

        Returns
        -------
        description : dict
        arrays : str or None
            Arrays of a given task, stored as text.

        Raises
        ------
        ValueError
            If there is none with this hash.
        """
        with self._explained("read"):
            found = self._db.execute(
                "SELECT description, arrays FROM task WHERE hash = ?", (content_hash,)
            ).fetchone()
        if found is None:
            raise ValueError(f"{self._where} has no task {content_hash[:12]}")
        with foreign.explained(f"{self._where}: task {content_hash[:12]}"):
            return dict(foreign.from_json(found[0])), found[1]

    def _select(
        self, query: str, keys: Iterable[str], many: int = _MANY
    ) -> Iterator[tuple[Any, ...]]:
        wanted = list(keys)
        for i in range(0, len(wanted), many):
            some = wanted[i : i + many]
            marks = ", ".join("?" * len(some))
            with self._explained("read"):  # all at once: while rows are read, nobody can write
                rows = self._db.execute(f"{query} WHERE key IN ({marks})", some).fetchall()
            yield from rows


def _environment(text: Any) -> dict[str, Any]:
    """Read where a unit ran; it says nothing about the result, which stays good without it."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return _DAMAGED
    return found if isinstance(found, dict) else _DAMAGED


def _digest(result: Any) -> str:
    return hashlib.sha256(result).hexdigest() if isinstance(result, bytes) else "not bytes"


def _merge(db: sqlite3.Connection, keys: list[str]) -> int:
    """Take units over from the attached ledger, and what belongs to them; count them."""
    db.execute("CREATE TEMP TABLE taken (key TEXT PRIMARY KEY)")
    db.executemany("INSERT INTO taken VALUES (?)", [(key,) for key in keys])
    # "WHERE true" tells ON CONFLICT from the ON of a join.
    known = "WHERE true ON CONFLICT DO NOTHING"
    db.execute(f"INSERT INTO main.task SELECT * FROM other.task {known}")
    db.execute(f"INSERT INTO main.environment(text) SELECT text FROM other.environment {known}")
    db.execute(
        "INSERT INTO main.environment(text) SELECT 'lost' FROM other.unit WHERE environment "
        "NOT IN (SELECT id FROM other.environment) ON CONFLICT DO NOTHING"
    )
    before = db.total_changes
    db.execute(
        "INSERT INTO main.unit SELECT unit.key, definition, here.id, threads, created, "
        "seconds, result, digest FROM other.unit AS unit JOIN taken USING (key) "
        "LEFT JOIN other.environment AS there ON unit.environment = there.id "
        f"JOIN main.environment AS here ON here.text = coalesce(there.text, 'lost') {known}"
    )
    count = db.total_changes - before
    db.execute(
        "INSERT INTO main.failure SELECT * FROM other.failure "
        "WHERE key NOT IN (SELECT key FROM main.unit) ON CONFLICT DO NOTHING"
    )
    db.execute("DELETE FROM main.failure WHERE key IN (SELECT key FROM main.unit)")
    db.execute("DROP TABLE taken")
    return count
