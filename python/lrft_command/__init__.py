"""The command `lrft`, from its first moment: what comes while the package loads is its own too.

It lies beside the package, since importing any part of `lrft` loads all that lies above it. Only
the interpreter's own start comes before.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Load the package and run the command line.

    Raises
    ------
    SystemExit
        Always, with the exit code of `lrft.cli.main`; 2 if the package cannot be loaded, and 128
        plus its number if a signal came meanwhile.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)  # an import that is cut short would be a traceback

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):  # not that of nohup
                before[number] = handler
                signal.signal(number, note)
    try:
        from lrft.cli import main as command
    except ImportError as error:
        print(f"lrft: {error}", file=sys.stderr)
        sys.exit(2)
    for number, handler in before.items():
        signal.signal(number, handler)
    if came:
        print("lrft: interrupted", file=sys.stderr)
        sys.exit(128 + came[0])
    command()
