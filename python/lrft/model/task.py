"""Tasks: a base network, the perturbation to be learned, and the scales of the model.

A task lives in coordinates (d, R, a): the rows of W and u in an orthonormal basis of their
span.  Sampled tasks never hold a k×d matrix until ``W`` or ``u`` is asked for, so d may be 10^9.
"""

from __future__ import annotations

import inspect
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks, html
from lrft.model import task_files
from lrft.model.activation import Activation
from lrft.model.inputs import Inputs
from lrft.model.task_arguments import OPTIONS, check_options
from lrft.model.taught import Taught

Floats = NDArray[np.float64]


class Task(Taught):
    r"""A teacher network, a base with a low-rank perturbation, on Gaussian inputs.

    f*(x) = output_scale · Σ_i λ_i σ(neuron_scale · ⟨w_i + ξ c_i u, x⟩ + b_i), x ~ N(0, I_d).
    The base network f has the same λ, σ, b and W without the perturbation ξcuᵀ (Eqs. 1–3 of the
    paper, where b = 0).  The constructor takes given weights; see :meth:`sample`,
    :meth:`from_coordinates` and :meth:`hard_from_scratch` for the others, and :meth:`teacher`,
    :meth:`single_index` and :meth:`multi_index` for other teachers.  Tasks are immutable; arguments
    are copied.

    Parameters
    ----------
    W : array_like of shape (k, d)
        Features, one row a neuron.  Any rank, any norms.
    lam : array_like of shape (k,)
        Output weights λ, not all zero.
    c, u : array_like of shape (k,) and (d,), or (k, r) and (r, d)
        The perturbation.  For rank one both must have norm 1 within 1e-9; for rank r they are
        taken as given and the perturbation is ξ Σ_j c_j u_jᵀ.
    xi : float
        Strength ξ > 0.
    activation : str or Activation
        σ; see :meth:`lrft.Activation.parse`.
    biases : float or array_like of shape (k,), optional
        b of the neurons, of base and teacher alike; a number is that of every neuron. None by
        default: the networks have none.
    inputs : Spiked, Mixture, EigenBlocks or str, optional
        The law of the inputs inside S, the span of W, u and its own directions; None by default:
        the standard normal. As text ``"spiked u 2.0"``, ``"mixture beside -1 1"``, which may end
        in ``weights`` and ``labels`` with a number a component.
    normalization : {"none", "unit"}
        ``"unit"`` sets neuron_scale = 1/√(1+ξ²/k), which makes unit neurons for quantised c,
        u ⟂ W and ‖w_i‖ = 1 (Eq. 11).
    neuron_scale : float, optional
        Given directly instead of a normalisation; 1 by default.
    output_scale : float
        1 by default; the simulations of App. B use 1/ξ.
    noise : float
        Standard deviation of the label noise.

    Attributes
    ----------
    d, k, rank : int
        Input dimension, number of neurons, rank r of the perturbation.
    R : ndarray of shape (k, s)
        Coordinates of the rows of W: W = R Qᵀ with Q (d, s) orthonormal.
    a : ndarray of shape (r, s)
        Coordinates of u: u = a Qᵀ.
    features_rank : int
        ρ = rank W.  The first ρ coordinates span the rows of W: R[:, ρ:] = 0, and a[:, :ρ] is
        the part of u inside span(W).  Given weights: from the singular value decomposition,
        with singular values below max(k, d)·2^-52 of the largest counted as zero, and a part of
        u outside span(W) shorter than 1e-12 likewise.
    lam, c : ndarray of shape (k,), and (k,) or (k, r)
    xi, neuron_scale, output_scale, noise : float
    biases : ndarray of shape (k,) or None
    inputs : Spiked, Mixture, EigenBlocks or None
    activation : Activation
    normalization : str
    link : object or None
        What a teacher that is no perturbed base makes of the fields of u; None for one that is.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what was given and what was expected.  Arrays must be real and
        finite; integers and long doubles are taken only where float64 holds them exactly.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> W, u = np.eye(2, 4), np.eye(4)[3]
    >>> task = lrft.Task(W=W, lam=[1.0, -1.0], c=[0.6, 0.8], u=u, xi=1.0, activation="tanh")
    >>> task.d, task.k, task.features_rank, task.u_orthogonal
    (4, 2, 2, True)
    """

    def __init__(
        self,
        *,
        W: ArrayLike,
        lam: ArrayLike,
        c: ArrayLike,
        u: ArrayLike,
        xi: float,
        activation: str | Activation = "relu",
        biases: float | ArrayLike | None = None,
        inputs: Inputs | str | None = None,
        normalization: str = "none",
        neuron_scale: float | None = None,
        output_scale: float = 1.0,
        noise: float = 0.0,
    ) -> None:
        self._fill_given(
            W=W,
            lam=lam,
            c=c,
            u=u,
            xi=xi,
            activation=activation,
            biases=biases,
            inputs=inputs,
            normalization=normalization,
            neuron_scale=neuron_scale,
            output_scale=output_scale,
            noise=noise,
        )

    def _repr_html_(self) -> str:
        usual = {
            name: parameter.default
            for function in (type(self).__init__, type(self).sample)
            for name, parameter in inspect.signature(function).parameters.items()
        } | {"c": "quantized", "neuron_scale": 1.0}
        values = {name: getattr(self, name) for name in ("d", "k", "xi", *OPTIONS, "rank")}
        values |= {"activation": str(self.activation)} | self.labels
        always = ("d", "k", "xi")
        rows = {n: v for n, v in values.items() if n in always or not _same(v, usual.get(n, v))}
        rest = {name: value for name, value in values.items() if name not in rows}
        return html.table("Task", rows | {"hash": self.content_hash[:8]}, rest)

    def replace(self, **changes: Any) -> Task:
        """Make the same task with some arguments changed.

        Parameters
        ----------
        **changes
            lam, c, xi, activation, biases, inputs, normalization, neuron_scale, output_scale,
            noise; W and u for given weights; d and seed (of the basis) for a task in coordinates.
            Under ``normalization="unit"`` the neuron scale follows ξ.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            As for :class:`Task`, or if the name is not one of these.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=4, normalization="unit")
        >>> task.replace(xi=1.0, d=10**6).neuron_scale == 1 / 1.25**0.5
        True
        """
        own = {"W", "u"} if self.given else {"d", "seed"}
        if self.link is not None and "c" in changes:
            raise ValueError("c is of a perturbed base, and this teacher is none")
        check_options(changes, {"lam", "c", "xi"} | own)
        kept = {"lam", "c", "xi", "link", *OPTIONS} - {"neuron_scale"}
        current: dict[str, Any] = {name: getattr(self, name) for name in kept}
        if "neuron_scale" in changes:
            current["normalization"] = "none"
        elif self.normalization == "none" and changes.get("normalization") != "unit":
            current["neuron_scale"] = self.neuron_scale
        labels = self.labels | {name: "given" for name in ("c", "u") if name in changes}
        if self.given:
            task = type(self).__new__(type(self))
            task._fill_given(**({"W": self.W, "u": self.u} | current | changes))
            if "W" in changes:
                labels["features"] = "given"
            task.__dict__["labels"] = labels
            return task
        d = checks.integer("d", changes.pop("d", self.d), 1, checks.MAX_DIMENSION)
        if d < self.R.shape[1]:
            raise ValueError(f"d must be at least {self.R.shape[1]} for this task, got {d}")
        seed = checks.seed("seed", changes.pop("seed", self.embedding_seed))
        # Without what was added for the inputs, which may change.
        s = self.R.shape[1]
        s = s if self.inputs is None else self.inputs.narrow(s)
        R, a = self.R[:, :s], self.a[:, :s]
        return self._in_coordinates(d, R, a, self.features_rank, seed, labels, current | changes)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the task to a file; loading it is exact.

        Parameters
        ----------
        path : path
            Ends in ``.npz`` or ``.safetensors``.

        Raises
        ------
        ValueError
            For another suffix, a folder that cannot be written, or a custom activation.

        Examples
        --------
        >>> import tempfile, pathlib, lrft
        >>> task = lrft.Task.sample(d=100, k=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "task.npz"
        ...     task.save(path)
        ...     lrft.Task.load(path) == task
        True
        """
        task_files.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Task:
        """Read a task from a file.

        Parameters
        ----------
        path : path
            A file of :meth:`save`.

        Returns
        -------
        Task

        Raises
        ------
        ValueError
            Naming the path and the reason if the file is missing, truncated, edited or of
            another kind or version.

        Examples
        --------
        >>> import tempfile, pathlib, lrft
        >>> task = lrft.Task.sample(d=100, k=4, features="orthonormal")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "task.safetensors"
        ...     task.save(path)
        ...     lrft.Task.load(path).content_hash == task.content_hash
        True
        """
        return task_files.load(cls, path)


def _same(value: object, usual: object) -> bool:
    return value is usual or (not isinstance(value, np.ndarray) and value == usual)
