"""How long a relu student takes to find He3, with biases and without: docs/teachers.md's table.

    python scripts/biased_relu.py            # ten minutes on two cores
    python scripts/biased_relu.py --quick    # a minute, small d

The teacher is he3(<u, x>), of information exponent 3. One neuron on the sphere and 64 free ones,
all biases 1 and frozen, from scratch, one pass. The rate goes as d^(-3/2), which is the largest
that theory allows up to logarithms, with the factor that is best at a small d. Times are medians
over replicas of the first step at which a neuron has an overlap of 1/2 with u.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft.result.exponents import PowerLaw, power_law

Array = NDArray[np.float64]

LEVEL = 0.5
FACTORS = {1: (0.1, 0.2, 0.4, 0.8), 64: (0.4, 0.8, 1.6, 3.2)}  # of d^(-3/2)
TUNED_AT = {1: 256, 64: 512}
SIZES = {1: [2**p for p in range(7, 12)], 64: [2**p for p in range(7, 11)]}
REPLICAS = {1: 32, 64: 8}
BUDGET = {1: 40.0, 64: 4.0}  # of d^2 steps
RECORDS = 161  # of the wide network, whose overlaps are looked at there


def task_of(d: int, bias: float | None) -> lrft.Task:
    """He3 beside a base that is zero; its one neuron has the bias."""
    return lrft.Task.single_index("he3", d=d, activation="relu", lam=1.0, biases=bias)


def student_of(width: int, bias: float | None) -> tuple[Any, str]:
    """One neuron on the sphere, or several free ones, which correlate with the labels."""
    if width == 1:
        return lrft.RankOne(), "squared"
    own: dict[str, Any] = {} if bias is None else {"biases": bias}
    return lrft.FullNetwork(width, init="gaussian", lam_init=1.0, **own), "correlation"


def run(d: int, width: int, factor: float, bias: float | None = 1.0) -> Any:
    """Run all replicas at one rate."""
    student, loss = student_of(width, bias)
    training = lrft.Training(
        student=student,
        lr=factor * d**-1.5,
        steps=int(BUDGET[width] * d**2 * (0.5 if bias is None else 1.0)),
        stop_at=LEVEL if width == 1 and bias is not None else None,
        record=2 if width == 1 else RECORDS,
        loss=loss,
        thresholds=(LEVEL,),
    )
    return lrft.simulate(task_of(d, bias), training, replicas=REPLICAS[width], seed=d)


def times(ds: Any, width: int) -> Array:
    """Steps to the level of every replica; infinite where it was not reached."""
    if width == 1:
        hit = ds.hit_step.sel(threshold=LEVEL).values
        return np.where(hit < 0, np.inf, hit)
    best = np.abs(ds.overlap_u.values[..., 0]).max(axis=-1)
    reached = best >= LEVEL
    return np.where(reached.any(axis=1), ds.step.values[reached.argmax(axis=1)], np.inf)


def measured(width: int, sizes: list[int]) -> tuple[float, PowerLaw]:
    """The best factor, and the exponent of the times, printed as they come."""
    d = TUNED_AT[width]
    tried = {factor: np.median(times(run(d, width, factor), width)) for factor in FACTORS[width]}
    best = min(tried, key=lambda factor: tried[factor])
    print(f"width {width}: medians / d² at d = {d}:", end=" ")
    print(", ".join(f"{f:g}: {t / d**2:.1f}" for f, t in tried.items()), flush=True)
    found = []
    for d in sizes:
        found.append(times(run(d, width, best), width))
        median = np.median(found[-1])
        print(f"  d = {d}: {median:.3g} steps = {median / d**2:.1f} d²", flush=True)
    return best, power_law(sizes, found)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--width", type=int, choices=list(SIZES), help="this one alone")
    asked = parser.parse_args()
    quick = asked.quick
    for width, sizes in SIZES.items():
        if asked.width not in (None, width):
            continue
        sizes = sizes[:2] if quick else sizes
        best, law = measured(width, sizes)
        print(f"width {width}, rate {best:g} d^(-3/2): exponent {law.exponent.text(2)}")
        d = sizes[-2]
        start, end = (
            np.abs(ds.overlap_u.values).reshape(REPLICAS[width], len(ds.step), -1).max(axis=2)
            for ds in [run(d, width, best, None)]
            for ds in (ds.isel(step=[0]), ds.isel(step=[-1]))
        )
        print(
            f"without biases, d = {d}, {BUDGET[width] / 2:g} d² steps: medians of the largest "
            f"overlap {np.median(start):.2f} to {np.median(end):.2f}, largest {end.max():.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
