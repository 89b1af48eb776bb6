"""`lrft run`: one task, one training, several replicas; a file, a picture and a table."""

from __future__ import annotations

import inspect
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lrft import _checks, _files
from lrft.cli import config, signals
from lrft.cli.fields import Field, fields

if TYPE_CHECKING:
    import xarray as xr

    from lrft.progress import Progress
    from lrft.simulation import Simulation

HELP = """Simulate the fine-tuning of a low-rank perturbation by online SGD.

Without flags: the paper's task (App. B), relu, d = 2000, k = 50, ξ = √k, û and ĉ trained jointly.
The result is saved as lrft-run.nc and drawn as lrft-run.png in the current folder, replacing older
ones. Values are written as in TOML; lists may leave out the brackets: --thresholds 0.5,0.9.
"""


def command() -> Callable[..., None]:
    """Build the command, with one flag for every field."""

    def run(
        config_file: Path | None, print_config: bool, resume: Path | None,
        checkpoint: float | None, **flags: Any,
    ) -> None:  # fmt: skip
        if resume is not None and (config_file is not None or print_config):
            raise ValueError("--resume goes on with the settings of the state: no --config")
        settings = config.resolve(config_file, flags)
        if print_config:
            print(config.to_toml(settings), end="")
        else:
            if resume is not None:
                _only_where_to_and_how(flags)
            raise typer.Exit(execute(settings, resume=resume, checkpoint=checkpoint))

    parameters = [
        _parameter("config_file", Path | None, None, "--config", metavar="FILE",
                   help="TOML file with settings, as --print-config writes it; flags override it"),
        _parameter("print_config", bool, False, "--print-config",
                   help="write all settings, commented, as TOML to stdout and run nothing"),
        _parameter("resume", Path | None, None, "--resume", metavar="FILE",
                   help="go on from a saved state, bit for bit; of the flags below only --out, "
                   "--name and --threads"),
        _parameter("checkpoint", float | None, None, "--checkpoint", metavar="SECONDS",
                   help="save the state every so often, and when interrupted, as NAME.state.npz; "
                   "removed once the result is saved"),
    ]  # fmt: skip
    defaults = config.resolve(None, {})
    for (section, name), words in config.DERIVED.items():
        defaults[section][name] = words
    for section, members in fields().items():
        parameters += [_flag(field, defaults[section][field.name]) for field in members.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def execute(
    settings: config.Settings, *, resume: Path | None = None, checkpoint: float | None = None
) -> int:
    """Run the settings; save, draw and print the result.

    Parameters
    ----------
    settings : dict
        As `config.resolve` returns them.
    resume : path, optional
        Of a saved state, to go on from; of the settings it leaves out, name and threads.
    checkpoint : float, optional
        Seconds between saved states.

    Returns
    -------
    int
        Exit code: 0; 1 if every replica diverged or the result could not be saved; 130 if the run
        was interrupted.
    """
    options = {name: value for name, value in settings["run"].items() if value is not None}
    target = _target(options.pop("out"), options.pop("name"))
    if checkpoint is not None:
        checkpoint = _checks.real("checkpoint", checkpoint, above=0.0)
    simulation = _simulation(settings, options, resume)
    # What the end of a run needs is loaded before its beginning, so that Ctrl-C acts at once.
    from lrft import provenance, result
    from lrft.cli import table
    from lrft.progress import Bar

    result.get_ready(to_save=True)
    provenance.environment()
    state = target.with_name(f"{target.name}.state.npz")
    with Bar() as bar:
        keeper = _Keeper(simulation, state, checkpoint, bar) if checkpoint else None
        if keeper is not None and resume is not None:
            keeper.some = resume.absolute() == state.absolute()
        signals.act(simulation.run, keeper or bar)
    ds = simulation.dataset()
    ds.attrs["command"] = shlex.join(["lrft", *sys.argv[1:]])
    if resume is None:
        ds.attrs["settings_toml"] = config.to_toml(settings)  # for lrft run --config
    interrupted = bool(ds.attrs.get("interrupted"))
    saved = _save(ds, target.with_name(f"{target.name}.nc"))
    table.show(ds)
    drawn = [] if interrupted else _draw(ds, target.with_name(f"{target.name}.png"))
    for path in saved + drawn:
        print(f"saved {path}")
    if keeper is not None:
        keeper.end(keep=interrupted or not saved)
    if interrupted:
        print("lrft: interrupted; what was recorded is kept", file=sys.stderr)
        return 130
    return 1 if not saved or bool((ds.status == "diverged").all()) else 0


def _simulation(
    settings: config.Settings, options: dict[str, Any], resume: Path | None
) -> Simulation:
    import lrft

    if resume is not None:
        return lrft.Simulation.resume(resume, threads=options.get("threads"))
    task = config.task(settings["task"])
    return lrft.Simulation(task, config.training(settings, task), **options)


def _only_where_to_and_how(flags: dict[str, Any]) -> None:
    """Refuse flags that a resumed run could not follow."""
    for name, value in flags.items():
        if value is not None and name not in ("out", "name", "threads"):
            flag = name.replace("_", "-")
            raise ValueError(f"--resume goes on with the settings of the state: no --{flag}")


class _Keeper:
    """Saves the state of a run now and then, from its progress."""

    def __init__(
        self, simulation: Simulation, path: Path, every: float, show: Callable[[Progress], object]
    ) -> None:
        self.simulation = simulation
        self.path = path
        self.every = every
        self.show = show
        self.saved = time.monotonic()
        self.some = False  # state is there

    def __call__(self, progress: Progress) -> None:
        self.show(progress)
        if time.monotonic() - self.saved >= self.every:
            self.save()

    def save(self) -> None:
        # A run of hours does not end because a disk is full now: the next attempt may succeed.
        try:
            self.simulation.save_state(self.path)
            self.some = True
        except ValueError as error:
            print(f"lrft: no checkpoint: {error}", file=sys.stderr)
        self.saved = time.monotonic()

    def end(self, *, keep: bool) -> None:
        """Keep the last state of a run that is to go on; remove it once there is a result."""
        if keep:
            self.save()
            if self.some:
                print(f"lrft: lrft run --resume {self.path} goes on", file=sys.stderr)
        else:
            self.path.unlink(missing_ok=True)


def _target(out: str, name: str) -> Path:
    """Folder and name of the results, without suffix; makes the folder, before any work is done."""
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(f"name={name!r} must be a file name without folder; the folder is out")
    return _files.folder(out) / name


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
