"""Right-hand sides of the order-parameter equations, described in dynamics.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.theory.drift import drift
from lrft.theory.noise_scale import NoiseScale
from lrft.theory.population import (
    RankOneOverlaps,
    rank_one_gradient_coefficients,
    rank_one_gram,
    row_gradient_coefficients,
    rows_times_u_hat,
)

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


def overlap_velocity(task: Task, c_hat: Floats, noise: NoiseScale) -> Callable[[Floats], Floats]:
    """dm/dtau of the overlap alone."""

    def velocity(y: Floats) -> Floats:
        m = float(clip(y[0]))
        pull = float(drift(task, c_hat, m)) * (1 - m * m)
        return np.array([pull - noise.half_rate(m * task.a[0], c_hat) * m])

    return velocity


def full_velocity(
    task: Task, noise: NoiseScale, projected: int, rate_c: float
) -> Callable[[Floats, Floats], Floats]:
    """d(P, c_hat)/dtau; the first `projected` coordinates are kept at zero by Pi."""
    weights = np.concatenate([task.lam, -task.lam])

    def velocity(P: Floats, c_hat: Floats) -> Floats:
        P = P / max(1.0, float(np.linalg.norm(P)))  # a stage of the solver may step outside
        c_hat = c_hat / np.linalg.norm(c_hat)
        overlaps = RankOneOverlaps(task.R @ P, task.a @ P)
        gram = rank_one_gram(task, overlaps, c_hat)
        mixing, _ = row_gradient_coefficients(task, gram, weights)
        to_w, to_u, _ = rank_one_gradient_coefficients(task, mixing, c_hat)  # u_hat: radial
        gradient = to_w @ task.R + to_u @ task.a
        gradient[:projected] = 0.0
        dP = -(gradient - P * (P @ gradient)) - noise.half_rate(P, c_hat) * P
        dc = np.zeros(task.k)
        if rate_c > 0:
            by_c = task.xi * (mixing @ rows_times_u_hat(task, overlaps, c_hat))
            dc = -rate_c * (by_c - c_hat * (c_hat @ by_c))
        return np.concatenate([dP, dc])

    return velocity


def clip(m: ArrayLike) -> Floats:
    """Overlaps back in [-1, 1], where the solver may step outside."""
    return np.clip(np.asarray(m, dtype=np.float64), -1.0, 1.0)
