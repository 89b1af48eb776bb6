"""What a benchmark is: what `lrft` does, what else does it, its limit, a check of the answer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lrft.bench.interleave import Contender, interleave, ratio

__all__ = ["Case", "Contest", "measure"]


@dataclass(frozen=True)
class Contest:
    """A case made ready to run.

    Attributes
    ----------
    ours : Contender
        What `lrft` does.
    others : sequence of (Contender, str)
        What it is compared with, each with its kind: "loop", "blocked", "batched", "self" for
        `lrft` itself under other conditions, or "fewer threads" for that.
    limit : Contender or None
        The unavoidable parts of the same work alone.
    check : callable
        Raises AssertionError if any contender computes something wrong; called before anything is
        timed.
    """

    ours: Contender
    others: Sequence[tuple[Contender, str]]
    check: Callable[[], None]
    limit: Contender | None = None


@dataclass(frozen=True)
class Case:
    """A named benchmark.

    Attributes
    ----------
    name, group, unit : str
        `unit` is what a time is given per: "normal", "value", "step", "replica-step" or "run".
    prepare : callable
        Returns the `Contest`; imports and allocates only when called.
    thorough : callable, optional
        What to prepare instead where time does not matter: also what is slow to compile.
    goal : float or None
        The ratio to reach over the fastest contender of the kinds in `goal_kinds`.
    goal_share : float or None
        The share of the limit to reach.
    quick : bool
        Whether it belongs to the quick table.
    all_cores : bool
        Run it on all cores, because it measures threads.
    note : str
        One sentence for the report.
    """

    name: str
    group: str
    unit: str
    prepare: Callable[[], Contest]
    thorough: Callable[[], Contest] | None = None
    goal: float | None = None
    goal_kinds: tuple[str, ...] = ("loop", "blocked")
    goal_share: float | None = None
    quick: bool = False
    all_cores: bool = False
    note: str = ""


def measure(case: Case, rounds: int, seconds: float, thorough: bool = False) -> dict[str, Any]:
    """Check, then time, one case; return a row of the report, in JSON values and nanoseconds.

    Raises
    ------
    AssertionError
        If a contender computes something wrong.
    """
    prepare = case.thorough if thorough and case.thorough is not None else case.prepare
    contest = prepare()
    contest.check()
    contenders = [contest.ours, *(c for c, _ in contest.others)]
    if contest.limit is not None:
        contenders.append(contest.limit)
    clock = time.perf_counter if case.all_cores else time.process_time
    times = interleave(contenders, rounds, seconds, clock)
    ours = times[contest.ours.name]
    row: dict[str, Any] = {
        "name": case.name,
        "group": case.group,
        "unit": case.unit,
        "note": case.note,
        "goal": case.goal,
        "goal_kinds": list(case.goal_kinds),
        "goal_share": case.goal_share,
        "lrft": _timing(ours),
        "limit": None,
        "others": [],
    }
    if contest.limit is not None:
        limit = times[contest.limit.name]
        share = ratio(limit, ours)
        row["limit"] = _timing(limit) | {
            "share": share.median,
            "low": share.low,
            "high": share.high,
        }
    for contender, kind in contest.others:
        theirs = times[contender.name]
        r = ratio(theirs, ours)
        row["others"].append(
            {"name": contender.name, "kind": kind, **_timing(theirs)}
            | {"ratio": r.median, "low": r.low, "high": r.high}
        )
    row["others"].sort(key=lambda other: other["ns"])
    return row


def _timing(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "ns": statistics.median(seconds) * 1e9,
        "ns_best": min(seconds) * 1e9,
        "ns_rounds": [round(s * 1e9, 4) for s in seconds],
    }
