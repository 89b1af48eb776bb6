"""Right-hand sides of the order-parameter equations against gradients in R^d and Monte Carlo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import initial_student
from students import case, neurons

import lrft
from lrft import theory
from lrft.theory import cases as cases_module
from lrft.theory.arcsine import weighted_slopes
from lrft.theory.cases import of_training
from lrft.theory.equations import Equations
from lrft.theory.student_sample import State

STUDENTS = [
    "full, scratch, nine",
    "full, noise",
    "full, teacher of rank 2",
    "LoRA, given",
    "LoRA, unit neurons",
    "LoRA, frozen A",
]
BIASED = [
    "biased, rank one",
    "biased, LoRA, network with biases",
    "biased, teacher alone",
    "biased, full, trained",
    "biased, full, scratch",
]
EXPANDED = ["linear, full, given", "linear, LoRA, both factors", "linear, rank one, u inside"]


def start_at(task: lrft.Task, training: lrft.Training) -> tuple[Any, Any, dict[str, Any]]:
    """A replica's start in R^d and as it is recorded."""
    rows, own = initial_student(task, training.student, 3, 0)
    training = training.replace(record_parameters=True, steps=0, record=2)
    ds = lrft.simulate(task, training, replicas=[0], seed=3, engine="ambient")
    return np.atleast_2d(rows), own, ds.isel(replica=0)


def equations_of(name: str, activation: str, delta: float, **changes: Any) -> Any:
    task, training = case(name, activation)
    training = training.replace(lr=delta / task.d, batch=1)
    rows, own, recorded = start_at(task, training)
    found = of_training(task, training, recorded, {})
    equations = Equations(task, found, changes.get("noise", 0.0), changes.get("samples", 2**12))
    return task, training, rows, own, found, equations


@pytest.mark.parametrize("activation", ["erf", "relu", "tanh"])
@pytest.mark.parametrize("name", STUDENTS)
def test_without_noise_they_are_the_population_gradient(name: str, activation: str) -> None:
    task, training, rows, own, found, equations = equations_of(name, activation, 0.1)
    student = training.student
    V, lam = neurons(task, student, rows, own)
    by_neurons, by_lam = theory.population_gradient(task, rows=V, lam=lam)
    if isinstance(student, lrft.FullNetwork):
        grad, by_own = by_neurons, by_lam
    else:
        grad = student.scale * own.T @ by_neurons
        by_own = student.scale * by_neurons @ rows.T
    velocity = equations.unpacked(equations.velocity(0.0, equations.packed(found.start)))
    moved = not isinstance(student, lrft.LoRA) or student.train_a
    trained = getattr(student, "train_lam", getattr(student, "train_b", False))
    expected = in_blocks(task, rows, -moved * grad), -trained * found.rates[1] * by_own
    check_velocity(velocity, *expected, 1e-9)


def in_blocks(task: lrft.Task, rows: np.ndarray, moves: np.ndarray) -> tuple[np.ndarray, ...]:
    """What rows that move so in R^d have for P and the products outside S in every block."""
    Q = task.Q
    blocks = (
        [slice(None)] if task.law is None or task.law.blocks is None else task.law.blocks.slices
    )
    outside = rows - rows @ Q @ Q.T
    products = [moves[:, here] @ outside[:, here].T for here in blocks]
    return moves @ Q, np.array([one + one.T for one in products])


def check_velocity(found: State, rows: tuple[np.ndarray, ...], own: Any, error: float) -> None:
    expected = (*rows, np.reshape(own, found.own.shape))
    scale = max(np.abs(part).max() for part in expected)
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=0, atol=error * scale)


BLOCKS = lrft.EigenBlocks([0.4, 1.0, 1.8], parts=[0.3, 0.4, 0.3])
LAWS = {
    "one": lrft.RankOne(train_c=True, orthogonal=False),
    "one, projected": lrft.RankOne(train_c=True),
    "LoRA": lrft.LoRA(
        rank=2, a_init="gaussian", b_init=np.random.default_rng(1).normal(size=(3, 2))
    ),
    "full": lrft.FullNetwork(width=4, init="gaussian", lam_init=0.7, train_lam=True),
}


