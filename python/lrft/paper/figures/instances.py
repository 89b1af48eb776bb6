"""Curves of a figure: one task an instance, each with random numbers of its own, in one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.paper.experiment import Context
from lrft.result import provenance
from lrft.result.endings import held
from lrft.run import arguments, describe
from lrft.run.simulation import Simulation

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
        `overlap_u`, `overlap_c`, `loss`, their final values, `hit_step`, `stop_step`, `status`
        with dimensions ``(curve, instance, ...)``; the attribute ``replica_steps`` counts the
        steps done.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.

    Examples
    --------
    >>> import lrft
    >>> from lrft.paper.experiment import Context
    >>> tasks = tuple(lrft.Task.sample(d=50, k=2, seed=i) for i in range(3))
    >>> training = lrft.Training(lr=0.001, steps=50, record=5)
    >>> data = simulate_curves(Context(threads=1), [Curve("relu", tasks, training)], seed=0)
    >>> data.overlap_u.dims
    ('curve', 'instance', 'step')
    """
    import xarray as xr

    threads = arguments.settle_threads(context.threads)
    groups: list[list[tuple[int, int]]] = []  # (curve, instance) of the chains of a simulation
    for number, curve in enumerate(curves):
        chains = [(number, instance) for instance in range(len(curve.tasks))]
        same = [g for g in groups if curves[g[0][0]].training == curve.training]
        if same:  # lanes and threads share all of them; the last curve tends to be the slowest
            same[0][:0] = chains
        else:
            groups.append(chains)
    if len(groups) > 1:  # eight instances fill a thread, and threads share out such groups
        groups = [g[i : i + LANES] for g in reversed(groups) for i in range(0, len(g), LANES)]
        simulations = [_simulation(curves, group, seed, 1) for group in groups]
    else:
        simulations = [_simulation(curves, groups[0], seed, threads)]
    _run(context, simulations, threads if len(groups) > 1 else 1)
    found = {
        chain: one
        for group, simulation in zip(groups, simulations, strict=True)
        for chain, one in zip(group, _taken(simulation), strict=True)
    }
    lines = [
        xr.concat([found[number, i] for i in range(len(curve.tasks))], "instance")
        for number, curve in enumerate(curves)
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


def _simulation(
    curves: Sequence[Curve], chains: list[tuple[int, int]], seed: int, threads: int
) -> Simulation:
    training = curves[chains[0][0]].training
    rates: list[Any] = [training.lr] * len(chains)
    simulation = Simulation.__new__(Simulation)
    simulation.threads = threads
    # Of all tasks times all replicas, only replica i of instance i is wanted.
    simulation._begin(
        tasks=[curves[number].tasks[instance] for number, instance in chains],
        single=False,
        training=training,
        rates=rates,
        rate_notes=["given"],
        replicas=sorted({instance for _, instance in chains}),
        seed=seed,
        engine="reduced",
        seconds=0.0,
        keep_students=False,
        chains=[describe.new_chain(j, i) for j, (_, i) in enumerate(chains)],
    )
    return simulation


def _taken(simulation: Simulation) -> list[xr.Dataset]:
    """Return the records of each task's only chain."""
    ds = simulation.dataset()
    place = {replica: i for i, replica in enumerate(simulation.replicas)}
    found: list[Any] = [None] * ds.sizes["task"]
    for chain in simulation.chains():
        task = chain.task
        one = ds.isel(task=task, replica=place[chain.replica])
        found[task] = one.drop_vars(["task_hash", "replica"]).drop_dims("loss_threshold")
    return found


def _run(context: Context, simulations: Sequence[Simulation], workers: int) -> None:
    """Run them in order, several at a time."""
    stop = compiled.Stop()
    shares = np.zeros(len(simulations))

    def work(index: int) -> None:
        simulation = simulations[index]
        with stop:
            while not simulation.advance(0.1):
                shares[index] = simulation.progress().done_steps / simulation.training.steps
        shares[index] = 1.0

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, index) for index in range(len(simulations))]
        left = set(futures)
        try:
            while left:
                _, left = wait(left, timeout=0.1)
                context.progress(float(shares.mean()))
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    for future in futures:
        future.result()


def paths(data: xr.Dataset, name: str, curve: int | str) -> NDArray[np.float64]:
    """Return one variable of a curve as (instances, steps), held at its final value (`lrft.held`).

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
    carried = held(one).transpose("instance", "step", ...)
    values = np.asarray(carried[name].values, dtype=np.float64)
    if name != "loss":
        values = values * np.where(carried.overlap_u.values[:, -1:] < 0, -1.0, 1.0)
    return values


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
