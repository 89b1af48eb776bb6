"""What tasks are made of, as arguments: names, checks of arrays, and recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.model.activation import Activation
from lrft.model.inputs import Inputs

Floats = NDArray[np.float64]

#: What every way to make a task takes by name.
OPTIONS = (
    "activation",
    "biases",
    "inputs",
    "normalization",
    "neuron_scale",
    "output_scale",
    "noise",
)


def frozen(values: Floats) -> Floats:
    """Return the values in C order, not to be written to."""
    values = np.ascontiguousarray(values)
    values.flags.writeable = False
    return values


def check_biases(name: str, biases: object, count: int) -> Floats:
    """Return biases (count,); a number is that of every neuron."""
    if np.isscalar(biases):
        return frozen(np.full(count, checks.real(name, biases)))
    return checks.array(name, biases, (count,))


def check_c(c: object, k: int) -> tuple[Floats, int]:
    """Return c as (k,) of norm 1, or (k, r) with r ≥ 2 nonzero columns; and its rank."""
    values = checks.array("c", c)
    if values.ndim == 1:
        values = checks.array("c", c, (k,))
        checks.unit("c", values)
        return values, 1
    if values.ndim != 2 or len(values) != k or values.shape[1] < 2:
        raise ValueError(
            f"c must have shape ({k},), or ({k}, r) for a perturbation of rank r >= 2, "
            f"got {values.shape}"
        )
    check_nonzero("c", values.T, "column")
    return values, values.shape[1]


def check_nonzero(name: str, rows: Floats, what: str) -> None:
    """Refuse a row, or whatever `what` calls it, of zeros."""
    for j, row in enumerate(rows):
        if not row.any():
            raise ValueError(f"{name} must not be zero, but {what} {j} is")


def recipe(function: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """Arguments as JSON has them; None where one is an array or compiled code."""
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, Activation):
            value = None if value.kind == "custom" else str(value)
        elif isinstance(value, Inputs):
            value = str(value) if value.has_text else None
        elif value is None:
            continue
        elif isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, bool | int | float | str):
            return None
        found[name] = value
    return {"function": function, **found}


def check_options(options: dict[str, Any], more: set[str] | None = None) -> None:
    """Refuse names that no task takes; `more` are those beside `OPTIONS`."""
    allowed = set(OPTIONS) | (more or set())
    for name in options:
        if name not in allowed:
            raise TypeError(f"unknown argument {name!r}: expected one of {sorted(allowed)}")
