"""Hashes of what must not change when the code is rearranged: trajectories, hits, losses.

    python scripts/hashes.py > before.txt        # LRFT_ISA chooses the instruction set
    python scripts/hashes.py --against before.txt

Only the public face is used, so the same script runs before and after.  A hash is that of the
bytes of one variable of one case; NaN counts as NaN whatever its bits.  Bits are those of one
instruction set and one compiler, so hashes are compared, and never committed.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import lrft

VARIABLES = ("overlap_u", "overlap_c", "loss", "hit_step", "loss_hit_step", "status", "stop_step")
FINALS = ("final_overlap_u", "final_overlap_c", "final_loss")
FIT_VARIABLES = ("train_loss", "validation_loss", "status", "stop_step", "kept_step")
ACTIVATIONS: dict[str, Any] = {
    name: name
    for name in ("relu", "erf", "tanh", "sigmoid", "gelu", "silu", "softplus", "quadratic", "he3")
} | {"series": lrft.Activation.hermite([0.2, 0.4, -0.3, 0.5])}
RATES = {"sigmoid": 3.0, "quadratic": 0.03, "he3": 0.03, "series": 0.1}
STUDENTS: dict[str, Any] = {
    "frozen": lrft.RankOne(),
    "frozen free": lrft.RankOne(orthogonal=False),
    "joint": lrft.RankOne(train_c=True, c_init="sphere"),
    "joint free": lrft.RankOne(train_c=True, orthogonal=False, lr_c=0.002),
    "favourable": lrft.RankOne(c_init="teacher", u_init="favourable"),
    "rank-one linearised": lrft.RankOne(train_c=True, orthogonal=False, linearized=True),
    "lora 1": lrft.LoRA(rank=1),
    "lora 3": lrft.LoRA(rank=3, b_init="gaussian", lr_b=0.003),
    "lora 2 frozen A": lrft.LoRA(rank=2, train_a=False),
    "lora 2 linearised": lrft.LoRA(rank=2, b_init="gaussian", linearized=True),
    "full": lrft.FullNetwork(),
    "full scratch": lrft.FullNetwork(width=7, init="gaussian", lam_init="signs"),
    "full linearised": lrft.FullNetwork(linearized=True),
}


def digest(values: Any) -> str:
    """Hash an array; text by its characters, numbers by their bytes."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.nan, array)
    if array.dtype.kind in "UO":
        array = np.array("\n".join(map(str, array.ravel())).encode())
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def task(activation: str, **changes: Any) -> lrft.Task:
    """Sample a task with features that are not orthogonal."""
    arguments: dict[str, Any] = {
        "d": 60,
        "k": 4,
        "xi": 1.5,
        "features": "sphere",
        "c": "quantized",
        "output_scale": 0.6,
        "seed": 13,
    }
    return lrft.Task.sample(**(arguments | {"activation": ACTIVATIONS[activation]} | changes))


