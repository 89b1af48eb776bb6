"""Results as tables of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrft.base import checks
from lrft.result.endings import one_overlap

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


_LATER = ("training_loss", "training_loss_error", "averaged_loss")  # where they are recorded
_FINAL = ("final_overlap_u", "final_overlap_c", "final_loss", *(f"final_{one}" for one in _LATER))


def to_pandas(ds: xr.Dataset, what: str = "paths") -> pd.DataFrame:
    """Lay a result out as one tidy table.

    A dataset holds variables over different dimensions, which no single table can hold without
    repeating itself; so there are three.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate` returns it.
    what : {"paths", "hits", "ends"}
        ``"paths"``: overlaps and loss, a row for each task, replica and step (and component).
        ``"hits"``: first steps, a row for each task, replica and threshold.
        ``"ends"``: status, last step and final values (of several overlaps the smallest), a row
        for each task and replica.

    Returns
    -------
    pandas.DataFrame
        With plain columns, the tasks' d, k, ξ, activation and hash among them, and rows in the
        order of the dataset. No row is dropped: NaN stands for steps after a replica stopped.

    Raises
    ------
    ValueError
        If `what` is not one of these, or ``ds`` lacks the variables.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=50, k=2, seed=0)
    >>> ds = lrft.simulate(task, lrft.Training(lr=0.001, steps=10, record=3), replicas=2, seed=0)
    >>> lrft.to_pandas(ds)[["replica", "step"]].values.tolist()
    [[0, 0], [0, 5], [0, 10], [1, 0], [1, 5], [1, 10]]
    >>> lrft.to_pandas(ds, "ends").status.tolist()
    ['finished', 'finished']
    """
    tables = {
        "paths": ["overlap_u", "overlap_c", "loss"],
        "hits": ["hit_step"],
        "ends": ["status", "stop_step"],
    }
    names = tables[checks.choice("what", what, tuple(tables))]
    if missing := [name for name in names if name not in ds]:
        raise ValueError(f"ds lacks {', '.join(missing)}: it is not a result of lrft.simulate")
    if what == "paths":
        names += [name for name in _LATER if name in ds]
    if what == "ends":  # files of layout 1 have no final values
        names += [name for name in _FINAL if name in ds]
        ds = one_overlap(ds)
    part = ds[names].drop_vars(
        [name for name in ("loss_threshold", "threshold", "step") if name not in ds[names].dims],
        errors="ignore",
    )
    if not part.dims:
        raise ValueError("ds must have a dimension: give the dataset itself, not one entry of it")
    return part.to_dataframe(dim_order=[str(dim) for dim in part.dims]).reset_index()
