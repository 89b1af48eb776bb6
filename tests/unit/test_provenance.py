"""Where a result came from."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import lrft
from lrft.result import provenance


def test_environment_names_what_runs() -> None:
    found = provenance.environment()
    assert found["numpy_version"] == np.__version__
    assert found["lrft_version"] == provenance.lrft_version() == lrft.__version__
    for name in ("instruction_set", "compiler", "eigen_version", "python_version", "platform"):
        assert found[name], name
    assert all(isinstance(value, str) for value in found.values())


def test_configuration_is_canonical_json() -> None:
    task = lrft.Task.sample(d=30, k=2, seed=3)
    training = lrft.Training(lr=0.1, steps=10)
    text = provenance.configuration([task], training, seed=1, replicas=2, engine="ambient")
    again = provenance.configuration([task], training, seed=1, replicas=2, engine="ambient")
    other = provenance.configuration([task], training, seed=2, replicas=2, engine="ambient")
    assert text == again != other
    found = json.loads(text)
    assert list(found) == sorted(found)
    assert found["tasks"][0]["d"] == 30
    assert found["engine"] == "ambient"


def test_time_is_utc_and_now() -> None:
    moment = datetime.fromisoformat(provenance.now())
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(moment.tzinfo) - moment) < timedelta(seconds=5)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the package in a checkout; the real code is told that it lives there."""
    package = tmp_path / "python" / "lrft"
    (package / "result").mkdir(parents=True)
    inside = Path(provenance.__file__).relative_to(Path(lrft.__file__).parent)
    (package / inside).write_text("# here\n")
    monkeypatch.setattr(provenance, "__file__", str(package / inside))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_commit_is_that_of_the_sources_and_says_when_they_differ(copy: Path) -> None:
    commit_of = provenance.git_commit.__wrapped__
    assert commit_of() is None
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "first")
    head = git(copy, "rev-parse", "HEAD")
    assert commit_of() == head
    Path(provenance.__file__).write_text("# changed\n")
    assert commit_of() == f"{head}-dirty"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_repository_around_an_installed_package_is_not_ours(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(copy, "init", "-q")
    installed = copy / "site-packages" / "lrft"
    installed.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(installed / "provenance.py"))
    assert provenance.git_commit.__wrapped__() is None


@pytest.mark.parametrize(
    "task",
    [
        lrft.Task.single_index("he3", d=50, k=2, seed=4),
        lrft.Task.teacher(d=50, width=2, sigma_star="relu", seed=4, noise=0.5),
        lrft.Task.multi_index({(1,): 1.0, (1, 1): 0.5}, d=50),
    ],
    ids=["single_index", "teacher", "multi_index"],
)
def test_every_teacher_is_made_again_from_its_record(task: lrft.Task) -> None:
    record = provenance.describe_task(task), provenance.store_task(task)
    assert provenance.restore_task(*record) == task
