"""From tasks and trainings to what the compiled core reads.

Each function makes one plain dictionary; bindings/spec.cpp is the other side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft import _core, schedule
from lrft.students import StudentModel
from lrft.students.starts import given_rows
from lrft.task import Task
from lrft.training import Training

Floats = NDArray[np.float64]

_NONE = np.empty(0)
AMBIENT_TILE = 128  # coordinates of an input that the ambient space holds at a time, if not all
NEVER_OVERLAP = 1e300  # not even rounding does, of a path about to overflow
NEVER_LOSS = -1.0


def smallest_reduced_dimension(task: Task, training: Training) -> int:
    """Return the least d at which the reduced space is exact for this task's shape."""
    rows = training.student.rows(task)
    start = rows if training.student.start_of_its_own else 0
    return int(task.R.shape[1]) + start + rows + min(rows, training.batch)


def task_spec(task: Task, ambient: bool) -> dict[str, Any]:
    """Describe a task; with `ambient`, with its arrays in R^d."""
    return {
        "d": float(task.d),
        "k": task.k,
        "neurons": task.k,
        "s": task.R.shape[1],
        "features_rank": task.features_rank,
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
    }


def described(
    tasks: list[Task], student: StudentModel, ambient: bool, seed: int, chains: list[dict[str, Any]]
) -> dict[str, Any]:
    """Describe tasks, students and chains, whose ``task`` counts in `tasks`.

    Where the rows of the start are features, every chain has a task of its own, and ``training``
    still says which it was.
    """
    if student.start_of_its_own:
        starts = [
            _with_start(tasks[chain["task"]], student, ambient, seed, chain["replica"])
            for chain in chains
        ]
        chains = [chain | {"task": i} for i, chain in enumerate(chains)]
        return {
            "tasks": [one for one, _ in starts],
            "students": [one for _, one in starts],
            "chains": chains,
        }
    return {
        "tasks": [task_spec(task, ambient) for task in tasks],
        "students": [student_spec(task, student, ambient) for task in tasks],
        "chains": chains,
    }


def _with_start(
    task: Task, student: StudentModel, ambient: bool, seed: int, replica: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Describe a task whose last features are the rows of the student's start."""
    n, (k, s) = student.rows(task), task.R.shape
    spec = student_spec(task, student, ambient)
    if spec["init_rows"] != "given":
        spec |= _drawn_rows(task, n, spec["rows_std"], ambient, seed, replica)
    rows = spec["rows_x"]
    inside = given_rows(task, rows, ambient=False) if ambient else spec
    coordinates = np.concatenate([inside["rows_S"], inside["rows_rest"]], axis=1)
    R = np.zeros((k + n, s + n))
    R[:k, :s] = task.R
    R[k:] = coordinates
    c = task.c.reshape(k, -1)
    return task_spec(task, ambient) | {
        "k": k + n,
        "s": s + n,
        "features_rank": 0,
        "R": R,
        "a": np.concatenate([task.a, np.zeros((task.rank, n))], axis=1),
        "c": np.concatenate([c, np.zeros((n, task.rank))]),
        "lam": np.concatenate([task.lam, np.zeros(n)]),
        "W": np.concatenate([task.W, rows]) if ambient else None,
    }, spec | {
        "start": k,
        "init_rows": "given",
        "rows_S": coordinates,
        "rows_rest": np.zeros((n, n)),
    }


def _drawn_rows(
    task: Task, n: int, std: float, ambient: bool, seed: int, replica: int
) -> dict[str, Any]:
    """Draw normal rows as the core does, in R^d or in coordinates."""

    def normals(size: int) -> Floats:
        values: Floats = _core.normals(seed, replica, _core.purposes["init_u"], 0, size)
        return std * values

    if ambient:
        return {"rows_x": normals(n * task.d).reshape(n, task.d)}
    s = task.R.shape[1]
    z = normals(n * (s + n))
    dof = task.d - s - np.arange(n, dtype=np.float64)
    diagonal = _core.chi(seed, replica, _core.purposes["init_chi"], 0, dof)
    return {
        "rows_S": z[: n * s].reshape(n, s),
        "rows_rest": np.tril(z[n * s :].reshape(n, n), -1) + np.diag(std * diagonal),
    }


def student_spec(task: Task, student: StudentModel, ambient: bool) -> dict[str, Any]:
    """Describe a student on this task."""
    spec = {
        "kind": student.kind,
        "rows": student.rows(task),
        "linearized": student.linearized,
        "start": 0,
        "project": False,
        "scale": 1.0,
        "rows_std": 1.0,
        "own_std": 1.0,
        "init_own": "given",
        "init_rows": "given",
        "own": _NONE,
        "rows_S": _NONE,
        "rows_rest": _NONE,
        "rows_x": None,
    }
    return spec | student.describe(task, ambient=ambient)


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
    """Describe a training whose rate of û, A or the rows has been settled to `lr`."""
    lr, lr_own = training.student.rates(lr)
    return {
        "steps": training.steps,
        "batch": training.batch,
        "lr": schedule_spec(lr),
        "lr_own": schedule_spec(lr_own),
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
        "final_overlap_u": _NONE,
        "final_overlap_c": _NONE,
        "final_loss": float("nan"),
        "state_step": 0,
        "rows": _NONE,
        "own": _NONE,
    }
