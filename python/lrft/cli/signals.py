"""Signals of a command: the first one ends its work, which is then saved whatever else comes.

SIGTERM and SIGHUP do what Ctrl-C does. A signal that was ignored when the process began stays
ignored (`nohup`), and a handler that somebody else has set stays.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import lrft_command
from lrft.base.interrupts import Held

__all__ = ["act", "hold", "listening", "release"]


class Signals(Held):
    """What came while a command ran: signals end its work while there is nothing to save.

    Attributes
    ----------
    first : int
        The first signal; 0 if none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = 0

    def install(self) -> None:
        """Take the signals, and those that came while the package loaded."""
        super().install()
        self.came[:0] = [(number, None) for number in lrft_command.came]
        self.first = self.came[0][0] if self.came else 0
        lrft_command.came.clear()

    def code(self, code: int) -> int:
        """Return the exit code of the command: of the signal, if one came."""
        return 128 + self.first if self.first else code

    def deliver(self, number: int, frame: FrameType | None) -> None:
        """End the work."""
        raise KeyboardInterrupt

    def _takes(self, handler: Any) -> bool:
        return handler in (signal.SIG_DFL, signal.default_int_handler, lrft_command.note)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.first = self.first or number
        super()._handle(number, frame)


_signals = Signals()


@contextmanager
def listening(*, last: bool = False) -> Iterator[Signals]:
    """Take the signals of a command, in the main thread; the `last` thing that this process does.

    Examples
    --------
    >>> from lrft.cli.signals import listening
    >>> with listening() as signals:
    ...     pass
    >>> signals.code(0)
    0
    """
    global _signals
    outer, _signals = _signals, Signals()
    here = _signals
    here.install()
    try:
        yield here
    finally:
        here.hold()
        # A process is not killed by a signal on its way out.
        here.remove(signal.SIG_IGN if last or here.first else None)
        _signals = outer


def act(work: Callable[..., object], *arguments: object) -> bool:
    """Call `work`, which a signal may interrupt; whether one did. After it, signals wait."""
    return _signals.act(work, *arguments)


def release() -> None:
    """From here on a signal ends the work, one that waits at once."""
    _signals.release()


def hold() -> None:
    """From here on there is something to save: signals wait for the end of the command."""
    _signals.hold()
