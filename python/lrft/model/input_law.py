"""What laws of inputs have in common: what they are in coordinates of a task, and their text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lrft.base import html

Floats = NDArray[np.float64]


class Blocks(NamedTuple):
    """Eigenvalue blocks of the covariance, consecutive coordinates of R^d."""

    sizes: tuple[int, ...]  #: coordinates of each
    inside: tuple[int, ...]  #: dimensions of S in each
    variances: tuple[float, ...]

    @property
    def slices(self) -> list[slice]:
        """The coordinates of R^d of each."""
        return _consecutive(self.sizes)

    @property
    def directions(self) -> list[slice]:
        """The directions of the law in each."""
        return _consecutive(self.inside)


def _consecutive(sizes: tuple[int, ...]) -> list[slice]:
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


@dataclass(frozen=True, eq=False)
class Law:
    """The law of x inside S: x ← x + Vᵀ(stretch ∘ (V x) + mean_c), shift_c added to the label."""

    V: Floats  #: (q, s)  orthonormal rows
    stretch: Floats  #: (q,)
    probabilities: Floats  #: (m,)  of the components c
    means: Floats  #: (m, q)
    shifts: Floats  #: (m,)
    #: Where the covariance has eigenvalue blocks: V is made of bases of S in each of them.
    blocks: Blocks | None = None

    def components_of(self, normals: Floats) -> NDArray[np.intp]:
        """Components of inputs, drawn by a normal each."""
        from scipy.special import ndtr

        ends = np.cumsum(self.probabilities)[:-1]
        found: NDArray[np.intp] = np.searchsorted(ends, ndtr(normals), side="right")
        return found

    @property
    def centred(self) -> bool:
        """Whether components have no means, nor shifts of their labels."""
        return not (self.means.any() or self.shifts.any())

    @property
    def complements(self) -> int:
        """Isotropic parts of what is outside S."""
        return 1 if self.blocks is None else len(self.blocks.sizes)


class Spanned(Protocol):
    """What a law asks of a task; `lrft.Task` is one."""

    d: int
    R: Floats
    a: Floats
    features_rank: int
    embedding_seed: int


class Inputs:
    """What all laws have in common."""

    #: Whether its text says all of it.
    has_text: bool = True

    def vectors(self, W: Floats, u: Floats) -> Floats:
        """Vectors (n, d) that S must have, beside given rows W and u."""
        raise NotImplementedError

    def widened(self, R: Floats, a: Floats, d: int) -> tuple[Floats, Floats]:
        """Coordinates of W and u with what the law adds to S as their last columns."""
        raise NotImplementedError

    def narrow(self, s: int) -> int:
        """Count the columns of R without those that the law has added, of s."""
        raise NotImplementedError

    def law(self, task: Spanned, given: tuple[Floats, Floats] | None) -> Law:
        """Find the law in the coordinates of a task.

        given: of given weights, the vectors that S has for it, (n, d) and in coordinates (n, s).
        """
        raise NotImplementedError

    def basis(self, task: Spanned) -> Floats | None:
        """Basis (s, d) of S, of a task in coordinates; None: uniformly distributed."""
        return None

    def scalars(self) -> dict[str, Any]:
        """Collect what defines it beside its arrays, ready for canonical JSON."""
        return {"kind": type(self).__name__}

    def arrays(self) -> dict[str, Floats]:
        """Arrays that define it."""
        return {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inputs) and _key(self) == _key(other)

    def __hash__(self) -> int:
        return hash(_key(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_listed(self._shown())})"

    def _repr_html_(self) -> str:
        return html.table(type(self).__name__, self._shown())

    def _shown(self) -> dict[str, Any]:
        raise NotImplementedError


def _key(inputs: Inputs) -> tuple[Any, ...]:
    scalars, arrays = inputs.scalars().items(), inputs.arrays().items()
    return (
        *sorted((n, tuple(v) if isinstance(v, list) else v) for n, v in scalars),
        *sorted((n, v.shape, (v + 0.0).tobytes()) for n, v in arrays),
    )


def number(value: float) -> str:
    """Write a number as laws do."""
    text = repr(float(value))
    return text.removesuffix(".0")


def _listed(values: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        if isinstance(value, str):
            return repr(value)
        if np.ndim(value) == 0:
            return number(value)
        if np.size(value) > 12:
            return f"array of shape {np.shape(value)}"
        if np.ndim(value) == 1:
            return "[" + ", ".join(map(number, value)) + "]"
        return "[" + ", ".join(shown(row) for row in value) + "]"

    return ", ".join(f"{name}={shown(value)}" for name, value in values.items())
