"""What unit tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def refused():
    """A check that a call raises this very kind of error, with a short message that says why."""

    def check(call, error, message):
        with pytest.raises((ValueError, TypeError), match=message) as caught:
            call()
        assert isinstance(caught.value, error), f"{type(caught.value).__name__}: {caught.value}"
        assert len(str(caught.value)) < 400
        assert "\n" not in str(caught.value)

    return check


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, with tables of a fixed width."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("COLUMNS", "200")
    return work


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        from lrft.cli import main

        with pytest.raises(SystemExit) as caught:
            main(arguments)
        printed = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, printed.out, printed.err

    return run
