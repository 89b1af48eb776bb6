"""Divergence is decided at every step, whatever is recorded and however large numbers are."""

from __future__ import annotations

import numpy as np
import pytest

import lrft
from lrft.reference import students as twin

EVERY = ("status", "hit_step", "stop_step")
STUDENTS = {
    "LoRA 8": (lrft.LoRA(rank=8), 0.05, 1.0),
    "LoRA 3, linearised": (lrft.LoRA(rank=3, b_init="gaussian", linearized=True), 0.1, 30.0),
    "full": (lrft.FullNetwork(train_lam=True), 0.2, 1.0),
    "full, linearised": (lrft.FullNetwork(train_lam=True, linearized=True), 0.2, 30.0),
    "rank-one": (lrft.RankOne(train_c=True), 0.2, 1e70),
}


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("name", STUDENTS)
def test_nothing_depends_on_the_record(name, engine):
    student, lr, scale = STUDENTS[name]
    task = lrft.Task.sample(d=60, k=3, seed=1, normalization="unit", output_scale=scale)
    stop = {} if name.startswith("full") else {"stop_at": 0.9}
    found = []
    for record in (2, 301, [7]):
        training = lrft.Training(student=student, lr=lr, steps=300, record=record, **stop)
        found.append(lrft.simulate(task, training, replicas=24, seed=3, engine=engine))
    for other in found[1:]:
        for variable in EVERY:
            np.testing.assert_array_equal(found[0][variable], other[variable])
    for ds in found:
        assert not (np.abs(ds.overlap_u.values) > 1).any()
        last = np.array([row[np.isfinite(row)][-1] for row in ds.loss.values])
        blown = last > 1e3 * np.nanmean(ds.loss.values[:, 0])
        assert not (blown & (ds.status.values == "converged")).any()
    assert (found[0].status == "diverged").any() or name == "rank-one"


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("record", [2, [20]])
def test_a_start_without_a_loss(engine, record):
    task = lrft.Task.sample(d=40, k=3, seed=1, output_scale=1e200)
    training = lrft.Training(lr=0.01, steps=20, record=record)
    ds = lrft.simulate(task, training, replicas=3, engine=engine)
    assert (ds.status == "diverged").all()
    assert (ds.stop_step == 0).all()


CASES = {
    "erf": (10.0, "erf", lrft.FullNetwork(), 1e-5, 400),
    "gelu": (30.0, "gelu", lrft.LoRA(rank=3, b_init="gaussian"), 1e-6, 200),
    "tanh": (100.0, "tanh", lrft.FullNetwork(train_lam=True), 1e-4, 200),
    "rate 1e-158": (1.0, "relu", lrft.FullNetwork(), 1e-158, 3),
    "rate 1e-300": (1.0, "relu", lrft.LoRA(rank=2, b_init="gaussian"), 1e-300, 3),
    "rate 1e-140, batch": (1.0, "relu", lrft.LoRA(rank=2, b_init="gaussian"), 1e-140, 3),
}


@pytest.mark.parametrize(("k", "batch"), [(4, 1), (4, 2), (4, 9), (12, 1), (12, 2)])
@pytest.mark.parametrize("case", CASES)
def test_underflow_is_no_divergence(case, k, batch):
    norm, activation, student, lr, steps = CASES[case]
    task = lrft.Task(
        W=norm * np.eye(k, 60),
        lam=np.ones(k),
        c=np.full(k, k**-0.5),
        u=np.eye(60)[59],
        xi=1.0,
        activation=activation,
    )
    training = lrft.Training(student=student, lr=lr, steps=steps, batch=batch, record=2)
    ds = lrft.simulate(task, training, replicas=16, engine="reduced")
    assert (ds.status == "finished").all()
    loss = ds.loss.values
    np.testing.assert_allclose(loss[:, -1], loss[:, 0], rtol=0.5)


@pytest.mark.parametrize("engine", ["reduced", "ambient"])
@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("scale", [1e-120, 1.0, 1e120])
def test_cosines_of_nearly_parallel_rows(angle, scale, engine):
    """Rows (a, a + angle b, c) span what (a, b, c) do, however long each of them is."""
    rng = np.random.default_rng(5)
    task = lrft.Task.sample(d=40, k=3, seed=2, rank=2, c="sphere")
    apart = rng.standard_normal((3, 40))
    rows = np.array([apart[0], scale * (apart[0] + angle * apart[1]), apart[2] / 7])
    training = lrft.Training(
        student=lrft.LoRA(rank=3, a_init=rows), lr=1e-200, steps=1, record=[0], thresholds=[1e-3]
    )
    ds = lrft.simulate(task, training, replicas=1, engine=engine)
    expected = twin.subspace_cosines(apart, task.u)
    np.testing.assert_allclose(ds.overlap_u.values[0, 0], expected, atol=1e-14 / angle + 1e-12)
    assert ds.hit_step.values[0, 0] == 0


def test_parallel_rows_have_one_direction():
    task = lrft.Task.sample(d=40, k=3, seed=2, rank=2, c="sphere")
    rows = np.random.default_rng(5).standard_normal((1, 40)) * np.array([[1.0], [3.0]])
    training = lrft.Training(student=lrft.LoRA(rank=2, a_init=rows), lr=1e-9, steps=1, record=[0])
    for engine in ("reduced", "ambient"):
        overlap = lrft.simulate(task, training, replicas=1, engine=engine).overlap_u.values[0, 0]
        np.testing.assert_allclose(overlap[0], twin.subspace_cosines(rows[:1], task.u)[0])
        assert overlap[1] == 0
