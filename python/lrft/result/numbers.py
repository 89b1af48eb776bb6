"""A result in numbers: what share reached each threshold, when, and how it ended."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks
from lrft.result.endings import counted, one_overlap
from lrft.result.grid import listed
from lrft.result.intervals import Interval, hitting_steps, median, proportion, quantile_steps

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Hits", "chosen", "hits", "points_of", "rate_coordinates", "rate_of", "summary"]

QUANTILES = (0.1, 0.5, 0.9)
_ABOUT = ("d", "k", "xi", "activation")


class Hits(NamedTuple):
    """Hitting steps of the replicas of one point, and where those that missed were last seen."""

    steps: NDArray[np.float64]  #: inf where censored; NaN where nothing was run
    ends: NDArray[np.float64]  #: inf where diverged: it never will

    def share(self) -> Interval:
        """Share that hit, of those that were run; NaN if none was."""
        run = ~np.isnan(self.steps)
        if not run.any():
            return Interval(np.nan, np.nan, np.nan)
        return proportion(int(np.isfinite(self.steps).sum()), int(run.sum()))

    def quantile(self, p: float) -> Interval:
        """Kaplan–Meier quantile with its interval; infinite where too few hit."""
        return quantile_steps(self.steps, p, self.ends)


def hits(one: xr.Dataset, threshold: float, name: str = "hit_step") -> Hits:
    """Collect the hitting steps of one task or point.

    Parameters
    ----------
    one : xarray.Dataset
        With the dimension ``replica`` and no ``task`` or ``point``.
    threshold : float
        One of those that were watched.
    name : {"hit_step", "loss_hit_step"}

    Returns
    -------
    Hits
    """
    levels = one["threshold" if name == "hit_step" else "loss_threshold"].values
    at = np.flatnonzero(np.isclose(levels, threshold, rtol=1e-12, atol=0.0))
    if not at.size:
        known = ", ".join(f"{level:g}" for level in levels) or "none"
        raise ValueError(f"threshold={threshold!r} was not watched; those of the result: {known}")
    steps = hitting_steps(one[name].values[..., at[0]])
    status = one.status.values
    steps = np.where(np.isin(status, ("failed", "missing")) & np.isinf(steps), np.nan, steps)
    return Hits(steps, np.where(status == "diverged", np.inf, one.stop_step.values))


def points_of(ds: xr.Dataset) -> list[xr.Dataset]:
    """Take a run or a study apart into its tasks or points; one task is one."""
    if "hit_step" not in ds.variables or "status" not in ds.variables:
        kinds = {"fit": "of lrft.fit", "sequence": "of lrft.simulate_sequence"}
        kind = kinds.get(str(ds.attrs.get("kind")), "unknown to lrft")
        raise ValueError(
            f"ds is a result {kind}, without hitting steps: give one of lrft.simulate or lrft.sweep"
        )
    ds = listed(ds)
    for dim in ("point", "task"):
        if dim in ds.dims:
            return [ds.isel({dim: i}) for i in range(ds.sizes[dim])]
    return [ds]


def rate_of(one: xr.Dataset) -> float:
    """Rate of û at step 0: given, or chosen for ``lr="auto"``; NaN where the result has none."""
    for name in ("lr", "learning_rate"):  # swept, or of a run
        if name in one.coords and one[name].dtype.kind in "fi":
            values = np.unique(one[name].values)  # of a sequence one a stage
            if len(values) == 1:
                return float(values[0])
    if "learning_rate" in one.variables:  # of each replica of a study with lr = "auto", the words
        return chosen(str(one["learning_rate"].values.flat[0]))[0]
    lr: Any = None
    if "configuration" in one.attrs:
        lr = json.loads(one.attrs["configuration"])["training"]["lr"]
    elif "study" in one.attrs:
        lr = json.loads(one.attrs["study"]).get("training", {}).get("lr")
    return float(lr) if isinstance(lr, int | float) else float("nan")


def chosen(note: str) -> tuple[float, float]:
    """Read the rate and the stability limit off what ``lr="auto"`` says; NaN of another text.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=1000, k=4)
    >>> rate, note = lrft.theory.auto_lr(task, lrft.RankOne())
    >>> found = chosen(note)
    >>> found[0] == rate, bool(rate < found[1] < 4 * rate)
    (True, True)
    """
    found = re.match(r"lr = (\S+) .* of the stability limit (\S+):", note)
    return (float(found[1]), float(found[2])) if found else (float("nan"), float("nan"))


def rate_coordinates(
    ds: xr.Dataset, rates: Sequence[float], notes: Sequence[str]
) -> dict[str, xr.DataArray]:
    """Make coordinates of the tasks of a run: the rate at step 0, δ, and the stability limit.

    Parameters
    ----------
    ds : xarray.Dataset
    rates : sequence of float
        One a task.
    notes : sequence of str
        What is said of each; there is no limit where a rate was given.

    Returns
    -------
    dict of xarray.DataArray
    """
    rate = ds.d.copy(data=np.array(rates, dtype=np.float64).reshape(ds.d.shape))
    delta = rate * ds.d
    rate.attrs = {"long_name": "learning rate", "definition": "rate η of û at step 0"}
    delta.attrs = {"long_name": "η d", "definition": "learning_rate times d"}
    found = {"learning_rate": rate, "delta": delta}
    limits = np.array([chosen(note)[1] for note in notes])
    if np.isfinite(limits).any():
        found["stability_limit"] = rate.copy(data=limits.reshape(rate.shape))
        found["stability_limit"].attrs = {
            "long_name": "stability limit",
            "definition": "rate above which the student stalls or diverges, to three digits",
        }
    return found


def summary(ds: xr.Dataset, thresholds: float | Sequence[float] | None = None) -> pd.DataFrame:
    """Put a run, a fit or a study into numbers: a row for each task or point and threshold.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate`, `lrft.simulate_sequence`, `lrft.sweep` or `lrft.fit` returns it.
    thresholds : float or sequence of float, optional
        Of |overlap|; by default all that were watched, and those of the loss, whose rows have a
        ``loss_threshold`` instead. A fit has none: it is one row. Nor has a sequence: it is a
        row a task.

    Returns
    -------
    pandas.DataFrame
        Columns: ``task`` or ``point`` with what was swept, ``d``, ``k``, ``xi``, ``activation``;
        ``learning_rate``, ``delta`` (the rate times d), ``replicas`` and how many ``ended``
        (converged or finished); ``threshold``; ``share`` that reached it; ``T10``, ``T50``,
        ``T90``, Kaplan–Meier quantiles of the hitting step, infinite where too few hit; medians
        of the final values over those that ended; of a sequence ``forgetting`` and ``transfer``,
        medians with intervals. ``_low`` and ``_high`` are the ends of a 95 %
        interval: Clopper–Pearson for the share, Brookmeyer–Crowley for quantiles, order statistics
        for medians.

    Raises
    ------
    ValueError
        If a threshold was not watched, or ``ds`` is none of these results.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=4, xi=2.0, c="quantized", seed=0)
    >>> training = lrft.Training(lr=0.002, steps=20_000, stop_at=0.9)
    >>> table = lrft.summary(lrft.simulate(task, training, seed=1), 0.5)
    >>> table[["threshold", "share", "learning_rate", "delta"]].values.tolist()
    [[0.5, 1.0, 0.002, 0.2]]
    """
    import pandas as pd

    if ds.attrs.get("kind") == "fit":
        return pd.DataFrame([_of_fit(ds)])
    if ds.attrs.get("kind") == "sequence":
        return pd.DataFrame(_of_tasks(listed(ds)))
    ds = listed(ds)
    parts = points_of(ds)
    losses: list[float] = []
    if thresholds is None:
        levels = [float(level) for level in ds.threshold.values]
        losses = [float(level) for level in ds.loss_threshold.values]
    else:
        given = [thresholds] if isinstance(thresholds, int | float) else thresholds
        levels = [checks.real("thresholds", level) for level in given]
    rows = []
    for index, one in enumerate(parts):
        about = _about(one, index, ds)
        last = _finals(one)
        for level in levels:
            rows.append(about | _of_hits(hits(one, level), threshold=level) | last)
        for level in losses:
            found = hits(one, level, "loss_hit_step")
            rows.append(about | _of_hits(found, loss_threshold=level) | last)
    return pd.DataFrame(rows)


def _about(one: xr.Dataset, index: int, ds: xr.Dataset) -> dict[str, Any]:
    dim = next((name for name in ("point", "task") if name in ds.dims), None)
    found: dict[str, Any] = {} if dim is None else {dim: index}
    swept = json.loads(ds.attrs.get("axes", "[]"))
    for name in dict.fromkeys((*swept, *_ABOUT)):
        if name in one.coords and not one[name].dims:
            found[name] = one[name].item()
    rate = rate_of(one)
    found |= {"learning_rate": rate, "delta": rate * found.get("d", np.nan)}
    return found | {"replicas": one.sizes["replica"], "ended": int(counted(one).sum())}


def _of_hits(found: Hits, **level: float) -> dict[str, Any]:
    row = level | _ends("share", found.share())
    for p in QUANTILES:
        row |= _ends(f"T{round(100 * p)}", found.quantile(p))
    return row


def _ends(name: str, value: Interval) -> dict[str, float]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _finals(one: xr.Dataset) -> dict[str, float]:
    found = {}
    one = one_overlap(one)
    ended = counted(one).values
    for name in ("overlap_u", "overlap_c", "loss"):
        if f"final_{name}" in one:  # files of layout 1 have none
            values = one[f"final_{name}"].values[ended]
            found[f"final_{name}"] = _median(np.abs(values))
    for name in ("final_training_loss", "final_averaged_loss"):  # the first may be negative
        if name in one:
            found[name] = _median(one[name].values[ended])
    return found


def _of_fit(ds: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {"learning_rate": rate_of(ds), "replicas": ds.sizes["replica"]}
    found["ended"] = int(counted(ds).sum())
    for name in ("train_loss", "validation_loss", "averaged_validation_loss"):
        if name not in ds:
            continue
        # The last record that each replica has.
        paths = ds[name].transpose("replica", "step").values
        last = [row[np.isfinite(row)][-1:] for row in paths]
        found[f"final_{name}"] = _median(np.concatenate(last))
    return found


def _of_tasks(ds: xr.Dataset) -> list[dict[str, Any]]:
    """Put a sequence, or a study of sequences, into numbers: a row for each task."""
    tasks = range(ds.sizes["task"])
    if "point" not in ds.dims:
        return [_of_task(ds, task, task, ds) for task in tasks]
    return [
        {"point": point, "task": task} | _of_task(ds.isel(point=point), task, point, ds)
        for point in range(ds.sizes["point"])
        for task in tasks
    ]


def _of_task(one: xr.Dataset, task: int, index: int, ds: xr.Dataset) -> dict[str, Any]:
    """Say when a task was learned, and what is left of it."""
    ended = counted(one).values
    one = one.isel(task=task)
    found = _about(one, index, ds)
    for name in ("forgetting", "transfer"):
        found |= _ends(name, median(one[name].values[ended]))
    for name in ("learned_loss", "learned_overlap_u", "final_loss", "final_overlap_u"):
        found[name] = _median(one[name].values[ended])
    return found


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")
