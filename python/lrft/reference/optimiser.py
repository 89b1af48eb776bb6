"""How the twin moves parameters along gradients: SGD, and what is usual beside a rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

__all__ = ["Mover"]


def _tangent(x: Array, g: Array) -> Array:
    """Take off g, row by row, its part along unit vectors x."""
    return np.asarray(g - x * np.sum(x * g, axis=-1, keepdims=True))


class Mover:
    """SGD with momentum, weight decay and gradients of a wanted length; `lrft.SGD` says the steps.

    Parameters
    ----------
    momentum, nesterov, weight_decay, normalise, clip
        As for `lrft.SGD`.

    Attributes
    ----------
    velocities : list of ndarray, of the shapes of the parameters
        As the last step left them: those of unit vectors are made tangent when they are next used.

    Examples
    --------
    >>> mover = Mover(momentum=0.5)
    >>> x = [np.array([1.0])]
    >>> x = mover.move(x, [np.array([1.0])], [0.1])
    >>> mover.move(x, [np.array([1.0])], [0.1])[0].round(3).tolist()
    [0.75]
    """

    def __init__(
        self,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        normalise: bool = False,
        clip: float | None = None,
    ) -> None:
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.normalise, self.clip = normalise, clip
        self.velocities: list[Array] = []

    def move(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        rates: Sequence[float],
        *,
        unit: bool | Sequence[bool] = False,
        still: Sequence[bool] = (),
    ) -> list[Array]:
        """Move parameters one step.

        Parameters
        ----------
        parameters, gradients : sequence of ndarray, of any shapes
            In pairs of one shape.
        rates : sequence of float
            One each.
        unit : bool or sequence of bool
            The parameters, or which of them, are unit vectors, or have them as rows: gradients and
            velocities lose their part along them.
        still : sequence of bool
            Which never move, and are no part of the gradient's length.

        Returns
        -------
        list of ndarray, of the shapes of the parameters

        Examples
        --------
        >>> Mover(clip=1.0).move([np.zeros(2)], [np.array([3.0, 4.0])], [1.0])[0].tolist()
        [-0.6..., -0.8...]
        """
        units = [unit] * len(parameters) if isinstance(unit, bool) else unit
        gradients = [
            _tangent(x, g) if on_sphere else g
            for x, g, on_sphere in zip(parameters, gradients, units, strict=True)
        ]
        if not self.velocities:
            self.velocities = [np.zeros_like(x) for x in parameters]
        still = still or [False] * len(parameters)
        moving = [g for g, stays in zip(gradients, still, strict=True) if not stays]
        scale = self._scale(moving)
        moved = []
        for i, (x, g, rate) in enumerate(zip(parameters, gradients, rates, strict=True)):
            if still[i]:
                moved.append(x)
                continue
            velocity = self.velocities[i]
            if units[i]:  # tangent at x, since x moved after it was
                velocity = _tangent(x, velocity)
            velocity = self.momentum * velocity + scale * g
            direction = scale * g + self.momentum * velocity if self.nesterov else velocity
            x = x - rate * (self.weight_decay * x + direction)
            if units[i]:
                x = x / np.linalg.norm(x, axis=-1, keepdims=True)
            self.velocities[i] = velocity
            moved.append(x)
        return moved

    def _scale(self, gradients: Sequence[Array]) -> float:
        length = float(np.sqrt(sum(np.sum(g**2) for g in gradients)))
        if self.normalise:
            return 1.0 / length if length > 0.0 else 0.0
        if self.clip is not None and length > self.clip:
            return self.clip / length
        return 1.0
