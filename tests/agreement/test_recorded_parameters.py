"""Recorded order parameters against paths in R^d, in both spaces, and where they travel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import twin
from students import REPLICA, SEED, case

import lrft
from lrft.result.variables import STATISTICS, VARIABLES
from lrft.study.replay import rerun

CASES = [
    "LoRA, rank 3, batch 5, rates",
    "LoRA, u inside",
    "LoRA, zero features",
    "full, scratch, nine",
    "full, teacher of rank 2",
    "linear, rank one, u inside",
    "linear, LoRA, both factors",
    "linear, full, scratch",
    "biased, LoRA",
    "biased, full",
    "biased, full, trained",
]


def recording(name: str) -> tuple[lrft.Task, lrft.Training]:
    task, training = case(name)
    return task, training.replace(record_parameters=True, steps=200, record=5)


def own_of(ds: Any, training: lrft.Training) -> Any:
    return ds[training.student.own_name]


@pytest.mark.parametrize("name", CASES)
def test_they_are_those_of_the_path_in_r_d(name: str) -> None:
    task, training = recording(name)
    ds = lrft.simulate(task, training, replicas=[REPLICA], seed=SEED, engine="ambient")
    path = list(twin(task, training, seed=SEED, replica=REPLICA))
    Q = task.Q
    if training.student.start_of_its_own:
        outside = np.atleast_2d(path[0][0]) @ (np.eye(task.d) - Q @ Q.T)
        factor, triangle = np.linalg.qr(outside.T)
        Q = np.concatenate([Q, factor * np.sign(np.diag(triangle))], axis=1)
    constant = training.student.biased(task)  # first in S, last in R^d
    if constant:
        Q = np.pad(Q, ((0, 1), (1, 0)))
        Q[-1, 0] = 1.0
    for i, t in enumerate(ds.step.values):
        rows, own = np.atleast_2d(path[t][0]), path[t][1]
        rows = np.pad(rows, ((0, 0), (0, len(Q) - rows.shape[1])))
        if "biases" in ds:
            biases = task.neuron_scale * rows[:, -1]
            np.testing.assert_allclose(ds.biases.isel(replica=0, step=i), biases, atol=1e-10)
        one = ds.isel(replica=0, step=i)
        for values, expected in (
            (one.M, rows @ Q),
            (one.Q, rows @ rows.T),
            (one.norms, np.linalg.norm(rows, axis=1)),
            (own_of(one, training), own),
        ):
            assert values.shape == expected.shape
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("name", ["LoRA, rank 3", "full, scratch, nine", "linear, rank one"])
def test_the_reduced_space_records_its_state(name: str) -> None:
    task, training = recording(name)
    simulation = lrft.Simulation(
        task, training, replicas=3, seed=4, engine="reduced", keep_students=True
    )
    simulation.run()
    ds = simulation.dataset()
    for i, chain in enumerate(simulation.chains()):
        s, n = ds.sizes["basis"], ds.sizes["row"]
        P, L = chain.rows[: n * s].reshape(n, s), chain.rows[n * s :].reshape(n, n)
        np.testing.assert_array_equal(ds.final_M[i], P)
        np.testing.assert_allclose(ds.final_Q[i], P @ P.T + L @ L.T, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(own_of(ds, training)[i, -1].values.ravel(), chain.own)
    # with the task they make the overlaps that are always recorded
    if isinstance(training.student, lrft.RankOne):
        np.testing.assert_allclose(ds.M.values[:, :, 0] @ task.a[0], ds.overlap_u, atol=1e-14)


@pytest.mark.parametrize("teacher", ["a perturbed base", "a network"])
@pytest.mark.parametrize(
    "options",
    [{"engine": "reduced"}, {"engine": "ambient"}, {"engine": "ambient", "optimiser": "momentum"}],
    ids=str,
)
@pytest.mark.parametrize("trained", [False, True])
def test_large_biases_take_no_digits(teacher: str, options: dict[str, str], trained: bool) -> None:
    """Cosines and M are those of the rows, which were once what biases leave of their squares."""
    biases = np.array([1e8, -3e7, 2e8])
    if teacher == "a network":
        task = lrft.Task.teacher(width=2, d=60, activation="erf", biases_star=0.5)
        student = lrft.FullNetwork(
            width=3, init="gaussian", lam_init=0.5, biases=biases, train_biases=trained
        )
        directions = np.atleast_2d(task.u)
    else:
        task = lrft.Task.sample(d=60, k=3, activation="erf", xi=1.5, biases=biases)
        student = lrft.FullNetwork(train_biases=trained)
        directions = task.W + task.xi * np.outer(task.c, task.u)
    given = {"lr": 1e-3, "steps": 20, "record": 2, "record_parameters": True}
    given |= {"optimiser": options.get("optimiser", "sgd")}
    simulation = lrft.Simulation(
        task,
        lrft.Training(student=student, **given),
        replicas=[0],
        engine=options["engine"],
        keep_students=True,
    )
    simulation.run()
    ds, found = simulation.dataset().isel(replica=0, step=-1), simulation.trained(0)
    assert found.b is not None
    assert np.abs(found.b).max() > 1e7
    sizes = np.outer(np.linalg.norm(found.W, axis=1), np.linalg.norm(directions, axis=1))
    np.testing.assert_allclose(ds.overlap_u, found.W @ directions.T / sizes, rtol=0, atol=1e-14)
    np.testing.assert_allclose(ds.M[:, 1:], found.W @ task.Q, rtol=0, atol=1e-14)
    np.testing.assert_allclose(ds.M[:, 0], found.b / task.neuron_scale, rtol=1e-14)


def test_nothing_else_changes_and_no_name_is_there_unasked() -> None:
    task, training = recording("LoRA, rank 3")
    with_all = lrft.simulate(task, training, replicas=2)
    plain = lrft.simulate(task, training.replace(record_parameters=False), replicas=2)
    some = lrft.simulate(task, training.replace(record_parameters=["B", "M"]), replicas=2)
    asked = {name for name, one in STATISTICS.items() if one.dims}
    assert not asked & set(plain.data_vars)
    assert {"M", "B", "final_M", "final_B"} == set(some.data_vars) - set(plain.data_vars)
    for name in plain.data_vars:
        np.testing.assert_array_equal(plain[name], with_all[name])
    default = lrft.Training(lr=0.1, steps=10)
    assert "record_parameters" not in default.model_dump_json()
    assert default.replace(record_parameters=[]) == default
    named = training.replace(record_parameters=["M", "Q", "norms", "B"])
    assert named.record_size(task) == default.record_size(task) + 3 * 5 + 3 * 3 + 3 + 4 * 3


@pytest.mark.parametrize("inputs", [None, "blocks 1 0.4"])
def test_they_survive_a_stop_a_file_and_a_study(inputs: str | None, tmp_path: Path) -> None:
    task, training = recording("full, scratch, nine")
    task = task.replace(inputs=inputs)
    whole = lrft.simulate(task, training, replicas=2, seed=9)
    simulation = lrft.Simulation(task, training, replicas=2, seed=9)
    simulation.advance(0.0)
    simulation.save_state(tmp_path / "state.npz")
    again = lrft.Simulation.resume(tmp_path / "state.npz")
    again.run()
    lrft.save(again.dataset(), tmp_path / "run.nc")
    loaded = lrft.load(tmp_path / "run.nc")
    tables = {
        "task": task,
        "training": training,
        "grid": {"record_parameters": [False, True]},
        "run": {"replicas": 2, "seed": 9},
    }
    study = lrft.sweep(tables, tmp_path / "study.db", threads=1)
    names = {name for name in training.recorded_parameters if name in whole}
    assert set(training.recorded_parameters) - names == ({"Q_blocks"} if inputs is None else set())
    for name in names:
        np.testing.assert_array_equal(loaded[name], whole[name])
        assert loaded[name].dims == whole[name].dims
        np.testing.assert_array_equal(study[name][1], whole[name])
        assert study[name].dims[2:] == whole[name].dims[1:]
        assert np.isnan(study[name][0]).all()


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (["N"], ValueError, "record_parameters must be one of .*got 'N'"),
        (["M", "M"], ValueError, "record_parameters must be distinct"),
        (
            ["B"],
            ValueError,
            "record_parameters of a RankOne student are M, Q, Q_blocks, norms, c_hat",
        ),
        ("M", TypeError, "record_parameters must be True, False or a list of M, Q,"),
        (1, TypeError, "record_parameters must be True, False or a list .*got 1"),
    ],
)
def test_bad_names_are_refused(value: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        lrft.Training(lr=0.1, steps=10, record_parameters=value)


def fit_of(student: Any, **options: Any) -> tuple[Any, Any, Any]:
    """A small fit, and its base."""
    rng = np.random.default_rng(3)
    base = lrft.Weights(
        W=rng.standard_normal((4, 8)), lam=np.ones(4), activation="tanh", b=0.1 * np.arange(4)
    )
    X, y = rng.standard_normal((60, 8)), rng.standard_normal(60)
    given = {"lr": 0.01, "epochs": 3, "batch": 7, "replicas": 2} | options
    if given.pop("validated", False):
        given["validation"] = X[:20], y[:20]
    return lrft.fit(base, student, X, y, **given), base, (X, y)


FITTED = {
    "rank one": (lrft.RankOne(train_c=True, orthogonal=False), {"Q": (1, 1), "c_hat": (4,)}),
    "LoRA": (lrft.LoRA(rank=2, b_init="gaussian"), {"Q": (2, 2), "B": (4, 2)}),
    "full": (
        lrft.FullNetwork(train_lam=True, train_biases=True),
        {"Q": (4, 4), "lam_hat": (4,), "biases": (4,)},
    ),
}


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_records_its_path_to_the_student_it_hands_back(name: str, tmp_path: Path) -> None:
    student, shapes = FITTED[name]
    ds, base, _ = fit_of(student, record_parameters=True)
    plain, *_ = fit_of(student)
    rows, own, *biases = (
        plain[one].values for one in student.parameters(lrft.Task.sample(d=8, k=4, biases=0.1))
    )
    rows = rows.reshape(2, -1, 8)
    if biases:
        rows = np.concatenate([rows, biases[0][..., None]], axis=2)
        np.testing.assert_allclose(ds.biases[:, -1], biases[0], rtol=0, atol=1e-14)
    for one, shape in shapes.items():
        assert ds[one].shape == (2, 4, *shape)
        assert ds[one].dims == ("replica", "step", *STATISTICS[one].dims)
        assert ds[one].attrs["definition"] == VARIABLES[one].definition
    path = ds[student.own_name].values
    np.testing.assert_allclose(ds.Q[:, -1], rows @ rows.swapaxes(1, 2), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ds.norms[:, -1], np.linalg.norm(rows, axis=2), rtol=1e-12)
    np.testing.assert_array_equal(path[:, -1], own.reshape(path[:, -1].shape))
    assert np.abs(ds.Q[:, -1] - ds.Q[:, 0]).max() + np.abs(path[:, -1] - path[:, 0]).max() > 1e-3
    np.testing.assert_array_equal(plain.train_loss, ds.train_loss)
    merged = [lrft.merge_weights(base, one).W for one in (plain, ds)]
    np.testing.assert_array_equal(*merged)
    lrft.save(ds, tmp_path / "fit.nc")
    assert lrft.load(tmp_path / "fit.nc").identical(ds)
    (compared,) = rerun(tmp_path / "fit.nc")
    assert compared.differences == ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimiser": "momentum", "average": 5, "validated": True},
        {"reuse": 3},
        {"loss": "huber", "batch": 40},
        {"keep": "best", "validated": True},
    ],
    ids=str,
)
def test_what_a_fit_records_on_the_way_is_where_a_shorter_one_ends(options: Any) -> None:
    student, given = lrft.LoRA(rank=2, b_init="gaussian"), {"shuffle": False} | options
    ds, *_ = fit_of(student, record_parameters=True, **given)
    for epochs in (1, 2):
        short, *_ = fit_of(student, **(given | {"keep": "last", "epochs": epochs}))
        A = short.A.values
        np.testing.assert_allclose(ds.Q[:, epochs], A @ A.swapaxes(1, 2), rtol=0, atol=1e-12)
        np.testing.assert_allclose(ds.B[:, epochs], short.B, rtol=0, atol=1e-12)


def test_a_fit_to_a_stream_records_them_too() -> None:
    student, given = lrft.LoRA(rank=2), {"record": [0, 3, 6], "record_parameters": ["B", "Q"]}
    whole, base, (X, y) = fit_of(student, epochs=1, batch=10, shuffle=False, **given)
    batches = ((X[i : i + 10], y[i : i + 10]) for i in range(0, 60, 10))
    stream = lrft.fit(base, student, batches, lr=0.01, batch=10, replicas=2, **given)
    assert "norms" not in stream
    for name in ("Q", "B"):
        assert stream[name].notnull().all()
        np.testing.assert_allclose(stream[name], whole[name], rtol=0, atol=1e-12)


def test_a_fit_has_no_basis_for_its_rows() -> None:
    with pytest.raises(ValueError, match=r"'M' is in a basis of span.*got \['M', 'Q'\]"):
        fit_of(lrft.LoRA(rank=1), record_parameters=["M", "Q"])
