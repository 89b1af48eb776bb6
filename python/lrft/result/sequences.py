"""Results of `lrft.simulate_sequence`: losses on every task all along, forgetting and transfer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as Several
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.model.task import Task
from lrft.model.training import Training
from lrft.result import provenance
from lrft.result.variables import COORDINATES, SEQUENCE_VARIABLES, STATISTICS

if TYPE_CHECKING:
    import xarray as xr

Arrays = dict[str, NDArray[Any]]

_LOSS = "exact squared error on each task, E(f̂ − f*)², without label noise, at every record"
_OVERLAP = (
    "smallest singular value between the rows of the adapter that is trained and the directions of "
    "each task; NaN of a full network"
)
_OWN = "; of the stage and its task, the one that ends where two meet"
_ABOUT = {
    "loss": ("population loss", _LOSS),
    "overlap_u": ("overlap with u", _OVERLAP),
    "forgetting": (
        "forgetting",
        "loss on a task at the end, less that when its stage ended, over that at the start of the "
        "sequence",
    ),
    "transfer": (
        "transfer",
        "share of the loss on a task at the start of the sequence that is gone when its stage "
        "begins",
    ),
    "learned_loss": ("loss when learned", "loss on a task when its stage ended"),
    "learned_overlap_u": ("overlap when learned", f"when the stage of a task ended: {_OVERLAP}"),
    "final_loss": ("final population loss", "loss on a task at the end of the sequence"),
    "final_overlap_u": ("final overlap with u", f"at the end of the sequence: {_OVERLAP}"),
    "status": (
        "how the replica ended",
        "finished: all steps of all stages done; diverged, failed: as of lrft.simulate, in the "
        "stage at stop_step; interrupted: stopped by the user",
    ),
    "stop_step": ("steps done", "updates after which the replica stopped, of all stages together"),
}
_COORDINATES = {
    "step": ("step", "number of updates done since the start of the sequence"),
    "stage": ("stage", "number of the task that is learned; where two meet, that which ends"),
    "task": ("task", "number of the task, in the order in which they are learned"),
    "begins": ("step", "at which the stage of the task begins"),
    "learning_rate": ("learning rate", "rate η at the first step of the stage of the task"),
    "delta": ("η d", "learning_rate times d"),
} | {name: COORDINATES[name] for name in ("replica", "task_hash", "d", "k", "xi", "activation")}


class Places(NamedTuple):
    """Where the records of all stages are in a result."""

    step: NDArray[np.int64]  #: of each, from the start of the sequence
    stage: NDArray[np.int64]
    begins: NDArray[np.int64]  #: steps at which stages begin, and at which the last one ends
    ends: NDArray[np.int64]  #: the last record of each stage
    kept: NDArray[np.bool_]  #: where two stages meet, the record of the one that ends


def places(trainings: Several[Training]) -> Places:
    """Find the records of all stages, one after the other."""
    records = [one.record_steps for one in trainings]
    counts = [len(one) for one in records]
    begins = np.cumsum([0, *(one.steps for one in trainings)])
    stage = np.repeat(np.arange(len(records)), counts)
    step = np.concatenate(records) + begins[stage]
    kept = np.concatenate([[True], np.diff(step) > 0])
    return Places(step, stage, begins, np.cumsum(counts) - 1, kept)


def series_shapes(tasks: Several[Task], trainings: Several[Training]) -> dict[str, tuple[int, ...]]:
    """Shape of each series at one record: ``loss`` and ``overlap_u``, and what is asked for."""
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("loss", "overlap_u"), (len(tasks),))
    task, student = tasks[0], trainings[0].student
    n = student.rows(task)
    sizes = {"basis": task.R.shape[1], "row": n, "other_row": n, "neuron": task.k}
    for one in trainings:
        for name in (*one.recorded_losses, *one.recorded_parameters):
            dims = STATISTICS[name].dims
            if set(dims) <= set(sizes):  # inputs have no blocks
                shapes[name] = tuple(sizes[dim] for dim in dims)
    return shapes


def dims_of(name: str) -> tuple[str, ...]:
    """Dimensions of a variable of a result."""
    return SEQUENCE_VARIABLES.get(name) or ("replica", "step", *STATISTICS[name].dims)


def described(name: str) -> tuple[str, str]:
    """Return the name and the definition of a variable of a result."""
    if name in _ABOUT:
        return _ABOUT[name]
    return STATISTICS[name].long_name, STATISTICS[name].definition + _OWN


def empty(tasks: Several[Task], trainings: Several[Training], replicas: int) -> Arrays:
    """Make room for what is recorded, (replicas, records of all stages, ...), all NaN.

    Parameters
    ----------
    tasks : sequence of Task
    trainings : sequence of Training
    replicas : int

    Returns
    -------
    dict of ndarray
        ``loss`` and ``overlap_u`` over all tasks, and what else trainings ask for.
    """
    records = sum(len(one.record_steps) for one in trainings)
    shapes = series_shapes(tasks, trainings)
    return {name: np.full((replicas, records, *shape), np.nan) for name, shape in shapes.items()}


def assemble(
    tasks: Several[Task],
    trainings: Several[Training],
    series: Mapping[str, NDArray[Any]],
    *,
    status: list[str],
    stop_step: NDArray[np.int64],
    replicas: list[int],
    rates: Several[float],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Label what was recorded in all stages and attach where it came from.

    Parameters
    ----------
    tasks : sequence of Task
    trainings : sequence of Training
    series : mapping
        As `empty` makes it.
    status : list of str
    stop_step : ndarray of int64, shape (replicas,)
    replicas : list of int
    rates : sequence of float
        Of û, A or the rows at the first step of each stage.
    attrs : mapping
        ``between``, ``seed``, ``engine`` and ``threads`` are required; the rest is kept.

    Returns
    -------
    xarray.Dataset
        See `lrft.simulate_sequence`.
    """
    import xarray as xr

    at, numbers = places(trainings), np.arange(len(tasks))
    data: dict[str, Any] = {name: values[:, at.kept] for name, values in series.items()}
    for name in ("loss", "overlap_u"):
        values = series[name]
        data[f"learned_{name}"] = values[:, at.ends[numbers], numbers]
        data[f"final_{name}"] = values[:, at.ends[-1]]
    loss = series["loss"]
    first = loss[:, 0]
    begun = loss[:, np.concatenate([[0], at.ends[:-1]]), numbers]
    data |= {
        "forgetting": (data["final_loss"] - data["learned_loss"]) / first,
        "transfer": (first - begun) / first,
        # Through objects, so that the string width is that of the longest entry.
        "status": np.array(status).astype(object).astype(str),
        "stop_step": stop_step,
    }
    ds = xr.Dataset(
        {name: (dims_of(name), values) for name, values in data.items()},
        coords={
            "replica": np.array(replicas, dtype=np.int64),
            "step": at.step[at.kept],
            "task": numbers,
            "stage": ("step", at.stage[at.kept]),
            "begins": ("task", at.begins[:-1]),
            "task_hash": ("task", np.array([one.content_hash for one in tasks])),
            "d": tasks[0].d,
            "k": tasks[0].k,
            "xi": ("task", np.array([one.xi for one in tasks])),
            "activation": str(tasks[0].activation),
            "learning_rate": ("task", np.array(rates, dtype=np.float64)),
            "delta": ("task", np.array(rates, dtype=np.float64) * tasks[0].d),
        },
    )
    about = {name: described(name) for name in data} | _COORDINATES
    for name, (long_name, definition) in about.items():
        ds[name].attrs = {"long_name": long_name, "definition": definition}
        if ds[name].dtype.kind not in "UO":
            ds[name].attrs["units"] = "1"
    ds.attrs = {
        "title": "Low-rank fine-tuning: a sequence of tasks",
        "kind": "sequence",
        "schema_version": provenance.SCHEMA_VERSION,
        "created": provenance.now(),
        **provenance.environment(),
        "replicas": len(replicas),
        "configuration": json.dumps(
            {
                "tasks": [provenance.describe_task(one) for one in tasks],
                "trainings": [one.model_dump(mode="json") for one in trainings],
                "between": attrs["between"],
                "seed": attrs["seed"],
                "replicas": len(replicas),
                "engine": attrs["engine"],
            },
            sort_keys=True,
            allow_nan=False,
        ),
        **provenance.task_arrays(tasks),
        **attrs,
    }
    return ds
