"""Rank above one at tuned rates: one direction after the other or together, and rank to spare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft import LoRA, Task, Training
from lrft.paper import best_rate
from lrft.paper.deciding import needed
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.findings import tuned
from lrft.paper.findings.tuned import KNOWN
from lrft.paper.jobs import paired_jobs, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 1800
INSTANCES = 320
D, K = 512, 16
#: Strength of the second direction over that of the first.
WEAKER = (1.0, 0.7, 0.5, 0.35)
DIMENSIONS = (128, 512, 2048)
#: Ranks of students beside teachers of rank 1 and 2.
RANKS = {1: (1, 2, 4, 8), 2: (2, 4, 8)}
#: A direction counts as found at this singular value.
FOUND = 0.5
#: η d at which searches begin, the longest run in steps per d, records of a path.
DELTA, HORIZON, RECORDS = 0.3, 2000.0, 400
#: Directions are found together if the last takes no more than this many times the first.
TOGETHER = 1.5


class Setting(NamedTuple):
    """A teacher and a student."""

    part: str  #: "order" or "spare"
    d: int
    teacher: int  #: rank
    student: int  #: rank
    weaker: float  #: strength of the second direction over that of the first
    c: str  #: "even": columns orthogonal, each of sum 0; "any": quantised at random

    def task(self, seed: int) -> Task:
        """Draw a task: relu, ξ = √k."""
        generator = np.random.default_rng(seed)
        if self.c == "even":
            columns = _even(generator)[:, : self.teacher]
        else:
            columns = generator.choice([-1.0, 1.0], size=(K, self.teacher))
        strengths = (1.0, self.weaker)[: self.teacher]
        c = columns / K**0.5 * strengths
        return Task.sample(
            d=self.d,
            k=K,
            xi=K**0.5,
            activation="relu",
            rank=self.teacher,
            c=c if self.teacher > 1 else c[:, 0],
            features="orthonormal",
            normalization="unit",
            seed=seed,
        )


def _even(generator: np.random.Generator) -> Floats:
    """Draw two columns of signs, orthogonal and each of sum 0, up to order of the rows."""
    quarter = K // 4
    first = np.repeat([1.0, 1.0, -1.0, -1.0], quarter)
    second = np.repeat([1.0, -1.0, 1.0, -1.0], quarter)
    return np.stack([first, second], axis=1)[generator.permutation(K)]


def settings(quick: bool = False) -> list[Setting]:
    """List the settings."""
    order = [Setting("order", D, 2, 2, weaker, "even") for weaker in WEAKER]
    order += [Setting("order", d, 2, 2, w, "even") for d in DIMENSIONS for w in (1.0, 0.5)]
    order += [Setting("order", D, 2, 2, 1.0, "any")]
    spare = [
        Setting("spare", D, teacher, student, 1.0, "even")
        for teacher, students in RANKS.items()
        for student in students
    ]
    if quick:
        return order[:2] + spare[:2]
    return list(dict.fromkeys(order + spare))


#: What is run in the ambient space as well; of what is in order, times of the directions too.
AMBIENT = {
    Setting("order", 128, 2, 2, 0.5, "even"): "rank 2, strength ½, d = 128",
    Setting("spare", D, 1, 1, 1.0, "even"): "teacher of rank 1, student of 1",
    Setting("spare", D, 1, 8, 1.0, "even"): "teacher of rank 1, student of 8",
}


def _run(context: Context) -> xr.Dataset:
    return measure(context, settings(context.quick), 8 if context.quick else INSTANCES)


def measure(context: Context, chosen: list[Setting], instances: int) -> xr.Dataset:
    """Find steps and rates of settings, and when directions were found at the best rate."""
    places = [
        tuned.Place(
            setting._asdict(),
            [setting.task(SEED + 1000 * i + j) for j in range(instances)],
            LoRA(rank=setting.student),
            DELTA,
            SEED + 1000 * i,
            20.0 if context.quick else HORIZON,
            ambient=AMBIENT.get(setting, ""),
        )
        for i, setting in enumerate(chosen)
    ]
    data = tuned.measure(context.part(0.0, 0.9), places, factor=2.0, most=12)
    # Of every instance, and of some in the ambient space.
    plan = {}
    for i, (setting, place) in enumerate(zip(chosen, places, strict=True)):
        best = best_rate.best(data.lr.values[i], data.steps.values[i], seed=i)
        if setting.part == "order" and best.where == "inside":
            slowest = data.steps.values[i][best.index]
            steps = int(np.max(slowest[np.isfinite(slowest)]))
            training = Training(
                student=place.student,
                lr=best.rate / setting.d,
                steps=steps,
                stop_at=place.threshold,
                thresholds=(place.threshold,),
                record=lrft.geometric(RECORDS),
            )
            plan[i, False] = paired_jobs(place.tasks, training, place.seed)
            if place.ambient:
                checked = paired_jobs(place.tasks, training, place.seed + 500)
                plan[i, True] = [replace(job, engine="ambient") for job in checked]
    results = iter(run_all(context.part(0.9, 1.0), [job for jobs in plan.values() for job in jobs]))
    shape = (len(places), 2, instances)
    found, ambient = np.full(shape, np.nan), np.full(shape, np.nan)
    for (i, is_ambient), jobs in plan.items():
        times = np.concatenate(
            [
                crossings(one.step.values, one.overlap_u.values)
                for one in (next(results) for _ in jobs)
            ]
        )
        (ambient if is_ambient else found)[i, :, : len(times)] = times.T
    names = ("point", "direction", "instance")
    return data.assign(found=(names, found), found_ambient=(names, ambient)).assign_attrs(seed=SEED)


def crossings(steps: Floats, values: Floats, level: float = FOUND) -> Floats:
    """Find when the largest and the smallest singular value pass a level.

    Parameters
    ----------
    steps : ndarray of shape (records,)
    values : ndarray of shape (replicas, records, components)
        NaN after a stop.
    level : float

    Returns
    -------
    ndarray of shape (replicas, 2)
        By linear interpolation; ``inf``: never.

    Examples
    --------
    >>> crossings(np.array([0.0, 10, 20]), np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]))
    array([[ 5., 15.]])
    """
    found = []
    for one in values:
        row = []
        for path in (one.max(axis=1), one.min(axis=1)):
            above = np.flatnonzero(path >= level)
            if not above.size:
                row.append(np.inf)
                continue
            at = max(1, int(above[0]))
            low, high = path[at - 1], path[at]
            share = (level - low) / (high - low) if high > low else 0.0
            row.append(float(steps[at - 1] + share * (steps[at] - steps[at - 1])))
        found.append(row)
    return np.array(found)


# ---- what is measured ---------------------------------------------------------------------------


def gaps(data: xr.Dataset, by: str, **marks: object) -> tuple[Floats, exponents.PowerLaw | None]:
    """Ratios of the times at which the last and the first direction are found, and their law.

    Returns
    -------
    intervals : ndarray of shape (points, 3)
    law : PowerLaw or None
        None for fewer than two points.
    """
    points = tuned.points(data, by, part="order", **marks)
    pairs = []
    for i in points:
        if np.isnan(data.found.values[i]).all():
            pairs.append((np.nan, np.full(intervals.RESAMPLES, np.nan)))
        else:
            pairs.append(intervals.bootstrap_median(_ratios(data.found.values[i]), seed=int(i)))
    rows = np.array([intervals.interval(*pair) for pair in pairs])
    if len(pairs) < 2:
        return rows, None
    law = exponents.fit_line(
        data[by].values[points], [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    )
    return rows, law


def _ratios(found: Floats) -> Floats:
    """Time of the last direction over that of the first; infinite if it was never found."""
    first, last = found
    with np.errstate(invalid="ignore"):
        ratios: Floats = np.where(np.isinf(last), np.inf, last / first)
    return ratios


def _spare(data: xr.Dataset, teacher: int) -> tuple[exponents.PowerLaw, str] | None:
    if len(tuned.points(data, "student", part="spare", teacher=teacher)) < 2:
        return None
    return tuned.fit(data, "student", part="spare", teacher=teacher)


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=4.0)
    for by, marks, text, colour in (
        ("weaker", {"d": D, "c": "even"}, f"$d = {D}$", style.PALETTE[0]),
    ):
        _, law = gaps(data, by, **marks)
        if law is not None:
            slope = power_laws.exponent_text(law.exponent)
            power_laws.power_law_points(axes, law, colour, f"{text}: slope {slope}")
    power_laws.logarithmic(
        axes, "strength of the second direction", "time of the last over that of the first"
    )
    power_laws.whole_ticks(axes, sorted(WEAKER))
    style.legend(axes)
    style.note(figure, "ReLU, rank 2, at the best rate; medians over draws, 95 % intervals")
    other, under = style.frame(height=4.0)
    for teacher, colour in zip(RANKS, style.PALETTE, strict=False):
        found = _spare(data, teacher)
        if found is not None:
            slope = power_laws.exponent_text(found[0].exponent)
            text = f"teacher of rank {teacher}: slope {slope}"
            power_laws.power_law_points(under, found[0], colour, text)
    power_laws.logarithmic(under, "rank of the student", "$T$: median steps to overlap 0.9")
    power_laws.whole_ticks(under, RANKS[1])
    style.legend(under)
    style.note(other, f"ReLU, $d = {D}$, $k = {K}$, at the best rate of each point")
    return [figure, other]


def _order_verdicts(data: xr.Dataset) -> list[Verdict]:
    count = data.sizes["instance"]
    rows, in_strength = gaps(data, "weaker", d=D, c="even")
    verdicts = []
    if in_strength is not None:
        found = in_strength.exponent
        verdicts.append(
            Verdict(
                "a weaker direction is found later, one after the other: the exponent of the ratio "
                f"of times in the strength is known to ± {KNOWN:g} and at most −1",
                f"exponent {found.text(2)} in the strength; ratios "
                + ", ".join(
                    f"{m:.2f} at {x:g}"
                    for x, m in zip(in_strength.x, in_strength.medians, strict=True)
                ),
                intervals.within(found, high=-1.0, widest=KNOWN),
                "growth at the rates of the first gradient alone gives −1",
                needed(found, high=-1.0, widest=KNOWN, count=count),
            )
        )
    for c, text in (
        ("even", "orthogonal columns of c without a sum"),
        ("any", "columns at random"),
    ):
        rows, _ = gaps(data, "d", weaker=1.0, c=c)
        at = data.d.values[tuned.points(data, "d", part="order", weaker=1.0, c=c)]
        if not len(rows):
            continue
        here = intervals.Interval(*rows[list(at).index(D)])
        verdicts.append(
            Verdict(
                f"directions of equal strength are found together (the last within {TOGETHER:g} "
                f"times the first), {text}",
                "; ".join(
                    f"{intervals.Interval(*row).text(2)} at d = {d}"
                    for d, row in zip(at, rows, strict=True)
                ),
                intervals.within(here, high=TOGETHER),
                f"judged at d = {D}",
                needed(here, high=TOGETHER, count=count),
            )
        )
    for weaker in (1.0, 0.5):
        rows, law = gaps(data, "d", weaker=weaker, c="even")
        if law is None:
            continue
        verdicts.append(
            Verdict(
                f"the ratio of times does not grow with d (exponent within ± {KNOWN:g} of 0), "
                f"strength {weaker:g}",
                f"exponent {law.exponent.text(2)}; ratios "
                + ", ".join(f"{m:.2f} at {x:g}" for x, m in zip(law.x, law.medians, strict=True)),
                intervals.within(law.exponent, -KNOWN, KNOWN),
                "",
                needed(law.exponent, -KNOWN, KNOWN, count=count),
            )
        )
    return verdicts


def _ambient_verdicts(data: xr.Dataset) -> list[Verdict]:
    verdicts = tuned.besides(data)
    if "found_ambient" not in data:
        return verdicts
    for i, ambient in enumerate(data.found_ambient.values):
        if not np.isnan(ambient).all():
            label = f"strength {data.weaker.values[i]:g}, d = {data.d.values[i]}"
            verdicts.append(
                tuned.beside(
                    label,
                    _ratios(ambient),
                    _ratios(data.found.values[i]),
                    of="times of the last direction over those of the first",
                )
            )
    return verdicts


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = _order_verdicts(data)
    for teacher in RANKS:
        spare = _spare(data, teacher)
        if spare is None:
            continue
        law, where = spare
        verdicts.append(
            Verdict(
                f"rank to spare costs no steps: T does not grow with the student's rank (exponent "
                f"at most {KNOWN:g}), teacher of rank {teacher}, at the best rates",
                f"exponent {law.exponent.text(2)}; T/d = "
                + ", ".join(
                    f"{t / D:.3g} at {x:g}" for x, t in zip(law.x, law.medians, strict=True)
                ),
                intervals.within(law.exponent, high=KNOWN),
                where,
                needed(law.exponent, high=KNOWN, count=data.sizes["instance"]),
            )
        )
    return verdicts + _ambient_verdicts(data)


EXPERIMENT = Experiment(
    name="ranks",
    title="Rank above one at tuned rates",
    shows="The paper has teachers and students of rank one. Whether the directions of a teacher of "
    "rank 2 are found one after the other or together, and what a student of a higher rank than "
    "its teacher pays.",
    settings=f"LoRA, B = 0 at the start; relu, ξ = √k, k = {K}, λ = 1, orthonormal features, the "
    f"smallest singular value to 0.9. Order: rank 2, columns of c of ± 1/√k, orthogonal and each "
    f"of sum 0, the second times {', '.join(f'{w:g}' for w in WEAKER)} at d = {D}, and times 1 and "
    f"0.5 at d = {', '.join(map(str, DIMENSIONS))}; also columns drawn at random. A direction is "
    f"found when a singular value passes {FOUND:g}, of {RECORDS} geometric records of a run at the "
    "best rate. Spare: students of rank "
    + " and ".join(
        f"{', '.join(map(str, s))} beside a teacher of rank {t}" for t, s in RANKS.items()
    )
    + f" at d = {D}. Rates a factor 2 apart, tried at either end until the best is inside, in "
    f"resamples too; {INSTANCES} instances, each with c, A₀ and samples of its own; every point "
    f"has seeds of its own (from {SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
