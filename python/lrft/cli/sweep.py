"""`lrft sweep`: a study from a TOML file, its ledger, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import lrft
from lrft.base import files, streams
from lrft.cli import config, options, plot, run, signals, table
from lrft.cli.fields import Field
from lrft.study import collect as collected
from lrft.study import listed, plan, save
from lrft.study import merge as merged
from lrft.study.dataset import check_suffix
from lrft.study.design import FIXED, from_file
from lrft.study.ledger import Ledger

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

#: Failed points printed at most.
_SHOWN = 10


def sweep(
    study: Annotated[
        Path | None, typer.Argument(metavar="[STUDY.toml]", help="the study; see docs/sweeps.md")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="keeps finished work (STUDY.db)"),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="results: a file, .nc, .parquet or .csv, or a folder; may be repeated (STUDY.nc)",
        ),
    ] = None,
    merge: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="first take over what this ledger has; may be repeated"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://host:port, to send work to"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="INT", help="to use here; with --scheduler, for each task (1)"),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="TABLE.FIELD=VALUE",
            help="instead of what the study says, task.k=8 or grid.d=100,1000; may be repeated",
        ),
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check the study, say what it costs, run nothing")
    ] = False,
    collect: Annotated[
        bool, typer.Option("--collect", help="run nothing: write what the ledger has by now")
    ] = False,
) -> None:
    """Run a study: grids, lists and random designs over any field of task and training.

    Run it again to go on after Ctrl-C, a kill or a full disk: only what is missing is computed.
    """
    form = run.form_of(as_json, as_csv)
    with options.quietly(quiet):
        code = _sweep(
            study, ledger, out, merge, scheduler, threads, change or [], dry_run, collect, form
        )
    raise typer.Exit(code)


def _sweep(
    study: Path | None,
    ledger: Path | None,
    out: list[Path] | None,
    merge: list[Path] | None,
    scheduler: str | None,
    threads: int | None,
    change: list[str],
    dry_run: bool,
    collect: bool,
    form: str,
) -> int:
    if study is None and (ledger is None or not merge):
        raise ValueError("give a STUDY.toml, or --ledger with --merge")
    file = ledger if ledger is not None else Path(f"{study.stem}.db" if study else "study.db")
    name = f"{study.stem}.nc" if study else "study.nc"
    targets = [options.place(one, name, ".nc", ".parquet", ".csv") for one in out or ()]
    targets = targets or ([Path(name)] if study else [])
    for target in targets:
        check_suffix(target)
        _refuse_input("out", target, {"the ledger": [file], "a ledger": merge, "the study": study})
    if study is not None and not collect:
        _refuse_input("ledger", file, {"the study": study})
    if merge:
        for other in merge:
            print(f"merged {merged(file, other):,} units of {other} into {file}")
    if study is None:
        streams.kept()
        return 0
    what = overridden(study, change)
    if dry_run:
        if file.exists():
            with Ledger(file, write=False) as found:
                print(plan(what, found).describe())
        else:
            print(plan(what).describe())
        return 0
    if collect:
        ds = collected(what, file)
    else:
        try:
            ds = lrft.sweep(
                what,
                file,
                scheduler=scheduler,
                threads=threads,
                progress=True,
                announce=streams.warn,
            )
        except KeyboardInterrupt as stop:
            signals.hold()
            streams.warn(f"interrupted; {file} keeps what is finished")
            if isinstance(stop, lrft.Interrupted):
                _so_far(stop, targets, form)
            return 130
        except OSError as error:  # a full disk, a scheduler that has gone
            streams.warn(f"{error}; what is finished is kept")
            return 1
    signals.hold()
    return _finish(ds, targets, form)


def _so_far(stop: lrft.Interrupted, targets: list[Path], form: str) -> None:
    """Write, draw and print what an interrupted study has, if anything."""
    try:
        ds = stop.result
    except (OSError, ValueError) as error:
        streams.warn(f"no results so far: {files.reason(error)}")
        return
    if bool((ds.status != "missing").any()):
        _finish(ds, targets, form)


def overridden(study: Path, changes: list[str]) -> Path | dict[str, Any]:
    """Read a study with some entries changed; the path itself where nothing is.

    A field that is fixed here is taken out of the design.
    """
    if not changes:
        return study
    tables = from_file(study)
    for change in changes:
        name, equals, text = change.partition("=")
        table, dot, field = name.strip().partition(".")
        if not (equals and dot and field):
            raise ValueError(f"--set takes TABLE.FIELD=VALUE, as task.k=8, got {change!r}")
        if not isinstance(tables.setdefault(table, {}), dict):
            raise ValueError(f"--set {change}: {table} is no table of the study")
        if table in FIXED:
            for design in ("grid", "list", "random", "derived"):
                for known in (field, f"{table}.{field}"):
                    tables.get(design, {}).pop(known, None)
        tables[table][field] = config.parse(text.strip(), Field(table, field, None, "", ""))
    return tables


def _refuse_input(name: str, path: Path, inputs: dict[str, Path | list[Path] | None]) -> None:
    """Refuse a file to write that is one to read, by whichever name, or that is none."""
    for what, others in inputs.items():
        for other in others if isinstance(others, list) else [others]:
            if other is not None and files.same(path, other):
                raise ValueError(f"{name}={str(path)!r} is {what} itself: choose another name")
    files.regular(path, name, ledger=name == "ledger")


def _finish(ds: xr.Dataset, targets: list[Path], form: str) -> int:
    written, failed = [], 0
    ds = listed(ds)
    for target in targets:
        try:
            written.append(files.somewhere(target, partial(save, ds), streams.warn))
        except Exception as error:  # whatever it is, the other files are still to be written
            streams.warn(f"cannot save {target}: {files.reason(error)}")
            failed = 1
    draw = _picture(ds)
    if draw is not None:
        written += run.draw(draw, targets[0].with_suffix(".png"))
    if _report(ds, form):
        failed = 1
    for path in written:
        if form == "table":
            streams.saved(path)
        else:
            streams.kept()
    return failed


def _picture(ds: xr.Dataset) -> Callable[[], Figure] | None:
    """Say how a study is drawn, if it varies a number."""
    if ds.attrs.get("kind") == "sequence":
        known = plot.varied(ds)
        return partial(lrft.plot.forgetting, ds, known[0]) if known else None
    field, reached = plot.swept(ds), ds.threshold[(ds.hit_step >= 0).any(("point", "replica"))]
    if field is None or not reached.size:
        return None
    return partial(lrft.plot.scaling, ds, field, threshold=float(reached.max()))


def _report(ds: xr.Dataset, form: str) -> bool:
    """Print how the replicas ended, and why points failed; return whether some did."""
    import numpy as np

    if form != "table":
        table.show_numbers(ds, form)
    else:
        names, counts = np.unique(ds.status.values, return_counts=True)
        ends = ", ".join(f"{count:,} {name}" for name, count in zip(names, counts, strict=True))
        print(f"{ds.sizes['point']:,} points x {ds.sizes['replica']:,} replicas: {ends}")
    failed = np.flatnonzero(ds.failure.values != "")
    for i in failed[:_SHOWN]:
        streams.warn(f"point {i} failed: {ds.failure.values[i]}")
    if len(failed) > _SHOWN:
        streams.warn(f"{len(failed) - _SHOWN:,} more points failed")
    return bool(len(failed))
