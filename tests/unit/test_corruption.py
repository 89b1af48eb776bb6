"""Damaged and forged files of every kind, through every command that reads them.

Bytes that turned over are noticed, or change nothing: a command ends with a sentence, or gives
what the sound file gives. Content that was changed and sealed again cannot be told from sound
content; it ends with a sentence or an answer, and never with a traceback.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from corruption import damaged, junk, mutated_array, mutated_json

import lrft
from lrft.base import netcdf
from lrft.run import state

pytestmark = [pytest.mark.any_set, pytest.mark.filterwarnings("ignore")]

SMALL = ["--steps", "5", "--lr", "0.01", "--replicas", "2", "--threads", "1", "--name", "out"]
STUDY = """
[task]
d = 30
k = 2
[training]
lr = 0.01
record = 5
[run]
replicas = 2
[grid]
xi = [1.0, 2.0]
[derived]
steps = "d // 2"
"""

#: Files by name, and the commands that read them, with the file in the place of {}.
READERS = {
    "run.nc": ["rerun {} --threads 1", "plot {} --out p.svg"],
    "fit.nc": ["rerun {} --threads 1", "plot {} --out p.svg"],
    "study.nc": ["rerun {} --threads 1", "plot {}"],
    "study.db": [
        "rerun {} --all --threads 1",
        "sweep study.toml --ledger {} --collect --out c.nc",
        "sweep study.toml --ledger {} --out c.nc --threads 1",
        "sweep --ledger fresh.db --merge {}",
        "sweep study.toml --ledger {} --dry-run",
    ],
    "state.npz": ["run --resume {} --name out --threads 1"],
    "base.npz": [f"run --weights {{}} {' '.join(SMALL)}"],
    "base.safetensors": [f"run --weights {{}} {' '.join(SMALL)}"],
    "study.toml": ["sweep {} --dry-run"],
    "config.toml": ["run --config {} --print-config"],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small file of every kind."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    base = lrft.Weights(rng.standard_normal((3, 8)), np.ones(3), "tanh")
    base.save(folder / "base.npz")
    base.save(folder / "base.safetensors")
    task = lrft.Task(
        W=base.W, lam=base.lam, c=np.eye(3)[0], u=np.eye(8)[1], xi=1.0, activation="tanh"
    )
    student = lrft.RankOne(train_c=True, orthogonal=False)
    training = lrft.Training(student=student, lr=0.01, steps=20, record=5)
    lrft.save(lrft.simulate(task, training, replicas=2, threads=1), folder / "run.nc")
    X = rng.standard_normal((40, 8))
    fitted = lrft.fit(
        base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01, validation=(X[:9], X[:9, 0]), threads=1
    )
    lrft.save(fitted, folder / "fit.nc")
    longer = lrft.Training(student=student, lr=0.01, steps=3000, record=5)
    simulation = lrft.Simulation(task, longer, replicas=2, threads=1)
    simulation.advance(0.0)
    simulation.save_state(folder / "state.npz")
    (folder / "study.toml").write_text(STUDY)
    lrft.study.save(lrft.sweep(folder / "study.toml", folder / "study.db"), folder / "study.nc")
    (folder / "config.toml").write_text(
        "[task]\nd = 30\nk = 2\nxi = 1.5\n[training]\nlr = {kind = 'constant', lr = 0.1}\n"
        "thresholds = [0.5, 0.9]\n[student]\nkind = 'lora'\nrank = 1\n"
    )
    return {name: (folder / name).read_bytes() for name in READERS}


# ---- what comes out -------------------------------------------------------------------------


def outcome(command: str, printed: str, folder: Path) -> Any:
    """What a command that went well gave: the numbers in its file, or what it printed."""
    for name, reader in (("out.nc", lrft.load), ("c.nc", lrft.study.load)):
        if (folder / name).exists():
            ds = reader(folder / name)
            return {str(key): ds[key].values for key in ds.variables}
    if "merge" in command or "dry-run" in command:
        return None  # how much, which a damaged file may have less of
    return (folder / "p.svg").exists(), printed


def differs(one: Any, other: Any) -> bool:
    """Whether results differ where both are there; what is missing says so."""
    if not isinstance(one, dict):
        return bool(one != other)
    known = np.isin(one["status"], ["missing", "failed"], invert=True)
    if one["status"].ndim == 1:
        known[:] = True
    for name, values in one.items():
        same = (values == other[name]) | ((values != values) & (other[name] != other[name]))
        if name == "failure":
            continue
        if values.shape[: known.ndim] == known.shape:
            same = same[known]
        if not np.all(same):
            return True
    return False


class Trial:
    """Writes a file, runs a command on it, and looks at what came of it."""

    def __init__(self, cli: Callable[..., tuple[int, str, str]], folder: Path) -> None:
        self.cli, self.folder = cli, folder

    def __call__(self, sound: dict[str, bytes], name: str, command: str, content: bytes) -> Any:
        for old in self.folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        (self.folder / "study.toml").write_bytes(sound["study.toml"])
        (self.folder / name).write_bytes(content)
        code, out, err = self.cli(*command.format(name).split())
        said = f"{command.format(name)} -> {code}\n{out}{err}"
        assert code in (0, 1, 2), said
        assert "Traceback" not in out + err, said
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", out + err), repr(said)
        assert code != 2 or (err.startswith("lrft: ") and len(err) > 20), said
        return code, (outcome(command, out, self.folder) if code == 0 else None), said


@pytest.fixture
def trial(cli: Any, folder: Path) -> Trial:
    return Trial(cli, folder)


# ---- bytes ------------------------------------------------------------------------------------

#: Nothing in them can tell a changed number from a given one.
_UNSEALED = ("base.npz", "base.safetensors", "study.toml", "config.toml")


def turn_bytes(trial: Trial, sound: dict[str, bytes], seed: int, count: int) -> int:
    """Damage files at random, in turn over kinds and commands; return how many were refused."""
    rng = np.random.default_rng(seed)
    cases = [(name, command) for name in READERS for command in READERS[name]]
    expected: dict[tuple[str, str], Any] = {}
    refused = 0
    for i in range(count):
        name, command = cases[i % len(cases)]
        others = [content for other, content in sound.items() if other != name] + [b""]
        content = damaged(sound[name], others, rng)
        if (name, command) not in expected:
            code, expected[name, command], said = trial(sound, name, command, sound[name])
            assert code == 0, said
        code, found, said = trial(sound, name, command, content)
        refused += code == 2
        if code == 0 and content not in sound.values() and name not in _UNSEALED:
            assert not differs(found, expected[name, command]), f"damage {i} of {seed}: {said}"
    return refused


def test_damaged_bytes_are_noticed_or_change_nothing(trial, sound):
    assert turn_bytes(trial, sound, seed=1, count=51) > 25


@pytest.mark.verification
@pytest.mark.parametrize("seed", range(10, 15))
def test_damaged_bytes_are_noticed_or_change_nothing_often(trial, sound, seed):
    assert turn_bytes(trial, sound, seed=seed, count=140) > 70


# ---- content ----------------------------------------------------------------------------------


def forged_netcdf(content: bytes, rng: np.random.Generator) -> bytes:
    file = io.BytesIO(content[: -netcdf._LENGTH])
    with h5py.File(file, "r+") as opened:
        name = list(opened)[int(rng.integers(len(opened)))]
        way = rng.integers(6)
        if way == 0:
            del opened[name]
        elif way == 1 and opened[name].dtype.kind in "if":
            values = opened[name][...]
            del opened[name]
            opened[name] = mutated_array(np.asarray(values), rng)
        elif way == 2:
            attribute = list(opened.attrs)[int(rng.integers(len(opened.attrs)))]
            del opened.attrs[attribute]
        elif way == 3:
            attribute = list(opened.attrs)[int(rng.integers(len(opened.attrs)))]
            value = junk(rng)
            if isinstance(value, bool | int | float | str) and value not in ("\0", 10**30):
                opened.attrs[attribute] = value
        else:
            texts = [
                key for key in ("configuration", "study", "task_arrays") if key in opened.attrs
            ]
            key = texts[int(rng.integers(len(texts)))]
            opened.attrs[key] = mutated_json(str(opened.attrs[key]), rng)
    return netcdf.sealed(file.getvalue())


def forged_archive(content: bytes, rng: np.random.Generator) -> bytes:
    with np.load(io.BytesIO(content)) as stored:
        entries = {name: stored[name] for name in stored.files}
    name = list(entries)[int(rng.integers(len(entries)))]
    way = rng.integers(5)
    if way == 0:
        del entries[name]
    elif way == 1 and entries[name].ndim:
        entries[name] = mutated_array(entries[name], rng)
    elif "lrft" in entries:
        entries["lrft"] = np.array(mutated_json(str(entries["lrft"]), rng))
    else:
        entries[name] = np.array(str(junk(rng)))
    if "lrft" in entries and "digest" in entries:
        arrays = {name: value for name, value in entries.items() if value.ndim}
        entries["digest"] = np.array(state.digest(arrays, str(entries["lrft"])))
    file = io.BytesIO()
    np.savez(file, **entries)
    return file.getvalue()


def forged_tensors(content: bytes, rng: np.random.Generator) -> bytes:
    (size,) = struct.unpack("<Q", content[:8])
    header = mutated_json(content[8 : 8 + size].decode(), rng).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def forged_ledger(content: bytes, rng: np.random.Generator) -> bytes:
    db = sqlite3.connect(":memory:")
    db.deserialize(content)
    tables = {
        "unit": ["key", "definition", "environment", "threads", "seconds", "result", "digest"],
        "task": ["hash", "description", "arrays"],
        "environment": ["text"],
    }
    table = list(tables)[int(rng.integers(3))]
    column = tables[table][int(rng.integers(len(tables[table])))]
    (rowid,) = rng.choice([row[0] for row in db.execute(f"SELECT rowid FROM {table}")], 1)
    (old,) = db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (int(rowid),)).fetchone()
    if column in ("definition", "description", "text"):
        value: Any = mutated_json(old, rng)
    elif column == "result":
        value = forged_tensors(old, rng) if rng.random() < 0.7 else rng.bytes(100)
        digest = hashlib.sha256(value).hexdigest()
        db.execute("UPDATE unit SET digest = ? WHERE rowid = ?", (digest, int(rowid)))
    else:
        value = junk(rng)
        if isinstance(value, dict | list) or value == 10**30:
            value = rng.bytes(9)
    try:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, int(rowid)))
    except sqlite3.IntegrityError:
        db.execute(f"DELETE FROM {table} WHERE rowid = ?", (int(rowid),))
    if column == "definition":
        key = hashlib.sha256(value.encode()).hexdigest()
        db.execute("UPDATE unit SET key = ? WHERE rowid = ?", (key, int(rowid)))
    db.commit()
    return bytes(db.serialize())


def forged_toml(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.decode().splitlines()
    settings = [i for i, line in enumerate(lines) if " = " in line]
    i = settings[int(rng.integers(len(settings)))]
    values = [
        "'x'",
        "-1",
        "0",
        "1e400",
        "nan",
        "[]",
        "{}",
        "[[1]]",
        "true",
        "''",
        "2020-01-01",
        "9" * 40,
        "'\\u001b[2J'",
        '"\\u001b[2J"',
        '"round(1, -10**9)"',
        '"d ** d ** d"',
        "'d' * 9",
        "",
        "[" * 5000,
        "{range = [0, 1e9]}",
        "{linspace = [0, 1, 2000000]}",
        '"' + "(" * 300 + '"',
    ]
    lines[i] = f"{lines[i].partition(' = ')[0]} = {values[int(rng.integers(len(values)))]}"
    return "\n".join(lines).encode()


FORGERS = {
    "run.nc": forged_netcdf,
    "fit.nc": forged_netcdf,
    "study.nc": forged_netcdf,
    "study.db": forged_ledger,
    "state.npz": forged_archive,
    "base.npz": forged_archive,
    "base.safetensors": forged_tensors,
    "study.toml": forged_toml,
    "config.toml": forged_toml,
}


def forge(trial: Trial, sound: dict[str, bytes], seed: int, count: int) -> int:
    rng = np.random.default_rng(seed)
    refused = 0
    for i in range(count):
        name = list(FORGERS)[i % len(FORGERS)]
        command = READERS[name][i // len(FORGERS) % len(READERS[name])]
        content = FORGERS[name](sound[name], rng)
        code, _, _ = trial(sound, name, command, content)
        refused += code == 2
    return refused


def test_forged_content_is_refused_or_answered(trial, sound):
    assert forge(trial, sound, seed=2, count=54) > 20


@pytest.mark.verification
@pytest.mark.parametrize("seed", range(20, 25))
def test_forged_content_is_refused_or_answered_often(trial, sound, seed):
    assert forge(trial, sound, seed=seed, count=140) > 50
