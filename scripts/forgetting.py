"""Forgetting against the overlap of two tasks' directions: docs/images/forgetting.png.

A LoRA student of rank 1 learns u₁ and then u₂ with ⟨u₁, u₂⟩ = ρ and one c, going on with one
adapter or with a new one beside the old. Means over replicas, each with tasks of its own, and 95 %
intervals of the mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import lrft

OVERLAPS = np.linspace(0.0, 1.0, 9)
D, K, XI, STEPS, DELTA = 1000, 8, 8**0.5, 60, 0.1


def measured(overlap: float, between: str, replicas: int) -> np.ndarray:
    """Forgetting of the first task, and its transfer to the second: (replica, 2)."""
    found = []
    for i in range(replicas):
        sequence = lrft.Sequence.sample(
            D, K, overlap, one_c=True, xi=XI, activation="relu", normalization="unit", seed=i
        )
        training = lrft.Training(student=lrft.LoRA(rank=1), lr=DELTA / D, steps=STEPS * D, record=2)
        ds = lrft.simulate_sequence(sequence, training, between=between, replicas=[i])
        found.append([float(ds.forgetting[0, 0]), float(ds.transfer[0, 1])])
    return np.array(found)


def mean(values: np.ndarray) -> tuple[float, float]:
    """The mean, and half of its 95 % interval by Student's t."""
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def main() -> None:
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=16)
    parser.add_argument("--out", type=Path, default=here / "docs" / "images" / "forgetting.png")
    arguments = parser.parse_args()
    from matplotlib import pyplot as plt

    plt.style.use(lrft.plot.STYLE)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    print("| overlap | forgetting, one adapter | forgetting, a new one | transfer |")
    print("| --- | --- | --- | --- |")
    rows: dict[str, list[tuple[float, float]]] = {"continue": [], "new": [], "transfer": []}
    for overlap in OVERLAPS:
        for between in ("continue", "new"):
            values = measured(float(overlap), between, arguments.replicas)
            rows[between].append(mean(values[:, 0]))
        rows["transfer"].append(mean(values[:, 1]))
        cells = [f"{rows[name][-1][0]:.3f} ± {rows[name][-1][1]:.3f}" for name in rows]
        print(f"| {overlap:g} | " + " | ".join(cells) + " |", flush=True)
    labels = {"continue": "forgetting, one adapter", "new": "forgetting, a new adapter"}
    for name, label in (labels | {"transfer": "transfer to the second task"}).items():
        middle, half = np.array(rows[name]).T
        style = "--" if name == "transfer" else "-"
        axes.errorbar(OVERLAPS, middle, half, fmt=f".{style}", capsize=2, label=label)
    axes.axhline(0, color="0.7", lw=0.8)
    axes.set(xlabel="overlap of u₁ and u₂", ylabel="share of the loss at the start")
    axes.legend()
    figure.savefig(arguments.out, dpi=150)


if __name__ == "__main__":
    main()
