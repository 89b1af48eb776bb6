"""The slow, readable twin: every student in plain NumPy, to be read beside the paper.

Nothing here is fast and nothing here depends on the compiled core. It is what the compiled
engines are compared with, sample by sample, on the same inputs.

All students are networks ``f(x) = output_scale * sum_j lam_j sigma(neuron_scale * <V_j, x>)`` with
rows ``V`` that depend on their parameters, so there is a single gradient, `row_gradient`, and each
student is the chain rule through its own ``V``:

=============  ================================  ==========================================
student        rows                              how it moves
=============  ================================  ==========================================
rank one       ``V = W + xi c_hat u_hat^T``      Eq. 4 of Dayi and Chen (2025), on spheres
LoRA           ``V = W + scale B A``             Euclidean, both factors at once
full network   ``V`` itself, and ``lam``         Euclidean
=============  ================================  ==========================================

Every path is a generator: it yields the state after ``0, 1, ..., steps`` updates. State ``t`` and
the inputs of step ``t`` give state ``t + 1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.reference.optimiser import Mover
from lrft.reference.parts import (
    ACTIVATIONS,
    cosine,
    hermite,
    neuron_cosines,
    project_out,
    resolve_activation,
    subspace_cosines,
)

Array = NDArray[np.float64]
Rate = float | Callable[[int], float]

__all__ = [
    "ACTIVATIONS",
    "Mover",
    "cosine",
    "full_network_path",
    "hermite",
    "lora_path",
    "network",
    "neuron_cosines",
    "project_out",
    "rank_one_path",
    "resolve_activation",
    "row_gradient",
    "subspace_cosines",
]


# ---- the network and its gradient --------------------------------------------------------------


def network(
    X: ArrayLike,
    V: ArrayLike,
    lam: ArrayLike,
    activation: Any,
    *,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
) -> Array:
    """Evaluate ``f(x) = output_scale * sum_j lam_j sigma(neuron_scale * <V_j, x>)``.

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

    Returns
    -------
    ndarray, shape (batch,)

    Examples
    --------
    >>> network([[1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]], [1.0, 10.0], "relu")
    array([21.])
    """
    sigma, _ = resolve_activation(activation)
    z = neuron_scale * (np.asarray(X) @ np.asarray(V).T)
    return np.asarray(output_scale * (sigma(z) @ np.asarray(lam)))


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
) -> tuple[Array, Array]:
    """Compute the gradient that all students share, of ``L = mean_b (f(x_b) - y_b)^2`` (no 1/2).

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
    z = s * (X @ V0.T)  # (batch, m)
    hidden, slope = sigma(z), dsigma(z)
    if base is None:
        f = output_scale * (hidden @ lam)
    else:
        f = output_scale * (hidden @ lam + (slope * (s * (X @ (V - V0).T))) @ lam0)
    dL_df = 2 * (f - y) / len(y)
    D = dL_df[:, None] * (output_scale * s * lam0 * slope)
    dlam = output_scale * (hidden.T @ dL_df)
    return D, dlam


# ---- paths -------------------------------------------------------------------------------------


def _rate(rate: Rate, step: int) -> float:
    return rate(step) if callable(rate) else rate


def _perturbed(W: Array, xi: float, c: ArrayLike, u: ArrayLike) -> Array:
    """``W + xi c u^T`` for ``c`` (k,), ``u`` (d,), or of rank r: ``c`` (k, r), ``u`` (r, d)."""
    c, u = np.asarray(c, dtype=float), np.asarray(u, dtype=float)
    return W + xi * (np.outer(c, u) if u.ndim == 1 else c @ u)


def _samples(
    inputs: Iterable[ArrayLike],
    noise_values: Iterable[ArrayLike] | None,
    teacher: Callable[[Array], Array],
    labels: Iterable[ArrayLike] | None,
) -> Iterator[tuple[int, Array, Array]]:
    """Step number, inputs (batch, d) and labels (batch,) of each step."""
    noise = None if noise_values is None else iter(noise_values)
    given = None if labels is None else iter(labels)
    for step, x in enumerate(inputs):
        X = np.asarray(x, dtype=float)
        if X.ndim != 2:
            raise ValueError(f"inputs must give (batch, d) arrays, got shape {X.shape}")
        y = teacher(X) if given is None else np.asarray(next(given), dtype=float)
        yield step, X, y if noise is None else y + np.asarray(next(noise))


