"""The learning rate under a convention: the least whose median time is the printed one.

Times fall as the rate grows, until noise stalls the student; both sides of the minimum can give a
time, and the printed curves, which go on to 1, are of the first.  A time that no rate gives is left
at the rate that comes nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lrft.paper.experiment import Context
from lrft.paper.figures.instances import Curve, hits, simulate_curves
from lrft.paper.figures.lines import Line, curve
from lrft.paper.figures.settings import Convention

__all__ = ["Target", "calibrate"]

_FIRST = 9000  # seeds of the calibration's tasks; the figures' are others
_ROUNDS = 6
_NEAR = 0.04  # of a printed time, in logarithms


@dataclass
class Target:
    """A printed time of a curve, to which the rate under a convention is fitted.

    Parameters
    ----------
    line : Line
    convention : Convention
    level, steps : float
        The overlap that the median instance shall reach, and when.
    guess : float
        A rate to begin with.
    medians : dict
        Median first step of every rate that was tried; infinite if beyond twice `steps`.
    """

    line: Line
    convention: Convention
    level: float
    steps: float
    guess: float
    medians: dict[float, float] = field(default_factory=dict)

    def curve(self, lr: float, instances: int, quick: bool) -> Curve:
        """Make the runs of a rate, no longer than it takes to see that they are too slow."""
        made = curve(
            self.line,
            self.convention,
            lr,
            instances,
            quick=quick,
            first=_FIRST,
            steps=int(2 * self.steps),
            stop_at=self.level,
            thresholds=(self.level,),
            record=2,
        )
        return Curve(f"{lr:g}", made.tasks, made.training)

    @property
    def rate(self) -> float:
        """The least rate that is fast enough, or the fastest."""
        enough = [rate for rate, steps in self.medians.items() if steps <= self.steps]
        nearly = [r for r, s in self.medians.items() if abs(np.log(s / self.steps)) <= _NEAR]
        return min(nearly + enough, default=min(self.medians, key=lambda rate: self.medians[rate]))

    def wanted(self) -> list[float]:
        """Rates to try next; none if one gives the time, or another would not help."""
        if not self.medians:
            return [_round(self.guess)]
        best = self.rate
        slower = [rate for rate in self.medians if rate < best]
        if abs(np.log(self.medians[best] / self.steps)) <= _NEAR:
            return []
        if np.isinf(self.medians[best]):
            next_ones = [min(self.medians) / 3, max(self.medians) * 3]
        elif self.medians[best] > self.steps:  # the fastest is too slow
            next_ones = [best / 1.5, best * 1.5]
        else:
            # Times go as one over the rate where noise does not matter.
            lower = max(slower, default=0.0)
            goal = best * self.medians[best] / self.steps
            next_ones = [goal if goal > lower else float(np.sqrt(lower * best))]
        return [rate for one in next_ones if (rate := _round(one)) not in self.medians]


def _round(rate: float) -> float:
    return float(f"{rate:.2g}")


def calibrate(context: Context, targets: Sequence[Target], instances: int) -> None:
    """Find the rates of curves, all of them side by side.

    Parameters
    ----------
    context : Context
    targets : sequence of Target
        Whose `medians` are filled.
    instances : int
    """
    for number in range(1 if context.quick else _ROUNDS):
        plan = [(target, rate) for target in targets for rate in target.wanted()]
        part = context.part(number / _ROUNDS, (number + 1) / _ROUNDS)
        # Curves of one call share their thresholds and steps.
        for level, steps in sorted({(target.level, target.steps) for target, _ in plan}):
            some = [(t, rate) for t, rate in plan if (t.level, t.steps) == (level, steps)]
            curves = [t.curve(rate, instances, context.quick) for t, rate in some]
            data = simulate_curves(part, curves, _FIRST)
            for i, (target, rate) in enumerate(some):
                # All that missed ran equally long: the median is that of the order statistics.
                ordered = np.sort(hits(data, i, level))
                target.medians[rate] = float(ordered[(len(ordered) - 1) // 2])
