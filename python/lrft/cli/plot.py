"""`lrft plot`: draw saved results again, one by itself or several runs on one axes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lrft
from lrft.base import files, netcdf, streams
from lrft.cli import options
from lrft.plot import pictures

if TYPE_CHECKING:
    import xarray as xr


def plot(
    results: Annotated[
        list[Path],
        typer.Argument(help="results of lrft run, sequence, sweep or fit", metavar="FILE.nc..."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="picture, .png, .svg or .pdf, or a folder; beside FILE.nc by default",
        ),
    ] = None,
    x: Annotated[
        str | None, typer.Option(help="of a study: the field along x [default: its first]")
    ] = None,
    y: Annotated[
        str | None, typer.Option(help="of a study: draw a map, with this field along y")
    ] = None,
    value: Annotated[
        str, typer.Option(help="of a map: a column of lrft.summary, as T50, share, final_loss")
    ] = "T50",
    threshold: Annotated[float, typer.Option(help="of a study: the overlap to reach")] = 0.9,
    quiet: options.Quiet = False,
) -> None:
    """Draw results: one run, a fit, several runs side by side, or a study.

    A study is drawn as hitting times against --x, or with --y as a map; one of sequences as what
    they forget against --x.
    """
    with options.quietly(quiet):
        _plot(results, out, x, y, value, threshold)


def _plot(
    results: list[Path],
    out: Path | None,
    x: str | None,
    y: str | None,
    value: str,
    threshold: float,
) -> None:
    loaded = [_load(file) for file in results]
    target = results[0].with_suffix(".png")
    if out is not None:
        target = options.place(out, target.name, ".png", ".svg", ".pdf")
    for file in results:
        if files.same(target, file):
            raise ValueError(f"out={str(target)!r} is the result itself")
    files.regular(target, "out")
    first = loaded[0]
    if len(loaded) > 1:
        names = _names(results)
        draw = partial(lrft.plot.compare, dict(zip(names, loaded, strict=True)))
    elif "study_schema_version" not in first.attrs:
        draw = partial(lrft.plot.summary, first)
    elif first.attrs.get("kind") == "sequence":
        draw = partial(lrft.plot.forgetting, first, x)
    elif y is not None:
        draw = partial(lrft.plot.heatmap, first, x or _field(first), y, value, threshold=threshold)
    else:
        draw = partial(lrft.plot.scaling, first, x or _field(first), threshold=threshold)
    try:
        picture = pictures.drawn(draw, target.suffix)
        files.write(picture, target)
    except ImportError as error:
        raise ValueError(str(error)) from error
    except ValueError as error:  # this kind of picture is not of this kind of result
        if isinstance(error, UnicodeError):
            raise
        raise ValueError(f"no picture: {error}") from error
    except Exception as error:  # of any kind: a full disk, a broken installation
        streams.warn(f"no picture: {files.reason(error)}")
        raise typer.Exit(1) from None
    streams.saved(target)


def _load(file: Path) -> xr.Dataset:
    """Read a result of whichever kind."""
    if "study_schema_version" in netcdf.read(file).attrs:
        return lrft.study.load(file)
    return lrft.load(file)


def _names(results: list[Path]) -> list[str]:
    """Names of files, with their folders where they would be the same."""
    stems = [file.stem for file in results]
    return stems if len(set(stems)) == len(stems) else [str(file) for file in results]


def swept(study: xr.Dataset) -> str | None:
    """First field of a study that is a number and takes several positive values."""
    return next((name for name in varied(study) if study[name].values.min() > 0), None)


def varied(study: xr.Dataset) -> list[str]:
    """Fields of a study that are numbers and take several values."""
    return [
        str(name)
        for name in json.loads(study.attrs.get("axes", "[]"))
        if name in study.coords and study[name].dtype.kind in "iuf"
        if study[name].values.max() > study[name].values.min()
    ]


def _field(study: xr.Dataset) -> str:
    return swept(study) or "d"
