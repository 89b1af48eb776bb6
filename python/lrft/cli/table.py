"""What ends a command on stdout: a table, or the numbers of `lrft.summary` as JSON or CSV."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.base import foreign
from lrft.result.dataset import told
from lrft.result.endings import counted, hit_quantile, one_overlap
from lrft.result.numbers import summary

if TYPE_CHECKING:
    import xarray as xr

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
    """
    if form == "table":
        _table(one_overlap(ds))
    else:
        show_numbers(ds, form)


def show_fit(ds: xr.Dataset, form: str = "table") -> None:
    """Print the losses that a fit ended with.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.fit` returns it.
    form : {"table", "json", "csv"}
    """
    if form != "table":
        show_numbers(ds, form)
        return
    print(f"{ds.sizes['replica']} replicas: {_ends(ds)}")
    row = summary(ds).iloc[0]
    for name in ("final_train_loss", "final_validation_loss"):
        if not math.isnan(row[name]):
            print(f"{name.replace('_', ' ')}: {row[name]:.4g} (median)")


def show_sequence(ds: xr.Dataset, form: str = "table") -> None:
    """Print for every task of a sequence what was forgotten and what its stage began with.

    Parameters
    ----------
    ds : xarray.Dataset
        As `lrft.simulate_sequence` returns it.
    form : {"table", "json", "csv"}
    """
    if form != "table":
        show_numbers(ds, form)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"{told(ds, 'activation')}, d = {told(ds, 'd')}, k = {told(ds, 'k')}, "
        f"ξ = {told(ds, 'xi')}, {ds.attrs['engine']} engine, between tasks: {ds.attrs['between']}; "
        f"{ds.sizes['replica']} replicas: {_ends(ds)}"
    )
    if (rate := ds.attrs.get("learning_rate", "given")) != "given":
        console.print(foreign.printable(rate), markup=False)
    rows = summary(ds)
    if not rows.ended.any():
        console.print("no replica has come to its end: no final values")
        return
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("task", "loss learned", "loss at the end", "forgetting", "transfer"):
        found.add_column(name, justify="right", no_wrap=True)
    for _, row in rows.iterrows():
        found.add_row(
            str(row.task),
            f"{row.learned_loss:.4g}",
            f"{row.final_loss:.4g}",
            *(_interval(row, name) for name in ("forgetting", "transfer")),
        )
    console.print(found)
    console.print("medians, with 95 % intervals")


def _interval(row: Any, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    ends = f" [{low:.3g}, {high:.3g}]" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{row[name]:.3g}{ends}"


def show_numbers(ds: xr.Dataset, form: str) -> None:
    """Print `lrft.summary` of any result.

    Parameters
    ----------
    ds : xarray.Dataset
    form : {"json", "csv"}
        JSON has what the result is and how its replicas ended too, and null where a number is not
        finite; CSV the rows alone.
    """
    rows = summary(ds)
    if form == "csv":
        print(rows.to_csv(index=False, lineterminator="\n"), end="")
        return
    names, counts = np.unique(ds.status.values, return_counts=True)
    known = ("title", "activation", "d", "k", "xi", "engine", "seed", "learning_rate")
    values = {name: ds[name].item() for name in known if name in ds.coords and not ds[name].dims}
    about = {name: ds.attrs[name] for name in known if name in ds.attrs} | values
    status = dict(zip(names.tolist(), counts.tolist(), strict=True))
    numbers = [
        {name: _plain(value) for name, value in row.items()} for row in rows.to_dict("records")
    ]
    document = about | {"status": status, "numbers": numbers}
    print(json.dumps(document, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    """Make a number of NumPy one of JSON, which has none that are not finite."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


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
