"""The network that all students are, and the one gradient that they share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.reference.parts import resolve_activation, resolve_loss

Array = NDArray[np.float64]


def network(
    X: ArrayLike,
    V: ArrayLike,
    lam: ArrayLike,
    activation: Any,
    *,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    biases: ArrayLike | None = None,
) -> Array:
    """Evaluate ``f(x) = output_scale * sum_j lam_j sigma(neuron_scale * <V_j, x> + biases_j)``.

    Parameters
    ----------
    X : array_like, shape (batch, d)
        Inputs, one a row.
    V : array_like, shape (m, d)
        Neurons, one a row.
    lam : array_like, shape (m,)
        Output weights.
    activation
        Anything that `resolve_activation` takes.
    neuron_scale, output_scale : float
        The two scales of the model.
    biases : array_like, shape (m,), optional
        Of the neurons.

    Returns
    -------
    ndarray, shape (batch,)

    Examples
    --------
    >>> network([[1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]], [1.0, 10.0], "relu")
    array([21.])
    """
    sigma, _ = resolve_activation(activation)
    z = neuron_scale * (np.asarray(X) @ np.asarray(V).T) + _or_zero(biases)
    return np.asarray(output_scale * (sigma(z) @ np.asarray(lam)))


def _or_zero(biases: ArrayLike | None) -> Array:
    return np.asarray(0.0 if biases is None else biases, dtype=float)


def row_gradient(
    X: Array,
    y: Array,
    V: Array,
    lam: Array,
    activation: Any,
    *,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    base: tuple[Array, Array] | None = None,
    loss: Any = "squared",
    biases: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Compute the gradient that all students share, of ``L = mean_b (f(x_b) - y_b)^2`` (no 1/2).

    Or of the mean of another loss of f and y.

    Parameters
    ----------
    X : ndarray, shape (batch, d)
        Inputs.
    y : ndarray, shape (batch,)
        Labels.
    V, lam : ndarray, shapes (m, d) and (m,)
        Rows and output weights of the student.
    activation
        Anything that `resolve_activation` takes.
    neuron_scale, output_scale : float
        The two scales of the model.
    base : tuple (V0, lam0), optional
        Replaces the network by its Taylor expansion to first order in ``(V, lam)`` around this
        point.
    loss
        Anything that `resolve_loss` takes.
    biases : array_like, shape (m,), optional
        Of the neurons.

    Returns
    -------
    D : ndarray, shape (batch, m)
        ``dL/dV = D^T X``: a batch enters an update only through these coefficients.
    dlam : ndarray, shape (m,)
        ``dL/dlam``.

    Examples
    --------
    One linear neuron, f = v x: L = (v x - y)^2 has the derivative 2 (v x - y) x in v.

    >>> X, y = np.array([[3.0]]), np.array([1.0])
    >>> D, dlam = row_gradient(X, y, np.array([[2.0]]), np.array([1.0]), [0, 1])
    >>> D.T @ X, dlam
    (array([[30.]]), array([60.]))
    """
    sigma, dsigma = resolve_activation(activation)
    s = neuron_scale
    V0, lam0 = (V, lam) if base is None else base
    z = s * (X @ V0.T) + _or_zero(biases)  # (batch, m)
    hidden, slope = sigma(z), dsigma(z)
    if base is None:
        f = output_scale * (hidden @ lam)
    else:
        f = output_scale * (hidden @ lam + (slope * (s * (X @ (V - V0).T))) @ lam0)
    dL_df = resolve_loss(loss)[1](f, y) / len(y)
    D = dL_df[:, None] * (output_scale * s * lam0 * slope)
    dlam = output_scale * (hidden.T @ dL_df)
    return D, dlam
