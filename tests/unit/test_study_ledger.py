"""The ledger: what it refuses, what it survives, and how two become one."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import lrft
from lrft import study as studies
from lrft.study.ledger import Ledger, LedgerError

STUDY = {
    "task": {"d": 60, "k": 3},
    "training": {"lr": 0.01, "steps": 50},
    "grid": {"xi": [1.0, 2.0, 3.0, 4.0]},
}
FIRST = STUDY | {"grid": {"xi": [1.0, 2.0, 3.0]}}
SECOND = STUDY | {"grid": {"xi": [3.0, 4.0]}}


def contents(path):
    with Ledger(path, write=False) as ledger:
        return {key: ledger.row(key).result for key in ledger.units()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished ledger; not to be changed."""
    path = tmp_path_factory.mktemp("whole") / "study.db"
    lrft.sweep(STUDY, path, threads=1)
    return path


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copy(whole, tmp_path / "study.db")


# ---- what is in it --------------------------------------------------------------------------


def test_row_says_what_made_it(whole):
    with Ledger(whole, write=False) as ledger:
        row = ledger.row(ledger.units()[0])
        description, arrays = ledger.task(row.definition["task"])
    assert row.definition["instruction_set"] == row.environment["instruction_set"]
    assert row.definition["code"].startswith(lrft.__version__)
    assert row.definition["training"]["steps"] == 50
    assert row.definition["replicas"] == list(range(8))
    for name in ("lrft_version", "compiler", "python_version", "platform", "eigen_version"):
        assert row.environment[name]
    assert (row.threads, arrays) == (1, None)
    assert row.seconds > 0
    assert description["recipe"]["function"] == "sample"


