"""Draw the picture of docs/teachers.md: a staircase learned from saddle to saddle.

python scripts/staircase.py    # a minute at most
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

import lrft
from lrft.plot.style import colours, styled

PICTURE = Path(__file__).parents[1] / "docs/images/staircase.png"
WIDTH = 16
LAM = np.linspace(-0.6, 0.6, WIDTH)


def simulated(d: int = 1000, replicas: int = 4) -> xr.Dataset:
    """Train a network from scratch on x1 + x1 x2 + x1 x2 x3."""
    task = lrft.Task.multi_index(
        {(1,): 1.0, (1, 1): 1.0, (1, 1, 1): 1.0},
        d=d,
        activation=lrft.Activation.hermite([0.0, 1.0, 0.5, 0.3]),
    )
    student = lrft.FullNetwork(
        width=WIDTH, init="gaussian", std=0.3 / d**0.5, lam_init=LAM, train_lam=True
    )
    training = lrft.Training(
        student=student, lr=0.5 / d, steps=60 * d, batch=64, record=lrft.geometric(300)
    )
    return lrft.simulate(task, training, replicas=replicas, seed=1)


def main() -> None:
    """Run the script."""
    ds = simulated()
    d = ds.d.item()
    ds, time = ds.isel(step=slice(1, None)), ds.step.values[1:] / d
    with styled():
        figure = lrft.plot.figure_class()(figsize=(6.4, 5.6), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True)
        top.plot(time, ds.loss.values.T, color=colours(1)[0], linewidth=0.8)
        for height in (1, 2, 3):
            top.axhline(height, color="#6E6E6E", linewidth=0.8, linestyle=":")
        top.set(ylabel="population loss", ylim=(0, None))
        for j, colour in enumerate(colours(3)):
            largest = np.abs(ds.overlap_u.values[..., j]).max(axis=-1)
            bottom.plot(time, largest.T, color=colour, linewidth=0.8)
            bottom.plot([], [], color=colour, label=f"$u_{j + 1}$")
        bottom.set(
            xscale="log",
            xlim=(0.05, None),
            xlabel="steps / d",
            ylabel="largest overlap of a neuron",
            ylim=(0, 1),
        )
        bottom.legend(loc="upper left")
        figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
