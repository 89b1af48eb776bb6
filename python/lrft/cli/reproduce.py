"""`lrft reproduce`: the paper's figures and claims, redrawn, tested and reported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lrft
from lrft.base import streams
from lrft.cli import options, signals
from lrft.paper.report.html import duration

if TYPE_CHECKING:
    from lrft.paper.experiment import Reproduction


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="fig2a, fig6 (both panels), claim3, ...; figures, claims, all; conventions, "
            "findings, beyond",
            show_default="figures",
            metavar="[NAME]...",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="PATH", help="folder of report, pictures and data; made if missing"),
    ] = Path("lrft-report"),
    quick: Annotated[
        bool, typer.Option("--quick", help="a smoke run, at sizes that prove nothing")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="keep data in the folder that this very code computed"),
    ] = False,
    instances: Annotated[
        int | None,
        typer.Option(
            help="of every curve of figures; by default few, and verdicts are those of many",
            show_default=False,
        ),
    ] = None,
    quiet: options.Quiet = False,
    threads: Annotated[
        int | None, typer.Option(help="all by default; results do not depend on it")
    ] = None,
) -> None:
    """Redraw the figures of the paper, test its claims, and write report.html."""
    report = options.place(out, "report.html", ".html")
    if report.name != "report.html":
        raise ValueError(f"out={str(out)!r} must be a folder: the report in it is report.html")
    with options.quietly(quiet):
        done = lrft.reproduce(
            names or ["figures"],
            out=report.parent,
            quick=quick,
            threads=threads,
            resume=resume,
            instances=instances,
            progress=not quiet,
            on_interrupt="return",
        )
        signals.hold()
        _show(done)
    if done.interrupted:
        print("lrft: interrupted; what was finished is kept", file=sys.stderr)
        raise typer.Exit(130)
    if any(one.error for one in done.finished):
        raise typer.Exit(1)


def _show(done: Reproduction) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"supported": "green", "not supported": "red", "not decided": "yellow"}
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("experiment", "statement", "measured", "verdict"):
        table.add_column(name, overflow="fold", no_wrap=name in ("experiment", "verdict"))
    for name, verdict in done.verdicts:
        outcome = Text(verdict.outcome, style=colours[verdict.outcome])
        table.add_row(name, Text(verdict.statement), Text(verdict.measured), outcome)
    for one in done.finished:
        if one.error:
            table.add_row(one.experiment.name, "", Text(one.error), Text("failed", style="red"))
    console.print(table)
    counts = [v.outcome for _, v in done.verdicts]
    words = ", ".join(f"{counts.count(o)} {o}" for o in colours if o in counts)
    if done.quick:
        words += " (a smoke run: no verdict counts)"
    console.print(f"{words or 'no verdict'}; {duration(done.seconds)}")
    if done.finished:
        streams.saved(done.report)
