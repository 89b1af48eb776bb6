"""Fig. 5: u partly inside span(W), without the projection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.paper.drawing import style
from lrft.paper.drawing.overlaps import draw_overlaps
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.figures import judging, matching, settings
from lrft.paper.figures.instances import hits, paths, simulate_curves
from lrft.paper.figures.lines import LINES, curves
from lrft.paper.figures.printed import printed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENTS"]

_LEVELS = [line.name for line in LINES["fig5"]]


def _run(context: Context) -> xr.Dataset:
    # The print ends at 0.9; from there on noise makes it long.
    made = curves("fig5", context, record=101, stop_at=0.95)
    return simulate_curves(context, made, settings.SEED)


def _draw_levels(data: xr.Dataset) -> list[Figure]:
    labels = [rf"$\|\Pi_W u\| = {label}$" for label in _LEVELS]
    return [draw_overlaps(data, labels=labels, shown=0, thin=False)]


def _draw_one(data: xr.Dataset) -> list[Figure]:
    return [draw_overlaps(data.sel(curve=["1/2"]), colours=[style.PALETTE[2]])]


def _judge_levels(data: xr.Dataset) -> list[Verdict]:
    times = {label: hits(data, label, 0.9) for label in _LEVELS}
    shape = {label: judging.ratio(times[label], hits(data, label, 0.5)) for label in _LEVELS}
    middles = [judging.quantiles(one)[1] for one in shape.values()]
    width = max(_deviation(one) for one in shape.values())
    ratio = judging.ratio(times["0"], times["1"])
    shapes = ", ".join(f"{judging.middle(s)} ({n})" for n, s in shape.items())
    levels = ", ".join(
        f"{judging.steps_text(judging.quantiles(t)[1])} ({n})" for n, t in times.items()
    )
    return [
        judging.most_reach(
            data,
            {n: n for n in _LEVELS},
            "Fig. 5a: u is learned at every level of its part in span(W)",
        ),
        Verdict(
            "Fig. 5a: the same S-shape at every level",
            f"steps to 0.9 over steps to 0.5: {shapes}",
            judging.outcome(max(middles) - min(middles) <= 2 * width),
            f"supported if medians differ by at most twice the spread over instances, {width:.2f}",
        ),
        judging.more(
            "Fig. 5a: a little faster as the part in span(W) grows",
            f"steps to 0.9 at ‖Π_W u‖ = 0 over those at 1, medians {levels}",
            ratio,
            "the same W, c and random numbers at every level",
            _PRINTED_RATIO,
            _why_faster(data, ratio),
        ),
        *(
            verdict
            for label in _LEVELS
            for verdict in matching.printed_curve(
                data,
                "5a",
                label,
                label,
                f"Fig. 5a: the curve at ‖Π_W u‖ = {label}",
                "one rate for all levels, fitted to 0.9 at ‖Π_W u‖ = 0; ξ = √k is taken",
            )
        ),
    ]


_PRINTED_RATIO = printed("5a", "0", 0.9) / printed("5a", "1", 0.9)


def _why_faster(data: xr.Dataset, ratio: NDArray[np.float64]) -> str:
    """Say how often one instance has the printed ratio, and what it hangs on."""
    from scipy.stats import spearmanr

    start = np.abs([paths(data, "overlap_u", name)[:, 0] for name in ("0", "1")])
    known = np.isfinite(ratio)
    follows = float(spearmanr(ratio[known], start[1, known] / start[0, known]).statistic)
    return (
        f"{np.mean(ratio >= _PRINTED_RATIO):.0%} of instances have the printed ratio or more: it "
        f"follows that of the overlaps at the start (rank correlation {follows:.2f}), which differ "
        "between levels by the chance of one draw"
    )


def _deviation(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.std(known, ddof=1)) if known.size > 1 else 0.0


def _judge_one(data: xr.Dataset) -> list[Verdict]:
    start, end, last = (hits(data, "1/2", level) for level in (0.25, 0.75, 0.95))
    steepest = judging.between(start, end) / 0.5
    before = judging.ratio(start / 0.25, steepest)
    after = judging.ratio(judging.between(end, last) / 0.2, steepest)
    return [
        matching.all_come(
            data, "1/2", 0.9, 5, "Fig. 5b: all of five instances learn u at ‖Π_W u‖ = ½"
        ),
        matching.same_times(
            data,
            "5b",
            "1/2",
            "Fig. 5b: the five printed times to 0.5 are those of further instances",
            "the rate is that of Fig. 5a",
        ),
        Verdict(
            "Fig. 5b: a generic S-curve, steepest in the middle",
            f"speed from 0.25 to 0.75 over that before: {judging.middle(before)}; "
            f"over that from 0.75 to 0.95: {judging.middle(after)}",
            judging.outcome(judging.quantiles(before)[1] > 1 and judging.quantiles(after)[1] > 1),
            "supported if both medians are above 1",
        ),
    ]


_SETTINGS = (
    "Joint training without the projection Π, relu, d = 1000, k = 100; ξ = √k is taken, which the "
    "figure does not state. The direction of u inside span(W) is uniform. "
) + settings.describe("fig5")

EXPERIMENTS = (
    Experiment(
        name="fig5a",
        title="u partly inside span(W)",
        shows="At every level of ‖Π_W u‖ from 0 to 1 the overlap follows the same S-shape, a "
        "little faster as the part inside span(W) grows.",
        settings=_SETTINGS,
        run=_run,
        draw=_draw_levels,
        judge=_judge_levels,
    ),
    Experiment(
        name="fig5b",
        title="u half inside span(W): instances",
        shows="Five instances at ‖Π_W u‖ = ½ follow a generic S-curve.",
        settings=_SETTINGS,
        run=_run,
        draw=_draw_one,
        judge=_judge_one,
    ),
)
