"""What the findings at tuned rates share: places, their data, and lines through their medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import LoRA, RankOne, Task
from lrft.paper import best_rate
from lrft.paper.experiment import Context
from lrft.paper.jobs import first_hits, jobs_to
from lrft.result import exponents

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

__all__ = ["KNOWN", "Place", "bests", "fit", "measure", "points"]

#: An exponent is known if its interval reaches no further than this on either side.
KNOWN = 0.1


@dataclass(frozen=True, eq=False)
class Place:
    """Where steps to an overlap are measured, each instance a task of its own.

    Parameters
    ----------
    marks : dict
        What it is found by: a coordinate of each name, the same names at every place.
    tasks : sequence of Task
        One an instance.
    student : RankOne or LoRA
    delta : float
        η d at which the search begins.
    seed : int
    horizon : float
        Longest run in steps per d.
    threshold : float
    batch : int
    """

    marks: dict[str, Any]
    tasks: Sequence[Task]
    student: RankOne | LoRA
    delta: float
    seed: int
    horizon: float
    threshold: float = 0.9
    batch: int = 1

    def point(self) -> best_rate.Point:
        """Make what is given to the search for the best rate."""
        jobs = jobs_to(self.threshold, self.tasks, self.student, self.seed, batch=self.batch)
        longest = max(1, int(self.horizon * self.tasks[0].d))
        return best_rate.Point(jobs, first_hits, self.delta, longest)


def measure(
    context: Context, places: Sequence[Place], *, factor: float = 2**0.5, most: int = 16
) -> xr.Dataset:
    """Find steps and rates at every place, until the best rate is inside those tried.

    Returns
    -------
    xarray.Dataset
        As `best_rate.search` gives it, with the marks of every place.
    """
    data = best_rate.search(context, [place.point() for place in places], factor=factor, most=most)
    names = places[0].marks
    return data.assign_coords(
        {name: ("point", [place.marks[name] for place in places]) for name in names}
    )


def points(data: xr.Dataset, by: str, **marks: Any) -> NDArray[np.intp]:
    """Find the points that bear the marks, in growing order of one more."""
    here = np.ones(data.sizes["point"], dtype=bool)
    for name, value in marks.items():
        here &= data[name].values == value
    found = np.flatnonzero(here)
    return found[np.argsort(data[by].values[found], kind="stable")]


def bests(data: xr.Dataset, by: str, **marks: Any) -> tuple[Floats, list[best_rate.Best]]:
    """Find the best rates of the places with these marks.

    Returns
    -------
    x : ndarray of shape (n,)
        The mark `by`, growing.
    chosen : list of Best
    """
    here = points(data, by, **marks)
    chosen = [best_rate.best(data.lr.values[i], data.steps.values[i], seed=int(i)) for i in here]
    return data[by].values[here], chosen


def fit(data: xr.Dataset, by: str, **marks: Any) -> tuple[exponents.PowerLaw, str]:
    """Fit T at the best rates against a mark, and say where one is not known."""
    x, chosen = bests(data, by, **marks)
    line = exponents.fit_line(x, [b.median for b in chosen], [b.medians for b in chosen])
    return line, best_rate.edges(chosen, [f"{by} = {one:g}" for one in x])
