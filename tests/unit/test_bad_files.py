"""Malformed files: every error names the file and says why; valid files beside them load."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lrft
from lrft.model.files import save_weights

NAN = float("nan")


@pytest.fixture(params=[".npz", ".safetensors"])
def task_file(request, tmp_path):
    path = tmp_path / f"task{request.param}"
    lrft.Task.sample(d=20, k=3).save(path)
    return path


def test_truncated(refused, task_file):
    content = task_file.read_bytes()
    assert lrft.Task.load(task_file).k == 3
    for keep in (0, 1, 7, 8, 40, len(content) // 2, len(content) - 1):
        task_file.write_bytes(content[:keep])
        refused(lambda: lrft.Task.load(task_file), ValueError, task_file.name)


def test_edited(refused, task_file):
    """Any changed byte of the arrays is noticed; one in the padding may not matter."""
    content = task_file.read_bytes()
    task = lrft.Task.load(task_file)
    rng = np.random.default_rng(0)
    noticed = 0
    for position in rng.integers(len(content), size=60):
        edited = bytearray(content)
        edited[position] ^= 0x41
        task_file.write_bytes(edited)
        try:
            assert lrft.Task.load(task_file) == task
        except ValueError:
            refused(lambda: lrft.Task.load(task_file), ValueError, task_file.name)
            noticed += 1
    assert noticed > 15


def test_rubbish(refused, task_file):
    for content in (b"\x00" * 100, b"PK\x03\x04" + b"x" * 100, b"{}", b"\xff" * 64):
        task_file.write_bytes(content)
        refused(lambda: lrft.Task.load(task_file), ValueError, task_file.name)
        refused(lambda: lrft.load_weights(task_file), ValueError, task_file.name)


def test_missing_folder_suffix(refused, tmp_path):
    task = lrft.Task.sample(d=20, k=3)
    load, save = lrft.Task.load, task.save
    (tmp_path / "folder.npz").mkdir()
    for call, error, message in [
        (lambda: load(tmp_path / "none.npz"), ValueError, "none.npz.*no such file"),
        (lambda: load(tmp_path / "none.safetensors"), ValueError, "no such file"),
        (lambda: load(tmp_path / "folder.npz"), ValueError, "folder.npz"),
        (lambda: load(tmp_path / "task.pt"), ValueError, "must end in .npz or .safetensors"),
        (lambda: load(3), TypeError, "path must be a path"),
        (lambda: save(tmp_path / "task.txt"), ValueError, "must end in"),
        (lambda: save(tmp_path / "no" / "task.npz"), ValueError, "task.npz.*does not exist"),
        (lambda: save(tmp_path / "folder.npz"), ValueError, "is a folder"),
    ]:
        refused(call, error, message)


def test_wrong_kind(refused, task_file, tmp_path):
    base = tmp_path / f"base{task_file.suffix}"
    save_weights(base, np.eye(2, 3), [1.0, 2.0])
    assert lrft.load_weights(base).W.shape == (2, 3)
    refused(lambda: lrft.load_weights(task_file), ValueError, "unexpected arrays")
    refused(lambda: lrft.Task.load(base), ValueError, "not a task file")


def test_base_network_contents(refused, tmp_path):
    W, lam = np.eye(2, 3), np.ones(2)
    valid = {"W": W, "lam": lam, "activation": "tanh"}
    path = tmp_path / "base.npz"
    np.savez(path, **valid)
    assert lrft.load_weights(path).W.shape == (2, 3)
    for changes, message in [
        ({"W": None}, "no array 'W'"),
        ({"lam": None}, "no array 'lam'"),
        ({"lam": np.ones(3)}, r"lam must have shape \(2,\)"),
        ({"W": np.eye(2, 3) * NAN}, "W must be finite"),
        ({"W": np.eye(2, 3) * 1j}, "W must be an array of real numbers"),
        ({"bias": np.ones(2)}, r"unexpected arrays \['bias'\]"),
        ({"activation": "swish"}, "activation must be one of"),
        ({"neuron_scale": -1.0}, "neuron_scale must be greater than 0"),
        ({"neuron_scale": "wide"}, "could not convert"),
    ]:
        entries = {name: value for name, value in (valid | changes).items() if value is not None}
        np.savez(path, **entries)
        refused(lambda: lrft.load_weights(path), ValueError, f"base.npz.*{message}")
    np.savez(path, W=np.array([[object()]]), lam=lam)
    refused(lambda: lrft.load_weights(path), ValueError, "base.npz")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 2, "format version 2"),
        ("xi", -1.0, "xi must be greater than 0"),
        ("xi", 2.0, "does not match its content hash"),
        ("features_rank", 99, "features_rank must be at most"),
        ("d", 1, "d must be at least"),
        ("labels", [], "labels|indices"),
        ("seed", None, "seed must be an integer"),
    ],
)
def test_edited_description(refused, tmp_path, field, value, message):
    path = tmp_path / "task.npz"
    lrft.Task.sample(d=20, k=3).save(path)
    with np.load(path) as stored:
        entries = dict(stored)
    about = json.loads(str(entries["lrft"])) | {field: value}
    np.savez(path, **(entries | {"lrft": np.array(json.dumps(about))}))
    refused(lambda: lrft.Task.load(path), ValueError, f"task.npz.*({message})")
    del about["xi"]
    np.savez(path, **(entries | {"lrft": np.array(json.dumps(about))}))
    refused(lambda: lrft.Task.load(path), ValueError, "task.npz")
