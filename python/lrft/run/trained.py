"""The network that a replica ended with: what it learned, merged into the weights of its base."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.model import sampling
from lrft.model.weights import Floats, Weights
from lrft.run.describe import coordinates
from lrft.theory.first_gradient import started

if TYPE_CHECKING:
    from lrft.model.students import StudentModel
    from lrft.model.task import Task


#: Steps of the stream "embedding" from here on are directions outside S; below, the basis of S.
_OUTSIDE = 2**20


def merged(
    base: Weights,
    student: StudentModel,
    rows: Floats,
    own: Floats,
    b: Floats | None = None,
    *,
    xi: float | None = None,
) -> Weights:
    """Merge what a student has learned into the weights of its base.

    Parameters
    ----------
    base : Weights
    student : RankOne, LoRA or FullNetwork
        Not linearised: the expansion is no network of this kind.
    rows : ndarray of shape (n, d)
        û, A, or all rows of a full network.
    own : ndarray
        ĉ (k,), B (k, r), or the output weights (m,).
    b : ndarray of shape (m,), optional
        Biases of a full network; of others those of the base stay.
    xi : float, optional
        ξ, for a rank-one student.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        For a linearised student.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> from lrft.run.trained import merged
    >>> base = lrft.Weights(np.zeros((1, 2)), np.ones(1))
    >>> merged(base, lrft.RankOne(), np.array([[0.0, 1.0]]), np.ones(1), xi=3.0).W.tolist()
    [[0.0, 3.0]]
    """
    if student.linearized:
        raise ValueError(
            "a linearised student is the expansion of a network, not a network: "
            "there are no merged weights"
        )
    W, lam, factors, strength = student.merged(base.W, base.lam, rows, own, xi)
    b = b if student.network else base.b
    return replace(base, W=W, lam=lam, factors=factors, strength=strength, b=b)


def ended(chains: list[compiled.Chain], task: int, replica: int) -> compiled.Chain:
    """Find the chain of a replica that has a trained network; ValueError says why it has none."""
    found = [c for c in chains if (c.task, c.replica) == (task, replica)]
    if not found:
        raise ValueError(f"replica must be one of this run's, got {replica}")
    (chain,) = found
    if chain.status not in ("converged", "finished"):
        raise ValueError(
            f"replica {replica} is {chain.status} at step {chain.step}: "
            "only one that has converged or finished has a trained network"
        )
    return chain


def from_chain(
    task: Task, student: StudentModel, chain: compiled.Chain, *, ambient: bool, seed: int
) -> Weights:
    """Make the weights of a replica that has ended, from what the core keeps of it.

    In the reduced space only the coordinates of the rows in S and a factor L of what lies outside
    are known; given these the outside part is L E, E uniform among the orthonormal frames
    orthogonal to S, and so in each eigenvalue block of the inputs. E is drawn from the replica's
    own address, so the weights have exactly the law of those in R^d and are the same whenever they
    are asked for.
    """
    n, W, constant = student.rows(task), task.W, student.biased(task)
    basis, beside = None, 0
    if not ambient:
        beside = n if student.takes_start_off else 0
        basis = _basis(task, beside + n, seed, chain.replica)
    parts = 1 if task.law is None else task.law.complements
    rows = _rows(chain.rows, n, basis, constant, parts)
    if student.takes_start_off:
        start = started(task, student, ambient=ambient, seed=seed, replica=chain.replica)
        A = start.rows
        if basis is not None:
            inside, rest = coordinates(A, task.R.shape[1])
            A = sampling.combine(np.concatenate([inside, rest], axis=1), basis[:-n])
        W = W - student.specification(task, ambient=ambient).scale * (start.own @ A)
    scales = task.neuron_scale, task.output_scale
    base = Weights(W, task.lam, task.activation, *scales, b=task.biases)
    return merged(base, student, *student.arrays(task, rows, chain.own).values(), xi=task.xi)


def _basis(task: Task, outside: int, seed: int, replica: int) -> Floats:
    """Return the basis of S, and so many directions outside it, drawn; in every block, in turn."""
    s, purpose, law = task.R.shape[1], compiled.purposes["embedding"], task.law
    blocks = [slice(None)] if law is None or law.blocks is None else law.blocks.slices
    count = outside * len(blocks)
    checks.memory(f"the rows of a student in R^{task.d}", 8 * task.d * (s + 2 * count), "")
    frame = np.zeros((count, task.d))
    for j in range(count):
        here = blocks[j // outside]
        frame[j, here] = compiled.normals(seed, replica, purpose, _OUTSIDE + j, task.d)[here]
    drawn = sampling.orthonormal_rows(np.concatenate([task.Q.T, frame]))[s:]
    return np.concatenate([task.Q.T, drawn])


def _rows(state: Floats, n: int, basis: Floats | None, constant: bool, parts: int = 1) -> Floats:
    """Rows (n, d) from P (n, s) and L (J, n, n), stored one after the other, or as they are.

    A constant is the first coordinate of S, which the basis does not have, and the last in R^d.
    """
    if basis is None:
        return state.reshape(n, -1)
    s, first = len(basis) - parts * n, int(constant)
    P, L = np.split(state, [n * (s + first)])
    P, L = P.reshape(n, -1), np.concatenate(L.reshape(parts, n, n), axis=1)
    rows = sampling.combine(P[:, first:], basis[:s]) + sampling.combine(L, basis[s:])
    return np.concatenate([rows, P[:, :first]], axis=1)
