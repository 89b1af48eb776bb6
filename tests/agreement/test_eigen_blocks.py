"""A covariance with eigenvalue blocks: twin, coupling, exact loss, moments, law, bits, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import check_bits, final, initial_student, mover_of, reference_path, spec, task_of
from coupling import follow
from laws import assert_same, two_samples

import lrft
from lrft.core.engine import compiled

SEED, REPLICA, LR = 77, 3, 0.005
B3 = np.random.default_rng(8).standard_normal((4, 3)) / 4
JOINT = lrft.RankOne(train_c=True, orthogonal=False)
TWO = lrft.EigenBlocks([3.0, 0.3], parts=[0.4, 0.6])
THREE = lrft.EigenBlocks([0.5, 1.0, 3.0], parts=[0.3, 0.4, 0.3])
D = 70
# name: the law, changes of the task, the student, changes of the training
CASES: dict[str, tuple[lrft.EigenBlocks, dict[str, Any], Any, dict[str, Any]]] = {
    "rank one": (TWO, {}, lrft.RankOne(train_c=True), {}),
    "rank one, d over a tile": (TWO, {"d": 151}, JOINT, {"batch": 2}),
    "LoRA, noise": (THREE, {"noise": 0.3}, lrft.LoRA(rank=3, b_init=B3), {"batch": 2}),
    "LoRA, wide batch": (TWO, {}, lrft.LoRA(rank=3, b_init=B3), {"batch": 12}),
    "LoRA on spheres": (TWO, {}, lrft.LoRA(rank=2, b_init=B3[:, :2], sphere=True), {}),
    "LoRA, Huber": (
        THREE,
        {},
        lrft.LoRA(rank=3, b_init=B3),
        {"loss": lrft.Huber(0.3), "lr": 0.02},
    ),
    "full, one block": (lrft.EigenBlocks([0.7]), {}, lrft.FullNetwork(), {"batch": 2}),
    "full, reused": (TWO, {}, lrft.FullNetwork(), {"reuse": 2, "batch": 2}),
    "full, biases": (TWO, {"biases": 0.4}, lrft.FullNetwork(train_lam=True), {}),
    "full, momentum": (
        TWO,
        {},
        lrft.FullNetwork(),
        {"optimiser": lrft.SGD(momentum=0.8, clip=1.0), "lr": 0.001},
    ),
    "full, decay": (THREE, {}, lrft.FullNetwork(), {"optimiser": lrft.SGD(weight_decay=0.1)}),
    "wide, rotations": (
        TWO,
        {},
        lrft.FullNetwork(width=9, init="gaussian", std=0.3, lam_init=0.3),
        {"batch": 2, "lr": 0.1},
    ),
    "staircase": (TWO, {"teacher": "staircase"}, lrft.FullNetwork(), {"batch": 3}),
}


def in_space(task: lrft.Task, inputs: lrft.EigenBlocks) -> lrft.Task:
    """The same weights, given in R^d, with inputs of this law."""
    assert task.link is None
    names = ("W", "lam", "c", "u", "xi", "activation", "neuron_scale", "output_scale", "noise")
    own = {name: getattr(task, name) for name in names}
    return lrft.Task(**own, biases=task.biases, inputs=inputs)


def case(name: str, steps: int) -> tuple[lrft.Task, lrft.Training]:
    law, changes, student, more = CASES[name]
    teacher = changes.get("teacher")
    base = task_of("tanh", **({"d": D} | {k: v for k, v in changes.items() if k != "teacher"}))
    task = in_space(base, law)
    if teacher is not None:
        task = lrft.Task.multi_index(
            {(1,): 0.7, (1, 1): 0.5, (1, 1, 1): -0.4}, base=task, inputs=law
        )
    arguments = {"lr": LR, "steps": steps, "record": [steps]} | more
    return task, lrft.Training(student=student, **arguments)


def roots(task: lrft.Task) -> np.ndarray:
    """The root of the variance of every coordinate."""
    blocks = task.law.blocks
    return np.repeat(np.sqrt(blocks.variances), blocks.sizes)


@pytest.mark.parametrize("name", CASES)
def test_ambient_path(name):
    """That of the twin, on the normals of the ambient space, scaled."""
    task, training = case(name, 150)
    b, steps = training.batch, range(training.steps)
    X = (roots(task) * lrft.normals(SEED, REPLICA, t, (b, task.d)) for t in steps)
    noise = None
    if task.noise > 0:
        purpose = compiled.purposes["noise"]
        drawn = (compiled.normals(SEED, REPLICA, purpose, t, 2 * b)[::2] for t in steps)
        noise = (task.noise * one for one in drawn)
    start = initial_student(task, training.student, SEED, REPLICA)
    *_, expected = reference_path(task, training, start, X, noise)
    (chain,) = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    for found, wanted in zip((chain.rows, chain.own), expected, strict=True):
        size = np.abs(wanted).max()
        assert np.abs(found.reshape(wanted.shape) - wanted).max() < 1e-10 * size
    moved = expected[0][..., : task.d] - start[0]  # the last is along the constant
    assert np.linalg.norm(moved) > 0.01 * np.linalg.norm(start[0])


@pytest.mark.parametrize("name", [name for name in CASES if "noise" not in name])
def test_coupling(name):
    """The reduced space, driven by the coordinates of such inputs in S and in every block."""
    task, training = case(name, 200)
    shape = (training.steps, training.batch, task.d)
    inputs = roots(task) * np.random.default_rng(17).standard_normal(shape)
    start = initial_student(task, training.student, SEED, REPLICA)
    mover = mover_of(training)
    path = reference_path(task, training, start, inputs, mover=mover)
    described = spec([task], training)
    rates = [getattr(described.trainings[0], name).rate for name in ("lr", "lr_own")]
    Q = task.Q
    if training.student.biased(task):  # the constant: first in S, last in R^d
        Q = np.pad(Q, ((0, 1), (1, 0)))
        Q[-1, 0] = 1.0
        inputs = np.concatenate([inputs, np.ones((*shape[:2], 1))], axis=2)
    follow(
        task,
        path,
        inputs,
        described,
        rates,
        moved=0.01,
        Q=Q,
        mover=mover if mover.momentum else None,
        blocks=task.law.blocks.slices,
    )


def output(task: lrft.Task, x: np.ndarray, rows: np.ndarray, lam: np.ndarray, b: Any) -> np.ndarray:
    z = task.neuron_scale * x @ rows.T + (0.0 if b is None else b)
    return np.asarray(task.output_scale * task.activation(z) @ lam)


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
@pytest.mark.parametrize("name", ["rank one", "LoRA, Huber", "full, biases", "full, momentum"])
def test_exact_loss(name, ambient):
    """Recorded, it is the theory's of the trained network, and that of samples, within 5 errors."""
    task, training = case(name, 40)
    engine = "ambient" if ambient else "reduced"
    simulation = lrft.Simulation(
        task, training, replicas=[REPLICA], seed=SEED, engine=engine, keep_students=True
    )
    simulation.run()
    ds = simulation.dataset()
    found = simulation.trained(REPLICA)
    theirs = lrft.theory.population_loss(task, rows=found.W, lam=found.lam, biases=found.b)
    np.testing.assert_allclose(ds.loss.values.ravel()[-1], theirs, rtol=1e-8)
    x = roots(task) * np.random.default_rng(4).standard_normal((30_000, task.d))
    teacher = task.W + task.xi * np.outer(task.c, task.u)
    gap = output(task, x, found.W, found.lam, found.b)
    square = (gap - output(task, x, teacher, task.lam, task.biases)) ** 2
    error = square.std() / len(square) ** 0.5
    assert abs(theirs - square.mean()) < 5 * error
    # as it is not of inputs that are standard normal
    plain = task.replace(inputs=None)
    wrong = lrft.theory.population_loss(plain, rows=found.W, lam=found.lam, biases=found.b)
    assert abs(theirs - wrong) > 10 * error
    if "training_loss" in ds:
        losses = np.minimum(square**0.5, 0.3) * (2 * square**0.5 - np.minimum(square**0.5, 0.3))
        own = ds.training_loss_error.values.ravel()[-1]
        far = abs(ds.training_loss.values.ravel()[-1] - losses.mean())
        assert far < 5 * np.hypot(own, losses.std() / len(losses) ** 0.5)


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
@pytest.mark.parametrize("name", ["rank one", "LoRA, Huber", "full, biases"])
def test_products_in_each_block(name, ambient):
    """Recorded, they are those of the rows, and make up Q."""
    task, training = case(name, 40)
    training = training.replace(record_parameters=True)
    engine = "ambient" if ambient else "reduced"
    simulation = lrft.Simulation(
        task, training, replicas=[REPLICA], seed=SEED, engine=engine, keep_students=True
    )
    simulation.run()
    ds, (chain,) = simulation.dataset().isel(replica=0), simulation.chains()
    n, biased, blocks = ds.sizes["row"], training.student.biased(task), task.law.blocks
    if ambient:
        rows = chain.rows.reshape(n, -1)
        products = [rows[:, here] @ rows[:, here].T for here in blocks.slices]
    else:
        P, L = np.split(chain.rows, [n * ds.sizes["basis"]])
        along = P.reshape(n, -1)[:, biased:] @ task.law.V.T
        parts = zip(blocks.directions, L.reshape(-1, n, n), strict=True)
        products = [along[:, there] @ along[:, there].T + one @ one.T for there, one in parts]
    np.testing.assert_allclose(ds.final_Q_blocks, products, rtol=1e-9, atol=1e-12)
    assert ds.Q_blocks.dims == ("step", "block", "row", "other_row")
    b = ds.M.values[..., :1] if biased else np.zeros((1, n, 1))
    whole = ds.Q_blocks.sum("block").values + b @ np.swapaxes(b, 1, 2)
    np.testing.assert_allclose(ds.Q, whole, rtol=1e-10, atol=1e-12)


