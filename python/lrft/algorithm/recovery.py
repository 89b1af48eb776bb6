"""Stage two of fine-tuning: c by linear regression once u_hat is learned (App. F.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.model.task import Task
from lrft.model.task_state import check_perturbed
from lrft.theory import population

__all__ = ["Recovered", "recover_c"]

Floats = NDArray[np.float64]

#: Replicas from here on are not those of `simulate`: no sample is used twice.
REPLICA = 2**31
#: Samples factored at once. A parallel LAPACK waits for its threads at every column, as long as
#: a time slice on a busy machine: stay below the 9,216 entries where OpenBLAS goes parallel, or,
#: with more columns than that leaves room for, call it seldom.
FEW, MANY, MOST_COLUMNS = 192, 2**14, 38


@dataclass(frozen=True, eq=False)
class Recovered:
    """What the regression found.

    Attributes
    ----------
    c_hat : ndarray of shape (k,)
        Entries +-1/sqrt(k).
    coefficients : ndarray of shape (2, k)
        Of the features with ``+u_hat`` and with ``-u_hat``; at ``u_hat = u`` and quantised c they
        are lam where the sign is that of c, and 0 elsewhere.
    residual : float
        Mean squared residual on the samples of the fit.
    condition : float
        Condition number of the (samples, 2k) matrix of features; inf if neurons coincide.
    samples : int
    """

    c_hat: Floats
    coefficients: Floats
    residual: float
    condition: float
    samples: int


def recover_c(
    task: Task,
    u_hat: float | ArrayLike | None,
    samples: int,
    seed: int = 0,
    *,
    coordinates: ArrayLike | None = None,
) -> Recovered:
    """Find c from a learned u_hat by least squares on fresh samples (App. F.2).

    Labels are regressed on the 2k features ``sigma(neuron_scale <w_i +- (xi/sqrt(k)) u_hat, x>)``,
    and c_i takes the sign whose feature carries lam_i.

    Parameters
    ----------
    task : Task
        Of rank one; labels carry its noise.
    u_hat : float, array_like of shape (d,), or None
        A number is the overlap with u of a u_hat orthogonal to span(W). A vector has norm 1
        within 1e-9. All that counts are the coordinates in span(W, u).
    samples : int
        Fresh samples, at least 2k.
    seed : int
        In [0, 2^64).
    coordinates : array_like of shape (s,), optional
        Instead of u_hat: its coordinates in the basis of ``task.R`` and ``task.a``, of norm at
        most 1.

    Returns
    -------
    Recovered

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or norm, or there are too few samples.

    Notes
    -----
    Exact: orthogonal triangularisation, not normal equations. Sampled in the s + 1 dimensions
    that matter, exactly in law: O(samples k^2) time and O(k^2) memory, whatever d.
    The paper asks for ``1 - |<u, u_hat>|`` of order eps/k (xi = 1) or eps/k^2 (xi = sqrt(k));
    the signs alone ask for far less. Neurons with the same w_i cannot be told apart.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> task = lrft.Task.sample(d=1000, k=16, features="orthonormal", seed=3)
    >>> found = recover_c(task, 0.8, samples=4000)
    >>> bool(np.all(found.c_hat == task.c)), recover_c(task, -1.0, samples=400).residual < 1e-20
    (True, True)
    """
    P = state_coordinates(task, u_hat, coordinates)
    samples = checks.integer("samples", samples, 2 * task.k)
    return recover(task, P, samples, checks.seed("seed", seed), REPLICA)


def recover(task: Task, P: Floats, samples: int, seed: int, replica: int) -> Recovered:
    """Do the work of `recover_c`, on samples of the given replica."""
    k = task.k
    triangle: Floats = np.empty((0, 2 * k + 1))
    step = FEW if 2 * k + 1 <= MOST_COLUMNS else MANY
    for chunk, begin in enumerate(range(0, samples, step)):
        size = min(step, samples - begin)
        rows = _regression_rows(task, P, size, seed, replica, chunk)
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    # The last column is the label; what of it lies below the features is the residual.
    coefficients, _, _, singular = np.linalg.lstsq(
        triangle[: 2 * k, : 2 * k], triangle[: 2 * k, 2 * k], rcond=None
    )
    left = triangle[:, 2 * k] - triangle[:, : 2 * k] @ coefficients
    plus, minus = coefficients[:k], coefficients[k:]
    signs = np.where((plus - minus) * task.lam < 0, -1.0, 1.0)
    tiny = singular[0] * 2 * k * np.finfo(float).eps
    return Recovered(
        c_hat=signs / np.sqrt(k),
        coefficients=np.asarray(coefficients, dtype=np.float64).reshape(2, k),
        residual=float(left @ left) / samples,
        condition=float(singular[0] / singular[-1]) if singular[-1] > tiny else float("inf"),
        samples=samples,
    )


def _regression_rows(
    task: Task, P: Floats, size: int, seed: int, replica: int, chunk: int
) -> Floats:
    """Features and labels of fresh samples, (size, 2k + 1)."""
    s, scale = len(P), task.neuron_scale
    purposes = compiled.purposes
    normals = compiled.normals(seed, replica, purposes["coordinates"], chunk, size * (s + 1))
    X = np.asarray(normals).reshape(size, s + 1)
    u_hat_x = X[:, :s] @ P + np.sqrt(max(0.0, 1 - float(P @ P))) * X[:, s]
    base = X[:, :s] @ task.R.T
    moved = base + task.xi * np.multiply.outer(X[:, :s] @ task.a[0], task.c)
    shift = task.xi / np.sqrt(task.k) * u_hat_x[:, None]
    features = [task.activation(scale * (base + sign * shift)) for sign in (1, -1)]
    labels = task.activation(scale * moved) @ task.lam
    if task.noise > 0:
        noise = np.asarray(compiled.normals(seed, replica, purposes["noise"], chunk, size))
        labels = labels + task.noise / task.output_scale * noise
    rows: Floats = task.output_scale * np.concatenate([*features, labels[:, None]], axis=1)
    return rows


def state_coordinates(
    task: Task, u_hat: float | ArrayLike | None, coordinates: ArrayLike | None
) -> Floats:
    """Coordinates (s,) of a u_hat that is given in one of three ways."""
    require_rank_one(task)
    if (u_hat is None) == (coordinates is None):
        raise ValueError("give exactly one of u_hat and coordinates")
    if coordinates is not None:
        P = checks.array("coordinates", coordinates, (task.R.shape[1],))
        with np.errstate(over="ignore"):
            length = float(np.linalg.norm(P))
        if length > 1 + checks.UNIT_TOLERANCE:
            raise ValueError(f"coordinates must have norm at most 1, got {length:.12g}")
        return P
    if np.ndim(u_hat) > 0:  # type: ignore[arg-type]
        return population.unit_vector("u_hat", u_hat, task.d) @ task.Q  # type: ignore[arg-type]
    m = checks.real("u_hat", u_hat)
    population.orthogonal_overlaps(task, m)  # refuses what is out of reach
    outside = np.where(np.arange(task.R.shape[1]) < task.features_rank, 0.0, task.a[0])
    square = float(outside @ outside)
    return outside * (m / square) if square > 0 else outside


def require_rank_one(task: Task) -> None:
    """Refuse what is no task, or one of higher rank."""
    check_perturbed(task, "the algorithm", "of which its regression draws samples")
    if task.rank != 1:
        raise ValueError(f"task must have rank 1, got rank {task.rank}")
