"""`lrft plot`: draw a saved result again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrft import _files
from lrft.cli import streams


def plot(
    file: Annotated[Path, typer.Argument(help="result, as lrft run saves it", metavar="FILE.nc")],
    out: Annotated[
        Path | None,
        typer.Option(help="picture to write: .png, .svg or .pdf; beside FILE.nc by default"),
    ] = None,
) -> None:
    """Draw the overlaps and the loss of a result."""
    import lrft
    from lrft import _pictures

    ds = lrft.load(file)
    target = out if out is not None else file.with_suffix(".png")
    if target.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"out={str(target)!r} must end in .png, .svg or .pdf")
    if _files.same(target, file):
        raise ValueError(f"out={str(target)!r} is the result itself")
    _files.regular(target, "out")
    try:
        picture = _pictures.drawn(lambda: lrft.plot.summary(ds), target.suffix)
        _files.write(picture, target)
    except ImportError as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # of any kind: a full disk, a broken installation
        streams.warn(f"no picture: {_files.reason(error)}")
        raise typer.Exit(1) from None
    streams.saved(target)
