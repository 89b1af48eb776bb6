"""Claim 7, exploratory: transition in ξ, rank, batch size, worst c."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.paper.claims import claim7_jobs
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.jobs import run_all
from lrft.plot import figure_class
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

#: Share of the single-index T (that of the two largest ξ) at which the transition is placed.
ONSET = 0.25
#: A batch whose samples stay within this factor of those at batch 1 is free.
FREE = 1.5


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    quick = context.quick
    worst, path = claim7_jobs.search_worst_c(quick)
    lists = [
        claim7_jobs.transition_jobs(quick),
        claim7_jobs.rank_jobs(quick),
        claim7_jobs.batch_jobs(quick),
        claim7_jobs.worst_jobs(worst, quick),
    ]
    results = iter(run_all(context, [job for jobs in lists for job in jobs]))
    found = []
    for jobs in lists:
        steps = np.full((len(jobs), max(job.replicas for job in jobs)), np.nan)
        for row, job in zip(steps, jobs, strict=True):
            row[: job.replicas] = intervals.hitting_steps(next(results).hit_step.values[:, 0])
        found.append(steps)
    transition, rank, batch, kinds = found
    count = 2 if quick else len(claim7_jobs.STRENGTHS)
    dimensions = 2 if quick else len(claim7_jobs.RANK_DIMENSIONS)
    rates = 1 if quick else len(claim7_jobs.RANK_DELTAS)
    return xr.Dataset(
        {
            "transition": (
                ("dimension", "strength", "replica"),
                transition.reshape(-1, count, transition.shape[-1]),
            ),
            "rank_steps": (
                ("rank", "rank_dimension", "rate", "instance", "member"),
                rank.reshape(len(claim7_jobs.RANKS), dimensions, rates, -1, rank.shape[-1]),
            ),
            "batch_steps": (("batch", "batch_replica"), batch),
            "worst_steps": (
                ("kind", "worst_instance", "member"),
                kinds.reshape(len(claim7_jobs.KINDS), -1, kinds.shape[-1]),
            ),
            "search": ("trial", np.array(path)),
            "worst_c": ("neuron", worst),
        },
        coords={
            "dimension": list(claim7_jobs.DIMENSIONS[: len(transition) // count]),
            "strength": list(claim7_jobs.STRENGTHS[:count]),
            "rank": list(claim7_jobs.RANKS),
            "rank_dimension": list(claim7_jobs.RANK_DIMENSIONS[:dimensions]),
            "batch": list(claim7_jobs.BATCHES[: len(batch)]),
            "kind": list(claim7_jobs.KINDS),
        },
        attrs={"seed": claim7_jobs.SEED},
    )


# ---- what is measured --------------------------------------------------------------------------


def _exponents(data: xr.Dataset) -> list[exponents.PowerLaw]:
    """T against d, for each ξ/√k."""
    return [
        exponents.power_law(data.dimension.values, list(data.transition.values[:, j]))
        for j in range(data.sizes["strength"])
    ]


def _onsets(data: xr.Dataset) -> exponents.PowerLaw:
    """Fit ξ/√k at which T reaches a share of its single-index value against d."""
    log_strength = np.log(data.strength.values)
    values, drawn = [], []
    for i in range(data.sizes["dimension"]):
        pairs = [
            intervals.bootstrap_median(one, seed=j)
            for j, one in enumerate(data.transition.values[i])
        ]
        log_t = np.log(np.array([[pair[0], *pair[1]] for pair in pairs]))
        crossing = np.exp(_crossings(log_strength, log_t, log_t[-2:].mean(axis=0) + np.log(ONSET)))
        values.append(float(crossing[0]))
        drawn.append(crossing[1:])
    return exponents.fit_line(data.dimension.values, values, drawn)


def _crossings(x: Floats, y: Floats, level: Floats) -> Floats:
    """First x at which each column of y (n, columns) reaches its level, by linear interpolation.

    Infinite where none of these x is it: the level is never reached, or y is above it already at
    the first.
    """
    reached = y >= level
    known = reached.any(axis=0) & ~reached[0] & np.isfinite(level)
    at = np.maximum(1, reached.argmax(axis=0))
    columns = np.arange(y.shape[1])
    before, after = y[at - 1, columns], y[at, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((level - before) / (after - before), 0.0, 1.0)
    crossing: Floats = x[at - 1] + np.nan_to_num(share) * (x[at] - x[at - 1])
    return np.where(known, crossing, np.inf)


def _rank_fits(data: xr.Dataset) -> list[tuple[exponents.PowerLaw, intervals.Interval, int]]:
    """Fit T against d at the best rates; the mean slope over instances; how many have one.

    Instances are the same at every d, so their slopes are compared and not their T; one that most
    replicas do not learn at some d has none.  Where no rate reaches 80 % at some d, the interval is
    infinite.
    """
    fits = []
    for steps in data.rank_steps.values:
        best = [intervals.least_median(point, seed=j) for j, point in enumerate(steps)]
        d = data.rank_dimension.values
        line = exponents.fit_line(d, [b[1] for b in best], [b[2] for b in best])
        if any(b[0] < 0 for b in best):
            fits.append((line, intervals.Interval(np.nan, -np.inf, np.inf), 0))
            continue
        chosen = [point[b[0]] for point, b in zip(steps, best, strict=True)]
        slopes = [
            exponents.power_law(d, list(one)).exponent.value for one in np.swapaxes(chosen, 0, 1)
        ]
        known = [slope for slope in slopes if np.isfinite(slope)]
        fits.append((line, intervals.mean(known), len(known)))
    return fits


def _samples(data: xr.Dataset) -> list[intervals.Interval]:
    """Count samples to overlap 0.9 at each batch size."""
    found = []
    for batch, steps in zip(data.batch.values, data.batch_steps.values, strict=True):
        found.append(intervals.interval(*intervals.bootstrap_median(batch * steps)))
    return found


def _shares(data: xr.Dataset) -> list[intervals.Interval]:
    """Share of runs that reach overlap ½, for each kind of c; over instances where they differ."""
    found = []
    for kind, steps in zip(data.kind.values, data.worst_steps.values, strict=True):
        hits = np.isfinite(steps)
        one_c = kind == "worst found"
        share = intervals.proportion(int(hits.sum()), hits.size)
        found.append(share if one_c else intervals.mean(hits.mean(axis=1)))
    return found


# ---- picture -----------------------------------------------------------------------------------


def _draw_all(data: xr.Dataset) -> Figure:
    figure = figure_class()(figsize=(12.5, 8.4), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    _draw_transition(axes[0], data)

    ends = []
    for (fit, slope, _), rank, colour in zip(
        _rank_fits(data), data["rank"].values, style.PALETTE, strict=False
    ):
        text = f"rank {rank}\n{power_laws.exponent_text(slope)}"
        ends.append(power_laws.power_law_points(axes[1], fit, colour, text))
    power_laws.logarithmic(axes[1], "dimension d", "median steps to overlap 0.9")
    axes[1].set_title("LoRA of rank r: slopes in d")
    style.label_ends(axes[1], ends, spacing=0.12)

    samples = np.array(_samples(data)) / claim7_jobs.BATCH_D
    middle, low, high = samples.T
    style.intervals(axes[2], data.batch.values, middle, low, high, style.PALETTE[0])
    style.reference(axes[2], float(samples[0, 0]))
    place = {"xytext": (0, -14), "textcoords": "offset points", "fontsize": 9}
    at = (float(data.batch.values[-1]), float(samples[0, 0]))
    axes[2].annotate("samples at batch 1", at, ha="right", color=style.MUTED, **place)
    axes[2].set_xscale("log", base=2)
    axes[2].set_ylim(0, None)
    axes[2].set_xlabel("batch size")
    axes[2].set_ylabel("samples / d to overlap 0.9")
    axes[2].set_title("batch size (relu, ĉ = c)")

    shares = np.array(_shares(data))
    places = np.arange(len(shares))
    middle, low, high = shares.T
    style.intervals(axes[3], places, middle, low, high, style.PALETTE[1], line=False)
    axes[3].set_xticks(places, ["quantised", "sphere", "worst c\nfound"])
    axes[3].set_xlim(-0.5, len(shares) - 0.5)
    axes[3].set_ylim(0, 1.03)
    axes[3].set_ylabel("share of runs that reach overlap ½")
    axes[3].set_title("He₃, random frozen ĉ")
    style.note(figure, "medians with 95 % intervals; ξ-transition: He₃, ĉ = c, k = 8")
    return figure


def _draw_transition(axes: Axes, data: xr.Dataset) -> None:
    """Curves of T/d over ξ, one a dimension, with the heuristic onset as a mark on each."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    ends = []
    dimensions = data.dimension.values
    for i, d in enumerate(dimensions):
        colour = to_hex(colormaps["viridis"](0.85 * i / max(1, len(dimensions) - 1)))
        points = np.array(
            [intervals.interval(*intervals.bootstrap_median(s)) for s in data.transition.values[i]]
        )
        middle, low, high = (points / d).T
        style.intervals(axes, data.strength.values, middle, low, high, colour)
        heuristic = d**0.25
        if data.strength.values[0] <= heuristic <= data.strength.values[-1]:
            height = np.exp(
                np.interp(np.log(heuristic), np.log(data.strength.values), np.log(points[:, 0] / d))
            )
            axes.plot([heuristic], [height], marker="v", color=style.INK, markersize=8, zorder=5)
        ends.append((float(points[-1, 0] / d), f"d = {d}", colour))
    power_laws.logarithmic(axes, "strength ξ / √k", "T / d: median steps to overlap ½, over d")
    axes.set_title("transition in ξ (▼: heuristic ξ = d^¼ k^½)")
    style.label_ends(axes, ends)


