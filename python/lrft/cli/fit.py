"""`lrft fit`: a student trained on data in files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

import lrft
from lrft.base import arrays, files, foreign, streams
from lrft.cli import config, options, run, signals, table
from lrft.cli.fields import fit_fields, student_models

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELP = run.paragraphs(
    """Fit a student to inputs and labels in files, by SGD on the squared error.

BASE is the network to start from: 'digits', or a .npz or .safetensors file of weights. X has one
row a sample, y one label: .npy (read as it is needed), .csv, or .npz with the arrays X and y.
The result is saved as lrft-fit.nc and drawn as lrft-fit.png; lrft.merge_weights makes a network.
"""
)


def command() -> Callable[..., None]:
    """Build the command, with one flag for every argument of `lrft.fit` and field of a student."""

    def fit(
        context: typer.Context,
        base: str,
        X: Path,
        y: Path | None,
        validation: tuple[Path, Path] | None,
        out: Path | None,
        quiet: bool,
        as_json: bool,
        as_csv: bool,
        **flags: Any,
    ) -> None:
        form = run.form_of(as_json, as_csv)
        target = options.place(out, "lrft-fit.nc", ".nc")
        files.regular(target, "out")
        student, given = _settings(flags)
        data = pair(X, y)
        if validation is not None:
            given["validation"] = pair(*validation)
        weights = lrft.load_weights(base)
        with options.quietly(quiet):
            ds = lrft.fit(weights, student, *data, **given, progress=True, on_interrupt="return")
            signals.hold()
            ds.attrs["command"] = run.shell_line(context.obj)
            saved = run.save(ds, target)
            drawn = run.draw(partial(lrft.plot.summary, ds), target.with_suffix(".png"))
            table.show_fit(ds, form)
            for path in saved + drawn:
                if form == "table":
                    streams.saved(path)
                else:
                    streams.kept()
        if ds.attrs.get("interrupted"):
            streams.warn(f"interrupted at {run.where(ds)}; what was computed is kept")
            raise typer.Exit(130)
        if not saved or bool((ds.status == "diverged").all()):
            raise typer.Exit(1)

    def argument(name: str, kind: Any, default: Any, **more: Any) -> inspect.Parameter:
        annotation = Annotated[kind, typer.Argument(show_default=False, **more)]
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )

    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        argument("base", str, inspect.Parameter.empty, metavar="BASE", help="weights, or 'digits'"),
        argument("X", Path, inspect.Parameter.empty, metavar="X", help="inputs (n, d)"),
        argument("y", Path | None, None, metavar="[y]", help="labels (n,); in X if that is .npz"),
        run.parameter(
            "validation",
            tuple[Path, Path] | None,
            None,
            "--validation",
            metavar="X y",
            help="files of samples that are held out",
        ),
        run.parameter(
            "out",
            Path | None,
            None,
            "--out",
            metavar="PATH",
            help="where the results go: a file ending in .nc, or a folder, made if missing",
        ),
        *run.shared_parameters(),
    ]
    for members in fit_fields().values():
        parameters += [run.flag(field, field.default) for field in members.values()]
    fit.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    fit.__annotations__ = {each.name: each.annotation for each in parameters}
    return fit


def pair(X: Path, y: Path | None) -> tuple[Any, Any]:
    """Read inputs and labels.

    Parameters
    ----------
    X, y : path
        ``.npy`` or ``.csv``, or one ``.npz`` with both.

    Returns
    -------
    tuple of ndarray
        Of shapes (n, d) and (n,), a memory map for ``.npy``.

    Raises
    ------
    ValueError
        Naming the file and the reason.
    """
    if X.suffix == ".npz" and y is None:
        found, _ = arrays.read(X)
        with foreign.explained(f"cannot read {str(X)!r}"):
            return found["X"], found["y"]
    if y is None:
        raise ValueError(f"y is missing: give a file of labels, or X and y in one .npz, got {X}")
    labels = _array(y)
    return _array(X), labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _array(path: Path) -> NDArray[Any]:
    try:
        with foreign.explained(f"cannot read {str(path)!r}"):
            if path.suffix == ".npy":
                return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
            if path.suffix == ".csv":
                import pandas as pd

                table = pd.read_csv(path, header=None, skiprows=_header(path))
                return np.asarray(table.to_numpy())
            raise ValueError("data must be a .npy, .csv or .npz file")
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {files.reason(error)}") from None


def _header(path: Path) -> int:
    """Count the lines of names at the beginning: one if the first has a field that is no number."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    try:
        [float(part) for part in first.split(",")]
    except ValueError:
        return 1
    return 0


def _settings(flags: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the student and the arguments of `lrft.fit` that the flags give."""
    given: dict[str, dict[str, Any]] = {}
    for section, members in fit_fields().items():
        given[section] = {}
        for name, field in members.items():
            text = flags.get(field.parameter)
            if text is not None:
                value = config.parse(text, field) if isinstance(text, str) else text
                given[section][name] = value
    if "lr" not in given["fit"]:
        raise ValueError("lr is required: give --lr")
    models = student_models()
    known = {name: None for name in fit_fields()["student"]} | {"kind": "rank_one"}
    settings = config.student(known | given["student"], given["student"])
    fields = {name: value for name, value in settings.items() if value is not None}
    return models[fields.pop("kind")](**fields), given["fit"]
