"""From tasks and trainings to what the compiled core reads.

Each function makes one plain dictionary; bindings/spec.cpp is the other side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft import schedule
from lrft.students import RankOne, is_named
from lrft.task import Task
from lrft.training import Training

Floats = NDArray[np.float64]

_NONE = np.empty(0)
AMBIENT_TILE = 128  # coordinates of an input that the ambient space holds at a time, if not all
NEVER_OVERLAP = 2.0  # no |overlap| reaches it
NEVER_LOSS = -1.0


def smallest_reduced_dimension(task: Task, training: Training) -> int:
    """Return the least d at which the reduced space is exact for this task's shape."""
    rows = 1
    return int(task.R.shape[1]) + rows + min(rows, training.batch)


def task_spec(task: Task, ambient: bool) -> dict[str, Any]:
    """Describe a task; with `ambient`, with its arrays in R^d."""
    rho = task.features_rank
    pinv = np.linalg.pinv(task.R[:, :rho]) if ambient and rho else np.empty((0, task.k))
    return {
        "d": float(task.d),
        "k": task.k,
        "s": task.R.shape[1],
        "features_rank": rho,
        "rank": task.rank,
        "R": task.R,
        "a": task.a,
        "c": task.c,
        "lam": task.lam,
        "xi": task.xi,
        "neuron_scale": task.neuron_scale,
        "output_scale": task.output_scale,
        "noise": task.noise,
        "W": task.W if ambient else None,
        "u": np.atleast_2d(task.u) if ambient else None,
        "pinv": np.ascontiguousarray(pinv),
    }


def student_spec(task: Task, student: RankOne, ambient: bool) -> dict[str, Any]:
    """Describe a rank-one student on this task."""
    own = _NONE
    init_own = "given"
    if is_named(student.c_init, "teacher"):
        own = task.c
    elif isinstance(student.c_init, str):
        init_own = student.c_init
    else:
        own = student.c_init
    in_basis, rest = _NONE, _NONE
    u0: Floats | None = None
    init_rows = "given"
    if isinstance(student.u_init, str):
        init_rows = student.u_init
    else:
        u0 = student.u_init
        if not ambient:
            # The coordinates of û₀ in S and the length of the rest, from the rest itself: the
            # difference 1 - |coordinates|^2 would leave 1e-8 of a û₀ inside S.
            in_basis = u0 @ task.Q
            rest = np.array([np.linalg.norm(u0 - task.Q @ in_basis)])
            if student.orthogonal:
                in_basis[: task.features_rank] = 0.0
    return {
        "rows": 1,
        "spherical": True,
        "train_own": student.train_c,
        "project": student.orthogonal,
        "init_own": init_own,
        "init_rows": init_rows,
        "own": np.ascontiguousarray(own),
        "rows_S": in_basis,
        "rows_rest": rest,
        "rows_x": u0 if ambient else None,
    }


def schedule_spec(lr: float | schedule.Schedule) -> dict[str, Any]:
    """Describe a learning rate."""
    spec = {
        "kind": "constant",
        "rate": 0.0,
        "scale": 1.0,
        "factor": 1.0,
        "every": 1.0,
        "values": _NONE,
    }
    if isinstance(lr, schedule.Array):
        return spec | {"kind": "array", "values": np.asarray(lr.values, dtype=np.float64)}
    if isinstance(lr, schedule.InverseTime):
        return spec | {"kind": "inverse_time", "rate": lr.lr, "scale": lr.t0}
    if isinstance(lr, schedule.Step):
        return spec | {
            "kind": "step",
            "rate": lr.lr,
            "factor": lr.factor,
            "every": float(lr.every),
        }
    return spec | {"rate": lr.lr if isinstance(lr, schedule.Constant) else float(lr)}


def training_spec(training: Training, lr: float | schedule.Schedule) -> dict[str, Any]:
    """Describe a training whose rate of û has been settled to `lr`."""
    lr_own = getattr(training.student, "lr_c", None)
    return {
        "steps": training.steps,
        "batch": training.batch,
        "lr": schedule_spec(lr),
        "lr_own": schedule_spec(lr if lr_own is None else lr_own),
        "stop_at": NEVER_OVERLAP if training.stop_at is None else training.stop_at,
        "stop_loss": NEVER_LOSS if training.stop_loss is None else training.stop_loss,
        "record": training.record_steps.tolist(),
        "thresholds": np.asarray(training.thresholds, dtype=np.float64),
        "loss_thresholds": np.asarray(training.loss_thresholds, dtype=np.float64),
    }


def new_chain(task: int, replica: int, training: Training) -> dict[str, Any]:
    """Describe a replica that has not begun."""
    return {
        "task": task,
        "training": task,
        "replica": replica,
        "status": "waiting",
        "step": 0,
        "overlap_u": _NONE,
        "overlap_c": _NONE,
        "loss": _NONE,
        "hits": [-1] * len(training.thresholds),
        "loss_hits": [-1] * len(training.loss_thresholds),
        "last_overlap": 0.0,
        "state_step": 0,
        "rows": _NONE,
        "own": _NONE,
    }