@pytest.mark.parametrize("law", [BLOCKS, "spiked u 0.8"], ids=["blocks", "spike"])
@pytest.mark.parametrize("name", LAWS)
def test_under_a_law_they_are_the_gradient_of_the_exact_loss(name: str, law: Any) -> None:
    """By differences in R^d, for each block; and the means over a sample agree with them."""
    student = LAWS[name]
    task = lrft.Task.sample(d=36, k=3, activation="tanh", parallel=0.3, seed=4, inputs=law)
    training = lrft.Training(student=student, lr=0.1 / task.d, steps=10)
    rows, own, recorded = start_at(task, training)
    own = np.asarray(own, dtype=float)
    if isinstance(student, lrft.RankOne):
        rows = np.random.default_rng(6).normal(size=(1, task.d))
        rows -= student.orthogonal * rows @ np.linalg.pinv(task.W) @ task.W
        student = student.replace(u_init=rows[0] / np.linalg.norm(rows))
        rows, own, recorded = start_at(task, training.replace(student=student))

    def loss(A: np.ndarray, own: np.ndarray) -> float:
        if student.network:
            return theory.population_loss(task, rows=A, lam=own)
        scale = task.xi if student.single else student.scale
        return theory.population_loss(task, rows=task.W + scale * own.reshape(task.k, -1) @ A)

    both = np.concatenate([rows.ravel(), own.ravel()])
    step = 1e-5
    slopes = [
        (at(both + step * e) - at(both - step * e)) / (2 * step)
        for at in [lambda x: loss(x[: rows.size].reshape(rows.shape), x[rows.size :])]
        for e in np.eye(both.size)
    ]
    grad, by_own = np.reshape(slopes[: rows.size], rows.shape), np.array(slopes[rows.size :])
    found = of_training(task, training.replace(student=student), recorded, {})
    equations = Equations(task, found, 0.0, 2**15)
    if student.single:  # on spheres, and where Pi projects
        grad = grad - student.orthogonal * grad @ np.linalg.pinv(task.W) @ task.W
        grad = grad - (grad @ rows.T) @ rows
        by_own = by_own - own * (by_own @ own)
    expected = in_blocks(task, rows, -grad), -found.rates[1] * by_own
    assert equations.exact_drift
    velocity = equations.unpacked(equations.velocity(0.0, equations.packed(found.start)))
    check_velocity(velocity, *expected, 1e-7)
    sample = equations.sampled(found, 2**15)
    equations.exact_drift, equations.sample = False, sample
    velocity = equations.unpacked(equations.velocity(0.0, equations.packed(found.start)))
    assert 0 < equations.drift_error < 0.02
    check_velocity(velocity, *expected, 4 * equations.drift_error)
    # and a start recorded in R^d is that of its coordinates
    np.testing.assert_allclose(found.start.Q, rows @ rows.T, atol=1e-10)


@pytest.mark.parametrize("activation", ["erf", "relu"])
@pytest.mark.parametrize("name", [*STUDENTS[:4], *EXPANDED])
def test_squares_of_gradients_against_monte_carlo(name: str, activation: str) -> None:
    task, training, rows, own, found, equations = equations_of(
        name, activation, 0.1, noise=1.0, samples=2**15
    )
    state = found.start
    squares = equations._noise(state)
    rng = np.random.default_rng(5)
    sample = rng.standard_normal((2**16, task.d))
    student, z = training.student, task.neuron_scale * sample @ task.W.T
    fields = sample @ rows.T
    act = task.activation
    moved = task.xi * (sample @ np.atleast_2d(task.u).T) @ task.c.reshape(task.k, -1).T
    labels = task.output_scale * act(z + task.neuron_scale * moved) @ task.lam
    # at its start a linearised student is the network itself, and so are its gradients
    if isinstance(student, lrft.FullNetwork):
        value, slope = act.evaluate(task.neuron_scale * fields)
        f, by_row = value @ own, slope * own
    else:
        scale = task.xi if isinstance(student, lrft.RankOne) else student.scale
        B = scale * np.reshape(own, (task.k, -1))
        if isinstance(student, lrft.RankOne):  # but for this one, expanded at the base
            value, slope = act.evaluate(z)
            f = (value + slope * task.neuron_scale * (fields @ B.T)) @ task.lam
        else:
            value, slope = act.evaluate(z + task.neuron_scale * (fields @ B.T))
            f = value @ task.lam
        by_row = (slope * task.lam) @ B
    error = task.output_scale * f - labels
    g = task.output_scale * task.neuron_scale * by_row
    weights = 4 * (error**2 + task.noise**2)
    products = weights[:, None, None] * g[:, :, None] * g[:, None, :]
    uncertainty = products.std(axis=0) / np.sqrt(len(g))
    scale = np.abs(squares).max()
    assert (np.abs(squares - products.mean(axis=0)) < 5 * uncertainty + 0.005 * scale).all()
    assert (uncertainty < 0.03 * scale).all()
    assert (equations.noise_error > 0) == (not equations.exact_noise)