def test_rank_one_in_the_theory():
    """One rank-one student, as a vector and as rows; and where its part in blocks is open."""
    task, _ = case("rank one", 1)
    rng = np.random.default_rng(0)
    u, c = (x / np.linalg.norm(x) for x in (rng.standard_normal(task.d), rng.standard_normal(4)))
    rows = task.W + task.xi * np.outer(c, u)
    one = lrft.theory.population_loss(task, u, c)
    np.testing.assert_allclose(one, lrft.theory.population_loss(task, rows=rows), rtol=1e-10)
    assert lrft.theory.population_loss(task, c_hat=task.c, m=1.0) < 1e-12
    with pytest.raises(ValueError, match=r"m = .* leaves open"):
        lrft.theory.population_loss(task, c_hat=c, m=0.5)


@pytest.mark.parametrize(
    "kind", [lrft.RankOne(train_c=True), lrft.LoRA(rank=2), lrft.FullNetwork()]
)
def test_one_block_is_a_scale(kind):
    """Of variance 1, inputs are the plain ones; of another, those beside scaled features."""
    task = lrft.Task.sample(d=5000, k=4, xi=2.0, activation="tanh", normalization="unit", seed=2)
    training = lrft.Training(student=kind, lr=0.01 / 50, steps=400, record=[0, 100, 400])
    found = [
        lrft.simulate(one, training, replicas=8, seed=3, engine="reduced")
        for one in (task, task.replace(inputs=lrft.EigenBlocks([1.0])))
    ]
    for name in ("loss", "overlap_u"):
        one, two = (ds[name].values for ds in found)
        np.testing.assert_allclose(two, one, rtol=1e-8, atol=1e-10)
    if not kind.network:
        return
    # A x = (sqrt(4) A) z: rows twice as long, and moving four times as fast
    stretched = task.replace(inputs=lrft.EigenBlocks([4.0]))
    longer = task.replace(neuron_scale=2.0 * task.neuron_scale)
    one, two = (
        lrft.simulate(of, training, replicas=8, seed=3, engine="reduced").loss.values
        for of in (stretched, longer)
    )
    np.testing.assert_allclose(one, two, rtol=1e-8)


