"""Inputs with structure: a spiked covariance, a Gaussian mixture, blocks of eigenvalues.

Only the part of an input outside S = span(rows of W, rows of u, directions of its law) need be
standard normal for the reduced space to be exact; inside S the inputs may have any law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.model import sampling
from lrft.model.eigen_blocks import EigenBlocks
from lrft.model.input_law import Floats, Inputs, Law, Spanned, number

__all__ = ["EigenBlocks", "Inputs", "Law", "Mixture", "Spiked", "from_file", "parse_inputs"]

#: Where directions are in the task: its own, or one beside W and u.
NAMED = ("u", "features", "beside")


class Directed(Inputs):
    """A law along some directions."""

    directions: str | Floats

    @property
    def count(self) -> int | None:
        """How many directions its numbers are for; None where one is for all."""
        raise NotImplementedError

    def _parts(self, q: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Stretch (q), probabilities (m), means (m, q) and shifts (m)."""
        raise NotImplementedError

    @property
    def beside(self) -> int:
        """Directions beside W and u that have no other name."""
        return (self.count or 1) if self.named == "beside" else 0

    @property
    def named(self) -> str | None:
        """The name of the directions; None where they are given."""
        return self.directions if isinstance(self.directions, str) else None

    @property
    def has_text(self) -> bool:  # type: ignore[override]
        """Whether its text says all of it."""
        return self.named is not None

    def vectors(self, W: Floats, u: Floats) -> Floats:
        """Vectors (n, d) that S must have, beside given rows W and u."""
        d = W.shape[1]
        if self.named is None:
            return checks.array("inputs.directions", self.directions, ("q", d))
        if not self.beside:
            return np.zeros((0, d))
        return sampling.orthonormal_beside(np.concatenate([W, u]), self.beside)

    def widened(self, R: Floats, a: Floats, d: int) -> tuple[Floats, Floats]:
        """Coordinates of W and u with the directions beside them as their last columns."""
        if self.named is None:
            raise ValueError(
                "inputs.directions must be names where the task is in coordinates, got an array of "
                f"shape {np.shape(self.directions)}"
            )
        used = np.flatnonzero(R.any(axis=0) | a.any(axis=0))
        more = self.beside - (R.shape[1] - (int(used[-1]) + 1 if len(used) else 0))
        if more <= 0:  # of a file
            return R, a
        if R.shape[1] + more > d:
            raise ValueError(
                f"inputs with {self.beside} directions beside W and u need d >= "
                f"{R.shape[1] + more}, got d = {d}"
            )
        return np.pad(R, ((0, 0), (0, more))), np.pad(a, ((0, 0), (0, more)))

    def narrow(self, s: int) -> int:
        """Count the columns of R without those that the law has added, of s."""
        return s - self.beside

    def law(self, task: Spanned, given: tuple[Floats, Floats] | None) -> Law:
        """Find the law in the coordinates of a task."""
        R, a = task.R, task.a
        if given is not None and len(given[1]):
            V = sampling.orthonormal_rows(given[1].copy())
        elif self.named == "u":
            V = _orthonormal("directions='u'", a)
        elif self.named == "features":
            V = np.eye(task.features_rank, R.shape[1])
        else:
            V = np.eye(R.shape[1])[R.shape[1] - self.beside :]
        q = len(V)
        if q == 0:
            raise ValueError("inputs: directions='features' need W of rank 1 or more, got W = 0")
        if self.count not in (None, q):
            raise ValueError(
                f"inputs must have numbers for {q} direction{'s' if q > 1 else ''} "
                f"({self.named or 'given'}), got {self.count}: {self}"
            )
        return Law(V, *self._parts(q))

    def scalars(self) -> dict[str, Any]:
        """Collect what defines it beside its arrays, ready for canonical JSON."""
        return super().scalars() | {"directions": self.named or "given"}

    def arrays(self) -> dict[str, Floats]:
        """Arrays that define it."""
        return {} if self.named else {"inputs_directions": np.asarray(self.directions)}


