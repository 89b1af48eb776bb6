"""A two-layer network as arrays: a base before training, a student after it.

One class for both, so that what a run hands back can be the base of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft import _checks, _core, sampling
from lrft.activation import Activation

if TYPE_CHECKING:
    from lrft.students import StudentModel
    from lrft.task import Task

Floats = NDArray[np.float64]

__all__ = ["Weights", "from_chain", "merged"]

#: Steps of the stream "embedding" from here on are directions outside S; below, the basis of S.
_OUTSIDE = 2**20


@dataclass(frozen=True, eq=False)
class Weights:
    """A network f(x) = output_scale · Σ_i λ_i σ(neuron_scale ⟨w_i, x⟩), a base or a trained one.

    Attributes
    ----------
    W : ndarray of shape (k, d)
        Of a trained network: what was trained is merged into it.
    lam : ndarray of shape (k,)
    activation : Activation, str or None
        None where a file does not say.
    neuron_scale, output_scale : float
        1 where a file does not say.
    factors : mapping of str to ndarray
        The low-rank part of a trained network: ``u_hat`` (d,) and ``c_hat`` (k,), both of norm
        1, with W = W_base + ξ c_hat u_hatᵀ (Eq. 4); or ``A`` (r, d) and ``B`` (k, r), with
        W = W_base + scale B A. Empty otherwise.

    See Also
    --------
    lrft.load_weights, lrft.from_state_dict, lrft.Simulation.trained

    Examples
    --------
    >>> import numpy as np, lrft
    >>> lrft.Weights(np.eye(2), np.ones(2)).output_scale
    1.0
    """

    W: Floats
    lam: Floats
    activation: Activation | str | None = None
    neuron_scale: float = 1.0
    output_scale: float = 1.0
    factors: Mapping[str, Floats] = field(default_factory=dict)

    def predict(self, X: ArrayLike) -> Floats:
        """Evaluate the network.

        Parameters
        ----------
        X : array_like of shape (n, d)

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        TypeError, ValueError
            For another shape, numbers that are not finite, and without an activation.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> lrft.Weights(np.eye(2), np.ones(2), "relu").predict([[1.0, -3.0]]).tolist()
        [1.0]
        """
        if self.activation is None:
            raise ValueError("activation is not known: these weights were made without one")
        X = _checks.array("X", X, ("n", np.shape(self.W)[1]))
        hidden = Activation.parse(self.activation)(self.neuron_scale * (X @ np.transpose(self.W)))
        return np.asarray(self.output_scale * (hidden @ self.lam))

    def state_dict(self, dtype: str = "float64", framework: str = "numpy") -> dict[str, Any]:
        """Return the state dict of PyTorch's ``Sequential(Linear, activation, Linear)``.

        Both scales are multiplied into the weights. Neither layer has a bias.

        Parameters
        ----------
        dtype : {"float64", "float32"}
        framework : {"numpy", "torch"}
            What the entries are: arrays, or tensors, for which PyTorch is imported.

        Returns
        -------
        dict
            ``"0.weight"`` of shape (k, d) and ``"2.weight"`` of shape (1, k).

        Raises
        ------
        ValueError
            For another dtype or framework, or a weight that float32 cannot hold.
        ImportError
            If PyTorch is asked for and missing.

        Notes
        -----
        Exact, and `lrft.from_state_dict` its inverse to the bit, for float64 and scales that are
        powers of two; another scale rounds every weight once.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> state = lrft.Weights(np.eye(2), np.ones(2), neuron_scale=0.5).state_dict()
        >>> state["0.weight"].tolist(), state["2.weight"].shape
        ([[0.5, 0.0], [0.0, 0.5]], (1, 2))
        """
        from lrft import interop

        return interop.state_dict(self, dtype, framework)

    def to_torch(self, dtype: str = "float64") -> Any:
        """Make the PyTorch module ``Sequential(Linear, activation, Linear)``.

        Parameters
        ----------
        dtype : {"float64", "float32"}
            Of its parameters.

        Returns
        -------
        torch.nn.Sequential
            Without biases, both scales multiplied into the weights; maps (n, d) to (n, 1).

        Raises
        ------
        ValueError
            If the activation is not known or PyTorch has no module for it: where it has one,
            `lrft.Activation.facts` names it.
        ImportError
            If PyTorch is missing.

        Notes
        -----
        PyTorch's softplus is the identity above 20, off by up to 2e-9.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> lrft.Weights(np.eye(2), np.ones(2), "erf").to_torch()
        Traceback (most recent call last):
        ...
        ValueError: PyTorch has no module for the activation erf: take state_dict() and your own
        """
        from lrft import interop

        return interop.to_torch(self, dtype)

    def save(self, path: str | PathLike[str], layout: str = "lrft", dtype: str = "float64") -> None:
        """Write the network to a file.

        Parameters
        ----------
        path : path
            Ends in ``.npz`` or ``.safetensors``, or for ``layout="torch"`` in
            ``.safetensors``, ``.pt`` or ``.pth``.
        layout : {"lrft", "torch"}
            Arrays W, lam, the factors and both scales, for `lrft.load_weights`; or a state dict
            for PyTorch, which `lrft.from_state_dict` reads too.
        dtype : {"float64", "float32"}
            Of the state dict.

        Raises
        ------
        ValueError
            For another suffix, layout or dtype, a folder that cannot be written, or a custom
            activation.
        ImportError
            If PyTorch is missing and the file is ``.pt`` or ``.pth``.

        Examples
        --------
        >>> import tempfile, pathlib, lrft
        >>> import numpy as np
        >>> network = lrft.Weights(np.eye(2), np.ones(2), "tanh")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "trained.safetensors"
        ...     network.save(path, layout="torch")
        ...     str(lrft.from_state_dict(path).activation)
        'tanh'
        """
        from lrft import interop

        interop.save(self, path, layout, dtype)


def merged(
    base: Weights, student: StudentModel, rows: Floats, own: Floats, *, xi: float | None = None
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
    >>> from lrft.network import merged
    >>> base = lrft.Weights(np.zeros((1, 2)), np.ones(1))
    >>> merged(base, lrft.RankOne(), np.array([[0.0, 1.0]]), np.ones(1), xi=3.0).W.tolist()
    [[0.0, 3.0]]
    """
    if student.linearized:
        raise ValueError(
            "a linearised student is the expansion of a network, not a network: "
            "there are no merged weights"
        )
    W, lam, factors = student.merged(base.W, base.lam, rows, own, xi)
    return Weights(W, lam, base.activation, base.neuron_scale, base.output_scale, factors)


