"""The equation of the overlap alone, described in dynamics.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.theory.drift import drift
from lrft.theory.noise_scale import NoiseScale

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


def clip(m: ArrayLike) -> Floats:
    """Overlaps back in [-1, 1], where the solver may step outside."""
    return np.clip(np.asarray(m, dtype=np.float64), -1.0, 1.0)
