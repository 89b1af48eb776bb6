"""Exact population loss and its gradient, for any student with rows.

Everything follows from the Gram matrix of the rows: preactivations of teacher and student are
jointly Gaussian, ``z ~ N(0, neuron_scale^2 * Gram)``, and

    Phi = E[(f_hat - f*)^2] = output_scale^2 * E[(sum_n w_n sigma(z_n))^2],   w = (lam, -lam_hat).

For unit neurons this is the series on top of Prop. 4 in Dayi and Chen (2025). The gradient is
Stein's lemma, ``E[x F(z)] = neuron_scale * sum_n row_n E[dF/dz_n]``: it is a combination of the
rows themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model import links
from lrft.model.task_state import check_perturbed, check_task
from lrft.theory.pairs import pair_expectations
from lrft.theory.under_law import beyond_S, directions_in_space, loss_under_law

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


class RankOneOverlaps(NamedTuple):
    """All that the population quantities see of u_hat."""

    w: Floats  #: (k,)  W u_hat
    u: Floats  #: (r,)  the teacher's directions times u_hat
    along: Floats | None = None  #: (q,)  those of the inputs' law times u_hat
    beyond: float = 0.0  #: what the law's variances outside S add to its square


def population_loss(
    task: Task,
    u_hat: ArrayLike | None = None,
    c_hat: ArrayLike | None = None,
    *,
    m: ArrayLike | None = None,
    rows: ArrayLike | None = None,
    lam: ArrayLike | None = None,
    biases: ArrayLike | None = None,
) -> float:
    """Compute the population loss ``E[(f_hat - f*)^2]``, without label noise.

    For unit neurons this is the sum of powers of their inner products that underlies Prop. 4; here
    neurons may have any norms and angles. Give the student in one of three ways.

    Parameters
    ----------
    task : Task
    u_hat, c_hat : array_like, shapes (d,) and (k,)
        A rank-one student, both of norm 1 within 1e-9.
    m : float, or array_like of shape (r,) for a teacher of rank r
        Instead of u_hat, where it is orthogonal to span(W), and to the directions of the inputs
        beside u: its products with u. Needs no array of size d.
    rows, lam : array_like, shapes (n, d) and (n,)
        Any network: rows and output weights (the task's by default). A LoRA student has rows
        ``W + scale B A``.
    biases : array_like of shape (n,), optional
        Of these neurons; the task's by default, where there are as many rows as in the base.

    Returns
    -------
    float
        Never negative; the absolute error is that of ``_core.expected_square``.

    Raises
    ------
    TypeError, ValueError
        If shapes or norms are wrong, or the student is not given in exactly one way.

    Examples
    --------
    Quadratic neurons of an orthonormal base, c_hat = c: the loss in closed form.

    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, xi=2.0, features="orthonormal", activation="quadratic")
    >>> round(population_loss(task, c_hat=task.c, m=1.0), 9), population_loss(
    ...     task, c_hat=task.c, m=0.0) > 1
    (0.0, True)
    """
    check_task(task)
    if biases is not None and rows is None:
        raise ValueError("biases go with rows: other students have those of the task")
    link_biases = getattr(task.link, "biases", None)
    if any(x is not None for x in (task.law, task.biases, biases, link_biases)):
        return _loss_with_means(task, u_hat, c_hat, m, rows, lam, biases)
    if task.link is not None:
        return _link_loss(task, task.link, u_hat, c_hat, m, rows, lam)
    gram, weights, _ = _student(task, u_hat, c_hat, m, rows, lam)
    covariance = np.ascontiguousarray(task.neuron_scale**2 * gram)
    with callbacks.raising(task.activation.guards):
        value, _ = compiled.expected_square(task.activation.core, weights, covariance)
    return task.output_scale**2 * float(value)


def population_gradient(
    task: Task,
    u_hat: ArrayLike | None = None,
    c_hat: ArrayLike | None = None,
    *,
    rows: ArrayLike | None = None,
    lam: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Compute the Euclidean gradient of the population loss, before any projection.

    Parameters
    ----------
    task : Task
    u_hat, c_hat : array_like, shapes (d,) and (k,)
        A rank-one student, both of norm 1 within 1e-9.
    rows, lam : array_like, shapes (n, d) and (n,)
        Or any network, as for `population_loss`.

    Returns
    -------
    tuple of ndarray
        Gradients in (u_hat, c_hat), shapes (d,) and (k,); or in (rows, lam), (n, d) and (n,).
        The gradient of a LoRA student follows from that in its rows by the chain rule. The
        spherical update of Eq. 4 uses ``(I - u_hat u_hat^T) P`` of the first.

    Raises
    ------
    TypeError, ValueError
        If shapes or norms are wrong, or the student is not given in exactly one way.

    Notes
    -----
    By Stein's lemma, from ``E[sigma sigma]`` and ``E[sigma' sigma']`` of all pairs of neurons;
    sigma'' is never needed. Relative error about 1e-12 of the size of the terms that are summed.

    Examples
    --------
    The teacher is a critical point.

    >>> import numpy as np, lrft
    >>> task = lrft.Task.sample(d=30, k=4, activation="tanh")
    >>> grad_u, grad_c = population_gradient(task, task.u, task.c)
    >>> bool(np.abs(grad_u).max() < 1e-10), bool(np.abs(grad_c).max() < 1e-10)
    (True, True)
    """
    check_perturbed(task, "population_gradient")
    gram, weights, student = _student(task, u_hat, c_hat, None, rows, lam)
    mixing, by_weight = row_gradient_coefficients(task, gram, weights)
    k = task.k
    if isinstance(student, RankOneOverlaps):
        u_hat, c_hat = np.asarray(u_hat, dtype=float), np.asarray(c_hat, dtype=float)
        to_w, to_u, to_u_hat = rank_one_gradient_coefficients(task, mixing, c_hat)
        grad_u = to_w @ task.W + to_u @ np.atleast_2d(task.u) + to_u_hat * u_hat
        return grad_u, task.xi * (mixing @ rows_times_u_hat(task, student, c_hat))
    grad_rows = mixing[:, :k] @ teacher_rows(task) + mixing[:, k:] @ student
    return grad_rows, by_weight


