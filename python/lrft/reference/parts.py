"""Pieces of the reference twin that are not about training: activations, projector, overlaps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Function = Callable[[Any], Any]
LossFunction = Callable[[Any, Any], Any]


# ---- activations -------------------------------------------------------------------------------


def _erf(z: Any) -> Any:
    from scipy.special import erf  # imported late: scipy is slow to load

    return erf(z)


def _normal_cdf(z: Any) -> Any:
    return 0.5 * (1 + _erf(z / np.sqrt(2)))


def _normal_pdf(z: Any) -> Any:
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


def _sigmoid(z: Any) -> Any:
    return np.exp(-np.logaddexp(0, -z))  # no overflow at either end


#: kind -> (sigma, sigma'), in the conventions of the package: ``erf`` is erf(z / sqrt 2),
#: the derivative of relu at 0 is 0.
ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "erf": (lambda z: _erf(z / np.sqrt(2)), lambda z: 2 * _normal_pdf(z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "gelu": (lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * _normal_pdf(z)),
    "silu": (
        lambda z: z * _sigmoid(z),
        lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z)),
    ),
    "softplus": (lambda z: np.logaddexp(0, z), _sigmoid),
    "quadratic": (lambda z: z * z, lambda z: 2 * z),
}


def _bent(error: Any, delta: float) -> Any:
    near = np.minimum(np.abs(error), delta)
    return near * (2 * np.abs(error) - near)


#: kind -> (value, slope) of outputs f and labels y.
LOSSES: dict[str, tuple[LossFunction, LossFunction]] = {
    "squared": (lambda f, y: (f - y) ** 2, lambda f, y: 2 * (f - y)),
    "correlation": (lambda f, y: -2 * f * y, lambda f, y: -2 * y + 0 * f),
    "logistic": (lambda f, y: np.logaddexp(0, -y * f), lambda f, y: -y * _sigmoid(-y * f)),
}


def resolve_loss(loss: Any) -> tuple[LossFunction, LossFunction]:
    """Turn a loss into the pair of functions ``(value, slope)`` of outputs f and labels y.

    The slope is the derivative in f.  Labels of the logistic loss are +1 and -1.

    Parameters
    ----------
    loss
        ``"squared"``: (f - y)^2; ``"correlation"``: -2 f y; ``"logistic"``: log(1 + e^(-y f)); or
        ``("huber", delta)``: (f - y)^2 up to |f - y| = delta, then 2 delta |f - y| - delta^2.

    Returns
    -------
    value, slope : callable

    Raises
    ------
    KeyError, ValueError
        For another name.

    Examples
    --------
    >>> value, slope = resolve_loss(("huber", 0.5))
    >>> value(np.array([0.25, 2.0]), 0.0), slope(np.array([0.25, 2.0]), 0.0)
    (array([0.0625, 1.75  ]), array([0.5, 1. ]))
    """
    if isinstance(loss, str):
        return LOSSES[loss]
    name, delta = loss
    if name != "huber":
        raise ValueError(f"unknown loss {loss!r}")

    def value(f: Any, y: Any) -> Any:
        return _bent(f - y, delta)

    def slope(f: Any, y: Any) -> Any:
        return 2 * np.clip(f - y, -delta, delta)

    return value, slope


def hermite(coefficients: ArrayLike) -> tuple[Function, Function]:
    """Activation ``sum_p a_p he_p(z)`` on normalised probabilists' Hermite polynomials.

    ``he_p = He_p / sqrt(p!)`` is orthonormal under N(0, 1), and ``he_p' = sqrt(p) he_{p-1}``.

    Parameters
    ----------
    coefficients : array_like, shape (degree + 1,)
        ``a_0, a_1, ...``

    Returns
    -------
    sigma, dsigma : callables
        The activation and its derivative.

    Raises
    ------
    ValueError
        If the coefficients are no vector, or none.

    Examples
    --------
    >>> sigma, dsigma = hermite([0, 0, 1])      # he_2(z) = (z^2 - 1) / sqrt(2)
    >>> bool(np.isclose(sigma(3.0), 8 / np.sqrt(2))), bool(np.isclose(dsigma(3.0), 6 / np.sqrt(2)))
    (True, True)
    """
    a = np.asarray(coefficients, dtype=float)
    if a.ndim != 1 or a.size == 0:
        raise ValueError(f"coefficients must be a non-empty vector, got shape {a.shape}")

    def series(weights: Array, z: Any) -> Any:
        z = np.asarray(z)
        previous, current = np.zeros_like(z, dtype=float), np.ones_like(z, dtype=float)
        total = weights[0] * current
        for p in range(1, weights.size):
            previous, current = current, (z * current - np.sqrt(p - 1) * previous) / np.sqrt(p)
            total = total + weights[p] * current
        return total

    slopes = np.sqrt(np.arange(1, a.size)) * a[1:] if a.size > 1 else np.zeros(1)
    return partial(series, a), partial(series, slopes)


def resolve_activation(activation: Any) -> tuple[Function, Function]:
    """Turn any way of naming an activation into the pair ``(sigma, dsigma)``.

    Parameters
    ----------
    activation : str, tuple of two callables, sequence of float, or `lrft.Activation`
        A key of `ACTIVATIONS`; ``"he3"`` for a single normalised Hermite polynomial; the pair
        itself; Hermite coefficients; or an object with ``kind`` and ``coefficients``.

    Returns
    -------
    sigma, dsigma : callables

    Raises
    ------
    ValueError
        If the name is not known.

    Examples
    --------
    >>> sigma, dsigma = resolve_activation("relu")
    >>> sigma(np.array([-1.0, 2.0])), dsigma(np.array([-1.0, 2.0]))
    (array([0., 2.]), array([0., 1.]))
    """
    if isinstance(activation, str):
        if activation in ACTIVATIONS:
            return ACTIVATIONS[activation]
        if activation.startswith("he") and activation[2:].isdigit():
            return hermite(np.eye(int(activation[2:]) + 1)[-1])
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation must be one of {known}, he0, he1, ..., got {activation!r}")
    if hasattr(activation, "kind"):
        if activation.kind == "hermite":
            return hermite(activation.coefficients)
        if activation.kind in ACTIVATIONS:
            return ACTIVATIONS[activation.kind]
        return activation, activation.derivative
    if isinstance(activation, tuple) and len(activation) == 2 and callable(activation[0]):
        return activation[0], activation[1]
    return hermite(activation)


# ---- geometry ----------------------------------------------------------------------------------


def project_out(W: ArrayLike, tolerance: float = 1e-12) -> Callable[[Array], Array]:
    """Make the projector onto the orthogonal complement of span(W), a function of a vector.

    Parameters
    ----------
    W : array_like, shape (k, d)
        Rows span the space that is removed. May be rank-deficient or zero.
    tolerance : float
        Singular values below ``tolerance`` times the largest count as zero.

    Returns
    -------
    callable
        Maps a vector of shape (d,) to its part orthogonal to every row of W.

    Examples
    --------
    >>> project_out([[1.0, 1.0, 0.0]])(np.array([2.0, 0.0, 5.0]))
    array([ 1., -1.,  5.])
    """
    _, singular, Vt = np.linalg.svd(np.asarray(W, dtype=float), full_matrices=False)
    basis = Vt[singular > tolerance * max(singular.max(initial=0.0), np.finfo(float).tiny)]
    return lambda v: v - basis.T @ (basis @ v)


def cosine(a: ArrayLike, b: ArrayLike) -> float:
    """Cosine of the angle between two vectors, 0 if one of them is zero.

    The overlap of unit vectors ``<u_hat, u>``, ``<c_hat, c>``, and of rank-one LoRA factors.

    Parameters
    ----------
    a, b : array_like of any shape
        Of the same size; a row or a column counts as a vector.

    Returns
    -------
    float

    Examples
    --------
    >>> cosine([3.0, 4.0], [[0.0], [2.0]])
    0.8
    """
    x, y = np.ravel(a).astype(float), np.ravel(b).astype(float)
    size = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / size) if size > 0 else 0.0


def subspace_cosines(A: ArrayLike, B: ArrayLike, tolerance: float = 1e-12) -> Array:
    """Singular values between two row spaces: cosines of their principal angles.

    The overlap of LoRA factors of rank above one: ``(A, u)``, and ``(B^T, c^T)``.

    Parameters
    ----------
    A, B : array_like, shapes (p, d) and (q, d)
        Rows span the two spaces.
    tolerance : float
        Of unit rows; singular values below ``tolerance`` times the largest do not count as a
        direction.

    Returns
    -------
    ndarray, shape (min(p, q),)
        From the largest to the smallest; directions that are missing because a factor is
        rank-deficient give 0.

    Examples
    --------
    >>> subspace_cosines([[2.0, 0, 0], [0, 1, 1]], [[1.0, 0, 0], [5, 1, 0]]).round(3)
    array([1.   , 0.707])
    """
    count = min(len(np.asarray(A)), len(np.asarray(B)))
    bases = []
    for M in (A, B):
        rows = np.asarray(M, dtype=float)
        sizes = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = np.divide(rows, sizes, out=np.zeros_like(rows), where=sizes > 0)
        _, singular, Vt = np.linalg.svd(rows, full_matrices=False)
        floor = max(tolerance * singular.max(initial=0.0), np.finfo(float).tiny)
        bases.append(Vt[singular > floor])
    result = np.zeros(count)
    if min(len(b) for b in bases) > 0:
        values = np.linalg.svd(bases[0] @ bases[1].T, compute_uv=False)
        result[: len(values)] = np.minimum(values, 1.0)
    return result


def neuron_cosines(V: ArrayLike, T: ArrayLike) -> Array:
    """Cosines between every neuron of the student and every neuron of the teacher.

    The overlap of full networks.

    Parameters
    ----------
    V, T : array_like, shapes (m, d) and (k, d)
        Rows of the student and of the teacher (``W + xi c u^T``).

    Returns
    -------
    ndarray, shape (m, k)
        0 where a neuron is zero.

    Examples
    --------
    >>> neuron_cosines([[2.0, 0.0]], [[0.6, 0.8], [0.0, 1.0]])
    array([[0.6, 0. ]])
    """
    V, T = np.asarray(V, dtype=float), np.asarray(T, dtype=float)
    sizes = np.outer(np.linalg.norm(V, axis=1), np.linalg.norm(T, axis=1))
    result: Array = np.divide(V @ T.T, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return result


# ---- teachers that are no perturbed base ---------------------------------------------------------


def link_output(link: Any, fields: ArrayLike) -> Array:
    """Evaluate a teacher that is a function of its fields ``t_j = <u_j, x>`` alone.

    ``sum_i weights_i sigma*(t_i + biases_i)``, or ``sum_m weights_m prod_j he_{powers_mj}(t_j)``.

    Parameters
    ----------
    link : object
        With ``weights`` (r,), ``activation`` and perhaps ``biases`` (r,); or with ``weights``
        (terms,) and ``powers`` (terms, r).  The ``link`` of a task is one.
    fields : array_like, shape (batch, r)

    Returns
    -------
    ndarray, shape (batch,)

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> staircase = SimpleNamespace(weights=[1.0, 1.0], powers=[[1, 0], [1, 1]])  # x1 + x1 x2
    >>> link_output(staircase, [[2.0, 3.0]])
    array([8.])
    """
    t, weights = np.asarray(fields, dtype=float), np.asarray(link.weights, dtype=float)
    if not hasattr(link, "powers"):
        biases = getattr(link, "biases", None)
        t = t if biases is None else t + np.asarray(biases)
        return np.asarray(resolve_activation(link.activation)[0](t) @ weights)
    powers = np.asarray(link.powers)
    he = [hermite(np.eye(p + 1)[-1])[0] for p in range(powers.max() + 1)]
    total = np.zeros(len(t))
    for row, weight in zip(powers, weights, strict=True):
        product = np.ones(len(t))
        for j, p in enumerate(row):
            product = product * he[p](t[:, j])
        total += weight * product
    return total
