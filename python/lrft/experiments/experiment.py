"""What one experiment of the report is: how to compute, draw and judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["Context", "Experiment", "Outcome", "Verdict"]

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
    """

    quick: bool = False
    threads: int | None = None
    progress: Callable[[float], None] = lambda fraction: None


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
    """

    statement: str
    measured: str
    outcome: Outcome
    note: str = ""


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
        ``draw(data) -> matplotlib.figure.Figure``.
    judge : callable
        ``judge(data) -> list of Verdict``.
    """

    name: str
    title: str
    shows: str
    settings: str
    run: Callable[[Context], xr.Dataset]
    draw: Callable[[xr.Dataset], Figure]
    judge: Callable[[xr.Dataset], list[Verdict]]