# ---- from students to Gram matrices ------------------------------------------------------------


def perturbation(task: Task) -> Floats:
    """Teacher minus base in coordinates, ``xi c a``: shape (k, s)."""
    return task.xi * (task.c.reshape(task.k, task.rank) @ task.a)


def teacher_rows(task: Task) -> Floats:
    """Rows of the teacher, ``W + xi c u^T``: shape (k, d)."""
    return task.W + task.xi * (task.c.reshape(task.k, task.rank) @ np.atleast_2d(task.u))


def rank_one_gram(task: Task, overlaps: RankOneOverlaps, c_hat: Floats) -> Floats:
    """Gram matrix (2k, 2k) of the rows of the teacher and of a rank-one student, |u_hat| = 1."""
    k, xi, R = task.k, task.xi, task.R
    V = R + perturbation(task)
    V_u_hat = overlaps.w + xi * (task.c.reshape(k, task.rank) @ overlaps.u)
    along = np.outer(overlaps.w, c_hat)
    gram = np.empty((2 * k, 2 * k))
    gram[:k, :k] = V @ V.T
    gram[:k, k:] = V @ R.T + xi * np.outer(V_u_hat, c_hat)
    gram[k:, :k] = gram[:k, k:].T
    gram[k:, k:] = R @ R.T + xi * (along + along.T) + xi**2 * np.outer(c_hat, c_hat)
    return gram


def rows_times_u_hat(task: Task, overlaps: RankOneOverlaps, c_hat: Floats) -> Floats:
    """All 2k rows times u_hat."""
    teacher = overlaps.w + task.xi * (task.c.reshape(task.k, task.rank) @ overlaps.u)
    return np.concatenate([teacher, overlaps.w + task.xi * c_hat])


