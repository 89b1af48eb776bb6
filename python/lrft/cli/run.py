"""`lrft run`: one task, one training, several replicas; a file, a picture and a table."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

import lrft
from lrft.base import checks, files, streams
from lrft.base.progress import Bar
from lrft.cli import config, options, signals, table
from lrft.cli.fields import Field, fields
from lrft.plot import curves, pictures
from lrft.result import dataset as results
from lrft.result import provenance

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from lrft.base.progress import Progress
    from lrft.run.sequence import SequenceSimulation
    from lrft.run.simulation import Simulation

#: What writing a state may end with that is no mistake of ours.
_CANNOT = (OSError, ValueError, MemoryError)


@dataclass(frozen=True)
class Kind:
    """A command that runs something which can be left, saved and gone on with.

    Attributes
    ----------
    command : str
    fields : callable
        Its settings, by section and name.
    resolve : callable
        Settings of a file and flags.
    begin : callable
        What is run, of settings and the rest of those of ``run``.
    resume : callable
        The same of a saved state.
    show : callable
        Prints a result, in one of the forms.
    """

    command: str
    fields: Callable[[], dict[str, dict[str, Field]]]
    resolve: Callable[[Path | None, dict[str, Any]], config.Settings]
    begin: Callable[[config.Settings, dict[str, Any]], Simulation | SequenceSimulation]
    resume: Callable[..., Simulation | SequenceSimulation]
    show: Callable[[xr.Dataset, str], None]

    @property
    def name(self) -> str:
        """Name of its results."""
        return f"lrft-{self.command}"


def paragraphs(text: str) -> str:
    """Put every paragraph on one line: rich keeps the ends of lines."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())


HELP = paragraphs("""Simulate the fine-tuning of a low-rank perturbation by online SGD.

Without flags: the paper's task (App. B), relu, d = 2000, k = 50, ξ = √k, û and ĉ trained jointly.
The result is saved as lrft-run.nc and drawn as lrft-run.png in the current folder, replacing older
ones. Values are written as in TOML; lists may leave out the brackets: --thresholds 0.5,0.9.
""")


def _begin(settings: config.Settings, given: dict[str, Any]) -> Simulation:
    task = config.task(settings["task"])
    return lrft.Simulation(task, config.training(settings, task), **given)


def command() -> Callable[..., None]:
    """Build the command, with one flag for every field."""
    return command_of(
        Kind("run", fields, config.resolve, _begin, lrft.Simulation.resume, table.show)
    )


def command_of(kind: Kind) -> Callable[..., None]:
    """Build a command, with one flag for every field."""

    def run(
        context: typer.Context,
        config_file: Path | None,
        print_config: bool,
        resume: Path | None,
        checkpoint: float | None,
        quiet: bool,
        as_json: bool,
        as_csv: bool,
        **flags: Any,
    ) -> None:
        form = form_of(as_json, as_csv)
        if resume is not None and (config_file is not None or print_config):
            raise ValueError("--resume goes on with the settings of the state: no --config")
        settings = kind.resolve(config_file, flags)
        if print_config:
            print(config.to_toml(settings, kind.command), end="")
        else:
            if resume is not None:
                _only_where_to_and_how(flags)
            with options.quietly(quiet):
                code = execute(
                    kind, settings, context.obj, resume=resume, checkpoint=checkpoint, form=form
                )
            raise typer.Exit(code)

    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        parameter(
            "config_file",
            Path | None,
            None,
            "--config",
            metavar="FILE",
            help="TOML file with settings, as --print-config writes it; flags override it",
        ),
        parameter(
            "print_config",
            bool,
            False,
            "--print-config",
            help="write all settings, commented, as TOML to stdout and run nothing",
        ),
        parameter(
            "resume",
            Path | None,
            None,
            "--resume",
            metavar="FILE",
            help="go on from a saved state, bit for bit; of the flags below only --out, "
            "--name and --threads",
        ),
        parameter(
            "checkpoint",
            float | None,
            None,
            "--checkpoint",
            metavar="SECONDS",
            help="save the state every so often, and when interrupted, as NAME.state.npz; "
            "removed once the result is saved",
        ),
    ]
    parameters += shared_parameters()
    defaults = kind.resolve(None, {})
    for (section, name), words in config.DERIVED.items():
        if section in defaults:
            defaults[section][name] = words
    for section, members in kind.fields().items():
        parameters += [flag(field, defaults[section][field.name]) for field in members.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def shared_parameters() -> list[inspect.Parameter]:
    """Make the flags that say how much is printed, and how."""
    shared = (("quiet", options.Quiet), ("as_json", options.AsJson), ("as_csv", options.AsCsv))
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in shared
    ]