def rank_one_path(
    W: ArrayLike,
    lam: ArrayLike,
    c: ArrayLike,
    u: ArrayLike,
    xi: float,
    activation: Any,
    u0: ArrayLike,
    c0: ArrayLike,
    inputs: Iterable[ArrayLike],
    *,
    lr: Rate,
    lr_c: Rate | None = None,
    train_c: bool = False,
    orthogonal: bool = True,
    linearized: bool = False,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    noise_values: Iterable[ArrayLike] | None = None,
    labels: Iterable[ArrayLike] | None = None,
    mover: Mover | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Train the rank-one spherical student, Eq. 4 of Dayi and Chen (2025).

    ``u <- proj(u - lr (I - u u^T) P grad_u L)`` with ``proj(v) = v / |v|`` and ``P`` the projector
    onto the complement of span(W). If ``c`` is trained, it moves at the same time, from the same
    state: ``c <- proj(c - lr_c (I - c c^T) grad_c L)``.

    Parameters
    ----------
    W : array_like, shape (k, d)
        Features of the base network.
    lam : array_like, shape (k,)
        Output weights.
    c, u : array_like, shapes (k,) and (d,), or (k, r) and (r, d)
        The teacher's perturbation ``xi c u^T``.
    xi : float
        Its strength, known to the student.
    activation
        Anything that `resolve_activation` takes.
    u0, c0 : array_like, shapes (d,) and (k,)
        Initial student, of unit norm.
    inputs : iterable of array_like, shape (batch, d)
        One batch a step; an array of shape (steps, batch, d) will do.
    lr, lr_c : float or callable
        Learning rates, or functions of the step. ``lr_c=None`` means ``lr``.
    train_c : bool
        Whether c_hat moves too. The paper's analysis freezes it.
    orthogonal : bool
        Whether ``P`` is applied.
    linearized : bool
        Train ``sum_i lam_i [sigma(<w_i, x>) + sigma'(<w_i, x>) xi c_i <u, x>]`` instead.
    neuron_scale, output_scale : float
        The two scales of the model.
    noise_values : iterable of array_like, shape (batch,), optional
        Added to the labels, as they are, one batch a step.
    labels : iterable of array_like, shape (batch,), optional
        In place of the teacher's. Batches may then differ in size.
    mover : Mover, optional
        Moves parameters along gradients; by default by SGD and no more.

    Yields
    ------
    u_hat, c_hat : ndarray, shapes (d,) and (k,)
        The state after 0, 1, ... steps.

    Raises
    ------
    ValueError
        If ``u0`` or ``c0`` does not have norm 1 within 1e-9, or a batch is not a matrix.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> e = np.eye(40)
    >>> W, u = e[:2], e[2]
    >>> c = np.array([1.0, -1.0]) / np.sqrt(2)
    >>> u0 = (e[2] + e[3]) / np.sqrt(2)
    >>> for u_hat, c_hat in rank_one_path(W, np.ones(2), c, u, 1.0, "tanh", u0, c,
    ...                                   rng.standard_normal((500, 4, 40)), lr=0.1):
    ...     pass
    >>> bool(u_hat @ u > 0.99)
    True
    """
    W, lam = np.asarray(W, dtype=float), np.asarray(lam, dtype=float)
    u_hat, c_hat = np.array(u0, dtype=float), np.array(c0, dtype=float)
    for name, start in (("u0", u_hat), ("c0", c_hat)):
        if not abs(np.linalg.norm(start) - 1) <= 1e-9:
            raise ValueError(f"{name} must have norm 1, got {np.linalg.norm(start)}")
    lr_c = lr if lr_c is None else lr_c
    mover = Mover() if mover is None else mover
    scales: Any = {"neuron_scale": neuron_scale, "output_scale": output_scale}
    base = (W, lam) if linearized else None
    P = project_out(W) if orthogonal else lambda v: v
    teacher = _perturbed(W, xi, c, u)

    def label(X: Array) -> Array:
        return network(X, teacher, lam, activation, **scales)

    yield u_hat, c_hat
    for step, X, y in _samples(inputs, noise_values, label, labels):
        V = _perturbed(W, xi, c_hat, u_hat)
        D, _ = row_gradient(X, y, V, lam, activation, base=base, **scales)
        grad_u = P(xi * (X.T @ (D @ c_hat)))
        grad_c = xi * (D.T @ (X @ u_hat))
        now, slopes, rates = [u_hat, c_hat], [grad_u, grad_c], [_rate(lr, step), _rate(lr_c, step)]
        u_hat, c_hat = mover.move(now, slopes, rates, unit=True, still=[False, not train_c])
        yield u_hat, c_hat


def lora_path(
    W: ArrayLike,
    lam: ArrayLike,
    c: ArrayLike,
    u: ArrayLike,
    xi: float,
    activation: Any,
    A0: ArrayLike,
    B0: ArrayLike,
    inputs: Iterable[ArrayLike],
    *,
    lr: Rate,
    lr_b: Rate | None = None,
    scale: float = 1.0,
    linearized: bool = False,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    noise_values: Iterable[ArrayLike] | None = None,
    labels: Iterable[ArrayLike] | None = None,
    mover: Mover | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Train LoRA: rows ``W + scale B A``, Euclidean online SGD on both factors at once.

    Parameters
    ----------
    W, lam, c, u, xi, activation, inputs, neuron_scale, output_scale, noise_values, labels, mover
        As for `rank_one_path`.
    A0, B0 : array_like, shapes (r, d) and (k, r)
        Initial factors, of any rank r.
    lr, lr_b : float or callable
        Rates of A and of B, or functions of the step. ``lr_b=None`` means ``lr``; 0 freezes.
    scale : float
        Strength of the adapter; ``alpha / r`` in the usual notation.
    linearized : bool
        Train the Taylor expansion of the network to first order in (A, B) around (A0, B0).

    Yields
    ------
    A, B : ndarray, shapes (r, d) and (k, r)
        The state after 0, 1, ... steps.

    Examples
    --------
    With B = 0 the student starts at the base network, and only B can move at the first step.

    >>> rng = np.random.default_rng(0)
    >>> e = np.eye(5)
    >>> path = lora_path(e[:2], np.ones(2), np.array([0.6, 0.8]), e[2], 1.0, "tanh",
    ...                  rng.standard_normal((1, 5)), np.zeros((2, 1)),
    ...                  rng.standard_normal((1, 8, 5)), lr=0.1)
    >>> (A0, B0), (A1, B1) = path
    >>> bool(np.all(A1 == A0)), bool(np.all(B1 != B0))
    (True, True)
    """
    W, lam = np.asarray(W, dtype=float), np.asarray(lam, dtype=float)
    A0, B0 = np.array(A0, dtype=float), np.array(B0, dtype=float)
    A, B = A0, B0
    lr_b = lr if lr_b is None else lr_b
    mover = Mover() if mover is None else mover
    scales: Any = {"neuron_scale": neuron_scale, "output_scale": output_scale}
    teacher = _perturbed(W, xi, c, u)
    V0 = W + scale * (B0 @ A0)

    def label(X: Array) -> Array:
        return network(X, teacher, lam, activation, **scales)

    yield A, B
    for step, X, y in _samples(inputs, noise_values, label, labels):
        if linearized:
            V = V0 + scale * ((B - B0) @ A0 + B0 @ (A - A0))
            D, _ = row_gradient(X, y, V, lam, activation, base=(V0, lam), **scales)
            A_then, B_then = A0, B0  # the model is linear: its derivatives stay those at the start
        else:
            D, _ = row_gradient(X, y, W + scale * (B @ A), lam, activation, **scales)
            A_then, B_then = A, B
        grad_A = scale * ((D @ B_then).T @ X)
        grad_B = scale * (D.T @ (X @ A_then.T))
        rates = [_rate(lr, step), _rate(lr_b, step)]
        A, B = mover.move([A, B], [grad_A, grad_B], rates, still=[lr == 0, lr_b == 0])
        yield A, B


def full_network_path(
    W: ArrayLike,
    lam: ArrayLike,
    c: ArrayLike,
    u: ArrayLike,
    xi: float,
    activation: Any,
    V0: ArrayLike,
    lam0: ArrayLike,
    inputs: Iterable[ArrayLike],
    *,
    lr: Rate,
    lr_lam: Rate | None = None,
    train_lam: bool = False,
    linearized: bool = False,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    noise_values: Iterable[ArrayLike] | None = None,
    labels: Iterable[ArrayLike] | None = None,
    mover: Mover | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Train a full network of any width: all rows, and the output weights if asked.

    Parameters
    ----------
    W, lam, c, u, xi, activation, inputs, neuron_scale, output_scale, noise_values, labels, mover
        As for `rank_one_path`; ``W`` and ``lam`` belong to the teacher.
    V0, lam0 : array_like, shapes (m, d) and (m,)
        Initial student: ``W, lam`` for full fine-tuning, anything for learning from scratch.
    lr, lr_lam : float or callable
        Rates of the rows and of the output weights. ``lr_lam=None`` means ``lr``.
    train_lam : bool
        Whether the output weights move.
    linearized : bool
        Train the Taylor expansion to first order in the trained parameters around the start.

    Yields
    ------
    V, lam_hat : ndarray, shapes (m, d) and (m,)
        The state after 0, 1, ... steps.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> e = np.eye(5)
    >>> *_, (V, _) = full_network_path(e[:2], np.ones(2), np.array([0.6, 0.8]), e[2], 1.0, "tanh",
    ...                                e[:2], np.ones(2), rng.standard_normal((900, 8, 5)), lr=0.1)
    >>> bool(np.allclose(V, e[:2] + np.outer([0.6, 0.8], e[2]), atol=0.01))
    True
    """
    V0, lam0 = np.array(V0, dtype=float), np.array(lam0, dtype=float)
    V, lam_hat = V0, lam0
    lr_lam = lr if lr_lam is None else lr_lam
    mover = Mover() if mover is None else mover
    scales: Any = {"neuron_scale": neuron_scale, "output_scale": output_scale}
    base = (V0, lam0) if linearized else None
    teacher = _perturbed(np.asarray(W, dtype=float), xi, c, u)

    def label(X: Array) -> Array:
        return network(X, teacher, lam, activation, **scales)

    yield V, lam_hat
    for step, X, y in _samples(inputs, noise_values, label, labels):
        D, grad_lam = row_gradient(X, y, V, lam_hat, activation, base=base, **scales)
        rates, still = [_rate(lr, step), _rate(lr_lam, step)], [False, not train_lam]
        V, lam_hat = mover.move([V, lam_hat], [D.T @ X, grad_lam], rates, still=still)
        yield V, lam_hat
