"""Draw docs/images/escape.png: when replicas leave a symmetric plateau, beside the equations.

python scripts/escape_times.py [picture.png]    # about a minute
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lrft
from lrft import theory

PICTURE = Path(__file__).parents[1] / "docs/images/escape.png"
REPLICAS, DELTA, HORIZON, RECORDS = 64, 0.1, 80.0, 401
DIMENSIONS = (100, 1_000, 10_000)


def committee(d: int) -> lrft.Task:
    """Two erf neurons that are their own teacher but for a perturbation of 1e-12."""
    rows = np.eye(3, d)
    return lrft.Task(
        W=rows[:2], lam=np.ones(2), c=[1.0, 0.0], u=rows[2], xi=1e-12, activation="erf"
    )


def first_below(losses: np.ndarray, times: np.ndarray, level: float) -> np.ndarray:
    """First recorded times at which losses (n, records) are at most `level`; else inf."""
    below = losses <= level
    return np.where(below.any(axis=1), times[below.argmax(axis=1)], np.inf)


def distribution(axes: plt.Axes, times: np.ndarray, **style: object) -> None:
    """Draw the share that has left by each time."""
    left = np.sort(times[np.isfinite(times)])
    shares = np.arange(len(left) + 1) / len(times)
    axes.step(np.r_[0.0, left, HORIZON], np.r_[shares, shares[-1]], where="post", **style)


def main() -> None:
    """Run, solve and draw."""
    figure, (paths, left) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    for colour, d in zip(("C0", "C1", "C2"), DIMENSIONS, strict=True):
        task = committee(d)
        training = lrft.Training(
            student=lrft.FullNetwork(width=2, init="gaussian", std=(4 * d) ** -0.5),
            lr=DELTA / d,
            steps=int(HORIZON * d / DELTA),
            record=RECORDS,
            record_parameters=True,
        )
        ds = lrft.simulate(task, training, replicas=REPLICAS, seed=1)
        times, losses = ds.step.values * DELTA / d, ds.loss.values
        plateau = 2 * (2 / np.pi) * (np.pi / 6 - 2 * np.arcsin(1 / 4))
        solved = np.array(
            [
                theory.order_parameter_ode(task, training, ds.isel(replica=i)).loss
                for i in range(REPLICAS)
            ]
        )
        limit = theory.order_parameter_ode(task, training).loss
        escaped = first_below(losses, times, plateau / 2)
        predicted = first_below(solved, times, plateau / 2)
        quantiles = [np.quantile(t, [0.1, 0.5, 0.9], method="higher") for t in (escaped, predicted)]
        print(d, *quantiles)
        if d == DIMENSIONS[1]:
            paths.semilogy(times, losses[:12].T, color="0.7", lw=0.8)
            paths.semilogy(times, losses.mean(axis=0), color=colour, label="mean of 64 replicas")
            paths.semilogy(times, solved[0], color="k", lw=1, ls=":", label="equations, one start")
            paths.semilogy(times, limit, color="k", ls="--", label="equations, d → ∞ start")
        distribution(left, escaped, color=colour, label=f"d = {d:,}")
        distribution(left, predicted, color="k", ls=":", lw=1)
    left.plot([], [], color="k", ls=":", lw=1, label="equations, each from its start")
    paths.set(xlabel="τ = ηt", ylabel="loss", title=f"d = {DIMENSIONS[1]:,}", ylim=(1e-4, None))
    left.set(xlabel="τ at half the plateau's loss", ylabel="share of replicas", xlim=(0, HORIZON))
    paths.legend(fontsize=8)
    left.legend(fontsize=8, loc="lower right")
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else PICTURE, dpi=110)


if __name__ == "__main__":
    main()
