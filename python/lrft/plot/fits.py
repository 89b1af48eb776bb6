"""Pictures of fits: training and validation error against steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from lrft.plot.style import PALETTE, THIN_LINES, figure_class, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def errors(ds: xr.Dataset) -> Figure:
    """Draw both errors, or that of training where there is no other; see `lrft.plot.summary`."""
    names = ["train_loss"]
    if np.isfinite(ds.validation_loss.values).any():
        names.append("validation_loss")
    names_of, counts = np.unique(ds.status.values, return_counts=True)
    ended = ", ".join(f"{count} {name}" for name, count in zip(names_of, counts, strict=True))
    band = "line: median, band: 10–90 % of replicas" if ds.replica.size > 1 else "one replica"
    with styled():
        figure = figure_class()(figsize=(4.3 * len(names) + 0.4, 4.0), layout="constrained")
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            _error(axes, ds, name)
        figure.suptitle(f"a fit   |   {ended}   |   {band}", x=0.01, ha="left", fontsize=11)
    return figure


def _error(axes: Axes, ds: xr.Dataset, name: str) -> None:
    step, values = ds.step.values, np.array(ds[name].transpose("replica", "step").values)
    values[~np.isfinite(values)] = np.nan
    known = np.isfinite(values).any(axis=0)
    step, values = step[known], values[:, known]
    if step.size:
        low, middle, high = np.nanpercentile(values, (10, 50, 90), axis=0)
        if len(values) > 1:
            axes.fill_between(step, low, high, color=PALETTE[0], alpha=0.18, linewidth=0)
        if 1 < len(values) <= THIN_LINES:
            axes.plot(step, values.T, color=PALETTE[0], alpha=0.35, linewidth=0.6)
        # One record is a point, not a line.
        marker = "o" if step.size == 1 else None
        axes.plot(step, middle, color=PALETTE[0], linewidth=2.0, marker=marker)
    positive = values[values > 0.0]
    if not (values < 0.0).any():
        if positive.size and positive.min() < 0.1 * positive.max():
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0.0)
    axes.set_xlabel("steps")
    axes.set_ylabel(f"{name.replace('_', ' ')}  mean of {_of(ds)}")


def _of(ds: xr.Dataset) -> str:
    """Write the loss of a sample."""
    loss = json.loads(ds.attrs["configuration"])["training"].get("loss", "squared")
    if loss == "squared":
        return r"$(\hat f - y)^2$"
    return r"$-2 \hat f y$" if loss == "correlation" else f"the {loss['kind']} loss"
