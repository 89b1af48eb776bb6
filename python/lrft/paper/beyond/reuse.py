"""Using every batch twice escapes the information exponent: hitting times of He₃ against d."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Task, Training
from lrft.paper import best_rate
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.jobs import LANES, Job, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SEED = 1500
THRESHOLD = 0.5
REPLICAS, TUNED_REPLICAS = 256, 64
_STUDENT = RankOne(c_init="teacher", orthogonal=False)


class Case(NamedTuple):
    """A way to train, the dimensions, its rate c d^-power, and the longest run C d^growth."""

    name: str
    label: str
    dimensions: tuple[int, ...]
    rate: float
    power: float
    longest: float
    growth: float
    options: dict[str, Any]

    def lr(self, d: int) -> float:
        """Learning rate at a dimension."""
        return float(self.rate * d**-self.power)

    def steps(self, d: int) -> int:
        """Longest run at a dimension."""
        return int(self.longest * d**self.growth)


DIMENSIONS = (128, 256, 512, 1024, 2048, 4096)
#: Of -2 f y, so half of what the rate of -f y would be.
ONCE = Case("once", "once", (64, 128, 256, 512, 1024), 0.25, 1.5, 8.0, 2.0, {})
TWICE = Case("twice", "twice in a row", DIMENSIONS, 0.01, 1.0, 2000.0, 1.0, {"reuse": 2})
AHEAD = Case("ahead", "after a trial step", DIMENSIONS, 0.01, 1.0, 800.0, 1.0, {"lookahead": 1.0})
CASES: tuple[Case, ...] = (TWICE, AHEAD, ONCE)
TUNED: tuple[int, ...] = (64, 128, 256, 512)


def task_of(d: int) -> Task:
    """Make a single-index target He₃(⟨u, x⟩), as a base that is zero."""
    return Task.sample(d=d, k=1, features="zero", activation="he3", seed=0)


def training_of(case: Case, lr: float, steps: int) -> Training:
    """Train until half the overlap is there."""
    return Training(
        student=_STUDENT,
        lr=lr,
        steps=steps,
        loss="correlation",
        stop_at=THRESHOLD,
        thresholds=(THRESHOLD,),
        record=2,
        **case.options,
    )


def jobs_of(case: Case, d: int, replicas: int, seed: int) -> Callable[[float, int], list[Job]]:
    """Make the jobs of a point from its rate and its longest run."""

    def jobs(lr: float, steps: int) -> list[Job]:
        training = training_of(case, lr, steps)
        return [
            Job(task_of(d), training, replicas=range(first, first + LANES), seed=seed)
            for first in range(0, replicas, LANES)
        ]

    return jobs


def hits(result: xr.Dataset) -> NDArray[np.float64]:
    """First steps (replicas,) at half the overlap, infinite for a miss."""
    return intervals.hitting_steps(result.hit_step.values[:, 0])


def measured(context: Context, cases: tuple[Case, ...], replicas: int) -> xr.Dataset:
    """Run the cases at their rates: `steps` (point, replica), `case` and `d` of every point."""
    import xarray as xr

    places = [(case, d) for case in cases for d in case.dimensions]
    plan = [
        jobs_of(case, d, replicas, SEED + i)(case.lr(d), case.steps(d))
        for i, (case, d) in enumerate(places)
    ]
    results = iter(run_all(context, [job for jobs in plan for job in jobs]))
    found = np.array([np.concatenate([hits(next(results)) for _ in jobs]) for jobs in plan])
    return xr.Dataset(
        {"steps": (("point", "replica"), found)},
        coords={
            "case": ("point", [case.name for case, _ in places]),
            "d": ("point", [d for _, d in places]),
        },
    )


def fit(data: xr.Dataset, case: Case) -> exponents.PowerLaw:
    """Fit median steps against d; misses are later than all hits."""
    points = np.flatnonzero(data.case.values == case.name)
    return exponents.power_law(data.d.values[points], list(data.steps.values[points]))


def _run(context: Context) -> xr.Dataset:
    cases, tuned, replicas, few = CASES, TUNED, REPLICAS, TUNED_REPLICAS
    if context.quick:
        cases = tuple(case._replace(dimensions=(64, 128), longest=20.0) for case in CASES)
        tuned, replicas, few = (64, 128), LANES, LANES
    data = measured(context.part(0.0, 0.5), cases, replicas)
    points = [
        best_rate.Point(jobs_of(ONCE, d, few, SEED + 100 + i), hits, ONCE.lr(d), cases[-1].steps(d))
        for i, d in enumerate(tuned)
    ]
    found = best_rate.search(context.part(0.5, 1.0), points).rename(
        steps="tuned_steps", lr="tuned_lr", point="tuned"
    )
    return data.merge(found).assign_coords(tuned_d=("tuned", list(tuned))).assign_attrs(seed=SEED)


def tuned_fit(data: xr.Dataset) -> tuple[exponents.PowerLaw, list[best_rate.Best]]:
    """Fit one pass at the best rate of each dimension."""
    chosen = [
        best_rate.best(data.tuned_lr.values[i], data.tuned_steps.values[i], seed=i)
        for i in range(data.sizes["tuned"])
    ]
    medians, resampled = [b.median for b in chosen], [b.medians for b in chosen]
    return exponents.fit_line(data.tuned_d.values, medians, resampled), chosen


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=4.4)
    lines = [(case.label, fit(data, case), "o") for case in CASES]
    lines.insert(2, ("once, best rate", tuned_fit(data)[0], "s"))
    for (name, line, marker), colour in zip(lines, style.PALETTE, strict=False):
        text = f"{name}: slope {power_laws.exponent_text(line.exponent)}"
        power_laws.power_law_points(axes, line, colour, text, marker=marker)
    power_laws.logarithmic(axes, "dimension $d$", "samples to overlap 0.5")
    style.legend(axes)
    style.note(
        figure,
        "Medians, where a replica that never gets there is later than all others, with 95 % "
        "intervals.",
    )
    return [figure]


def _judge(data: xr.Dataset) -> list[Verdict]:
    once, twice, ahead = (fit(data, case) for case in (ONCE, TWICE, AHEAD))
    tuned, chosen = tuned_fit(data)
    names = [f"d = {d}" for d in data.tuned_d.values]
    return [
        Verdict(
            "A batch used twice in a row needs about d samples, for the information exponent 3 of "
            "He₃ no longer counts (arXiv 2402.03220, 2405.15459): slope below 1.25",
            f"exponent {twice.exponent.text(2)}",
            "supported" if twice.exponent.high < 1.25 else "not supported",
        ),
        Verdict(
            "So does a gradient taken after a trial step (arXiv 2405.15459)",
            f"exponent {ahead.exponent.text(2)}",
            "supported" if ahead.exponent.high < 1.25 else "not supported",
        ),
        Verdict(
            "One pass at a rate that falls as d^-3/2 needs about d² samples: slope above 1.8",
            f"exponent {once.exponent.text(2)}; at the best rates {tuned.exponent.text(2)}",
            "supported" if once.exponent.low > 1.8 else "not supported",
            best_rate.edges(chosen, names),
        ),
    ]


EXPERIMENT = Experiment(
    name="reuse",
    title="Using every batch twice",
    shows="One pass of SGD needs d² samples, up to logarithms, to find a direction through He₃, "
    "whose information exponent is 3. Using every batch twice, or taking the gradient after a "
    "trial step, makes it about d: Dandi et al., The benefits of reusing batches (arXiv "
    "2402.03220); Arnaboldi et al., Repetita iuvant (arXiv 2405.15459).",
    settings="Target and student He₃(⟨u, x⟩), normalised; correlation loss, û on the sphere from a "
    f"uniform start, batch 1; first |⟨û, u⟩| ≥ {THRESHOLD}, medians over {REPLICAS} replicas with "
    "misses infinite. Rates are of −f y, half of them of the −2 f y of loss='correlation'. Twice, "
    "and trial steps at the rate itself (lookahead 1): 0.02/d. Once: 0.5 d^−3/2, and the best of "
    f"rates a factor 2 apart ({TUNED_REPLICAS} replicas). Every point has a seed of its own (from "
    f"{SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
