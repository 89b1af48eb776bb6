"""What the fastest loop that people write would need for the steps of an experiment.

From measured step times in ``data/baseline_steps.json``, which ``scripts/baseline_steps.py``
remakes; `lrft bench` measures the same loops.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Loop", "loop", "measured"]


class Loop(NamedTuple):
    """Time that a loop would need on one core, and which loop that is."""

    seconds: float
    steps: int
    name: str


@cache
def measured() -> dict[str, Any]:
    """Read the measured step times: machine, date, and for each (d, k) the fastest loop.

    Examples
    --------
    >>> sorted(measured()["rows"][0])
    ['d', 'k', 'loop', 'ns']
    """
    text = (resources.files("lrft.data") / "baseline_steps.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def loop(data: xr.Dataset) -> Loop | None:
    """Time the fastest measured loop would need for the steps behind a dataset.

    Parameters
    ----------
    data : xarray.Dataset
        With `stop_step` and the coordinates `d` and `k`.

    Returns
    -------
    Loop or None
        None where steps or sizes are not known, or no loop was measured at these sizes.
    """
    if not {"stop_step", "d", "k"} <= set(data.variables):
        return None
    rows = {(row["d"], row["k"]): row for row in measured()["rows"]}
    steps = data.stop_step
    seconds, names = 0.0, set()
    d, k = (data[name].broadcast_like(steps).values.ravel() for name in ("d", "k"))
    for size, count in zip(zip(d, k, strict=True), steps.values.ravel(), strict=True):
        row = rows.get((int(size[0]), int(size[1])))
        if row is None:
            return None
        seconds += 1e-9 * row["ns"] * int(count)
        names.add(str(row["loop"]))
    return Loop(seconds, int(steps.sum()), " or ".join(sorted(names)))
