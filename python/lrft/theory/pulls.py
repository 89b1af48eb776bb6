"""What a loss makes of outputs and labels: its slope in the output, with label noise averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.model.loss import name_of

if TYPE_CHECKING:
    from lrft.model.loss import Loss

Floats = NDArray[np.float64]


def needs_noise(loss: Loss, noise: float) -> bool:
    """Whether label noise has to be drawn: not where its second moment says all."""
    return noise > 0 and name_of(loss) not in ("squared", "correlation")


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
    return KNOWN[name_of(loss)](loss, f, f_star, noise, normals)


def _squared(_: Any, f: Floats, f_star: Floats, noise: float, __: Floats) -> tuple[Floats, Floats]:
    error = f - f_star
    return 2 * error, 4 * (error**2 + noise**2)


def _correlation(
    _: Any, f: Floats, f_star: Floats, noise: float, __: Floats
) -> tuple[Floats, Floats]:
    return -2 * f_star, 4 * (f_star**2 + noise**2)


def _huber(
    loss: Any, f: Floats, f_star: Floats, noise: float, normals: Floats
) -> tuple[Floats, Floats]:
    slope = 2 * np.clip(f - (f_star + noise * normals), -loss.delta, loss.delta)
    return slope, slope**2


def _logistic(
    loss: Any, f: Floats, f_star: Floats, noise: float, normals: Floats
) -> tuple[Floats, Floats]:
    y = np.where(f_star + noise * normals < 0, -1.0, 1.0)
    right, wrong = (-sign / (1 + np.exp(np.minimum(sign * f, 700.0))) for sign in (y, -y))
    keep, flip = 1 - loss.flip, loss.flip
    return keep * right + flip * wrong, keep * right**2 + flip * wrong**2


#: By the names of their losses.
KNOWN = {"squared": _squared, "correlation": _correlation, "huber": _huber, "logistic": _logistic}
