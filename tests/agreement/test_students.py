"""LoRA and full networks against their twins: path, coupling, overlaps, loss, identities.

One table for both spaces.  The ambient space must reproduce the reference path on the same
normals; the reduced space, driven along such a path, must reproduce it too.  Errors are relative
to the largest entry, since these students are not unit vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, final, initial_student, rate, reference_path, spec, task_of, twin
from coupling import MOVED, STEPS, TOLERANCE, follow, lower_factor

import lrft
from lrft import _core, _engine, reference

SEED, REPLICA = 77, 3
RNG = np.random.default_rng(8)
A3, B3 = RNG.standard_normal((3, 24)) / 5, RNG.standard_normal((4, 3)) / 4
V5 = RNG.standard_normal((5, 24)) / 4

LORA: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # name: changes of the task, the student, changes of the training
    "rank 1": ({}, {"rank": 1, "alpha": 2.0}, {}),
    "rank 1, batch 3": ({}, {"rank": 1}, {"batch": 3}),
    "rank 3": ({}, {"rank": 3, "alpha": 6.0}, {}),
    "rank 3, batch 5, rates": ({}, {"rank": 3, "lr_b": 0.004}, {"batch": 5}),
    "teacher of rank 2": ({"c": "sphere", "rank": 2}, {"rank": 2, "alpha": 3.0}, {}),
    "teacher of rank 2, one row": ({"c": "sphere", "rank": 2}, {"rank": 1}, {}),
    "teacher of rank 2, rank 3": ({"c": "sphere", "rank": 2}, {"rank": 3}, {"batch": 2}),
    "frozen A": ({}, {"rank": 2, "train_a": False}, {}),
    "frozen B": ({}, {"rank": 2, "train_b": False, "b_init": "gaussian"}, {}),
    "given": ({}, {"rank": 3, "a_init": A3, "b_init": B3}, {}),
    "zero A": ({}, {"rank": 3, "a_init": "zero", "b_init": B3}, {"batch": 4}),
    "narrow start": ({}, {"rank": 2, "a_std": 0.05, "b_init": "gaussian"}, {}),
    "zero features": ({"features": "zero", "lam": 0.5}, {"rank": 2, "b_init": "gaussian"}, {}),
    "u inside": ({"parallel": 0.6}, {"rank": 2}, {}),
    "noise": ({"noise": 0.3}, {"rank": 2}, {"batch": 2}),
    "unit neurons": ({"normalization": "unit"}, {"rank": 2}, {}),
    "wide batch": ({}, {"rank": 2}, {"batch": 40}),
}
FULL: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "base": ({}, {}, {}),
    "base, output weights": ({}, {"train_lam": True}, {"batch": 3}),
    "base, rate": ({}, {"train_lam": True, "lr_lam": 0.001}, {}),
    "scratch": ({}, {"width": 6, "init": "gaussian", "lam_init": "signs"}, {}),
    "scratch, one neuron": ({}, {"width": 1, "init": "gaussian", "lam_init": "ones"}, {}),
    "scratch, nine": (
        {}, {"width": 9, "init": "gaussian", "lam_init": "gaussian", "train_lam": True, "std": 0.1},
        {"batch": 2, "lr": 0.003},
    ),
    "given": ({}, {"init": V5, "lam_init": 0.4}, {}),
    "teacher of rank 2": ({"c": "sphere", "rank": 2}, {}, {}),
    "zero features": (
        {"features": "zero", "lam": 0.5}, {"width": 3, "init": "gaussian", "lam_init": 0.5}, {}
    ),
    "u inside": ({"parallel": 0.6}, {}, {"batch": 4}),
    "noise": ({"noise": 0.3}, {}, {}),
    "unit neurons": ({"normalization": "unit"}, {"train_lam": True}, {}),
    "wide batch": ({}, {"train_lam": True}, {"batch": 40}),
}  # fmt: skip
# name: kind of student, changes of the task, the student, changes of the training
LINEAR: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "rank one": (lrft.RankOne, {}, {}, {}),
    "rank one, joint, free": (
        lrft.RankOne, {}, {"train_c": True, "orthogonal": False, "c_init": "sphere"}, {"batch": 3}
    ),
    "rank one, u inside": (
        lrft.RankOne, {"parallel": 0.6}, {"train_c": True, "orthogonal": False}, {}
    ),
    "LoRA": (lrft.LoRA, {}, {"rank": 2}, {}),
    "LoRA, both factors": (
        lrft.LoRA, {}, {"rank": 2, "alpha": 3.0, "b_init": "gaussian"}, {"batch": 2}
    ),
    "LoRA, given": (lrft.LoRA, {}, {"rank": 3, "a_init": A3, "b_init": B3, "lr_b": 0.004}, {}),
    "LoRA, zero A": (lrft.LoRA, {}, {"rank": 2, "a_init": "zero", "b_init": B3[:, :2]}, {}),
    "LoRA, teacher of rank 2": (
        lrft.LoRA, {"c": "sphere", "rank": 2}, {"rank": 1, "b_init": "gaussian"}, {}
    ),
    "full": (lrft.FullNetwork, {}, {}, {}),
    "full, output weights": (lrft.FullNetwork, {}, {"train_lam": True}, {"batch": 3}),
    "full, scratch": (
        lrft.FullNetwork, {}, {"width": 3, "init": "gaussian", "lam_init": "gaussian",
                               "train_lam": True}, {},
    ),
    "full, given": (lrft.FullNetwork, {"parallel": 0.5}, {"init": V5, "lam_init": 0.4}, {}),
}  # fmt: skip
CASES = {f"LoRA, {name}": (lrft.LoRA, *rest) for name, rest in LORA.items()}
CASES |= {f"full, {name}": (lrft.FullNetwork, *rest) for name, rest in FULL.items()}
CASES |= {
    f"linear, {name}": (kind, changes, options | {"linearized": True}, more)
    for name, (kind, changes, options, more) in LINEAR.items()
}


def case(name: str, activation: str = "tanh") -> tuple[lrft.Task, lrft.Training]:
    kind, changes, options, more = CASES[name]
    task = task_of(activation, **changes)
    # polynomials of a wide network that starts anywhere expand at the common rate
    slow = 0.1 if name == "linear, full, scratch" and activation in ("he3", "series") else 1.0
    arguments = {"lr": slow * rate(activation, task.d), "steps": STEPS, "record": 9}
    return task, lrft.Training(student=kind(**options), **(arguments | more))


def neurons(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> Any:
    """Rows (m, d) and output weights of the network that these parameters make."""
    if isinstance(student, lrft.FullNetwork):
        return rows, own
    return task.W + student.scale * own @ rows, task.lam


def teacher(task: lrft.Task) -> np.ndarray:
    return task.W + task.xi * task.c.reshape(task.k, -1) @ np.atleast_2d(task.u)


def overlaps(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    u, c = np.atleast_2d(task.u), task.c.reshape(task.k, -1)
    if isinstance(student, lrft.FullNetwork):
        return [reference.neuron_cosines(rows, teacher(task))]
    if isinstance(student, lrft.RankOne):
        return [rows @ task.u, own @ task.c]
    if len(rows) == len(u) == 1:
        return [np.array(reference.cosine(rows, u)), np.array(reference.cosine(own, c))]
    return [reference.subspace_cosines(rows, u), reference.subspace_cosines(own.T, c.T)]


STEP = 0.02  # of the differences below


def linear_loss(task: lrft.Task, student: Any, start: Any, now: Any) -> float:
    """The same for the Taylor expansion, whose derivative is a difference of networks.

    The error of the differences is of fourth order in the step, of first order for relu, whose
    second derivative is a delta; what two steps say of it is taken off.
    """
    order = 1 if task.activation.kind == "relu" else 4
    coarse, fine = (difference_loss(task, student, start, now, h) for h in (2 * STEP, STEP))
    return fine + (fine - coarse) / (2**order - 1)


def difference_loss(task: lrft.Task, student: Any, start: Any, now: Any, step: float) -> float:
    if isinstance(student, lrft.RankOne):
        V, lam = task.W, task.lam
        dV, dlam = task.xi * np.outer(now[1], now[0]), 0 * lam
    elif isinstance(student, lrft.LoRA):
        (A0, B0), (A, B), lam = start, now, task.lam
        V = task.W + student.scale * B0 @ A0
        dV, dlam = student.scale * ((B - B0) @ A0 + B0 @ (A - A0)), 0 * lam
    else:
        (V, lam), (dV, dlam) = start, (now[0] - start[0], now[1] - start[1])
    both, weights = [teacher(task), V], [task.lam, -lam - dlam]
    for h, part in ((1, 2 / 3), (2, -1 / 12)):
        for sign in (1, -1):
            both.append(V + sign * h * step * dV)
            weights.append(-sign * part / step * lam)
    both = task.neuron_scale * np.concatenate(both)
    weights = task.output_scale * np.concatenate(weights)
    return _core.expected_square(task.activation.core, weights, both @ both.T)[0]


def loss(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> float:
    V, lam = neurons(task, student, rows, own)
    both = task.neuron_scale * np.concatenate([teacher(task), V])
    weights = task.output_scale * np.concatenate([task.lam, -lam])
    return _core.expected_square(task.activation.core, weights, both @ both.T)[0]


def can_move(student: lrft.LoRA) -> bool:
    """Whether A does: not when frozen, nor in the expansion around B = 0."""
    at_zero = isinstance(student.b_init, str) and student.b_init == "zero"
    return student.train_a and not (student.linearized and at_zero)


def moved(path: list[tuple[np.ndarray, np.ndarray]], student: Any) -> bool:
    frozen = isinstance(student, lrft.LoRA) and not can_move(student)
    first, last = path[0][frozen], path[-1][frozen]
    return bool(np.linalg.norm(last - first) > MOVED * max(np.linalg.norm(first), 1e-3))


def check_path(task: lrft.Task, training: lrft.Training) -> None:
    student = training.student
    path = list(twin(task, training, seed=SEED, replica=REPLICA))
    assert moved(path, student)
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    assert chain["status"] == "finished"
    for name, expected in zip(("rows", "own"), path[-1], strict=True):
        size = np.abs(expected).max()
        assert np.abs(chain[name].reshape(expected.shape) - expected).max() < TOLERANCE * size
    shape = _engine.overlap_shape(task, student)
    for i, t in enumerate(training.record_steps):
        for name, expected in zip(
            ("overlap_u", "overlap_c"), overlaps(task, student, *path[t]), strict=False
        ):
            found = chain[name].reshape(-1, *shape)[i]
            # a cosine forgets the length, and so does its error
            np.testing.assert_allclose(found, expected.reshape(shape), rtol=0, atol=1e-9)
        if student.linearized:
            expected_loss = linear_loss(task, student, path[0], path[t])
            tolerance = 1e-6 if task.activation.kind == "relu" else 1e-9
            assert abs(chain["loss"][i] - expected_loss) < tolerance * max(1.0, expected_loss)
            continue
        expected_loss = loss(task, student, *path[t])
        assert abs(chain["loss"][i] - expected_loss) < 1e-9 * max(1.0, expected_loss)


def check_coupling(task: lrft.Task, training: lrft.Training) -> None:
    inputs = np.random.default_rng(17).standard_normal((STEPS, training.batch, task.d))
    start = initial_student(task, training.student, SEED, REPLICA)
    path = reference_path(task, training, start, inputs)
    frozen = isinstance(training.student, lrft.LoRA) and not can_move(training.student)
    Q = task.Q
    if _engine.has_start_of_its_own(training.student):
        # the start's own directions belong to S
        lora = isinstance(training.student, lrft.LoRA)
        names = ("a_init", "b_init") if lora else ("init", "lam_init")
        given = training.student.replace(**dict(zip(names, start, strict=True)))
        training = training.replace(student=given)
        Q = np.concatenate([Q, lower_factor(start[0] - start[0] @ Q @ Q.T)[1].T], axis=1)
    described = spec([task], training)
    rates = [described["trainings"][0][name]["rate"] for name in ("lr", "lr_own")]
    follow(task, path, inputs, described, rates, moved=-1.0 if frozen else MOVED, Q=Q)


@pytest.mark.parametrize("name", CASES)
def test_ambient_path(name):
    check_path(*case(name))


@pytest.mark.parametrize(
    "name",
    ["LoRA, rank 3", "full, base, output weights", "linear, rank one, u inside",
     "linear, LoRA, both factors", "linear, full, scratch"],
)  # fmt: skip
@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a != "tanh"])
def test_ambient_path_of_every_activation(name, activation):
    check_path(*case(name, activation))


@pytest.mark.parametrize(
    "name", [name for name in CASES if "wide" not in name and name != "linear, LoRA, zero A"]
)
def test_coupling(name):
    check_coupling(*case(name))


# ---- what simulate makes of them ----------------------------------------------------------------


ENGINES = ("reduced", "ambient")


def identical(first: Any, second: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("engine", "batch"), [("ambient", 1), ("ambient", 6), ("reduced", 6)])
@pytest.mark.parametrize("activation", ["relu", "tanh", "he3"])
def test_full_fine_tuning_is_lora_with_frozen_identity(engine, activation, batch):
    """Batches of at least k in the reduced space: all directions outside S are there at once.

    Fewer leave L nearly singular for a while, and its entries, though not L L^T, ill-conditioned.
    """
    task = task_of(activation)
    k = task.k
    slow = 0.2 if activation == "he3" else 1.0  # wide students are less stable
    students = [
        lrft.FullNetwork(),
        lrft.LoRA(rank=k, alpha=k, a_init="zero", b_init=np.eye(k), train_b=False),
    ]
    losses, rows = [], []
    for student in students:
        training = lrft.Training(
            student=student, lr=slow * rate(activation, task.d), steps=STEPS, record=9, batch=batch
        )
        described = spec([task], training, range(3), seed=5, ambient=engine == "ambient")
        chains = final(described)
        losses.append([chain["loss"] for chain in chains])
        rows.append(np.array([chain["rows"] for chain in chains]))
    base = described["students"][0]
    start = task.W if engine == "ambient" else np.concatenate(
        [task.R, np.zeros((k, k))], axis=None
    )  # fmt: skip
    assert base["rows"] == k
    identical(rows[0], rows[1] + np.ravel(start))
    identical(losses[0], losses[1])
    assert np.ptp(losses[0]) > MOVED


@pytest.mark.parametrize("activation", ["relu", "tanh", "he3"])
def test_zero_features_give_the_single_index_student(activation):
    """W = 0, c-hat = c: f* = sigma(<u, x>), and the path of the plain student of sigma(<u, x>)."""
    task = lrft.Task.sample(d=24, k=4, features="zero", activation=ACTIVATIONS[activation], seed=3)
    lr = rate(activation, task.d)
    student = lrft.RankOne(c_init="teacher")
    training = lrft.Training(student=student, lr=lr, steps=STEPS, record=STEPS + 1)
    sigma, dsigma = reference.resolve_activation(task.activation)
    u_hat, _ = initial_student(task, student, SEED, REPLICA)
    expected = []
    for t in range(STEPS + 1):
        expected.append(u_hat @ task.u)
        x = lrft.normals(SEED, REPLICA, t, task.d)
        z = u_hat @ x
        gradient = 2 * (sigma(z) - sigma(task.u @ x)) * dsigma(z) * x
        u_hat = u_hat - lr * (gradient - (gradient @ u_hat) * u_hat)
        u_hat = u_hat / np.linalg.norm(u_hat)
    [chain] = final(spec([task], training, [REPLICA], seed=SEED, ambient=True))
    identical(chain["overlap_u"], expected)
    assert abs(expected[-1] - expected[0]) > MOVED
    # in the reduced space any number of neurons makes the same path, on the same normals
    one = lrft.Task.sample(d=24, k=1, features="zero", activation=ACTIVATIONS[activation], seed=3)
    paths = [final(spec([each], training, [REPLICA], seed=SEED))[0] for each in (task, one)]
    identical(paths[0]["overlap_u"], paths[1]["overlap_u"])
    identical(paths[0]["loss"], paths[1]["loss"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rank", [1, 2])
def test_thresholds_are_those_of_the_smallest_singular_value(engine, rank):
    task = task_of("tanh", c="sphere", rank=rank, features="orthonormal")
    student = lrft.LoRA(rank=rank, alpha=3.0 * rank, b_init="gaussian")
    training = lrft.Training(student=student, lr=0.02 * rank, steps=STEPS, record=STEPS + 1)
    ds = lrft.simulate(task, training, replicas=9, seed=2, engine=engine)
    assert ds.overlap_u.dims[2:] == (("component",) if rank == 2 else ())
    size = abs(ds.overlap_u.values.reshape(9, STEPS + 1, -1)[..., -1])
    some = 0
    for i, threshold in enumerate(ds.threshold.values):
        reached = size >= threshold
        expected = np.where(reached.any(axis=1), reached.argmax(axis=1), -1)
        np.testing.assert_array_equal(ds.hit_step.values[:, i], expected)
        some += np.sum(expected > 0)
    assert some > 10
    stopped = lrft.simulate(task, training.replace(stop_at=0.5), replicas=9, seed=2, engine=engine)
    hit = ds.hit_step.sel(threshold=0.5).values
    np.testing.assert_array_equal(stopped.stop_step.values, np.where(hit < 0, STEPS, hit))
    assert "converged" in stopped.status.values


SIMULATED = ["linear, rank one, joint, free", "linear, LoRA, both factors", "linear, full, scratch",
             "LoRA, rank 1", "LoRA, rank 3, batch 5, rates", "full, base, output weights",
             "full, scratch, nine"]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SIMULATED)
def test_a_path_does_not_depend_on_its_company_or_on_records(name, engine):
    task, training = case(name)
    training = training.replace(steps=300)
    other = task_of("tanh", seed=12)
    alone = lrft.simulate(task, training, replicas=[6], seed=4, engine=engine, threads=1)
    tasks = [other, task]
    company = lrft.simulate(tasks, training, replicas=9, seed=4, engine=engine, threads=2)
    sparse = lrft.simulate(
        task, training.replace(record=[100]), replicas=[6], seed=4, engine=engine
    )
    for key in ("overlap_u", "loss"):
        mine = alone[key].isel(replica=0)
        np.testing.assert_array_equal(mine, company[key].isel(task=1, replica=6))
        np.testing.assert_array_equal(mine.isel(step=-1), sparse[key].isel(replica=0, step=-1))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SIMULATED)
def test_a_resumed_run_is_the_run_that_never_stopped(name, engine, tmp_path):
    task, training = case(name)
    training = training.replace(steps=4_000)
    whole = lrft.simulate(task, training, replicas=3, seed=4, engine=engine)
    simulation = lrft.Simulation(task, training, replicas=3, seed=4, engine=engine, threads=1)
    stops = 0
    while not simulation.advance(0.0005):
        stops += 1
        if stops % 3 == 1:
            simulation.save_state(tmp_path / "state.npz")
            simulation = lrft.Simulation.resume(tmp_path / "state.npz")
    assert stops > 0
    for key in ("overlap_u", "overlap_c", "loss"):
        np.testing.assert_array_equal(simulation.dataset()[key], whole[key])


@pytest.mark.parametrize("name", SIMULATED)
def test_both_spaces_have_the_same_law(name):
    """Seeds fixed in advance; eight tests at 1e-3 each."""
    from scipy.stats import ks_2samp

    task, training = case(name)
    training = training.replace(steps=1_200, record=2, thresholds=())
    found = [
        lrft.simulate(task, training, replicas=400, seed=seed, engine=engine).isel(step=-1)
        for seed, engine in enumerate(ENGINES, start=100)
    ]
    overlap = [ds.overlap_u.values.reshape(400, -1)[:, -1] for ds in found]
    assert ks_2samp(*overlap).pvalue > 1e-3
    assert ks_2samp(*[ds.loss.values for ds in found]).pvalue > 1e-3
    # control: a rate 3 times as large is seen
    other = lrft.simulate(
        task, training.replace(lr=3 * training.lr), replicas=400, seed=102, engine="ambient"
    ).isel(step=-1)
    different = [other.overlap_u.values.reshape(400, -1)[:, -1], other.loss.values]
    pairs = zip((overlap[0], found[0].loss.values), different, strict=True)
    assert min(ks_2samp(*pair).pvalue for pair in pairs) < 1e-3


@pytest.mark.parametrize(
    ("student", "more", "engine", "message"),
    [
        (lrft.FullNetwork(), {"stop_at": 0.9}, "auto", "stop_at.*matrix for the FullNetwork"),
        (lrft.LoRA(rank=2, a_init=V5[:2, :5]), {}, "auto", r"a_init must have shape \(2, 24\)"),
        (lrft.LoRA(rank=2, b_init=np.ones((3, 2))), {}, "auto", r"b_init must have shape \(4, 2\)"),
        (lrft.FullNetwork(width=6), {}, "auto", "init='base' needs the width of the base, 4"),
        # S has 5 dimensions; n rows and min(n, batch) more, and n for a start of its own
        (lrft.LoRA(rank=10), {"batch": 12}, "reduced", "needs d >= 25"),
        (lrft.LoRA(rank=7, linearized=True), {"batch": 9}, "reduced", "needs d >= 26"),
        (
            lrft.FullNetwork(width=19, init="gaussian", lam_init=1.0), {}, "reduced",
            "needs d >= 25",
        ),
        (lrft.LoRA(rank=2), {"lr": "auto"}, "auto", "lr='auto' is defined for the RankOne"),
    ],
)  # fmt: skip
def test_refused(student, more, engine, message):
    training = lrft.Training(student=student, **({"lr": 0.01, "steps": 10} | more))
    with pytest.raises(ValueError, match=message):
        lrft.simulate(task_of("tanh"), training, replicas=1, engine=engine)


def test_a_linearised_student_of_a_custom_activation_is_refused():
    numba = pytest.importorskip("numba")
    signature = numba.types.float64(numba.types.float64)
    value = numba.cfunc(signature)(lambda z: z * z)
    slope = numba.cfunc(signature)(lambda z: 2 * z)
    task = task_of("tanh").replace(activation=lrft.Activation.custom(value, slope))
    training = lrft.Training(student=lrft.RankOne(linearized=True), lr=0.01, steps=10)
    with pytest.raises(ValueError, match="linearized=True needs a built-in activation"):
        lrft.simulate(task, training, replicas=1)


def test_kernel_limit():
    """Small xi: losses at the same (m, c-hat) differ by xi^4, paths on the same normals by xi.

    The rate is proportional to 1 / xi^2, so that every path goes equally far.
    """
    xis = np.geomspace(0.03, 0.3, 5)

    def run(xi: float, steps: int, linearized: bool) -> Any:
        task = lrft.Task.sample(
            d=60, k=6, xi=xi, activation="tanh", c="quantized", lam="gaussian", seed=5
        )
        training = lrft.Training(
            student=lrft.RankOne(linearized=linearized), lr=0.005 / xi**2, steps=steps, record=2
        )
        return lrft.simulate(task, training, replicas=32, seed=9).isel(step=-1)

    losses, paths = [], []
    for xi in xis:
        real, linear = (run(xi, 0, linearized) for linearized in (False, True))
        losses.append(np.abs(real.loss - linear.loss).mean())
        real, linear = (run(xi, 400, linearized) for linearized in (False, True))
        paths.append(np.sqrt(((real.overlap_u - linear.overlap_u) ** 2).mean()))
        assert real.overlap_u.std() > 0.2  # they have gone somewhere
    for gaps, exponent in ((losses, 4.0), (paths, 1.0)):
        assert abs(np.polyfit(np.log(xis), np.log(gaps), 1)[0] - exponent) < 0.1
