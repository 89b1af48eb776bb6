"""LoRA from the first gradient and from the base's weights: both spaces, twin, coupling, law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import final, spec, under_law
from coupling import STEPS, follow
from scipy import stats

import lrft
from lrft.core.engine import compiled
from lrft.reference import students as twin
from lrft.run import describe
from lrft.theory import first_gradient

SEED, REPLICA = 5, 2
TASK = lrft.Task.sample(
    d=60, k=4, xi=1.5, features="sphere", activation="tanh", output_scale=0.7, noise=0.2, seed=3
)
WIDE = lrft.Task.sample(d=60, k=5, xi=1.5, rank=2, features="sphere", activation="relu", seed=4)
SCALES = {"neuron_scale": TASK.neuron_scale, "output_scale": TASK.output_scale}
SPIKED = TASK.replace(inputs=lrft.Spiked("u", 1.5))
MIXTURE = TASK.replace(inputs=lrft.Mixture([-1.0, 0.5], [0.4, 0.6], labels=[0.3, -0.2]))
STARTS: dict[str, tuple[lrft.Task, dict[str, Any]]] = {
    "gradient": (TASK, {"rank": 1, "start": "gradient"}),
    "gradient of samples": (TASK, {"rank": 2, "start": "gradient", "start_samples": 50}),
    "gradient, B drawn": (TASK, {"rank": 1, "start": "gradient", "b_init": "gaussian"}),
    "lora_one": (WIDE, {"rank": 2, "start": "lora_one", "start_rate": 0.3, "alpha": 3.0}),
    "lora_one of samples, sphere": (
        TASK,
        {"rank": 1, "start": "lora_one", "start_rate": 0.3, "start_samples": 70, "sphere": True},
    ),
    "linearised": (TASK, {"rank": 1, "start": "lora_one", "start_rate": 0.3, "linearized": True}),
    "lora_ga": (WIDE, {"rank": 1, "start": "lora_ga"}),
    "lora_ga of samples": (TASK, {"rank": 2, "start": "lora_ga", "start_samples": 50}),
    "pissa": (TASK, {"rank": 2, "start": "pissa", "alpha": 3.0}),
    "pissa, sphere": (TASK, {"rank": 2, "start": "pissa", "sphere": True}),
    "gradient, a spike": (SPIKED, {"rank": 1, "start": "gradient"}),
    "lora_ga of samples, a spike": (SPIKED, {"rank": 1, "start": "lora_ga", "start_samples": 50}),
    "lora_one, spikes beside": (
        WIDE.replace(inputs=lrft.Spiked("beside", 2.0)),
        {"rank": 2, "start": "lora_one", "start_rate": 0.3},
    ),
    "lora_one, linearised, a spike": (
        SPIKED,
        {"rank": 1, "start": "lora_one", "start_rate": 0.3, "linearized": True},
    ),
    "pissa, a spike": (SPIKED, {"rank": 2, "start": "pissa"}),
    "lora_one, blocks": (
        TASK.replace(inputs="blocks 1.5 0.5"),
        {"rank": 1, "start": "lora_one", "start_rate": 0.3},
    ),
}
#: Of inputs with means, whose moves the twin of these tests does not make.
MIXED = {
    "gradient of samples, a mixture": (
        MIXTURE,
        {"rank": 2, "start": "gradient", "start_samples": 50},
    ),
    "pissa, a mixture": (MIXTURE, {"rank": 2, "start": "pissa"}),
}


def training(options: dict[str, Any], **changes: Any) -> lrft.Training:
    arguments = {"lr": 0.004, "steps": 60, "batch": 2, "record": [0, 20, 60]}
    return lrft.Training(student=lrft.LoRA(**options), **(arguments | changes))


def teacher(task: lrft.Task) -> np.ndarray:
    return task.W + task.xi * task.c.reshape(task.k, -1) @ np.atleast_2d(task.u)


def begun(task: lrft.Task, student: lrft.LoRA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A, B and the base that they are added to, in R^d."""
    A, B = first_gradient.started(task, student, ambient=True, seed=SEED, replica=REPLICA)
    off = student.scale * B @ A if student.takes_start_off else 0.0
    return A, B, task.W - off


