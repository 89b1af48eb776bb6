"""Ctrl-C: what it raises, and how work that must be whole holds it back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lrft.base import checks

__all__ = ["Interrupted"]

#: Those that ask a process to end, as far as this system has them.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
ON_INTERRUPT = ("raise", "return")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `simulate`, `fit`, `sweep` or `reproduce`; it holds what was computed.

    It is a `KeyboardInterrupt`, so that a loop around a call stops. ``on_interrupt="return"``
    returns the result instead.

    Parameters
    ----------
    result : callable
        Makes the result when it is asked for.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, seed=0)
    >>> training = lrft.Training(lr=0.001, steps=10**9)
    >>> def stop(progress):  # as Ctrl-C would
    ...     raise KeyboardInterrupt
    >>> try:
    ...     ds = lrft.simulate(task, training, replicas=2, progress=stop)
    ... except lrft.Interrupted as error:
    ...     ds = error.result
    >>> ds.status.values.tolist()
    ['interrupted', 'interrupted']
    """

    def __init__(self, result: Callable[[], Any]) -> None:
        super().__init__("what was computed is in .result")
        self._make = result
        self._made: list[Any] = []

    @property
    def result(self) -> Any:
        """What the call would have returned, as far as it got.

        Replicas that had not ended have status ``"interrupted"``, points of a study that are not
        finished ``"missing"``.
        """
        if not self._made:
            self._made.append(self._make())
        return self._made[0]


def check(on_interrupt: object) -> str:
    """Return what is to happen on Ctrl-C."""
    return checks.choice("on_interrupt", on_interrupt, ON_INTERRUPT)


def aside(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a library that hears no signal in a thread of its own, which Ctrl-C leaves behind."""
    answer: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(function(*arguments, **named))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads: here, then
        work()
    while thread.is_alive():
        thread.join(0.05)
    if failure:
        raise failure[0]
    return answer[0]


class Held:
    """Signals that wait, except while something acts: see `held_back`.

    Attributes
    ----------
    came : list of (int, frame)
        Those that wait.
    """

    def __init__(self) -> None:
        self.came: list[tuple[int, FrameType | None]] = []
        self._acting = False
        self._before: dict[int, Any] = {}

    def act(self, work: Callable[..., object], *arguments: object) -> bool:
        """Call `work`, which signals may interrupt; whether one did. After it, signals wait."""
        try:
            self.release()
            work(*arguments)
            self._acting = False
        except KeyboardInterrupt:
            self._acting = False
            return True
        finally:
            self._acting = False
        return False

    def release(self) -> None:
        """From here on signals interrupt, one that waits at once."""
        self._acting = True
        if self.came:
            self._handle(*self.came.pop(0))

    def hold(self) -> None:
        """From here on signals wait."""
        self._acting = False

    def install(self) -> None:
        """Take the signals, in the main thread; outside it none comes."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            before = signal.getsignal(number)
            if self._takes(before):
                self._before[number] = before
                signal.signal(number, self._handle)

    def remove(self, after: Any = None) -> None:
        """Give the signals back; to `after` if that is given."""
        for number, before in self._before.items():
            signal.signal(number, before if after is None else after)

    def deliver(self, number: int, frame: FrameType | None) -> None:
        """Do with a signal what was done before."""
        self._before[number](number, frame)

    def _takes(self, handler: Any) -> bool:
        return callable(handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._acting:
            self.came.append((number, frame))
            return
        self._acting = False  # the next one meets what catches this one
        self.deliver(number, frame)
        self._acting = True  # the handler was content to take note


@contextmanager
def held_back() -> Iterator[Held]:
    """Let signals with handlers in Python wait for the end of the block, or for `Held.act`.

    Outside the main thread signals do not come, and nothing waits.
    """
    held = Held()
    held.install()
    try:
        yield held
    finally:
        held.remove()
        if held.came:
            held.deliver(*held.came[0])
