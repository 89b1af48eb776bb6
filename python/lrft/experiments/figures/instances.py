"""Curves of a figure: one task an instance, each with random numbers of its own, in one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import _engine, provenance
from lrft.experiments.experiment import Context
from lrft.simulation import Simulation
from lrft.task import Task
from lrft.training import Training

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Curve", "hits", "paths", "simulate_curves"]


@dataclass(frozen=True)
class Curve:
    """One line of a figure.

    Parameters
    ----------
    label : str
        Its name in the picture and in the data.
    tasks : tuple of Task
        One an instance, of one shape; as many as every other curve of the figure has.
    training : Training
        Curves with the same one run together, side by side in lanes.
    """

    label: str
    tasks: tuple[Task, ...]
    training: Training


def simulate_curves(context: Context, curves: Sequence[Curve], seed: int) -> xr.Dataset:
    """Simulate every instance of every curve once, instance i as replica i of its own task.

    So starts and samples differ between the instances of a curve, while instance i of two curves
    shares W, c and the random numbers, which makes curves comparable.

    Parameters
    ----------
    context : Context
    curves : sequence of Curve
        With the same record steps and thresholds.
    seed : int

    Returns
    -------
    xarray.Dataset
        `overlap_u`, `overlap_c`, `loss`, `hit_step`, `stop_step`, `status` with dimensions
        ``(curve, instance, ...)``; the attribute ``replica_steps`` counts the steps done.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.

    Examples
    --------
    >>> import lrft
    >>> from lrft.experiments.experiment import Context
    >>> tasks = tuple(lrft.Task.sample(d=50, k=2, seed=i) for i in range(3))
    >>> training = lrft.Training(lr=0.001, steps=50, record=5)
    >>> data = simulate_curves(Context(threads=1), [Curve("relu", tasks, training)], seed=0)
    >>> data.overlap_u.dims
    ('curve', 'instance', 'step')
    """
    import xarray as xr

    groups: list[list[int]] = []
    for index, curve in enumerate(curves):
        same = [g for g in groups if curves[g[0]].training == curve.training]
        if same:
            same[0].append(index)
        else:
            groups.append([index])
    # Progress by chains times steps, an upper bound of the work.
    sizes = [sum(len(curves[i].tasks) for i in g) * curves[g[0]].training.steps for g in groups]
    parts: list[tuple[int, xr.Dataset]] = []
    for number, group in enumerate(groups):
        done, share = sum(sizes[:number]) / sum(sizes), sizes[number] / sum(sizes)

        def report(fraction: float, done: float = done, share: float = share) -> None:
            context.progress(done + share * fraction)

        # The last curve tends to be the slowest: it starts first, so that threads end together.
        parts += _together([(i, curves[i]) for i in reversed(group)], seed, context, report)
    ordered = [part for _, part in sorted(parts, key=lambda part: part[0])]
    data: xr.Dataset = xr.concat(
        ordered, dim="curve", data_vars="all", coords="different", compat="equals", join="exact"
    )
    data = data.assign_coords(
        curve=[curve.label for curve in curves],
        learning_rate=("curve", [float(curve.training.lr) for curve in curves]),  # type: ignore[arg-type]
    )
    data.attrs = {
        "seed": seed,
        "engine": "reduced",
        "replica_steps": int(data.stop_step.sum()),
        "created_by": f"lrft {provenance.lrft_version()}",
        "instruction_set": provenance.environment()["instruction_set"],
    }
    context.progress(1.0)
    return data


def _together(
    curves: Sequence[tuple[int, Curve]], seed: int, context: Context, report: Any
) -> list[tuple[int, xr.Dataset]]:
    import xarray as xr

    training, instances = curves[0][1].training, len(curves[0][1].tasks)
    tasks = [task for _, curve in curves for task in curve.tasks]
    simulation = Simulation(
        tasks, training, replicas=instances, seed=seed, engine="reduced", threads=context.threads
    )
    # Of all tasks times all replicas, only replica i of instance i is wanted.
    chains = [_engine.new_chain(i, i % instances, training) for i in range(len(tasks))]
    simulation._runs = [simulation._start(group, chains) for group in simulation._groups()]
    total = max(1, training.steps)
    simulation.run(lambda progress: report(min(1.0, progress.done_steps / total)))
    if simulation.interrupted:
        raise KeyboardInterrupt
    ds = simulation.dataset()
    index = xr.DataArray(np.arange(instances), dims="instance")
    found = []
    for place, (number, _) in enumerate(curves):
        one = ds.isel(task=place * instances + index, replica=index)
        kept = one.drop_vars(["task_hash", "replica"]).assign_coords(instance=index)
        found.append((number, kept.drop_dims("loss_threshold")))
    return found


def paths(data: xr.Dataset, name: str, curve: int | str) -> NDArray[np.float64]:
    """Return one variable of a curve as (instances, steps), held flat after `stop_at`.

    Overlaps come with the sign that makes the last <û,u> positive, since (c, u) and (-c, -u) are
    the same teacher.

    Parameters
    ----------
    data : xarray.Dataset
        Of `simulate_curves`.
    name : {"overlap_u", "overlap_c", "loss"}
    curve : int or str
        Its number or label.

    Returns
    -------
    ndarray of shape (instances, steps)
    """
    one = data.isel(curve=curve) if isinstance(curve, int) else data.sel(curve=curve)
    values = _held(one, name)
    if name != "loss":
        values = values * np.where(_held(one, "overlap_u")[:, -1:] < 0, -1.0, 1.0)
    return values


def _held(one: xr.Dataset, name: str) -> NDArray[np.float64]:
    values = np.asarray(one[name].transpose("instance", "step").values, dtype=np.float64)
    finite = np.isfinite(values)
    last = values.shape[1] - 1 - np.argmax(finite[:, ::-1], axis=1)
    held = np.where(finite, values, np.take_along_axis(values, last[:, None], axis=1))
    ended = np.asarray(one.status.values) == "converged"
    return np.where(finite | ended[:, None], held, np.nan)


def hits(data: xr.Dataset, curve: int | str, threshold: float) -> NDArray[np.float64]:
    """First step at which each instance reached |<û,u>| = threshold; infinite if it did not.

    Parameters
    ----------
    data : xarray.Dataset
        Of `simulate_curves`.
    curve : int or str
    threshold : float
        One of the recorded ones.

    Returns
    -------
    ndarray of shape (instances,)
    """
    one = data.isel(curve=curve) if isinstance(curve, int) else data.sel(curve=curve)
    steps = np.asarray(one.hit_step.sel(threshold=threshold, method="nearest").values, dtype=float)
    return np.where(steps < 0, np.inf, steps)
