"""Which steps are recorded, and which levels are watched."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lrft.base import checks
from lrft.base.fields import AS_JSON, Model, checked, explain, plain

Integers = NDArray[np.int64]


class Geometric(Model):
    """Geometrically spaced records; made by `lrft.geometric`.

    Parameters
    ----------
    n : int
        Number of records, at least 2.

    Examples
    --------
    >>> import lrft
    >>> lrft.geometric(3).n
    3
    """

    kind: Literal["geometric"] = "geometric"
    n: Annotated[int, checked(lambda name, value: checks.integer(name, value, 2))]

    positional: ClassVar[tuple[str, ...]] = ("n",)

    def steps(self, last: int) -> Integers:
        """Return the recorded steps.

        Parameters
        ----------
        last : int
            The last step, at least 0.

        Returns
        -------
        ndarray of int64, shape (n,)
            n distinct steps from 0 to `last`; fewer only where there are no more.

        Examples
        --------
        >>> import lrft
        >>> lrft.geometric(4).steps(100).tolist()
        [0, 1, 10, 100]
        """
        if self.n > last:
            return np.arange(last + 1, dtype=np.int64)
        if self.n == 2:
            return np.array([0, last], dtype=np.int64)
        # Small steps collide when rounded, so take more points until n are distinct: the count
        # grows with the number of points, and a bisection finds where it reaches n.
        low, high = self.n - 2, 2 * self.n
        while len(_geometric_steps(high, last)) < self.n:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if len(_geometric_steps(middle, last)) < self.n:
                low = middle
            else:
                high = middle
        found = _geometric_steps(high, last)
        return np.delete(found, slice(1, 1 + len(found) - self.n))


def _geometric_steps(points: int, last: int) -> Integers:
    spaced = np.rint(np.geomspace(1.0, float(last), points)).astype(np.int64)
    return np.unique(np.concatenate([[0], np.minimum(spaced, last), [last]]))


def geometric(n: int) -> Geometric:
    """Record at n geometrically spaced distinct steps, 0 and the last included.

    Parameters
    ----------
    n : int
        At least 2.

    Returns
    -------
    Geometric
        For ``Training(record=...)``.

    Examples
    --------
    >>> import lrft
    >>> lrft.Training(lr=0.1, steps=1000, record=lrft.geometric(5)).record_steps.tolist()
    [0, 1, 10, 100, 1000]
    """
    return Geometric(n=n)


def _record(name: str, value: Any) -> Any:
    """Take a number of records, explicit steps or Geometric."""
    if isinstance(value, Geometric):
        return value
    if isinstance(value, dict):
        try:
            return Geometric.model_validate(value)
        except ValidationError as error:
            raise ValueError(f"{name}: {explain(error)}") from None
    if isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim):
        given = [checks.integer(name, step, 0) for step in value]
        if not given:
            raise ValueError(f"{name} must not be an empty list")
        if any(b <= a for a, b in pairwise(given)):
            raise ValueError(f"{name} must have strictly increasing steps")
        return tuple(given)
    return checks.integer(name, value, 2)


def _levels(name: str, value: Any) -> tuple[float, ...]:
    values = checks.array(name, value)
    if values.ndim != 1:
        raise ValueError(f"{name} must be a list of numbers, got shape {values.shape}")
    return tuple(values.tolist())


def _thresholds(name: str, value: Any) -> Any:
    given = _levels(name, value)
    for threshold in given:
        checks.real(name, threshold, above=0.0, maximum=1.0)
    if any(b <= a for a, b in pairwise(given)):
        raise ValueError(f"{name} must be strictly increasing, got {given}")
    return given


def _loss_thresholds(name: str, value: Any) -> Any:
    given = _levels(name, value)
    for threshold in given:
        checks.real(name, threshold, above=0.0)
    if len(set(given)) < len(given):
        raise ValueError(f"{name} must be distinct, got {given}")
    return given


#: Of a student, what is recorded where asked for; after the first three own parameters, and biases.
PARAMETERS = ("M", "Q", "norms", "c_hat", "B", "lam_hat", "biases")


def _parameters(name: str, value: Any) -> bool | tuple[str, ...]:
    """Take True, False or a list of names."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"{name} must be True, False or a list of {', '.join(PARAMETERS)}, "
            f"got {checks.describe(value)}"
        )
    given = {checks.choice(name, one, PARAMETERS) for one in value}
    if len(given) < len(value):
        raise ValueError(f"{name} must be distinct, got {checks.describe(list(value))}")
    return tuple(one for one in PARAMETERS if one in given) or False


RecordParameters = Annotated[bool | tuple[str, ...], plain(_parameters), AS_JSON]
Record = Annotated[int | tuple[int, ...] | Geometric, plain(_record), AS_JSON]
Thresholds = Annotated[tuple[float, ...], plain(_thresholds), AS_JSON]
LossThresholds = Annotated[tuple[float, ...], plain(_loss_thresholds), AS_JSON]