class Spiked(Directed):
    """Inputs with the covariance I + Σ_j θ_j v_j v_jᵀ: a spiked covariance.

    Parameters
    ----------
    directions : {"u", "features", "beside"} or array_like of shape (q, d)
        v_j: the teacher's directions made orthonormal; an orthonormal basis of span(W); directions
        orthogonal to W and u, as many as there are strengths; or given, orthonormal within 1e-9,
        where the task is given in R^d.
    strengths : float or array_like of shape (q,)
        θ_j > −1: the variance along v_j is 1 + θ_j. A number is that of all.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what was expected.

    See Also
    --------
    lrft.Mixture

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=10**6, k=4, inputs=lrft.Spiked("u", 3.0))
    >>> task.inputs
    Spiked(directions='u', strengths=3)
    >>> lrft.theory.population_loss(task, c_hat=task.c, m=1.0) < 1e-12
    True
    """

    def __init__(self, directions: str | ArrayLike, strengths: float | ArrayLike) -> None:
        self.directions = _directions(directions)
        if np.ndim(strengths) == 0:
            strengths = checks.real("strengths", strengths, above=-1.0)
            self.strengths: float | Floats = strengths
            return
        self.strengths = checks.array("strengths", strengths, ("q",))
        if not len(self.strengths) or not (self.strengths > -1.0).all():
            raise ValueError(
                f"strengths must be above -1, one a direction, got {self.strengths.tolist()}"
            )

    @property
    def count(self) -> int | None:
        """How many directions its numbers are for; None where one is for all."""
        return None if isinstance(self.strengths, float) else len(self.strengths)

    def _parts(self, q: int) -> tuple[Floats, Floats, Floats, Floats]:
        theta = np.broadcast_to(np.asarray(self.strengths), (q,))
        # sqrt(1 + theta) - 1 without cancellation
        stretch = theta / (np.sqrt(1.0 + theta) + 1.0)
        return stretch, np.ones(1), np.zeros((1, q)), np.zeros(1)

    def arrays(self) -> dict[str, Floats]:
        """Arrays that define it."""
        if isinstance(self.strengths, float):
            return super().arrays()
        return super().arrays() | {"inputs_strengths": self.strengths}

    def scalars(self) -> dict[str, Any]:
        """Collect what defines it beside its arrays, ready for canonical JSON."""
        own = {"strength": self.strengths} if isinstance(self.strengths, float) else {}
        return super().scalars() | own

    def __str__(self) -> str:
        numbers = np.atleast_1d(np.asarray(self.strengths))
        return " ".join(["spiked", self.named or "given", *map(number, numbers)])

    def _shown(self) -> dict[str, Any]:
        return {"directions": self.directions, "strengths": self.strengths}


class Mixture(Directed):
    """Inputs from a Gaussian mixture: N(V μ_c, I) with probability p_c.

    Parameters
    ----------
    means : array_like of shape (m,) or (m, q)
        μ_c, in the coordinates of the directions; (m,) for one direction.
    weights : array_like of shape (m,), optional
        p_c, with the sum 1; all alike by default.
    labels : array_like of shape (m,), optional
        Added to the label f*(x) of an input of component c; none by default.
    directions : {"u", "features", "beside"} or array_like of shape (q, d)
        As for `lrft.Spiked`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what was expected.

    See Also
    --------
    lrft.Spiked

    Examples
    --------
    Two clusters apart in a direction that the teacher does not look at.

    >>> import lrft
    >>> task = lrft.Task.sample(d=10**6, k=4, inputs=lrft.Mixture([-1.0, 1.0]))
    >>> task.inputs
    Mixture(means=[-1, 1], directions='beside')
    >>> task.R.shape
    (4, 6)
    """

    def __init__(
        self,
        means: ArrayLike,
        weights: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        directions: str | ArrayLike = "beside",
    ) -> None:
        self.directions = _directions(directions)
        found = checks.array("means", means)
        if found.ndim == 1:
            found = found[:, None]
        self.means = checks.array("means", found, ("m", "q"))
        m, q = self.means.shape
        if m == 0 or q == 0:
            raise ValueError("means must have a component and a direction, got none")
        weights = np.full(m, 1.0 / m) if weights is None else weights
        self.weights = checks.array("weights", weights, (m,))
        total = float(self.weights.sum())
        if (self.weights < 0.0).any() or abs(total - 1.0) > 1e-9:
            raise ValueError(
                f"weights must be probabilities with the sum 1, got {self.weights.tolist()}"
            )
        self.labels = None if labels is None else checks.array("labels", labels, (m,))

    @property
    def count(self) -> int:
        """How many directions its numbers are for."""
        return int(self.means.shape[1])

    def _parts(self, q: int) -> tuple[Floats, Floats, Floats, Floats]:
        shifts = np.zeros(len(self.weights)) if self.labels is None else self.labels
        return np.zeros(q), self.weights, self.means, shifts

    def arrays(self) -> dict[str, Floats]:
        """Arrays that define it."""
        own = {"inputs_means": self.means, "inputs_weights": self.weights}
        labels = {} if self.labels is None else {"inputs_labels": self.labels}
        return super().arrays() | own | labels

    def __str__(self) -> str:
        parts = ["mixture", self.named or "given"]
        parts += [",".join(map(number, mean)) for mean in self.means]
        if (self.weights != 1.0 / len(self.weights)).any():
            parts += ["weights", *map(number, self.weights)]
        if self.labels is not None:
            parts += ["labels", *map(number, self.labels)]
        return " ".join(parts)

    def _shown(self) -> dict[str, Any]:
        means = self.means[:, 0] if self.count == 1 else self.means
        shown: dict[str, Any] = {"means": means}
        if (self.weights != 1.0 / len(self.weights)).any():
            shown["weights"] = self.weights
        if self.labels is not None:
            shown["labels"] = self.labels
        return shown | {"directions": self.directions}


