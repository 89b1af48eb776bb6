"""What is left after the second stage, the regression that finds c (App. F.2), exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model.task_state import check_perturbed
from lrft.theory.cases import require_rank_one

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


def regression_loss(task: Task, m: float) -> float:
    """Compute the loss of the best network on the 2k features of App. F.2, without label noise.

    The features are ``sigma(neuron_scale <w_i +- (xi/sqrt(k)) u_hat, x>)``, with a u_hat orthogonal
    to span(W); `lrft.recover_c` does this regression on samples.

    Parameters
    ----------
    task : Task
        Of rank one, u orthogonal to span(W), without biases.
    m : float
        Overlap ``<u, u_hat>``, in [-1, 1].

    Returns
    -------
    float
        Never negative; rounding leaves about 1e-15 E f*^2.

    Raises
    ------
    TypeError, ValueError
        If the task is another one, or m out of range.

    Examples
    --------
    Nothing is left where u is known and c quantised; the loss is in proportion to 1 - m.

    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, features="orthonormal", normalization="unit")
    >>> regression_loss(task, 1.0) < 1e-12
    True
    >>> round(regression_loss(task, 0.9998) / regression_loss(task, 0.9999), 2)
    2.0
    """
    check_perturbed(task, "regression_loss")
    require_rank_one(task)
    m = checks.real("m", m, minimum=-1.0, maximum=1.0)
    if not task.u_orthogonal:
        raise ValueError("regression_loss needs u orthogonal to span(W)")
    k = task.k
    base = np.pad(task.R, ((0, 0), (0, 1)))
    u = np.append(task.a[0], 0.0)
    u_hat = np.append(m * task.a[0], np.sqrt((1 - m) * (1 + m)))
    step = task.xi / np.sqrt(k)
    rows = [base + step * u_hat, base - step * u_hat, base + task.xi * np.outer(task.c, u)]
    neurons = task.neuron_scale * np.concatenate(rows)
    covariance = np.ascontiguousarray(neurons @ neurons.T)
    with callbacks.raising(task.activation.guards):
        products = np.asarray(compiled.moments(task.activation.core, covariance, False))
    features = products[: 2 * k, : 2 * k]
    with_label = products[: 2 * k, 2 * k :] @ task.lam
    # Features may depend on each other.
    weights = np.linalg.lstsq(features, with_label, rcond=1e-12)[0]
    square = task.lam @ products[2 * k :, 2 * k :] @ task.lam
    left = float(square - with_label @ weights)
    return task.output_scale**2 * max(0.0, left)
