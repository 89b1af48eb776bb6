"""Fig. 2: the overlap with u at ξ = 1, with ĉ trained (a) and frozen (b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrft.experiments.experiment import Context, Experiment, Verdict
from lrft.experiments.figures import judging, settings
from lrft.experiments.figures.drawing import draw_overlaps
from lrft.experiments.figures.instances import Curve, hits, simulate_curves

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENTS"]

_STEPS = 2_500_000


def _run(context: Context, train_c: bool, steps: int) -> xr.Dataset:
    d, k, steps = (200, 6, 2000) if context.quick else (2000, 50, steps)
    instances = 4 if context.quick else settings.INSTANCES
    # A frozen ĉ succeeds where m h(0) > 0, else from -û₀ (Eq. 4): half of all starts. A trained
    # one turns by itself.
    start = "uniform" if train_c else "favourable"
    student = settings.student(train_c=train_c, orthogonal=True, u_init=start)
    training = settings.training(student, settings.RATES["fig2"], steps)
    tasks = tuple(settings.task(i, d=d, k=k, xi=1.0) for i in range(instances))
    return simulate_curves(context, [Curve("relu", tasks, training)], settings.SEED)


def _run_joint(context: Context) -> xr.Dataset:
    return _run(context, True, _STEPS)


def _run_frozen(context: Context) -> xr.Dataset:
    return _run(context, False, _STEPS)


def _draw(data: xr.Dataset) -> Figure:
    return draw_overlaps(data)


def _judge_joint(data: xr.Dataset) -> list[Verdict]:
    return [
        judging.all_reach(data, "relu", 0.9, "Fig. 2a: every instance learns u"),
        judging.window(
            hits(data, "relu", 0.9), 0.25e6, 0.75e6,
            "Fig. 2a: u is learned between 0.25 and 0.75 million steps",
            "the rate is calibrated to the middle of this window; its width is not",
        ),
    ]  # fmt: skip


def _judge_frozen(data: xr.Dataset) -> list[Verdict]:
    return [judging.all_reach(data, "relu", 0.9, "Fig. 2b: every instance learns u")]


EXPERIMENTS = (
    Experiment(
        name="fig2a",
        title="Joint training of ĉ and û at ξ = 1",
        shows="All ten instances reach <û,u> ≈ 1, between 0.25 and 0.75 million steps (Fig. 2a).",
        settings="",
        run=_run_joint,
        draw=_draw,
        judge=_judge_joint,
    ),
    Experiment(
        name="fig2b",
        title="Frozen ĉ at ξ = 1",
        shows="The same shape with ĉ frozen, slower and wider: 0.3 to over 2 million (Fig. 2b).",
        settings="",
        run=_run_frozen,
        draw=_draw,
        judge=_judge_frozen,
    ),
)