def shell_line(arguments: Sequence[str]) -> str:
    """Write the command as a shell takes it."""
    return " ".join(["lrft", *map(_quoted, arguments)])


def execute(
    kind: Kind,
    settings: config.Settings,
    arguments: Sequence[str],
    *,
    resume: Path | None = None,
    checkpoint: float | None = None,
    form: str = "table",
) -> int:
    """Run the settings; save, draw and print the result.

    What was computed outlives what comes after it: it is saved first, elsewhere if it cannot be
    where it belongs; a picture or a table that fails is a warning.

    Parameters
    ----------
    kind : Kind
    settings : dict
        As its `resolve` returns them.
    arguments : sequence of str
        Of the command line, kept in the result.
    resume : path, optional
        Of a saved state, to go on from; of the settings it leaves out, name and threads.
    checkpoint : float, optional
        Seconds between saved states.
    form : {"table", "json", "csv"}
        Of what is printed.

    Returns
    -------
    int
        Exit code: 0; 1 if every replica diverged or the result could not be saved; 130 if the run
        was interrupted.
    """
    given = {name: value for name, value in settings["run"].items() if value is not None}
    target = _target(given.pop("out"), given.pop("name"), kind.name)
    state = target.with_name(f"{target.stem}.state.npz")
    if checkpoint is not None:
        checkpoint = checks.real("checkpoint", checkpoint, above=0.0)
        _refuse_state_of_another(state, resume)
    about = {"command": shell_line(arguments)}
    if resume is None:
        about["settings_toml"] = config.to_toml(settings, kind.command)  # for --config
        simulation = kind.begin(settings, given)
    else:
        simulation = kind.resume(resume, threads=given.get("threads"))
    # What the end of a run needs is loaded before its beginning, so that Ctrl-C acts at once.

    results.get_ready(to_save=True)
    provenance.environment()
    with Bar() as bar:
        keeper = _Keeper(simulation, state, checkpoint, bar, kind) if checkpoint else None
        if keeper is not None and resume is not None and files.same(resume, state):
            keeper.mine = _identity(state)
        signals.act(simulation.run, keeper or bar)
    ds = simulation.dataset()
    ds.attrs |= about
    interrupted = bool(ds.attrs.get("interrupted"))
    saved = save(ds, target)
    if keeper is not None:
        keeper.end(keep=interrupted or not saved)
    drawn = draw(partial(curves.summary, ds), target.with_suffix(".png"))
    _show(kind, ds, form)
    if saved and not saved[0].exists():  # its folder went away while this was drawn and shown
        saved = save(ds, target)
    for path in saved + drawn:
        if form == "table":
            streams.saved(path)
        else:
            streams.kept()
    if interrupted:
        streams.warn(f"interrupted at {where(ds)}; what was recorded is kept")
        return 130
    return 1 if not saved or bool((ds.status == "diverged").all()) else 0


def _only_where_to_and_how(flags: dict[str, Any]) -> None:
    """Refuse flags that a resumed run could not follow."""
    for name, value in flags.items():
        if value is not None and name not in ("out", "name", "threads"):
            flag = name.replace("_", "-")
            raise ValueError(f"--resume goes on with the settings of the state: no --{flag}")


class _Keeper:
    """Saves the state of a run now and then, from its progress."""

    def __init__(
        self,
        simulation: Simulation | SequenceSimulation,
        path: Path,
        every: float,
        show: Callable[[Progress], object],
        kind: Kind,
    ) -> None:
        self.simulation = simulation
        self.kind = kind
        self.path = path
        self.every = every
        self.show = show
        self.saved = time.monotonic()
        self.mine: tuple[int, ...] | None = None  # the file that this run wrote or went on from

    def __call__(self, progress: Progress) -> None:
        self.show(progress)
        if time.monotonic() - self.saved >= self.every:
            # A run of hours does not end because a disk is full now: the next time may do.
            try:
                self._write(self.path)
            except _CANNOT as error:
                streams.warn(f"no checkpoint: {files.reason(error)}")
            self.saved = time.monotonic()

    def end(self, *, keep: bool) -> None:
        """Keep the last state of a run that is to go on; remove it once there is a result."""
        if not keep:
            if self.mine is not None and self.mine == _identity(self.path):
                with suppress(OSError):
                    self.path.unlink()
            return
        try:
            path = files.somewhere(self.path, self._write, streams.warn)
        except _CANNOT as error:
            streams.warn(f"no checkpoint: {files.reason(error)}")
            if self.mine is None or self.mine != _identity(self.path):
                return
            path = self.path  # an earlier one
        streams.warn(f"lrft {self.kind.command} --resume {_quoted(os.fspath(path))} goes on")

    def _write(self, path: Path) -> None:
        if path != self.path:
            self.simulation.save_state(path)
            return
        found = _identity(path)
        if found is not None and found != self.mine:  # it came since this run began
            raise ValueError(f"{str(path)!r} is the state of another run")
        try:
            self.simulation.save_state(path)
        finally:  # Ctrl-C may come between the file and the note
            self.mine = _identity(path)