def _student(
    task: Task,
    u_hat: ArrayLike | None,
    c_hat: ArrayLike | None,
    m: ArrayLike | None,
    rows: ArrayLike | None,
    lam: ArrayLike | None,
) -> tuple[Floats, Floats, RankOneOverlaps | Floats]:
    """Gram matrix and weights of teacher and student, and the student itself."""
    check_task(task)
    if (u_hat is not None) + (m is not None) + (rows is not None) != 1:
        raise ValueError("give exactly one of u_hat, m and rows")
    if rows is not None:
        if c_hat is not None:
            raise ValueError("c_hat goes with u_hat or m, not with rows")
        V_hat = checks.array("rows", rows, ("n", task.d))
        lam_hat = task.lam if lam is None else checks.array("lam", lam, (len(V_hat),))
        if len(lam_hat) != len(V_hat):
            raise ValueError(f"lam must be given: rows has {len(V_hat)} rows, the task {task.k}")
        both = np.concatenate([teacher_rows(task), V_hat])
        return both @ both.T, np.concatenate([task.lam, -lam_hat]), V_hat
    if lam is not None:
        raise ValueError("lam goes with rows")
    if c_hat is None:
        raise ValueError("c_hat must be given with u_hat or m")
    c_hat = unit_vector("c_hat", c_hat, task.k)
    if u_hat is not None:
        u_hat = unit_vector("u_hat", u_hat, task.d)
        along, beyond = None, 0.0
        if task.law is not None:
            along = directions_in_space(task) @ u_hat
            beyond = float(beyond_S(task.law, u_hat[None], along[None])[0, 0])
        overlaps = RankOneOverlaps(task.W @ u_hat, np.atleast_2d(task.u) @ u_hat, along, beyond)
    else:
        overlaps = orthogonal_overlaps(task, m)
    gram = rank_one_gram(task, overlaps, c_hat)
    return gram, np.concatenate([task.lam, -task.lam]), overlaps


def orthogonal_overlaps(task: Task, m: ArrayLike | None) -> RankOneOverlaps:
    """Overlaps of a u_hat orthogonal to span(W) whose products with u are m."""
    products = checks.array("m", np.atleast_1d(np.asarray(m)), (task.rank,))
    outside = task.a[:, task.features_rank :]
    # the shortest vector outside span(W) with these products must fit into the unit ball
    shortest, *_ = np.linalg.lstsq(outside, products, rcond=None)
    with np.errstate(over="ignore"):
        length = np.linalg.norm(shortest)
    if np.abs(outside @ shortest - products).max() > 1e-9 or length > 1 + 1e-9:
        raise ValueError(f"m = {products} is out of reach of a unit u_hat orthogonal to span(W)")
    along = None if task.law is None else task.law.V[:, task.features_rank :] @ shortest
    if task.law is not None and task.law.blocks is not None and length < 1 - 1e-9:
        raise ValueError(
            f"m = {products} leaves open how much of u_hat is in which eigenvalue block of the "
            f"inputs, {task.inputs!r}: give u_hat"
        )
    return RankOneOverlaps(np.zeros(task.k), products, along)


def _link_loss(
    task: Task,
    link: links.Link,
    u_hat: ArrayLike | None,
    c_hat: ArrayLike | None,
    m: ArrayLike | None,
    rows: ArrayLike | None,
    lam: ArrayLike | None,
) -> float:
    """Compute the loss beside a teacher that is a function of its own directions."""
    gram, weights, student = _student(task, u_hat, c_hat, m, rows, lam)
    # The first k rows are those of W: c is zero.
    k, scale = task.k, task.neuron_scale
    fields = _fields(task, student, c_hat)
    with callbacks.raising(task.guards):
        value, _ = links.moments(
            link,
            task.activation,
            -task.output_scale * weights[k:],
            scale**2 * gram[k:, k:],
            scale * fields,
            task.a @ task.a.T,
        )
    return value