def parse_inputs(inputs: object) -> Inputs | None:
    """Take a law of inputs, None, or its text as flags and TOML files have it.

    Parameters
    ----------
    inputs : Spiked, Mixture, EigenBlocks, str or None
        ``"spiked u 2.0"``: directions and strengths; ``"mixture beside -1 1"``: directions and
        means, those in several directions as ``0.5,-1``, then perhaps ``weights`` and as many
        numbers, ``labels`` and as many; ``"blocks 1 0.25"``: variances, then perhaps ``parts`` and
        as many numbers.

    Raises
    ------
    TypeError, ValueError
        For what is none of these.

    Examples
    --------
    >>> parse_inputs("mixture u -1 1 weights 0.3 0.7 labels 0 2")
    Mixture(means=[-1, 1], weights=[0.3, 0.7], labels=[0, 2], directions='u')
    >>> parse_inputs("blocks 1 0.25")
    EigenBlocks(variances=[1, 0.25])
    """
    if inputs is None or isinstance(inputs, Inputs):
        return inputs
    if not isinstance(inputs, str):
        raise TypeError(
            f"inputs must be a Spiked, a Mixture or an EigenBlocks, got {checks.describe(inputs)}"
        )
    kind, *words = inputs.split() or [""]
    least = {"spiked": 2, "mixture": 2, "blocks": 1}
    if kind not in least or len(words) < least[kind]:
        raise _unread(inputs)
    if kind == "blocks":
        groups = _numbers(inputs, words, ("parts",))
        return EigenBlocks(_single(inputs, groups[""]), _optional(inputs, groups, "parts"))
    directions = checks.choice("inputs", words[0], NAMED)
    groups = _numbers(inputs, words[1:], ("weights", "labels") if kind == "mixture" else ())
    if kind == "spiked":
        strengths = _single(inputs, groups[""])
        return Spiked(directions, strengths[0] if len(strengths) == 1 else strengths)
    if len({len(one) for one in groups[""]}) != 1:
        raise ValueError(f"inputs must have means of one size, got {inputs!r}")
    weights, labels = (_optional(inputs, groups, name) for name in ("weights", "labels"))
    return Mixture(groups[""], weights, labels, directions)


def _unread(inputs: str) -> ValueError:
    return ValueError(
        "inputs must be as 'spiked u 2.0', 'mixture beside -1 1 weights 0.5 0.5' or 'blocks 1 0.25 "
        f"parts 0.5 0.5', got {inputs!r}"
    )


def _numbers(inputs: str, words: list[str], names: tuple[str, ...]) -> dict[str, list[list[float]]]:
    """Read words as numbers, those as "0.5,-1" as several; by the name that stands before them."""
    groups: dict[str, list[list[float]]] = {"": []}
    name = ""
    for word in words:
        if word in names:
            if word in groups:
                raise _unread(inputs)
            name = word
            groups[name] = []
            continue
        try:
            groups[name].append([float(x) for x in word.split(",")])
        except ValueError:
            raise _unread(inputs) from None
    if not all(groups.values()):
        raise _unread(inputs)
    return groups


def _single(inputs: str, numbers: list[list[float]]) -> list[float]:
    if any(len(one) != 1 for one in numbers):
        raise _unread(inputs)
    return [one[0] for one in numbers]


def _optional(inputs: str, groups: dict[str, list[list[float]]], name: str) -> list[float] | None:
    return _single(inputs, groups[name]) if name in groups else None


def from_file(about: Any, arrays: Mapping[str, NDArray[Any]]) -> Inputs:
    """Make the law of a file again; ValueError says what is wrong with it."""
    kind = checks.choice("inputs", about["kind"], ("Spiked", "Mixture", "EigenBlocks"))
    if kind == "EigenBlocks":
        return EigenBlocks(about["variances"], about["parts"])
    directions = about["directions"]
    if directions == "given":
        directions = arrays["inputs_directions"]
    if kind == "Spiked":
        if "strength" in about:
            return Spiked(directions, about["strength"])
        return Spiked(directions, arrays["inputs_strengths"])
    return Mixture(
        arrays["inputs_means"], arrays["inputs_weights"], arrays.get("inputs_labels"), directions
    )


def _directions(directions: object) -> str | Floats:
    if isinstance(directions, str):
        return checks.choice("directions", directions, NAMED)
    rows = checks.array("directions", directions)
    rows = checks.array("directions", rows[None, :] if rows.ndim == 1 else rows, ("q", "d"))
    gap = float(np.abs(rows @ rows.T - np.eye(len(rows))).max(initial=0.0))
    if len(rows) == 0 or gap > 1e-9:
        raise ValueError(
            "directions must be orthonormal rows (tolerance 1e-9), "
            f"got inner products off by {gap:.3g}"
        )
    return rows


def _orthonormal(name: str, rows: Floats) -> Floats:
    if np.linalg.matrix_rank(rows) < len(rows):
        raise ValueError(f"inputs: {name} need linearly independent directions of the teacher")
    return sampling.orthonormal_rows(rows.copy())
