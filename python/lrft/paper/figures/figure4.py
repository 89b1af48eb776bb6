"""Fig. 4: four activations, joint training without the projection, at ξ = 1 (a) and √k (b).

Panel b is Fig. 1a too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lrft.paper.drawing import style
from lrft.paper.drawing.overlaps import draw_overlaps
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.figures import judging, matching, settings
from lrft.paper.figures.instances import hits, simulate_curves
from lrft.paper.figures.lines import curves
from lrft.paper.figures.printed import printed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENTS"]

_LABELS = {"relu": "ReLU", "sigmoid": "sigmoid", "quadratic": "quadratic", "he3": "He₃"}


def _run(context: Context, figure: str) -> xr.Dataset:
    # A record of the sigmoid's loss costs as much as 300 steps; dots of 4a are at every fifth.
    record = 101 if figure == "fig4a" else 201
    made = curves(figure, context, stop_at=0.98, record=record)
    return simulate_curves(context, made, settings.SEED)


def _draw(data: xr.Dataset, figure: str) -> list[Figure]:
    labels = [style.ACTIVATIONS[str(a)] for a in data.curve.values]
    return [
        draw_overlaps(data, labels=labels, shown=0, thin=False, batch=settings.CHOSEN[figure].batch)
    ]


def _judge_printed(data: xr.Dataset, panel: str) -> list[Verdict]:
    return [
        judging.most_reach(data, _LABELS, f"Fig. {panel}: every activation learns u"),
        *(
            verdict
            for name, label in _LABELS.items()
            for verdict in matching.printed_curve(
                data,
                panel,
                name,
                name,
                f"Fig. {panel}: {label}",
                "the rate is fitted to its printed time",
            )
        ),
    ]


def _judge_small(data: xr.Dataset) -> list[Verdict]:
    medians = {name: judging.quantiles(hits(data, name, 0.9))[1] for name in settings.ACTIVATIONS}
    order = sorted(medians, key=medians.__getitem__)
    return [
        *_judge_printed(data, "4a"),
        Verdict(
            "Fig. 4a: sigmoid before He₃ before quadratic and relu in reaching 0.9",
            ", ".join(f"{_LABELS[n]} {judging.steps_text(medians[n])}" for n in order),
            judging.outcome(order[:2] == ["sigmoid", "he3"]),
            "medians over instances; each rate is fitted to the printed time of its curve, so this "
            "tests only whether such times can be had",
        ),
    ]


def _judge_large(data: xr.Dataset) -> list[Verdict]:
    tails = {
        name: judging.ratio(hits(data, name, 0.98), hits(data, name, 0.9))
        for name in settings.ACTIVATIONS
    }
    slow = ", ".join(
        f"{np.sum(tail > 2)} of {np.sum(~np.isnan(tail))} ({_LABELS[name]})"
        for name, tail in tails.items()
    )
    of_print = printed("4b", "quadratic", 0.98) / printed("4b", "quadratic", 0.9)
    return [
        *_judge_printed(data, "4b"),
        matching.printed_value(
            f"Fig. 4b: the quadratic has a slow tail, with 0.98 after {of_print:.1f} times the "
            "steps to 0.9",
            tails["quadratic"],
            of_print,
            f"after more than twice the steps in {slow}",
        ),
    ]


def _settings(figure: str, xi: str) -> str:
    setup = f"Joint training without the projection Π, d = 2000, k = 50, ξ = {xi}. "
    return setup + settings.describe(figure)


EXPERIMENTS = (
    Experiment(
        name="fig4a",
        title="Four activations at ξ = 1",
        shows="Jointly trained without the projection, an overlap of 0.9 is reached at about 10k "
        "steps (sigmoid), 30k (He₃) and 50k (quadratic and relu).",
        settings=_settings("fig4a", "1"),
        run=partial(_run, figure="fig4a"),
        draw=partial(_draw, figure="fig4a"),
        judge=_judge_small,
    ),
    Experiment(
        name="fig4b",
        title="Four activations at ξ = √k (printed as Fig. 1a too)",
        shows="Jointly trained without the projection, all four reach an overlap above 0.9 by "
        "about 0.15 million steps; the quadratic has a slow tail.",
        settings=_settings("fig4b", "√k"),
        run=partial(_run, figure="fig4b"),
        draw=partial(_draw, figure="fig4b"),
        judge=_judge_large,
    ),
)
