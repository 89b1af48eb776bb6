"""Standard streams that cannot end a run: closed ones, full disks, readers that have gone.

Whatever becomes of stdout and stderr, the program goes on; at the end it is known what was lost.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lrft.base import foreign

__all__ = ["Output", "guarded", "kept", "saved", "warn"]


class Output:
    """What became of stdout while a command ran.

    Attributes
    ----------
    error : OSError or None
        Why something was not written.
    saved : bool
        Whether the command has put its results into files, so that stdout is not its product.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.saved = False

    def settle(self, code: int) -> int:
        """Return the exit code of a command, and say on stderr if some of its output was lost."""
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        if self.error is None:
            return code
        if self.error.errno not in (errno.EPIPE, errno.EBADF):  # those were wanted
            reason = self.error.strerror or str(self.error)
            print(f"lrft: cannot write to stdout: {reason}", file=sys.stderr)
        return code or int(not self.saved)


_output = Output()


def saved(path: str | os.PathLike[str]) -> None:
    """Say on stdout that results are in a file; then it is no failure if stdout cannot take it."""
    kept()
    print(f"saved {Path(path)}")


def warn(text: str) -> None:
    """Say something on stderr, in one line and without control characters of others."""
    print(f"lrft: {foreign.printable(' '.join(text.split()))}", file=sys.stderr)


def kept() -> None:
    """Note that results are in a file."""
    _output.saved = True


@contextmanager
def guarded() -> Iterator[Output]:
    """Put streams that do not fail in the place of stdout and stderr, and those that are closed.

    Streams that somebody else has put there, a notebook or a test, stay.

    Examples
    --------
    >>> from lrft.base.streams import guarded
    >>> with guarded() as output:
    ...     print("done")
    done
    >>> output.settle(0)
    0
    """
    global _output
    before = sys.stdin, sys.stdout, sys.stderr
    _output = output = Output()
    opened: list[TextIO] = []
    try:
        # In this order: a new descriptor has the lowest number that is free.  A file that got 1 or
        # 2 would be written into by whoever prints.
        for name in ("stdin", "stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None or getattr(stream, "closed", False):
                if name == "stdout":
                    output.error = OSError(errno.EBADF, os.strerror(errno.EBADF))
                stream = _nothing(name)
            elif name != "stdin" and stream is getattr(sys, f"__{name}__"):
                stream = _that_does_not_fail(stream, output if name == "stdout" else Output())
            elif isinstance(stream, io.TextIOWrapper) and name != "stdin":
                stream.reconfigure(errors="replace")
            if stream is not getattr(sys, name):
                setattr(sys, name, stream)
                opened.append(stream)
        yield output
    finally:
        for stream in opened:
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before


class _Raw(io.FileIO):
    """A descriptor that takes everything; what it could not write is noted."""

    def __init__(self, descriptor: int, output: Output) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.output = output

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        try:
            while (count := super().write(data)) is None:  # full, and somebody made it not wait
                select.select([], [self], [])
            return count
        except OSError as error:
            self.output.error = self.output.error or error
            return memoryview(data).nbytes


def _that_does_not_fail(stream: TextIO, output: Output) -> TextIO:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # not a file of the system
        return stream
    with suppress(OSError):
        stream.flush()
    raw: io.RawIOBase = _Raw(descriptor, output)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="replace",  # a terminal without Greek letters is no error
        line_buffering=bool(stream.line_buffering),
        write_through=getattr(stream, "write_through", False),  # python -u
    )


def _nothing(name: str) -> TextIO:
    descriptor = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(descriptor, True)  # for commands that run another process
    return os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False)
