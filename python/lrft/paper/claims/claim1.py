"""Claim 1: fine-tuning takes a number of samples linear in d, whatever the Hermite expansion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Task, Training, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.jobs import Job, missed, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

K = 8
SEED = 11
DIMENSIONS = (10**2, 10**3, 10**4, 10**5, 10**6)
#: A quartic takes a hundred times the steps.
OF_HE4 = (10**3, 10**4, 3 * 10**4)
#: Replicas at each dimension: the spread falls as d grows, the cost rises.
REPLICAS = {10**2: 128, 10**3: 64, 10**4: 32, 3 * 10**4: 8, 10**5: 8, 10**6: 8}
#: δ = η d, small enough for the noise at the least dimension, and the dimensions.
ACTIVATIONS = {
    "relu": (0.165, DIMENSIONS),
    "sigmoid": (5.0, DIMENSIONS),
    "he2": (0.015, DIMENSIONS),
    "he3": (0.011, DIMENSIONS),
    "he4": (0.00036, OF_HE4),
}
THRESHOLD = 0.9
TOLERANCE = 0.03
#: In units of the gradient flow's time; one replica that misses at the largest d costs as much as
#: all others together.
HORIZON = 3.0

#: The same with a frozen random c_hat: draws of c_hat, replicas of each, dimensions, threshold.
DRAWS, MEMBERS = 8, 8
RANDOM_DIMENSIONS = (10**3, 10**4, 10**5, 3 * 10**5)
RANDOM_THRESHOLD = 0.5
#: Where it stalls: rates as shares of the automatic one, at one dimension.
STALL_SHARES = (0.2, 0.1, 0.05, 0.025)
STALL_DIMENSION = 1000
#: Length of a stall run in units of 1 / (delta h(0)) steps per d.
STALL_LENGTH = 15.0


def instance(activation: str) -> Task:
    """Make the task: k = 8, ξ = √k, orthonormal features, unit neurons, λ = 1/√k.

    By symmetry only the number of negative entries of c matters; two is a typical one, and with
    four the linear part of the teacher would vanish.
    """
    c = np.array([1.0] * 6 + [-1.0] * 2) / np.sqrt(K)
    return Task.sample(
        d=10**4,
        k=K,
        xi=K**0.5,
        activation=activation,
        features="orthonormal",
        c=c,
        lam=K**-0.5,
        normalization="unit",
        seed=0,
    )


def known_c_jobs(
    activation: str,
    delta: float,
    dimensions: tuple[int, ...],
    replicas: tuple[int, ...],
    seed: int = SEED,
    horizon: float = HORIZON,
) -> list[Job]:
    """One job a dimension, each with a seed of its own, at the common δ = η d."""
    task = instance(activation)
    student = RankOne(c_init="teacher", u_init="favourable")
    per_d = theory.predicted_hitting_time(task, task.c, THRESHOLD) / delta
    jobs = [
        Job(
            task.replace(d=d),
            Training(
                student=student,
                lr=delta / d,
                steps=int(horizon * per_d * d),
                stop_at=THRESHOLD,
                thresholds=(THRESHOLD,),
                record=2,
            ),
            n,
            seed + i,
            expected=per_d * d,
        )
        for i, (d, n) in enumerate(zip(dimensions, replicas, strict=True))
    ]
    return jobs


def random_c(task: Task, draws: int) -> list[Floats]:
    """Quantised ĉ ≠ ±c with h(0) ≠ 0: with h(0) = 0 nothing pulls at the start."""
    generator = np.random.default_rng(SEED)
    found: list[Floats] = []
    while len(found) < draws:
        c_hat = generator.choice([-1.0, 1.0], size=K) / np.sqrt(K)
        differs = abs(c_hat @ task.c) < 1 - 1e-9
        if differs and abs(theory.drift(task, c_hat, 0.0)) > 1e-9:
            found.append(c_hat)
    return found


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    quick = context.quick
    activations = ("relu", "sigmoid") if quick else tuple(ACTIVATIONS)
    jobs, places = [], []
    taken = {name: ACTIVATIONS[name][1][: 2 if quick else None] for name in activations}
    dimensions = sorted(set().union(*taken.values()))
    replicas = [8 if quick else REPLICAS[d] for d in dimensions]
    steps = np.full((len(activations), len(dimensions), max(replicas)), np.nan)
    deltas = []
    for i, activation in enumerate(activations):
        delta, here = ACTIVATIONS[activation]
        at = [dimensions.index(d) for d in here if d in taken[activation]]
        counts = tuple(replicas[j] for j in at)
        jobs += known_c_jobs(activation, delta, taken[activation], counts)
        deltas.append(delta)
        places += [(i, j) for j in at]
    known = len(jobs)

    task = instance("relu")
    draws = random_c(task, 2 if quick else DRAWS)
    random_dimensions = RANDOM_DIMENSIONS[:2] if quick else RANDOM_DIMENSIONS
    rates = [theory.auto_lr(task, RankOne(c_init=c_hat))[0] * task.d for c_hat in draws]
    for i, (c_hat, delta) in enumerate(zip(draws, rates, strict=True)):
        student = RankOne(c_init=c_hat, u_init="favourable")
        for j, d in enumerate(random_dimensions):
            per_d = theory.predicted_hitting_time(task, c_hat, RANDOM_THRESHOLD) / delta
            training = Training(
                student=student,
                lr=delta / d,
                steps=int(HORIZON * per_d * d),
                stop_at=RANDOM_THRESHOLD,
                thresholds=(RANDOM_THRESHOLD,),
                record=2,
            )
            seed = 1000 + 100 * i + j
            jobs.append(Job(task.replace(d=d), training, MEMBERS, seed, expected=per_d * d))
    stalled = int(np.argmax([abs(theory.drift(task, c_hat, 0.0)) for c_hat in draws]))
    stall_jobs, shares = _stall_jobs(task, draws[stalled], rates[stalled], quick)

    results = run_all(context, jobs + stall_jobs)
    for (i, j), result in zip(places, results, strict=False):
        found_steps = intervals.hitting_steps(result.hit_step.values[:, 0])
        steps[i, j, : len(found_steps)] = found_steps
    random_steps = np.array(
        [intervals.hitting_steps(r.hit_step.values[:, 0]) for r in results[known : len(jobs)]]
    ).reshape(len(draws), len(random_dimensions), MEMBERS)
    stall = [
        1 - np.abs(r.overlap_u.values[:, r.sizes["step"] // 2 :]).mean(axis=1)
        for r in results[len(jobs) :]
    ]
    return xr.Dataset(
        {
            "steps": (("activation", "dimension", "replica"), steps),
            "delta": ("activation", deltas),
            "random_steps": (("draw", "random_dimension", "member"), random_steps),
            "random_delta": ("draw", rates),
            "stall": (("share", "stall_replica"), np.array(stall)),
        },
        coords={
            "activation": list(activations),
            "dimension": list(dimensions),
            "random_dimension": list(random_dimensions),
            "share": list(shares),
        },
        attrs={"seed": SEED, "stall_delta": rates[stalled]},
    )


def _stall_jobs(
    task: Task, c_hat: Floats, delta: float, quick: bool
) -> tuple[list[Job], tuple[float, ...]]:
    """Long runs at several rates, of which the second half is stationary."""
    task = task.replace(d=200 if quick else STALL_DIMENSION)
    shares = STALL_SHARES[:2] if quick else STALL_SHARES
    pull = abs(float(theory.drift(task, c_hat, 0.0)))
    jobs = []
    for i, share in enumerate(shares):
        rate = delta * share
        steps = int((5.0 if quick else STALL_LENGTH) / (rate * pull) * task.d)
        student = RankOne(c_init=c_hat, u_init="favourable")
        training = Training(
            student=student, lr=rate / task.d, steps=steps, thresholds=(0.5,), record=400
        )
        jobs.append(Job(task, training, 8, 5000 + i))
    return jobs, shares


def fits(data: xr.Dataset) -> dict[str, exponents.PowerLaw]:
    """Fit T against d for each activation."""
    found = {}
    for activation in data.activation.values:
        steps = data.steps.sel(activation=activation)
        present = ~np.isnan(steps.values).all(axis=1)
        found[str(activation)] = exponents.power_law(
            data.dimension.values[present], list(steps.values[present])
        )
    return found


def _random_fit(data: xr.Dataset) -> tuple[intervals.Interval, list[exponents.PowerLaw]]:
    """Mean of the slopes over draws of ĉ, with Student's interval over draws."""
    lines = [
        exponents.power_law(data.random_dimension.values, list(one))
        for one in data.random_steps.values
    ]
    return intervals.mean([line.exponent.value for line in lines]), lines


