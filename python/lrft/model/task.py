"""Tasks: a base network, the perturbation to be learned, and the scales of the model.

A task lives in coordinates (d, R, a): the rows of W and u in an orthonormal basis of their
span.  Sampled tasks never hold a k×d matrix until ``W`` or ``u`` is asked for, so d may be 10^9.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks, interrupts
from lrft.model import sampling, task_files
from lrft.model.activation import Activation
from lrft.model.task_state import OPTIONS, TaskBase, check_c, check_nonzero, check_options, recipe

Floats = NDArray[np.float64]

FEATURES = ("sphere", "orthonormal", "zero")


class Task(TaskBase):
    r"""A teacher network, a base with a low-rank perturbation, on Gaussian inputs.

    f*(x) = output_scale · Σ_i λ_i σ(neuron_scale · ⟨w_i + ξ c_i u, x⟩), x ~ N(0, I_d).
    The base network f has the same λ, σ and W without the perturbation ξcuᵀ (Eqs. 1–3 of the
    paper).  The constructor takes given weights; see :meth:`sample`, :meth:`from_coordinates`
    and :meth:`hard_from_scratch` for the others.  Tasks are immutable; arguments are copied.

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
    activation : Activation
    normalization : str

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
            normalization=normalization,
            neuron_scale=neuron_scale,
            output_scale=output_scale,
            noise=noise,
        )

    @classmethod
    def sample(
        cls,
        d: int,
        k: int,
        xi: float | None = None,
        *,
        activation: str | Activation = "relu",
        features: str = "sphere",
        c: str | ArrayLike | None = None,
        u: str | ArrayLike = "orthogonal",
        parallel: float | None = None,
        lam: str | float | ArrayLike | None = None,
        normalization: str = "none",
        neuron_scale: float | None = None,
        output_scale: float = 1.0,
        noise: float = 0.0,
        rank: int = 1,
        seed: int = 0,
    ) -> Task:
        """Draw a random task, in O(k²) memory whatever d.

        Parameters
        ----------
        d, k : int
            Input dimension and number of neurons.
        xi : float, optional
            Strength ξ; √k by default, the paper's regime.
        activation, normalization, neuron_scale, output_scale, noise
            As for :class:`Task`.
        features : {"sphere", "orthonormal", "zero"}
            ``"sphere"``: w_i independent and uniform on the unit sphere of R^d (App. B), drawn
            exactly through their triangular factor.  ``"orthonormal"``: Assumption A4, d ≥ k.
            ``"zero"``: W = 0, single-index regression.
        c : {"quantized", "sphere"} or array_like of shape (k,) or (k, rank), optional
            ``"quantized"``, the default: uniform on {±1/√k}^k (A3).  ``"sphere"``: uniform on
            the unit sphere (App. B).  The default for zero features and rank one is 1/√k.
        u : "orthogonal" or array_like of shape (d,) or (rank, d)
            ``"orthogonal"``: orthonormal directions outside span(W) (A2), except for
            `parallel`.  A given u makes the k×d matrix W at once.
        parallel : float, optional
            ‖Π_W u‖ in [0, 1], as in Fig. 5; the direction inside span(W) is uniform.
        lam : {"ones", "signs", "gaussian"}, float or array_like of shape (k,), optional
            Output weights; ones by default, 1/k for zero features.  A number gives λ_i = lam.
        rank : int
            Rank of the perturbation; the directions u_j are orthonormal.
        seed : int
            In [0, 2^64).  Every part has a stream of its own: c and λ do not change with d, and
            feature i does not change with k.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            Naming the argument; also where d is too small for what is asked.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=10**7, k=16, normalization="unit", seed=1)
        >>> task.R.shape, task.a.shape, task.xi
        ((16, 17), (1, 17), 4.0)
        """
        given = {name: value for name, value in locals().items() if name != "cls"}
        d = checks.integer("d", d, 1, checks.MAX_DIMENSION)
        k = checks.integer("k", k, 1)
        rank = checks.integer("rank", rank, 1)
        seed = checks.seed("seed", seed)
        features = checks.choice("features", features, FEATURES)
        checks.memory(
            f"the factor of {k} features", 16 * k * (min(d, k) + rank), "take a smaller k"
        )
        xi = float(np.sqrt(k)) if xi is None else xi
        zero = features == "zero"
        labels = {"features": features, "c": c if isinstance(c, str) else "given"}
        if c is None and zero and rank == 1:
            c, labels["c"] = np.full(k, 1.0 / np.sqrt(k)), "constant"
        elif c is None:
            c = labels["c"] = "quantized"
        if isinstance(c, str):
            c = sampling.perturbation_c(c, k, rank, seed)
        c, columns = check_c(c, k)
        if columns != rank:
            raise ValueError(f"c must have {rank} columns (rank = {rank}), got shape {c.shape}")
        lam = (1.0 / k if zero else "ones") if lam is None else lam
        if isinstance(lam, str):
            lam = sampling.output_weights(lam, k, seed)
        elif np.isscalar(lam):
            lam = np.full(k, checks.real("lam", lam))
        R = sampling.features(features, d, k, seed)
        rho = R.shape[1]
        common: dict[str, Any] = {name: given[name] for name in OPTIONS}
        common |= {"lam": lam, "c": c, "xi": xi}
        if not isinstance(u, str):
            if parallel is not None:
                raise ValueError("parallel is for u='orthogonal': give u or parallel, not both")
            W = sampling.combine(R, sampling.embedding(d, rho, seed))
            task = cls(W=W, u=u, **common)
            task.labels.update(labels)
            return task
        checks.choice("u", u, ("orthogonal",))
        level = checks.real("parallel", parallel or 0.0, minimum=0.0, maximum=1.0)
        labels["u"] = f"parallel {level:g}" if level else "orthogonal"
        a = sampling.directions(rho, d, rank, level, seed)
        R = np.pad(R, ((0, 0), (0, a.shape[1] - rho)))
        task = cls._in_coordinates(d, R, a, rho, seed, labels, common)
        task.__dict__["recipe"] = recipe("sample", given)
        return task

    @classmethod
    def from_coordinates(
        cls,
        d: int,
        R: ArrayLike,
        a: ArrayLike,
        *,
        lam: ArrayLike,
        c: ArrayLike,
        xi: float,
        seed: int = 0,
        **options: Any,
    ) -> Task:
        """Make a task from coordinates: any Gram matrix of the features, at any d.

        Parameters
        ----------
        d : int
            Input dimension, at least s.
        R : array_like of shape (k, s)
            Coordinates of the rows of W in an orthonormal basis; with ρ = rank R, the columns
            from ρ on must be zero.
        a : array_like of shape (r, s)
            Coordinates of u, the part orthogonal to span(W) in the columns from ρ on.  Norm 1
            within 1e-9 for r = 1.
        lam, c, xi
            As for :class:`Task`.
        seed : int
            Of the uniformly distributed basis Q, used only when W or u is asked for.
        **options
            activation, normalization, neuron_scale, output_scale and noise.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            As for :class:`Task`.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.from_coordinates(10**6, [[1, 0, 0], [0.6, 0.8, 0]], [[0, 0, 1]],
        ...                                   lam=[1, 1], c=[0.6, 0.8], xi=1.0)
        >>> task.gram.tolist()
        [[1.0, 0.6], [0.6, 1.0]]
        """
        d = checks.integer("d", d, 1, checks.MAX_DIMENSION)
        rows = checks.array("R", R, ("k", "s"))
        size = rows.shape[1]
        if d < size:
            raise ValueError(f"d must be at least the {size} columns of R, got {d}")
        directions = checks.array("a", a, ("r", size))
        if len(directions) == 1:
            checks.unit("a", directions[0])
        check_nonzero("a", directions, "row")
        rho = int(interrupts.aside(np.linalg.matrix_rank, rows))
        if rows[:, rho:].any():
            raise ValueError(f"R has rank {rho}, so its columns from {rho} on must be zero")
        check_options(options)
        labels = {"features": "given", "c": "given", "u": "given"}
        common = dict(lam=lam, c=c, xi=xi, **options)
        seed = checks.seed("seed", seed)
        return cls._in_coordinates(d, rows, directions, rho, seed, labels, common)

    @classmethod
    def hard_from_scratch(cls, d: int, k: int, degree: int = 3, *, seed: int = 0) -> Task:
        """Make a task hard to learn from scratch and easy to fine-tune (Claim 2, Theorem 3).

        λ_i = 1, ξ = 1, σ = he_degree, quantised c, unit w_i with ⟨w_i, w_j⟩ = −c_i c_j, u ⟂ W
        and unit neurons, so that the perturbed neurons are orthonormal.  The Gram matrix
        (1+1/k)I − ccᵀ is positive definite, with the symmetric root used for R.

        Parameters
        ----------
        d, k : int
            d ≥ k + 1 suffices (the paper's explicit construction needs d > 1 + k(k+1)/2).
        degree : int
            From 1 to 64; the theorem is for degree > 2.
        seed : int
            Of c and the basis.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            If d < k + 1, or an argument is out of range.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> task = lrft.Task.hard_from_scratch(d=100, k=4)
        >>> V = task.neuron_scale * (task.R + np.outer(task.c, task.a[0]))
        >>> bool(np.allclose(V @ V.T, np.eye(4)))
        True
        """
        k = checks.integer("k", k, 1)
        d = checks.integer("d", d, k + 1, checks.MAX_DIMENSION)
        degree = checks.integer("degree", degree, 1)
        seed = checks.seed("seed", seed)
        c = sampling.perturbation_c("quantized", k, 1, seed)
        # Eigenvalue 1/k along c, 1 + 1/k elsewhere.
        large, small = np.sqrt(1.0 + 1.0 / k), np.sqrt(1.0 / k)
        root = large * np.eye(k) + (small - large) * np.outer(c, c)
        R = np.pad(root, ((0, 0), (0, 1)))
        a = np.zeros((1, k + 1))
        a[0, k] = 1.0
        common = dict(lam=np.ones(k), c=c, xi=1.0, activation=f"he{degree}", normalization="unit")
        labels = {"features": "hard", "c": "quantized", "u": "orthogonal"}
        task = cls._in_coordinates(d, R, a, k, seed, labels, common)
        given = {"d": d, "k": k, "degree": degree, "seed": seed}
        task.__dict__["recipe"] = recipe("hard_from_scratch", given)
        return task

    def replace(self, **changes: Any) -> Task:
        """Make the same task with some arguments changed.

        Parameters
        ----------
        **changes
            lam, c, xi, activation, normalization, neuron_scale, output_scale, noise; W and u
            for given weights; d and seed (of the basis) for a task in coordinates.  Under
            ``normalization="unit"`` the neuron scale follows ξ.

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
        check_options(changes, {"lam", "c", "xi"} | own)
        kept = {"lam", "c", "xi", *OPTIONS} - {"neuron_scale"}
        current: dict[str, Any] = {name: getattr(self, name) for name in kept}
        if "neuron_scale" in changes:
            current["normalization"] = "none"
        elif self.normalization == "none" and changes.get("normalization") != "unit":
            current["neuron_scale"] = self.neuron_scale
        labels = self.labels | {name: "given" for name in ("c", "u") if name in changes}
        if self.given:
            task = type(self)(**({"W": self.W, "u": self.u} | current | changes))
            if "W" in changes:
                labels["features"] = "given"
            task.__dict__["labels"] = labels
            return task
        d = checks.integer("d", changes.pop("d", self.d), 1, checks.MAX_DIMENSION)
        if d < self.R.shape[1]:
            raise ValueError(f"d must be at least {self.R.shape[1]} for this task, got {d}")
        seed = checks.seed("seed", changes.pop("seed", self.embedding_seed))
        return self._in_coordinates(
            d, self.R, self.a, self.features_rank, seed, labels, current | changes
        )

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
