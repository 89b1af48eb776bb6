"""Claim 6: SGD follows its order-parameter equations, and the paper's robustness checks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft import RankOne, Task, Training, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.jobs import Job, paired_jobs, run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 600
#: SGD against its equations.
D, K = 20_000, 8
DELTAS = (0.0125, 0.025, 0.05, 0.1, 0.2)
QUICK_DELTAS = (0.025, 0.05, 0.2)
REPLICAS, RECORDS = 32, 41
#: Rates that count as small: beyond, the gap to the gradient flow bends, as the equations do too.
SMALL_DELTA = 0.05
START, HORIZON = 0.1, 2.0
#: Tolerance of the mean beyond three standard errors: what d = 20,000 may leave.
GAP = 0.01

#: Robustness checks.
CHECK_D, CHECK_K = 1000, 16
INSTANCES = 64
ACTIVATIONS = ("relu", "sigmoid", "he2", "he3")
THRESHOLD, SUCCESS = 0.9, 0.8
CHECK_HORIZON = 500


class _Variant(NamedTuple):
    label: str
    drawn: str  #: the same in a picture
    task: dict[str, Any]
    student: dict[str, Any]


VARIANTS = {
    "base": _Variant("as in the theorems", "as in the theorems", {}, {}),
    "joint": _Variant("ĉ trained jointly", r"$\hat c$ trained jointly", {}, {"train_c": True}),
    "free": _Variant(
        "ĉ jointly, Π dropped",
        "$\\hat c$ jointly,\n$\\Pi$ dropped",
        {},
        {"train_c": True, "orthogonal": False},
    ),
    "parallel": _Variant(
        "‖Π_W u‖ = ½, Π dropped",
        "$\\|\\Pi_W u\\| = 1/2$,\n$\\Pi$ dropped",
        {"parallel": 0.5},
        {"train_c": True, "orthogonal": False},
    ),
    "sphere": _Variant(
        "c on the sphere",
        "$c$ on the sphere",
        {"c": "sphere"},
        {"train_c": True, "c_init": "sphere"},
    ),
    "sphere_frozen": _Variant(
        "c on the sphere, ĉ frozen",
        "$c$ on the sphere,\n$\\hat c$ frozen",
        {"c": "sphere"},
        {"c_init": "sphere"},
    ),
}


def _followed(d: int) -> tuple[Task, Floats, Floats]:
    """Task, a frozen ĉ with ⟨ĉ,c⟩ = ½, and a û₀ with overlap START."""
    task = Task.sample(d=d, k=K, xi=1.0, activation="relu", features="orthonormal", seed=0)
    c_hat = np.array(task.c)
    c_hat[:2] *= -1
    rest = np.random.default_rng(SEED).standard_normal(d)
    rest -= task.Q @ (task.Q.T @ rest)
    u_hat = START * np.asarray(task.u) + np.sqrt(1 - START**2) * rest / np.linalg.norm(rest)
    return task, c_hat, u_hat / np.linalg.norm(u_hat)


def _follow_jobs(quick: bool) -> list[Job]:
    d, replicas = (500, 8) if quick else (D, REPLICAS)
    task, c_hat, u_hat = _followed(d)
    student = RankOne(c_init=c_hat, u_init=u_hat)
    deltas = QUICK_DELTAS if quick else DELTAS
    return [
        Job(
            task,
            Training(
                student=student,
                lr=delta / d,
                steps=int(HORIZON * d / delta),
                record=RECORDS,
                thresholds=(0.9,),
            ),
            replicas,
            SEED + i,
        )
        for i, delta in enumerate(deltas)
    ]


def _check_jobs(quick: bool) -> list[Job]:
    """Jobs over activations, variants and, within them, instances, eight a job.

    Each instance is run once; its task has a seed that activations and variants share.
    """
    jobs = []
    for i, (activation, variant) in enumerate(itertools.product(ACTIVATIONS, VARIANTS.values())):
        # A start on the right side, where the drift that defines it exists; otherwise (û, ĉ) may
        # turn together, and both signs are the same student once ĉ is trained.
        favourable = not variant.student.get("train_c", False)
        student = RankOne(u_init="favourable" if favourable else "uniform", **variant.student)
        tasks = [
            Task.sample(
                d=200 if quick else CHECK_D,
                k=CHECK_K,
                activation=activation,
                features="sphere",
                normalization="unit",
                seed=SEED + instance,
                **({"c": "quantized"} | variant.task),
            )
            for instance in range(8 if quick else INSTANCES)
        ]
        training = Training(
            student=student,
            lr="auto",
            steps=(20 if quick else CHECK_HORIZON) * tasks[0].d,
            stop_at=THRESHOLD,
            thresholds=(THRESHOLD,),
            record=2,
        )
        jobs += paired_jobs(tasks, training, SEED + 1000 * (i + 1), 100.0 * tasks[0].d)
    return jobs


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    follow, check = _follow_jobs(context.quick), _check_jobs(context.quick)
    results = run_all(context, follow + check)
    first = follow[0].task
    assert isinstance(first, Task)
    task, c_hat, _ = _followed(first.d)
    overlaps = np.array([result.overlap_u.values for result in results[: len(follow)]])
    deltas = QUICK_DELTAS if context.quick else DELTAS
    times = np.array(
        [
            result.step.values * delta / task.d
            for result, delta in zip(results, deltas, strict=False)
        ]
    )
    longest = 1.001 * HORIZON
    flow = theory.gradient_flow(task, c_hat, START, horizon=longest)
    equations = [
        theory.order_parameter_ode(
            task, c_hat, START, delta, horizon=longest, samples=2**10 if context.quick else 2**14
        )
        for delta in deltas
    ]
    steps = np.concatenate(
        [intervals.hitting_steps(result.hit_step.values[:, 0]) for result in results[len(follow) :]]
    ).reshape(len(ACTIVATIONS), len(VARIANTS), -1)
    return xr.Dataset(
        {
            "overlap": (("delta", "replica", "record"), overlaps),
            "time": (("delta", "record"), times),
            "equations": (
                ("delta", "record"),
                np.array([e.overlap_at(t) for e, t in zip(equations, times, strict=True)]),
            ),
            "flow": (("delta", "record"), np.array([flow.overlap_at(t) for t in times])),
            "steps": (("activation", "variant", "instance"), steps),
        },
        coords={
            "delta": list(deltas),
            "variant": list(VARIANTS),
            "activation": list(ACTIVATIONS),
        },
        attrs={"seed": SEED, "d": first.d},
    )


def _gaps(data: xr.Dataset) -> tuple[Floats, list[Floats]]:
    """Find the largest gap of the mean to the gradient flow at each δ, and resampled ones."""
    generator = np.random.default_rng(SEED)
    replicas = data.sizes["replica"]
    values: list[float] = []
    drawn: list[Floats] = []
    for one in range(data.sizes["delta"]):
        paths, flow = data.overlap.values[one], data.flow.values[one]
        # Where the gap is largest in the mean of all; resamples are compared at the same time.
        at = int(np.argmax(np.abs(paths.mean(axis=0) - flow)))
        values.append(abs(paths[:, at].mean() - flow[at]))
        chosen = generator.integers(replicas, size=(intervals.RESAMPLES, replicas))
        drawn.append(np.abs(paths[chosen, at].mean(axis=1) - flow[at]))
    return np.array(values), drawn


def _gap_fit(data: xr.Dataset, largest: float = SMALL_DELTA) -> exponents.PowerLaw:
    """Fit the gaps against δ up to the largest."""
    values, drawn = _gaps(data)
    small = np.flatnonzero(data.delta.values <= largest)
    return exponents.fit_line(data.delta.values[small], values[small], [drawn[i] for i in small])


def _excess(data: xr.Dataset) -> Floats:
    """Largest gap of the mean to the equations beyond three standard errors, for each δ."""
    paths = data.overlap.values
    error = paths.std(axis=1, ddof=1) / np.sqrt(paths.shape[1])
    gap = np.abs(paths.mean(axis=1) - data.equations.values) - 3 * error
    largest: Floats = gap.max(axis=1)
    return largest


def _draw_equations(data: xr.Dataset) -> Figure:
    figure, axes = style.frame()
    ends = []
    for i, (delta, colour) in enumerate(zip(data.delta.values, style.PALETTE, strict=False)):
        time = data.time.values[i]
        line = style.band(axes, time, data.overlap.values[i], colour, thin=False)
        axes.plot(time, data.equations.values[i], color=style.INK, linewidth=0.9, linestyle=":")
        ends.append((float(line[-1]), rf"$\delta = {delta:g}$", colour))
    axes.set_xlabel(r"time $\tau = \eta t$")
    axes.set_ylabel("overlap $m$")
    axes.set_xlim(0, HORIZON)
    axes.set_title(f"SGD on its equations, d = {data.attrs['d']:,}")
    style.label_ends(axes, ends)
    style.note(
        figure,
        f"thick: median of {data.sizes['replica']} replicas; band: 10–90 % of them; dotted: the "
        "order-parameter equations",
    )
    return figure


def _draw_gaps(data: xr.Dataset) -> Figure:
    figure, axes = style.frame()
    fit = _gap_fit(data)
    power_laws.power_law_points(axes, fit, style.PALETTE[0])
    large = data.delta.values > SMALL_DELTA
    beyond = data.delta.values[large], _gaps(data)[0][large]
    axes.plot(*beyond, "o", color=style.PALETTE[0], markerfacecolor="none")
    power_laws.logarithmic(
        axes, r"$\delta = \eta d$", r"largest gap to $\mathrm{d}m/\mathrm{d}\tau = h(m)(1 - m^2)$"
    )
    axes.set_title(f"gap to the gradient flow: slope {power_laws.exponent_text(fit.exponent)}")
    style.note(
        figure, f"with 95 % intervals; open points, $\\delta>{SMALL_DELTA:g}$, are not fitted"
    )
    return figure


def _draw_robustness(data: xr.Dataset) -> Figure:
    figure, axes = style.frame(height=5.2)
    labels = [variant.drawn for variant in VARIANTS.values()]
    for i, (activation, colour) in enumerate(zip(ACTIVATIONS, style.PALETTE, strict=False)):
        for j, steps in enumerate(data.steps.values[i] / CHECK_D):
            height = len(labels) - 1 - j + 0.27 - 0.18 * i
            finite = np.sort(steps[np.isfinite(steps)])
            axes.plot(finite, np.full(len(finite), height), "|", color=colour, alpha=0.25)
            middle = intervals.interval(*intervals.bootstrap_median(steps))
            if np.isfinite(middle.high):
                reach = [[middle.value - middle.low], [middle.high - middle.value]]
                axes.errorbar([middle.value], [height], xerr=reach, color=colour, marker="o", ms=4)
        axes.plot([], [], "o", color=colour, label=style.ACTIVATIONS[activation])
    axes.set_ylim(-0.6, len(labels) - 0.4)
    style.legend(axes, columns=4)
    axes.set_xscale("log")
    power_laws.few_decades(axes.xaxis)
    axes.set_yticks(range(len(labels)), labels[::-1])
    axes.set_xlabel("$T / d$: steps to overlap 0.9, over $d$")
    axes.set_title("robustness")
    style.note(
        figure,
        f"strokes: the {data.sizes['instance']} instances; points: their median with 95 % "
        "interval, where at least half learn",
    )
    return figure


def _draw(data: xr.Dataset) -> list[Figure]:
    return [_draw_equations(data), _draw_gaps(data), _draw_robustness(data)]


def _judge(data: xr.Dataset) -> list[Verdict]:
    excess = _excess(data)
    fit, everywhere = _gap_fit(data).exponent, _gap_fit(data, np.inf).exponent
    verdicts = [
        Verdict(
            f"the mean of SGD follows its order-parameter equations within 3 standard errors + "
            f"{GAP} at δ = " + ", ".join(f"{delta:g}" for delta in data.delta.values),
            f"largest gap beyond 3 standard errors {excess.max():.4f}, at δ = "
            f"{data.delta.values[excess.argmax()]:g}",
            "supported" if (excess <= GAP).all() else "not supported",
        ),
        Verdict(
            "the drift: dm/dτ = h(m)(1 − m²) as δ → 0 (Prop. 4); the gap vanishes as δ",
            f"gap ∝ δ^{fit.text(2)}",
            intervals.within(fit, 0.9, 1.1, widest=0.1),
            f"fitted for δ ≤ {SMALL_DELTA:g}; over all δ {everywhere.text(2)}: the gap bends",
            needed(fit, 0.9, 1.1, widest=0.1, count=data.sizes["replica"], of="replicas"),
        ),
    ]
    for activation, (name, variant) in itertools.product(ACTIVATIONS, VARIANTS.items()):
        of_it = data.steps.sel(activation=activation)
        steps, reference = of_it.sel(variant=name).values, of_it.sel(variant="base").values
        share = intervals.proportion(int(np.isfinite(steps).sum()), len(steps))
        verdicts.append(
            Verdict(
                f"robustness, {activation}, {variant.label}: overlap {THRESHOLD} is reached in at "
                f"least {SUCCESS:.0%} of instances (Figs. 2, 4, 5)",
                f"{share.text(2)} of instances"
                + (
                    ""
                    if name == "base"
                    else f"; {_times(_ratio(steps, reference))} times that of the theorems"
                ),
                _at_least(share, SUCCESS),
                "each of the instances is run once; times are compared instance by instance, of "
                "the same task",
                needed(share, SUCCESS, count=len(steps)),
            )
        )
    return verdicts


def _ratio(steps: Floats, reference: Floats) -> intervals.Interval:
    """Compare medians instance by instance; instances that neither learns say nothing."""
    known = np.isfinite(steps) | np.isfinite(reference)
    if not known.any():
        return intervals.Interval(np.nan, -np.inf, np.inf)
    return intervals.interval(*intervals.bootstrap_median(steps[known] / reference[known]))


def _times(ratio: intervals.Interval) -> str:
    if np.isfinite(ratio.value):
        return f"T is {ratio.text(2)}"
    return f"where half never get there, T is at least {ratio.low:.2f}"


def _at_least(share: intervals.Interval, least: float) -> Outcome:
    if share.low >= least:
        return "supported"
    return "not supported" if share.high < least else "not decided"


EXPERIMENT = Experiment(
    name="claim6",
    title="SGD follows its equations; robustness",
    shows="dm/dt = h(m)(1 − m²) is the dynamics of the overlap for small rates (Prop. 4), and the "
    "algorithm also works with ĉ trained jointly, Π dropped, u partly inside span(W) and c not "
    "quantised (Figs. 2, 4, 5).",
    settings=f"Equations: relu, d = {D}, k = {K}, ξ = 1, frozen ĉ with ⟨ĉ,c⟩ = ½, m₀ = {START}, "
    f"{REPLICAS} replicas from one start; every δ with a seed of its own (from {SEED}). "
    f"Robustness: {', '.join(ACTIVATIONS)}, d = {CHECK_D}, k = {CHECK_K}, "
    f"ξ = √k, features on the sphere, unit normalisation, lr='auto' of each instance, "
    f"{CHECK_HORIZON} d steps; {INSTANCES} instances, "
    "each a task run once; frozen ĉ starts on the favourable side. Intervals are over "
    "instances.",
    run=_run,
    draw=_draw,
    judge=_judge,
)
