"""How the overlaps of a figure are drawn, the same in every panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lrft.paper.drawing import style
from lrft.paper.figures.instances import paths
from lrft.result import counted

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["OVERLAP_U", "describe_band", "draw_overlaps"]

OVERLAP_U = r"overlap  $|\langle\hat u_t, u\rangle|$"


def describe_band(data: xr.Dataset, shown: int | None = None, thin: bool = True) -> str:
    """Say what lines and bands are."""
    line = "; thin: each" if thin else ""
    if shown is not None:
        line = f"; dotted: instance {shown + 1} alone"
    ended = int(counted(data).sum())
    left = "" if ended == data.status.size else f", {ended} of {data.status.size} to the end"
    return f"thick: median; band: 10–90 % of {data.sizes['instance']} instances{left}{line}"


def draw_overlaps(
    data: xr.Dataset,
    *,
    labels: Sequence[str] | None = None,
    shown: int | None = None,
    thin: bool = True,
    colours: Sequence[str] = style.PALETTE,
    last: float | None = None,
    batch: int = 1,
) -> Figure:
    """Draw |<û,u>| of every curve against steps.

    Parameters
    ----------
    data : xarray.Dataset
        Of `lrft.paper.figures.instances.simulate_curves`.
    labels : sequence of str, optional
        One a curve, written at its end; none for a single curve.
    shown : int, optional
        An instance drawn beside the median, as the paper shows one.
    thin : bool
        Draw every instance.
    colours : sequence of str
    last : float, optional
        Right end of the axis; by default 5 % after the last instance stopped.
    batch : int
        Samples a step, which the axis says.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = style.frame()
    steps = data.step.values
    if last is None:
        last = min(float(steps[-1]), 1.05 * float(data.stop_step.max()))
    visible = steps <= last
    names = list(labels or ([""] if data.sizes["curve"] == 1 else data.curve.values))
    ends = []
    for index, (name, colour) in enumerate(zip(names, colours, strict=False)):
        values = np.abs(paths(data, "overlap_u", index))
        line = style.band(axes, steps, values, colour, thin=thin, shown=shown)
        if name:
            ends.append((float(line[visible][-1]), name, colour))
    axes.set_ylim(-0.02, 1.03)
    axes.set_ylabel(OVERLAP_U)
    samples = "one fresh sample" if batch == 1 else f"{batch} fresh samples"
    style.steps_axis(axes, last, name=f"steps ({samples} each)")
    style.label_ends(axes, ends)
    style.note(figure, describe_band(data, shown, thin))
    return figure
