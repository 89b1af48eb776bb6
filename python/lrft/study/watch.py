"""How far a study is: what `lrft.sweep` reports, and how the command line shows it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

__all__ = ["StudyBar", "StudyProgress"]

_LINE_EVERY = 10.0  # seconds between lines where a bar cannot be drawn


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """A moment of a study, handed to the ``progress`` callable a few times a second.

    Attributes
    ----------
    total, done, running, failed : int
        Points; those found in the ledger count as done.
    reused : int
        Points found in the ledger.
    seconds : float
        Since the study began.
    share : float
        Of the estimated work that was to do, done.
    left : float
        Estimated seconds to the end; nan before anything is done. Too long where replicas stop
        early.

    Examples
    --------
    >>> from lrft.study.watch import StudyProgress
    >>> StudyProgress(10, 4, 2, 1, reused=3, seconds=60.0, share=0.25, left=180.0).describe()
    '4 of 10 points done (3 of them before), 2 running, 1 failed, 3:00 left'
    """

    total: int
    done: int
    running: int
    failed: int
    reused: int
    seconds: float
    share: float
    left: float

    def describe(self) -> str:
        """Say it in one line, as logs show it.

        Returns
        -------
        str

        Examples
        --------
        >>> from lrft.study.watch import StudyProgress
        >>> StudyProgress(2, 1, 1, 0, 0, seconds=60.0, share=0.5, left=60.0).describe()
        '1 of 2 points done, 1 running, 1:00 left'
        """
        before = f" ({self.reused} of them before)" if self.reused else ""
        parts = [f"{self.done} of {self.total} points done{before}"]
        parts += [
            f"{count} {name}"
            for name, count in (("running", self.running), ("failed", self.failed))
            if count
        ]
        if self.left == self.left:
            parts.append(f"{duration(self.left)} left")
        return ", ".join(parts)


class StudyBar:
    """A progress bar of a study on stderr; a line now and then where stderr is no terminal.

    Examples
    --------
    >>> import pathlib, tempfile, lrft
    >>> from lrft.study.watch import StudyBar
    >>> study = {"task": {"d": 50, "k": 2}, "training": {"lr": 0.01, "steps": 10}}
    >>> with tempfile.TemporaryDirectory() as folder, StudyBar() as bar:
    ...     ds = lrft.sweep(study, pathlib.Path(folder) / "study.db", progress=bar)
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._row: Any = None
        self._next_line = time.monotonic() + _LINE_EVERY

    def __enter__(self) -> StudyBar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            self._bar = Progress(
                BarColumn(bar_width=None),
                TaskProgressColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                auto_refresh=False,
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._row = self._bar.add_task("starting", total=1.0)
        return self

    def __call__(self, progress: StudyProgress) -> None:
        """Show a moment of the study."""
        if self._bar is not None:
            text = progress.describe()
            self._bar.update(self._row, completed=progress.share, description=text, refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY
            print(f"{progress.share:4.0%}  {progress.describe()}", file=sys.stderr, flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def duration(seconds: float) -> str:
    """Write a duration readably.

    Examples
    --------
    >>> from lrft.study.watch import duration
    >>> duration(0.4), duration(75), duration(7380), duration(200_000)
    ('0:01', '1:15', '2:03:00', '2 days 7:33:20')
    """
    whole = max(1, round(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    clock = f"{hours}:{minutes:02}:{rest:02}" if hours or days else f"{minutes}:{rest:02}"
    return f"{days} days {clock}" if days else clock