def ended(chains: list[dict[str, Any]], task: int, replica: int) -> dict[str, Any]:
    """Find the chain of a replica that has a trained network; ValueError says why it has none."""
    found = [c for c in chains if (c["task"], c["replica"]) == (task, replica)]
    if not found:
        raise ValueError(f"replica must be one of this run's, got {replica}")
    (chain,) = found
    if chain["status"] not in ("converged", "finished"):
        raise ValueError(
            f"replica {replica} is {chain['status']} at step {chain['step']}: "
            "only one that has converged or finished has a trained network"
        )
    return chain


def from_chain(
    task: Task, student: StudentModel, chain: Mapping[str, Any], *, ambient: bool, seed: int
) -> Weights:
    """Make the weights of a replica that has ended, from what the core keeps of it.

    In the reduced space only the coordinates of the rows in S and a factor L of what lies outside
    are known; given these the outside part is L E, E uniform among the orthonormal frames
    orthogonal to S. E is drawn from the replica's own address, so the weights have exactly the law
    of those in R^d and are the same whenever they are asked for.
    """
    if ambient:
        rows = np.reshape(chain["rows"], (-1, task.d))
    else:
        rows = _lifted(task, np.asarray(chain["rows"]), seed, int(chain["replica"]))
    base = Weights(task.W, task.lam, task.activation, task.neuron_scale, task.output_scale)
    return merged(base, student, rows, np.asarray(chain["own"]), xi=task.xi)


def _lifted(task: Task, state: Floats, seed: int, replica: int) -> Floats:
    """Rows (n, d) from P (n, s) and L (n, n), stored one after the other."""
    s = task.R.shape[1]
    # n s + n² numbers
    n = round((np.sqrt(s * s + 4.0 * state.size) - s) / 2.0)
    P, L = state[: n * s].reshape(n, s), state[n * s :].reshape(n, n)
    _checks.memory(f"the rows of a student in R^{task.d}", 8 * task.d * (s + 2 * n), "")
    basis = task.Q.T
    purpose = _core.purposes["embedding"]
    frame = [_core.normals(seed, replica, purpose, _OUTSIDE + j, task.d) for j in range(n)]
    outside = sampling.orthonormal_rows(np.concatenate([basis, frame]))[s:]
    return sampling.combine(P, basis) + sampling.combine(L, outside)