def test_weighted_slopes_are_those_of_four_fields() -> None:
    rng = np.random.default_rng(1)
    root = rng.standard_normal((5, 5)) / 2
    weights = rng.standard_normal(5)
    erf = lrft.Activation.named("erf")
    z = rng.standard_normal((2**18, 5)) @ root.T
    value, slope = erf.evaluate(z)
    products = (value @ weights)[:, None] ** 2 * slope[:, [2, 2, 3, 4]] * slope[:, [2, 3, 4, 4]]
    found = weighted_slopes(root @ root.T, weights, 2)
    np.testing.assert_allclose(found, found.T, rtol=1e-13)
    error = products.std(axis=0) / np.sqrt(len(z))
    wanted = found[[0, 0, 1, 2], [0, 1, 2, 2]]
    assert (np.abs(products.mean(axis=0) - wanted) < 5 * error).all()
    assert (error < 0.02 * np.abs(wanted).max()).all()


@pytest.mark.parametrize("name", [*STUDENTS, *EXPANDED, *BIASED, "LoRA, rank 1", "linear, LoRA"])
def test_what_they_measure_is_what_is_recorded(name: str) -> None:
    task, training = case(name)
    _, _, recorded = start_at(task, training)
    ode = theory.order_parameter_ode(
        task, training.replace(lr=1e-9), recorded, horizon=1e-9, records=2
    )
    np.testing.assert_allclose(ode.overlap_u[0], recorded.overlap_u[0], rtol=0, atol=1e-10)
    of_c = recorded.overlap_c[0] if "overlap_c" in recorded else np.nan  # a teacher without c
    np.testing.assert_allclose(ode.overlap_c[0], of_c, rtol=0, atol=1e-10)
    tolerance = 0.05 if training.student.linearized else 1e-9
    assert ode.loss[0] == pytest.approx(float(recorded.loss[0]), rel=tolerance)


def test_large_biases_leave_the_digits_of_a_start() -> None:
    """Rows start alike beside any bias; Q has its square, which takes the digits of all else."""
    starts = []
    for b in (0.5, 1e8):
        task = lrft.Task.sample(d=200, k=2, activation="tanh", biases=[b, 0.5], seed=1)
        student = lrft.FullNetwork(
            width=3, init="gaussian", lam_init="signs", biases=[b, 0.5, -0.5]
        )
        training = lrft.Training(student=student, lr=1e-4, steps=9, record_parameters=True)
        ds = lrft.simulate(task, training, replicas=1, seed=2).isel(replica=0)
        starts.append((ds, theory.order_parameter_ode(task, training, ds, samples=2**8)))
    (_, plain), (ds, large) = starts
    assert ds.Q.values[0, 0, 0] > 1e16
    np.testing.assert_allclose(large.Q_blocks[0], ds.Q_blocks[0], rtol=1e-12)
    np.testing.assert_allclose(large.Q_blocks[0], plain.Q_blocks[0], rtol=1e-12)
    np.testing.assert_allclose(large.rest[0], plain.rest[0], rtol=1e-12)
    np.testing.assert_allclose(large.overlap_u[0], ds.overlap_u[0], rtol=1e-12)
    assert large.loss[0] == pytest.approx(float(ds.loss[0]), rel=1e-9)


@pytest.mark.parametrize("biases", [None, 0.4])
def test_a_training_and_its_numbers_have_one_solution(biases: float | None) -> None:
    task = lrft.Task.sample(
        d=1000, k=3, xi=1.0, c="sphere", activation="tanh", parallel=0.4, biases=biases
    )
    c_hat = np.array([0.6, 0.0, 0.8])
    student = lrft.RankOne(train_c=True, orthogonal=False, c_init=c_hat, lr_c=5e-5)
    training = lrft.Training(student=student, lr=1e-4, steps=10_000, record=11)
    P = np.array([0.1, 0.2, -0.3, 0.4])
    M = P if biases is None else np.append(0.0, P)  # nothing along the constant
    start = {"M": M[None], "Q": np.ones((1, 1)), "c_hat": c_hat}
    one = theory.order_parameter_ode(task, training, start, samples=2**10)
    other = theory.order_parameter_ode(
        task,
        c_hat,
        P,
        0.1,
        horizon=1.0,
        records=11,
        train_c=True,
        orthogonal=False,
        rate_c=0.5,
        samples=2**10,
    )
    np.testing.assert_allclose(one.time, other.time)
    np.testing.assert_allclose(one.M, other.M, atol=1e-9)
    assert one.hitting_time(0.5) == pytest.approx(other.hitting_time(0.5), rel=1e-6)


