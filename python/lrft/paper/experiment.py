"""What one experiment of the report is: how to compute, draw and judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["Context", "Experiment", "Outcome", "Verdict", "command"]

Outcome = Literal["supported", "not supported", "not decided"]


@dataclass(frozen=True)
class Context:
    """How an experiment is run.

    Parameters
    ----------
    quick : bool
        A smoke run: every line of the code, at sizes that take a second and prove nothing.
    threads : int, optional
        As in `lrft.simulate`. Results do not depend on it.
    progress : callable
        Called with a fraction from 0 to 1 of this experiment done.
    instances : int, optional
        Of each curve of a figure; by default those of `lrft.paper.figures.settings`.
    """

    quick: bool = False
    threads: int | None = None
    progress: Callable[[float], None] = lambda fraction: None
    instances: int | None = None

    def part(self, first: float, last: float) -> Context:
        """Make the context of a part, which tells of the work from one fraction to another.

        Examples
        --------
        >>> told = []
        >>> Context(progress=told.append).part(0.5, 1.0).progress(0.5)
        >>> told
        [0.75]
        """
        return replace(self, progress=lambda share: self.progress(first + share * (last - first)))


@dataclass(frozen=True)
class Verdict:
    """One statement of the paper held against one measurement.

    Parameters
    ----------
    statement : str
        What it is held against, with its source.
    measured : str
        The figure with its 95 % confidence interval (or spread over instances).
    outcome : {"supported", "not supported", "not decided"}
        Computed from the data, never typed.
    note : str
        Why, where the outcome needs it.
    needs : str
        What it would take to decide it; counts where it is not decided.
    reason : str
        Measured: why it does not hold; counts where it is decided against.
    """

    statement: str
    measured: str
    outcome: Outcome
    note: str = ""
    needs: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return what counts, by name: of what is decided no need, of what holds no reason.

        Examples
        --------
        >>> found = Verdict("it is", "5", "supported", needs="more", reason="none").as_dict()
        >>> found["outcome"], found["needs"], found["reason"]
        ('supported', '', '')
        """
        undecided, against = (self.outcome == name for name in ("not decided", "not supported"))
        return asdict(self) | {
            "needs": self.needs if undecided else "",
            "reason": self.reason if against else "",
        }


@dataclass(frozen=True)
class Experiment:
    """A figure of the paper, or one of its claims.

    Parameters
    ----------
    name : str
        ``"fig2a"``, ``"claim3"``: what ``lrft reproduce`` is given.
    title : str
        One line.
    shows : str
        What the paper shows or claims, in own words, with its source.
    settings : str
        Every constant the paper leaves open and how it was chosen, with the seed.
    run : callable
        ``run(context) -> xarray.Dataset``: the data behind the picture. Pure: same bits each time.
    draw : callable
        ``draw(data) -> list of matplotlib.figure.Figure``, one for each panel.
    judge : callable
        ``judge(data) -> list of Verdict``.
    """

    name: str
    title: str
    shows: str
    settings: str
    run: Callable[[Context], xr.Dataset]
    draw: Callable[[xr.Dataset], list[Figure]]
    judge: Callable[[xr.Dataset], list[Verdict]]


def command(name: str, quick: bool, instances: int | None) -> str:
    """Write the command that makes an experiment alone.

    Examples
    --------
    >>> command("fig2a", False, 128)
    'lrft reproduce fig2a --instances 128'
    """
    return (
        f"lrft reproduce {name}"
        + (" --quick" if quick else "")
        + (f" --instances {instances}" if instances else "")
    )


@dataclass(frozen=True)
class Finished:
    """One experiment that has been run.

    Attributes
    ----------
    experiment : Experiment
    data : xarray.Dataset or None
        None if it failed.
    verdicts : list of Verdict
    files : list of Path
        What was written: data as NetCDF and CSV, the picture as PNG and SVG.
    seconds : float
        Wall time of computing the data, beside those of another experiment; 0 where they are
        another's, or come from a file.
    error : str
        Why it failed; empty if it did not.
    no_picture : str
        Why there is no picture, which is no failure; empty if there is one.
    """

    experiment: Experiment
    data: xr.Dataset | None
    verdicts: list[Verdict]
    files: list[Path]
    seconds: float
    error: str = ""
    no_picture: str = ""

    @property
    def command(self) -> str:
        """The command that makes this one alone."""
        about = {} if self.data is None else self.data.attrs
        return command(
            self.experiment.name, bool(about.get("quick")), int(about.get("asked_instances", 0))
        )


@dataclass
class Reproduction:
    """What `reproduce` gives back.

    Attributes
    ----------
    finished : list of Finished
        In the order of the report.
    out : Path
    report : Path
        The HTML file; it exists if any experiment was finished.
    seconds : float
        Wall time of everything, pictures included.
    quick, interrupted : bool
    """

    out: Path
    report: Path
    quick: bool
    finished: list[Finished] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def verdicts(self) -> list[tuple[str, Verdict]]:
        """Every verdict with the name of its experiment."""
        return [(one.experiment.name, v) for one in self.finished for v in one.verdicts]
