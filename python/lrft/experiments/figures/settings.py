"""Every constant that the paper leaves open in its simulations (App. B), chosen once, here.

Given by the paper: d, k, ξ, σ, w_i uniform on the sphere, c uniform on the sphere, horizons.
Chosen: λ = 1 and neurons scaled by √(k/(k+ξ²)) (as printed, without the root, He₃ does not learn
at ξ >= 10); ĉ₀ uniform on {±1/√k}^k, as in the paper's algorithm (the initial loss of Fig. 3a is
nearer to the printed one than with ĉ₀ on the sphere); Θ(1) = 1 and Θ(√k) = √k; the learning
rates.
"""

from __future__ import annotations

from typing import Any

from lrft.students import RankOne
from lrft.task import Task
from lrft.training import Training

__all__ = ["INSTANCES", "RATES", "SEED", "TARGETS", "rate", "student", "task", "training"]

SEED = 2411  # of starts and samples; instance i has the task of seed 2411_000 + i
INSTANCES = 16  # where the paper shows one, five or ten

#: Median first steps at |<û,u>| = 0.9 that the rates are calibrated to, read off the paper's
#: printed curves (``lrft.experiments.figures.calibration``).
TARGETS: dict[str, float] = {
    "fig2": 500e3,  # joint training: between 0.25 and 0.75 million
}

#: Rates as `calibration` finds them: on the grid 1, 1.5, 2, 3, 5, 7 times powers of ten.
RATES: dict[str, float] = {
    "fig2": 1.5e-5,
}


def task(
    instance: int, *, d: int, k: int, xi: float, activation: str = "relu", first: int = SEED,
    **options: Any,
) -> Task:  # fmt: skip
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
        d=d, k=k, xi=xi, activation=activation, features="sphere", c="sphere", lam="ones",
        normalization="unit", output_scale=1.0 / xi, seed=1000 * first + instance, **options,
    )  # fmt: skip


def student(**options: Any) -> RankOne:
    """Make the student of App. B: rank one on the sphere, ĉ₀ quantised, û₀ uniform."""
    return RankOne(**({"c_init": "quantized"} | options))


def training(student: RankOne, lr: float, steps: int, **options: Any) -> Training:
    """Make its training, stopped at overlap 0.99 unless `stop_at` says otherwise."""
    chosen: dict[str, Any] = {"stop_at": 0.99, "record": 301, "thresholds": THRESHOLDS} | options
    return Training(student=student, lr=lr, steps=steps, **chosen)


THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def rate(key: str) -> float:
    """Return the learning rate of a figure, or of one of its curves."""
    return RATES[key]
