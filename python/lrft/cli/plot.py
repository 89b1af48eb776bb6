"""`lrft plot`: draw a saved result again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plot(
    file: Annotated[Path, typer.Argument(help="result, as lrft run saves it", metavar="FILE.nc")],
    out: Annotated[
        Path | None,
        typer.Option(help="picture to write: .png, .svg or .pdf; beside FILE.nc by default"),
    ] = None,
) -> None:
    """Draw the overlaps and the loss of a result."""
    import lrft

    ds = lrft.load(file)
    target = out if out is not None else file.with_suffix(".png")
    if target.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"out={str(target)!r} must end in .png, .svg or .pdf")
    if target.resolve() == file.resolve():
        raise ValueError(f"out={str(target)!r} is the result itself")
    try:
        lrft.plot.summary(ds).savefig(target)
    except ImportError as error:
        raise ValueError(str(error)) from error
    print(f"saved {target}")
