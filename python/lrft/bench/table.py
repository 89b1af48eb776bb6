"""The report as a table."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

__all__ = ["by_tool", "fastest", "goals", "number", "table"]

_SINGLE = ("loop", "blocked", "compiled")


def fastest(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the fastest single-chain contender of a row; where there is none, the fastest."""
    others: list[Mapping[str, Any]] = row["others"]
    single = [o for o in others if o["kind"] in _SINGLE]
    return min(single or others, key=lambda o: o["ns"], default=None)


def by_tool(row: Mapping[str, Any]) -> str:
    """Say how many times faster than the fastest single chain of each tool, slowest first.

    Examples
    --------
    >>> others = [{"name": n, "kind": "loop", "ratio": r} for n, r in (("JAX scan", 7), ("A", 2))]
    >>> by_tool({"others": others})
    'JAX 7.00, A 2.00'
    """
    best: dict[str, float] = {}
    for other in row["others"]:
        if other["kind"] in _SINGLE:
            tool = other["name"].split()[0]
            best[tool] = min(other["ratio"], best.get(tool, float("inf")))
    return ", ".join(f"{t} {number(r)}" for t, r in sorted(best.items(), key=lambda b: -b[1]))


def goals(row: Mapping[str, Any]) -> list[tuple[str, float, float, bool]]:
    """List the goals of a row: what, the value measured, the goal, whether it is reached."""
    found = []
    if row["goal"] is not None:
        rivals = [o for o in row["others"] if o["kind"] in row["goal_kinds"]]
        if rivals:
            rival = min(rivals, key=lambda o: o["ns"])
            found.append(
                (
                    f"times {rival['name']}",
                    rival["ratio"],
                    row["goal"],
                    rival["ratio"] >= row["goal"],
                )
            )
    if row["goal_share"] is not None and row["limit"] is not None:
        share = row["limit"]["share"]
        found.append(("share of the limit", share, row["goal_share"], share >= row["goal_share"]))
    return found


def number(value: float) -> str:
    """Three significant digits.

    Examples
    --------
    >>> number(1234.4), number(41.26), number(0.8449)
    ('1234', '41.3', '0.845')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def table(report: Mapping[str, Any]) -> str:
    """Write all rows: time, fastest rival, ratio with its band, limit and share reached."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "lrft", "fastest other", "its", "ratio", "band", "limit", "share"):
        left = name in ("what", "fastest other")
        shown.add_column(name, justify="left" if left else "right", no_wrap=True)
    for row in report["rows"]:
        rival, limit = fastest(row), row["limit"]
        shown.add_row(
            escape(row["name"]),
            f"{number(row['lrft']['ns'])} ns/{row['unit']}",
            escape(rival["name"]) if rival else "-",
            f"{number(rival['ns'])} ns" if rival else "-",
            f"{number(rival['ratio'])}x" if rival else "-",
            f"{number(rival['low'])}-{number(rival['high'])}" if rival else "-",
            f"{number(limit['ns'])} ns" if limit else "-",
            f"{limit['share']:.0%}" if limit else "-",
        )
    page = io.StringIO()
    Console(file=page, width=300, highlight=False).print(shown)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).strip("\n")