def _stall_fit(data: xr.Dataset) -> exponents.PowerLaw:
    rates = data.share.values * data.attrs["stall_delta"]
    return exponents.power_law(rates, list(data.stall.values))


_NOTE = "points: medians over replicas with 95 % intervals; lines: least squares with band"


def _draw_known(data: xr.Dataset) -> Figure:
    figure, axes = style.frame(height=4.4)
    for (activation, fit), colour in zip(fits(data).items(), style.PALETTE, strict=False):
        slope = power_laws.exponent_text(fit.exponent)
        label = f"{style.ACTIVATIONS[activation]}: slope {slope}"
        power_laws.power_law_points(axes, fit, colour, label)
    power_laws.logarithmic(axes, "dimension $d$", "$T$: median steps to overlap 0.9")
    axes.set_title(r"$\hat c = c$")
    style.legend(axes)
    style.note(figure, _NOTE)
    return figure


def _draw_random(data: xr.Dataset) -> Figure:
    figure, axes = style.frame(height=4.4)
    mean, lines = _random_fit(data)
    for line in lines:
        power_laws.power_law_points(axes, line, style.PALETTE[0])
    power_laws.logarithmic(axes, "dimension $d$", "$T$: median steps to overlap 0.5")
    axes.set_title(
        rf"ReLU, {len(lines)} random $\hat c \neq c$"
        f"\nmean slope {power_laws.exponent_text(mean)}"
    )
    style.note(figure, _NOTE)
    return figure