# ---- verdicts ----------------------------------------------------------------------------------


def _judge(data: xr.Dataset) -> list[Verdict]:
    in_d = [fit.exponent for fit in _exponents(data)]
    onset = _onsets(data)
    strengths = data.strength.values
    verdicts = [
        Verdict(
            f"T is linear in d at ξ = {strengths[0]:g} √k and grows as d² (the GLM's exponent) at "
            f"ξ = {strengths[-1]:g} √k (He₃; the paper is silent)",
            f"exponents {in_d[0].text(2)} and {in_d[-1].text(2)}",
            _both(in_d[0], in_d[-1]),
            "in between: "
            + ", ".join(
                f"{e.value:.2f} at {x:g} √k"
                for e, x in zip(in_d[1:-1], strengths[1:-1], strict=True)
            ),
        ),
        Verdict(
            "the transition is at ξ ∝ d^(1/4) k^(1/2) (heuristic at Fig. 6)",
            f"exponent in d {onset.exponent.text(2)}; at d = {onset.x[-1]:.0f} it lies at "
            f"{onset.medians[-1] / onset.x[-1] ** 0.25:.2f} times the heuristic",
            _contains(onset.exponent, 0.25, 0.1),
            f"placed where T reaches {ONSET:g} of its value at the two largest ξ",
        ),
    ]
    fits = _rank_fits(data)
    for rank, (fit, slope, known) in zip(data["rank"].values, fits, strict=True):
        ratio = fit.medians[-1] / fits[0][0].medians[-1]
        verdicts.append(
            Verdict(
                f"T stays linear in d for a LoRA student and teacher of rank {rank} (beyond the "
                "paper)",
                f"exponent {slope.text(2)}; {ratio:.3g} times the steps of rank 1 at d = "
                f"{fit.x[-1]:.0f}",
                intervals.within(slope, 0.85, 1.15, widest=0.15),
                f"mean slope of the {known} of {data.sizes['instance']} instances that most "
                "replicas learn at every d",
            )
        )
    samples = _samples(data)
    relative = [one.value / samples[0].value for one in samples]
    free = [int(b) for b, r in zip(data.batch.values, relative, strict=True) if r <= FREE]
    verdicts.append(
        Verdict(
            f"batches of up to {min(64, int(data.batch.values[-1]))} cost no more samples than "
            f"batch 1 (beyond the paper; within a factor {FREE:g})",
            ", ".join(
                f"{r:.2f} at {b}" for b, r in zip(data.batch.values[1:], relative[1:], strict=True)
            )
            + f" times; free up to {max(free, default=0)}",
            _batches(data.batch.values, samples),
        )
    )
    quantised, sphere, worst = _shares(data)
    verdicts.append(
        Verdict(
            "a favourable start learns from at least 80 % of the draws of a frozen ĉ even for the "
            "worst c that a search finds (He₃; the paper assumes quantised c)",
            f"reached by {worst.text(2)} for the worst c found, {sphere.text(2)} on the sphere, "
            f"{quantised.text(2)} quantised",
            intervals.within(worst, 0.8, 1.0, widest=0.2),
            "the drift turns before the teacher is reached, on the favourable side too; worst c = ("
            + ", ".join(f"{value:.2f}" for value in data.worst_c.values)
            + ")",
        )
    )
    return verdicts


