"""Progress of a run: what `lrft.simulate` reports, and how the command line shows it.

Progress goes to stderr, so that results on stdout can be piped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

__all__ = ["Bar", "Progress"]

_LINE_EVERY = 10.0  # seconds between lines where a bar cannot be drawn


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run, handed to the ``progress`` callable about ten times a second.

    Attributes
    ----------
    done_steps, total_steps : int
        Steps done and steps to do, of one replica.
    seconds : float
        Since the run began.
    overlap : float
        Mean of |overlap_u| over the replicas still running; nan when none is.
    running, finished, diverged : int
        Replicas (of all tasks together) in each state; converged ones count as finished.

    Examples
    --------
    >>> from lrft import Progress
    >>> Progress(500, 1000, 2.0, 0.3, running=8, finished=0, diverged=0).steps_per_second
    250.0
    """

    done_steps: int
    total_steps: int
    seconds: float
    overlap: float
    running: int
    finished: int
    diverged: int

    @property
    def share(self) -> float:
        """Of the steps, done."""
        return self.done_steps / max(1, self.total_steps)

    @property
    def steps_per_second(self) -> float:
        """Steps of every running replica per second of wall time."""
        return self.done_steps / self.seconds if self.seconds > 0.0 else 0.0

    def describe(self) -> str:
        """Say it in one line, as logs show it.

        Returns
        -------
        str

        Examples
        --------
        >>> from lrft import Progress
        >>> Progress(500, 1000, 2.0, 0.3, running=7, finished=0, diverged=1).describe()
        '250 steps/s, overlap 0.300, 7 running, 1 diverged'
        """
        parts = [f"{format_count(self.steps_per_second)} steps/s"]
        if self.overlap == self.overlap:
            parts.append(f"overlap {self.overlap:.3f}")
        counts = {"running": self.running, "done": self.finished, "diverged": self.diverged}
        parts += [f"{count} {name}" for name, count in counts.items() if count]
        return ", ".join(parts)


ProgressCallback = Callable[[Progress], object]


class Moment(Protocol):
    """What a bar can show: a `Progress`, or the `lrft.study.watch.StudyProgress` of a study."""

    @property
    def share(self) -> float:
        """From 0 to 1."""

    def describe(self) -> str:
        """Say it in one line."""


class Bar:
    """A progress bar on stderr; single lines now and then where stderr is no terminal.

    Used as a context manager whose value is passed as ``progress``.

    Parameters
    ----------
    remaining : bool
        Estimate the time left from the share that is done.

    Examples
    --------
    >>> import lrft
    >>> from lrft.base.progress import Bar
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> with Bar() as bar:
    ...     ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10), replicas=2, progress=bar)
    """

    def __init__(self, remaining: bool = True) -> None:
        self._remaining = remaining
        self._bar: Any = None
        self._row: Any = None
        self._next_line = time.monotonic() + _LINE_EVERY

    def __enter__(self) -> Bar:
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            # Refreshed from the callback only: a drawing thread would compete for the GIL.
            self._bar = RichProgress(
                BarColumn(bar_width=None),
                TaskProgressColumn(),
                TextColumn("{task.description}"),
                *([TextColumn("ETA"), TimeRemainingColumn()] if self._remaining else []),
                console=Console(stderr=True),
                auto_refresh=False,
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._row = self._bar.add_task("starting", total=1.0)
        return self

    def __call__(self, progress: Moment) -> None:
        """Show a moment of the work; a stream that has gone or is full ends nothing."""
        share, text = progress.share, progress.describe()
        with suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.update(self._row, completed=share, description=text, refresh=True)
            elif time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + _LINE_EVERY
                print(f"{share:4.0%}  {text}", file=sys.stderr, flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.stop()


def format_count(value: float) -> str:
    """Write a number of steps readably.

    Examples
    --------
    >>> from lrft.base.progress import format_count
    >>> format_count(950), format_count(12_300), format_count(2_500_000)
    ('950', '12.3k', '2.50M')
    """
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return _three(value / limit) + unit
    return f"{value:.0f}"


def _three(value: float) -> str:
    """Write value ≥ 1 with at least three significant digits, zeros kept."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
