"""Fig. 3, ξ = √k: the linearised network against the real one (a), û before ĉ (b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.paper.drawing import style
from lrft.paper.drawing.overlaps import describe_band
from lrft.paper.experiment import Context, Experiment, Outcome, Verdict
from lrft.paper.figures import judging, matching, settings
from lrft.paper.figures.instances import paths, simulate_curves
from lrft.paper.figures.lines import curves
from lrft.paper.figures.printed import printed
from lrft.theory import population_loss

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENTS"]

REAL, LINEARISED = "real network", "linearised network"


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    # ĉ goes on being learned after û: neither curve stops before the end.
    pair = curves("fig3", context, stop_at=None)
    data = simulate_curves(context, pair, settings.SEED)
    unperturbed = [population_loss(task, rows=task.W) for task in pair[0].tasks]
    return data.assign(base_loss=xr.DataArray(unperturbed, dims="instance"))


def _draw_loss(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame()
    steps, ends = data.step.values, []
    for label, colour in ((LINEARISED, style.PALETTE[1]), (REAL, style.PALETTE[0])):
        line = style.band(axes, steps, paths(data, "loss", label), colour, shown=0, thin=False)
        ends.append((float(line[-1]), label.split()[0], colour))
    base = float(data.base_loss.median())
    style.reference(axes, base)
    ends.append((base, "base alone", style.MUTED))
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(r"population loss  $\mathrm{E}\,(\hat f - f^*)^2$")
    style.steps_axis(axes, float(steps[-1]))
    style.label_ends(axes, ends)
    style.note(figure, describe_band(data, 0, thin=False))
    return [figure]


def _draw_overlaps(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame()
    steps, ends = data.step.values, []
    names = (
        ("overlap_u", r"$\langle\hat u, u\rangle$", style.PALETTE[0]),
        ("overlap_c", r"$\langle\hat c, c\rangle$", style.PALETTE[2]),
    )
    for name, label, colour in names:
        line = style.band(axes, steps, paths(data, name, REAL), colour, shown=0, thin=False)
        ends.append((float(line[-1]), label, colour))
    axes.set_ylim(top=1.03)
    axes.set_ylabel("overlap with the teacher")
    style.steps_axis(axes, float(steps[-1]))
    style.label_ends(axes, ends)
    style.note(figure, describe_band(data, 0, thin=False))
    return [figure]


# ---- what the paper says ------------------------------------------------------------------------


def _judge_loss(data: xr.Dataset) -> list[Verdict]:
    real, linear = paths(data, "loss", REAL), paths(data, "loss", LINEARISED)
    steps = data.step.values
    drop = 1 - linear[:, -1] / linear[:, 0]
    change = float(np.median(np.abs(drop)))
    tolerance = float(np.std(linear[:, 0], ddof=1) / np.mean(linear[:, 0]))
    below = _first(steps, real < 0.1)
    half = _first(steps, np.abs(paths(data, "overlap_u", REAL)) >= 0.5)
    # The plateau: where half of the instances still have |<û,u>| < 0.25 but the first fast fall,
    # a tenth of that time, is over.
    leave = _first(steps, np.abs(paths(data, "overlap_u", REAL)) >= 0.25)
    plateau = np.array(
        [
            np.interp(0.5 * end, steps, path) if np.isfinite(end) else np.nan
            for end, path in zip(leave, real, strict=True)
        ]
    )
    return [
        Verdict(
            "Fig. 3a: the linearised network stays flat (1.43 to 1.37 in print, a fall of 4 %)",
            f"falls by {judging.middle(100 * drop, '.1f')} % over the whole run",
            judging.outcome(change <= tolerance),
            f"median change up or down {100 * change:.1f} %; tolerance: the spread of its initial "
            f"loss over instances, {100 * tolerance:.0f} %",
        ),
        matching.printed_value(
            "Fig. 3a: the real network starts at a loss of 2.045",
            real[:, 0],
            2.045,
            "λ, the scale of the network and ĉ₀ are inferred from it",
        ),
        matching.printed_value(
            "Fig. 3a: without its perturbation it has a loss of 1.386",
            data.base_loss.values,
            1.386,
        ),
        matching.printed_value(
            "Fig. 3a: it passes a plateau near 1.75",
            plateau,
            1.75,
            "loss half-way to the step at which |<û,u>| = 0.25",
        ),
        matching.as_early(
            "Fig. 3a: it is below 0.1 by 1.7 times the steps to <û,u> = ½ (0.5 million and 295k in "
            "print)",
            judging.ratio(below, half),
            0.5e6 / printed("3b", "u", 0.5),
            "of one instance, so that the rate does not matter",
        ),
        judging.mostly(
            "Fig. 3a: the real network ends below what the linearised one is stuck at",
            f"final loss {judging.middle(real[:, -1])} against {judging.middle(linear[:, -1])}",
            real[:, -1] < linear[:, -1],
        ),
    ]


_LONGER = "longer runs: no instance came so far"


def _judge_overlaps(data: xr.Dataset) -> list[Verdict]:
    u, c = paths(data, "overlap_u", REAL), paths(data, "overlap_c", REAL)
    steps = data.step.values
    half_u, half_c = _first(steps, u >= 0.5), _first(steps, c >= 0.5)
    before = np.array(
        [
            np.interp(at, steps, path) if np.isfinite(at) else np.nan
            for at, path in zip(half_u, c, strict=True)
        ]
    )
    size = judging.quantiles(np.abs(before))[1]
    chance = 1 / np.sqrt(float(data.k.values.ravel()[0]))
    straight = np.array([_straightness(steps, a, b) for a, b in zip(u, c, strict=True)])
    line = judging.quantiles(straight)[1]
    return [
        judging.mostly(
            "Fig. 3b: u rises first",
            f"<û,u> = ½ at {judging.spread(half_u)}; <ĉ,c> = ½ at {judging.spread(half_c)}",
            half_u < half_c,
        ),
        Verdict(
            "Fig. 3b: while u rises, <ĉ,c> is still at its chance value (0.09 in print)",
            f"<ĉ,c> = {judging.middle(before)} when <û,u> = ½, in size {size:.2f} (median); "
            f"chance: {chance:.2f}",
            _decided(size, size <= 2 * chance),
            "supported if the median size is at most twice that of chance; the sign is that of "
            "<û,u> at the end",
            _LONGER,
        ),
        Verdict(
            "Fig. 3b: then c grows about linearly",
            "share of the variance of <ĉ,c> that a straight line explains, from <û,u> = 0.9 on, "
            "negative where it falls: "
            f"{judging.middle(straight)}",
            _decided(line, line >= 0.9),
            "called linear from a share of 0.9",
            _LONGER,
        ),
        *matching.printed_curve(data, "3b", "u", REAL, "Fig. 3b: û"),
        *(
            matching.printed_value(
                f"Fig. 3b: <ĉ,c> = {one.level:g} "
                + (f"after {judging.steps_text(one.steps)} steps" if one.steps else "at the start"),
                np.array([np.interp(one.steps, steps, path) for path in c]),
                one.level,
            )
            for one in matching.points("3b", "c")
        ),
    ]


def _first(steps: NDArray[np.int64], reached: NDArray[np.bool_]) -> NDArray[np.float64]:
    """First recorded step of each instance at which it holds; infinite if never."""
    return np.where(reached.any(axis=1), steps[reached.argmax(axis=1)], np.inf)


def _decided(value: float, holds: bool) -> Outcome:
    """Decide nothing where the value is unknown in every instance."""
    return "not decided" if np.isnan(value) else judging.outcome(holds)


def _straightness(
    steps: NDArray[np.int64], u: NDArray[np.float64], c: NDArray[np.float64]
) -> float:
    """Share of the variance of c that a straight line explains, with the sign of its slope."""
    after = np.flatnonzero(u >= 0.9)
    if len(after) == 0 or len(c) - after[0] < 3:
        return float("nan")
    x, y = steps[after[0] :], c[after[0] :]
    if np.ptp(y) == 0:
        return float("nan")
    found = float(np.corrcoef(x, y)[0, 1])
    return found * abs(found)


_SETTINGS = (
    "Joint training with the projection Π, relu, d = 2000, k = 50, ξ = √k. The linearised student "
    "is the first-order expansion of the same network around the base, from the same û₀ and ĉ₀ "
    "and at the same rate. "
) + settings.describe("fig3")

EXPERIMENTS = (
    Experiment(
        name="fig3a",
        title="Linearised and real network at ξ = √k: the loss",
        shows="The linearised network stays flat near a loss of 1.37; the real one falls from 2.05 "
        "over a plateau near 1.75 to below 0.1 by half a million steps.",
        settings=_SETTINGS,
        run=_run,
        draw=_draw_loss,
        judge=_judge_loss,
    ),
    Experiment(
        name="fig3b",
        title="Linearised and real network at ξ = √k: û before ĉ",
        shows="û aligns with u first, between 0.15 and 0.45 million steps, while <ĉ,c> stays near "
        "0.09; then ĉ grows about linearly, to 0.55 at 2 million steps.",
        settings=_SETTINGS,
        run=_run,
        draw=_draw_overlaps,
        judge=_judge_overlaps,
    ),
)
