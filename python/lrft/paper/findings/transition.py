"""Where the plateau of He₃ sets in as ξ grows: its exponents in d, k and |Σc|, beside h(m)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft import RankOne, Task, Training, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import style
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.findings import tuned
from lrft.paper.findings.tuned import KNOWN
from lrft.paper.jobs import LANES, Job, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 1450
REPLICAS = 32
#: Overlap of the end, and those of the starts, times d^(-1/2).
END, STARTS = 0.9, (2.0, 0.5)
#: T from the second start over T from the first at which the plateau has set in: half-way, in
#: logarithms, between 1 (the drift does not hang on the overlap) and 4 (it goes with its square).
ONSET = 2.0
#: Deviation that noise leaves in the overlap, over the overlap of the first start, by the time the
#: drift has crossed that; η follows.
NOISE = 0.25
#: Steps of the longest runs; where h turns, of those that stay at its zero: the others have come to
#: the end after 8.3 million.
LONGEST, LONGEST_AT_ZERO = 100_000_000, 20_000_000
#: ξ over that at which the equation has its onset.
GRID = (0.75, 1.0, 1.33)


class Place(NamedTuple):
    """A size; with |Σc| < 1 there is no plateau, but a zero of h at a negative overlap."""

    d: int
    k: int
    s: float  #: |Σc|, times √k an integer as even as k

    @property
    def turns(self) -> bool:
        """Whether h has a zero."""
        return self.s < 1

    def xi(self, ratio: float) -> float:
        """ξ at a ratio to the onset of the equation."""
        return ratio * exact_onset(self.d, self.k, self.s)

    def task(self, ratio: float) -> Task:
        """Make the task: only the sum of c matters, so that there is one."""
        negative = round((self.k - self.s * self.k**0.5) / 2)
        c = np.r_[np.full(negative, -1.0), np.ones(self.k - negative)] / self.k**0.5
        return Task.sample(
            d=self.d,
            k=self.k,
            xi=self.xi(ratio),
            activation="he3",
            features="orthonormal",
            c=c,
            lam="ones",
            normalization="unit",
            seed=SEED,
        )


#: One size is varied at a time.
SIZES: dict[str, tuple[Place, ...]] = {
    "d": (Place(32, 9, 3), Place(80, 9, 3), Place(200, 9, 3)),
    "k": (Place(80, 9, 3), Place(80, 36, 3), Place(80, 64, 3)),
    "s": (Place(80, 36, 2), Place(80, 36, 3), Place(80, 36, 6)),
}
BALANCED: dict[str, tuple[Place, ...]] = {
    "d": (Place(64, 16, 0), Place(512, 16, 0), Place(4096, 16, 0)),
    "k": (Place(512, 4, 0), Place(512, 16, 0), Place(512, 64, 0)),
    "s": (Place(512, 25, 0.2), Place(512, 25, 0.6)),
}
#: Where the exponents of the equation are near their limit: the first and the last of each size.
FAR = {
    "d": (Place(10**8, 100, 10), Place(10**12, 100, 10)),
    "k": (Place(10**10, 10**4, 10), Place(10**10, 10**6, 10)),
    "s": (Place(10**10, 10**4, 10), Place(10**10, 10**4, 100)),
}
PREDICTED = {"d": 0.25, "k": 0.5, "s": -0.5}
#: Where h turns, |Σc| hardly matters.
PREDICTED_TURN = PREDICTED | {"s": 0.0}


def growth(strength: float, s: float, overlap: ArrayLike) -> Floats:
    """Compute h(m)/h(0) of He₃, for ĉ = c quantised, orthonormal features and unit neurons.

    Parameters
    ----------
    strength : float
        x = ξ²/k.
    s : float
        |Σc|.
    overlap : array_like
        m.

    Returns
    -------
    ndarray
        1 + 2xm + (Σc)²x²m².

    Examples
    --------
    >>> growth(2.0, 0.0, [0.0, -0.25]).tolist()
    [1.0, 0.0]
    """
    reached = strength * np.asarray(overlap, dtype=np.float64)
    found: Floats = 1 + 2 * reached + (s * reached) ** 2
    return found


def flow_time(place: Place, xi: float, size: float) -> float:
    """Time of dm/dt = h(m)(1 − m²)/h(0) from size · d^(-1/2) to the end."""
    m = np.exp(np.linspace(np.log(size * place.d**-0.5), np.log(END), 4001))
    rate = growth(xi**2 / place.k, place.s, m) * (1 - m**2)
    return float(np.trapezoid(m / rate, np.log(m)))


def exact_onset(d: int, k: int, s: float) -> float:
    """Solve the equation for ξ of the onset; where h turns, that at which it does at −d^(-1/2)."""
    from scipy import optimize

    place = Place(d, k, s)
    if place.turns:
        reach = 0.5 if s == 0 else (1 - np.sqrt(1 - s**2)) / s**2
        return float(np.sqrt(k * reach * d**0.5))

    def excess(log_xi: float) -> float:
        times = [flow_time(place, float(np.exp(log_xi)), size) for size in STARTS]
        return times[1] / times[0] - ONSET

    guess = 0.5 * np.log(k * d**0.5 / s)
    return float(np.exp(optimize.brentq(excess, guess - 3, guess + 4, xtol=1e-6)))


def start(task: Task, overlap: float) -> Floats:
    """Make a û₀ of this overlap with u, outside span(W)."""
    rest = np.random.default_rng(SEED).standard_normal(task.d)
    u = np.asarray(task.u)
    rest -= task.Q @ (task.Q.T @ rest)
    rest -= u * (u @ rest)
    made: Floats = overlap * u + np.sqrt(1 - overlap**2) * rest / np.linalg.norm(rest)
    return made / np.linalg.norm(made)


def small_rate(task: Task) -> float:
    """Choose η: noise leaves `NOISE` of d^(-1/2) by the time the drift has crossed that."""
    size = task.d**-0.5
    drift = float(theory.drift(task, task.c, 0.0))
    noise = theory.gradient_noise(task, task.c, 0.0).value
    return float(NOISE**2 * size * drift / noise)


def _job(place: Place, ratio: float, size: float, seed: int, replicas: int, steps: int) -> Job:
    """Run from ``size`` times d^(-1/2)."""
    task = place.task(ratio)
    if place.turns:
        steps = min(steps, LONGEST_AT_ZERO)
    training = Training(
        student=RankOne(c_init="teacher", u_init=start(task, size * place.d**-0.5)),
        lr=small_rate(task),
        steps=steps,
        stop_at=END,
        thresholds=(END,),
        record=2,
    )
    return Job(task, training, replicas, seed)


def _places(quick: bool) -> list[Place]:
    tables = (SIZES["d"][:2], BALANCED["d"][:2]) if quick else (*SIZES.values(), *BALANCED.values())
    return list(dict.fromkeys(place for sizes in tables for place in sizes))


def measure(context: Context, places: list[Place], replicas: int, steps: int) -> xr.Dataset:
    """Count steps from both starts at every place and ratio; where h turns, from −d^(-1/2)."""
    import xarray as xr

    plan = [
        _job(place, ratio, size, SEED + 100 * i + 10 * j + n, replicas, steps)
        for i, place in enumerate(places)
        for j, ratio in enumerate(GRID)
        for n, size in enumerate((-1.0, -1.0) if place.turns else STARTS)
    ]
    # The first place, where the equation has its onset, in the ambient space as well.
    checked = (
        []
        if places[0].turns
        else [
            replace(_job(places[0], 1.0, size, SEED + 50 + n, replicas, steps), engine="ambient")
            for n, size in enumerate(STARTS)
        ]
    )
    results = run_all(context, plan + checked)
    results, ambient = results[: len(plan)], results[len(plan) :]
    shape = (len(places), len(GRID), 2, replicas)
    steps_to = np.array([intervals.hitting_steps(r.hit_step.values[:, 0]) for r in results])
    ends = np.array([r.final_overlap_u.values for r in results])
    names = ("place", "ratio", "start", "replica")
    data = xr.Dataset(
        {"steps": (names, steps_to.reshape(shape)), "end": (names, ends.reshape(shape))},
        coords={
            "d": ("place", [place.d for place in places]),
            "k": ("place", [place.k for place in places]),
            "s": ("place", [place.s for place in places]),
            "ratio": list(GRID),
        },
        attrs={"seed": SEED},
    )
    if not checked:
        return data
    hits = np.array([intervals.hitting_steps(r.hit_step.values[:, 0]) for r in ambient])
    return data.assign(ambient=(("start", "replica"), hits))


def _run(context: Context) -> xr.Dataset:
    replicas, steps = (LANES, 2000) if context.quick else (REPLICAS, LONGEST)
    return measure(context, _places(context.quick), replicas, steps)


# ---- what is measured ---------------------------------------------------------------------------


def _lines_cross(x: Floats, rows: Floats, level: float) -> Floats:
    """Where the least-squares line through each row passes a level; NaN if that is far outside."""
    centred = x - x.mean()
    slope = rows @ centred / (centred @ centred)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x.mean() + (level - rows.mean(axis=1)) / slope
    near = np.abs(at - x.mean()) <= np.ptp(x)
    found: Floats = np.where(near & (slope > 0), at, np.nan)
    return found


def onset(data: xr.Dataset, index: int) -> tuple[float, Floats]:
    """Find ξ of the onset at a place, and resampled ones.

    By a line through log ratios of times, or the logits of the shares of runs that end on the other
    side, over log ξ.
    """
    place = _place(data, index)
    logs = np.log([place.xi(ratio) for ratio in data.ratio.values])
    if not place.turns:
        pairs = [
            [intervals.bootstrap_median(steps, seed=10 * j + n) for n, steps in enumerate(starts)]
            for j, starts in enumerate(data.steps.values[index])
        ]
        with np.errstate(invalid="ignore"):
            rows = np.log([np.r_[b[0], b[1]] / np.r_[a[0], a[1]] for a, b in pairs]).T
        level = float(np.log(ONSET))
    else:
        negative = (data.end.values[index] < 0).reshape(len(logs), -1)
        generator = np.random.default_rng(index)
        count = negative.shape[1]
        drawn = generator.binomial(
            count, negative.mean(axis=1), size=(intervals.RESAMPLES, len(logs))
        )
        hits = np.vstack([negative.sum(axis=1), drawn])
        rows = np.log((hits + 0.5) / (count - hits + 0.5))
        level = 0.0
    found = np.exp(_lines_cross(logs, rows, level))
    return float(found[0]), found[1:]


def _place(data: xr.Dataset, index: int) -> Place:
    return Place(int(data.d.values[index]), int(data.k.values[index]), float(data.s.values[index]))


def fits(data: xr.Dataset) -> dict[tuple[str, bool], tuple[exponents.PowerLaw, list[Place]]]:
    """Fit the onset against one size, for a sum of c above 1 and for one below (True)."""
    here = [_place(data, i) for i in range(data.sizes["place"])]
    found = {}
    for balanced, table in ((False, SIZES), (True, BALANCED)):
        for by, sizes in table.items():
            places = [place for place in sizes if place in here]
            if len(places) < 2:
                continue
            onsets = [onset(data, here.index(place)) for place in places]
            x = [getattr(place, by) for place in places]
            law = exponents.fit_line(x, [o[0] for o in onsets], [o[1] for o in onsets])
            found[by, balanced] = (law, places)
    return found


def exact_exponent(places: list[Place] | tuple[Place, ...], by: str) -> float:
    """Fit the onset of the equation against one size."""
    x = np.log([getattr(place, by) for place in places])
    return float(np.polyfit(x, np.log([exact_onset(*place) for place in places]), 1)[0])


_NAMES = {"d": "d", "k": "k", "s": "|Σc|"}


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=4.9)
    colours = style.PALETTE * 2
    for i in range(data.sizes["place"]):
        place = _place(data, i)
        if place.turns:
            continue
        medians = np.median(data.steps.values[i], axis=-1)
        known = np.isfinite(medians).all(axis=1)
        growing = medians[known, 1] / medians[known, 0]
        name = rf"$d={place.d}$, $k={place.k}$, $|\Sigma c|={place.s:g}$"
        ratios = data.ratio.values
        colour = colours[i % len(colours)]
        heuristic = (place.k * place.d**0.5 / place.s) ** 0.5
        one = exact_onset(*place) / heuristic
        axes.plot(ratios[known] * one, growing, "o", color=colour, label=name)
        x = np.geomspace(GRID[0], GRID[-1], 30)
        exact = [flow_time(place, place.xi(r), 0.5) / flow_time(place, place.xi(r), 2) for r in x]
        axes.plot(x * one, exact, color=colour, linewidth=0.9)
    style.reference(axes, ONSET)
    axes.set_xlabel(r"$\xi\,/\,(d^{1/4} k^{1/2} |\Sigma c|^{-1/2})$")
    axes.set_ylabel(r"$T$ from $\frac{1}{2} d^{-1/2}$ over $T$ from $2 d^{-1/2}$")
    style.legend(axes, columns=2)
    style.note(figure, "points: medians of SGD; lines: the equation for the drift")
    return [figure]


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for (by, balanced), (law, places) in fits(data).items():
        found, value = law.exponent, (PREDICTED_TURN if balanced else PREDICTED)[by]
        exact = exact_exponent(places, by)
        ratios = [xi / exact_onset(*place) for xi, place in zip(law.medians, places, strict=True)]
        where = "; ".join(
            f"{xi:.3g} at {x:g}, {ratio:.2f} of the equation's"
            for x, xi, ratio in zip(law.x, law.medians, ratios, strict=True)
        )
        what, limit = "the plateau sets in at ", ""
        if balanced:
            what = "from −d^(−1/2) at |Σc| < 1 half of the runs end on the other side at "
        else:
            far = exact_exponent(FAR[by], by)
            limit = f", and {far:.3f} where they are large"
        verdicts.append(
            Verdict(
                f"{what}ξ* with an exponent in {_NAMES[by]} that is that of the equation for the "
                f"drift at these sizes, within ± {KNOWN:g}; its limit is {value:g}",
                f"exponent {found.text(2)}, the equation {exact:.2f} at these sizes{limit}; "
                f"ξ* = {where}",
                _agrees(found, exact),
                "",
                needed(
                    found,
                    exact - KNOWN,
                    exact + KNOWN,
                    widest=KNOWN,
                    count=data.sizes["replica"],
                    of="replicas",
                ),
            )
        )
    if "ambient" in data:
        place, middle = _place(data, 0), GRID.index(1.0)
        for size, ambient, reduced in zip(
            STARTS, data.ambient.values, data.steps.values[0, middle], strict=True
        ):
            label = f"d = {place.d}, k = {place.k}, |Σc| = {place.s:g}, from {size:g} d^(−1/2)"
            verdicts.append(tuned.beside(label, ambient, reduced))
    return verdicts


def _agrees(found: intervals.Interval, exact: float) -> Outcome:
    """Hold an exponent against that of the equation."""
    return intervals.within(found, exact - KNOWN, exact + KNOWN, widest=KNOWN)


EXPERIMENT = Experiment(
    name="transition",
    title="Where the plateau of He₃ sets in as ξ grows",
    shows="The paper's heuristic is ξ ≈ d^(1/4) k^(1/2). With ĉ = c, orthonormal features and unit "
    "neurons h(m) ∝ 1 + 2xm + (Σc)²x²m², x = ξ²/k, which predicts ξ ∝ d^(1/4) k^(1/2) |Σc|^(−1/2): "
    "there the drift at the start begins to hang on the overlap. At |Σc| < 1 the middle "
    "term rules, "
    "and h has a zero at m = −1/(2x) or, up to |Σc| = 1, twice that.",
    settings=f"He₃, λ = 1, ĉ = c quantised, û₀ of overlap {STARTS[1]:g} and {STARTS[0]:g} times "
    f"d^(−1/2) exactly. ξ* is where the first takes {ONSET:g} times as long to overlap {END:g} as "
    "the second: half-way, in logarithms, between 1 (the drift does not hang on the overlap: T ∝ "
    "d) and 4 (it goes with its square: T ∝ d^(3/2) at η ∝ 1/d). At |Σc| < 1: where half "
    "of the runs "
    "from −d^(−1/2) end at a negative overlap. Both from a line over log ξ. η leaves noise of "
    f"{NOISE:g} d^(−1/2) by the time the drift has crossed d^(−1/2); {REPLICAS} replicas, each "
    "with samples of its own (which signs c has does not matter, only how many). Sizes "
    "(d, k, |Σc|): "
    + ", ".join(
        str(tuple(p)) for table in (SIZES, BALANCED) for sizes in table.values() for p in sizes
    )
    + f". Every point has a seed of its own (from {SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