def _fields(task: Task, student: RankOneOverlaps | Floats, c_hat: ArrayLike | None) -> Floats:
    """Inner products (n, r) of the student's rows with the teacher's directions."""
    if isinstance(student, RankOneOverlaps):
        return task.R @ task.a.T + task.xi * np.outer(np.asarray(c_hat, dtype=float), student.u)
    return np.asarray(student @ np.atleast_2d(task.u).T)


def _loss_with_means(
    task: Task,
    u_hat: ArrayLike | None,
    c_hat: ArrayLike | None,
    m: ArrayLike | None,
    rows: ArrayLike | None,
    lam: ArrayLike | None,
    biases: ArrayLike | None,
) -> float:
    """Compute the loss where fields may have means: inputs with a law of their own, biases."""
    gram, weights, student = _student(task, u_hat, c_hat, m, rows, lam)
    n = len(weights) - task.k
    V = np.zeros((0, task.R.shape[1])) if task.law is None else task.law.V
    teacher = (task.R + perturbation(task)) @ V.T
    beyond = np.zeros((n, n))
    if not isinstance(student, RankOneOverlaps):
        along = student @ directions_in_space(task).T
        if task.law is not None:
            beyond = beyond_S(task.law, student, along)
    else:
        products = np.zeros(0) if student.along is None else student.along
        c = np.asarray(c_hat, dtype=float)
        along = task.R @ V.T + task.xi * np.outer(c, products)
        beyond = task.xi**2 * student.beyond * np.outer(c, c)
    gram[task.k :, task.k :] += beyond
    base = np.zeros(task.k) if task.biases is None else task.biases
    if biases is not None:
        own = checks.array("biases", biases, (n,))
    elif n == task.k:
        own = base
    elif task.biases is None:
        own = np.zeros(n)
    else:
        raise ValueError(f"biases must be given: rows has {n} rows, the task {task.k}")
    return loss_under_law(
        task,
        gram,
        _fields(task, student, c_hat),
        weights,
        np.concatenate([teacher, along]),
        np.concatenate([base, own]),
    )


def unit_vector(name: str, value: ArrayLike, size: int) -> Floats:
    """Check a vector of norm 1."""
    vector = checks.array(name, value, (size,))
    checks.unit(name, vector)
    return vector


# ---- gradients ---------------------------------------------------------------------------------


def row_gradient_coefficients(task: Task, gram: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """How the gradient in the student's rows combines all rows, and the gradient in lam_hat.

    ``dPhi/drow_j = sum_n mixing_jn row_n``, n over the k teacher rows and then the student's.
    """
    k, s = task.k, task.neuron_scale
    covariance = s**2 * gram
    pairs = pair_expectations(task.activation, covariance, k)
    lam_hat = -weights[k:]
    residual = -weights  # f_hat - f* rather than f* - f_hat
    mixing = residual * pairs.slopes.T  # (n_student, n)
    # E[r s''(z_j)] from E[r z_j s'(z_j)] by Stein's lemma, so that s'' is never needed
    variance = np.diag(covariance)[k:]
    curvature = residual @ pairs.radial - np.sum(covariance[k:] * mixing, axis=1)
    curvature = np.divide(curvature, variance, out=np.zeros_like(curvature), where=variance > 0)
    mixing[:, k:] += np.diag(curvature)
    mixing *= 2 * (task.output_scale * s) ** 2 * lam_hat[:, None]
    return mixing, 2 * task.output_scale**2 * (residual @ pairs.values)


def rank_one_gradient_coefficients(
    task: Task, mixing: Floats, c_hat: Floats
) -> tuple[Floats, Floats, float]:
    """Write the gradient in u_hat as ``W^T p + u^T q + u_hat r``: (k,), (r,) and a number."""
    k, xi = task.k, task.xi
    by_row = xi * (c_hat @ mixing)
    c = task.c.reshape(k, task.rank)
    return by_row[:k] + by_row[k:], xi * (by_row[:k] @ c), xi * float(by_row[k:] @ c_hat)
