"""What `fit` makes of its arguments: kinds of input, stopping, results, refusals, limits."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lrft
from lrft.fitting import arguments as fit_arguments

D, K, ROWS = 9, 5, 203
RNG = np.random.default_rng(21)
X = RNG.standard_normal((ROWS, D)) * 1.3 + 0.1
Y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
HELD = (X[150:], Y[150:])
BASE = lrft.Weights(RNG.standard_normal((K, D)) / 2, RNG.standard_normal(K), "tanh")

STUDENTS = {
    "rank-one": lrft.RankOne(train_c=True, orthogonal=False, c_init="sphere"),
    "LoRA": lrft.LoRA(rank=2, b_init="gaussian"),
    "LoRA on the sphere": lrft.LoRA(rank=2, b_init="gaussian", sphere=True),
    "full": lrft.FullNetwork(train_lam=True),
    "linearised": lrft.LoRA(rank=2, b_init="gaussian", linearized=True),
}
each_student = pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)


def fit(student=STUDENTS["LoRA"], given=X, labels=Y, base=BASE, **changes):
    arguments = {"lr": 0.01, "seed": 5, "replicas": 3, "threads": 1, "validation": HELD}
    return lrft.fit(base, student, given, labels, **(arguments | changes))


SAMPLES = {"X", "y", "validation_X", "validation_y"}  # kept of arrays only, as they were given


def same(first, second):
    names = set(first.variables) - SAMPLES
    assert names == set(second.variables) - SAMPLES
    for name, variable in first[sorted(names)].variables.items():
        np.testing.assert_array_equal(variable, second[name], err_msg=name)


# ---- the same samples in other clothes ----------------------------------------------------------


@each_student
@pytest.mark.parametrize("batch", [1, 4, 7, 32, 50, ROWS, 1000])
def test_arrays_maps_and_streams_give_the_same_bits(student, batch, tmp_path, monkeypatch):
    options = {"batch": batch, "shuffle": False, "record": [0, 1, 3] if batch < 60 else [0, 1]}
    expected = fit(student, **options)
    assert expected.stop_step[0] == -(-ROWS // batch)
    assert (expected.status == "finished").all()

    mapped = np.memmap(tmp_path / "X", dtype=np.float64, mode="w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    read = np.memmap(tmp_path / "X", dtype=np.float64, mode="r", shape=X.shape)
    same(expected, fit(student, read, **options))
    same(expected, fit(student, np.asfortranarray(X), **options))
    wide = np.full((2 * ROWS, 2 * D), np.nan)
    wide[::2, ::-2] = X
    same(expected, fit(student, wide[::2, ::-2], Y.tolist(), **options))

    def stream(size):
        buffer = np.empty((size, D))
        for first in range(0, ROWS, size):
            part = X[first : first + size]
            buffer[: len(part)] = part  # used again for the next
            yield buffer[: len(part)], Y[first : first + size]

    for window in (1, 2**22):  # bytes: as many windows as there can be, and one
        monkeypatch.setattr(fit_arguments, "WINDOW", window)
        for size in (1, 13, 500):
            same(expected, fit(student, stream(size), None, **options))


def test_single_precision_is_read_as_it_is():
    single = X.astype(np.float32)
    options = {"shuffle": True, "epochs": 2, "batch": 3}
    same(fit(given=single, **options), fit(given=single.astype(np.float64), **options))
    held = (HELD[0].astype(np.float32), HELD[1])
    assert not np.array_equal(fit(validation=held).validation_loss, fit().validation_loss)


@each_student
def test_threads_company_slices_and_horizon(student):
    options = {"epochs": 4, "batch": 3, "replicas": 6}
    expected = fit(student, **options)
    assert len(np.unique(expected.validation_loss[:, -1])) == 6
    same(expected, fit(student, **options, threads=3))
    order = [4, 0, 5]
    same(expected.sel(replica=order), fit(student, **(options | {"replicas": order})))
    fitting = lrft.Fitting(
        BASE, student, X, Y, lr=0.01, seed=5, validation=HELD, threads=2, **options
    )
    slices = 0
    while not fitting.advance(0.0):
        slices += 1
        if slices % 3 == 0:  # looking does not touch
            now = fitting.dataset()
            assert set(now.status.values) <= {"interrupted", "finished"}
    assert slices > 3
    same(expected, fitting.dataset())
    longer = fit(student, **(options | {"epochs": 7, "record": expected.step.values.tolist()}))
    for name in ("train_loss", "validation_loss"):
        shared = expected.step.values
        np.testing.assert_array_equal(expected[name], longer[name].sel(step=shared))


def test_a_student_on_the_way_is_the_one_that_is_handed_back():
    fitting = lrft.Fitting(BASE, STUDENTS["full"], X, Y, lr=0.01, epochs=300, record=10, threads=1)
    while fitting.dataset().kept_step < 1000:
        assert not fitting.advance(0.0)
    now = fitting.dataset()
    steps = int(now.kept_step[0])
    assert now.kept_step[0] == now.stop_step[0] < 300 * ROWS
    lr = lrft.schedule.Array(np.where(np.arange(300 * ROWS) < steps, 0.01, 1e-300))
    frozen = lrft.fit(BASE, STUDENTS["full"], X, Y, lr=lr, epochs=300, record=10, threads=1)
    np.testing.assert_allclose(now.W, frozen.W, rtol=1e-12)


def test_types_are_compared_by_what_they_are():
    """Types that are equal but not the same, as arrays have that come out of a pickle."""
    X = np.ones((4, D), dtype=np.dtype(np.float32, metadata={"made": "elsewhere"}))
    same(fit(given=X, labels=Y[:4]), fit(given=np.ones((4, D), dtype=np.float32), labels=Y[:4]))


# ---- errors and stopping ------------------------------------------------------------------------


def test_errors_are_those_of_the_merged_network():
    for name, student in STUDENTS.items():
        ds = fit(student, epochs=3, batch=4)
        if name == "linearised":
            with pytest.raises(ValueError, match="expansion of a network, not a network"):
                lrft.merge_weights(BASE, ds)
            continue
        for replica in range(3):
            merged = lrft.merge_weights(BASE, ds, replica)
            found = np.mean((merged.predict(HELD[0]) - HELD[1]) ** 2)
            np.testing.assert_allclose(ds.validation_loss[replica, -1], found, rtol=1e-10)
    before = np.mean((BASE.predict(HELD[0]) - HELD[1]) ** 2)
    full = fit(STUDENTS["full"])
    np.testing.assert_allclose(full.validation_loss[:, 0], before, rtol=1e-12)
    assert np.isnan(full.train_loss[:, 0]).all()


def test_a_merged_network_can_be_fitted_again(tmp_path):
    from lrft.model.files import save_weights

    merged = lrft.merge_weights(BASE, fit(epochs=3), 1)
    save_weights(tmp_path / "w.npz", merged.W, merged.lam, merged.activation)
    again = lrft.load_weights(tmp_path / "w.npz")
    student = lrft.LoRA(rank=1)  # B = 0: starts at its base
    # A step down the gradient of all samples lowers their error, from whatever start; that of a few
    # samples may raise the error of others.
    first = fit(
        student, base=again, epochs=30, batch=ROWS, record=list(range(31)), validation=(X, Y)
    )
    assert (np.diff(first.validation_loss, axis=1) < 0).all()
    np.testing.assert_allclose(
        first.validation_loss[:, 0], np.mean((merged.predict(X) - Y) ** 2), rtol=1e-10
    )


def test_stopping_by_the_validation_error():
    options = {"epochs": 40, "record": 100, "lr": 0.03}
    student = lrft.FullNetwork(train_lam=True)
    free = fit(student, **options)
    error = free.validation_loss.values
    level = float(np.quantile(error, 0.3))
    stopped = fit(student, **options, stop_loss=level)
    for i in range(3):
        first = int(np.argmax(error[i] <= level))
        assert stopped.stop_step[i] == free.step[first] == stopped.kept_step[i]
        np.testing.assert_array_equal(
            stopped.validation_loss[i, : first + 1], error[i, : first + 1]
        )
    assert (stopped.status == "converged").all()
    patient = fit(student, **options, patience=3, keep="best")
    for i in range(3):
        since = 0
        for j in range(1, len(error[i])):
            since = 0 if error[i, j] < error[i, :j].min() else since + 1
            if since == 3:
                break
        assert patient.stop_step[i] == free.step[j]
        assert patient.status[i] == ("converged" if since == 3 else "finished")
        best = int(np.argmin(error[i, : j + 1]))
        assert patient.kept_step[i] == free.step[best]
        merged = lrft.merge_weights(BASE, patient, i)
        found = np.mean((merged.predict(HELD[0]) - HELD[1]) ** 2)
        np.testing.assert_allclose(found, error[i, best], rtol=1e-10)
    assert "converged" in patient.status.values


def endless():
    while True:
        yield X, Y


def test_a_stream_without_an_end_is_left_when_no_replica_needs_it():
    ds = fit(given=endless(), labels=None, stop_loss=1e9)
    assert (ds.status == "converged").all()


def test_ctrl_c_between_windows_loses_none(monkeypatch):
    monkeypatch.setattr("lrft.fitting.samples.WINDOW", 1)
    monkeypatch.setattr(fit_arguments, "WINDOW", 1)
    batches = [(X, Y)] * 20
    options = {"lr": 0.01, "seed": 5, "threads": 1}
    whole = lrft.fit(BASE, STUDENTS["LoRA"], batches, **options)
    fitting = lrft.Fitting(BASE, STUDENTS["LoRA"], batches, **options)
    start = fitting._start
    for wait in (0, 2, 0):
        starts = iter([None] * wait)

        def interrupted(*arguments, starts=starts):
            for _ in starts:
                return start(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(fitting, "_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitting.advance(60.0)
    monkeypatch.setattr(fitting, "_start", start)
    fitting.run()
    same(whole, fitting.dataset())


@pytest.mark.parametrize("shuffle", [True, False])
def test_divergence_is_a_result(shuffle):
    ds = fit(STUDENTS["full"], lr=0.2, epochs=20, base=quadratic(), shuffle=shuffle)
    assert (ds.status == "diverged").all()
    assert (ds.stop_step < 20 * ROWS).all()
    assert np.isfinite(ds.validation_loss[:, 0]).all()
    assert np.isnan(ds.validation_loss[:, -1]).all()
    slow = fit(STUDENTS["full"], base=quadratic(), epochs=3, validation=None, lr=1e-4)
    assert (slow.status == "finished").all()
    assert np.isnan(slow.validation_loss).all()


def quadratic():
    return lrft.Weights(BASE.W, BASE.lam, "quadratic")


def test_results_are_saved_and_loaded(tmp_path):
    ds = fit(epochs=2)
    lrft.save(ds, tmp_path / "fit.nc")
    loaded = lrft.load(tmp_path / "fit.nc")
    assert loaded.identical(ds)
    assert lrft.merge_weights(BASE, loaded).W.shape == (K, D)
    configuration = json.loads(ds.attrs["configuration"])
    assert configuration["training"]["student"]["rank"] == 2
    assert ds.attrs["data_sha256"] == fit(epochs=2).attrs["data_sha256"]
    assert ds.attrs["data_sha256"] != fit(given=X + 1e-9, epochs=2).attrs["data_sha256"]


def test_a_task_is_a_base_without_its_teacher():
    task = lrft.Task.sample(d=D, k=K, xi=1.5, activation="tanh", noise=0.5, seed=1)
    other = lrft.Task(W=task.W, lam=task.lam, c=-task.c, u=np.eye(D)[2], xi=1.5, activation="tanh")
    weights = lrft.Weights(task.W, task.lam, "tanh")
    for student in STUDENTS.values():
        first = fit(student, base=task)
        for base, xi in ((other, None), (weights, 1.5)):
            found = fit(student, base=base, xi=xi)
            for name in set(first.data_vars) - {"status"}:
                np.testing.assert_allclose(found[name].values, first[name].values, rtol=1e-9)


def test_custom_activations():
    numba = pytest.importorskip("numba")
    signature = numba.types.float64(numba.types.float64)
    value = numba.cfunc(signature)(lambda z: z * z)
    slope = numba.cfunc(signature)(lambda z: 2 * z)
    custom = lrft.Weights(BASE.W, BASE.lam, lrft.Activation.custom(value, slope))
    for student in STUDENTS.values():
        found = fit(student, base=custom, lr=0.001)
        expected = fit(student, base=quadratic(), lr=0.001)
        np.testing.assert_allclose(found.validation_loss, expected.validation_loss, rtol=1e-12)


# ---- refusals -----------------------------------------------------------------------------------

BAD = X.copy()
BAD[177, 3] = np.nan
WITHOUT = lrft.Weights(BASE.W, BASE.lam)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"given": BAD}, ValueError, r"X must be finite, got nan at index \(177, 3\)"),
        ({"given": X[:, :4]}, ValueError, r"X must have shape \(samples, 9\), got \(203, 4\)"),
        ({"given": X[:0], "labels": Y[:0]}, ValueError, r"X must have shape .*got \(0, 9\)"),
        ({"given": X[0]}, ValueError, r"X must have shape \(samples, 9\), got \(9,\)"),
        ({"given": X.astype(int)}, TypeError, "X must be an array of float64 or float32"),
        ({"given": X.astype(">f8")}, TypeError, "byte order"),
        ({"given": X.astype(np.float16)}, TypeError, "float64 or float32"),
        ({"given": np.ma.masked_array(X)}, TypeError, "masked"),
        ({"given": "X"}, TypeError, "X must be an array of float64"),
        ({"given": None}, TypeError, "X must be an array of float64"),
        ({"labels": Y[:-1]}, ValueError, r"y must have shape \(203,\), got \(202,\)"),
        ({"labels": Y[:, None]}, ValueError, r"y must have shape \(203,\), got \(203, 1\)"),
        ({"labels": BAD[:, 3]}, ValueError, "y must be finite"),
        ({"labels": ["a"] * ROWS}, TypeError, "y must be an array of real"),
        ({"validation": X}, TypeError, "validation must be a pair"),
        ({"validation": (X, Y[1:])}, ValueError, r"validation\[1\] must have shape"),
        ({"validation": (BAD, Y)}, ValueError, r"validation\[0\] must be finite"),
        ({"validation": None, "patience": 2}, ValueError, "patience is about the validation"),
        ({"validation": None, "keep": "best"}, ValueError, "keep='best' is about"),
        ({"validation": None, "stop_loss": 0.1}, ValueError, "stop_loss is about"),
        ({"loss": "hinge"}, ValueError, "loss must be one of"),
        (
            {"loss": "logistic", "validation": None},
            ValueError,
            r"y must be \+1 and -1 for the logistic loss, got .* at index 0",
        ),
        (
            {"loss": "logistic", "labels": np.sign(Y)},
            ValueError,
            r"validation\[1\] must be \+1 and -1",
        ),
        (
            {"loss": "logistic", "given": [(X, Y)], "labels": None, "validation": None},
            ValueError,
            r"y of batch 0 of X must be \+1 and -1",
        ),
        ({"loss": lrft.Logistic(0.1)}, ValueError, "are not turned over, got Logistic.flip=0.1"),
        ({"keep": "worst"}, ValueError, "keep must be one of"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"patience": 2**31}, ValueError, "patience must be at most 2147483647"),
        ({"lr": "auto"}, ValueError, "lr='auto' needs a teacher"),
        ({"lr": -1.0}, ValueError, "lr must be at least 0"),
        ({"lr": lrft.schedule.Array([0.1])}, ValueError, "lr must have a rate for each"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"batch": 2**40}, ValueError, "batch"),
        ({"record": [0, 10**6]}, ValueError, "record must lie in"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False"),
        ({"base": WITHOUT}, ValueError, "base.activation must be given"),
        ({"base": BASE.W}, TypeError, "base must be a Task or Weights"),
        ({"student": "LoRA"}, TypeError, "student must be RankOne, LoRA or FullNetwork"),
        ({"student": lrft.RankOne(u_init="favourable")}, ValueError, "favourable.*teacher"),
        ({"student": lrft.RankOne(c_init="teacher")}, ValueError, "c_init='teacher' needs a Task"),
        ({"student": lrft.LoRA(rank=2, a_init=np.ones((2, 3)))}, ValueError, "a_init must have"),
        ({"student": lrft.LoRA(1, start="pissa")}, ValueError, "start='pissa' needs the Gaussian"),
        ({"student": lrft.FullNetwork(width=2)}, ValueError, "init='base' needs the width"),
        ({"replicas": 0}, ValueError, "replicas must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"xi": 0.0}, ValueError, "xi must be greater than 0"),
        ({"labels": None}, TypeError, "batch 0 of X must be a pair"),
        ({"given": 3.0, "labels": None}, TypeError, "iterable of .X, y. batches"),
        ({"given": [], "labels": None}, ValueError, "at least one sample"),
        ({"given": [(X, Y[1:])], "labels": None}, ValueError, "y of batch 0 of X must have shape"),
        (
            {"given": [(X, Y), (BAD, Y)], "labels": None},
            ValueError,
            "X of batch 1 of X must be finite",
        ),
        ({"given": [(X, Y)], "labels": None, "epochs": 2}, ValueError, "got epochs=2"),
        ({"given": [(X, Y)], "labels": None, "shuffle": True}, ValueError, "got shuffle=True"),
        ({"given": [(X, Y)], "labels": None, "record": 10}, ValueError, "record must be a list"),
        (
            {"given": [(X, Y)], "labels": None, "lr": lrft.schedule.Array([0.1])},
            ValueError,
            "lr must not be a schedule of 1 steps",
        ),
    ],
)
def test_refused(changes, error, message, refused):
    refused(lambda: fit(**changes), error, message)


def test_merging_refuses_what_does_not_belong(refused):
    ds = fit()
    refused(lambda: lrft.merge_weights(quadratic(), ds), ValueError, "base is not the one")
    refused(lambda: lrft.merge_weights(BASE, ds, 7), ValueError, "replica must be one of")
    refused(lambda: lrft.merge_weights(BASE, BASE), TypeError, "ds must be a result of lrft.fit")
    refused(lambda: BASE.predict(X[:, :2]), ValueError, "X must have shape")
    refused(lambda: WITHOUT.predict(X), ValueError, "activation is not known")