KILLED = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN")
db.execute("CREATE TABLE filler (x)")
db.executemany("INSERT INTO filler VALUES (?)", [(b"x" * 4000,)] * 200)
db.execute("DELETE FROM unit")
os._exit(0)
"""


def test_ledger_killed_while_it_was_written_can_be_read(copy, whole):
    subprocess.run([sys.executable, "-c", KILLED, str(copy)], check=True)
    assert os.path.getsize(f"{copy}-journal")
    assert contents(copy) == contents(whole)


# ---- what is refused ------------------------------------------------------------------------


def pragma(statement):
    def change(path):
        with sqlite3.connect(path) as db:
            db.execute(statement)
        db.close()

    return change


def other_database(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()


FOREIGN = {
    "text": (lambda p: p.write_text("hello, this is no database"), "is not a ledger of lrft"),
    "netcdf": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "is not a ledger"),
    "another database": (other_database, "is an SQLite file, but no ledger"),
    "another application": (pragma("PRAGMA application_id = 7"), "is an SQLite file, but no"),
    "another layout": (pragma("PRAGMA user_version = 99"), "has layout 99"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:5000]), "damaged|malformed"),
    "folder": (lambda p: (p.unlink(), p.mkdir()), "is a folder"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_file_that_is_not_its_own_is_refused_and_left_alone(name, copy):
    spoil, reason = FOREIGN[name]
    with Ledger(copy):
        pass  # the control
    spoil(copy)
    before = copy.read_bytes() if copy.is_file() else None
    for use in (
        lambda: lrft.sweep(STUDY, copy, threads=1),
        lambda: studies.collect(STUDY, copy),
    ):
        with pytest.raises((ValueError, LedgerError), match=reason) as caught:
            use()
        assert "study.db" in str(caught.value)
    assert before is None or copy.read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == ["study.db"]


def damage(path, what="result = zeroblob(100)"):
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE unit SET {what} WHERE rowid = 2")
    db.close()


def test_damaged_result_is_noticed_and_computed_again(whole, copy):
    damage(copy)
    with pytest.raises(LedgerError, match="is damaged; the study, run once more"):
        studies.collect(STUDY, copy)
    seen = []
    ds = lrft.sweep(STUDY, copy, threads=1, progress=seen.append)
    assert (seen[-1].reused, seen[-1].done) == (3, 4)
    assert (ds.status == "finished").all()
    assert contents(copy) == contents(whole)


@pytest.mark.parametrize("what", ["result = zeroblob(100)", "result = 'text'", "digest = 'other'"])
def test_damaged_results_are_not_taken_over_and_are_replaced_by_sound_ones(
    what, whole, copy, tmp_path
):
    damage(copy, what)
    with Ledger(tmp_path / "new.db") as ledger:
        assert ledger.merge(copy) == 3
    with Ledger(tmp_path / "new.db") as ledger:
        assert ledger.merge(whole) == 1
    with Ledger(shutil.copy(whole, tmp_path / "sound.db")) as ledger:
        assert ledger.merge(copy) == 0
    if "digest" in what:  # what two ledgers agree on is not read
        with Ledger(copy) as ledger:
            assert ledger.merge(whole) == 1
        assert contents(copy) == contents(whole)


def test_a_failure_beside_a_finished_unit_is_none(copy):
    """Two processes ran one study: what failed in one was finished in the other."""
    with Ledger(copy) as ledger:
        unit = studies.plan(STUDY).missing[0]
        ledger.add([], [(unit, "a worker died")])
        assert ledger.failures([unit.key]) == {}
    assert (studies.collect(STUDY, copy).failure == "").all()


def test_a_reader_leaves_others_room_to_write(copy):
    with Ledger(copy) as one, Ledger(copy) as other:
        other._db.execute("PRAGMA busy_timeout = 0")
        keys = one.units()
        results = one.results(keys)
        next(results)
        other.forget(keys[:1])
        assert len(list(results)) == 3


def test_empty_file_becomes_a_ledger(tmp_path):
    """What is left of one that was killed while it was made."""
    (tmp_path / "study.db").touch()
    assert (lrft.sweep(STUDY, tmp_path / "study.db", threads=1).status == "finished").all()


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(LedgerError, match="the folder is missing"):
        lrft.sweep(STUDY, tmp_path / "no" / "study.db")


# ---- merging --------------------------------------------------------------------------------


def test_two_ledgers_become_one(whole, tmp_path):
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    lrft.sweep(FIRST, first, threads=1)
    lrft.sweep(SECOND, second, threads=1)
    with Ledger(first) as ledger:
        assert ledger.merge(second) == 1
        assert ledger.merge(second) == 0
    assert contents(first) == contents(whole)
    with Ledger(first, write=False) as ledger, Ledger(second, write=False) as other:
        for key in other.units():
            assert ledger.row(key) == other.row(key) or key in contents(first)
            assert ledger.task(ledger.row(key).definition["task"])


def test_merging_different_results_is_refused(whole, copy):
    with sqlite3.connect(copy) as db:
        other = b"other"
        db.execute(
            "UPDATE unit SET result = ?, digest = ? WHERE rowid = 2",
            (other, hashlib.sha256(other).hexdigest()),
        )
        db.execute("DELETE FROM unit WHERE rowid = 3")
    db.close()
    before = copy.read_bytes()
    with Ledger(copy) as ledger, pytest.raises(ValueError, match="different results for unit"):
        ledger.merge(whole)
    assert copy.read_bytes() == before


def test_merged_result_clears_a_failure(whole, tmp_path):
    path = tmp_path / "study.db"
    unit = studies.plan(STUDY).missing[0]
    with Ledger(path) as ledger:
        ledger.add([], [(unit, "no luck")])
        assert ledger.failures([unit.key]) == {unit.key: "no luck"}
        assert ledger.merge(whole) == 4
        assert ledger.failures([unit.key]) == {}


def test_merging_what_is_no_ledger_is_refused(copy, tmp_path):
    (tmp_path / "other.txt").write_text("hello, this is no database")
    with Ledger(copy) as ledger:
        with pytest.raises(ValueError, match=r"other\.txt"):
            ledger.merge(tmp_path / "other.txt")
        with pytest.raises(ValueError, match="no such file"):
            ledger.merge(tmp_path / "none.db")


# ---- full disks and read-only folders ---------------------------------------------------------


def test_full_database_keeps_what_is_finished(copy, whole):
    """SQLite's own limit stands for a disk that is full."""
    more = STUDY | {"grid": {"xi": np.linspace(5.0, 6.0, 50).tolist()}}
    with Ledger(copy) as ledger:
        plan = studies.plan(more, ledger)
        pages = ledger._pragma("page_count")
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 10}")
        from lrft.study import driver
        from lrft.study.workers import Local

        with (
            Local(1) as hands,
            pytest.raises(LedgerError, match=r"cannot write ledger .*the disk is full"),
        ):
            driver._Run(plan, ledger, hands, None).run()
    found = contents(copy)
    assert {key: found[key] for key in contents(whole)} == contents(whole)
    ds = lrft.sweep(more, copy, threads=1)
    assert (ds.status == "finished").all()


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))


