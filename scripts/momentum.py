"""How near momentum is to plain SGD at η/(1 − β): the table of docs/training.md.

Both run on the same inputs in the ambient space, to the same time; the table has the root mean
square over replicas of the difference of their overlaps, and the slope of its logarithm.
"""

from __future__ import annotations

import numpy as np

import lrft

D, K, BETA, REPLICAS, HORIZON = 200, 4, 0.9, 48, 40.0
DELTAS = (0.2, 0.1, 0.05, 0.025)


def apart(activation: str, delta: float) -> float:
    """Root mean square of the difference at η = delta/d."""
    task = lrft.Task.sample(d=D, k=K, features="orthonormal", activation=activation, seed=0)
    plans = [
        lrft.Training(lr=delta / D, steps=round(HORIZON / delta), record=2),
        lrft.Training(
            lr=(1 - BETA) * delta / D,
            steps=round(HORIZON / delta),
            record=2,
            optimiser=lrft.SGD(momentum=BETA),
        ),
    ]
    ends = [
        lrft.simulate(task, plan, replicas=REPLICAS, seed=3, engine="ambient").final_overlap_u
        for plan in plans
    ]
    return float(np.sqrt(np.mean((ends[0].values - ends[1].values) ** 2)))


def main() -> None:
    """Print the table."""
    print("| η d of plain SGD | steps | relu | tanh |\n| --- | --- | --- | --- |")
    table = np.array([[apart(name, delta) for name in ("relu", "tanh")] for delta in DELTAS])
    for delta, row in zip(DELTAS, table, strict=True):
        print(f"| {delta} | {round(HORIZON / delta)} | {row[0]:.2g} | {row[1]:.2g} |")
    slopes = np.polyfit(np.log(DELTAS), np.log(table), 1)[0]
    print(f"slopes {slopes[0]:.2f} (relu), {slopes[1]:.2f} (tanh)")


if __name__ == "__main__":
    main()
