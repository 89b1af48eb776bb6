"""The ambient space against the reference twin, sample by sample, on the same normals.

2,000 steps, which are 62 blocks and a half, so that updates at the end of a block and readings
inside one are both seen.  States are unit vectors; a difference of 1e-10 is therefore relative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import final, half_fraction, rate, spec, task_of, twin

import lrft

STEPS, SEED, REPLICA, TOLERANCE = 2_000, 2**63 + 9, 5, 1e-10
MOVED = 0.01  # a path that stands still would agree with anything; 10^8 times the tolerance


def agree(task: lrft.Task, training: lrft.Training) -> None:
    path = list(twin(task, training, seed=SEED, replica=REPLICA))
    u_hat = np.array([u for u, _ in path])
    c_hat = np.array([c for _, c in path])
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    assert chain.status == "finished"
    assert chain.step == training.steps
    u = np.ravel(task.u)
    assert np.abs(chain.records["overlap_u"] - u_hat @ u).max() < TOLERANCE
    assert np.abs(chain.records["overlap_c"] - c_hat @ task.c).max() < TOLERANCE
    assert np.linalg.norm(chain.rows - u_hat[-1]) < TOLERANCE
    assert np.linalg.norm(chain.own - c_hat[-1]) < TOLERANCE
    assert np.linalg.norm(u_hat[-1] - u_hat[0]) > MOVED
    if training.student.train_c:
        assert np.linalg.norm(c_hat[-1] - c_hat[0]) > MOVED
    else:
        # Frozen; the two lengths by which the start was divided may differ in rounding.
        np.testing.assert_allclose(chain.own, c_hat[0], rtol=4e-16)


def training_of(task: lrft.Task, activation: str, **changes: Any) -> lrft.Training:
    student = {"train_c": False, "orthogonal": True}
    student |= {
        name: changes.pop(name) for name in list(changes) if name in lrft.RankOne.model_fields
    }
    arguments = {"lr": rate(activation, task.d), "steps": STEPS, "record": STEPS + 1}
    return lrft.Training(student=lrft.RankOne(**student), **(arguments | changes))


# ---- the whole table: half of it by default, the other half in the long suite -----------------


OPTIONS = {
    "train_c": {"frozen": False, "joint": True},
    "orthogonal": {"Pi": True, "free": False},
    "normalization": {"none": "none", "unit": "unit"},
    "batch": {"1": 1, "4": 4},
}


@pytest.mark.parametrize(("activation", "options"), half_fraction(OPTIONS))
def test_every_student(activation, options):
    student = {name: value for name, value in options.items() if name != "normalization"}
    task = task_of(activation, normalization=options["normalization"])
    agree(task, training_of(task, activation, **student))


# ---- shapes and options, one at a time ---------------------------------------------------------

RNG = np.random.default_rng(3)
DEFICIENT = RNG.standard_normal((4, 24)) / 5
DEFICIENT[3] = DEFICIENT[0] - 2 * DEFICIENT[1]
DIRECTION = RNG.standard_normal(24)
DIRECTION /= np.linalg.norm(DIRECTION)


def deficient() -> lrft.Task:
    """Given weights of rank 3 with 4 rows, u with parts inside and outside their span."""
    return lrft.Task(
        W=DEFICIENT,
        lam=[1.0, -1.0, 0.5, 0.7],
        c=[0.1, 0.7, -0.5, 0.5],
        u=DIRECTION,
        xi=1.2,
        activation="gelu",
    )


CASES: dict[str, tuple[dict[str, Any] | lrft.Task, dict[str, Any]]] = {
    # dimensions: an odd one, one more than a tile of 128, two tiles and an odd bit
    "odd d": ({"d": 23}, {"train_c": True}),
    "d over a tile": ({"d": 129}, {"lr": 0.002}),
    "d over two tiles": ({"d": 271, "k": 3}, {"lr": 0.001, "train_c": True, "batch": 3}),
    "smallest d": ({"d": 6, "seed": 5}, {"lr": 0.004}),
    "one neuron": ({"k": 1, "lam": 1.0}, {}),
    "many neurons": ({"k": 17, "xi": 4.0, "lam": "signs"}, {"train_c": True, "lr": 2e-4}),
    # batches against blocks of 32 inputs: one that does not divide them, half and more, over
    "batch 3": ({}, {"batch": 3}),
    "batch 20": ({}, {"batch": 20, "train_c": True, "lr": 0.01}),
    "batch 32": ({}, {"batch": 32, "orthogonal": False, "lr": 0.01}),
    "batch 40": ({}, {"batch": 40, "train_c": True, "orthogonal": False, "lr": 0.01}),
    # labels, directions and features
    "noise": ({"noise": 0.5}, {"batch": 3, "train_c": True}),
    "u partly inside": ({"parallel": 0.6}, {"train_c": True}),
    "u partly inside, free": ({"parallel": 0.6}, {"orthogonal": False}),
    "u inside, free": ({"parallel": 1.0}, {"orthogonal": False}),
    "orthonormal": ({"features": "orthonormal"}, {"batch": 4}),
    "zero features": ({"features": "zero", "lam": 0.5}, {"lr": 0.01}),
    "rank-deficient": (deficient(), {"train_c": True}),
    "rank-deficient, free": (deficient(), {"orthogonal": False, "batch": 4}),
    "k over d, free": ({"d": 8, "k": 12, "parallel": 1.0}, {"orthogonal": False, "lr": 5e-4}),
    # rates and starts
    "inverse time": ({}, {"lr": lrft.schedule.InverseTime(0.01, t0=200.0)}),
    "stairs": ({}, {"lr": lrft.schedule.Step(0.006, factor=0.5, every=333), "train_c": True}),
    "given rates": ({}, {"lr": lrft.schedule.Array(np.geomspace(0.01, 1e-4, STEPS))}),
    "cosine": ({}, {"lr": lrft.schedule.Cosine(0.01, steps=STEPS, final=1e-5), "train_c": True}),
    "warm-up and cosine, which ends": (
        {},
        {"lr": lrft.schedule.WarmUp(lrft.schedule.Cosine(0.01, steps=1000), steps=333)},
    ),
    "warm-up": ({}, {"lr": lrft.schedule.WarmUp(0.005, steps=500)}),
    "rate of c": ({}, {"train_c": True, "lr_c": 0.001}),
    # batches used more than once: in a block, as a block of its own, with inputs drawn again
    "reused": ({}, {"train_c": True, "reuse": 2}),
    "reused, batch 3": (
        {"noise": 0.5},
        {"train_c": True, "orthogonal": False, "reuse": 3, "batch": 3},
    ),
    "reused, batch 40": ({}, {"train_c": True, "reuse": 2, "batch": 40, "lr": 0.01}),
    "lookahead": ({}, {"train_c": True, "lookahead": 2.0}),
    "lookahead, batch 3": (
        {"noise": 0.5},
        {"train_c": True, "orthogonal": False, "lookahead": -1.0, "batch": 3},
    ),
    "lookahead, batch 40": ({}, {"train_c": True, "lookahead": 1.0, "batch": 40, "lr": 0.01}),
    "schedule of c": (
        {},
        {"train_c": True, "lr_c": lrft.schedule.InverseTime(0.003, t0=700.0), "batch": 4},
    ),
    "c on the sphere": ({"c": "sphere"}, {"c_init": "sphere"}),
    "c of the teacher": ({}, {"c_init": "teacher"}),
    # optimisers
    "momentum": ({}, {"optimiser": "momentum", "train_c": True, "lr": 5e-4}),
    "momentum, frozen": (
        {"d": 129},
        {"optimiser": "momentum", "lr": lrft.schedule.InverseTime(0.001, t0=700.0)},
    ),
    "Nesterov, free": (
        {"noise": 0.2},
        {"optimiser": "nesterov", "orthogonal": False, "batch": 3, "train_c": True, "lr": 5e-4},
    ),
    "normalised": (
        {},
        {"optimiser": lrft.SGD(normalise=True), "train_c": True, "lr": 0.002, "lr_c": 0.004},
    ),
    "clipped, batch 40": (
        {},
        {"optimiser": lrft.SGD(clip=0.2, momentum=0.5), "batch": 40, "train_c": True, "lr": 0.01},
    ),
    "given start": (
        {},
        {"c_init": [0.6, 0.0, 0.0, -0.8], "u_init": DIRECTION, "orthogonal": False},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_shapes_and_options(name):
    given, changes = CASES[name]
    task = given if isinstance(given, lrft.Task) else task_of("relu", **given)
    agree(task, training_of(task, "relu", **changes))


def test_favourable_starts_have_the_sign_of_the_drift():
    """m h(m) > 0, with the drift of the theory; half of the uniform starts are negated."""
    task = task_of("relu", d=30, features="orthonormal", normalization="unit")
    trainings = {
        start: lrft.Training(student=lrft.RankOne(u_init=start), lr=0.01, steps=0)
        for start in ("uniform", "favourable")
    }
    signs = []
    for replica in range(16):
        run = {
            start: final(spec([task], training, [replica], seed=3, ambient=True))[0]
            for start, training in trainings.items()
        }
        u0, c0 = run["uniform"].rows, run["uniform"].own
        m = float(u0 @ task.u)
        signs.append(1 if m * lrft.theory.drift(task, c0, m) > 0 else -1)
        np.testing.assert_array_equal(run["favourable"].rows, signs[-1] * u0)
    assert set(signs) == {-1, 1}


@pytest.mark.parametrize("more", [1, 2, 3])
def test_rows_with_few_dimensions_to_turn_in_keep_their_length(more: int) -> None:
    """Errors of lengths that follow from inner products grow in one dimension, and stay in two."""
    task = lrft.Task.sample(d=5 + more, k=5, xi=4.0, output_scale=2.0, seed=1)
    training = lrft.Training(student=lrft.RankOne(train_c=True), lr=0.1, steps=STEPS, record=2)
    ds = lrft.simulate(task, training, replicas=4, seed=SEED, engine="ambient")
    assert set(ds.status.values) == {"finished"}
    assert np.abs(ds.overlap_u).max() <= 1 + 1e-12
    if more == 1:
        np.testing.assert_allclose(np.abs(ds.overlap_u), 1.0, rtol=1e-12)


@pytest.mark.parametrize("d", [128, 129])
@pytest.mark.parametrize("optimiser", ["sgd", "momentum"])
def test_rows_keep_their_length_where_inputs_are_drawn_again(tmp_path, d, optimiser):
    """Of the last tile of coordinates only its own count; 5,000 inputs are not kept."""
    task = lrft.Task.sample(d=d, k=2, xi=1.5, activation="tanh", noise=20.0, biases=0.3, seed=3)
    training = lrft.Training(
        student=lrft.RankOne(orthogonal=False),
        lr=0.5,
        steps=12,
        batch=5000,
        record=4,
        record_parameters=["norms"],
        optimiser=optimiser,
    )
    ds = lrft.simulate(task, training, replicas=2, seed=SEED, engine="ambient")
    np.testing.assert_allclose(ds.norms, 1.0, rtol=1e-12)
    simulation = lrft.Simulation(task, training, replicas=2, seed=SEED, engine="ambient")
    while not simulation.advance(0.0):
        simulation.save_state(tmp_path / "state.npz")
        simulation = lrft.Simulation.resume(tmp_path / "state.npz")
    np.testing.assert_array_equal(simulation.dataset().overlap_u, ds.overlap_u)
