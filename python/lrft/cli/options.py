"""What several commands share: where results go, how much is said, and in which form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from lrft.base import files
from lrft.base.progress import quiet as without_bars
from lrft.base.version import __version__

__all__ = ["AsCsv", "AsJson", "Quiet", "place", "quietly", "root"]

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="no bar and no table; errors and warnings only"),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="the rows of lrft.summary as JSON, instead of a table")
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="the rows of lrft.summary as CSV, instead of a table")
]


def _version(asked: bool) -> None:
    if asked:
        print(f"lrft {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say which this is")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


#: What a name ends in that is meant for a file: not that of the folder run-1.5.
_FILE = re.compile(r"\.[A-Za-z]\w*")


def place(out: str | Path | None, name: str, *suffixes: str) -> Path:
    """Say which file is meant by ``--out``: itself, or one called `name` in that folder.

    Parameters
    ----------
    out : path or None
        A file ending in one of `suffixes`, or a folder, made if missing; the current one for None.
    name : str
    *suffixes : str

    Returns
    -------
    Path
        In a folder that exists and can be written to.

    Raises
    ------
    ValueError
        For another suffix, and for a folder that cannot be made or written to.

    Examples
    --------
    >>> from lrft.cli.options import place
    >>> str(place("a.nc", "run.nc", ".nc")), str(place(None, "run.nc", ".nc"))
    ('a.nc', 'run.nc')
    """
    path = Path(out or "")
    if path.is_dir() or not _FILE.fullmatch(path.suffix):
        return files.folder(path) / name
    if path.suffix not in suffixes:
        raise ValueError(f"out={str(path)!r} must be a folder or end in {' or '.join(suffixes)}")
    files.folder(path.parent)
    return path


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Leave out bars and what is printed to stdout, if asked."""
    if not quiet:
        yield
        return
    with without_bars(), redirect_stdout(None):
        yield
