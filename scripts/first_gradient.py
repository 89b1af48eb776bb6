"""LoRA from the first gradient of N = αd fresh samples against a Gaussian A, d = 10³ to 10⁶.

Both start as the base (B = 0) and are trained at one rate δ/d, batch 1. Time is counted in samples,
those of the gradient included. Prints a table of median hitting times with 95 % intervals and draws
docs/images/first_gradient.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import lrft

DIMENSIONS = (1_000, 10_000, 100_000, 1_000_000)
ALPHAS = (None, 0.25, 1.0, 4.0)
K, XI, DELTA, LEVEL, MOST = 8, 8**0.5, 0.1, 0.9, 100


def samples_to(d: int, alpha: float | None, replicas: int, seed: int = 0) -> np.ndarray:
    """Samples (replicas,) until |overlap_u| is 0.9, infinite where never; c is one for all d."""
    task = lrft.Task.sample(d=d, k=K, xi=XI, activation="relu", normalization="unit", seed=0)
    count = 0 if alpha is None else round(alpha * d)
    start: dict[str, Any] = {"start": "gradient", "start_samples": count} if count else {}
    training = lrft.Training(
        student=lrft.LoRA(rank=1, **start),
        lr=DELTA / d,
        steps=MOST * d,
        stop_at=LEVEL,
        thresholds=[LEVEL],
        record=2,
    )
    ds = lrft.simulate(task, training, replicas=replicas, seed=seed)
    hits = ds.hit_step.sel(threshold=LEVEL).values
    return np.where(hits < 0, np.inf, hits + count)


def median(times: np.ndarray) -> tuple[float, float, float]:
    """The median and its exact 95 % interval between order statistics."""
    from scipy import stats

    ordered = np.sort(times)
    low = int(stats.binom.ppf(0.025, len(times), 0.5))
    return float(np.median(times)), float(ordered[max(0, low - 1)]), float(ordered[-max(1, low)])


def draw(found: dict[tuple[int, float | None], tuple[float, float, float]], path: Path) -> None:
    """Medians over d, a line a start."""
    from matplotlib import pyplot as plt

    plt.style.use(lrft.plot.STYLE)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for shift, alpha in zip(np.geomspace(0.93, 1.07, len(ALPHAS)), ALPHAS, strict=True):
        points = [(d, *found[d, alpha]) for d in DIMENSIONS if (d, alpha) in found]
        d, mid, low, high = np.array(points).T
        label = "Gaussian A" if alpha is None else f"A of the first gradient, N = {alpha:g} d"
        axes.errorbar(
            d * shift,
            mid / d,
            [(mid - low) / d, (high - mid) / d],
            fmt=".-",
            capsize=2,
            label=label,
        )
    axes.set(xscale="log", xlabel="d", ylabel="samples to overlap 0.9, over d", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--most", type=int, default=DIMENSIONS[-1], help="the largest d")
    parser.add_argument("--out", type=Path, default=here / "docs" / "images" / "first_gradient.png")
    arguments = parser.parse_args()
    found = {}
    names = ["Gaussian A", *(f"N = {alpha:g} d" for alpha in ALPHAS[1:])]
    print("| d | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for d in (d for d in DIMENSIONS if d <= arguments.most):
        for alpha in ALPHAS:
            found[d, alpha] = median(samples_to(d, alpha, arguments.replicas))
        cells = [
            f"{mid / d:.3g} ({low / d:.3g} to {high / d:.3g})"
            for mid, low, high in (found[d, alpha] for alpha in ALPHAS)
        ]
        print(f"| 10^{round(np.log10(d))} | " + " | ".join(cells) + " |", flush=True)
    draw(found, arguments.out)


if __name__ == "__main__":
    main()
