"""`lrft bench`: how fast, beside what else, and beside what the machine allows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrft.base import streams
from lrft.bench.__main__ import in_one_thread


def bench(
    full: Annotated[
        bool, typer.Option("--full", help="every case, not only those of the quick table")
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="TEXT", help="cases of this group, or with this in their name")
    ] = "",
    rounds: Annotated[
        int, typer.Option(help="interleaved rounds; 0: 5, or 7 with --full", show_default=False)
    ] = 0,
    out: Annotated[Path, typer.Option(help="folder of the JSON", show_default=False)] = Path(),
) -> None:
    """Time lrft beside NumPy, Numba, JAX and PyTorch loops, those that are installed."""
    arguments = ["--out", str(out)]
    arguments += ["--full"] if full else []
    arguments += ["--only", only] if only else []
    arguments += ["--rounds", str(rounds)] if rounds else []
    code = in_one_thread(arguments)
    streams.kept()  # by that process, which has answered for its own output
    if code:
        raise typer.Exit(code)
