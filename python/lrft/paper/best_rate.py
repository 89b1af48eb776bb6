"""The best learning rate of a point: searched until it is inside the rates tried, or not decided.

One place for every claim that says "at the best rate".  `search` runs a few rates a factor apart
and goes on at either end while the best rate, or that of more than a few resamples, is the last
one there.  `best` chooses from what was run: the least median (never is later than all steps) among
the rates that succeed often enough; resamples are of whole instances (tasks), and each chooses
anew.  A choice that is the least or greatest rate tried is *on the edge*: its median bounds the
best one from above and says no more, so it is unknown (NaN) and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.paper.experiment import Context
from lrft.paper.jobs import Job, run_all
from lrft.result.intervals import RESAMPLES, Interval, interval, row_medians

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Best", "Point", "best", "edges", "search", "table"]

Floats = NDArray[np.float64]

#: Least share of hits for a rate to be taken.
SUCCESS = 0.8
#: Resamples that may choose a rate on the edge before the search goes on there.
ON_EDGE = 0.002
#: As `search` says.
PATIENCE = 4.0
#: Runs that say whether a rate is worth more, and the share of how often they should hit below
#: which it is not. A rate at which 0.8 of independent runs hit is given up once in 30,000 times.
SCOUTS, HOPELESS = 32, 0.6

Where = Literal["inside", "on the edge", "none succeeds"]


@dataclass(frozen=True, eq=False)
class Best:
    """The best rate of one point.

    Attributes
    ----------
    where : {"inside", "on the edge", "none succeeds"}
        Of the rates tried.
    index : int
        Of the rate in what was given; -1 if none succeeds.
    rate, median : float
        NaN unless inside.
    medians, rates : ndarray of shape (resamples,)
        Of resamples, each at its own best rate; NaN where that is on the edge or none succeeds.
    low, high : float
        Share of resamples whose best rate is the least, the greatest.
    """

    where: Where
    index: int
    rate: float
    median: float
    medians: Floats
    rates: Floats
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """The median with its 95 % interval; a resample on the edge is beyond either end."""
        return interval(self.median, self.medians)


def best(
    rates: ArrayLike,
    steps: ArrayLike,
    *,
    success: float = SUCCESS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Best:
    """Choose the rate with the least median among those that succeed often enough.

    Parameters
    ----------
    rates : array_like of shape (rates,)
        In any order; NaN for a place that was not run.
    steps : array_like of shape (rates, instances) or (rates, instances, members)
        ``inf``: a miss; NaN: not run.  The rates share their instances, which are resampled whole.
    success : float
        Least share of hits.
    resamples, seed : int

    Returns
    -------
    Best

    Raises
    ------
    ValueError
        If nothing was run.

    Examples
    --------
    >>> steps = [[40.0] * 9, [20.0] * 9, [10.0] * 5 + [np.inf] * 4]
    >>> found = best([1.0, 2.0, 4.0], steps)
    >>> found.where, found.rate, found.median
    ('inside', 2.0, 20.0)
    >>> best([1.0, 2.0], steps[:2]).where
    'on the edge'
    """
    given = np.asarray(rates, dtype=np.float64)
    run = np.flatnonzero(~np.isnan(given))
    if not run.size:
        raise ValueError("rates must hold at least one rate that was run, got none")
    order = run[np.argsort(given[run])]
    taken = np.asarray(steps, dtype=np.float64)[order]
    taken = taken.reshape(len(order), taken.shape[1], -1)
    taken = taken[:, ~np.isnan(taken).all(axis=(0, 2))]
    instances = taken.shape[1]
    drawn = np.random.default_rng(seed).integers(instances, size=(resamples, instances))
    # The first row is the whole.
    rows = np.concatenate([np.arange(instances)[None], drawn])
    medians = np.stack([_admitted(one[rows].reshape(len(rows), -1), success) for one in taken])
    least, chosen = medians.min(axis=0), medians.argmin(axis=0)
    chosen[~np.isfinite(least)] = -1
    last = len(order) - 1
    known = np.where((chosen > 0) & (chosen < last), least, np.nan)
    where: Where = "inside" if np.isfinite(known[0]) else "on the edge"
    if chosen[0] < 0:
        where = "none succeeds"
    at = int(order[chosen[0]]) if chosen[0] >= 0 else -1
    rate = float(given[at]) if where == "inside" else float("nan")
    # Where none succeeds, too small a rate and too large a one look alike.
    low = float(np.mean(chosen[1:] <= 0))
    high = float(np.mean((chosen[1:] == last) | (chosen[1:] < 0)))
    rates_chosen = np.where(np.isfinite(known), given[order][chosen], np.nan)
    return Best(where, at, rate, float(known[0]), known[1:], rates_chosen[1:], low, high)


def _admitted(samples: Floats, success: float) -> Floats:
    """Medians of rows, infinite where too few hit."""
    share = np.isfinite(samples).sum(axis=1) / (~np.isnan(samples)).sum(axis=1)
    admitted: Floats = np.where(share >= success - 1e-9, row_medians(samples), np.inf)
    return admitted


def edges(found: Sequence[Best], names: Sequence[Any]) -> str:
    """Say which points have no best rate inside those tried; empty if all have.

    Examples
    --------
    >>> one = best([1.0, 2.0], [[4.0] * 3, [2.0] * 3])
    >>> edges([one], ["k = 5"])
    'not decided: on the edge of the rates tried at k = 5'
    """
    parts = []
    for where, text in (
        ("on the edge", "on the edge of the rates tried"),
        ("none succeeds", "no rate tried succeeds"),
    ):
        at = [str(name) for one, name in zip(found, names, strict=True) if one.where == where]
        if at:
            parts.append(f"{text} at {', '.join(at)}")
    return "not decided: " + "; ".join(parts) if parts else ""


# ---- running -----------------------------------------------------------------------------------


@dataclass(eq=False)
class Point:
    """One point at which the best rate is sought.

    Parameters
    ----------
    jobs : callable
        ``jobs(rate, steps)`` gives the jobs of a rate, of at most so many steps each, the same
        instances and seeds at every rate.
    hits : callable
        First steps of one job's result, shape (instances,) or (instances, members), ``inf``: a
        miss.
    start : float
        The middle of the first three rates, tried before the others.
    longest : int
        Steps of a run before any rate has succeeded.
    """

    jobs: Callable[[float, int], list[Job]]
    hits: Callable[[xr.Dataset], Floats]
    start: float
    longest: int
    found: dict[float, Floats] = field(default_factory=dict)

    def chosen(self) -> Best:
        """Choose among the rates run so far."""
        rates = list(self.found)
        return best(rates, [self.found[rate] for rate in rates], resamples=500)

    def wanted(self, factor: float, most: int) -> list[float]:
        """Rates to run next; none if the best is inside, or `most` have been tried."""
        if not self.found:
            return [self.start]  # says how long the others are worth waiting for
        if len(self.found) == 1:
            return [self.start / factor, self.start * factor]
        now = self.chosen()
        ends = [
            (now.low > ON_EDGE or now.where != "inside", min(self.found) / factor),
            (now.high > ON_EDGE or now.where != "inside", max(self.found) * factor),
        ]
        if now.where == "on the edge":  # the other end is settled by what lies between
            ends = [ends[0]] if now.index == int(np.argmin(list(self.found))) else [ends[1]]
        return [rate for go_on, rate in ends if go_on][: max(0, most - len(self.found))]

    def horizon(self, patience: float) -> int:
        """Count the steps after which a rate is given up."""
        ends = []
        for steps in self.found.values():
            ordered = np.sort(steps.ravel())
            ends.append(ordered[int(np.ceil(SUCCESS * len(ordered))) - 1])
        slowest = patience * min(ends, default=np.inf)
        return int(min(self.longest, slowest))


@dataclass(eq=False)
class _Trial:
    """A rate that is run at a point."""

    point: Point
    rate: float
    jobs: list[Job]
    done: list[Floats] = field(default_factory=list)  #: hits of the first jobs

    def first(self) -> list[Job]:
        """List the jobs of the first runs."""
        sizes = np.cumsum([job.size for job in self.jobs])
        return self.jobs[: int(np.searchsorted(sizes, SCOUTS)) + 1]

    def others(self) -> list[Job]:
        """List those of the others, where the first say that it may succeed."""
        hopeless = np.isfinite(np.concatenate(self.done)).mean() < HOPELESS * SUCCESS
        return [] if hopeless else self.jobs[len(self.done) :]

    def hits(self) -> Floats:
        """Return the steps of all instances; what was not run has missed."""
        found = np.concatenate(self.done)
        left = sum(job.size for job in self.jobs[len(self.done) :])
        return np.concatenate([found, np.full((left // found.shape[1], found.shape[1]), np.inf)])


def _run(context: Context, jobs: Sequence[tuple[_Trial, Job]]) -> None:
    """Run jobs of trials, all of them side by side."""
    results = run_all(context, [job for _, job in jobs])
    for (trial, _), result in zip(jobs, results, strict=True):
        hits = trial.point.hits(result)
        trial.done.append(hits.reshape(len(hits), -1))


def search(
    context: Context,
    points: Sequence[Point],
    *,
    factor: float = 2.0,
    most: int = 10,
    patience: float = PATIENCE,
) -> xr.Dataset:
    """Run rates at every point until its best one is inside those tried.

    Most rates that are not the best are too large, and there what misses costs most. So of each
    rate the first `SCOUTS` runs are done, or a few more, and the others only where at least
    `HOPELESS` times the share `SUCCESS` of those hit; else the others count as misses.

    Parameters
    ----------
    context : Context
        A smoke run tries three rates and no more.
    points : sequence of Point
    factor : float
        From one rate to the next.
    most : int
        Rates at one point; what is on the edge then stays so.
    patience : float
        A rate is given up at this many times the steps in which the share `SUCCESS` of the best so
        far hit. At too large a rate most never do, and each costs all of that.

    Returns
    -------
    xarray.Dataset
        ``steps`` (point, rate, instance, member) and ``lr`` (point, rate), for `best`; NaN where
        nothing was run, but infinite for the instances left out at a rate.
    """
    most = 3 if context.quick else most
    rounds = 0
    while True:
        wanted = [point.wanted(factor, most) for point in points]
        plan = [
            _Trial(point, rate, point.jobs(rate, point.horizon(patience)))
            for point, rates in zip(points, wanted, strict=True)
            for rate in rates
        ]
        if not plan:
            context.progress(1.0)
            return table(points)
        # How many rounds there will be is not known: each takes half of what is left.
        here = context.part(1 - 0.5**rounds, 1 - 0.5 ** (rounds + 1))
        _run(here.part(0.0, 0.5), [(trial, job) for trial in plan for job in trial.first()])
        others = [(trial, job) for trial in plan for job in trial.others()]
        _run(here.part(0.5, 1.0), others)
        for trial in plan:
            trial.point.found[trial.rate] = trial.hits()
        rounds += 1


def table(points: Sequence[Point]) -> xr.Dataset:
    """Put what was run at several points into one dataset, rates in growing order."""
    import xarray as xr

    shapes = np.array([next(iter(point.found.values())).shape for point in points])
    shape = (len(points), max(len(point.found) for point in points), *shapes.max(axis=0))
    steps, lr = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    for i, point in enumerate(points):
        for j, rate in enumerate(sorted(point.found)):
            one = point.found[rate]
            steps[i, j, : one.shape[0], : one.shape[1]] = one
            lr[i, j] = rate
    return xr.Dataset(
        {"steps": (("point", "rate", "instance", "member"), steps), "lr": (("point", "rate"), lr)}
    )
