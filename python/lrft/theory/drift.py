"""The scalar drift h(m) and the scale of the gradient noise, for u orthogonal to W."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model.task_state import check_perturbed
from lrft.theory.population import orthogonal_overlaps, rank_one_gram, unit_vector
from lrft.theory.sampled import SampledGradient

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error.

    Attributes
    ----------
    value, error : float

    Examples
    --------
    >>> from lrft.theory import Estimate
    >>> Estimate(1.5, 0.1).error
    0.1
    """

    value: float
    error: float


@overload
def drift(task: Task, c_hat: ArrayLike, m: float) -> float: ...
@overload
def drift(task: Task, c_hat: ArrayLike, m: ArrayLike) -> float | Floats: ...
def drift(task: Task, c_hat: ArrayLike, m: ArrayLike) -> float | Floats:
    """Drift h(m) of the overlap: the projected population gradient is ``-h(m) (u - m u_hat)``.

    Under gradient flow ``dm/dt = h(m) (1 - m^2)``. For unit neurons this is Prop. 4 of Dayi and
    Chen (2025); for any norms, angles and scales it is (Price's theorem)

        h(m) = 2 (xi neuron_scale output_scale)^2
               sum_ij lam_i lam_j c_i c_hat_j E[sigma'(z_i) sigma'(z_hat_j)].

    Parameters
    ----------
    task : Task
        Of rank one, with u orthogonal to span(W).
    c_hat : array_like, shape (k,)
        The student's output direction, norm 1 within 1e-9.
    m : float or array_like of any shape
        Overlap of u_hat with u, in [-1, 1]; u_hat is orthogonal to span(W).

    Returns
    -------
    float, or ndarray of the shape of m

    Raises
    ------
    ValueError
        If u is not orthogonal to span(W) or the teacher is not of rank one: the drift is then
        not a function of m alone, see `population_gradient`. If |m| > 1.

    Examples
    --------
    A single-index model in he_2 has h(m) = 2 * 2 mu_2^2 m.

    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
    >>> round(drift(task, task.c, 0.5), 12)
    2.0
    """
    _require_scalar_drift(task)
    c_hat = unit_vector("c_hat", c_hat, task.k)
    points = checks.array("m", np.atleast_1d(np.asarray(m)))
    if (np.abs(points) > 1).any():
        raise ValueError(f"m must lie in [-1, 1], got {points[np.abs(points) > 1][0]}")
    teacher, student = task.lam * task.c.reshape(-1), task.lam * c_hat
    result = np.empty(points.size)
    for i, value in enumerate(points.flat):
        gram = rank_one_gram(task, orthogonal_overlaps(task, value), c_hat)
        covariance = np.ascontiguousarray(task.neuron_scale**2 * gram)
        with callbacks.raising(task.activation.guards):
            slopes = np.asarray(compiled.moments(task.activation.core, covariance, True))
        result[i] = teacher @ slopes[: task.k, task.k :] @ student
    result *= 2 * (task.xi * task.neuron_scale * task.output_scale) ** 2
    return float(result[0]) if np.ndim(m) == 0 else result.reshape(points.shape)


def gradient_noise(
    task: Task, c_hat: ArrayLike, m: float, *, samples: int = 2**15, batch: int = 1
) -> Estimate:
    """Scale ``E[g^2]`` of the gradient noise, where ``grad_u L = g x`` for one sample x.

    At rate ``delta / d`` the normalisation of u_hat turns it into a drift of its own:
    ``dm/dtau = h(m) (1 - m^2) - (delta / 2) m E[g^2]`` as d grows, with ``tau = lr * t``.

    Parameters
    ----------
    task : Task
        Of rank one; label noise counts.
    c_hat : array_like, shape (k,)
        Norm 1 within 1e-9.
    m : float
        Overlap with u of a u_hat orthogonal to span(W).
    samples : int
        Size of the Monte Carlo sample; the numbers are the same at every call.
    batch : int
        A batch of b samples has 1/b of the noise.

    Returns
    -------
    Estimate
        ``value`` and its standard ``error``.

    Raises
    ------
    TypeError, ValueError
        If shapes or norms are wrong, or m is out of reach.

    Examples
    --------
    At the teacher there is none.

    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4)
    >>> gradient_noise(task, task.c, 1.0).value < 1e-20
    True
    """
    check_perturbed(task, "gradient_noise")
    if task.rank != 1:
        raise ValueError(f"task must have rank 1, got rank {task.rank}")
    c_hat = unit_vector("c_hat", c_hat, task.k)
    m = checks.real("m", m)
    samples = checks.integer("samples", samples, 2)
    batch = checks.integer("batch", batch, 1)
    orthogonal_overlaps(task, m)  # refuses what is out of reach
    outside = task.a[0].copy()
    outside[: task.features_rank] = 0.0
    length = float(np.linalg.norm(outside))
    direction = outside / length if length > 0 else outside
    overlap = m / length if length > 0 else 0.0
    sampled = SampledGradient(task, direction, samples)
    squares = sampled.at(c_hat, min(1.0, max(-1.0, overlap))).squared_scale
    return Estimate(float(squares.mean() / batch), float(squares.std() / np.sqrt(samples) / batch))


def _require_scalar_drift(task: Task) -> None:
    check_perturbed(task, "drift h(m)")
    if task.rank != 1:
        reason = f"the teacher has rank {task.rank}"
    elif not task.u_orthogonal:
        reason = "u is not orthogonal to span(W)"
    else:
        return
    raise ValueError(f"drift h(m) is not defined because {reason}; use population_gradient")
