"""What a loss makes of outputs and labels: its slope in the output, with label noise averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.model.loss import Huber, Logistic

if TYPE_CHECKING:
    from lrft.model.loss import Loss

Floats = NDArray[np.float64]


def needs_noise(loss: Loss, noise: float) -> bool:
    """Whether label noise has to be drawn: not where its second moment says all."""
    return noise > 0 and isinstance(loss, Huber | Logistic)


def pulls(
    loss: Loss, f: Floats, f_star: Floats, noise: float, normals: Floats
) -> tuple[Floats, Floats]:
    """Return dL/df and its square for each input, averaged over what is random in its label.

    Parameters
    ----------
    loss : Loss
    f, f_star : ndarray of shape (N,)
        Outputs of student and teacher.
    noise : float
        Standard deviation of the label noise.
    normals : ndarray of shape (N,)
        Behind it, where `needs_noise`.
    """
    if loss == "squared":
        error = f - f_star
        return 2 * error, 4 * (error**2 + noise**2)
    if loss == "correlation":
        return -2 * f_star, 4 * (f_star**2 + noise**2)
    y = f_star + noise * normals
    if isinstance(loss, Huber):
        slope = 2 * np.clip(f - y, -loss.delta, loss.delta)
        return slope, slope**2
    assert isinstance(loss, Logistic)
    y = np.where(y < 0, -1.0, 1.0)
    right, wrong = (-sign / (1 + np.exp(np.minimum(sign * f, 700.0))) for sign in (y, -y))
    keep, flip = 1 - loss.flip, loss.flip
    return keep * right + flip * wrong, keep * right**2 + flip * wrong**2