def test_the_gradient_of_samples_is_that_of_the_twin():
    found = first_gradient.sampled_gradient_at_base(
        TASK, 30, ambient=True, seed=SEED, replica=REPLICA
    )
    number = compiled.purposes["gradient"]
    X = np.asarray(compiled.normals(SEED, REPLICA, number, 0, 30 * TASK.d)).reshape(30, -1)
    noise = compiled.normals(SEED, REPLICA, compiled.purposes["gradient_noise"], 0, 30)
    y = twin.network(X, teacher(TASK), TASK.lam, "tanh", **SCALES) + TASK.noise * noise
    D, _ = twin.row_gradient(X, y, TASK.W, TASK.lam, "tanh", **SCALES)
    np.testing.assert_allclose(found, D.T @ X, rtol=0, atol=1e-12)


def test_the_gradient_of_the_population():
    for task in (TASK, WIDE):
        expected, _ = lrft.theory.population_gradient(task, rows=task.W)
        found = first_gradient.population_gradient_at_base(task) @ task.Q.T
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "inputs",
    ["spiked u 1.5", "spiked beside 2", "blocks 1.5 0.5", "mixture u -1 0.8 labels 0.9 -0.4"],
)
def test_the_gradient_under_a_law(inputs):
    """That of the exact loss by differences: of the population, and the mean over samples."""
    task, step, rng = TASK.replace(inputs=inputs), 1e-5, np.random.default_rng(2)
    slopes, ways = [], rng.standard_normal((5, task.k, task.d))
    for way in ways:
        ends = (lrft.theory.population_loss(task, rows=task.W + h * way) for h in (step, -step))
        slopes.append((next(ends) - next(ends)) / (2 * step))
    if not task.law.means.any():
        found = first_gradient.population_gradient_at_base(task) @ task.Q.T
        np.testing.assert_allclose(np.tensordot(ways, found), slopes, rtol=0, atol=1e-8)
    if task.law.blocks is not None:
        return
    sampled = np.array(
        [
            np.tensordot(
                ways,
                first_gradient.sampled_gradient_at_base(
                    task, 500, ambient=True, seed=1, replica=replica
                ),
            )
            for replica in range(30)
        ]
    )
    error = sampled.std(axis=0, ddof=1) / np.sqrt(len(sampled))
    assert (np.abs(sampled.mean(axis=0) - slopes) < 5 * error).all()
    assert (error < 0.2 * np.abs(slopes).max()).all()


@pytest.mark.parametrize(
    ("d", "samples", "inputs"),
    [
        (60, 3, None),
        (60, 40, None),
        (7, 10, None),
        (60, 40, "mixture beside -1 2 labels 0.5 0"),
    ],
)
def test_both_spaces_draw_the_gradient_from_one_law(d, samples, inputs):
    """p < 1e-4 has a chance of 1 in 1250 over the eight: two statistics of four cases."""
    task = lrft.Task.sample(
        d=d, k=4, xi=1.5, features="sphere", activation="relu", seed=3, inputs=inputs
    )
    found: dict[bool, list[list[float]]] = {}
    for ambient in (False, True):
        values = found[ambient] = []
        for replica in range(400):
            G = first_gradient.sampled_gradient_at_base(
                task, samples, ambient=ambient, seed=1 + ambient, replica=replica
            )
            _, sizes, right = compiled.leading(np.ascontiguousarray(G), 2)
            u = task.u if ambient else np.pad(task.a[0], (0, G.shape[1] - task.a.shape[1]))
            values.append([abs(float(right[0] @ u)), float(sizes[1])])
    for reduced, ambient in zip(*(np.array(found[a]).T for a in (False, True)), strict=True):
        assert stats.ks_2samp(reduced, ambient).pvalue > 1e-4


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
@pytest.mark.parametrize("name", STARTS)
def test_the_loss_at_the_start(name, ambient):
    task, options = STARTS[name]
    plan = training(options, steps=0, record=[0])
    [chain] = final(spec([task], plan, [REPLICA], seed=SEED, ambient=ambient))
    A, B, base = begun(task, plan.student)
    if plan.student.takes_start_off:
        expected = lrft.theory.population_loss(task, rows=task.W)
    else:
        expected = lrft.theory.population_loss(task, rows=base + plan.student.scale * B @ A)
    known = ambient or plan.student.start_samples is None or plan.student.takes_start_off
    if known and not plan.student.linearized:
        assert abs(chain.records["loss"][0] - expected) < 1e-12
    if plan.student.start == "lora_one" and plan.student.start_samples is None:
        gradient = first_gradient.population_gradient_at_base(task) @ task.Q.T
        left, sizes, right = np.linalg.svd(gradient, full_matrices=False)
        r = plan.student.rank
        best = (left[:, :r] * sizes[:r]) @ right[:r]
        np.testing.assert_allclose(plan.student.scale * B @ A, -0.3 * best, rtol=0, atol=1e-12)


