"""`lrft rerun`: compute a result again from its own record, and compare bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lrft.base import checks, foreign
from lrft.cli import options
from lrft.study.replay import rerun as again


def rerun(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT...", help="results (.nc) of a run or a study, or ledgers"),
    ],
    units: Annotated[
        int, typer.Option("--units", metavar="INT", help="of a ledger: how many units to check")
    ] = 10,
    all_units: Annotated[bool, typer.Option("--all", help="of a ledger: check every unit")] = False,
    threads: Annotated[int | None, typer.Option(metavar="INT", help="as in lrft run")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Compute results again from their own record alone, and compare bit for bit.

    Exit code 1 if a bit differs.
    """
    count = None if all_units else checks.integer("units", units, 1)
    different = False
    for path in results:
        for one in again(path, units=count, threads=threads):
            found = "; ".join(one.differences) or "the same, bit for bit"
            if not quiet:
                print(foreign.printable(f"{one.what}: {found}"))
            for note in one.notes:
                print(foreign.printable(f"lrft: {one.what}: {note}"), file=sys.stderr)
            different = different or bool(one.differences)
    raise typer.Exit(int(different))
