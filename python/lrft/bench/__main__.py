"""`python -m lrft.bench`: time with every tool at one thread, print the table, write the JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lrft.base import files, streams
from lrft.bench import cases, goals, run, table
from lrft.bench.environment import cpu, one_thread_environment, slug
from lrft.bench.table import by_tool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 for a wrong answer; a wrong argument exits with 2."""
    parser = argparse.ArgumentParser(
        prog="lrft bench", description="Time lrft beside what a user would write instead."
    )
    parser.add_argument(
        "--full", action="store_true", help="every case, not only those of the quick table"
    )
    parser.add_argument(
        "--only", metavar="TEXT", help="only cases whose name contains TEXT, or of group TEXT"
    )
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5, with --full 7)")
    parser.add_argument(
        "--seconds",
        type=float,
        help="time of one contender in a round (default 0.05, with --full 0.1)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), help="folder of the JSON, made if missing (default: .)"
    )
    options = parser.parse_args(arguments)
    rounds = (7 if options.full else 5) if options.rounds is None else options.rounds
    seconds = (0.1 if options.full else 0.05) if options.seconds is None else options.seconds
    if rounds < 1 or not 0 < seconds < 60:
        parser.error("--rounds must be at least 1 and --seconds between 0 and 60")
    try:
        chosen = cases(options.full, options.only)
        folder = files.folder(options.out)
    except ValueError as error:
        parser.error(str(error))
    try:
        report = run(
            chosen,
            rounds,
            seconds,
            options.full,
            progress=lambda name: print(f"... {name}", file=sys.stderr, flush=True),
        )
    except AssertionError as error:
        print(f"a benchmark computes something wrong: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:  # neither a checkout nor the wheel's copy of the loops
        print(f"lrft bench: {error}", file=sys.stderr)
        return 2
    report["settings"]["full"] = options.full
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    try:
        path = files.somewhere(
            folder / f"{slug(cpu())}-{report['date']}.json",
            partial(files.write, text.encode()),
            _say,
        )
    except OSError as error:
        _say(f"cannot save the JSON: {files.reason(error)}")
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
    print(f"written: {path}", file=sys.stderr)
    return 0


def _say(text: str) -> None:
    print(f"lrft bench: {' '.join(text.split())}", file=sys.stderr)


def _guarded() -> int:
    with streams.guarded() as output:
        return output.settle(main())


def in_one_thread(arguments: Sequence[str]) -> int:
    """Run `main` in a process whose libraries start with one thread: later is too late."""
    return subprocess.run(
        [sys.executable, "-m", "lrft.bench", *arguments],
        env=one_thread_environment() | {"LRFT_BENCH": "1"},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(_guarded() if os.environ.get("LRFT_BENCH") else in_one_thread(sys.argv[1:]))
