"""Exact loss of the linearised rank-one student, the kernel regime, for u_hat orthogonal to W."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model.task_state import check_perturbed
from lrft.theory.population import orthogonal_overlaps, perturbation, unit_vector

if TYPE_CHECKING:
    from lrft.model.task import Task


def linearized_loss(task: Task, c_hat: ArrayLike, m: float) -> float:
    """Compute the population loss of the network linearised around its base (lazy regime).

    With ``z_i = s <w_i, x>`` (s the neuron scale), the student is

        f_lin = output_scale * sum_i lam_i [sigma(z_i) + sigma'(z_i) s xi c_hat_i <u_hat, x>]

    and the loss E[(f_lin - f*)^2], without label noise.

    Parameters
    ----------
    task : Task
        Of rank one.
    c_hat : array_like, shape (k,)
        Norm 1 within 1e-9.
    m : float
        Overlap with u of a u_hat orthogonal to span(W).

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If shapes or norms are wrong, the teacher is not of rank one, or m is out of reach.

    Notes
    -----
    ``<u_hat, x>`` is independent of all z, so that Stein's lemma in it leaves only moments of
    pairs: ``E[<u_hat, x> sigma'(z_i) sigma(v_j)] = s xi c_j m E[sigma'(z_i) sigma'(v_j)]`` with
    v the teacher's preactivations. Quadratic in m: there is nothing to learn beyond the kernel.

    Examples
    --------
    Linear neurons are their own linearisation.

    >>> import lrft
    >>> linear = lrft.Activation.hermite([0.0, 1.0])
    >>> task = lrft.Task.sample(d=100, k=4, activation=linear)
    >>> loss = lrft.theory.population_loss(task, c_hat=task.c, m=0.3)
    >>> abs(linearized_loss(task, task.c, 0.3) - loss) < 1e-12
    True
    """
    check_perturbed(task, "linearized_loss")
    if task.rank != 1:
        raise ValueError(f"task must have rank 1, got rank {task.rank}")
    c_hat = unit_vector("c_hat", c_hat, task.k)
    m = checks.real("m", m)
    orthogonal_overlaps(task, m)  # refuses what is out of reach
    k, core = task.k, task.activation.core
    rows = task.neuron_scale * np.concatenate([task.R, task.R + perturbation(task)])
    covariance = np.ascontiguousarray(rows @ rows.T)
    with callbacks.raising(task.activation.guards):
        base, _ = compiled.expected_square(core, np.concatenate([task.lam, -task.lam]), covariance)
        slopes = np.asarray(compiled.moments(core, covariance, True))
    student, teacher = task.lam * c_hat, task.lam * task.c
    quadratic = student @ slopes[:k, :k] @ student
    mixed = student @ slopes[:k, k:] @ teacher
    change = (task.neuron_scale * task.xi) ** 2 * (quadratic - 2 * m * mixed)
    return task.output_scale**2 * float(base + change)
