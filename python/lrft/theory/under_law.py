"""The exact loss where inputs have a law of their own, or networks have biases.

Given a component c of the law, preactivations are jointly normal,

    covariances  neuron_scale² · (<v, v'> + Σ_q ((1 + stretch_q)² − 1) <v, v_q><v', v_q>)
    means        neuron_scale · Σ_q mean_cq <v, v_q> + b

of rows v, v' with biases b, and the label is f* + shift_c: the loss is the mean over components of
moments that the compiled core knows (docs/loss.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model import links, sampling

if TYPE_CHECKING:
    from lrft.model.input_law import Law
    from lrft.model.task import Task

Floats = NDArray[np.float64]


def directions_in_space(task: Task) -> Floats:
    """Directions (q, d) of the law of the inputs."""
    law = task.law
    return np.zeros((0, task.d)) if law is None else sampling.combine(law.V, task.Q.T)


def beyond_S(law: Law, rows: Floats, along: Floats) -> Floats:
    """Find what variances outside S add to the inner products (n, n) of rows (n, d).

    Of each eigenvalue block, (variance - 1) times what of them is there beyond S; along: their
    products (n, q) with the directions of the law.
    """
    added = np.zeros((len(rows), len(rows)))
    if law.blocks is None:
        return added
    places = zip(law.blocks.slices, law.blocks.directions, law.blocks.variances, strict=True)
    for here, there, variance in places:
        inside = along[:, there]
        added += (variance - 1.0) * (rows[:, here] @ rows[:, here].T - inside @ inside.T)
    return added


def loss_under_law(
    task: Task, gram: Floats, fields: Floats, weights: Floats, along: Floats, biases: Floats
) -> float:
    """Compute E[(f_hat − f*)²] for the k rows of the teacher, or of W beside a link, and a student.

    Parameters
    ----------
    task : Task
    gram : ndarray of shape (k + n, k + n)
        Inner products of these rows, the student's last, in units of variances outside S.
    fields : ndarray of shape (n, r)
        Inner products of the student's rows with the teacher's directions.
    weights : ndarray of shape (k + n,)
        λ, and −λ of the student.
    along : ndarray of shape (k + n, q)
        Inner products with the directions of the law.
    biases : ndarray of shape (k + n,)
    """
    law, k, scale = task.law, task.k, task.neuron_scale
    if law is None:
        stretch, probabilities, means, shifts = np.zeros(0), np.ones(1), np.zeros((1, 0)), [0.0]
        along_u = np.zeros((task.rank, 0))
    else:
        stretch, probabilities, means = law.stretch, law.probabilities, law.means
        shifts, along_u = law.shifts.tolist(), task.a @ law.V.T
    factor = stretch * (2.0 + stretch)
    covariance = scale**2 * (gram + (along * factor) @ along.T)
    w = task.output_scale * weights
    loss = 0.0
    for p, mean, shift in zip(probabilities, means, shifts, strict=True):
        of_neurons = scale * (along @ mean) + biases
        with callbacks.raising(task.guards):
            if task.link is None:
                value = _square(task, w, covariance, of_neurons, shift)
            else:
                value, _ = links.moments(
                    task.link,
                    task.activation,
                    -w[k:],
                    covariance[k:, k:],
                    scale * (fields + (along[k:] * factor) @ along_u.T),
                    task.a @ task.a.T + (along_u * factor) @ along_u.T,
                    (of_neurons[k:], along_u @ mean),
                    shift,
                )
        loss += float(p) * value
    return max(loss, 0.0)


def _square(task: Task, w: Floats, covariance: Floats, means: Floats, shift: float) -> float:
    covariance = np.ascontiguousarray(covariance)
    if not means.any() and not shift:
        value, _ = compiled.expected_square(task.activation.core, w, covariance)
        return float(value)
    pairs, _, single, _ = compiled.shifted_moments(task.activation.core, means, covariance)
    return float(w @ pairs @ w + shift * (2.0 * (w @ single) + shift))
