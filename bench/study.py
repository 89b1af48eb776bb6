"""Throughput of a study beside direct calls of `lrft.simulate` that do the same work.

2,000 points: d × ξ × activation × η. A call of `simulate` takes one training, so the direct way is
one call with a list of 200 tasks for each of the ten rates. Rounds are interleaved, and after each
the two must have the same bits. CPU time is what counts where other programs keep the machine busy.

    python bench/study.py [--steps 20000] [--rounds 3] [--threads 2]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import lrft

STUDY: dict[str, Any] = {
    "task": {"k": 8, "features": "orthonormal", "normalization": "unit"},
    "run": {"replicas": 8, "seed": 1},
    "grid": {
        "d": [300, 1000, 3000, 10_000, 30_000],
        "xi": {"geomspace": [1, 8, 10]},
        "activation": ["relu", "tanh", "erf", "he3"],
        "lr": {"geomspace": [1e-6, 1e-4, 10]},
    },
}


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    study = STUDY | {"training": {"steps": options.steps}}
    points = lrft.study.plan(study).points
    by_rate: dict[Any, list[Any]] = {}
    for i, point in enumerate(points):
        by_rate.setdefault(point.training.lr, []).append((i, point))

    def direct() -> np.ndarray[Any, Any]:
        hits = np.empty((len(points), 8, 10), dtype=np.int64)
        for members in by_rate.values():
            ds = lrft.simulate(
                [point.task for _, point in members],
                members[0][1].training,
                replicas=8,
                seed=1,
                threads=options.threads,
            )
            hits[[i for i, _ in members]] = ds.hit_step.values
        return hits

    def swept() -> np.ndarray[Any, Any]:
        with tempfile.TemporaryDirectory() as folder:
            ds = lrft.sweep(study, Path(folder) / "study.db", threads=options.threads)
        return ds.hit_step.values

    lrft.sweep(
        study | {"training": {"steps": 1}, "grid": {"d": [300], "lr": [1e-4]}},
        Path(tempfile.mkdtemp()) / "warm.db",
    )
    ratios = []
    for _ in range(options.rounds):
        (a, wall_a, cpu_a), (b, wall_b, cpu_b) = timed(direct), timed(swept)
        assert (a == b).all()
        ratios.append((wall_a / wall_b, cpu_a / cpu_b))
        print(
            f"direct {wall_a:.1f} s ({cpu_a:.1f} s CPU), study {wall_b:.1f} s ({cpu_b:.1f} s CPU): "
            f"throughput {ratios[-1][0]:.3f} by wall, {ratios[-1][1]:.3f} by CPU",
            flush=True,
        )
    wall, cpu = np.median(ratios, axis=0)
    print(f"median: {wall:.3f} by wall, {cpu:.3f} by CPU")


if __name__ == "__main__":
    main()
