"""Fig. 2: the overlap with u at ξ = 1, with ĉ trained (a) and frozen (b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.paper.drawing import style
from lrft.paper.drawing.overlaps import draw_overlaps
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.figures import judging, matching, settings
from lrft.paper.figures.instances import hits, simulate_curves
from lrft.paper.figures.lines import curves
from lrft.result.intervals import row_medians

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENTS"]

JOINT, FROZEN = "ĉ trained", "ĉ frozen"


def _run(context: Context) -> xr.Dataset:
    return simulate_curves(context, curves("fig2", context, stop_at=0.95), settings.SEED)


def _draw_joint(data: xr.Dataset) -> list[Figure]:
    return [draw_overlaps(data.sel(curve=[JOINT]), last=float(data.step[-1]))]


def _draw_frozen(data: xr.Dataset) -> list[Figure]:
    return [draw_overlaps(data.sel(curve=[FROZEN]), colours=style.PALETTE[1:])]


def _judge_joint(data: xr.Dataset) -> list[Verdict]:
    return [
        matching.all_come(data, JOINT, 0.9, 10, "Fig. 2a: all of ten instances learn u"),
        matching.same_times(
            data,
            "2a",
            JOINT,
            "Fig. 2a: the ten printed times to 0.9 are those of further instances",
            "the rate is fitted to the printed median; the width is not fitted",
        ),
    ]


def _printed_median(panel: str) -> float:
    return float(np.median([one.steps for one in matching.points(panel)]))


def _chance_of_printed(both: dict[str, NDArray[np.float64]], draws: int = 20_000) -> float:
    """Chance that medians of ten instances, ĉ frozen over ĉ trained, have the printed ratio."""
    generator = np.random.default_rng(settings.SEED)
    medians = {
        name: row_medians(generator.choice(steps, (draws, 10))) for name, steps in both.items()
    }
    printed = _printed_median("2b") / _printed_median("2a")
    return float(np.mean(medians[FROZEN] >= printed * medians[JOINT]))


def _judge_frozen(data: xr.Dataset) -> list[Verdict]:
    both = {name: hits(data, name, 0.9) for name in data.curve.values}
    widths = {name: judging.width(steps) for name, steps in both.items()}
    return [
        matching.all_come(data, FROZEN, 0.9, 10, "Fig. 2b: all of ten instances learn u"),
        matching.same_times(
            data,
            "2b",
            FROZEN,
            "Fig. 2b: the ten printed times to 0.9 are those of further instances",
            "the rate is that of Fig. 2a",
        ),
        judging.more(
            "Fig. 2b: slower than with ĉ trained",
            "steps to 0.9 over those of the same instance with ĉ trained",
            judging.ratio(both[FROZEN], both[JOINT]),
            printed=_printed_median("2b") / _printed_median("2a"),
            reason="two panels of ten instances each have medians so far apart as the printed "
            f"ones, or farther, with a chance of {_chance_of_printed(both):.0%}, drawn from the "
            f"instances here; a frozen ĉ makes times wider (90th over 10th percentile "
            f"{widths[FROZEN]:.1f} against {widths[JOINT]:.1f}), not later",
        ),
        Verdict(
            "Fig. 2b: and wider",
            "90th over 10th percentile of the steps to 0.9: "
            + ", ".join(f"{width:.1f} ({name})" for name, width in widths.items()),
            judging.outcome(widths[FROZEN] > widths[JOINT]),
        ),
    ]


_SETTINGS = "With the projection Π, relu, d = 2000, k = 50, ξ = 1. " + settings.describe("fig2")

EXPERIMENTS = (
    Experiment(
        name="fig2a",
        title="Joint training of ĉ and û at ξ = 1",
        shows="All ten instances reach <û,u> ≈ 1, between 0.25 and 0.75 million steps.",
        settings=_SETTINGS,
        run=_run,
        draw=_draw_joint,
        judge=_judge_joint,
    ),
    Experiment(
        name="fig2b",
        title="Frozen ĉ at ξ = 1",
        shows="The same shape with ĉ frozen, slower and wider: 0.3 to over 2 million steps.",
        settings=_SETTINGS
        + " û₀ is not restarted from -û₀ where it starts on the unfavourable side: it passes zero "
        "and learns -u, of which |<û,u>| knows nothing.",
        run=_run,
        draw=_draw_frozen,
        judge=_judge_frozen,
    ),
)
