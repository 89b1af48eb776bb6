r"""The gradient of the loss in the weights of the base, and the LoRA students that start from it.

Of the population it is exact (Stein's lemma), and lies in S = span(W, u). Of N fresh samples it is

    G = 1/N gᵀX,    g_ni = 2 (f(x_n) − y_n) df/dz_ni,    g (N, k), X (N, d).

g depends on the coordinates X_S of the samples in S only, so what is left of X is independent of
it: in law G = 1/N [gᵀX_S, C Z], C Cᵀ = gᵀg and Z (k, d − s) standard normal, whose rows have a
triangular factor of k directions, uniform among those outside S. That is exact at any d ≥ s + k and
any N, at a cost of N (k s + k²) operations, free of d.

A law of the inputs changes X_S alone; that of the population is exact where it has neither means
nor label shifts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.theory.population import perturbation, row_gradient_coefficients

if TYPE_CHECKING:
    from lrft.model.inputs import Law
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: Samples of one step of the stream, in the reduced space; and numbers, in R^d.
CHUNK, NUMBERS = 2**13, 2**20
#: Steps of the stream "gradient_noise" from here on say which component a sample is of.
COMPONENTS = 2**32
#: A singular value below this share of the largest is that of rounding.
NOTHING = 1e-12


class Start(NamedTuple):
    """Where a LoRA student starts."""

    rows: Floats  #: A (r, s + q) in a basis of S and q directions outside it, or (r, d)
    own: Floats  #: B (k, r)


def population_gradient_at_base(task: Task) -> Floats:
    """Compute the gradient of the population's loss in W, in coordinates of S.

    Parameters
    ----------
    task : Task

    Returns
    -------
    ndarray of shape (k, s)

    Examples
    --------
    >>> import lrft
    >>> from lrft.theory.first_gradient import population_gradient_at_base
    >>> population_gradient_at_base(lrft.Task.sample(d=50, k=4)).shape
    (4, 5)
    """
    both = np.concatenate([task.R + perturbation(task), task.R])
    seen, law = both, task.law
    if law is not None:  # by its covariance
        along = _product(both, law.V.T) * (law.stretch * (2.0 + law.stretch))
        seen = both + _product(along, law.V)
    gram = _product(seen, both.T)
    weights = np.concatenate([task.lam, -task.lam])
    mixing, _ = row_gradient_coefficients(task, gram, weights)
    return _product(mixing, seen)


def sampled_gradient_at_base(
    task: Task, samples: int, *, ambient: bool, seed: int, replica: int
) -> Floats:
    """Compute the gradient of the mean loss of fresh samples in W.

    Parameters
    ----------
    task : Task
    samples : int
        N ≥ 1.
    ambient : bool
        Draw samples in R^d, else what the reduced space holds of them, in the same law.
    seed, replica : int
        The address of the samples, which are those of no training.

    Returns
    -------
    ndarray of shape (k, d), or (k, s + q)
        In the reduced space the last q ≤ k coordinates are along directions uniform among the
        orthonormal ones outside S.

    Examples
    --------
    >>> import lrft
    >>> from lrft.theory.first_gradient import sampled_gradient_at_base
    >>> task = lrft.Task.sample(d=50, k=4)
    >>> sampled_gradient_at_base(task, 100, ambient=False, seed=0, replica=0).shape
    (4, 9)
    """
    k, s = task.R.shape
    width = task.d if ambient else s
    teacher = task.R + perturbation(task)
    total, inner = np.zeros((k, width)), np.zeros((k, k))
    for X, component, noise in _samples(task, samples, width, seed, replica):
        inside = _product(X, np.ascontiguousarray(task.Q)) if ambient else X
        if task.law is not None:
            moved = _moved(task.law, inside, component)
            X = X + _product(moved, np.ascontiguousarray(task.Q.T)) if ambient else X + moved
            inside = inside + moved
            noise = noise + task.law.shifts[component]
        g = _coefficients(task, inside, teacher, noise)
        total += _product(g.T, X)
        inner += _product(g.T, g)
    if ambient:
        return total / samples
    left, sizes, _ = compiled.leading(inner, k)
    outside = min(k, task.d - s)
    if outside == 0:
        return total / samples
    C = left.T * np.sqrt(sizes)
    Z = _outside(task.d - s, k, outside, seed, replica)
    return np.concatenate([total, _product(C, Z)], axis=1) / samples


def started(task: Task, student: Any, *, ambient: bool, seed: int, replica: int) -> Start:
    """Where a LoRA student with a `start` begins.

    Parameters
    ----------
    task : Task
    student : LoRA
    ambient : bool
        Whether rows are in R^d, else in S and beside it.
    seed, replica : int
        The address of its samples, if it has any.

    Returns
    -------
    Start

    Raises
    ------
    ValueError
        Where the gradient has fewer singular values than are asked for.

    Examples
    --------
    >>> import lrft
    >>> from lrft.theory.first_gradient import started
    >>> task = lrft.Task.sample(d=50, k=4, xi=2.0)
    >>> student = lrft.LoRA(rank=1, start="gradient")
    >>> start = started(task, student, ambient=False, seed=0, replica=0)
    >>> round(float((start.rows**2).sum()), 12), start.own.ravel().tolist()
    (1.0, [0.0, 0.0, 0.0, 0.0])
    """
    r = student.rank
    count = 2 * r if student.start == "lora_ga" else r
    if student.start == "pissa":
        of = task.R
    elif student.start_samples is None:
        of = population_gradient_at_base(task)
    else:
        of = sampled_gradient_at_base(
            task, student.start_samples, ambient=ambient, seed=seed, replica=replica
        )
    left, sizes, right = compiled.leading(np.ascontiguousarray(of), count)
    found = int((sizes > NOTHING * sizes[0]).sum())
    if found < count:
        what = "W" if student.start == "pissa" else "the first gradient"
        raise ValueError(
            f"start={student.start!r} of rank {r} needs {count} singular values, and {what} of "
            f"this task has {found}"
        )
    rows = right[:r]
    if ambient and rows.shape[1] != task.d:
        rows = _product(rows, np.ascontiguousarray(task.Q.T))
    if student.start == "gradient":
        return Start(rows, _b_start(task, student, seed, replica))
    if student.start == "lora_ga":
        return Start(rows, np.ascontiguousarray(left[r:].T))
    rate = 1.0 if student.start_rate is None else -student.start_rate
    strength = rate * sizes[:r] / student.scale
    length = np.ones(r) if student.sphere else np.sqrt(np.abs(strength))
    return Start(length[:, None] * rows, left[:r].T * (strength / length))


def _b_start(task: Task, student: Any, seed: int, replica: int) -> Floats:
    if not isinstance(student.b_init, str):
        return np.asarray(student.b_init, dtype=np.float64)
    if student.b_init == "zero":
        return np.zeros((task.k, student.rank))
    purpose, size = compiled.purposes["init_c"], task.k * student.rank
    normals = compiled.normals(seed, replica, purpose, 0, size)
    B: Floats = np.asarray(normals).reshape(task.k, student.rank) / np.sqrt(task.k)
    return B


def _samples(
    task: Task, samples: int, width: int, seed: int, replica: int
) -> Iterator[tuple[Floats, NDArray[np.intp], Floats]]:
    """Draw samples, some at a time: normals (n, width), components and label noise (n,)."""
    chunk = CHUNK if width < task.d else max(1, NUMBERS // width)
    purposes = compiled.purposes
    for step, begin in enumerate(range(0, samples, chunk)):
        n = min(chunk, samples - begin)
        X = compiled.normals(seed, replica, purposes["gradient"], step, n * width)
        noise = np.zeros(n)
        if task.noise > 0:
            noise = task.noise * np.asarray(
                compiled.normals(seed, replica, purposes["gradient_noise"], step, n)
            )
        component = np.zeros(n, dtype=np.intp)
        if task.law is not None and len(task.law.probabilities) > 1:
            component = task.law.components_of(
                compiled.normals(seed, replica, purposes["gradient_noise"], COMPONENTS + step, n)
            )
        yield np.asarray(X).reshape(n, width), component, noise


def _moved(law: Law, inside: Floats, component: NDArray[np.intp]) -> Floats:
    """Compute what the law adds to samples with these coordinates (n, s) in S."""
    along = law.stretch * _product(inside, law.V.T) + law.means[component]
    return _product(along, law.V)


def _coefficients(task: Task, X: Floats, teacher: Floats, noise: Floats) -> Floats:
    """dL/dz of each sample, (n, k), L its squared error and z = W x."""
    value, slope = task.activation.evaluate(task.neuron_scale * _product(X, task.R.T))
    there = task.activation(task.neuron_scale * _product(X, teacher.T))
    error = task.output_scale * np.einsum("ni,i->n", value - there, task.lam) - noise
    scale = 2 * task.output_scale * task.neuron_scale
    g: Floats = scale * error[:, None] * (slope * task.lam)
    return g


def _outside(dof: int, k: int, q: int, seed: int, replica: int) -> Floats:
    """Draw a triangular factor (k, q) of k rows of `dof` normals."""
    purposes = compiled.purposes
    z = compiled.normals(seed, replica, purposes["gradient_chi"], 0, k * q)
    chi = compiled.chi(
        seed, replica, purposes["gradient_chi"], 1, dof - np.arange(q, dtype=np.float64)
    )
    Z = np.tril(np.asarray(z).reshape(k, q), -1)
    Z[np.arange(q), np.arange(q)] = chi
    return Z


def _product(A: Floats, B: Floats) -> Floats:
    """Multiply, with bits that no library of the machine decides."""
    found: Floats = np.einsum("ij,jk->ik", A, B)
    return found