def cases() -> Iterator[tuple[str, Any, dict[str, Any], dict[str, Any]]]:
    """Give (name, task or tasks, arguments of Training, arguments of simulate)."""
    engines = ("reduced", "ambient")
    for student, engine, batch in itertools.product(STUDENTS, engines, (1, 5)):
        plan = {"student": STUDENTS[student], "batch": batch, "steps": 300, "lr": 0.008}
        yield f"{student}, {engine}, batch {batch}", task("relu"), plan, {"engine": engine}
    few = ("frozen", "joint free", "rank-one linearised", "lora 3", "full", "full linearised")
    for activation, student, engine in itertools.product(ACTIVATIONS, few, engines):
        rate = RATES.get(activation, 0.4) / 60
        plan = {"student": STUDENTS[student], "steps": 150, "lr": rate}
        yield f"{activation}, {student}, {engine}", task(activation), plan, {"engine": engine}
    schedules = {
        "inverse time": lrft.schedule.InverseTime(0.02, t0=100.0),
        "step": lrft.schedule.Step(0.02, factor=0.5, every=70),
        "array": lrft.schedule.Array(np.geomspace(0.02, 0.002, 300)),
    }
    several = [task("relu", seed=seed, noise=0.1 * seed) for seed in range(5)]
    shapes = [task("relu"), task("relu", k=3), task("tanh"), task("relu", d=80)]
    for engine in engines:
        run = {"engine": engine}
        for name, lr in schedules.items():
            yield f"{name}, {engine}", task("gelu"), {"lr": lr, "steps": 300}, run
        noisy = task("erf", noise=0.4, parallel=0.5)
        for student in few:
            plan = {"student": STUDENTS[student], "lr": 0.008, "steps": 200, "batch": 3}
            yield f"noise, {student}, {engine}", noisy, plan, run
        for batch in (2, 40):
            plan = {"student": STUDENTS["lora 3"], "lr": 0.01, "steps": 60, "batch": batch}
            yield f"LoRA 3, batch {batch}, {engine}", task("tanh"), plan, run
        stops = {"student": STUDENTS["joint"], "lr": 0.02, "steps": 3000, "stop_at": 0.5}
        yield f"stopping, {engine}", several, stops | {"loss_thresholds": [0.5, 0.1]}, run
        losing = {"student": STUDENTS["full"], "lr": 0.01, "steps": 2000, "stop_loss": 0.3}
        yield f"stopping by loss, {engine}", several, losing, run
        yield f"shapes, {engine}", shapes, {"lr": 0.01, "steps": 200}, run
        for rank in (1, 2, 4):
            teacher = task("relu", rank=2, c="sphere")
            plan = {"student": lrft.LoRA(rank=rank), "lr": 0.01, "steps": 200}
            yield f"teacher of rank 2, LoRA {rank}, {engine}", teacher, plan, run
        wide = task("relu", d=300, k=30, features="orthonormal", normalization="unit")
        yield f"orthonormal, {engine}", wide, {"lr": 0.002, "steps": 500}, run
        plan = {"student": lrft.FullNetwork(), "lr": 0.001, "steps": 60}
        yield f"full, wide, {engine}", wide, plan, run
    yield "automatic rate", task("relu", d=500), {"lr": "auto", "steps": 500}, {}
    single = lrft.Task.sample(d=200, k=1, features="zero", activation="he3", seed=3)
    yield "single index", single, {"lr": 0.0005, "steps": 400}, {}


def results() -> Iterator[tuple[str, str]]:
    """Compute everything; give (case and variable, hash)."""
    for name, tasks, plan, run in cases():
        training = lrft.Training(**({"record": 12} | plan))
        ds = lrft.simulate(tasks, training, replicas=11, seed=5, **run)
        yield from ((f"{name}: {v}", digest(ds[v].values)) for v in (*VARIABLES, *FINALS))
    for engine in ("reduced", "ambient"):
        for name in ("joint free", "lora 3", "full linearised"):
            training = lrft.Training(student=STUDENTS[name], lr=0.005, steps=4000, record=12)
            begun = lrft.Simulation(task("relu"), training, replicas=9, seed=5, engine=engine)
            begun.advance(0.001)
            with tempfile.TemporaryDirectory() as folder:
                begun.save_state(Path(folder) / "state.npz")
                again = lrft.Simulation.resume(Path(folder) / "state.npz")
            again.run()
            ds = again.dataset()
            for v in (*VARIABLES, *FINALS):
                yield f"resumed, {name}, {engine}: {v}", digest(ds[v].values)
    rng = np.random.default_rng(0)
    base = lrft.Weights(W=rng.standard_normal((4, 30)) / 5, lam=np.ones(4), activation="tanh")
    X = rng.standard_normal((150, 30))
    y = np.tanh(X[:, 0]) + 0.1 * rng.standard_normal(150)
    fits: dict[str, Any] = {
        "rank-one": lrft.RankOne(train_c=True, orthogonal=False),
        "LoRA": lrft.LoRA(rank=2),
        "full": lrft.FullNetwork(),
    }
    for name, student in fits.items():
        fit = lrft.fit(base, student, X, y, lr=0.01, epochs=4, batch=4, replicas=2, seed=1)
        yield from ((f"fit, {name}: {v}", digest(fit[v].values)) for v in FIT_VARIABLES)
    yield "normals", digest(lrft.normals(3, 1, 7, 1001))


def main() -> int:
    """Print the hashes, or compare them with those of a file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", type=Path, metavar="FILE", help="hashes to compare with")
    against = parser.parse_args().against
    found = dict(results())
    if against is None:
        print("\n".join(f"{value} {name}" for name, value in found.items()))
        return 0
    lines = [line.split(" ", 1) for line in against.read_text().splitlines()]
    before = {name: value for value, name in lines}
    other = [name for name in before | found if before.get(name) != found.get(name)]
    print(*other, f"{len(other)} of {len(before | found)} differ", sep="\n")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
