"""The command line: `lrft run`, `sequence`, `fit`, `sweep`, `reproduce`, `explore` and the others.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 the run failed,
2 the input was wrong (one line says why), 130 interrupted (129 by SIGHUP, 143 by SIGTERM). Where
stdout is closed or full, a command that saved its results is done; one whose product is what it
prints has failed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from lrft.base import streams
from lrft.cli import signals

__all__ = ["main"]

#: Set by the lines that --install-completion adds to a shell's settings.
_COMPLETING = "_LRFT_COMPLETE"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    argv : sequence of str, optional
        ``sys.argv[1:]`` by default.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with (
        signals.listening(last=argv is None) as came,
        streams.guarded() as output,
        warnings.catch_warnings(),
    ):
        warnings.showwarning = _tell
        code = output.settle(_caught(arguments or ["--help"]))
    sys.exit(came.code(code))


def _tell(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say a warning without the line of code that is ours."""
    streams.warn(str(message))


def _caught(arguments: list[str]) -> int:
    """Run; signals wait before and after, where nothing would catch what they raise."""
    try:
        signals.release()
        code = _told(arguments)
        signals.hold()
        return code
    except KeyboardInterrupt:
        print("lrft: interrupted", file=sys.stderr)
        return 130


def _told(arguments: list[str]) -> int:
    try:
        return _run(arguments)
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        if "LRFT_TRACEBACK" in os.environ:
            raise
        memory = isinstance(error, MemoryError)
        return _refuse("not enough memory" if memory else str(error) or type(error).__name__)


def _run(arguments: list[str]) -> int:
    import typer
    from typer.main import get_command

    app = get_command(_app(arguments[0]))
    if _COMPLETING in os.environ:  # a shell asks what could come next
        app.main(arguments, prog_name="lrft")
    try:
        # Not its main(), which has its own way with errors and with Ctrl-C.
        with app.make_context("lrft", list(arguments), obj=arguments) as context:
            app.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except Exception as error:
        # The class of typer's own usage errors has moved between its versions; its method has not.
        if not hasattr(error, "format_message"):
            raise
        return _refuse(error.format_message())
    return 0


def _app(first: str) -> Any:
    import typer

    from lrft.cli import fit, run, sequence
    from lrft.cli.bench import bench
    from lrft.cli.explore import explore
    from lrft.cli.info import info
    from lrft.cli.options import root
    from lrft.cli.plot import plot
    from lrft.cli.reproduce import reproduce
    from lrft.cli.rerun import rerun
    from lrft.cli.sweep import sweep

    app = typer.Typer(
        help="Simulate the learning dynamics of low-rank fine-tuning, fast and exactly.",
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback()(root)
    # The flags of `run` are made from pydantic models: not worth loading for another command.
    for name, made in (("run", run), ("sequence", sequence), ("fit", fit)):
        needed = first == name or _COMPLETING in os.environ
        app.command(name, help=made.HELP, rich_help_panel="One run")(
            made.command() if needed else lambda: None
        )
    app.command("reproduce", rich_help_panel="Many runs")(reproduce)
    app.command("sweep", rich_help_panel="Many runs")(sweep)
    app.command("rerun", rich_help_panel="Results")(rerun)
    app.command("plot", rich_help_panel="Results")(plot)
    app.command("explore", rich_help_panel="One run")(explore)
    app.command("bench", rich_help_panel="This machine")(bench)
    app.command("info", rich_help_panel="This machine")(info)
    return app


def _refuse(message: str) -> int:
    streams.warn(message)
    return 2
