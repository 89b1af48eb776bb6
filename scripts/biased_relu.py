"""How long a relu student takes to find He3, with biases and without: docs/teachers.md's table.

    python scripts/biased_relu.py            # two minutes of one core
    python scripts/biased_relu.py --quick    # less than one, small d

The teacher is he3(<u, x>), of information exponent 3. One neuron on the sphere and 64 free ones,
all biases 1 and frozen, from scratch, one pass, at rates that go as d^(-3/2), which is the largest
that theory allows up to logarithms. Times are medians over replicas of the first step at which a
neuron has an overlap of 1/2 with u.

One neuron runs at the best factor of d^(-3/2) at d = 256. For 64 of them it is a small one: at
larger rates the noise along u, which he3^2 makes seven times that of other directions, carries one
of the 64 to 1/2 by chance while d is small, and times say nothing about larger d. Their output
weights are so small that they do not see each other.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import ndtr

import lrft
from lrft.paper import best_rate
from lrft.paper.experiment import Context
from lrft.paper.jobs import LANES, Job, first_hits
from lrft.result.exponents import PowerLaw, power_law

Array = NDArray[np.float64]

LEVEL = 0.5
SIZES = {64: [128, 181, 256, 362, 512], 1: [128, 181, 256, 362, 512]}
REPLICAS = {1: 32, 64: 16}
FACTOR = {1: 0.4, 64: 0.2}  # of d^(-3/2); of one neuron, where the search for the best begins
LONGEST = {1: 40.0, 64: 6.0}  # of d^2 steps
TUNED_AT = 256
WITHOUT = {1: (256, 20.0), 64: (256, 3.0)}  # biases: d, and steps of d^2
EVERY = 0.05  # of d^2 steps: how often the overlaps of 64 neurons are looked at
WEIGHT = 1e-4


def task_of(d: int, bias: float | None) -> lrft.Task:
    """He3 beside a base that is zero; its one neuron has the bias."""
    return lrft.Task.single_index("he3", d=d, activation="relu", lam=1.0, biases=bias)


def training_of(d: int, width: int, rate: float, steps: int, bias: float | None = 1.0) -> Any:
    """One neuron on the sphere, or free ones with small output weights of both signs."""
    if width == 1:
        stop = LEVEL if bias is not None else None
        return lrft.Training(lr=rate, steps=steps, stop_at=stop, thresholds=(LEVEL,), record=2)
    own: dict[str, Any] = {} if bias is None else {"biases": bias}
    weights = WEIGHT * np.where(np.arange(width) % 2, -1.0, 1.0)
    student = lrft.FullNetwork(width, init="gaussian", lam_init=weights, **own)
    record = int(steps / (EVERY * d**2)) + 1
    return lrft.Training(student=student, lr=rate / WEIGHT, steps=steps, record=record)


def overlaps(ds: Any) -> Array:
    """Of the neuron in front: (replica, step)."""
    found: Array = np.abs(ds.overlap_u.values).reshape(*ds.overlap_u.shape[:2], -1).max(axis=2)
    return found


def tuned(quick: bool) -> float:
    """Find the best factor of one neuron."""
    d = TUNED_AT

    def jobs(rate: float, steps: int) -> list[Job]:
        return [Job(task_of(d, 1.0), training_of(d, 1, rate, steps), REPLICAS[1], seed=1)]

    point = best_rate.Point(jobs, first_hits, FACTOR[1] * d**-1.5, int(LONGEST[1] * d**2))
    best_rate.search(Context(quick, 1, lambda _: None), [point])
    chosen = point.chosen(best_rate.SUCCESS)
    tried = ", ".join(
        f"{rate * d**1.5:g}: {np.median(steps) / d**2:.1f}"
        for rate, steps in sorted(point.found.items())
    )
    print(f"width 1: medians / d² at d = {d}: {tried}; the best is {chosen.where}", flush=True)
    return FACTOR[1] if np.isnan(chosen.rate) else chosen.rate * d**1.5


def times(d: int, width: int, factor: float) -> tuple[Array, float]:
    """Steps to the level of every replica, and the median of the best starts."""
    training = training_of(d, width, factor * d**-1.5, int(LONGEST[width] * d**2))
    task = task_of(d, 1.0)
    if width == 1:
        ds = lrft.simulate(task, training, replicas=REPLICAS[width], seed=d, threads=1)
        return first_hits(ds), float(np.median(overlaps(ds)[:, 0]))
    found, starts = [], []
    for first in range(0, REPLICAS[width], LANES):
        replicas = range(first, first + LANES)
        simulation = lrft.Simulation(task, training, replicas=replicas, seed=d, threads=1)
        while True:
            ended = simulation.advance(0.5)
            ds = simulation.dataset()
            reached = overlaps(ds) >= LEVEL
            # Who is last is late, however late: the median is that of all.
            if ended or reached.any(axis=1).sum() >= LANES - 1:
                break
        steps = ds.step.values[reached.argmax(axis=1)]
        found.append(np.where(reached.any(axis=1), steps, np.inf))
        signs = np.where(np.arange(width) % 2, -1.0, 1.0)  # what a neuron's weight pulls to
        starts.append((-signs * ds.overlap_u.values[:, 0, :, 0]).max(axis=1))
    return np.concatenate(found), float(np.median(np.concatenate(starts)))


def predicted(d: int, factor: float, start: float) -> float:
    """Steps that one free neuron takes from this overlap, in the limit of large d.

    With p = <w, u> and q = |w|^2, E f f* = c p^3 / q^(3/2), c = phi(1 / sqrt(q)) / sqrt(6) the
    third coefficient of its output, of the sign of its weight. Steps make q grow by their length
    too; that they make p wander is left out.
    """

    def velocity(_: float, state: Array) -> Array:
        p, q = state
        phi = np.exp(-0.5 / q) / np.sqrt(2 * np.pi)
        by_p = 3 * phi / np.sqrt(6) * p**2 / q**1.5
        by_q = phi / np.sqrt(6) * p**3 * (0.5 - 1.5 * q) / q**3.5
        along, length = by_p + 2 * by_q * p, 2 * (by_p * p + 2 * by_q * q)
        noise = 4 * factor**2 * ndtr(1 / np.sqrt(q))  # E y^2 = 1, as for small overlaps
        pull: Array = 2 * factor * d**0.5 * np.array([along, length])
        return pull + np.array([0.0, noise])

    def reached(_: float, state: Array) -> float:
        return float(state[0] / np.sqrt(state[1]) - LEVEL)

    reached.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(velocity, (0.0, 100.0), [start, 1.0], events=reached, rtol=1e-8)
    return float(found.t[-1] * d**2)


def measured(width: int, sizes: list[int], factor: float) -> PowerLaw:
    """Measure the exponent of the times, printed as they come."""
    found, expected = [], []
    for d in sizes:
        steps, start = times(d, width, factor)
        found.append(steps)
        line = f"  d = {d}: {np.median(steps):.3g} steps = {np.median(steps) / d**2:.2f} d²"
        line += f", {int(np.isinf(steps).sum())} of {len(steps)} missed"
        if width > 1:
            expected.append(predicted(d, factor, start))
            line += f"; in theory, from {start:.3f}, {expected[-1] / d**2:.2f} d²"
        print(line, flush=True)
    if width > 1:
        law = power_law(sizes, [[one] for one in expected])
        print(f"  in theory, at these d: {law.exponent.value:.2f}")
    return power_law(sizes, found)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--width", type=int, choices=list(SIZES), help="this one alone")
    asked = parser.parse_args()
    for width, sizes in SIZES.items():
        if asked.width not in (None, width):
            continue
        factor = tuned(asked.quick) if width == 1 else FACTOR[width]
        law = measured(width, sizes[:2] if asked.quick else sizes, factor)
        print(f"width {width}, rate {factor:g} d^(-3/2): exponent {law.exponent.text(2)}")
        d, share = WITHOUT[width] if not asked.quick else (128, WITHOUT[width][1])
        training = training_of(d, width, factor * d**-1.5, int(share * d**2), None)
        ds = lrft.simulate(task_of(d, None), training, replicas=LANES, seed=d, threads=1)
        start, end = overlaps(ds)[:, 0], overlaps(ds)[:, -1]
        medians = f"{np.median(start):.2f} to {np.median(end):.2f}, largest {end.max():.2f}"
        print(
            f"without biases, d = {d}, {share:g} d² steps, {LANES} replicas: "
            f"medians of the largest overlap {medians}",
            flush=True,
        )


if __name__ == "__main__":
    main()
