"""Signals of a command: the first one ends its work, which is then saved whatever else comes.

SIGTERM and SIGHUP do what Ctrl-C does. A signal that was ignored when the process began stays
ignored (`nohup`), and a handler that somebody else has set stays.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lrft.base.interrupts import SIGNALS

__all__ = ["act", "hold", "listening"]


class Signals:
    """What came while a command ran.

    Attributes
    ----------
    came : int
        The first signal; 0 if none.
    raising : bool
        Whether one that comes now ends the work: once, and while there is nothing to save.
    """

    def __init__(self) -> None:
        self.came = 0
        self.raising = True

    def code(self, code: int) -> int:
        """Return the exit code of the command: of the signal, if one came."""
        return 128 + self.came if self.came else code

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.came = self.came or number
        if self.raising:
            self.raising = False
            raise KeyboardInterrupt


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
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = handler
                signal.signal(number, here._handle)
    try:
        yield here
    finally:
        here.raising = False
        for number, handler in before.items():
            # A process is not killed by a signal on its way out.
            signal.signal(number, signal.SIG_IGN if last or here.came else handler)
        _signals = outer


def act(work: Callable[..., object], *arguments: object) -> bool:
    """Call `work`, which a signal may interrupt; whether one did. After it, signals wait."""
    try:
        work(*arguments)
        _signals.raising = False
    except KeyboardInterrupt:
        return True
    finally:
        _signals.raising = False
    return False


def hold() -> None:
    """From here on there is something to save: signals wait for the end of the command."""
    _signals.raising = False
