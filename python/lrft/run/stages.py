"""What a student in the reduced space makes of every task of a sequence, and its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model.students import StudentModel
from lrft.model.task import Task
from lrft.theory.population import perturbation

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

_ABOUT = {
    "loss": "exact squared error on each task, E(f̂ − f*)², at every record",
    "overlap": "smallest singular value between the rows of the adapter that is trained and the "
    "directions of each task",
    "forgetting": "loss on a task at the end, less that when its stage ended, over that at the "
    "start of the sequence",
    "transfer": "share of the loss on a task at the start of the sequence that is gone when its "
    "stage begins",
}


class Frozen(NamedTuple):
    """An adapter that stays: what it adds to the base is own times rows."""

    own: Floats  #: (k, n), with its strength
    rows: Floats  #: (n, s + n) in S as it was then, and n directions beside it


class Network(NamedTuple):
    """A student's network in coordinates of S and of its rows' directions beside it."""

    V: Floats  #: (m, s + n)
    lam: Floats  #: (m,)
    rows: Floats  #: (n, s + n)


def network(
    task: Task, student: StudentModel, frozen: list[Frozen], rows: Floats, own: Floats, width: int
) -> Network:
    """Make the network of a student whose rows are P (n, width) and then L (n, n)."""
    n = student.rows(task)
    P, L = rows[: n * width].reshape(n, width), rows[n * width :].reshape(n, n)
    A = np.concatenate([P, L], axis=1)
    W = np.zeros((task.k, width + n))
    W[:, : task.R.shape[1]] = task.R
    for one in frozen:
        W[:, : one.rows.shape[1]] += one.own @ one.rows
    scale = student.specification(task, ambient=False).scale
    base, mix, lam = student.composition(W, task.lam, own, scale)
    return Network(base + mix @ A, lam, A)


def loss(task: Task, found: Network) -> float:
    """Compute the exact squared error of a network on a task, without label noise."""
    teacher = np.zeros((task.k, found.V.shape[1]))
    teacher[:, : task.R.shape[1]] = task.R + perturbation(task)
    both = task.neuron_scale * np.concatenate([teacher, found.V])
    weights = task.output_scale * np.concatenate([task.lam, -found.lam])
    with callbacks.raising(task.activation.guards):
        value, _ = compiled.expected_square(task.activation.core, weights, both @ both.T)
    return float(value)


def overlap(task: Task, found: Network) -> float:
    """How much of the task's directions the rows span: the smallest singular value."""
    u = np.zeros((task.rank, found.rows.shape[1]))
    u[:, : task.a.shape[1]] = task.a
    ours, theirs = (np.linalg.qr(X.T)[0] for X in (found.rows, u))
    return float(np.linalg.svd(ours.T @ theirs, compute_uv=False)[-1])


def labelled(
    losses: Floats,
    overlaps: Floats,
    status: list[str],
    replicas: list[int],
    records: list[NDArray[np.int64]],
    steps: list[int],
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Label what was recorded at the records of all stages, (replica, record, task)."""
    import xarray as xr

    stage = np.repeat(np.arange(len(records)), [len(one) for one in records])
    step = np.concatenate(records) + np.cumsum([0, *steps])[stage]
    # A stage begins where the one before has ended: one record of that.
    kept = np.concatenate([[True], np.diff(step) > 0])
    ends = np.cumsum([len(one) for one in records]) - 1
    tasks = np.arange(losses.shape[2])
    first, last = losses[:, 0], losses[:, ends[-1]]
    learned = losses[:, ends[tasks], tasks]
    begun = losses[:, np.concatenate([[0], ends[:-1]]), tasks]
    ds = xr.Dataset(
        {
            "loss": (("replica", "step", "task"), losses[:, kept]),
            "overlap": (("replica", "step", "task"), overlaps[:, kept]),
            "forgetting": (("replica", "task"), (last - learned) / first),
            "transfer": (("replica", "task"), (first - begun) / first),
            "status": (("replica",), np.array(status)),
        },
        coords={
            "replica": np.array(replicas),
            "step": step[kept],
            "task": tasks,
            "stage": ("step", stage[kept]),
        },
        attrs=attrs,
    )
    for name, definition in _ABOUT.items():
        ds[name].attrs = {"definition": definition, "units": "1"}
    return ds
