"""What a fit gives back: errors, how it ended, and the students themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.core.engine import compiled
from lrft.fitting.arguments import base_task
from lrft.fitting.samples import Samples, Stream
from lrft.model.sizes import Sizes
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.model.weights import Weights
from lrft.result import provenance
from lrft.result.variables import STATISTICS, VARIABLES
from lrft.run.chains import ON_THEIR_WAY
from lrft.run.trained import merged

if TYPE_CHECKING:
    import xarray as xr


Floats = NDArray[np.float64]

_TEXT = {
    "train_loss": (
        "training loss",
        "mean of (f̂(x) - y)^2, or of the loss that the training says, over the samples since the "
        "last record, each before its update; NaN at step 0 and after the replica stopped",
    ),
    "validation_loss": (
        "validation loss",
        "mean of (f̂(x) - y)^2, or of the loss that the training says, over the validation samples; "
        "NaN without any, and after the replica stopped",
    ),
    "averaged_validation_loss": (
        "validation error of the average",
        "validation_loss of the student whose parameters are the mean of those at all steps from "
        "`average` to this one, that of the student itself before",
    ),
    "status": (
        "how the replica ended",
        "converged: stop_loss was met, or patience was at its end; finished: all steps done; "
        "diverged: squared errors, rows and own parameters of a step above 1e300 or no numbers, "
        "or a validation error that is not finite; interrupted: stopped by the user; failed: a "
        "Python function that is its activation raised, as the attribute failure says",
    ),
    "stop_step": ("steps done", "updates after which the replica stopped"),
    "kept_step": ("step of the student", "updates after which the student is as handed back"),
    "u_hat": ("û", "direction of the perturbation ξ ĉ ûᵀ, of norm 1"),
    "c_hat": ("ĉ", "weights of the perturbation ξ ĉ ûᵀ, of norm 1"),
    "A": ("A", "rows of the perturbation scale · B A"),
    "B": ("B", "columns of the perturbation scale · B A"),
    "W": ("W", "neurons of the student"),
    "lam": ("λ", "output weights of the student"),
    "b": ("b", "biases of the student"),
    "X": ("inputs", "samples that the student was fitted to, as they were given"),
    "y": ("labels", "of the samples"),
    "validation_X": ("validation inputs", "held-out samples, as they were given"),
    "validation_y": ("validation labels", "of the held-out samples"),
}


def kept_samples(train: Samples | Stream, held_out: Samples | None) -> dict[str, NDArray[Any]]:
    """Copy samples for `assemble`; nothing of a stream, or of over 64 MiB."""
    if isinstance(train, Stream):
        return {}
    parts = {"": train} | ({} if held_out is None else {"validation_": held_out})
    if sum(part.X.nbytes + part.y.nbytes for part in parts.values()) > provenance.MOST_ARRAY_BYTES:
        return {}
    arrays: dict[str, NDArray[Any]] = {}
    for prefix, part in parts.items():
        arrays |= {f"{prefix}X": np.array(part.X), f"{prefix}y": np.array(part.y)}
    return arrays


def assemble(
    task: Task,
    training: Training,
    chains: list[compiled.Chain],
    samples: dict[str, NDArray[Any]],
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Label what the core recorded and attach where it came from, the samples as `kept_samples`."""
    import xarray as xr

    steps = training.record_steps
    if training.steps == checks.MAX_STEPS:  # a stream: those that there were
        steps = np.array(sorted({s for c in chains for s in _steps(c, training)}), dtype=np.int64)
    count = len(chains)
    names = ["train_loss", "validation_loss"]
    if training.average is not None:
        names.append("averaged_validation_loss")
    shapes = Sizes.of(task, training, ambient=True, watch="errors").records
    recorded = {
        name: np.full((count, len(steps), *shapes[name]), np.nan)
        for name in (*names, *training.recorded_parameters)
    }
    parameters = training.student.parameters(task)
    students = {name: np.full((count, *shape), np.nan) for name, (_, shape) in parameters.items()}
    for i, chain in enumerate(chains):
        at = np.searchsorted(steps, _steps(chain, training))
        for name, values in recorded.items():
            values[i, at] = chain.records[name].reshape(-1, *shapes[name])
        if chain.kept_step >= 0:
            kept = training.student.arrays(task, chain.kept_rows, chain.kept_own)
            for name, values in kept.items():
                students[name][i] = values
    status = ["interrupted" if c.status in ON_THEIR_WAY else c.status for c in chains]
    data: dict[str, Any] = {
        **{name: (("replica", "step", *_dims(name)), v) for name, v in recorded.items()},
        "status": (("replica",), np.array(status, dtype=str)),
        "stop_step": (("replica",), np.array([c.step for c in chains], dtype=np.int64)),
        "kept_step": (("replica",), np.array([c.kept_step for c in chains], dtype=np.int64)),
    }
    text = _TEXT | {name: VARIABLES[name][1:] for name in training.recorded_parameters}
    for name, (dims, _) in parameters.items():
        of = f"kept_{name}" if name in data else name
        data[of], text[of] = (("replica", *dims), students[name]), _TEXT[name]
    for name, values in samples.items():
        dims = (f"{name[:-1]}sample", "input")
        data[name] = (dims[: values.ndim], values)
    replica = np.array([c.replica for c in chains], dtype=np.int64)
    ds = xr.Dataset(data, coords={"replica": replica, "step": steps})
    for key, variable in ds.data_vars.items():
        long_name, definition = text[str(key)]
        variable.attrs = {"long_name": long_name, "definition": definition}
    ds.attrs = {
        "title": "Low-rank fine-tuning: a fit to given samples",
        "kind": "fit",
        "schema_version": provenance.SCHEMA_VERSION,
        "created": provenance.now(),
        **provenance.environment(),
        "replicas": count,
        "configuration": json.dumps(
            {
                "base": provenance.describe_task(task),
                "training": training.model_dump(mode="json"),
            },
            sort_keys=True,
        ),
        **provenance.task_arrays([task]),
        **attrs,
    }
    return ds


