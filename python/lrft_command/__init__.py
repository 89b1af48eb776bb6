"""The command `lrft`, from its first moment: what comes while the package loads is its own too.

It lies beside the package, since importing any part of `lrft` loads all that lies above it. Only
the interpreter's own start comes before.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["came", "main", "note"]

#: Signals that came while the package loaded, by their numbers; the command hears them first.
came: list[int] = []


def note(number: int, frame: FrameType | None) -> None:
    """Take note of a signal: an import that is cut short would be a traceback."""
    came.append(number)


def main() -> None:
    """Load the package and run the command line.

    Raises
    ------
    SystemExit
        Always, with the exit code of `lrft.cli.main`, or 2 if the package cannot be loaded.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):  # not that of nohup
                signal.signal(number, note)
    if sys.argv[1:2] == ["reproduce"]:
        # Its simulations have every core; threads of small products would spin beside them.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from lrft.cli import main as command
    except ImportError as error:
        print(f"lrft: {error}", file=sys.stderr)
        sys.exit(2)
    command()
