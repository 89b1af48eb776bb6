"""What a teacher is, beside the base with ξ Σ_j c_j u_jᵀ: a function of its fields ⟨u_j, x⟩.

The directions u_j are the task's; a link says what the teacher makes of their fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.model.activation import Activation, savable

Floats = NDArray[np.float64]

#: The largest total degree of a term, and of a direction in it.
MOST_DEGREE = 64


@dataclass(frozen=True, eq=False)
class NetworkLink:
    """A two-layer network on the fields: f*(x) = Σ_i λ*_i σ*(⟨v_i, x⟩ + b*_i), v_i the directions.

    Attributes
    ----------
    weights : ndarray of shape (r,)
        Output weights λ*.
    activation : Activation
        σ*.
    biases : ndarray of shape (r,) or None
        b*.
    """

    kind: ClassVar[str] = "network"

    weights: Floats
    activation: Activation
    biases: Floats | None = None

    def __call__(self, fields: ArrayLike) -> Floats:
        """Evaluate it on fields (n, r) of the directions."""
        z = np.asarray(fields, dtype=np.float64)
        z = z if self.biases is None else z + self.biases
        return np.asarray(self.activation(z) @ self.weights)

    def __str__(self) -> str:
        count = len(self.weights)
        biased = "" if self.biases is None else " with biases"
        return f"{count} neuron{'s' if count > 1 else ''} {self.activation}{biased}"

    def scalars(self) -> dict[str, Any]:
        """Collect what defines it beside its arrays, ready for canonical JSON."""
        return {"kind": self.kind, "activation": self.activation.identity}

    def arrays(self) -> dict[str, Floats]:
        """Arrays that define it."""
        return {"link_weights": self.weights} | (
            {} if self.biases is None else {"link_biases": self.biases}
        )

    def about(self) -> dict[str, Any]:
        """Collect what a file says of it beside its arrays."""
        return {"kind": self.kind, "activation": savable(self.activation)}

    @property
    def shape(self) -> tuple[Any, ...]:
        """What those that share lanes have in common."""
        return (self.kind, self.activation.identity, self.biases is not None)

    @property
    def core(self) -> dict[str, Any]:
        """Fields of a ``TaskData``."""
        return {"link": self.kind, "weights": self.weights} | (
            {} if self.biases is None else {"biases": self.biases}
        )


@dataclass(frozen=True, eq=False)
class MultiIndexLink:
    """A series in products of normalised Hermite polynomials of the fields of orthonormal u_j.

    f*(x) = Σ_m a_m Π_j he_{p_mj}(⟨u_j, x⟩), he_p = He_p/√p!.

    Attributes
    ----------
    powers : ndarray of int of shape (terms, r)
        p_mj; no two rows alike.
    weights : ndarray of shape (terms,)
        a_m, so that E f*² = Σ a_m².
    """

    kind: ClassVar[str] = "multi_index"

    powers: NDArray[np.int32]
    weights: Floats

    @classmethod
    def parse(cls, terms: object) -> MultiIndexLink:
        """Make it from {powers: coefficient}; shorter powers are filled up with zeros."""
        if not isinstance(terms, Mapping) or not terms:
            raise TypeError(
                "terms must be a dict {(p_1, ..., p_r): coefficient}, not empty, "
                f"got {checks.describe(terms)}"
            )
        keys = [(one,) if isinstance(one, int) else one for one in terms]
        for one in keys:
            if not isinstance(one, tuple) or not one:
                raise TypeError(
                    f"terms must have tuples of degrees as keys, got {checks.describe(one)}"
                )
        most = max(map(len, keys))
        powers = np.zeros((len(keys), most), dtype=np.int32)
        for row, one in zip(powers, keys, strict=True):
            for j, p in enumerate(one):
                row[j] = checks.integer(f"terms: a degree in {one}", p, 0, MOST_DEGREE)
            if row.sum() > MOST_DEGREE:
                raise ValueError(
                    f"terms must have total degrees of at most {MOST_DEGREE}, got {one}"
                )
        order = np.lexsort(powers.T[::-1])
        powers = powers[order]
        if len(np.unique(powers, axis=0)) < len(powers):
            raise ValueError(f"terms must be different, got {list(terms)}")
        for j in range(most):
            if not powers[:, j].any():
                raise ValueError(f"terms must use every direction, but none has direction {j + 1}")
        weights = np.array([checks.real(f"terms[{one}]", terms[one]) for one in terms])[order]
        if not weights.any():
            raise ValueError("terms must have a nonzero coefficient: the teacher would be zero")
        return cls(powers, weights)

    def __call__(self, fields: ArrayLike) -> Floats:
        """Evaluate it on fields (n, r) of the directions."""
        t = np.asarray(fields, dtype=np.float64)
        table = [np.ones_like(t), t]
        for p in range(2, int(self.powers.max()) + 1):
            table.append((t * table[-1] - np.sqrt(p - 1) * table[-2]) / np.sqrt(p))
        total = np.zeros(len(t))
        for row, weight in zip(self.powers, self.weights, strict=True):
            total += weight * np.prod([table[p][:, j] for j, p in enumerate(row)], axis=0)
        return total

    def __str__(self) -> str:
        count = len(self.weights)
        return f"{count} term{'s' if count > 1 else ''} in {self.powers.shape[1]} directions"

    def scalars(self) -> dict[str, Any]:
        """Collect what defines it beside its arrays, ready for canonical JSON."""
        return {"kind": self.kind}

    def arrays(self) -> dict[str, Floats]:
        """Arrays that define it."""
        return {
            "link_weights": self.weights,
            "link_powers": self.powers.astype(np.float64),
        }

    def about(self) -> dict[str, Any]:
        """Collect what a file says of it beside its arrays."""
        return {"kind": self.kind}

    @property
    def shape(self) -> tuple[Any, ...]:
        """What those that share lanes have in common."""
        return (self.kind, self.powers.tobytes())

    @cached_property
    def core(self) -> dict[str, Any]:
        """Fields of a ``TaskData``."""
        return {
            "link": self.kind,
            "weights": self.weights,
            "powers": self.powers,
            "terms": len(self.weights),
        }


Link = NetworkLink | MultiIndexLink


def from_file(about: Any, arrays: Mapping[str, NDArray[Any]]) -> Link:
    """Make the link of a file again; ValueError says what is wrong with it."""
    kind = checks.choice("link", about["kind"], ("network", "multi_index"))
    weights = checks.array("link_weights", arrays["link_weights"], ("terms",))
    if kind == "network":
        biases = arrays.get("link_biases")
        if biases is not None:
            biases = checks.array("link_biases", biases, weights.shape)
        return NetworkLink(weights, Activation.parse(about["activation"]), biases)
    powers = checks.array("link_powers", arrays["link_powers"], (len(weights), "r"))
    terms = {tuple(int(p) for p in row): w for row, w in zip(powers, weights, strict=True)}
    return MultiIndexLink.parse(terms)


def moments(
    link: Link,
    activation: Activation,
    weights: Floats,
    covariance: Floats,
    fields: Floats,
    directions: Floats,
    means: tuple[Floats, Floats] | None = None,
    shift: float = 0.0,
) -> tuple[float, float]:
    """Exact E[(Σ_j w_j σ(z_j) − f* − shift)²] and a bound on its error.

    Parameters
    ----------
    link : NetworkLink or MultiIndexLink
    activation : Activation
        σ of the student.
    weights, covariance : ndarray, shapes (m,) and (m, m)
        w, and the covariance of z.
    fields, directions : ndarray, shapes (m, r) and (r, r)
        Covariances of z with the teacher's fields, and of these.
    means : pair of ndarray of shape (m,) and (r,), optional
        Of z and of the teacher's fields, to which a link's biases are added. None: all zero, and
        directions of a multi-index link are orthonormal.
    shift : float
        Only with means.
    """
    of_z, of_fields = (np.zeros(0), np.zeros(0)) if means is None else means
    r = fields.shape[1]
    task = compiled.TaskData(
        d=r,
        k=1,
        neurons=1,
        s=r,
        features_rank=0,
        rank=r,
        R=np.zeros((1, r)),
        a=np.eye(r),
        c=np.zeros((1, r)),
        lam=np.zeros(1),
        **link.core,
    )
    star = link.activation if isinstance(link, NetworkLink) else activation
    value, bound = compiled.link_loss(
        activation.core,
        task,
        star.core,
        np.ascontiguousarray(weights),
        np.ascontiguousarray(covariance),
        np.ascontiguousarray(fields),
        np.ascontiguousarray(directions),
        np.ascontiguousarray(of_z),
        np.ascontiguousarray(of_fields),
        shift,
    )
    return float(value), float(bound)
