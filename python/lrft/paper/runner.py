"""Runs experiments and writes what each gives as soon as it is done."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from lrft import RateWarning
from lrft.base import checks, interrupts, netcdf
from lrft.base import files as whole_files
from lrft.base.progress import Bars, showing
from lrft.base.threads import settle_threads
from lrft.paper import registry
from lrft.paper.ahead import Ahead
from lrft.paper.drawing import style
from lrft.paper.experiment import Experiment, Finished, Reproduction, Verdict, command
from lrft.paper.figures import measured
from lrft.paper.report import html as report
from lrft.plot import plain
from lrft.result import code_version, environment

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reproduce"]


def reproduce(
    names: str | Iterable[str] = "figures",
    *,
    out: str | os.PathLike[str] = "lrft-report",
    quick: bool = False,
    threads: int | None = None,
    resume: bool = False,
    instances: int | None = None,
    progress: Callable[[str, float], object] | bool | None = None,
    on_interrupt: str = "raise",
) -> Reproduction:
    """Redraw figures of the paper, test its claims, and write a report.

    Parameters
    ----------
    names : str or iterable of str
        Experiments (``"fig2a"``, ``"fig6"`` for both of its panels, ``"claim3"``) or groups
        (``"figures"``, ``"claims"``, ``"all"`` of the paper; ``"beyond"``: those of the field).
    out : path
        Folder of the results, made if missing: ``report.html``, and for each experiment its data
        (``.nc``, ``.csv``) and its panels (``.png``, ``.svg``), written as soon as it is done. What
        cannot be written there is written elsewhere, which stderr says.
    quick : bool
        A smoke run of every line at sizes that prove nothing.
    threads : int, optional
        As in `lrft.simulate`; results do not depend on it.
    resume : bool
        Take data that are already in `out` if they come from this very code and instruction set.
    instances : int, optional
        Of every curve of figures, 4 at least. By default few, and their verdicts are those that
        many gave (`lrft.paper.figures.measured`).
    progress : bool or callable, optional
        True for bars, in a terminal or a notebook; or called with the name of an experiment that is
        computed, of which there may be two at a time, and a fraction from 0 to 1.
    on_interrupt : {"raise", "return"}
        As for `lrft.simulate`: the result is what was finished, marked `interrupted`.

    Returns
    -------
    Reproduction

    Raises
    ------
    ValueError
        For a name that does not exist, a folder that cannot be written, or instances of what is no
        figure.
    ImportError
        If matplotlib or Jinja2 is not installed.
    Interrupted
        On Ctrl-C, within half a second, files that are being drawn or written excepted.

    Examples
    --------
    >>> import lrft, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = lrft.reproduce("fig2a", out=folder, quick=True, threads=1)
    ...     sorted({path.suffix for path in done.out.iterdir()})
    ['.csv', '.html', '.json', '.nc', '.png', '.svg']
    """
    on_interrupt = interrupts.check(on_interrupt)
    chosen = registry.experiments(names)
    _ask_for_libraries()
    instances = _instances(instances, chosen, quick)
    threads = None if threads is None else settle_threads(threads)
    folder = whole_files.folder(out)
    done = Reproduction(out=folder, report=folder / "report.html", quick=bool(quick))
    begin = time.perf_counter()

    # Panels of one figure show the same data, which are computed once.
    panels: dict[Callable[..., Any], list[Experiment]] = {}
    for experiment in chosen:
        panels.setdefault(experiment.run, []).append(experiment)

    try:
        # What is computed is also judged, drawn and written, whatever comes meanwhile.
        with (
            interrupts.held_back() as held,
            showing(progress, Bars) as show,
            warnings.catch_warnings(),
        ):
            # A search for the best rate goes far above the limit on purpose, hundreds of times.
            warnings.simplefilter("ignore", RateWarning)

            def tell(name: str, fraction: float, share: float = 0.97) -> None:
                if show is not None:  # the rest is for the picture and the files
                    show(name, share * fraction)

            known: dict[Callable[..., Any], xr.Dataset] = {}
            for one in chosen if resume else []:
                data = _saved(folder / f"{one.name}.nc", done.quick, instances)
                if data is not None:
                    known.setdefault(one.run, data)
            missing = [group[0] for run, group in panels.items() if run not in known]
            ahead = Ahead(
                missing,
                quick=done.quick,
                threads=settle_threads(threads),
                instances=instances,
            )

            def finish(
                run: Callable[..., Any], made: Callable[[], tuple[xr.Dataset, float]]
            ) -> bool:
                """Whether there was something to finish: data, or an error."""
                for panel in panels[run]:
                    one = _one(panel, made, folder, done.quick, instances)
                    if one is None:
                        return False
                    made = partial(_again, made)
                    done.finished.append(one)
                    done.finished.sort(key=lambda one: chosen.index(one.experiment))
                    done.seconds = time.perf_counter() - begin
                    _write_verdicts(done)
                    tell(panel.name, 1.0, share=1.0)
                return True

            try:
                for run, data in known.items():
                    finish(run, lambda data=data: (data, 0.0))  # type: ignore[misc]
                while ahead.left and not done.interrupted:
                    done.interrupted = held.act(ahead.wait, tell)
                    for one, future in ahead.done():
                        done.interrupted |= not finish(one.run, future.result)
                    done.interrupted |= bool(held.came)
            finally:
                ahead.leave()
            for one, future in ahead.done():
                finish(one.run, future.result)
            done.seconds = time.perf_counter() - begin
            _write_report(done)
    except KeyboardInterrupt:
        done.interrupted = True
    except (MemoryError, OSError):
        with suppress(MemoryError, OSError, ValueError):
            _write_report(done)  # of what was finished, if that can be
        raise
    if done.interrupted and on_interrupt == "raise":
        raise interrupts.Interrupted(lambda: done)
    return done


def _again(made: Callable[[], tuple[xr.Dataset, float]]) -> tuple[xr.Dataset, float]:
    return made()[0], 0.0


def _one(
    experiment: Experiment,
    made: Callable[[], tuple[xr.Dataset, float]],
    folder: Path,
    quick: bool,
    instances: int | None,
) -> Finished | None:
    """Write, judge and draw the data of one experiment; None if they were interrupted."""
    seconds = 0.0
    files: list[Path] = []
    verdicts: list[Verdict] = []
    data: xr.Dataset | None = None
    try:
        data, seconds = made()
        if "fingerprint" not in data.attrs:
            data.attrs |= {
                "fingerprint": fingerprint(),
                "quick": int(quick),
                "asked_instances": instances or 0,
                "seconds": round(seconds, 2),
            }
        files += _write_data(data, experiment, folder)
        verdicts = list(experiment.judge(data))
        if not quick and instances is None:
            verdicts = measured.of_many(experiment, verdicts, data.sizes.get("instance", 0))
    except KeyboardInterrupt:
        return None
    except (MemoryError, OSError):
        raise
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        why = f"{type(error).__name__}: {error}"
        return Finished(experiment, data, verdicts, files, seconds, why)
    no_picture = ""
    try:
        files += _write_pictures(
            data, experiment, folder, command(experiment.name, quick, instances)
        )
    except (MemoryError, OSError):
        raise
    except Exception as error:
        no_picture = f"{type(error).__name__}: {error}"
        _say(f"no picture of {experiment.name}: {no_picture}")
    return Finished(experiment, data, verdicts, files, seconds, no_picture=no_picture)


def _instances(given: int | None, chosen: list[Experiment], quick: bool) -> int | None:
    if given is None:
        return None
    count = checks.integer("instances", given, 4)
    if quick:
        raise ValueError(f"instances must be None with quick, which has its own, got {given}")
    if others := [one.name for one in chosen if not one.name.startswith("fig")]:
        raise ValueError(
            f"instances={given} is for figures only, got {', '.join(others)} in names: what is no "
            "figure has sizes of its own"
        )
    return count


def _ask_for_libraries() -> None:
    """Refuse to begin where one is not installed; what else is wrong, each picture says."""
    if find_spec("jinja2") is None:
        raise ImportError("the report needs Jinja2: pip install 'lrft[plot]'")
    try:
        with plain():
            pass
    except ImportError:
        raise
    except Exception as error:
        _say(f"matplotlib does not load: {error}")


def _say(text: str) -> None:
    print(f"lrft: {' '.join(text.split())}", file=sys.stderr, flush=True)


# ---- files ------------------------------------------------------------------------------------


def _write_data(data: xr.Dataset, experiment: Experiment, folder: Path) -> list[Path]:
    """NetCDF with everything; CSV with a table for each set of dimensions, the largest first."""
    files = [_keep(folder / f"{experiment.name}.nc", partial(netcdf.write, data))]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, variable in data.data_vars.items():
        groups.setdefault(tuple(map(str, variable.dims)), []).append(str(name))
    largest = max(groups, key=len, default=())
    for dims, members in groups.items():
        suffix = "" if dims == largest else "." + ("-".join(dims) or "numbers")
        table = data[members]
        unused = [name for name in table.coords if not set(table[name].dims) <= set(dims)]
        table = table.drop_vars(unused)
        if dims:
            text = table.to_dataframe().dropna(how="all", subset=members).to_csv()
        else:
            text = "name,value\n" + "".join(f"{m},{table[m].item()}\n" for m in members)
        files.append(_keep(folder / f"{experiment.name}{suffix}.csv", partial(_write_text, text)))
    return files


def _keep(path: Path, write: Callable[[Path], object]) -> Path:
    return whole_files.somewhere(path, write, _say)


def _write_text(text: str, path: Path) -> None:
    whole_files.write(text.encode("utf-8", "replace"), path)


def _write_pictures(
    data: xr.Dataset, experiment: Experiment, folder: Path, origin: str
) -> list[Path]:
    """PNG and SVG of every panel, each carrying the command and the seed that make it alone."""
    dpi = 60 if data.attrs["quick"] else style.DPI
    if "seed" in data.attrs:
        origin += f"   seed {data.attrs['seed']}"
    about = {"Title": experiment.title, "Description": origin}
    files = []
    with plain(), style.context():
        figures = experiment.draw(data)
        for letter, figure in zip(ascii_lowercase, figures, strict=False):
            stem = experiment.name + (letter if len(figures) > 1 else "")
            image, drawing = io.BytesIO(), io.BytesIO()
            figure.savefig(drawing, format="svg", metadata=about | {"Date": None})
            figure.set_layout_engine("none")  # the second file has the layout of the first
            # The report says it in words.
            place: dict[str, Any] = {
                "ha": "right",
                "va": "top",
                "fontsize": 7.5,
                "color": style.MUTED,
            }
            # Anchored to the file's edge, as they are, the names of lines would move down onto it.
            for legend in figure.legends:
                legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
            figure.text(0.99, 0.0, origin, **place)
            figure.savefig(image, format="png", metadata=about | {"Software": None}, dpi=dpi)
            for suffix, content in (("png", image), ("svg", drawing)):
                write = partial(whole_files.write, content.getvalue())
                files.append(_keep(folder / f"{stem}.{suffix}", write))
    return files


def _write_report(done: Reproduction) -> None:
    if done.finished:
        done.report = _keep(done.out / "report.html", partial(_write_text, report.html(done)))


def _write_verdicts(done: Reproduction) -> None:
    table = [{"experiment": name} | v.as_dict() for name, v in done.verdicts]
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    _keep(done.out / "verdicts.json", partial(_write_text, text))


# ---- taking up what is there --------------------------------------------------------------------


@cache
def fingerprint() -> str:
    """Hash of the package's Python files, engine and instruction set: what decides the data."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256(f"{environment()['instruction_set']} {code_version()}".encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _saved(path: Path, quick: bool, instances: int | None) -> xr.Dataset | None:
    """Read data of an earlier run, if they are what this run would compute."""
    if not path.is_file():
        return None
    try:
        data = netcdf.read(path, ours=True)
    except (OSError, ValueError):
        return None
    found = (bool(data.attrs.get("quick")), int(data.attrs.get("asked_instances", 0)))
    same = data.attrs.get("fingerprint") == fingerprint()
    return data if same and found == (quick, instances or 0) else None
