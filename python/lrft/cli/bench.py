"""`lrft bench`: how fast, beside what else, and beside what the machine allows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from lrft.base import streams
from lrft.bench.command import timed
from lrft.bench.environment import cpu, one_thread_environment, slug
from lrft.cli import options

#: Set in the process that times.
_INSIDE = "LRFT_BENCH"


def bench(
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="every case, not only those of the quick table")
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="TEXT", help="cases of this group, or with this in their name")
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(metavar="INT", help="interleaved rounds (5, with --full 7)")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="of one contender in a round (0.05, with --full 0.1)"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="the JSON: a file, or a folder, made if missing"),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Time lrft beside NumPy, Numba, JAX and PyTorch loops, those that are installed."""
    name = f"{slug(cpu())}-DATE.json"
    place = options.place(out, name, ".json")
    if _INSIDE in os.environ:

        def dated(date: str) -> Path:
            return (
                place.with_name(place.name.replace("DATE", date)) if place.name == name else place
            )

        with options.quietly(quiet):
            code = timed(dated, full=full, only=only, rounds=rounds, seconds=seconds, quiet=quiet)
    else:
        # Libraries must start with one thread: later is too late.
        code = subprocess.run(
            [sys.executable, "-m", "lrft.cli", *context.obj],
            env=one_thread_environment() | {_INSIDE: "1"},
            check=False,
        ).returncode
        streams.kept()  # by that process, which has answered for its own output
    if code:
        raise typer.Exit(code)
