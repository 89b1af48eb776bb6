"""Claim 7, exploratory: transition in ξ, rank, batch size, worst c."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.paper import best_rate
from lrft.paper.claims import claim7_jobs
from lrft.paper.deciding import needed
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.jobs import run_all
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
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
        claim7_jobs.batch_jobs(quick),
        claim7_jobs.worst_jobs(worst, quick),
    ]
    results = iter(run_all(context.part(0.0, 0.6), [job for jobs in lists for job in jobs]))
    found = []
    for jobs in lists:
        columns = [intervals.hitting_steps(next(results).hit_step.values[:, 0]) for _ in jobs]
        steps = np.full((len(jobs), max(map(len, columns))), np.nan)
        for row, column in zip(steps, columns, strict=True):
            row[: len(column)] = column
        found.append(steps)
    transition, batch, kinds = found
    strengths = len({job.task.xi / job.task.k**0.5 for job in lists[0]})  # type: ignore[union-attr]
    sizes = [(job.task.d, job.task.k) for job in lists[0][::strengths]]  # type: ignore[union-attr]
    rank = best_rate.search(context.part(0.6, 1.0), claim7_jobs.rank_points(quick), patience=2.5)
    dimensions = rank.sizes["point"] // len(claim7_jobs.RANKS)
    return xr.Dataset(
        {
            "transition": (
                ("size", "strength", "replica"),
                transition.reshape(len(sizes), strengths, -1),
            ),
            "rank_steps": (("rank_point", "rate", "instance"), rank.steps.values[..., 0]),
            "rank_delta": (("rank_point", "rate"), rank.lr.values),
            "batch_steps": (("batch", "batch_replica"), batch),
            "worst_steps": (
                ("kind", "worst_instance", "member"),
                kinds.reshape(len(claim7_jobs.KINDS), -1, kinds.shape[-1]),
            ),
            "search": ("trial", np.array(path)),
            "worst_c": ("neuron", worst),
        },
        coords={
            "dimension": ("size", [d for d, _ in sizes]),
            "width": ("size", [k for _, k in sizes]),
            "strength": list(claim7_jobs.STRENGTHS[:strengths]),
            "rank": ("rank_point", list(np.repeat(claim7_jobs.RANKS, dimensions))),
            "rank_dimension": (
                "rank_point",
                list(claim7_jobs.RANK_DIMENSIONS[:dimensions]) * len(claim7_jobs.RANKS),
            ),
            "batch": list(claim7_jobs.BATCHES[: len(batch)]),
            "kind": list(claim7_jobs.KINDS),
        },
        attrs={"seed": claim7_jobs.SEED},
    )


# ---- what is measured --------------------------------------------------------------------------


def _growing(data: xr.Dataset, by: str) -> tuple[NDArray[np.intp], Floats]:
    """Sizes of which only d, or only k, differs, and its values."""
    other, fixed = ("width", claim7_jobs.K) if by == "dimension" else ("dimension", 128)
    chosen = np.flatnonzero(data[other].values == fixed)
    chosen = chosen[np.argsort(data[by].values[chosen])]
    return chosen, np.asarray(data[by].values[chosen], dtype=np.float64)


def _exponents(data: xr.Dataset) -> list[exponents.PowerLaw]:
    """T against d, for each ξ/√k."""
    chosen, dimensions = _growing(data, "dimension")
    return [
        exponents.power_law(dimensions, list(data.transition.values[chosen, j]))
        for j in range(data.sizes["strength"])
    ]


def _onsets(data: xr.Dataset, by: str) -> exponents.PowerLaw:
    """Fit ξ at which T reaches a share of its single-index value against d or k."""
    log_strength = np.log(data.strength.values)
    chosen, x = _growing(data, by)
    values, drawn = [], []
    for i in chosen:
        pairs = [
            intervals.bootstrap_median(one, seed=j)
            for j, one in enumerate(data.transition.values[i])
        ]
        log_t = np.log(np.array([[pair[0], *pair[1]] for pair in pairs]))
        crossing = np.exp(_crossings(log_strength, log_t, log_t[-2:].mean(axis=0) + np.log(ONSET)))
        xi = crossing * float(data.width.values[i]) ** 0.5
        values.append(float(xi[0]))
        drawn.append(xi[1:])
    return exponents.fit_line(x, values, drawn)


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


def _rank_fits(
    data: xr.Dataset,
) -> list[tuple[int, exponents.PowerLaw, str]]:
    """For each rank, fit T against d at the best rates; say where one is not known.

    Instances are the same at every d and are drawn together: the same resamples at each.
    """
    fits = []
    for rank in claim7_jobs.RANKS:
        points = np.flatnonzero(data["rank"].values == rank)
        d = data.rank_dimension.values[points]
        chosen = [
            best_rate.best(data.rank_delta.values[i], data.rank_steps.values[i], seed=rank)
            for i in points
        ]
        line = exponents.fit_line(d, [b.median for b in chosen], [b.medians for b in chosen])
        fits.append((rank, line, best_rate.edges(chosen, [f"d = {one}" for one in d])))
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
        one_c = str(kind).startswith("worst found")
        share = intervals.proportion(int(hits.sum()), hits.size)
        found.append(share if one_c else intervals.mean(hits.mean(axis=1)))
    return found


# ---- picture -----------------------------------------------------------------------------------


def _draw_transition(data: xr.Dataset) -> Figure:
    """Curves of T/d over ξ, one a dimension, with the heuristic onset as a mark on each."""
    figure, axes = style.frame()
    ends = []
    chosen, dimensions = _growing(data, "dimension")
    for i, d, colour in zip(chosen, dimensions, style.PALETTE, strict=False):
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
        ends.append((float(points[-1, 0] / d), f"$d = {d:.0f}$", colour))
    power_laws.logarithmic(axes, r"strength $\xi / \sqrt{k}$", "$T / d$ to overlap ½")
    axes.set_title(r"transition in $\xi$ ($\mathrm{He}_3$, $\hat c = c$, $k = 8$)")
    style.label_ends(axes, ends)
    style.note(figure, r"medians with 95 % intervals; ▼: the heuristic $\xi=d^{1/4}k^{1/2}$")
    return figure


def _draw_ranks(data: xr.Dataset) -> Figure:
    figure, axes = style.frame(height=4.0)
    for (rank, fit, _), colour in zip(_rank_fits(data), style.PALETTE, strict=False):
        text = f"rank {rank}: slope {power_laws.exponent_text(fit.exponent)}"
        power_laws.power_law_points(axes, fit, colour, text)
    power_laws.logarithmic(axes, "dimension $d$", "median steps to overlap 0.9")
    power_laws.whole_ticks(axes, sorted(set(data.rank_dimension.values.tolist())))
    axes.set_title("LoRA of rank $r$")
    style.legend(axes)
    style.note(figure, "medians with 95 % intervals, least-squares lines with band")
    return figure


def _draw_batches(data: xr.Dataset) -> Figure:
    figure, axes = style.frame()
    samples = np.array(_samples(data)) / claim7_jobs.BATCH_D
    middle, low, high = samples.T
    style.intervals(axes, data.batch.values, middle, low, high, style.PALETTE[0])
    style.reference(axes, float(samples[0, 0]))
    place: dict[str, Any] = {"xytext": (0, -14), "textcoords": "offset points", "fontsize": 9}
    at = (float(data.batch.values[-1]), float(samples[0, 0]))
    axes.annotate("samples at batch 1", at, ha="right", color=style.MUTED, **place)
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, None)
    axes.set_xlabel("batch size")
    axes.set_ylabel("samples$ / d$ to overlap 0.9")
    axes.set_title(r"batch size (ReLU, $\hat c = c$)")
    style.note(figure, "medians with 95 % intervals")
    return figure


def _draw_worst(data: xr.Dataset) -> Figure:
    figure, axes = style.frame()
    shares = np.array(_shares(data))
    places = np.arange(len(shares))
    middle, low, high = shares.T
    style.intervals(axes, places, middle, low, high, style.PALETTE[1], line=False)
    names = ("quantised", "sphere", "worst $c$\nfound", "worst $c$,\n$\\hat c$ trained")
    axes.set_xticks(places, names)
    axes.set_xlim(-0.5, len(shares) - 0.5)
    axes.set_ylim(0, 1.03)
    axes.set_ylabel("share of runs that reach overlap ½")
    axes.set_title(r"kind of $c$ ($\mathrm{He}_3$, random $\hat c$, frozen unless said)")
    style.note(figure, "shares with 95 % intervals")
    return figure


def _draw(data: xr.Dataset) -> list[Figure]:
    return [_draw_transition(data), _draw_ranks(data), _draw_batches(data), _draw_worst(data)]


# ---- verdicts ----------------------------------------------------------------------------------


def _judge(data: xr.Dataset) -> list[Verdict]:
    in_d = [fit.exponent for fit in _exponents(data)]
    in_dimension, in_width = _onsets(data, "dimension"), _onsets(data, "width")
    strengths = data.strength.values
    replicas = data.sizes["replica"]
    kinds = data.sizes["worst_instance"] * data.sizes["member"]
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
            "at the smallest ξ "
            + needed(in_d[0], 0.9, 1.1, widest=0.15, count=replicas, of="replicas")
            + ", at the largest "
            + needed(in_d[-1], 1.8, 2.2, widest=0.4, count=replicas, of="replicas"),
        ),
        Verdict(
            "the transition is at ξ ∝ d^(1/4) at fixed k (heuristic at Fig. 6: d^(1/4) k^(1/2))",
            f"exponent in d {in_dimension.exponent.text(2)}, d = {in_dimension.x[0]:.0f} to "
            f"{in_dimension.x[-1]:.0f} at k = {claim7_jobs.K}",
            _contains(in_dimension.exponent, 0.25, 0.1),
            f"placed where T reaches {ONSET:g} of its value at the two largest ξ",
            needed(in_dimension.exponent, widest=0.1, count=replicas, of="replicas"),
        ),
        Verdict(
            "the transition is at ξ ∝ k^(1/2) at fixed d (the same heuristic)",
            f"exponent in k {in_width.exponent.text(2)}, k = {in_width.x[0]:.0f} to "
            f"{in_width.x[-1]:.0f} at d = 128",
            _contains(in_width.exponent, 0.5, 0.1),
            "the heuristic leaves |Σc| out, which is √k here",
            needed(in_width.exponent, widest=0.1, count=replicas, of="replicas"),
        ),
        Verdict(
            "the transition is at ξ ∝ k^(1/4) at fixed d and |Σc| = √k: the drift h(m) predicts "
            "d^(1/4) k^(1/2) |Σc|^(−1/2) (Prop. 4)",
            f"exponent in k {in_width.exponent.text(2)}",
            _contains(in_width.exponent, 0.25, 0.1),
            "h ∝ 1 + 2xm + (Σc)²x²m² with x = ξ²/k, c = ĉ = 1/√k: its last term is of order one at "
            "m ~ d^(−1/2)",
            needed(in_width.exponent, widest=0.1, count=replicas, of="replicas"),
        ),
    ]
    fits = _rank_fits(data)
    for rank, fit, where in fits:
        slope, ratio = fit.exponent, fit.medians[-1] / fits[0][1].medians[-1]
        verdicts.append(
            Verdict(
                f"T stays linear in d for a LoRA student and teacher of rank {rank} (beyond the "
                "paper)",
                f"exponent {slope.text(2)}; {ratio:.3g} times the steps of rank 1 at d = "
                f"{fit.x[-1]:.0f}",
                intervals.within(slope, 0.85, 1.15, widest=0.15),
                where,
                needed(slope, 0.85, 1.15, widest=0.15, count=data.sizes["instance"]),
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
            needs=needed(
                max(
                    (
                        intervals.Interval(*(end / samples[0].value for end in one))
                        for b, one in zip(data.batch.values, samples, strict=True)
                        if b <= 64
                    ),
                    key=lambda one: one.value,
                ),
                high=FREE,
                count=data.sizes["batch_replica"],
                of="replicas",
            ),
        )
    )
    quantised, sphere, worst, trained = _shares(data)
    verdicts.append(
        Verdict(
            "a favourable start learns from at least 80 % of the draws of a frozen ĉ even for the "
            "worst c that a search finds (He₃; the paper assumes quantised c)",
            f"reached by {worst.text(2)} for the worst c found, {sphere.text(2)} on the sphere, "
            f"{quantised.text(2)} quantised",
            intervals.within(worst, 0.8, 1.0, widest=0.2),
            needs=needed(worst, 0.8, widest=0.2, count=kinds, of="runs"),
            note="the drift turns before the teacher is reached, on the favourable side too; worst "
            "c = (" + ", ".join(f"{value:.2f}" for value in data.worst_c.values) + ")",
        )
    )
    verdicts.append(
        Verdict(
            "with ĉ trained jointly at least 80 % of runs learn that c, the worst for a frozen ĉ "
            "(He₃; beyond the paper)",
            f"reached by {trained.text(2)}",
            intervals.within(trained, 0.8, 1.0, widest=0.2),
            needs=needed(trained, 0.8, widest=0.2, count=kinds, of="runs"),
            note="û₀ uniform, lr='auto'; the worst c under joint training itself is not sought "
            "here",
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
    f"He₃, k = {claim7_jobs.K} for d = 64 to 512 and d = 128 for k = 2 to 32, c = ĉ = 1/√k, "
    "favourable start, overlap ½. Rank: relu, "
    f"k = {claim7_jobs.RANK_K}, "
    "ξ = √k, c on spheres, LoRA of the teacher's rank, smallest singular value 0.9, best constant "
    "rate, rates a factor 2 apart being tried until it is neither the least nor the greatest, "
    f"{claim7_jobs.RANK_INSTANCES} instances. Batches: relu, d = {claim7_jobs.BATCH_D}, "
    f"k = {claim7_jobs.K}, ĉ = c. Worst c: hill "
    f"climbing ({claim7_jobs.SEARCH_STARTS} starts, {claim7_jobs.SEARCH_ROUNDS} trials) on the "
    f"share of quantised ĉ whose drift never turns before overlap 0.9, then simulated at d = "
    f"{claim7_jobs.WORST_D}. Every point has a seed of its own (from {claim7_jobs.SEED}).",
    run=_run,
    draw=_draw,
    judge=_judge,
)
