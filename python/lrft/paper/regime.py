"""An activation and how ξ goes with k: what claims and findings are measured over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lrft import Task
from lrft.paper.drawing import style

__all__ = ["Regime"]

#: Those that are measured at both strengths.
ACTIVATIONS = ("relu", "sigmoid", "he2", "he3")


@dataclass(frozen=True)
class Regime:
    """An activation at ξ = 1 or at ξ = √k.

    Parameters
    ----------
    activation : str
    regime : {"1", "sqrt"}

    Examples
    --------
    >>> relu = Regime("relu", "sqrt")
    >>> relu.name, relu.label, relu.xi(9)
    ('relu sqrt', 'relu, ξ = √k', 3.0)
    """

    activation: str
    regime: str

    @property
    def name(self) -> str:
        """Its name in data."""
        return f"{self.activation} {self.regime}"

    @property
    def label(self) -> str:
        """Its name in a sentence."""
        return f"{self.activation}, ξ = {'1' if self.regime == '1' else '√k'}"

    @property
    def shown(self) -> str:
        """Its name in a picture."""
        xi = r"\xi = 1" if self.regime == "1" else r"\xi = \sqrt{k}"
        return f"{style.ACTIVATIONS[self.activation]}, ${xi}$"

    @property
    def marker(self) -> str:
        """Its points in a picture."""
        return "o" if self.regime == "1" else "s"

    @property
    def colour(self) -> str:
        """Its colour in a picture of several activations."""
        return dict(zip(ACTIVATIONS, style.PALETTE, strict=False))[self.activation]

    def xi(self, k: int) -> float:
        """ξ at a width."""
        return 1.0 if self.regime == "1" else math.sqrt(k)

    def task(self, d: int, k: int, seed: int, **more: Any) -> Task:
        """Draw a task with orthonormal features of unit length."""
        return Task.sample(
            d=d,
            k=k,
            xi=self.xi(k),
            activation=self.activation,
            features="orthonormal",
            normalization="unit",
            seed=seed,
            **more,
        )
