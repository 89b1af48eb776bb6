"""Curves of a figure: one task an instance, each with random numbers of its own, in one dataset."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import _arguments, _engine, provenance
from lrft.experiments.experiment import Context
from lrft.simulation import Simulation
from lrft.task import Task
from lrft.training import Training

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Curve", "hits", "paths", "simulate_curves"]

LANES = 8  # chains that a step of one thread moves together


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

    # Eight instances fill the lanes of a thread; threads share out such groups. The last curve
    # tends to be the slowest and starts first, so that threads end together.
    groups = [
        (number, first)
        for number in reversed(range(len(curves)))
        for first in range(0, len(curves[number].tasks), LANES)
    ]
    simulations = [_simulation(curves[number], first, seed) for number, first in groups]
    _run(context, simulations)
    found = {group: _taken(s) for group, s in zip(groups, simulations, strict=True)}
    lines = [
        xr.concat([found[group] for group in sorted(found) if group[0] == number], "instance")
        for number in range(len(curves))
    ]
    data: xr.Dataset = xr.concat(
        lines, dim="curve", data_vars="all", coords="different", compat="equals", join="exact"
    )
    data = data.assign_coords(
        curve=[curve.label for curve in curves],
        instance=np.arange(data.sizes["instance"]),
        learning_rate=("curve", [float(curve.training.lr) for curve in curves]),  # type: ignore[arg-type]
    )
    data.attrs = {
        "seed": seed,
        "engine": "reduced",
        "replica_steps": int(data.stop_step.sum()),
        "created_by": f"lrft {provenance.lrft_version()}",
        "instruction_set": provenance.environment()["instruction_set"],
    }
    return data


def _simulation(curve: Curve, first: int, seed: int) -> Simulation:
    tasks = list(curve.tasks[first : first + LANES])
    replicas = range(first, first + len(tasks))
    rates: list[Any] = [curve.training.lr] * len(tasks)
    simulation = Simulation.__new__(Simulation)
    simulation.threads = 1
    # Of all tasks times all replicas, only replica i of instance i is wanted.
    simulation._begin(
        tasks=tasks, single=False, training=curve.training, rates=rates, rate_notes=["given"],
        replicas=list(replicas), seed=seed, engine="reduced", seconds=0.0, keep_students=False,
        chains=[_engine.new_chain(i, r, curve.training) for i, r in enumerate(replicas)],
    )  # fmt: skip
    return simulation


def _taken(simulation: Simulation) -> xr.Dataset:
    import xarray as xr

    every = xr.DataArray(np.arange(len(simulation.tasks)), dims="instance")
    one = simulation.dataset().isel(task=every, replica=every)
    return one.drop_vars(["task_hash", "replica"]).drop_dims("loss_threshold")


def _run(context: Context, simulations: Sequence[Simulation]) -> None:
    """Run them in order, as many at a time as there are threads."""
    stop = threading.Event()

    def work(simulation: Simulation) -> None:
        while not stop.is_set() and not simulation.advance(0.1):
            pass

    total = sum(simulation.training.steps for simulation in simulations)
    with ThreadPoolExecutor(_arguments.settle_threads(context.threads)) as pool:
        futures = {pool.submit(work, s): s.training.steps for s in simulations}
        left = set(futures)
        try:
            while left:
                _, left = wait(left, timeout=0.1)
                context.progress(1.0 - sum(futures[future] for future in left) / total)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    for future in futures:
        future.result()


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
