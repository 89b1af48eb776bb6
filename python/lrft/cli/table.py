"""What ends a run on stdout: a table, or its numbers as JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import foreign
from lrft.result.dataset import told
from lrft.result.endings import counted, hit_quantile, one_overlap

if TYPE_CHECKING:
    import xarray as xr

_COLUMNS = ("quantity", "level", "count", "replicas", "median", "low", "high")
_SYMBOLS = {
    "hit_step": "|<û,u>| ≥",
    "loss_hit_step": "loss ≤",
    "final_overlap_u": "|<û,u>|",
    "final_overlap_c": "sign<û,u> <ĉ,c>",
    "final_loss": "loss",
}


def numbers(ds: xr.Dataset) -> list[dict[str, Any]]:
    """List what the table shows: hits of every threshold, then values at the end.

    Parameters
    ----------
    ds : xarray.Dataset
        Of one task, with one overlap.

    Returns
    -------
    list of dict
        ``quantity``; ``level``, of a threshold; ``count`` of replicas that hit it or have a value,
        of so many ``replicas``; ``median``, ``low`` and ``high``, of steps the quantiles 0.1 and
        0.9, None where too few hit, of values the extremes.
    """
    found: list[dict[str, Any]] = []
    replicas = ds.sizes["replica"]
    unwatched = bool(ds.overlap_u.isnull().all())  # a full network has a matrix of overlaps
    for levels, steps, quantity in (
        (ds.threshold[: 0 if unwatched else None], ds.hit_step, "hit_step"),
        (ds.loss_threshold, ds.loss_hit_step, "loss_hit_step"),
    ):
        quantiles = {
            name: hit_quantile(ds, p, steps.name)
            for name, p in (("median", 0.5), ("low", 0.1), ("high", 0.9))
        }
        for index, level in enumerate(levels.values):
            row = {name: values[index].item() for name, values in quantiles.items()}
            found.append(
                {
                    "quantity": quantity,
                    "level": float(level),
                    "count": int((steps[:, index] >= 0).sum()),
                    "replicas": replicas,
                    **{name: v if np.isfinite(v) else None for name, v in row.items()},
                }
            )
    # What diverged has no final state, what was interrupted only a passing one.
    ended = counted(ds).values
    u, c, loss = (ds[f"final_{name}"].values[ended] for name in ("overlap_u", "overlap_c", "loss"))
    # (c, u) and (-c, -u) are the same teacher: the sign that counts is that of the product.
    rows = (
        ("final_overlap_u", np.abs(u)),
        ("final_overlap_c", np.sign(u) * c),
        ("final_loss", loss),
    )
    for quantity, values in rows:
        if np.isfinite(values).any():
            found.append(
                {
                    "quantity": quantity,
                    "level": None,
                    "count": int(np.isfinite(values).sum()),
                    "replicas": replicas,
                    "median": float(np.nanmedian(values)),
                    "low": float(np.nanmin(values)),
                    "high": float(np.nanmax(values)),
                }
            )
    return found


def show(ds: xr.Dataset, form: str = "table") -> None:
    """Print hits and hitting steps per threshold, final values and how the replicas ended.

    Also how the learning rate was found, unless it was given.

    Parameters
    ----------
    ds : xarray.Dataset
        Of one task, as `lrft.simulate` returns it.
    form : {"table", "json", "csv"}
        JSON has everything, CSV the numbers alone.
    """
    ds = one_overlap(ds)
    if form == "json":
        names, counts = np.unique(ds.status.values, return_counts=True)
        known = ("activation", "d", "k", "xi", "engine", "seed", "learning_rate")
        values = {name: ds[name].values.tolist() for name in known if name in ds.coords}
        about = values | {name: ds.attrs[name] for name in known if name in ds.attrs}
        status = dict(zip(names.tolist(), counts.tolist(), strict=True))
        document = about | {"status": status, "numbers": numbers(ds)}
        print(json.dumps(document, indent=2, default=_plain))
    elif form == "csv":
        _csv(numbers(ds))
    else:
        _table(ds)


def show_fit(ds: xr.Dataset, form: str = "table") -> None:
    """Print the losses that a fit ended with.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.fit` returns it.
    form : {"table", "json", "csv"}
    """
    replicas = ds.sizes["replica"]
    rows: list[dict[str, Any]] = []
    for quantity in ("train_loss", "validation_loss"):
        if quantity in ds:
            last = [
                one[np.isfinite(one)][-1:] for one in ds[quantity].transpose("replica", ...).values
            ]
            values = np.concatenate(last)
            if values.size:
                spread = np.median(values), values.min(), values.max()
                row = dict(zip(("median", "low", "high"), map(float, spread), strict=True))
                about = {"level": None, "count": len(values), "replicas": replicas}
                rows.append({"quantity": quantity} | about | row)
    names, counts = np.unique(ds.status.values, return_counts=True)
    status = dict(zip(names.tolist(), counts.tolist(), strict=True))
    if form == "json":
        print(json.dumps({"status": status, "numbers": rows}, indent=2))
    elif form == "csv":
        _csv(rows)
    else:
        print(f"{replicas} replicas: {_ends(ds)}")
        for row in rows:
            shown = ", ".join(f"{name} {row[name]:.4g}" for name in ("median", "low", "high"))
            print(f"{str(row['quantity']).replace('_', ' ')}: {shown}")


def _csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _table(ds: xr.Dataset) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"{told(ds, 'activation')}, d = {told(ds, 'd')}, k = {told(ds, 'k')}, "
        f"ξ = {told(ds, 'xi')}, "
        f"{ds.attrs['engine']} engine; {ds.sizes['replica']} replicas: {_ends(ds)}"
    )
    rate = ds.attrs.get("learning_rate", "given")
    if rate != "given":
        console.print(foreign.printable(rate), markup=False)
    hits = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("threshold", "hits", "median step", "10 %", "90 %"):
        hits.add_column(name, justify="right")
    final = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("at the end", "replicas", "median", "lowest", "highest"):
        final.add_column(name, justify="right")
    for row in numbers(ds):
        symbol, of = _SYMBOLS[row["quantity"]], f"{row['count']}/{row['replicas']}"
        values = [row[name] for name in ("median", "low", "high")]
        if row["level"] is None:
            final.add_row(symbol, of, *(f"{value:.4g}" for value in values))
        else:
            hits.add_row(f"{symbol} {row['level']:.4g}", of, *map(_step, values))
    if hits.row_count:
        console.print(hits)
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


def _step(value: float | None) -> str:
    """Write a hitting step; none means that too few replicas hit for this quantile."""
    return "–" if value is None else f"{value:,.0f}"
