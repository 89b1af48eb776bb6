"""Hitting times published with arXiv 2602.02855 against lrft: docs/images/pretraining_hurts.png.

Their setting: labels relu(w*·x), d = 1000; a student relu((μ w* + u v)·x), v on the unit sphere and
u free, from u = 1/d² and v uniform; batches of 500, rate 0.2 on half the squared error. In lrft: a
base of one neuron μ w*, a teacher with ξ = 1 − μ along w*, and `LoRA(rank=1, sphere=True)` at rate
0.1, since the loss here has no half.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

import lrft

DOCS = Path(__file__).resolve().parent.parent / "docs"
D, BATCH, RATE, AROUND = 1000, 500, 0.1, 0.05
GROUPS = 4000


def published() -> list[dict[str, Any]]:
    """The rows of docs/data/pretraining_hurts.csv as numbers."""
    text = (DOCS / "data" / "pretraining_hurts.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [
        {
            "mu": float(row["mu"]),
            "epoch": float(row["epoch"]),
            "window": int(row["window"]),
            "starts": [float(x) for x in row["starts"].split()],
        }
        for row in csv.DictReader(lines)
    ]


def overlaps(
    mu: float, epochs: int, replicas: int, seed: int = 0, start: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs (n,) from 0, the first after one step, and |overlap| at them (replica, n)."""
    w = np.eye(1, D)
    task = lrft.Task(W=mu * w, lam=[1.0], c=[1.0], u=w[0], xi=1 - mu, activation="relu")
    a: Any = "gaussian"
    if start is not None:
        a = start * w + np.sqrt(1 - start**2) * np.eye(1, D, 1)
    student = lrft.LoRA(rank=1, sphere=True, a_init=a, b_init=np.array([[D**-2.0]]))
    record = list(range(1, epochs + 1, max(1, epochs // 1000)))
    training = lrft.Training(
        student=student, lr=RATE, steps=epochs, batch=BATCH, record=record, thresholds=()
    )
    ds = lrft.simulate(task, training, replicas=replicas, seed=seed).sel(step=record)
    return np.array(record) - 1, np.abs(ds.overlap_u.values)


def times(
    mu: float, epochs: np.ndarray, size: np.ndarray, seeds: int, groups: int = GROUPS
) -> np.ndarray:
    """Hitting times (groups,) by their rule, of groups of seeds drawn among the replicas."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(groups):
        mean = size[rng.choice(len(size), seeds, replace=False)].mean(axis=0)
        inside = np.abs(mean - mu) <= AROUND
        found.append(epochs[inside].mean() if inside.any() else np.inf)
    return np.array(found)


def given(row: dict[str, Any], replicas: int) -> np.ndarray:
    """The same (replicas,) where the seeds start as theirs did."""
    epochs = int(2 * row["epoch"]) + 60
    runs = [overlaps(row["mu"], epochs, replicas, 1 + i, m) for i, m in enumerate(row["starts"])]
    mean = np.mean([size for _, size in runs], axis=0)
    return times(row["mu"], runs[0][0], mean, 1)


def compared(row: dict[str, Any], replicas: int) -> dict[str, np.ndarray]:
    """Ranges (2.5, 50, 97.5 %) of hitting times, by what is known of the seeds."""
    epochs, size = overlaps(row["mu"], int(5 * row["epoch"]) + 100, replicas)
    found = {
        "three": times(row["mu"], epochs, size, 3),
        "theirs": times(row["mu"], epochs, size, len(row["starts"])),
        "given": given(row, replicas),
    }
    ranges = {name: np.quantile(values, [0.025, 0.5, 0.975]) for name, values in found.items()}
    return ranges | {"share": np.array((found["theirs"] <= row["epoch"]).mean())}


def draw(rows: list[dict[str, Any]], ranges: list[dict[str, np.ndarray]], path: Path) -> None:
    """One picture: times over (1 − μ)⁻², to which they are proportional, against μ."""
    from matplotlib import pyplot as plt

    plt.style.use(lrft.plot.STYLE)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    mu = np.array([row["mu"] for row in rows])
    scale = (1 - mu) ** 2
    labels = {"three": "any three seeds", "theirs": "as many seeds", "given": "their starts"}
    for (name, label), shift in zip(labels.items(), (-0.015, 0.0, 0.015), strict=True):
        low, mid, high = np.array([one[name] for one in ranges]).T * scale
        axes.errorbar(mu + shift, mid, [mid - low, high - mid], fmt=".", capsize=2, label=label)
    times_theirs = np.array([row["epoch"] for row in rows])
    axes.plot(mu, times_theirs * scale, "kx", label="published")
    axes.set(xlabel="μ", ylabel="(1 − μ)² × hitting time", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=400)
    parser.add_argument("--out", type=Path, default=DOCS / "images" / "pretraining_hurts.png")
    arguments = parser.parse_args()
    rows, ranges = published(), []
    print(
        "| μ | published | seeds | any three seeds | as many seeds | from their starts | share ≤ |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        ranges.append(compared(row, arguments.replicas))
        cells = [
            f"{mid:.4g} ({low:.4g} to {high:.4g})"
            for low, mid, high in (ranges[-1][name] for name in ("three", "theirs", "given"))
        ]
        share = f"{float(ranges[-1]['share']):.3f}"
        first = (f"{row['mu']}", f"{row['epoch']:g}", str(len(row["starts"])))
        print("| " + " | ".join([*first, *cells, share]) + " |", flush=True)
    draw(rows, ranges, arguments.out)


if __name__ == "__main__":
    main()