def _draw_stall(data: xr.Dataset) -> Figure:
    figure, axes = style.frame()
    stall = _stall_fit(data)
    power_laws.power_law_points(axes, stall, style.PALETTE[1])
    power_laws.logarithmic(axes, r"$\delta = \eta d$", "$1 - |m|$, stationary")
    axes.set_title(
        rf"where $\hat c \neq c$ stalls: slope {power_laws.exponent_text(stall.exponent)}"
    )
    style.note(figure, _NOTE)
    return figure


def _draw(data: xr.Dataset) -> list[Figure]:
    return [_draw_known(data), _draw_random(data), _draw_stall(data)]


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for activation, fit in fits(data).items():
        first, last = map(int, fit.x[[0, -1]])
        verdicts.append(
            Verdict(
                f"T grows as d for {activation}, d = {power_laws.power_of_ten(first)} … "
                f"{power_laws.power_of_ten(last)} (Theorems 1 and 12; slope "
                f"between {1 - TOLERANCE:g} and {1 + TOLERANCE:g})",
                f"slope {fit.exponent.text()}, T/d = {fit.medians[-1] / last:.3g} at the largest d",
                intervals.within(fit.exponent, 1 - TOLERANCE, 1 + TOLERANCE, widest=TOLERANCE),
                missed(data.steps.sel(activation=activation).values),
                needed(
                    fit.exponent,
                    1 - TOLERANCE,
                    1 + TOLERANCE,
                    widest=TOLERANCE,
                    count=data.sizes["replica"],
                    of="replicas",
                ),
            )
        )
    mean, lines = _random_fit(data)
    verdicts.append(
        Verdict(
            "T grows as d with a frozen random ĉ ≠ c, relu, overlap 0.5, d = 10³ … 3·10⁵ "
            "(Theorem 12)",
            f"mean slope over {len(lines)} draws of ĉ {mean.text()}",
            intervals.within(mean, 1 - TOLERANCE, 1 + TOLERANCE, widest=2 * TOLERANCE),
            "draws with h(0) = 0, for which no theorem holds, are left out",
            needed(
                mean,
                1 - TOLERANCE,
                1 + TOLERANCE,
                widest=2 * TOLERANCE,
                count=len(lines),
                of="draws of ĉ",
            ),
        )
    )
    stall = _stall_fit(data).exponent
    verdicts.append(
        Verdict(
            "with ĉ ≠ c frozen and a constant rate, m stalls at 1 − |m| ∝ δ = ηd (the noise that "
            "is left at m = ±1)",
            f"exponent in δ {stall.text(2)}",
            intervals.within(stall, 0.9, 1.1, widest=0.1),
            needs=needed(
                stall, 0.9, 1.1, widest=0.1, count=data.sizes["stall_replica"], of="replicas"
            ),
        )
    )
    return verdicts


EXPERIMENT = Experiment(
    name="claim1",
    title="T is linear in d",
    shows="Online SGD on û reaches a given overlap after a number of samples linear in d, for any "
    "activation with a Hermite expansion, information exponent or not (Theorems 1 and 12).",
    settings=f"k = {K}, ξ = √k, orthonormal features, unit neurons, λ = 1/√k, one quantised c "
    "(two of eight entries negative), "
    "favourable start. η = δ/d with δ = "
    + ", ".join(f"{delta:g} ({name})" for name, (delta, _) in ACTIVATIONS.items())
    + ": below what lr='auto' chooses, so that the noise of the gradient does not show at the "
    "least d. "
    "Median over replicas: "
    + ", ".join(f"{n} at d = {power_laws.power_of_ten(d)}" for d, n in REPLICAS.items())
    + f". Every point has a seed of its own (from {SEED}), so the bootstrap over replicas within "
    "points gives the interval of the slope. ĉ ≠ c: δ = lr='auto' of each draw.",
    run=_run,
    draw=_draw,
    judge=_judge,
)
