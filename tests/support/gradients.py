"""Directions on the sphere, and gradients of single samples, by the reference twin."""

from __future__ import annotations

import numpy as np

from lrft.reference import students as twin


def unit(v):
    return v / np.linalg.norm(v)


def sphere(rng, size):
    return unit(rng.standard_normal(size))


def on_the_side(task, m, rng):
    """A unit u_hat orthogonal to span(W) with <u_hat, u> = m, for u orthogonal too."""
    other = twin.project_out(np.vstack([task.W, task.u]))(rng.standard_normal(task.d))
    return m * task.u + np.sqrt(1 - m**2) * unit(other)


def sample_gradients(task, u_hat, c_hat, X):
    """dL/du_hat and dL/dc_hat of every sample, by the reference twin: (n, d) and (n, k)."""
    scales = {"neuron_scale": task.neuron_scale, "output_scale": task.output_scale}
    teacher = task.W + task.xi * np.outer(task.c, task.u)
    y = twin.network(X, teacher, task.lam, task.activation, **scales)
    V = task.W + task.xi * np.outer(c_hat, u_hat)
    D, _ = twin.row_gradient(X, y, V, task.lam, task.activation, **scales)
    D *= len(X) * task.xi  # of a sample, not of the mean
    return (D @ c_hat)[:, None] * X, D * (X @ u_hat)[:, None]
