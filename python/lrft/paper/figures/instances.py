"""Curves of a figure: one task an instance, each with random numbers of its own, in one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft import Task, Training, held
from lrft.base.threads import settle_threads
from lrft.paper.experiment import Context
from lrft.paper.jobs import INSTANCES, LANES

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Curve", "dots", "hits", "paths", "simulate_curves", "simulate_each"]

_ALIKE = ("d", "k", "xi", "activation")


@dataclass(frozen=True)
class Curve:
    """One line of a figure.

    Parameters
    ----------
    label : str
        Its name in the picture and in the data.
    tasks : tuple of Task
        One an instance, alike but for what is drawn; as many as every other curve has.
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

    data: xr.Dataset = xr.concat(
        simulate_each(context, curves, seed),
        dim="curve",
        data_vars="all",
        coords="different",
        compat="equals",
        join="exact",
        combine_attrs="override",
    )
    data.attrs["replica_steps"] = int(data.stop_step.sum())
    return data


def simulate_each(context: Context, curves: Sequence[Curve], seed: int) -> list[xr.Dataset]:
    """Simulate as `simulate_curves` does, to a dataset for each curve: they need not be alike.

    Parameters
    ----------
    context : Context
    curves : sequence of Curve
        The longest last.
    seed : int

    Returns
    -------
    list of xarray.Dataset
        In the order of the curves, without the dimension ``curve``.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.

    Examples
    --------
    >>> import lrft
    >>> from lrft.paper.experiment import Context
    >>> tasks = tuple(lrft.Task.sample(d=50, k=2, seed=i) for i in range(3))
    >>> curves = [
    ...     Curve(f"{steps}", tasks, lrft.Training(lr=0.001, steps=steps, record=2))
    ...     for steps in (50, 90)
    ... ]
    >>> [int(data.step[-1]) for data in simulate_each(Context(threads=1), curves, seed=0)]
    [50, 90]
    """
    import xarray as xr

    # A job is one thread's: where there are many threads, jobs are small.
    share = sum(len(curve.tasks) for curve in curves) // settle_threads(context.threads)
    size = min(INSTANCES, LANES * max(1, share // LANES))
    # The last curve tends to be the slowest.
    jobs = [
        (
            number,
            lrft.Job(
                curve.tasks[first : first + size],
                curve.training,
                replicas=range(len(curve.tasks))[first : first + size],
                seed=seed,
                engine="reduced",
                paired=True,
            ),
        )
        for number, curve in reversed(list(enumerate(curves)))
        for first in range(0, len(curve.tasks), size)
    ]
    parts = lrft.simulate_all(
        [job for _, job in jobs],
        threads=context.threads,
        progress=lambda moment: context.progress(moment.share),
    )
    lines: list[list[xr.Dataset]] = [[] for _ in curves]
    for (number, _), part in zip(jobs, parts, strict=True):
        # Instances of a curve are alike but for what is drawn.
        alike = {name: part[name].isel(replica=0, drop=True) for name in _ALIKE}
        lines[number].append(
            part.drop_vars(["task_hash", *_ALIKE]).drop_dims("loss_threshold").assign_coords(alike)
        )
    found = []
    for curve, line in zip(curves, lines, strict=True):
        one: xr.Dataset = xr.concat(line, "replica").rename(replica="instance")
        one = one.assign_coords(curve=curve.label, learning_rate=float(curve.training.lr))  # type: ignore[arg-type]
        one.attrs = {
            "seed": seed,
            "engine": "reduced",
            "replica_steps": int(one.stop_step.sum()),
            "created_by": f"lrft {lrft.__version__}",
            "instruction_set": parts[0].attrs["instruction_set"],
        }
        found.append(one)
    return found


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


def dots(data: xr.Dataset, curve: int | str, threshold: float, every: int) -> NDArray[np.float64]:
    """First step at which straight lines between values `every` so many steps reach a threshold.

    What a picture with a dot every so many steps shows of first steps.

    Parameters
    ----------
    data : xarray.Dataset
        Of `simulate_curves`, with records at least so dense.
    curve : int or str
    threshold : float
    every : int

    Returns
    -------
    ndarray of shape (instances,)
        Infinite for an instance that does not come; `every`, if it comes before the first dot.
    """
    steps = np.arange(every, int(data.step.values[-1]) + 1, every, dtype=float)
    found = []
    for path in np.abs(paths(data, "overlap_u", curve)):
        heights = np.interp(steps, data.step.values, path)
        if not (heights >= threshold).any():
            found.append(np.inf)
            continue
        at = int(np.argmax(heights >= threshold))
        if at == 0:
            found.append(float(every))
        else:
            low, high = heights[at - 1], heights[at]
            found.append(steps[at - 1] + every * (threshold - low) / (high - low))
    return np.array(found)
