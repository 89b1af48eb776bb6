"""Tasks that are drawn, or made from coordinates: the ways to a `lrft.Task` without its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from lrft.base import checks, interrupts
from lrft.model import sampling
from lrft.model.activation import Activation
from lrft.model.inputs import Inputs
from lrft.model.task_arguments import OPTIONS, check_c, check_nonzero, check_options, recipe
from lrft.model.task_state import TaskBase

FEATURES = ("sphere", "orthonormal", "zero")


class Drawn(TaskBase):
    """The constructors of `lrft.Task` that hold no k×d matrix."""

    if TYPE_CHECKING:

        def __init__(self, **given: Any) -> None: ...  # that of `lrft.Task`

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
        biases: float | ArrayLike | None = None,
        inputs: Inputs | str | None = None,
        normalization: str = "none",
        neuron_scale: float | None = None,
        output_scale: float = 1.0,
        noise: float = 0.0,
        rank: int = 1,
        seed: int = 0,
    ) -> Self:
        """Draw a random task, in O(k²) memory whatever d.

        Parameters
        ----------
        d, k : int
            Input dimension and number of neurons.
        xi : float, optional
            Strength ξ; √k by default, the paper's regime.
        activation, biases, inputs, normalization, neuron_scale, output_scale, noise
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
        given |= {"d": d, "k": k, "rank": rank, "seed": seed}
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
        R = sampling.widened(R, features, a.shape[1])
        task = cls._in_coordinates(d, R, a, rho, seed, labels, common)
        task.__dict__["recipe"] = recipe("sample", given)
        return task

    @classmethod
    def paper(
        cls,
        d: int = 2000,
        k: int = 50,
        xi: float | None = None,
        *,
        features: str = "sphere",
        c: str | ArrayLike | None = "sphere",
        normalization: str = "unit",
        output_scale: float | None = None,
        **options: Any,
    ) -> Self:
        """Draw the task of the paper's simulations (App. B), which `lrft run` learns too.

        Parameters
        ----------
        d, k, xi, features, c, normalization
            As for `sample`; the paper's by default.
        output_scale : float, optional
            1/ξ for sphere features by default, else 1.
        **options
            What else `sample` takes.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            As `sample`.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.paper()
        >>> task.d, task.k, round(task.xi, 2), round(task.output_scale * task.xi, 9)
        (2000, 50, 7.07, 1.0)
        """
        given = dict(
            features=features, c=c, normalization=normalization, output_scale=1.0, **options
        )
        if output_scale is not None:
            return cls.sample(d, k, xi, **(given | {"output_scale": output_scale}))
        if features == "sphere":
            k = checks.integer("k", k, 1)
            xi = float(np.sqrt(k)) if xi is None else checks.real("xi", xi, above=0.0)
            given["output_scale"] = 1.0 / xi
        return cls.sample(d, k, xi, **given)

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
    ) -> Self:
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
            activation, biases, inputs, normalization, neuron_scale, output_scale and noise.

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
    def hard_from_scratch(cls, d: int, k: int, degree: int = 3, *, seed: int = 0) -> Self:
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