def _refuse_state_of_another(state: Path, resume: Path | None) -> None:
    if os.path.lexists(state) and not (resume is not None and files.same(resume, state)):
        raise ValueError(
            f"{str(state)!r} is the state of another run: go on with it (--resume), or remove it, "
            "or give this run another --name"
        )
    files.regular(state)


def _identity(path: Path) -> tuple[int, ...] | None:
    """Tell a file from another of its name; each write makes a new one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _target(out: str, name: str, usual: str) -> Path:
    """File of the result; makes its folder, before any work is done."""
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(f"name={name!r} must be a file name without folder; the folder is out")
    target = options.place(out, f"{name}.nc", ".nc")
    if target.name != f"{name}.nc" and name != usual:
        raise ValueError(f"out={out!r} is a file, so it names the result: give out or name")
    files.regular(target, "out")
    return target


def where(ds: xr.Dataset) -> str:
    """Say at which steps the replicas that have not ended stand."""
    steps = ds.stop_step.values[ds.status.values == "interrupted"]
    total = int(ds.step.values[-1])
    if not steps.size:
        return "the end"
    first, last = int(steps.min()), int(steps.max())
    return f"step {first:,}{f' to {last:,}' if last > first else ''} of {total:,}"


def form_of(as_json: bool, as_csv: bool) -> str:
    """Return the form of what is printed."""
    if as_json and as_csv:
        raise ValueError("--json and --csv both say how to print: give one of the two")
    return "json" if as_json else "csv" if as_csv else "table"


def save(ds: xr.Dataset, path: Path) -> list[Path]:
    """Save a result, elsewhere if need be; where it is, if anywhere."""
    try:
        return [files.somewhere(path, partial(results.save, ds), streams.warn)]
    except Exception as error:  # whatever it is, the table is still to be printed
        streams.warn(f"cannot save {path}: {files.reason(error)}")
    return []


def draw(picture_of: Callable[[], Figure], path: Path) -> list[Path]:
    """Draw a result; where the picture is, if anywhere."""
    try:
        picture = pictures.drawn(picture_of, path.suffix)
        return [files.somewhere(path, partial(files.write, picture), streams.warn)]
    except Exception as error:  # of any kind: fonts, a full disk, a broken installation
        streams.warn(f"no picture: {files.reason(error)}")
    return []


def _show(kind: Kind, ds: xr.Dataset, form: str) -> None:
    try:
        kind.show(ds, form)
    except Exception as error:
        streams.warn(f"no table: {files.reason(error)}")


def _quoted(argument: str) -> str:
    """Quote for a shell; bytes that are no text are written as bash reads them back."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raw = argument.encode("utf-8", "surrogateescape")
        escaped = "".join(chr(b) if chr(b).isalnum() and b < 128 else f"\\x{b:02x}" for b in raw)
        return f"$'{escaped}'"
    return shlex.quote(argument)


def flag(field: Field, default: Any) -> inspect.Parameter:
    """Make the flag of a field; not given, it is None and the default comes from `config`."""
    text = field.explained
    if default is not None:
        shown = default if isinstance(default, str) else config.literal(default)
        text += f" [default: {shown}]"
    if field.boolean:
        names = f"--{field.flag}/--no-{field.flag}"
        return parameter(field.parameter, bool | None, None, names, help=text, panel=field.section)
    return parameter(
        field.parameter,
        str | None,
        None,
        f"--{field.flag}",
        help=text,
        metavar=field.metavar,
        panel=field.section,
    )


def parameter(
    name: str, kind: Any, default: Any, *names: str, help: str, panel: str = "general", **more: Any
) -> inspect.Parameter:
    """Make a flag."""
    option = typer.Option(
        *names, help=escape(help), rich_help_panel=panel.capitalize(), show_default=False, **more
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
