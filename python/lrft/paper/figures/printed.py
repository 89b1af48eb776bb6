"""Points of the paper's printed curves; ``data/printed_curves.csv`` says how it was read."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["Reading", "printed", "readings"]


class Reading(NamedTuple):
    """One point of a printed curve.

    Parameters
    ----------
    panel, curve : str
        ``"5a"``; the activation, the level, ξ, or a number where the print names none.
    quantity : str
        ``"overlap_u"``, ``"overlap_c"`` or ``"loss"``.
    level : float
    steps : float
    """

    panel: str
    curve: str
    quantity: str
    level: float
    steps: float


@cache
def readings() -> tuple[Reading, ...]:
    """Read all of them; what the print does not show is left out.

    Examples
    --------
    >>> readings()[0]
    Reading(panel='2a', curve='1', quantity='overlap_u', level=0.9, steps=188000.0)
    """
    text = (resources.files("lrft.data") / "printed_curves.csv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Reading(row["panel"], row["curve"], row["quantity"], float(row["level"]), float(steps))
        for row in csv.DictReader(lines)
        if (steps := row["steps"]) != "-"
    )


def printed(panel: str, curve: str, level: float, quantity: str = "overlap_u") -> float:
    """Find the step at which a printed curve reaches a level.

    Raises
    ------
    KeyError
        If the print does not show it.

    Examples
    --------
    >>> printed("5a", "1/4", 0.9), printed("6", "25", 0.5)
    (496000.0, 18400000.0)
    """
    for one in readings():
        if one[:4] == (panel, curve, quantity, level):
            return one.steps
    raise KeyError(f"no reading of {quantity} = {level:g} on curve {curve!r} of panel {panel}")