def test_moments():
    """One step of a linear neuron is the covariance of the inputs, in every direction of S.

    It is off by five standard errors by chance once in a million.  And beside S, in every block,
    its lengths have one law in both spaces.
    """
    task = in_space(task_of("tanh", d=D), THREE)
    task = task.replace(activation=lrft.Activation.hermite([0.0, 1.0]))
    batch, replicas = 64, 300
    v = task.W[0] + 0.5 * np.random.default_rng(3).standard_normal(task.d) / task.d**0.5
    student = lrft.FullNetwork(width=1, init=v[None], lam_init=1.0)
    training = lrft.Training(student=student, lr=0.1, steps=1, batch=batch, record=[1])
    teacher = task.lam @ (task.W + task.xi * np.outer(task.c, task.u))
    scale = task.output_scale * task.neuron_scale
    expected = v - 0.2 * scale**2 * roots(task) ** 2 * (v - teacher)
    Q, s = task.Q, task.Q.shape[1]
    squares = []
    for ambient in (False, True):
        run = spec([task], training, range(replicas), seed=5 + ambient, ambient=ambient)
        rows = np.array([chain.rows for chain in final(run)])
        inside = rows @ Q if ambient else rows[:, :s]
        error = inside.std(axis=0, ddof=1) / np.sqrt(replicas)
        assert np.abs((inside.mean(axis=0) - expected @ Q) / error).max() < 5
        outside = rows - inside @ Q.T if ambient else rows[:, s:]
        blocks = task.law.blocks.slices if ambient else np.arange(3)[:, None]
        squares.append([(outside[:, here] ** 2).sum(axis=1) for here in blocks])
    pairs = enumerate(zip(*squares, strict=True))
    assert_same({f"block {j}": two_samples(one, two) for j, (one, two) in pairs})


