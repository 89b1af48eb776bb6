"""Every constant that the paper leaves open in its simulations (App. B), chosen once, here.

Given by the paper: d, k, ξ, σ, w_i uniform on the sphere, c uniform on the sphere, horizons.
Chosen: λ = 1 and neurons scaled by √(k/(k+ξ²)) (the formula printed lacks the root; the initial
loss of Fig. 3a fits the root, the ratios of times of Fig. 6 the formula as printed, so that no
single choice fits both); ĉ₀ uniform on {±1/√k}^k, as in the paper's algorithm (the initial loss of
Fig. 3a is nearer to the printed one than with ĉ₀ on the sphere); Θ(1) = 1 and Θ(√k) = √k; the
learning rates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft import RankOne, Task, Training
from lrft.paper.figures.printed import printed

__all__ = [
    "ACTIVATIONS",
    "FEW_INSTANCES",
    "INSTANCES",
    "RATES",
    "SEED",
    "TARGETS",
    "describe",
    "start_of_c",
    "student",
    "task",
    "training",
]

SEED = 2411  # of starts and samples; instance i has the task of seed 2411_000 + i
INSTANCES = 16  # where the paper shows one, five or ten
FEW_INSTANCES = 8  # where steps are many and the paper shows one: Figs. 3 and 6

ACTIVATIONS = ("relu", "sigmoid", "quadratic", "he3")  # of Fig. 4
THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)

#: Median first step and the overlap it is at, as read off the paper's printed curves; the rates
#: are calibrated to these (``lrft.paper.figures.calibration``).
TARGETS: dict[str, tuple[float, float]] = {
    "fig2": (500e3, 0.9),  # 2a: the middle of 0.25 to 0.75 million
    "fig3": (300e3, 0.5),  # 3b: the middle of the rise of u, from 0.15 to 0.45 million
    "fig4a relu": (50e3, 0.9),
    "fig4a sigmoid": (10e3, 0.9),
    "fig4a quadratic": (50e3, 0.9),
    "fig4a he3": (30e3, 0.9),
    "fig4b relu": (100e3, 0.9),  # 4b: all by about 0.15 million, so the median before
    "fig4b sigmoid": (100e3, 0.9),
    "fig4b quadratic": (100e3, 0.9),
    "fig4b he3": (100e3, 0.9),
    "fig5": (printed("5a", "0", 0.9), 0.9),
    "fig6": (12.5e6, 0.9),  # xi = 25: half of the printed axis
}

#: Rates as `calibration` finds them.
RATES: dict[str, float] = {
    "fig2": 8e-6,
    "fig3": 4e-6,
    "fig4a relu": 1.2e-4,
    "fig4a sigmoid": 3e-3,
    "fig4a quadratic": 8e-6,
    "fig4a he3": 3e-5,
    "fig4b relu": 1.5e-5,
    "fig4b sigmoid": 1.5e-3,
    "fig4b quadratic": 6e-7,
    "fig4b he3": 6e-6,
    "fig5": 1.2e-6,
    "fig6": 6e-7,
}


def task(
    instance: int,
    *,
    d: int,
    k: int,
    xi: float,
    activation: str = "relu",
    first: int = SEED,
    **options: Any,
) -> Task:
    """Draw an instance of App. B.

    Parameters
    ----------
    instance : int
    d, k, xi, activation
        As for `lrft.Task.sample`.
    first : int
        Seeds are ``1000 first + instance``: the figures' or the calibration's.
    **options
        ``parallel``, the length of the part of u in span(W).

    Returns
    -------
    Task

    Examples
    --------
    >>> task(0, d=100, k=4, xi=2.0).output_scale
    0.5
    """
    return Task.sample(
        d=d,
        k=k,
        xi=xi,
        activation=activation,
        features="sphere",
        c="sphere",
        lam="ones",
        normalization="unit",
        output_scale=1.0 / xi,
        seed=1000 * first + instance,
        **options,
    )


def start_of_c(instance: int, k: int) -> NDArray[np.float64]:
    """Return ĉ₀ of an instance, as the engine draws it.

    Returns
    -------
    ndarray of shape (k,)

    Examples
    --------
    >>> float(abs(start_of_c(0, 4)).sum())
    2.0
    """
    draw = lrft.normals(SEED, instance, 0, k, purpose="init_c")
    start: NDArray[np.float64] = np.where(draw < 0, -1.0, 1.0) / np.sqrt(k)
    return start


def student(**options: Any) -> RankOne:
    """Make the student of App. B: rank one on the sphere, ĉ₀ quantised, û₀ uniform."""
    return RankOne(**({"c_init": "quantized"} | options))


def training(student: RankOne, lr: float, steps: int, **options: Any) -> Training:
    """Make its training, stopped at overlap 0.99 unless `stop_at` says otherwise."""
    chosen: dict[str, Any] = {"stop_at": 0.99, "record": 301, "thresholds": THRESHOLDS} | options
    return Training(student=student, lr=lr, steps=steps, **chosen)


def describe(*keys: str) -> str:
    """Say what was chosen for curves of these rates, for the page beside the figure.

    Examples
    --------
    >>> "λ = 1" in describe("fig2")
    True
    """
    rates = ", ".join(
        f"{RATES[key]:g}" + (f" ({key.split()[1]})" if " " in key else "") for key in keys
    )
    times = ", ".join(f"{TARGETS[key][0] / 1e3:g}k to {TARGETS[key][1]:g}" for key in keys)
    how = (
        "calibrated on other instances, so that median first steps fit those read off the print "
        f"({times}); lrft.paper.figures.calibration does it"
    )
    return (
        f"Learning rate of û and ĉ {rates}: {how}. w_i and c uniform on spheres; λ = 1; output "
        "scale 1/ξ; neuron scale √(k/(k+ξ²)), as printed but for the root; û₀ uniform, ĉ₀ uniform "
        "on {±1/√k}^k; batch 1. Every instance has W, u, c, ĉ₀, û₀ and samples of its own. "
        "One that stops at overlap 0.99 is drawn flat from there."
    )
