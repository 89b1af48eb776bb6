"""Progress of a run: what `lrft.simulate` reports, and the bar of terminals and notebooks.

Progress goes to stderr, so that results on stdout can be piped.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar

from lrft.base import checks, interrupts

__all__ = ["Bar", "Bars", "Progress"]

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
        """Of the steps, done; all of them once nothing runs, though replicas may stop early."""
        if not self.running:
            return 1.0
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
    """A progress bar on stderr or in a notebook; lines now and then where there is neither.

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
        left = " [{elapsed}<{remaining}]" if remaining else ""
        self._format = "{percentage:3.0f}%|{bar}| {desc}" + left
        self._bar: Any = None
        self._next_line = time.monotonic() + _LINE_EVERY

    def __enter__(self) -> Bar:
        if draws():
            size: dict[str, Any] = {"dynamic_ncols": True}
            if not _notebook():  # a terminal may say that it has no columns and lines
                columns, lines = shutil.get_terminal_size()
                size = {"ncols": columns, "nrows": lines}
            self._bar = _tqdm()(
                total=1.0, bar_format=self._format, desc="starting", file=sys.stderr, **size
            )
        return self

    def __call__(self, progress: Moment) -> None:
        """Show a moment of the work; a stream that has gone or is full ends nothing."""
        self.show(progress.share, progress.describe())

    def show(self, share: float, text: str) -> None:
        """Show a share from 0 to 1 with a line of text."""
        with suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.n = min(share, 1.0)
                self._bar.set_description_str(text, refresh=False)
                self._bar.refresh()
            elif not _silent and time.monotonic() >= self._next_line:
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
                self._bar.close()


class Bars:
    """A bar for each part of a longer work that is under way; lines when one is done elsewhere.

    Used as a context manager whose value is called with the name of a part and its share.

    Examples
    --------
    >>> from lrft.base.progress import Bars
    >>> with Bars() as bars:
    ...     bars("fig2a", 0.5)
    """

    def __init__(self) -> None:
        self._bars: dict[str, Bar] = {}
        self._done: set[str] = set()

    def __enter__(self) -> Bars:
        return self

    def __call__(self, name: str, share: float) -> None:
        """Show the share of a part."""
        if name in self._done:
            return
        if draws():
            if name not in self._bars:
                self._bars[name] = Bar().__enter__()
            self._bars[name].show(share, name)
        elif share >= 1.0 and not _silent:
            print(f"{name} done", file=sys.stderr, flush=True)
        if share >= 1.0:
            self._done.add(name)
            self._bars.pop(name, Bar()).__exit__(None, None, None)

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.__exit__(None, None, None)


_silent = False


@contextmanager
def quiet() -> Iterator[None]:
    """Show no bars and no lines in the block.

    Examples
    --------
    >>> from lrft.base.progress import Bar, quiet
    >>> with quiet(), Bar() as bar:
    ...     bar.show(0.5, "half")
    """
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


def draws() -> bool:
    """Whether a bar can be drawn: stderr is a terminal, or this is a notebook."""
    if _silent:
        return False
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return terminal or _notebook()


def _notebook() -> bool:
    return "ipykernel.zmqshell" in sys.modules


def _tqdm() -> Any:
    with interrupts.held_back(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that widgets would be nicer
        from tqdm.auto import tqdm

    class Quiet(tqdm):  # type: ignore[misc]
        # Refreshed from the callback only: a thread that draws would compete for the GIL, and a
        # lock between processes may start one.
        monitor_interval = 0

    Quiet.set_lock(threading.RLock())
    return Quiet


Callback = TypeVar("Callback", bound=Callable[..., object])


@contextmanager
def showing(
    progress: Callback | bool | None, bar: Callable[[], Any] = Bar
) -> Iterator[Callback | None]:
    """Return the callable that is to hear of the progress; True stands for a bar.

    Examples
    --------
    >>> from lrft.base.progress import showing
    >>> with showing(print) as show:
    ...     show("half")
    half
    """
    if progress is True:
        with bar() as made:
            yield made
    elif progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress must be True or callable, got {checks.describe(progress)}")


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
