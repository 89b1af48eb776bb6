"""Tasks whose teacher is no perturbed base: a network of its own, one neuron, a polynomial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.model import sampling
from lrft.model.activation import Activation
from lrft.model.drawn import Drawn
from lrft.model.links import Link, MultiIndexLink, NetworkLink
from lrft.model.task_arguments import check_biases, check_nonzero, recipe
from lrft.model.task_state import TaskBase
from lrft.model.weights import Weights

Floats = NDArray[np.float64]

DIRECTIONS = ("orthonormal", "sphere")


class Taught(Drawn):
    """The constructors of `lrft.Task` with any teacher."""

    @classmethod
    def teacher(
        cls,
        rows: str | ArrayLike = "orthonormal",
        *,
        width: int | None = None,
        lam_star: str | float | ArrayLike = "ones",
        sigma_star: str | Activation = "erf",
        biases_star: float | ArrayLike | None = None,
        d: int | None = None,
        base: TaskBase | Weights | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Self:
        r"""Make a task whose teacher is any two-layer network, f* = Σ_i λ*_i σ*(⟨v_i, x⟩ + b*_i).

        Parameters
        ----------
        rows : {"orthonormal", "sphere"} or array_like of shape (r, d)
            v_i: orthonormal and orthogonal to the base's W; independent and uniform on the unit
            sphere; or given, of any norms and angles. Scales of the teacher belong here.
        width : int, optional
            r, where the rows are drawn.
        lam_star : {"ones", "signs", "gaussian"}, float or array_like of shape (r,)
            λ*.
        sigma_star : str or Activation
            σ*, which may differ from that of the student.
        biases_star : float or array_like of shape (r,), optional
            b*; none by default.
        d : int, optional
            Input dimension, where neither `rows` nor `base` is given; any, since nothing of size
            d is made.
        base : Task, Weights or None
            The network that is fine-tuned: W, λ, σ and both scales. None: W = 0, as described by
            `options`, for learning from scratch.
        seed : int
            Of what is drawn, and of the basis.
        **options
            ``noise``, ``inputs`` as for `lrft.Task`, and ``xi``, the strength that `lrft.RankOne`
            multiplies its ĉ by, √k by default; and without a base what the student's network is:
            ``k`` neurons, 1 by default, ``lam``, 1/k by default, ``activation``, relu by default,
            ``biases``, none by default, ``neuron_scale`` and ``output_scale``.

        Returns
        -------
        Task
            Its ``u`` are the rows v_i, its ``c`` is zero, and its ``link`` has λ* and σ*.

        Raises
        ------
        TypeError, ValueError
            Naming the argument.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.teacher(d=10**6, width=2, sigma_star="erf", activation="erf")
        >>> task.rank, task.R.shape, str(task.link)
        (2, (1, 2), '2 neurons erf')
        """
        given: dict[str, Any] = {"rows": rows, "width": width, "lam_star": lam_star}
        given |= {"sigma_star": sigma_star, "biases_star": biases_star, "d": d, "base": base}
        given |= {"seed": seed, **options}
        star = Activation.parse(sigma_star)
        if isinstance(rows, str):
            checks.choice("rows", rows, DIRECTIONS)
            if width is None:
                raise TypeError("width must be given where the teacher's rows are drawn")
            count = checks.integer("width", width, 1)
        else:
            rows = checks.array("rows", rows, ("r", "d"))
            if width is not None and width != len(rows):
                raise ValueError(f"width must be the {len(rows)} rows that are given, got {width}")
            count = len(rows)
            check_nonzero("rows", rows, "row")
        weights = _output_weights(lam_star, count, checks.seed("seed", seed))
        if biases_star is not None:
            biases_star = check_biases("biases_star", biases_star, count)
        link = NetworkLink(weights, star, biases_star)
        return cls._taught(link, rows, count, d, base, seed, options, ("teacher", given))

    @classmethod
    def single_index(
        cls,
        sigma_star: str | Activation,
        u: str | ArrayLike = "orthogonal",
        *,
        biases_star: float | ArrayLike | None = None,
        d: int | None = None,
        base: TaskBase | Weights | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Self:
        r"""Make a task whose teacher is σ*(⟨u, x⟩ + b*), one neuron in a direction of norm 1.

        Parameters
        ----------
        sigma_star : str or Activation
            The link function σ*.
        u : "orthogonal" or array_like of shape (d,)
            Drawn, orthogonal to the base's W, or given with norm 1 ± 1e-9.
        biases_star : float, optional
            b*; none by default.
        d, base, seed, **options
            As for `teacher`.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            Naming the argument.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.single_index("he3", d=10**5)
        >>> training = lrft.Training(student=lrft.RankOne(), lr=1e-6, steps=0)
        >>> ds = lrft.simulate(task, training, replicas=1)
        >>> round(lrft.theory.population_loss(task, c_hat=[1.0], m=0.0), 3)
        1.5
        """
        given: dict[str, Any] = {
            "sigma_star": sigma_star,
            "u": u,
            "biases_star": biases_star,
            "d": d,
        }
        given |= {"base": base, "seed": seed, **options}
        rows: str | Floats = "orthonormal"
        if isinstance(u, str):
            checks.choice("u", u, ("orthogonal",))
        else:
            rows = checks.array("u", u, ("d",))[None, :]
            checks.unit("u", rows[0])
        star = Activation.parse(sigma_star)
        if biases_star is not None:
            biases_star = check_biases("biases_star", biases_star, 1)
        link = NetworkLink(np.ones(1), star, biases_star)
        return cls._taught(link, rows, 1, d, base, seed, options, ("single_index", given))

    @classmethod
    def multi_index(
        cls,
        terms: Mapping[tuple[int, ...], float],
        directions: str | ArrayLike = "orthonormal",
        *,
        d: int | None = None,
        base: TaskBase | Weights | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Self:
        r"""Make a task whose teacher is a polynomial in r orthonormal directions.

        f*(x) = Σ_m a_m Π_j he_{p_mj}(⟨u_j, x⟩) with normalised Hermite polynomials, so that E f*²
        is Σ a_m²: staircases, parities, leap functions (Abbe, Boix-Adserà and Misiakiewicz 2023).

        Parameters
        ----------
        terms : dict
            {(p_1, …, p_r): a}; shorter tuples are filled up with zeros. ``{(1,): 1.0, (1, 1): 1.0,
            (1, 1, 1): 1.0}`` is the staircase x₁ + x₁x₂ + x₁x₂x₃. Total degrees up to 64.
        directions : "orthonormal" or array_like of shape (r, d)
            Drawn, orthogonal to the base's W, or given, orthonormal within 1e-9.
        d, base, seed, **options
            As for `teacher`.

        Returns
        -------
        Task

        Raises
        ------
        TypeError, ValueError
            Naming the argument.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.multi_index({(1,): 1.0, (1, 1): 1.0, (1, 1, 1): 1.0}, d=1000)
        >>> task.rank, float(sum(task.link.weights**2))
        (3, 3.0)
        """
        link = MultiIndexLink.parse(terms)
        count = link.powers.shape[1]
        rows: str | Floats = "orthonormal"
        if isinstance(directions, str):
            checks.choice("directions", directions, ("orthonormal",))
        else:
            rows = checks.array("directions", directions, (count, "d"))
        return cls._taught(link, rows, count, d, base, seed, options, None)

    @classmethod
    def _taught(
        cls,
        link: Link,
        rows: str | Floats,
        count: int,
        d: int | None,
        base: object,
        seed: int,
        options: dict[str, Any],
        made_by: tuple[str, dict[str, Any]] | None,
    ) -> Self:
        """Put link, directions and base together, in coordinates where nothing is given."""
        seed = checks.seed("seed", seed)
        R, W, common = _base(base, options)
        known = [len(row) for row in (W, rows) if isinstance(row, np.ndarray) for row in row[:1]]
        if isinstance(base, TaskBase) and W is None:
            known.append(base.d)
        if d is not None:
            known.append(checks.integer("d", d, 1, checks.MAX_DIMENSION))
        if not known:
            raise TypeError("d must be given where neither the base nor the teacher's rows are")
        if len(set(known)) > 1:
            raise ValueError(f"d must be that of base and teacher, got {sorted(set(known))}")
        size, rho = known[0], R.shape[1]
        common |= {"link": link}
        labels = {"features": "given" if W is not None else "zero", "c": "none", "u": "given"}
        if isinstance(base, TaskBase):
            labels["features"] = base.labels["features"]
        if isinstance(rows, str):
            labels["u"] = rows
        if W is None and isinstance(rows, str):
            a = sampling.teacher_rows(rows, rho, size, count, seed)
            R = np.pad(R, ((0, 0), (0, a.shape[1] - rho)))
            task = cls._in_coordinates(size, R, a, rho, seed, labels, common)
            if made_by is not None:
                task.__dict__["recipe"] = recipe(*made_by)
            return task
        if W is None:
            W = np.zeros((len(R), size))
            if rho:
                W = sampling.combine(R, sampling.embedding(size, rho, base.embedding_seed))  # type: ignore[attr-defined]
        if isinstance(rows, str):
            rows = sampling.rows_beside(rows, W, count, seed)
        task = cls.__new__(cls)
        task._fill_given(W=W, u=rows[0] if count == 1 else rows, **common)
        task.__dict__["labels"] = labels
        return task


def _output_weights(value: object, count: int, seed: int) -> Floats:
    if isinstance(value, str):
        return sampling.output_weights(value, count, seed, step=1)
    if np.isscalar(value):
        return np.full(count, checks.real("lam_star", value))
    weights = checks.array("lam_star", value, (count,))
    if not weights.any():
        raise ValueError("lam_star must have a nonzero entry: the teacher would be zero")
    return weights


def _base(base: object, options: dict[str, Any]) -> tuple[Floats, Floats | None, dict[str, Any]]:
    """Coordinates (k, ρ) of the base's W, W itself where it is given, and what else it is."""
    names = ("lam", "activation", "biases", "neuron_scale", "output_scale")
    own = {"k", *names} if base is None else set()
    of_task = {"noise", "xi", "inputs"}
    for name in options:
        if name not in own | of_task:
            allowed = sorted(own | of_task)
            reason = "of the base, which is given" if name in {"k", *names} else "unknown"
            raise TypeError(f"argument {name!r} is {reason}: expected one of {allowed}")
    common: dict[str, Any] = {"normalization": "none", "noise": options.get("noise", 0.0)}
    common["inputs"] = options.get("inputs")
    W = None
    if base is None:
        k = checks.integer("k", options.get("k", 1), 1)
        lam = options.get("lam", 1.0 / k)
        common["lam"] = np.full(k, checks.real("lam", lam)) if np.isscalar(lam) else lam
        common |= {"activation": "relu", "neuron_scale": None, "output_scale": 1.0}
        common["biases"] = None
        common |= {name: options[name] for name in names[1:] if name in options}
        R = np.zeros((k, 0))
    elif isinstance(base, TaskBase):
        common |= {name: getattr(base, name) for name in names}
        R = base.R[:, : base.features_rank]
        W = base.W if base.given else None
    elif isinstance(base, Weights):
        if base.activation is None:
            raise ValueError("base must have an activation: these weights were made without one")
        if base.output_bias != 0.0:
            raise ValueError(
                f"base must have no output bias beside a teacher of its own, got "
                f"{base.output_bias:g}: dataclasses.replace(base, output_bias=0.0)"
            )
        common |= {name: getattr(base, name) for name in names if name != "biases"}
        common["biases"] = base.b
        W = checks.array("base.W", base.W, ("k", "d"))
        R = np.zeros((len(W), 0))
    else:
        raise TypeError(f"base must be a Task, Weights or None, got {checks.describe(base)}")
    default = base.xi if isinstance(base, TaskBase) else float(np.sqrt(len(R)))
    return R, W, common | {"xi": options.get("xi", default)}