def reference(task: lrft.Task, plan: lrft.Training, inputs: Any, noise: Any) -> Any:
    """The twin around a base of its own, with the labels of the teacher."""
    student = plan.student
    A, B, base = begun(task, student)
    scales = {"neuron_scale": task.neuron_scale, "output_scale": task.output_scale}
    kind = task.activation
    labels = (twin.network(X, teacher(task), task.lam, kind, **scales) for X in inputs)
    return twin.lora_path(
        base,
        task.lam,
        task.c,
        task.u,
        task.xi,
        kind,
        A,
        B,
        inputs,
        lr=plan.lr,
        scale=student.scale,
        sphere=student.sphere,
        linearized=student.linearized,
        labels=labels,
        noise_values=noise,
        **scales,
    )


@pytest.mark.parametrize("name", STARTS)
def test_ambient_path(name):
    task, options = STARTS[name]
    plan = training(options)
    inputs = [
        under_law(task, lrft.normals(SEED, REPLICA, t, (2, task.d))) for t in range(plan.steps)
    ]
    number = compiled.purposes["noise"]
    noise = [
        task.noise * compiled.normals(SEED, REPLICA, number, t, 4)[::2] for t in range(plan.steps)
    ]
    *_, (A, B) = path = list(reference(task, plan, inputs, noise))
    assert np.abs(A - path[0][0]).max() + np.abs(B - path[0][1]).max() > 1e-3
    [chain] = final(spec([task], plan, [REPLICA], seed=SEED, ambient=True))
    np.testing.assert_allclose(chain.rows.reshape(A.shape), A, rtol=0, atol=1e-12)
    np.testing.assert_allclose(chain.own.reshape(B.shape), B, rtol=0, atol=1e-12)
    cosines = twin.subspace_cosines(A, np.atleast_2d(task.u))
    found = np.abs(chain.records["overlap_u"].reshape(3, -1)[-1])
    np.testing.assert_allclose(found, np.abs(cosines), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["lora_ga", "pissa", "pissa, sphere", "lora_one", "pissa, a spike", "gradient, a spike"]
)
def test_coupling(name):
    task, options = STARTS[name]
    task = task.replace(noise=0.0)
    plan = training(options, steps=STEPS, record=2, lr=2e-4)
    inputs = np.random.default_rng(17).standard_normal((STEPS, 2, task.d))
    path = reference(task, plan, inputs, None)
    Q = task.Q
    if plan.student.takes_start_off:  # n directions more belong to S, whichever they are
        more = np.random.default_rng(1).standard_normal((task.d, plan.student.rank))
        Q = np.linalg.qr(np.concatenate([Q, more], axis=1))[0]
        Q[:, : task.Q.shape[1]] = task.Q
    follow(task, path, inputs, spec([task], plan), [plan.lr] * 2, moved=1e-3, Q=Q)


@pytest.mark.parametrize(
    "name",
    ["gradient of samples", "lora_ga of samples", "pissa", "pissa, a mixture"],
)
def test_spaces_agree_in_law(name):
    """Of losses and overlaps at two records; p < 1e-4 has a chance of 1 in 600."""
    task, options = (STARTS | MIXED)[name]
    plan = training(options, lr=0.02)
    runs = [
        lrft.simulate(task, plan, replicas=300, seed=9, engine=engine)
        for engine in ("reduced", "ambient")
    ]
    for step in (20, 60):
        for statistic in ("loss", "overlap_u"):
            values = [ds[statistic].sel(step=step).values.reshape(300, -1)[:, 0] for ds in runs]
            assert stats.ks_2samp(*np.abs(values)).pvalue > 1e-4


