"""What a result says once its replicas have ended: paths carried on, first steps with censoring.

Summaries over replicas use these, so that a replica that stopped neither drops out of a median
nor stays in it with an old value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["counted", "held", "hit_quantile", "one_overlap"]


def held(ds: xr.Dataset) -> xr.Dataset:
    """Carry converged replicas on past their stop, with the values that they ended with.

    A replica that stopped at ``stop_at`` or ``stop_loss`` has no records past its ``stop_step``,
    and a mean or median over replicas would forget it: the fastest. Diverged and interrupted
    replicas are not carried on: what they would have done is not known.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate`, `lrft.fit` or `lrft.sweep` returns it, or a part of it that has the
        dimension ``step``.

    Returns
    -------
    xarray.Dataset
        ``overlap_u``, ``overlap_c`` and ``loss`` with the same dimensions: those of converged
        replicas are ``final_overlap_u``, … past ``stop_step``; NaN past the end of interrupted
        replicas, and of diverged ones from ``stop_step`` on. So at every step the entries that
        are finite are those that a summary counts. The rest is as in ``ds``.

    Raises
    ------
    ValueError
        If ``ds`` has no records, or does not say how and when replicas ended.

    Notes
    -----
    Where there are no final values the last record stands in: in a result of `lrft.fit`, whose
    replicas converge at records only, and in files of layout 1, where it can be much older than
    the stop.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> training = lrft.Training(lr=0.002, steps=20_000, stop_at=0.9, record=3)
    >>> ds = lrft.simulate(task, training, replicas=3, seed=0)
    >>> ds.status.values.tolist(), np.isfinite(ds.overlap_u[:, -1]).values.tolist()
    (['converged', 'converged', 'converged'], [False, False, False])
    >>> (abs(lrft.held(ds).overlap_u[:, -1]) >= 0.9).values.tolist()
    [True, True, True]
    """
    if missing := [name for name in ("step", "status", "stop_step") if name not in ds.variables]:
        raise ValueError(f"ds has no {', '.join(missing)}: nothing can be carried on")
    past = ds.step > ds.stop_step
    broken = ds.status.isin(["diverged", "failed"]) & (ds.step >= ds.stop_step)
    carried = past & (ds.status == "converged")
    found = {}
    for name in map(str, ds.data_vars):
        if "step" not in ds[name].dims:
            continue
        known = ds[name].where(np.isfinite(ds[name]) & ~broken)
        final = ds[f"final_{name}"] if f"final_{name}" in ds else _last_record(known)
        values = known.where(~carried, final).transpose(*ds[name].dims)
        values.attrs = dict(ds[name].attrs)
        found[name] = values
    return ds.assign(found)


def counted(ds: xr.Dataset) -> xr.DataArray:
    """Tell which replicas summaries count to the end: those that converged or finished.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate`, `lrft.fit` or `lrft.sweep` returns it.

    Returns
    -------
    xarray.DataArray of bool
        With the dimensions of ``status``.

    Examples
    --------
    >>> import lrft
    >>> from lrft.result.endings import counted
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10), replicas=3, seed=0)
    >>> counted(ds).values.tolist()
    [True, True, True]
    """
    found: xr.DataArray = ds.status.isin(["converged", "finished"])
    return found


def _last_record(values: xr.DataArray) -> xr.DataArray:
    """Last finite value along ``step``, NaN where there is none."""
    counts = values.notnull().cumsum("step")
    return values.isel(step=counts.argmax("step"))  # the first of the largest


def hit_quantile(ds: xr.Dataset, p: float, name: str = "hit_step") -> xr.DataArray:
    """Quantile over replicas of a hitting step, with censored replicas counted properly.

    The Kaplan–Meier estimate: a replica that ended or was interrupted before hitting counts as
    "later than its ``stop_step``", neither dropped nor taken as a hit. A diverged one counts as
    never hitting, one that failed or is missing in a study as not there.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate` or `lrft.sweep` returns it.
    p : float
        In (0, 1); 0.5 is the median (the lower one for an even number of hits).
    name : {"hit_step", "loss_hit_step"}

    Returns
    -------
    xarray.DataArray
        Over ``threshold`` (or ``loss_threshold``), and ``task`` or ``point`` if there is one.
        Infinite where the estimate does not reach p: too few replicas hit.

    Raises
    ------
    ValueError
        If p or name is not one of these.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10), replicas=3, seed=0)
    >>> lrft.hit_quantile(ds, 0.5).sel(threshold=0.95).item()
    inf
    """
    import xarray as xr

    if not 0.0 < p < 1.0:
        raise ValueError(f"p={p!r}, expected a number between 0 and 1")
    if name not in ("hit_step", "loss_hit_step"):
        raise ValueError(f"name={name!r}, expected 'hit_step' or 'loss_hit_step'")
    if missing := [one for one in (name, "status", "stop_step") if one not in ds.variables]:
        raise ValueError(f"ds has no {', '.join(missing)}: it has no hitting times")
    never = np.iinfo(np.int64).max
    censored_at = ds.stop_step.where(ds.status != "diverged", never)
    # Else they would be at risk at step 0.
    censored_at = censored_at.where(~ds.status.isin(["failed", "missing"]), -1)
    quantile: xr.DataArray = xr.apply_ufunc(
        lambda hit, end: _kaplan_meier(hit, end, p),
        ds[name],
        censored_at,
        input_core_dims=[["replica"], ["replica"]],
        vectorize=True,
        output_dtypes=[np.float64],
    )
    return quantile


def _kaplan_meier(hit: NDArray[np.int64], censored_at: NDArray[np.int64], p: float) -> float:
    """First time at which the estimated share of hits reaches p; both arrays (replicas,)."""
    end = np.where(hit >= 0, hit, censored_at)
    surviving = 1.0
    for time in np.unique(hit[hit >= 0]):
        at_risk = int(np.sum(end >= time))
        surviving *= 1.0 - int(np.sum(hit == time)) / at_risk
        if surviving <= 1.0 - p + 1e-12:
            return float(time)
    return float("inf")


def one_overlap(ds: xr.Dataset) -> xr.Dataset:
    """Make overlaps one number a record: of several the smallest singular value, of a matrix none.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate` returns it.

    Returns
    -------
    xarray.Dataset
        ``overlap_u`` and ``overlap_c`` with dimensions ``([task,] replica, step)``, their final
        values without ``step``; NaN for a full network.

    Examples
    --------
    >>> import lrft
    >>> from lrft import one_overlap
    >>> task = lrft.Task.sample(d=50, k=3, rank=2, seed=0)
    >>> training = lrft.Training(student=lrft.LoRA(rank=2), lr=0.001, steps=10)
    >>> one_overlap(lrft.simulate(task, training, replicas=3)).overlap_u.dims
    ('replica', 'step')
    """
    import xarray as xr

    if "student_row" in ds.dims:
        overlaps = [name for name in ("overlap_u", "overlap_c") if name in ds]
        overlaps += [
            f"final_{name}" for name in ("overlap_u", "overlap_c") if f"final_{name}" in ds
        ]
        missing = {
            name: xr.full_like(ds["final_loss" if name.startswith("final_") else "loss"], np.nan)
            for name in overlaps
        }
        return ds.drop_vars(overlaps).assign(missing)
    return ds.isel(component=-1) if "component" in ds.dims else ds
