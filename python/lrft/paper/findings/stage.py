"""How well û must be known before c is found by regression (App. F.2), exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft import Task, theory
from lrft.paper.deciding import needed
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.regime import Regime
from lrft.result import exponents, intervals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SEED = 800
WIDTHS = (5, 9, 17, 33)
INSTANCES = 96
#: Losses that are to be reached; the middle one is that of the exponents in k.
LOSSES = (1e-3, 3e-4, 1e-4, 3e-5)
MIDDLE = 1
#: 1 − |m| at which the search for a loss begins, and its rounds.
FIRST, ROUNDS = 1e-3, 4
#: An exponent is that of the paper if it is within this.
KNOWN = 0.1


@dataclass(frozen=True)
class _Case(Regime):
    """An activation and a regime."""

    printed: float  #: the power of 1/k


CASES = tuple(
    _Case(activation, regime, printed)
    for regime, printed in (("1", 1.0), ("sqrt", 2.0))
    for activation in ("relu", "sigmoid", "he2", "he3")
)


def largest_gap(task: Task, loss: float) -> float:
    """Solve for the gap at which the regression has this loss."""
    gap = FIRST
    for _ in range(ROUNDS):  # the loss is nearly proportional to a small gap
        gap *= loss / theory.regression_loss(task, 1 - gap)
    return gap


def _run(context: Context) -> xr.Dataset:
    import xarray as xr

    instances = 2 if context.quick else INSTANCES
    widths = WIDTHS[:2] if context.quick else WIDTHS
    gaps = np.full((len(CASES), len(widths), len(LOSSES), instances), np.nan)
    for i, case in enumerate(CASES):
        for j, k in enumerate(widths):
            for n in range(instances):
                task = case.task(k + 1, k, SEED + 1000 * (10 * i + j) + n)
                for level, loss in enumerate(LOSSES):
                    # In ε at one k only.
                    if j == 1 or level == MIDDLE:
                        gaps[i, j, level, n] = largest_gap(task, loss)
            context.progress((i * len(widths) + j + 1) / gaps[:, :, 0, 0].size)
    return xr.Dataset(
        {"gap": (("case", "width", "loss", "instance"), gaps)},
        coords={"case": [case.name for case in CASES], "width": list(widths), "loss": list(LOSSES)},
        attrs={"seed": SEED},
    )


def fits(data: xr.Dataset, case: _Case) -> tuple[exponents.PowerLaw, exponents.PowerLaw]:
    """Fit the gap against k, and against the loss."""
    one = data.gap.sel(case=case.name)
    in_k = exponents.power_law(data.width.values, list(one.values[:, MIDDLE]))
    in_loss = exponents.power_law(data.loss.values, list(one.values[1]))
    return in_k, in_loss


def _draw(data: xr.Dataset) -> list[Figure]:
    figure, axes = style.frame(height=5.4)
    for i, case in enumerate(CASES):
        law, _ = fits(data, case)
        slope = power_laws.exponent_text(law.exponent)
        power_laws.power_law_points(
            axes,
            law,
            style.PALETTE[i % 4],
            f"{case.shown}: slope {slope}, printed −{case.printed:g}",
            marker=case.marker,
        )
    power_laws.logarithmic(axes, "neurons $k$", r"largest $1-|\langle \hat u, u\rangle|$")
    power_laws.whole_ticks(axes, WIDTHS)
    style.legend(axes)
    style.note(figure, f"for a loss of {LOSSES[MIDDLE]:g} after the regression, exactly")
    return [figure]


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for case in CASES:
        in_k, in_loss = fits(data, case)
        found, count = in_k.exponent, data.sizes["instance"]
        verdicts.append(
            Verdict(
                f"1 − |m| of order ε/k^{case.printed:g} is enough before c is found by regression, "
                f"{case.label}, k = {in_k.x[0]:.0f} to {in_k.x[-1]:.0f} (App. F.2)",
                f"needed: ε to the {in_loss.exponent.text(2)}, k to the {found.text(2)}",
                intervals.within(found, -case.printed),
                "the printed order is also needed"
                if abs(found.value + case.printed) <= KNOWN
                else "less would do",
                needed(found, -case.printed, count=count),
            )
        )
    return verdicts


EXPERIMENT = Experiment(
    name="stage",
    title="How well û must be known for the second stage",
    shows="Before c is found by linear regression, û has to be within 1 − |<u,û>| = Θ(ε/k) at "
    "ξ = Θ(1), and Θ(ε/k²) at ξ = Θ(√k) (App. F.2).",
    settings=f"Exact: the least loss over the weights of the 2k features, λ = 1, quantised c, "
    f"orthonormal features, unit neurons; k = {', '.join(map(str, WIDTHS))} at ε = "
    f"{LOSSES[MIDDLE]:g}, and ε = {', '.join(map(str, LOSSES))} at k = {WIDTHS[1]}. The loss is "
    f"not divided by that of the base. {INSTANCES} draws of c a point (seeds from {SEED}); nothing "
    "else is random.",
    run=_run,
    draw=_draw,
    judge=_judge,
)