def _dims(name: str) -> tuple[str, ...]:
    """Dimensions of one record, beside the replica and the step."""
    return STATISTICS[name].dims if name in STATISTICS else ()


def _steps(chain: compiled.Chain, training: Training) -> list[int]:
    """List the steps of the chain's records; of a stream, the last one is where it ended."""
    plan = training.record_steps.tolist()
    count = chain.recorded
    if count and plan[count - 1] > chain.step:
        return [*plan[: count - 1], chain.step]
    return list(plan[:count])


def merge_weights(base: Task | Weights, ds: xr.Dataset, replica: int = 0) -> Weights:
    """Make the network of a fitted student, to be used, saved or fitted again.

    Parameters
    ----------
    base : Task or Weights
        What was given to `fit`.
    ds : xarray.Dataset
        As `fit` returns it.
    replica : int
        Index of the replica.

    Returns
    -------
    Weights
        W + ξ ĉ ûᵀ, W + scale · B A, or the student's own W, λ and b, with activation, scales and
        output bias of the base.

    Raises
    ------
    TypeError, ValueError
        For another base, a replica that is not there or has no student, and a linearised
        student, which is not a network of this kind.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
    >>> X = np.random.default_rng(0).standard_normal((100, 3))
    >>> ds = lrft.fit(base, lrft.LoRA(rank=1), X, X[:, 2], lr=0.01)
    >>> lrft.merge_weights(base, ds).W.shape
    (2, 3)
    """
    if getattr(ds, "attrs", {}).get("kind") != "fit":
        raise TypeError(f"ds must be a result of lrft.fit, got {checks.describe(ds)}")
    configuration = json.loads(ds.attrs["configuration"])
    task = base_task(base, None if isinstance(base, Task) else configuration["base"]["xi"])
    if task.content_hash != configuration["base"]["content_hash"]:
        raise ValueError("base is not the one that ds was fitted from")
    student = Training.model_validate(configuration["training"]).student
    replica = checks.integer("replica", replica, 0)
    if replica not in ds.replica.values:
        raise ValueError(f"replica must be one of {ds.replica.values.tolist()}, got {replica}")
    one = ds.sel(replica=replica)
    if one.kept_step < 0:
        raise ValueError(f"replica {replica} has not begun: it has no student")
    names = (f"kept_{name}" if f"kept_{name}" in one else name for name in student.parameters(task))
    parts = (one[name].values for name in names)
    scales = task.neuron_scale, task.output_scale
    bias = base.output_bias if isinstance(base, Weights) else 0.0
    network = Weights(task.W, task.lam, task.activation, *scales, b=task.biases, output_bias=bias)
    return merged(network, student, *parts, xi=task.xi)
