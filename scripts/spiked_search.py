"""How a spike along u shortens the search: measured exponents beside those of the flow.

    python scripts/spiked_search.py     # prints the tables of docs/inputs.md; a minute and a half

One neuron he2 learns he2(<u, x>) from scratch with the correlation loss, on inputs whose variance
along u is v = 1 + theta.  Gradient flow of the overlap is dm/dt = 4 Q m (1 - m^2) with
Q = v^2 + theta^2 / 2, so from m0 to m it takes log(g(m) / g(m0)) / (4 Q), g(m) = m / sqrt(1 - m^2).
The gradient's noise along u grows with v, and at a rate of order 1 / (d v) it stays small beside
the overlap of the start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

import lrft
from lrft.result.exponents import PowerLaw, power_law

LEVEL = 0.5
RATE = 0.01
REPLICAS = 256
D = 10_000
STRENGTHS = (0.0, 1.0, 3.0, 7.0, 15.0)
DIMENSIONS = (300, 1000, 3000, 10_000)
GROWTH = (0.0, 0.25, 0.5)  # theta = d^gamma; the first without a spike


def speed(theta: ArrayLike) -> NDArray[np.float64]:
    """Q of the flow."""
    theta = np.asarray(theta, dtype=float)
    return (1 + theta) ** 2 + theta**2 / 2


def flow(theta: float, start: float, level: float = LEVEL) -> float:
    """Time that the flow takes from one overlap to another."""
    odds = [m / np.sqrt((1 - m) * (1 + m)) for m in (start, level)]
    return float(np.log(odds[1] / odds[0]) / (4 * speed(theta)))


def searched(
    d: int, theta: float, seed: int, replicas: int = REPLICAS, rate: float = RATE
) -> tuple[NDArray[np.float64], float]:
    """Times lr * steps of every replica, and what the flow says from the median start."""
    task = lrft.Task.single_index("he2", d=d, activation="he2", inputs=lrft.Spiked("u", theta))
    lr = rate / (d * (1 + theta))
    steps = int(10 * flow(theta, 0.67 / d**0.5) / lr)
    training = lrft.Training(
        student=lrft.RankOne(orthogonal=False),
        lr=lr,
        steps=steps,
        record=[0],
        stop_at=LEVEL,
        loss="correlation",
    )
    ds = lrft.simulate(task, training, replicas=replicas, seed=seed)
    start = float(np.median(np.abs(ds.overlap_u.isel(step=0).values)))
    hits = ds.hit_step.sel(threshold=LEVEL).values.reshape(-1)
    return lr * np.where(hits < 0, np.inf, hits), flow(theta, start)


def shown(law: PowerLaw) -> str:
    low, high = law.exponent.low, law.exponent.high
    return f"{law.exponent.value:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Print both tables."""
    print(f"d = {D:,}: median time lr * steps to |m| = {LEVEL}\n")
    print("| theta | measured | flow |\n| --- | --- | --- |")
    times, expected = [], []
    for i, theta in enumerate(STRENGTHS):
        found, of_flow = searched(D, theta, seed=i)
        times.append(found)
        expected.append(of_flow)
        print(f"| {theta:g} | {np.median(found):.4f} | {of_flow:.4f} |")
    law = power_law(speed(STRENGTHS), times)
    line = np.polyfit(np.log(speed(STRENGTHS)), np.log(expected), 1)[0]
    print(f"\nexponent in Q: {shown(law)}, of the flow {line:.3f}\n")
    print("| theta | exponent of the steps in d | of the flow |\n| --- | --- | --- |")
    for g, growth in enumerate(GROWTH):
        steps, of_flow = [], []
        for i, d in enumerate(DIMENSIONS):
            theta = float(d) ** growth if growth else 0.0
            found, time = searched(d, theta, seed=100 + 10 * g + i)
            steps.append(found * d * (1 + theta))
            of_flow.append(time * d * (1 + theta))
        line = np.polyfit(np.log(DIMENSIONS), np.log(of_flow), 1)[0]
        name = f"d^{growth:g}" if growth else "0"
        print(f"| {name} | {shown(power_law(DIMENSIONS, steps))} | {line:.3f} |")


if __name__ == "__main__":
    main()