def in_law(pairs: dict[str, Any]) -> None:
    """Two lists of chains each, whose overlaps and losses are of one law at two steps."""
    pvalues = {}
    for name, found in pairs.items():
        for variable in ("overlap_u", "loss"):
            one, two = (
                np.array([chain.records[variable].reshape(3, -1)[:, 0] for chain in chains])
                for chains in found
            )
            for at in (1, 2):
                pvalues[f"{name}, {variable}, {at}"] = two_samples(one[:, at], two[:, at])
                assert one[:, at].std() > 1e-4
    assert_same(pvalues)


def test_law():
    """Replicas of both spaces have one law; and with blocks of variance 1, that without them."""
    pairs = {}
    for name, student, law in (("joint", JOINT, TWO), ("LoRA", lrft.LoRA(rank=2), THREE)):
        base = task_of("tanh", d=60, xi=2.0)
        training = lrft.Training(student=student, lr=0.02, steps=500, record=[0, 100, 500])
        task = in_space(base, law)
        pairs[name] = [
            final(spec([task], training, range(160), seed=11 + ambient, ambient=ambient))
            for ambient in (False, True)
        ]
        ones = base.replace(inputs=lrft.EigenBlocks(np.ones_like(law.variances)))
        pairs[f"{name}, ones"] = [
            final(spec([task], training, range(160), seed=13 + i))
            for i, task in enumerate((base, ones))
        ]
    in_law(pairs)


def test_sampled_features():
    """Of tasks in coordinates: in a block as of rows uniform on the sphere, u beside them."""
    pvalues, d, count = {}, 30, 250
    z = np.random.default_rng(1).standard_normal((count, 3, d))
    frames = np.linalg.qr(np.swapaxes(z, 1, 2))[0].swapaxes(1, 2)
    rows = z[:, :2] / np.linalg.norm(z[:, :2], axis=2, keepdims=True)
    for features, W in (("sphere", rows), ("orthonormal", frames[:, :2])):
        tasks = [
            lrft.Task.sample(d=d, k=2, features=features, inputs=TWO, seed=i) for i in range(count)
        ]
        first = tasks[0].law.blocks.directions[0]
        parts = np.array([np.concatenate([t.R, t.a]) @ t.law.V[first].T for t in tasks])
        wanted = np.concatenate([W, frames[:, 2:]], axis=1)[..., : TWO.sizes(d)[0]]
        found, wanted = (x @ np.swapaxes(x, 1, 2) for x in (parts, wanted))
        for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2)):
            pvalues[f"{features} {i} {j}"] = two_samples(found[:, i, j], wanted[:, i, j])
    assert_same(pvalues)


@pytest.mark.parametrize(
    ("name", "ambient"),
    [
        ("LoRA, Huber", False),
        ("LoRA, Huber", True),
        ("full, reused", False),
        ("full, momentum", False),
    ],
)
def test_bits(name, ambient):
    """Whatever threads, company and stops."""
    task, training = case(name, 2000)
    run = spec([task], training, range(11), seed=4, ambient=ambient, threads=1)
    check_bits(run, 2000)


def test_bad_input():
    task, training = case("LoRA, Huber", 1)
    run = spec([task], training)
    (data,) = run.tasks
    wrong: dict[str, dict[str, Any]] = {
        "variances must be positive": {"variances": np.array([-1.0, 1.0, 1.0])},
        "whole numbers": {"block_d": np.array([21.5, 27.5, 21.0])},
        "block_d must have the sum d": {"block_d": np.array([21.0, 28.0, 22.0])},
        "block_s must have the sum s": {"block_s": [5, 5, 4]},
        "the root of the block's variance": {"stretch": np.zeros(15)},
        "blocks must not be negative": {"blocks": -1},
        "block_d must have 2 entries": {"blocks": 2},
    }
    for message, changes in wrong.items():
        with pytest.raises(ValueError, match=message):
            data.replace(**changes)
    narrow = in_space(task_of("tanh", d=24), THREE)
    with pytest.raises(ValueError, match="block 0 of the inputs' covariance has 7 dimensions"):
        spec([narrow], training)