FILL = """
import sys, lrft
from lrft.study import driver
driver.BLOCKS_PER_THREAD = 50
study = {"task": {"d": 60, "k": 3}, "training": {"lr": 0.01, "steps": 50},
         "grid": {"xi": {"linspace": [1.0, 2.0, 200]}}}
try:
    lrft.sweep(study, sys.argv[1], threads=1)
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def fill(command, path, **options):
    return subprocess.run(
        [*command, sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def unshare(script):
    """A command that runs another after `script`, in a mount namespace of its own."""
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{script}; exec "$@"', "sh"]


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = [*unshare("mount -t tmpfs -o size=1m tmpfs /mnt"), "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")


@pytest.mark.verification
def test_file_that_cannot_grow_keeps_what_is_finished(tmp_path):
    done = fill([], tmp_path / "study.db", preexec_fn=limited)
    assert "LedgerError: cannot write ledger" in done.stderr
    kept = contents(tmp_path / "study.db")
    assert 0 < len(kept) < 200
    assert fill([], tmp_path / "study.db").returncode == 0
    after = contents(tmp_path / "study.db")
    assert len(after) == 200
    assert {key: after[key] for key in kept} == kept


@pytest.mark.verification
@needs_mount
def test_full_disk_keeps_what_is_finished(tmp_path):
    """On a real file system of 600 kB; the ledger is read there before it goes away."""
    (tmp_path / "disk").mkdir()
    mount = f"mount -t tmpfs -o size=600k tmpfs {tmp_path}/disk"
    after = textwrap.dedent(f"""
        "$@" 2> {tmp_path}/error; echo $? > {tmp_path}/code
        cp {tmp_path}/disk/* {tmp_path}; exit""")
    done = fill(unshare(mount + after), tmp_path / "disk" / "study.db")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "code").read_text() == "1\n"
    assert "the disk is full" in (tmp_path / "error").read_text()
    assert 0 < len(contents(tmp_path / "study.db")) < 200


@needs_mount
def test_read_only_folder_is_refused_at_once(copy):
    folder = copy.parent
    mount = f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"
    before = contents(copy)
    for name in ("study.db", "new.db"):
        done = fill(unshare(mount), folder / name)
        assert done.returncode == 1
        assert "LedgerError: cannot" in done.stderr
        assert "read-only" in done.stderr or "cannot be written" in done.stderr
    assert contents(copy) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_is_refused_at_once(copy):
    copy.parent.chmod(0o500)
    try:
        with pytest.raises(LedgerError, match="cannot"):
            lrft.sweep(STUDY, copy.parent / "new.db")
    finally:
        copy.parent.chmod(0o700)


# ---- where units ran, which no result depends on --------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE environment SET text = 'no JSON'",
        "UPDATE environment SET text = '[1]'",
        "UPDATE environment SET text = x'ff00'",
        "UPDATE environment SET text = CAST(x'22ff22' AS TEXT)",
        "DELETE FROM environment",
    ],
)
def test_a_damaged_environment_blocks_nothing(copy, whole, tmp_path, damage):
    with sqlite3.connect(copy) as db:
        db.execute(damage)
    db.close()
    ds = lrft.sweep(STUDY, copy, threads=1)
    assert ds.status.values.tolist() == studies.collect(STUDY, whole).status.values.tolist()
    assert ds.attrs["computed_by"] == '[{"damaged": true}]'
    assert contents(copy) == contents(whole)
    assert studies.merge(tmp_path / "other.db", copy) == 4
    assert contents(tmp_path / "other.db") == contents(whole)
    if damage.startswith("DELETE"):
        return
    # What is computed now says again where.
    more = lrft.sweep(STUDY | {"grid": {"xi": [1.0, 9.0]}}, copy, threads=1)
    assert '"lrft_version"' in more.attrs["computed_by"]
    assert '{"damaged": true}' in more.attrs["computed_by"]


def test_a_ledger_that_is_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        lrft.sweep(STUDY, tmp_path / "pipe")


@pytest.mark.parametrize("kind", ["rubbish", "of another unit", "without text"])
def test_content_that_is_no_result_is_damage_whatever_its_digest(kind, tmp_path):
    import hashlib

    from safetensors.numpy import load, save

    study = {
        "task": {"d": 30, "k": 2},
        "training": {"lr": 0.01},
        "run": {"replicas": 2},
        "list": {"steps": [10, 15]},
    }
    path = tmp_path / "study.db"
    expected = lrft.sweep(study, path, threads=1)
    with sqlite3.connect(path) as db:
        (first, one), (_, two) = db.execute("SELECT key, result FROM unit").fetchall()
        less = load(one)
        del less["about"]
        bad = {"rubbish": b"x" * 99, "of another unit": two, "without text": save(less)}[kind]
        if kind == "of another unit":
            arrays = load(two)
            bad = save(arrays | {"hit_step": arrays["hit_step"][:1]})
        digest = hashlib.sha256(bad).hexdigest()
        db.execute("UPDATE unit SET result = ?, digest = ? WHERE key = ?", (bad, digest, first))
    with pytest.raises(OSError, match=f"the result of unit {first[:12]} is damaged"):
        lrft.study.collect(study, path)
    again = lrft.sweep(study, path, threads=1)
    assert again.hit_step.equals(expected.hit_step)
    assert again.final_loss.equals(expected.final_loss)
