"""The limit of infinite dimension, drawn over runs at finite d."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import theory
from lrft.model.training import Training
from lrft.result import provenance
from lrft.theory.cases import refuse_unknown

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]


def limit_curve(ds: xr.Dataset, index: int, start: float, last: float) -> tuple[Floats, Floats]:
    """Solve for |<û,u>| of a task of a result, from an overlap at step 0 to the step `last`.

    Where order parameters were recorded, of any student: from the start of the replica in the
    middle.
    """
    about = json.loads(ds.attrs["configuration"])
    training = Training.model_validate(about["training"])
    refuse_unknown(training)
    description = about["tasks"][index]
    stored = json.loads(ds.attrs.get("task_arrays", "{}"))
    task = provenance.restore_task(description, stored.get(description["content_hash"]))
    one: Any = ds.isel(task=index) if "task" in ds.dims else ds
    rate = float(one.learning_rate)
    if training.lr == "auto":
        training = training.replace(lr=rate)
    if {"M", "Q", training.student.own_name} <= set(one.data_vars):
        ranked = np.argsort(np.abs(one.overlap_u.isel(step=0).values))
        middle = one.isel(replica=int(ranked[len(ranked) // 2]))
        solution = theory.order_parameter_ode(task, training, middle, horizon=rate * last)
        return solution.time / rate, np.abs(solution.overlap_u)
    student = about["training"]["student"]
    c_init = student.get("c_init")
    given = c_init == "teacher" or not isinstance(c_init, str)
    constant = isinstance(training.lr, float)
    rank_one = training.student.spherical and not training.student.linearized
    if not (rank_one and given and constant):
        raise ValueError(
            "theory=True draws the order-parameter curve of a run with record_parameters=True, or "
            "of a rank-one student, not linearised, at a constant rate, whose ĉ starts where it is "
            "told: c_init='teacher' or an array"
        )
    if training.loss != "squared":
        raise ValueError(
            "theory=True without recorded order parameters draws the curve of the squared error, "
            f"got loss={training.loss!r}: run with record_parameters=True"
        )
    own = student.get("lr_c")
    solution = theory.order_parameter_ode(
        task,
        task.c if c_init == "teacher" else np.asarray(c_init),
        start,
        rate * task.d,
        horizon=rate * last,
        train_c=student["train_c"],
        orthogonal=student["orthogonal"],
        rate_c=1.0 if own is None else float(own) / rate,
        batch=training.batch,
    )
    return solution.time / rate, np.abs(solution.overlap_u)
