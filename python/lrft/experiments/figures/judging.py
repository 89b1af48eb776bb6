"""What the paper says of a curve held against the redrawn one.

The spread over instances is the tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.experiments.experiment import Outcome, Verdict
from lrft.experiments.figures.instances import hits

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["all_reach", "outcome", "spread", "window"]


def outcome(holds: bool) -> Outcome:
    """Say it in the words of a verdict."""
    return "supported" if holds else "not supported"


def steps_text(value: float) -> str:
    """Write a number of steps."""
    if not np.isfinite(value):
        return "never"
    return f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.0f}k"


def spread(steps: NDArray[np.float64]) -> str:
    """Write median and extremes of first steps; those that never hit count as latest."""
    low, middle, high = (
        steps_text(float(np.quantile(steps, q, method="higher"))) for q in (0, 0.5, 1)
    )
    return f"median {middle} (instances {low} to {high})"


def all_reach(data: xr.Dataset, curve: str, threshold: float, statement: str) -> Verdict:
    """Every instance of a curve reaches the threshold within the horizon."""
    steps = hits(data, curve, threshold)
    count = int(np.isfinite(steps).sum())
    return Verdict(
        statement,
        f"{count} of {len(steps)} instances reach {threshold:g}; {spread(steps)}",
        outcome(count == len(steps)),
    )


def window(
    steps: NDArray[np.float64], low: float, high: float, statement: str, calibrated: str = ""
) -> Verdict:
    """Hold the median of first steps against a printed window."""
    ends = np.quantile(steps, (0.1, 0.5, 0.9), method="nearest")
    return Verdict(statement, spread(steps), outcome(bool(low <= ends[1] <= high)), calibrated)
