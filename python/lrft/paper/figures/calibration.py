"""How the learning rates of `settings` were found.

``python -m lrft.paper.figures.calibration`` does it again, in several minutes.
The paper prints no learning rate, only curves.  For each curve with a time that can be read off
the print (`settings.TARGETS`) the rate is the one on the grid 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8
times powers of ten whose median first step, over instances of other seeds than the figures', is
nearest to it in ratio.  The search starts from the rate in use and goes on while a neighbour is
better.  A time that no rate reaches, because noise stalls the student before, is left at the rate
that comes nearest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.paper.experiment import Context
from lrft.paper.figures import settings
from lrft.paper.figures.instances import Curve, hits, simulate_curves

if TYPE_CHECKING:
    from lrft import RankOne, Task

__all__ = ["Target", "calibrate", "targets"]

_FIRST = 9000  # seeds of the calibration's tasks; the figures' are `settings.SEED`
# Horizon and instances where a step is dear.
_LONG = {"fig2": (4.0, 32), "fig3": (4.0, 32), "fig5": (4.0, 32), "fig6": (2.0, 16)}
_GRID = [float(f"{m}e{e}") for e in range(-8, 0) for m in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)]


@dataclass(frozen=True)
class Target:
    """A time read off a printed curve: the median first step at an overlap.

    Parameters
    ----------
    key : str
        Of `settings.RATES`.
    steps : float
    overlap : float
    task : dict
        For `settings.task`.
    student : RankOne
    horizon : float
        Longest run, in multiples of `steps`.
    instances : int
    """

    key: str
    steps: float
    overlap: float
    task: dict[str, Any]
    student: RankOne
    horizon: float
    instances: int


def targets() -> list[Target]:
    """List every rate that is calibrated to a printed time.

    Examples
    --------
    >>> {target.key for target in targets()} <= set(settings.RATES)
    True
    """
    wide = {"d": 2000, "k": 50}
    projected = settings.student(train_c=True)
    free = settings.student(train_c=True, orthogonal=False)
    setup: dict[str, tuple[dict[str, Any], RankOne]] = {
        "fig2": (wide | {"xi": 1.0}, projected),
        "fig3": (wide | {"xi": 50**0.5}, projected),
    }
    for activation in settings.ACTIVATIONS:
        setup[f"fig4a {activation}"] = (wide | {"xi": 1.0, "activation": activation}, free)
        setup[f"fig4b {activation}"] = (wide | {"xi": 50**0.5, "activation": activation}, free)
    setup["fig5"] = ({"d": 1000, "k": 100, "xi": 10.0}, free)
    setup["fig6"] = ({"d": 1000, "k": 20, "xi": 25.0, "activation": "he3"}, free)
    return [
        Target(key, *settings.TARGETS[key], task, student, *_LONG.get(key, (10.0, 32)))
        for key, (task, student) in setup.items()
    ]


def nearest(rate: float) -> float:
    """Find the rate of the grid that is nearest in ratio.

    Examples
    --------
    >>> nearest(1.3e-4), nearest(8.4e-4)
    (0.00012, 0.0008)
    """
    return min(_GRID, key=lambda one: abs(float(np.log(one / rate))))


def calibrate(target: Target, threads: int | None = None) -> tuple[float, dict[float, float]]:
    """Find the rate of one curve.

    Parameters
    ----------
    target : Target
    threads : int, optional

    Returns
    -------
    rate : float
    medians : dict
        Median first step of every rate that was tried, infinite beyond the horizon.
    """
    tasks = tuple(settings.task(i, first=_FIRST, **target.task) for i in range(target.instances))
    tried: dict[float, float] = {}

    def miss(rate: float) -> float:
        if rate not in tried:
            tried[rate] = _median(target, tasks, rate, threads)
        return abs(float(np.log(tried[rate] / target.steps)))

    best = nearest(settings.RATES[target.key])
    miss(best)
    # Where noise does not matter, times go as one over the rate: jump, then look at neighbours.
    if np.isfinite(tried[best]):
        best = min(best, nearest(best * tried[best] / target.steps), key=miss)
    while True:
        place = _GRID.index(best)
        better = min(_GRID[place - 1 : place + 2], key=miss)
        if better == best:
            return best, dict(sorted(tried.items()))
        best = better


def _median(target: Target, tasks: Sequence[Task], rate: float, threads: int | None) -> float:
    training = settings.training(
        target.student,
        rate,
        int(target.horizon * target.steps),
        stop_at=target.overlap,
        record=2,
        thresholds=(target.overlap,),
    )
    curve = Curve("", tuple(tasks), training)
    data = simulate_curves(Context(threads=threads), [curve], seed=_FIRST)
    # All that did not hit ran to the same horizon: Kaplan–Meier is the plain order statistic.
    steps = np.sort(hits(data, 0, target.overlap))
    return float(steps[(len(steps) - 1) // 2])


def main(only: str = "") -> None:
    """Print the rate of every curve and the medians it was chosen from.

    Parameters
    ----------
    only : str
        Only rates whose name begins so.
    """
    for target in targets():
        if not target.key.startswith(only):
            continue
        rate, medians = calibrate(target)
        table = ", ".join(f"{lr:g}: {steps / 1e3:.0f}k" for lr, steps in medians.items())
        print(
            f"{target.key:16s} {rate:<8g} for {target.steps / 1e3:.0f}k steps  ({table})",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