def test_random_rows_start_orthogonal_and_a_zero_b_is_a_saddle() -> None:
    task = lrft.Task.sample(d=10_000, k=3, activation="erf")
    training = lrft.Training(student=lrft.LoRA(rank=2), lr=1e-5, steps=100_000)
    ode = theory.order_parameter_ode(task, training, records=3)
    np.testing.assert_array_equal(ode.M, 0)
    np.testing.assert_allclose(ode.own, 0)
    np.testing.assert_allclose(ode.Q, np.broadcast_to(np.eye(2), (3, 2, 2)))
    flow = theory.gradient_flow(task, training.replace(student=lrft.FullNetwork()), records=9)
    assert flow.noise_error == flow.delta == 0
    assert (np.diff(flow.loss) < 0).all()
    level = 0.5 * (flow.loss[0] + flow.loss[-1])
    assert flow.loss_at(flow.loss_hitting_time(level)) == pytest.approx(level)
    with pytest.raises(ValueError, match="overlaps of a full network are a matrix"):
        flow.hitting_time(0.5)
    assert "rows=3" in repr(flow)


FULL = lrft.FullNetwork(width=2, init="gaussian", lam_init="ones")
GOOD = {"M": np.zeros((2, 4)), "Q": np.eye(2), "lam_hat": np.ones(2)}


@pytest.mark.parametrize(
    ("changes", "start", "kind", "message"),
    [
        ({}, 0.1, TypeError, "start must have 'M', 'Q' and 'lam_hat'"),
        ({}, GOOD | {"M": np.zeros((2, 3))}, ValueError, r"start\['M'\] must have shape \(2, 4\)"),
        ({}, GOOD | {"Q": np.eye(3)}, ValueError, r"start\['Q'\] must have shape"),
        ({}, GOOD | {"M": np.ones((2, 4))}, ValueError, "must be at least M Mᵀ"),
        ({"lr": lrft.schedule.Cosine(0.1, 10)}, GOOD, ValueError, "lr must be constant"),
        ({"stop_loss": 0.1, "lr": 0.0}, GOOD, ValueError, "lr must be positive"),
        ({"student": FULL.replace(lam_init="signs")}, None, ValueError, "start must be given"),
        ({"student": FULL.replace(linearized=True)}, GOOD, ValueError, r"shape \(2, 6\)"),
        (
            {"student": FULL.replace(linearized=True)},
            GOOD | {"M": np.zeros((2, 6))},
            ValueError,
            "start must be that of step 0",
        ),
        (
            {"student": lrft.FullNetwork(linearized=True)},
            {"M": np.zeros((3, 4)), "Q": np.zeros((3, 3)), "lam_hat": np.ones(3)},
            ValueError,
            "start must be that of step 0",
        ),
    ],
)
def test_bad_arguments(changes: Any, start: Any, kind: Any, message: str) -> None:
    task = lrft.Task.sample(d=100, k=3, activation="erf")
    training = lrft.Training(**({"student": FULL, "lr": 0.01, "steps": 10} | changes))
    with pytest.raises(kind, match=message):
        theory.order_parameter_ode(task, training, start)


def test_what_they_know_nothing_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = lrft.Task.sample(d=100, k=3, activation="erf")
    training = lrft.Training(student=FULL, lr=0.01, steps=10, batch=2)
    theory.order_parameter_ode(task, training, GOOD)
    without = (
        (cases_module, "_KNOWN", cases_module._KNOWN - {"batch"}, "batch, got batch=2"),
        (cases_module.pulls, "KNOWN", {}, "this loss, got loss='squared'"),
        (lrft.FullNetwork, "in_equations", frozenset(), "width, got width=2"),
        (lrft.FullNetwork, "in_equations", None, "the student FullNetwork"),
    )
    for where, name, value, message in without:
        with monkeypatch.context() as patched:
            patched.setattr(where, name, value)
            with pytest.raises(ValueError, match=f"know nothing of {message}"):
                theory.order_parameter_ode(task, training, GOOD)


def test_numbers_beside_a_training_are_refused() -> None:
    task = lrft.Task.sample(d=100, k=3, activation="erf")
    training = lrft.Training(student=FULL, lr=0.01, steps=10)
    for name, value in (("delta", 0.1), ("batch", 2), ("train_c", True), ("rate_c", 0.5)):
        with pytest.raises(ValueError, match=f"{name} is for a student in numbers"):
            theory.order_parameter_ode(task, training, GOOD, **{name: value})
    with pytest.raises(TypeError, match="training must be given"):
        theory.order_parameter_ode(task, horizon=1.0)


def test_states_go_into_vectors_and_back() -> None:
    task, training = case("LoRA, given")
    _, _, recorded = start_at(task, training)
    found = of_training(task, training, recorded, {})
    equations = Equations(task, found, 0.0, 16)
    again = equations.unpacked(equations.packed(found.start))
    for one, other in zip(State(*again), found.start, strict=True):
        np.testing.assert_array_equal(one, other)
