"""The table that ends a run, on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrft.base import foreign
from lrft.result.dataset import told
from lrft.result.endings import counted, hit_quantile, one_overlap

if TYPE_CHECKING:
    import xarray as xr


def show(ds: xr.Dataset) -> None:
    """Print hits and hitting steps per threshold, final values and how the replicas ended.

    Also how the learning rate was found, unless it was given.

    Parameters
    ----------
    ds : xarray.Dataset
        Of one task, as `lrft.simulate` returns it.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    ds = one_overlap(ds)

    console = Console(highlight=False)
    replicas = ds.sizes["replica"]
    console.print(
        f"{told(ds, 'activation')}, d = {told(ds, 'd')}, k = {told(ds, 'k')}, "
        f"ξ = {told(ds, 'xi')}, "
        f"{ds.attrs['engine']} engine; {replicas} replicas: {_ends(ds)}"
    )
    rate = ds.attrs.get("learning_rate", "given")
    if rate != "given":
        console.print(foreign.printable(rate), markup=False)
    unwatched = bool(ds.overlap_u.isnull().all())  # a full network has a matrix of overlaps
    hits = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("threshold", "hits", "median step", "10 %", "90 %"):
        hits.add_column(name, justify="right")
    for levels, steps, symbol in (
        (ds.threshold[: 0 if unwatched else None], ds.hit_step, "|<û,u>| ≥"),
        (ds.loss_threshold, ds.loss_hit_step, "loss ≤"),
    ):
        quantiles = {p: hit_quantile(ds, p, steps.name) for p in (0.5, 0.1, 0.9)}
        for index, level in enumerate(levels.values):
            count = int((steps[:, index] >= 0).sum())
            row = [_step(values[index].item()) for values in quantiles.values()]
            hits.add_row(f"{symbol} {level:.4g}", f"{count}/{replicas}", *row)
    if hits.row_count:
        console.print(hits)

    final = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    # What diverged has no final state, what was interrupted only a passing one.
    ended = counted(ds).values
    for name in ("at the end", "replicas", "median", "lowest", "highest"):
        final.add_column(name, justify="right")
    u, c, loss = (ds[f"final_{name}"].values[ended] for name in ("overlap_u", "overlap_c", "loss"))
    # (c, u) and (-c, -u) are the same teacher: the sign that counts is that of the product.
    rows = (("|<û,u>|", np.abs(u)), ("sign<û,u> <ĉ,c>", np.sign(u) * c), ("loss", loss))
    for symbol, values in rows:
        if np.isfinite(values).any():
            spread = np.nanmedian(values), np.nanmin(values), np.nanmax(values)
            of = f"{int(np.isfinite(values).sum())}/{replicas}"
            final.add_row(symbol, of, *(f"{value:.4g}" for value in spread))
    if final.row_count:
        console.print(final)
    else:
        console.print("no replica has come to its end: no final values")


def _ends(ds: xr.Dataset) -> str:
    names, counts = np.unique(ds.status.values, return_counts=True)
    text = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    diverged = ds.stop_step.values[ds.status.values == "diverged"]
    if diverged.size:
        text += f" (first divergence at step {diverged.min():,})"
    return text


def _step(value: float) -> str:
    """Write a hitting step; infinite means that too few replicas hit for this quantile."""
    return f"{value:,.0f}" if np.isfinite(value) else "–"