def _both(small: intervals.Interval, large: intervals.Interval) -> Outcome:
    outcomes = {
        intervals.within(small, 0.9, 1.1, widest=0.15),
        intervals.within(large, 1.8, 2.2, widest=0.4),
    }
    if outcomes == {"supported"}:
        return "supported"
    return "not supported" if "not supported" in outcomes else "not decided"


def _contains(interval: intervals.Interval, value: float, widest: float) -> Outcome:
    if not interval.low <= value <= interval.high:
        return "not supported"
    return "supported" if (interval.high - interval.low) / 2 <= widest else "not decided"


def _batches(batches: Floats, samples: list[intervals.Interval]) -> Outcome:
    """Up to 64: all surely within the factor, or one surely beyond it."""
    watched = [s for b, s in zip(batches, samples, strict=True) if 1 < b <= 64]
    if watched and all(s.high <= FREE * samples[0].low for s in watched):
        return "supported"
    beyond = any(s.low > FREE * samples[0].high for s in watched)
    return "not supported" if beyond else "not decided"


EXPERIMENT = Experiment(
    name="claim7",
    title="Where the paper is silent",
    shows="The transition in ξ between fine-tuning and single-index regression (heuristic onset "
    "ξ ≈ d^(1/4) k^(1/2)), teachers of higher rank, batches, and c that are not quantised.",
    settings="Orthonormal features, unit neurons, λ = 1/√k, lr='auto' unless said. Transition: "
    f"He₃, k = {claim7_jobs.K}, c = ĉ = 1/√k, favourable start, overlap ½. Rank: relu, "
    f"k = {claim7_jobs.RANK_K}, "
    "ξ = √k, c on spheres, LoRA of the teacher's rank, smallest singular value 0.9, best constant "
    f"rate of a factor-2 grid, {claim7_jobs.RANK_INSTANCES} instances with "
    f"{claim7_jobs.RANK_MEMBERS} replicas. Batches: relu, d = {claim7_jobs.BATCH_D}, "
    f"k = {claim7_jobs.K}, ĉ = c. Worst c: hill "
    f"climbing ({claim7_jobs.SEARCH_STARTS} starts, {claim7_jobs.SEARCH_ROUNDS} trials) on the "
    f"share of quantised ĉ whose drift never turns before overlap 0.9, then simulated at d = "
    f"{claim7_jobs.WORST_D}. Every point has a seed of its own (from {claim7_jobs.SEED}).",
    run=_run,
    draw=_draw_all,
    judge=_judge,
)
