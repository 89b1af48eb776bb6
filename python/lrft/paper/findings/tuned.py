"""What findings share: places at tuned rates, lines through their medians, forms of verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import LoRA, RankOne, Task
from lrft.paper import best_rate
from lrft.paper.deciding import needed
from lrft.paper.experiment import Context, Verdict
from lrft.paper.jobs import first_hits, jobs_to, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

__all__ = [
    "KNOWN",
    "Place",
    "beside",
    "besides",
    "bests",
    "count",
    "fit",
    "known",
    "measure",
    "points",
]

#: An exponent is known if its interval reaches no further than this on either side.
KNOWN = 0.1
#: Steps are the same in both spaces if their ratio is within this factor, either way.
SAME = 1.25


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
    ambient : str
        What the place is called if it is run in the ambient space as well, at the best rate; empty:
        it is not.
    """

    marks: dict[str, Any]
    tasks: Sequence[Task]
    student: RankOne | LoRA
    delta: float
    seed: int
    horizon: float
    threshold: float = 0.9
    batch: int = 1
    ambient: str = ""

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
        As `best_rate.search` gives it, with the marks of every place, and in ``ambient`` (check,
        instance) the steps in the ambient space at the best rate of the points in ``at``.
    """
    points = [place.point() for place in places]
    data = best_rate.search(context.part(0.0, 0.95), points, factor=factor, most=most)
    names = places[0].marks
    data = data.assign_coords(
        {name: ("point", [place.marks[name] for place in places]) for name in names}
    )
    at = [i for i, place in enumerate(places) if place.ambient]
    found = np.full((len(at), data.sizes["instance"]), np.nan)
    plan = []
    for row, i in enumerate(at):
        now = best_rate.best(data.lr.values[i], data.steps.values[i], seed=i)
        if now.where == "inside":
            # Samples of their own: the draws of the two spaces may not have numbers in common.
            point = replace(places[i], seed=places[i].seed + 500).point()
            plan += [
                (row, replace(job, engine="ambient")) for job in point.jobs(now.rate, point.longest)
            ]
    results = run_all(context.part(0.95, 1.0), [job for _, job in plan])
    for row in range(len(at)):
        hits = [first_hits(one) for (r, _), one in zip(plan, results, strict=True) if r == row]
        if hits:
            whole = np.concatenate(hits).ravel()
            found[row, : len(whole)] = whole
    labels = [places[i].ambient for i in at]
    return data.assign(ambient=(("check", "instance"), found)).assign_coords(
        at=("check", at), check=labels
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


def count(data: xr.Dataset, here: Sequence[int] | NDArray[np.intp]) -> int:
    """Count the instances of the point that has fewest."""
    run = ~np.isnan(data.steps.values[np.asarray(here)]).all(axis=(1, 3))
    return int(run.sum(axis=1).min())


# ---- forms of verdicts --------------------------------------------------------------------------


def known(
    what: str, law: exponents.PowerLaw, measured: str, *, count: int, where: str = ""
) -> Verdict:
    """Say whether an exponent is known to ± `KNOWN`.

    Parameters
    ----------
    what : str
        The exponent, as in "the exponent of T in k"; a comma ends it if conditions follow.
    law : PowerLaw
    measured : str
        What is told beside the exponent.
    count : int
        Instances.
    where : str
        Where a point is not known.
    """
    found = law.exponent
    return Verdict(
        f"{what}: known to ± {KNOWN:g}",
        f"exponent {found.text(2)}; {measured}",
        intervals.within(found, widest=KNOWN),
        where,
        needed(found, widest=KNOWN, count=count),
    )


def beside(label: str, ambient: Floats, reduced: Floats, of: str = "steps") -> Verdict:
    """Hold medians in the ambient space against those in the reduced one, at the same rate."""
    one, other = (
        intervals.bootstrap_median(sample[~np.isnan(sample)], seed=seed)
        for seed, sample in enumerate((ambient, reduced))
    )
    with np.errstate(invalid="ignore"):  # never in either space
        ratio = intervals.interval(one[0] / other[0], one[1] / other[1])
    texts = [
        f"{values[0]:,.4g} [{low:,.4g}, {high:,.4g}]"
        for values in (one, other)
        for _, low, high in [intervals.interval(*values)]
    ]
    return Verdict(
        f"ambient beside reduced: {of} are the same within a factor {SAME:g}, {label}",
        f"{texts[0]} in the ambient space, {texts[1]} in the reduced one; ratio {ratio.text(2)}",
        intervals.within(ratio, 1 / SAME, SAME),
        "",
        needed(ratio, 1 / SAME, SAME, count=int((~np.isnan(ambient)).sum())),
    )


def besides(data: xr.Dataset) -> list[Verdict]:
    """Hold every check of a search in the ambient space against the same point in the reduced."""
    verdicts = []
    for i, label, ambient in zip(
        data["at"].values if "at" in data.coords else [],
        data.check.values if "check" in data.coords else [],
        data.ambient.values if "ambient" in data else [],
        strict=True,
    ):
        now = best_rate.best(data.lr.values[i], data.steps.values[i], seed=int(i))
        if now.where == "inside":
            reduced = data.steps.values[i][now.index].ravel()
            verdicts.append(beside(str(label), ambient, reduced))
    return verdicts
