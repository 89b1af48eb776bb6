"""`lrft run`: one task, one training, several replicas; a file, a picture and a table."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lrft.cli import config
from lrft.cli.fields import Field, fields

if TYPE_CHECKING:
    import xarray as xr

HELP = """Simulate the fine-tuning of a low-rank perturbation by online SGD.

Without flags: the paper's task (App. B), relu, d = 2000, k = 50, ξ = √k, û and ĉ trained jointly.
The result is saved as lrft-run.nc and drawn as lrft-run.png in the current folder, replacing older
ones. Values are written as in TOML; lists may leave out the brackets: --thresholds 0.5,0.9.
"""


def command() -> Callable[..., None]:
    """Build the command, with one flag for every field."""

    def run(config_file: Path | None, print_config: bool, **flags: Any) -> None:
        settings = config.resolve(config_file, flags)
        if print_config:
            print(config.to_toml(settings), end="")
        else:
            raise typer.Exit(execute(settings))

    parameters = [
        _parameter("config_file", Path | None, None, "--config", metavar="FILE",
                   help="TOML file with settings, as --print-config writes it; flags override it"),
        _parameter("print_config", bool, False, "--print-config",
                   help="write all settings, commented, as TOML to stdout and run nothing"),
    ]  # fmt: skip
    defaults = config.resolve(None, {})
    for (section, name), words in config.DERIVED.items():
        defaults[section][name] = words
    for section, members in fields().items():
        parameters += [_flag(field, defaults[section][field.name]) for field in members.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def execute(settings: config.Settings) -> int:
    """Run the settings; save, draw and print the result.

    Parameters
    ----------
    settings : dict
        As `config.resolve` returns them.

    Returns
    -------
    int
        Exit code: 0; 1 if every replica diverged or the result could not be saved; 130 if the run
        was interrupted.
    """
    options = {name: value for name, value in settings["run"].items() if value is not None}
    target = _target(options.pop("out"), options.pop("name"))
    task = config.task(settings["task"])
    training = config.training(settings, task)
    # What the end of a run needs is loaded before its beginning, so that Ctrl-C acts at once.
    import h5netcdf  # noqa: F401
    import xarray  # noqa: F401

    import lrft
    from lrft import provenance, result  # noqa: F401
    from lrft.cli import table
    from lrft.progress import Bar

    provenance.environment()
    with Bar() as bar:
        ds = lrft.simulate(task, training, progress=bar, **options)
    ds.attrs["command"] = shlex.join(["lrft", *sys.argv[1:]])
    ds.attrs["settings_toml"] = config.to_toml(settings)  # for lrft run --config
    interrupted = bool(ds.attrs.get("interrupted"))
    saved = _save(ds, target.with_name(f"{target.name}.nc"))
    table.show(ds)
    drawn = [] if interrupted else _draw(ds, target.with_name(f"{target.name}.png"))
    for path in saved + drawn:
        print(f"saved {path}")
    if interrupted:
        print("lrft: interrupted; what was recorded is kept", file=sys.stderr)
        return 130
    return 1 if not saved or bool((ds.status == "diverged").all()) else 0


def _target(out: str, name: str) -> Path:
    """Folder and name of the results, without suffix; makes the folder, before any work is done."""
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(f"name={name!r} must be a file name without folder; the folder is out")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{name}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"out={out!r}: cannot write there ({error.strerror})") from error
    return folder / name


def _save(ds: xr.Dataset, path: Path) -> list[Path]:
    from lrft.result import save

    try:
        save(ds, path)
    except OSError as error:
        print(f"lrft: cannot save {path}: {error.strerror or error}", file=sys.stderr)
        return []
    return [path]


def _draw(ds: xr.Dataset, path: Path) -> list[Path]:
    from lrft import plot

    try:
        plot.summary(ds).savefig(path)
    except ImportError as error:
        print(f"lrft: no picture: {error}", file=sys.stderr)
    except OSError as error:
        print(f"lrft: cannot save {path}: {error.strerror or error}", file=sys.stderr)
    else:
        return [path]
    return []


def _flag(field: Field, default: Any) -> inspect.Parameter:
    """Make the flag of a field; not given, it is None and the default comes from `config`."""
    text = field.help
    if default is not None:
        shown = default if isinstance(default, str) else config.literal(default)
        text += f" [default: {shown}]"
    if field.boolean:
        names = f"--{field.flag}/--no-{field.flag}"
        return _parameter(field.parameter, bool | None, None, names, help=text, panel=field.section)
    return _parameter(
        field.parameter, str | None, None, f"--{field.flag}",
        help=text, metavar=field.metavar, panel=field.section,
    )  # fmt: skip


def _parameter(
    name: str, kind: Any, default: Any, *names: str, help: str, panel: str = "general", **more: Any
) -> inspect.Parameter:
    option = typer.Option(
        *names, help=escape(help), rich_help_panel=panel.capitalize(), show_default=False, **more
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
