"""Time the fastest single-chain loop at the sizes of the paper's figures.

Writes python/lrft/data/baseline_steps.json, from which `lrft reproduce` says what a loop would
need for the same steps.  Needs the extra `bench`; takes about a minute a size.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lrft.bench import environment, rivals
from lrft.bench.rivals.check import check_given
from lrft.bench.simulations import problem_of

SIZES = ((2000, 50), (1000, 100), (1000, 20))
ROUNDS, STEPS = 7, 4096
TARGET = Path(__file__).parents[1] / "python" / "lrft" / "data" / "baseline_steps.json"


def main() -> None:
    described = environment.describe()
    with environment.one_core():
        rows = [row(d, k) for d, k in SIZES]
    found = {
        "what": "best round of the fastest loop: one chain, relu, ĉ trained, time of one core",
        "cpu": described["cpu"],
        "date": datetime.now(UTC).date().isoformat(),
        "versions": described["versions"],
        "rows": rows,
    }
    TARGET.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def row(d: int, k: int) -> dict[str, Any]:
    problem = problem_of(d, k, "relu", True)
    times: dict[str, float] = {}
    for baseline in rivals.installed():
        if baseline.chains > 1 or baseline.requires == "torch":  # never the fastest chain
            continue
        run = baseline.load()
        check_given(baseline, problem, 150)
        times[baseline.name] = best(run, problem)
        print(f"d = {d}, k = {k}: {baseline.name} {times[baseline.name]:.0f} ns")
    name = min(times, key=times.__getitem__)
    return {"d": d, "k": k, "loop": name, "ns": round(times[name], 1)}


def best(run: Callable[..., Any], problem: Any) -> float:
    """Nanoseconds a step of the best of several rounds, after one that compiles."""
    run(problem, STEPS)
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        run(problem, STEPS)
        times.append(time.process_time() - begin)
    return 1e9 * min(times) / STEPS


if __name__ == "__main__":
    main()
