"""What `simulate` makes of LoRA, full networks and linearised students.

Identities and limits, thresholds, laws, saved states and refusals; paths are in test_students.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, LINEARIZED, final, initial_student, rate, spec, task_of
from coupling import MOVED, STEPS, follow
from students import REPLICA, SEED, V5, case

import lrft
from lrft.reference import students as twin

ENGINES = ("reduced", "ambient")


def identical(first: Any, second: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("engine", "batch"), [("ambient", 1), ("ambient", 6), ("reduced", 24)])
@pytest.mark.parametrize("activation", ["relu", "tanh", "he3"])
def test_full_fine_tuning_is_lora_with_frozen_identity(engine, activation, batch):
    """Batches of four times k in the reduced space: all directions outside S are there at once.

    A relu takes half of the inputs. Fewer leave L nearly singular for a while, and its entries,
    though not L L^T, ill-conditioned.
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
        losses.append([chain.records["loss"] for chain in chains])
        rows.append(np.array([chain.rows for chain in chains]))
    base = described.students[0]
    start = task.W if engine == "ambient" else np.concatenate([task.R, np.zeros((k, k))], axis=None)
    assert base.rows == k
    identical(rows[0], rows[1] + np.ravel(start))
    identical(losses[0], losses[1])
    assert np.ptp(losses[0]) > MOVED * np.max(losses[0])


@pytest.mark.parametrize("activation", ["relu", "tanh", "he3"])
def test_zero_features_give_the_single_index_student(activation):
    """W = 0, c-hat = c: f* = sigma(<u, x>), and the path of the plain student of sigma(<u, x>)."""
    task = lrft.Task.sample(d=24, k=4, features="zero", activation=ACTIVATIONS[activation], seed=3)
    lr = rate(activation, task.d)
    student = lrft.RankOne(c_init="teacher")
    training = lrft.Training(student=student, lr=lr, steps=STEPS, record=STEPS + 1)
    sigma, dsigma = twin.resolve_activation(task.activation)
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
    identical(chain.records["overlap_u"], expected)
    assert abs(expected[-1] - expected[0]) > MOVED * abs(expected[0])
    # the reduced space, driven along the path of that plain student on any inputs
    inputs = np.random.default_rng(4).standard_normal((STEPS, 1, task.d))

    def path() -> Any:
        u_hat, c_hat = initial_student(task, student, SEED, REPLICA)
        yield u_hat, c_hat
        for (x,) in inputs:
            z = u_hat @ x
            gradient = 2 * (sigma(z) - sigma(task.u @ x)) * dsigma(z) * x
            u_hat = u_hat - lr * (gradient - (gradient @ u_hat) * u_hat)
            u_hat = u_hat / np.linalg.norm(u_hat)
            yield u_hat, c_hat

    follow(task, path(), inputs, spec([task], training), [lr, lr])
    # in the reduced space any number of neurons makes the same path, on the same normals
    one = lrft.Task.sample(d=24, k=1, features="zero", activation=ACTIVATIONS[activation], seed=3)
    paths = [final(spec([each], training, [REPLICA], seed=SEED))[0] for each in (task, one)]
    identical(paths[0].records["overlap_u"], paths[1].records["overlap_u"])
    identical(paths[0].records["loss"], paths[1].records["loss"])


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
    # Stopped at the largest threshold that a replica reaches after its start.
    highest = float(ds.threshold.values[(ds.hit_step.values > 0).any(axis=0)].max())
    stopping = training.replace(stop_at=highest)
    stopped = lrft.simulate(task, stopping, replicas=9, seed=2, engine=engine)
    hit = ds.hit_step.sel(threshold=highest).values
    np.testing.assert_array_equal(stopped.stop_step.values, np.where(hit < 0, STEPS, hit))
    assert "converged" in stopped.status.values


SIMULATED = [
    "linear, rank one, joint, free",
    "linear, LoRA, both factors",
    "linear, full, scratch",
    "LoRA, rank 1",
    "LoRA, rank 3, batch 5, rates",
    "full, base, output weights",
    "full, scratch, nine",
    "taught, rank one, single index beside a base, batch",
    "taught, LoRA, staircase",
    "taught, full, relu network, noise",
]


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
        # The other task may have more overlaps.
        among = company[key].isel(task=1, replica=6).values[tuple(map(slice, mine.shape))]
        np.testing.assert_array_equal(mine, among)
        np.testing.assert_array_equal(mine.isel(step=-1), sparse[key].isel(replica=0, step=-1))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SIMULATED)
def test_a_resumed_run_is_the_run_that_never_stopped(name, engine, tmp_path):
    task, training = case(name)
    training = training.replace(steps=4_000)
    whole = lrft.simulate(task, training, replicas=3, seed=4, engine=engine)
    simulation = lrft.Simulation(task, training, replicas=3, seed=4, engine=engine, threads=1)
    stops = 0
    while not simulation.advance(0.0):
        stops += 1
        if stops % 3 == 1:
            simulation.save_state(tmp_path / "state.npz")
            simulation = lrft.Simulation.resume(tmp_path / "state.npz")
    assert stops > 1
    for key in ("overlap_u", "overlap_c", "loss"):
        np.testing.assert_array_equal(simulation.dataset()[key], whole[key])


@pytest.mark.parametrize("name", SIMULATED)
def test_both_spaces_have_the_same_law(name):
    """Seeds fixed in advance; two tests a case at 1e-3 each."""
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
    # control: rates 3 times as large are seen.  All of them: with lr_b left alone, LoRA of rank 3,
    # whose A moves little, has p between 1e-5 and 0.1; so, below 1e-15.
    student, faster = training.student, {"lr": 3 * training.lr}
    if getattr(student, "lr_b", None) is not None:
        faster["student"] = student.model_copy(update={"lr_b": 3 * student.lr_b})
    other = lrft.simulate(
        task, training.replace(**faster), replicas=400, seed=102, engine="ambient"
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
            lrft.FullNetwork(width=19, init="gaussian", lam_init=1.0),
            {},
            "reduced",
            "needs d >= 25",
        ),
    ],
)
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
    with pytest.raises(ValueError, match=r"known in closed form.*custom\(custom\)"):
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


@pytest.mark.parametrize("activation", LINEARIZED)
def test_linearised_loss_is_that_of_the_theory(activation):
    """Two derivations: here moments of any fields, there the case u, u-hat orthogonal to W."""
    task = task_of(activation, xi=0.7)
    training = lrft.Training(
        student=lrft.RankOne(linearized=True, train_c=True),
        lr=rate(activation, task.d),
        steps=300,
        record=2,
    )
    for chain in final(spec([task], training, range(3), seed=3)):
        c_hat = chain.own / np.linalg.norm(chain.own)
        expected = lrft.theory.linearized_loss(task, c_hat, chain.last_overlap)
        np.testing.assert_allclose(chain.records["loss"][-1], expected, rtol=1e-12)
