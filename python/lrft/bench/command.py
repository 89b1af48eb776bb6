"""What `lrft bench` does in its process of one thread: time, print the table, write the JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lrft.base import files, streams
from lrft.bench import cases, goals, run, table
from lrft.bench.table import by_tool

__all__ = ["timed"]


def timed(
    place: Callable[[str], Path],
    *,
    full: bool = False,
    only: str = "",
    rounds: int | None = None,
    seconds: float | None = None,
    quiet: bool = False,
) -> int:
    """Time the cases and say what came out; 1 for a wrong answer or a file that is not written.

    Parameters
    ----------
    place : callable
        Makes the path of the JSON from the date.
    full : bool
        Every case, not only those of the quick table.
    only : str
        Cases with this in their name, or of this group.
    rounds : int, optional
        5, with `full` 7.
    seconds : float, optional
        Of one contender in a round: 0.05, with `full` 0.1.
    quiet : bool
        Do not say which case is timed, nor where the JSON is.

    Raises
    ------
    ValueError
        For numbers out of range, and where no case has this name.
    """
    rounds = (7 if full else 5) if rounds is None else rounds
    seconds = (0.1 if full else 0.05) if seconds is None else seconds
    if rounds < 1 or not 0 < seconds < 60:
        raise ValueError(
            f"rounds must be at least 1 and seconds between 0 and 60, got {rounds} and {seconds:g}"
        )
    chosen = cases(full, only or None)

    def tell(name: str) -> None:
        if not quiet:
            print(f"... {name}", file=sys.stderr, flush=True)

    try:
        report = run(
            chosen,
            rounds,
            seconds,
            full,
            progress=tell,
        )
    except AssertionError as error:
        print(f"a benchmark computes something wrong: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:  # neither a checkout nor the wheel's copy of the loops
        streams.warn(str(error))
        return 2
    report["settings"]["full"] = full
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    try:
        path = files.somewhere(
            place(report["date"]), partial(files.write, text.encode()), streams.warn
        )
    except OSError as error:
        streams.warn(f"cannot save the JSON: {files.reason(error)}")
        path = None
    print(table(report))
    for row in report["rows"]:
        if len(row["others"]) > 2:
            print(f"times the fastest of each tool: {row['name']}: {by_tool(row)}")
    for row in report["rows"]:
        for what, value, goal, reached in goals(row):
            if not reached:
                print(f"below its goal: {row['name']}: {what} {value:.2f}, goal {goal:.2f}")
    if path is None:
        return 1
    streams.kept()
    if not quiet:
        print(f"written: {path}", file=sys.stderr)
    return 0
