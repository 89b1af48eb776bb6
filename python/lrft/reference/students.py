"""The slow, readable twin: every student in plain NumPy, to be read beside the paper.

Nothing here is fast and nothing here depends on the compiled core. It is what the compiled
engines are compared with, sample by sample, on the same inputs.

All students are networks ``f(x) = output_scale * sum_j lam_j sigma(neuron_scale * <V_j, x> + b_j)``
with rows ``V`` that depend on their parameters, so there is a single gradient, `row_gradient`, and
each student is the chain rule through its own ``V``:

=============  ================================  ==========================================
student        rows                              how it moves
=============  ================================  ==========================================
rank one       ``V = W + xi c_hat u_hat^T``      Eq. 4 of Dayi and Chen (2025), on spheres
LoRA           ``V = W + scale B A``             Euclidean, A on spheres if asked
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

from lrft.reference.gradient import network, row_gradient
from lrft.reference.optimiser import Mover
from lrft.reference.parts import (
    ACTIVATIONS,
    cosine,
    hermite,
    neuron_cosines,
    project_out,
    resolve_activation,
    resolve_loss,
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
    "resolve_loss",
    "row_gradient",
    "subspace_cosines",
]


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
    flips: Iterable[ArrayLike] | None,
    loss: Any,
) -> Iterator[tuple[int, Array, Array]]:
    """Step number, inputs (batch, d) and labels (batch,) of each step."""
    turned = None if flips is None else iter(flips)
    noise = None if noise_values is None else iter(noise_values)
    given = None if labels is None else iter(labels)
    for step, x in enumerate(inputs):
        X = np.asarray(x, dtype=float)
        if X.ndim != 2:
            raise ValueError(f"inputs must give (batch, d) arrays, got shape {X.shape}")
        y = teacher(X) if given is None else np.asarray(next(given), dtype=float)
        y = y if noise is None else y + np.asarray(next(noise))
        if loss == "logistic":
            y = np.where(y < 0, -1.0, 1.0)
        yield step, X, y if turned is None else np.where(next(turned), -y, y)


State = tuple[Array, Array]
Sample = tuple[int, Array, Array]


def _path(
    state: State,
    samples: Iterable[Sample],
    move: Callable[[Sample, State, State, float], State],
    reuse: int,
    lookahead: float | None,
) -> Iterator[State]:
    """Train; move(sample, state, at, factor) goes from a state along the gradient at another."""
    yield state
    for sample in samples:
        if lookahead is not None:
            state = move(sample, state, move(sample, state, state, lookahead), 1.0)
        for _ in range(reuse if lookahead is None else 0):
            state = move(sample, state, state, 1.0)
        yield state


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
    biases: ArrayLike | None = None,
    noise_values: Iterable[ArrayLike] | None = None,
    labels: Iterable[ArrayLike] | None = None,
    loss: Any = "squared",
    flips: Iterable[ArrayLike] | None = None,
    reuse: int = 1,
    lookahead: float | None = None,
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
    biases : array_like, shape (k,), optional
        Of the neurons of base and teacher, which the student shares.
    noise_values : iterable of array_like, shape (batch,), optional
        Added to the labels, as they are, one batch a step.
    labels : iterable of array_like, shape (batch,), optional
        In place of the teacher's. Batches may then differ in size.
    loss
        Anything that `resolve_loss` takes. For ``"logistic"`` labels become their signs.
    flips : iterable of array_like of bool, shape (batch,), optional
        Which labels are then turned over, one batch a step.
    reuse : int
        Moves in a row on every batch.
    lookahead : float, optional
        Move along the gradient at the end of a trial move, of so many times the rates, instead.
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
    scales: Any = {"neuron_scale": neuron_scale, "output_scale": output_scale, "biases": biases}
    base = (W, lam) if linearized else None
    P = project_out(W) if orthogonal else lambda v: v
    teacher = _perturbed(W, xi, c, u)

    def label(X: Array) -> Array:
        return network(X, teacher, lam, activation, **scales)

    def move(sample: Sample, state: State, at: State, factor: float) -> State:
        (step, X, y), (u_at, c_at) = sample, at
        V = _perturbed(W, xi, c_at, u_at)
        D, _ = row_gradient(X, y, V, lam, activation, base=base, loss=loss, **scales)
        grad_u = P(xi * (X.T @ (D @ c_at)))
        grad_c = xi * (D.T @ (X @ u_at))
        rates = [factor * _rate(lr, step), factor * _rate(lr_c, step)]
        still = [False, not train_c]
        u_hat, c_hat = mover.move(state, [grad_u, grad_c], rates, unit=True, still=still)
        return u_hat, c_hat

    samples = _samples(inputs, noise_values, label, labels, flips, loss)
    yield from _path((u_hat, c_hat), samples, move, reuse, lookahead)


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
    sphere: bool = False,
    linearized: bool = False,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    biases: ArrayLike | None = None,
    noise_values: Iterable[ArrayLike] | None = None,
    labels: Iterable[ArrayLike] | None = None,
    loss: Any = "squared",
    flips: Iterable[ArrayLike] | None = None,
    reuse: int = 1,
    lookahead: float | None = None,
    mover: Mover | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Train LoRA: rows ``W + scale B A``, Euclidean online SGD on both factors at once.

    Parameters
    ----------
    W, lam, c, u, xi, activation, inputs, neuron_scale, output_scale, biases, noise_values, \
        labels, loss, flips, reuse, lookahead, mover
        As for `rank_one_path`.
    A0, B0 : array_like, shapes (r, d) and (k, r)
        Initial factors, of any rank r.
    lr, lr_b : float or callable
        Rates of A and of B, or functions of the step. ``lr_b=None`` means ``lr``; 0 freezes.
    scale : float
        Strength of the adapter; ``alpha / r`` in the usual notation.
    sphere : bool
        Keep each row of A on its unit sphere, moved as u_hat is in Eq. 4.
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
    lr_b = lr if lr_b is None else lr_b
    mover = Mover() if mover is None else mover
    scales: Any = {"neuron_scale": neuron_scale, "output_scale": output_scale, "biases": biases}
    teacher = _perturbed(W, xi, c, u)
    V0 = W + scale * (B0 @ A0)

    def label(X: Array) -> Array:
        return network(X, teacher, lam, activation, **scales)

    def move(sample: Sample, state: State, at: State, factor: float) -> State:
        (step, X, y), (A_then, B_then) = sample, at
        if linearized:
            V = V0 + scale * ((B_then - B0) @ A0 + B0 @ (A_then - A0))
            D, _ = row_gradient(X, y, V, lam, activation, base=(V0, lam), loss=loss, **scales)
            A_then, B_then = A0, B0  # the model is linear: its derivatives stay those at the start
        else:
            V = W + scale * (B_then @ A_then)
            D, _ = row_gradient(X, y, V, lam, activation, loss=loss, **scales)
        grad_A = scale * ((D @ B_then).T @ X)
        grad_B = scale * (D.T @ (X @ A_then.T))
        rates = [factor * _rate(lr, step), factor * _rate(lr_b, step)]
        still = [lr == 0, lr_b == 0]
        unit = [sphere, False]
        A, B = mover.move(state, [grad_A, grad_B], rates, unit=unit, still=still)
        return A, B

    samples = _samples(inputs, noise_values, label, labels, flips, loss)
    yield from _path((A0, B0), samples, move, reuse, lookahead)


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
    biases0: ArrayLike | None = None,
    train_biases: bool = False,
    linearized: bool = False,
    neuron_scale: float = 1.0,
    output_scale: float = 1.0,
    biases: ArrayLike | None = None,
    noise_values: Iterable[ArrayLike] | None = None,
    labels: Iterable[ArrayLike] | None = None,
    loss: Any = "squared",
    flips: Iterable[ArrayLike] | None = None,
    reuse: int = 1,
    lookahead: float | None = None,
    mover: Mover | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Train a full network of any width: all rows, and the output weights if asked.

    Parameters
    ----------
    W, lam, c, u, xi, activation, inputs, neuron_scale, output_scale, biases, noise_values, \
        labels, loss, flips, reuse, lookahead, mover
        As for `rank_one_path`; ``W``, ``lam`` and ``biases`` belong to the teacher.
    V0, lam0 : array_like, shapes (m, d) and (m,)
        Initial student: ``W, lam`` for full fine-tuning, anything for learning from scratch.
    lr, lr_lam : float or callable
        Rates of the rows and of the output weights. ``lr_lam=None`` means ``lr``.
    train_lam : bool
        Whether the output weights move.
    biases0 : array_like, shape (m,), optional
        Initial biases of the student. ``biases0 / neuron_scale`` is then a last column of V, for an
        input that is always 1.
    train_biases : bool
        Whether that column moves.
    linearized : bool
        Train the Taylor expansion to first order in the trained parameters around the start.

    Yields
    ------
    V, lam_hat : ndarray, shapes (m, d), or (m, d + 1) with biases, and (m,)
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
    lr_lam = lr if lr_lam is None else lr_lam
    mover = Mover() if mover is None else mover
    scales: Any = {"neuron_scale": neuron_scale, "output_scale": output_scale}
    if biases0 is not None:
        V0 = np.column_stack([V0, np.asarray(biases0, dtype=float) / neuron_scale])
    base = (V0, lam0) if linearized else None
    teacher = _perturbed(np.asarray(W, dtype=float), xi, c, u)

    def label(X: Array) -> Array:
        return network(X, teacher, lam, activation, biases=biases, **scales)

    def move(sample: Sample, state: State, at: State, factor: float) -> State:
        step, X, y = sample
        if biases0 is not None:
            X = np.column_stack([X, np.ones(len(X))])
        D, grad_lam = row_gradient(X, y, *at, activation, base=base, loss=loss, **scales)
        grad_V = D.T @ X
        if biases0 is not None and not train_biases:
            grad_V[:, -1] = 0.0
        rates = [factor * _rate(lr, step), factor * _rate(lr_lam, step)]
        still = [False, not train_lam]
        V, lam_hat = mover.move(state, [grad_V, grad_lam], rates, still=still)
        if biases0 is not None and not train_biases:
            V[:, -1] = V0[:, -1]  # no decay either
        return V, lam_hat

    samples = _samples(inputs, noise_values, label, labels, flips, loss)
    yield from _path((V0, lam0), samples, move, reuse, lookahead)