@pytest.mark.parametrize("ambient", [False, True], ids=["reduced", "ambient"])
@pytest.mark.parametrize("name", ["pissa", "lora_ga of samples"])
def test_the_general_step_is_the_plain_one(name, ambient):
    """Whole labels know of what is taken off the base, too."""
    task, options = STARTS[name]
    losses = ["squared", lrft.Huber(1e200), lrft.Huber(0.01)]
    plans = [training(options, loss=loss) for loss in losses]
    ends = [final(spec([task], plan, [REPLICA], seed=SEED, ambient=ambient))[0] for plan in plans]
    plain, general, bent = (end.own for end in ends)
    np.testing.assert_allclose(general, plain, rtol=0, atol=1e-12)
    assert np.abs(bent - plain).max() > 1e-6


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", ["gradient of samples", "pissa"])
def test_what_is_learned_is_a_network(name, engine):
    task, options = STARTS[name]
    simulation = lrft.Simulation(
        task, training(options), replicas=2, seed=SEED, engine=engine, keep_students=True
    )
    simulation.run()
    loss = float(simulation.dataset().final_loss[1])
    network = simulation.trained(1)
    assert abs(lrft.theory.population_loss(task, rows=network.W) - loss) < 1e-10


def test_a_replica_is_the_same_in_any_company(tmp_path):
    task, options = STARTS["lora_ga of samples"]
    plan = training(options, steps=4000, record=3)
    whole = lrft.simulate([task, task.replace(xi=1.0)], plan, replicas=3, seed=1)
    alone = lrft.simulate(task, plan, replicas=[2], seed=1, threads=1)
    np.testing.assert_array_equal(alone.loss.values[0], whole.loss.values[0, 2])
    begun = lrft.Simulation(task, plan, replicas=3, seed=1, threads=1)
    begun.advance(0.0)
    begun.save_state(tmp_path / "state.npz")
    again = lrft.Simulation.resume(tmp_path / "state.npz")
    again.run()
    np.testing.assert_array_equal(again.dataset().loss.values, whole.loss.values[0])


def test_followed_directions_come_first():
    """With a frozen adapter overlaps are with the task's own directions, at thresholds too."""
    task, options = STARTS["pissa"]
    plan = training(options, steps=400, record=range(401), thresholds=[0.2, 0.4], lr=0.02)
    for engine in ("reduced", "ambient"):
        ds = lrft.simulate(task, plan, replicas=4, seed=3, engine=engine)
        size = np.abs(ds.overlap_u.values)
        for i, threshold in enumerate(plan.thresholds):
            met = size >= threshold
            first = np.where(met.any(axis=1), met.argmax(axis=1), -1)
            np.testing.assert_array_equal(ds.hit_step.values[:, i], first)
        assert (ds.hit_step.values > 0).any()


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ("mixture u -1 1", {"start": "gradient"}, "needs start_samples under inputs with means"),
        ("mixture u 0 0 labels 2 -1", {"start": "gradient"}, "needs start_samples"),
        ("blocks 1 2", {"start": "pissa"}, "start='pissa' needs inputs without eigenvalue blocks"),
        (
            "blocks 1 2",
            {"start": "gradient", "start_samples": 50},
            "start='gradient' with start_samples needs inputs without eigenvalue blocks",
        ),
    ],
)
def test_starts_that_are_not_known_under_a_law(inputs, options, message):
    plan = lrft.Training(student=lrft.LoRA(rank=1, **options), lr=0.01, steps=10)
    with pytest.raises(ValueError, match=message):
        lrft.check_compatible(TASK.replace(inputs=inputs), plan)


def test_a_gradient_with_too_few_values_is_refused():
    task = lrft.Task.sample(d=60, k=4, features="zero", activation="tanh")
    student = lrft.LoRA(rank=2, start="gradient")
    with pytest.raises(ValueError, match=r"needs 2 singular values.*at most 1|has 1"):
        lrft.simulate(task, lrft.Training(student=student, lr=0.1, steps=1), replicas=1)


@pytest.mark.parametrize("options", [{"sphere": True}, {"start": "gradient"}])
def test_the_equations_refuse_what_they_do_not_know(options):
    plan = lrft.Training(student=lrft.LoRA(rank=1, **options), lr=0.01, steps=10)
    with pytest.raises(ValueError, match="equations know nothing of"):
        lrft.theory.order_parameter_ode(TASK, plan)


def test_the_automatic_rate_looks_at_the_start():
    data = describe.task_data(TASK, ambient=False)
    assert data.followed == 0
    plain = (TASK, STARTS["pissa"][1]), (TASK, STARTS["lora_one"][1] | {"rank": 1})
    for task, options in (*plain, *MIXED.values(), STARTS["lora_one, blocks"]):
        lr, reason = lrft.theory.auto_lr(task, lrft.LoRA(**options))
        assert 1e-5 < lr < 1
        assert "stability limit" in reason
