"""Where rows start, as the core reads it: drawn, in span(W, u), or given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.model import sampling
from lrft.model.input_law import Blocks

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]


def normal_rows(task: Task, std: float | None) -> dict[str, Any]:
    """Rows of normals, drawn by the core; of norm about 1 by default."""
    return {"init_rows": "uniform", "rows_std": task.d**-0.5 if std is None else std}


def rows_in_span(task: Task, coordinates: Floats, ambient: bool) -> dict[str, Any]:
    """Rows that start as the features do, or at zero: coordinates (n, s) in span(W, u)."""
    n = len(coordinates)
    if ambient:
        rows = task.W if coordinates is task.R else np.zeros((n, task.d))
        return {"rows_x": rows}
    complements = 1 if task.law is None else task.law.complements
    return {"rows_S": coordinates, "rows_rest": np.zeros((complements, n, n))}


def given_rows(task: Task, rows: Floats, ambient: bool) -> dict[str, Any]:
    """Rows (n, d): as they are, or their coordinates in S and a factor of what is left."""
    rows = np.ascontiguousarray(rows)
    if ambient:
        return {"rows_x": rows}
    basis = np.ascontiguousarray(task.Q.T)
    inside, rest = compiled.coordinates(rows, basis)
    if task.law is not None and task.law.blocks is not None:
        rest = _rest_of_blocks(rows, sampling.combine(task.law.V, basis), task.law.blocks)
    return {"rows_S": inside, "rows_rest": rest}


def _rest_of_blocks(rows: Floats, directions: Floats, blocks: Blocks) -> Floats:
    """Factors (J, n, n) of what rows have outside S in each block."""
    factors = []
    for here, there in zip(blocks.slices, blocks.directions, strict=True):
        own = np.ascontiguousarray(directions[there, here])
        if len(own) == 0:
            own = np.zeros((1, here.stop - here.start))
        factors.append(compiled.coordinates(np.ascontiguousarray(rows[:, here]), own)[1])
    return np.array(factors)
