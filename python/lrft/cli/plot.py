"""`lrft plot`: draw a saved result again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import lrft
from lrft.base import files, streams
from lrft.cli import options
from lrft.plot import pictures


def plot(
    file: Annotated[Path, typer.Argument(help="result, as lrft run saves it", metavar="FILE.nc")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="picture, .png, .svg or .pdf, or a folder; beside FILE.nc by default",
        ),
    ] = None,
) -> None:
    """Draw the overlaps and the loss of a result."""
    ds = lrft.load(file)
    target = file.with_suffix(".png")
    if out is not None:
        target = options.place(out, target.name, ".png", ".svg", ".pdf")
    if files.same(target, file):
        raise ValueError(f"out={str(target)!r} is the result itself")
    files.regular(target, "out")
    try:
        picture = pictures.drawn(lambda: lrft.plot.summary(ds), target.suffix)
        files.write(picture, target)
    except ImportError as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # of any kind: a full disk, a broken installation
        streams.warn(f"no picture: {files.reason(error)}")
        raise typer.Exit(1) from None
    streams.saved(target)
