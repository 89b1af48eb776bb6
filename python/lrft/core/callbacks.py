"""Callbacks that are Python functions: what they raise comes out of the call that used them.

ctypes prints what a Python function raises in a callback and returns 0, Ctrl-C included; the engine
would take the 0 for a value.  Here such functions are called through a guard that gives NaN instead
and keeps the first exception, and signals wait until the engine is back.
"""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from lrft.base import interrupts

DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)


class Guard:
    """A Python function as a ``double(double)`` that keeps what it raises.

    Parameters
    ----------
    name : str
        What the function is, for the note on its exceptions.
    function : callable
        From a float to a float.

    Attributes
    ----------
    native : ctypes function
    raised : BaseException or None
        The first exception since it was last taken away.

    Examples
    --------
    >>> import math
    >>> guard = Guard("value", math.sqrt)
    >>> guard.native(4.0), guard.native(-1.0), guard.raised
    (2.0, nan, ValueError('math domain error'))
    """

    def __init__(self, name: str, function: Callable[[float], float]) -> None:
        self.name, self.function = name, function
        self.raised: BaseException | None = None
        self.native = DOUBLE(self._call)

    def _call(self, z: float) -> float:
        try:
            return float(self.function(z))
        except BaseException as error:
            if self.raised is None:
                error.add_note(f"raised by the {self.name} of a custom activation at z = {z!r}")
                self.raised = error
            return math.nan


def python_function(function: Any) -> Callable[[float], float] | None:
    """Return the Python function that a ctypes callback calls.

    Parameters
    ----------
    function : ctypes function

    Returns
    -------
    callable or None
        None if there is none: it is compiled, or only the interpreter knows.

    Examples
    --------
    >>> import math
    >>> python_function(DOUBLE(math.sin)) is math.sin
    True
    """
    check = getattr(function, "errcheck", function)
    if check is function:
        return None
    thunk = [r for r in gc.get_referents(function) if type(r).__name__ == "CThunkObject"]
    found = [
        r
        for r in gc.get_referents(function)
        if callable(r) and not isinstance(r, type) and r is not check
    ]
    return found[0] if thunk and len(found) == 1 else None


@contextmanager
def raising(guards: Sequence[Guard]) -> Iterator[None]:
    """Raise at the end of the block what functions raised inside.

    Parameters
    ----------
    guards : sequence of Guard

    Raises
    ------
    BaseException
        Whatever the first of the functions raised; KeyboardInterrupt for Ctrl-C in the block.

    Examples
    --------
    >>> import math
    >>> guard = Guard("value", math.sqrt)
    >>> with raising([guard]):
    ...     _ = guard.native(-1.0)
    Traceback (most recent call last):
    ...
    ValueError: math domain error
    raised by the value of a custom activation at z = -1.0
    """
    with holding(guards):
        yield
    if (error := taken(guards)) is not None:
        raise error


@contextmanager
def holding(guards: Sequence[Guard]) -> Iterator[interrupts.Held]:
    """Let signals wait for the end of the block: inside a function they would be its exception."""
    for guard in guards:
        guard.raised = None
    with interrupts.held_back() if guards else nullcontext(interrupts.Held()) as held:
        yield held


def taken(guards: Sequence[Guard]) -> BaseException | None:
    """Take away what the first of the functions raised since `holding`; None if none did."""
    for guard in guards:
        if guard.raised is not None:
            error, guard.raised = guard.raised, None
            return error
    return None
