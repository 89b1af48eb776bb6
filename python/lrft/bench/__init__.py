"""What `lrft bench` runs: `lrft` beside what a user would write, and what the machine allows.

Every case checks its answers before it is timed; contenders take turns in interleaved rounds;
ratios are medians over rounds with a band.  The cases of the quick table take less than a minute,
all of them several.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from typing import Any

from lrft.bench.case import Case, measure
from lrft.bench.environment import describe, one_core
from lrft.bench.parts import ACTIVATION_CASES, NORMALS_CASES
from lrft.bench.shares import SHARE_CASES
from lrft.bench.simulations import SIMULATION_CASES
from lrft.bench.table import goals, table
from lrft.bench.worker import ISA_CASES

__all__ = ["Case", "cases", "goals", "run", "table"]


def cases(full: bool = False, only: str | None = None) -> tuple[Case, ...]:
    """Return the benchmarks, in the order of the table.

    Parameters
    ----------
    full : bool
        All of them, rather than those of the quick table.
    only : str, optional
        Only those, of all, of this group; or, if it is no group, with this in their name.

    Raises
    ------
    ValueError
        If `only` matches nothing.
    """
    every = (*NORMALS_CASES, *ACTIVATION_CASES, *SIMULATION_CASES, *SHARE_CASES, *ISA_CASES)
    groups = {c.group for c in every}
    if only is not None:
        chosen = tuple(
            c for c in every if only == c.group or (only not in groups and only in c.name)
        )
        if not chosen:
            raise ValueError(
                f"only must match a case; {only!r} is in none of {[c.name for c in every]}"
            )
        return chosen
    return tuple(c for c in every if full or c.quick)


def run(
    chosen: Sequence[Case],
    rounds: int = 5,
    seconds: float = 0.03,
    thorough: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Check and time cases.

    Parameters
    ----------
    chosen : sequence of Case
        From `cases`.
    rounds : int
        Interleaved rounds of each case.
    seconds : float
        Roughly how long each contender runs in a round.
    thorough : bool
        With the contenders that are slow to compile.
    progress : callable
        Told the name of each case before it starts.

    Returns
    -------
    dict
        The report: plain JSON values, times in nanoseconds.

    Raises
    ------
    AssertionError
        If anything that is compared computes something wrong.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    rows = []
    for case in chosen:
        progress(case.name)
        if case.all_cores:
            rows.append(measure(case, rounds, seconds, thorough))
        else:
            with one_core():
                rows.append(measure(case, rounds, seconds, thorough))
    return {
        "schema": 1,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "environment": describe(),
        "settings": {"rounds": rounds, "seconds": seconds, "load_before": load},
        "rows": rows,
    }
