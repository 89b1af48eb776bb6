"""Results computed again from their own record alone."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

import lrft
from lrft.cli import main
from lrft.study.replay import rerun, run_again

SMALL = {"d": 60, "k": 4, "xi": 2.0, "c": "sphere", "seed": 5}


def given(rank=1, **more):
    rng = np.random.default_rng(1)
    W = rng.standard_normal((3, 24)) @ np.diag(np.linspace(0.1, 2.0, 24))
    c, u = rng.standard_normal((3, rank)), rng.standard_normal((rank, 24))
    if rank == 1:
        c, u = c[:, 0] / np.linalg.norm(c), u[0] / np.linalg.norm(u)
    return lrft.Task(W=W, lam=[1.0, -0.5, 2.0], c=c, u=u, xi=0.7, **more)


def training(student=None, **more):
    return lrft.Training(**({"student": student or lrft.RankOne(), "lr": 0.01, "steps": 60} | more))


FREE = lrft.RankOne(train_c=True, orthogonal=False)
KINDS = {
    "rank one, reduced": (lrft.Task.sample(**SMALL), training(), {}),
    "rank one, ambient": (lrft.Task.sample(**SMALL), training(), {"engine": "ambient"}),
    "joint, linearised": (
        lrft.Task.sample(**SMALL),
        training(lrft.RankOne(train_c=True, linearized=True)),
        {},
    ),
    "lora of rank 2 for a teacher of rank 2, ambient": (
        lrft.Task.sample(d=60, k=4, rank=2, seed=1),
        training(lrft.LoRA(rank=2)),
        {"engine": "ambient"},
    ),
    "lora, linearised": (
        lrft.Task.sample(**SMALL),
        training(lrft.LoRA(rank=1, alpha=2.0, linearized=True)),
        {},
    ),
    "full network from scratch": (
        lrft.Task.sample(**SMALL),
        training(lrft.FullNetwork(width=3, init="gaussian", lam_init="signs", train_lam=True)),
        {},
    ),
    "full network, linearised, ambient": (
        lrft.Task.sample(**SMALL),
        training(lrft.FullNetwork(linearized=True)),
        {"engine": "ambient"},
    ),
    "given weights": (given(activation="gelu", noise=0.1), training(FREE), {}),
    "given weights of rank 2, ambient": (
        given(rank=2),
        training(lrft.LoRA(rank=2)),
        {"engine": "ambient"},
    ),
    "schedule, batch, noise, some replicas": (
        lrft.Task.sample(**SMALL | {"noise": 0.3}),
        training(lr=lrft.schedule.InverseTime(0.02, t0=9.0), batch=3, record=lrft.geometric(9)),
        {"replicas": [3, 0, 9]},
    ),
    "logistic loss": (
        lrft.Task.sample(**SMALL | {"noise": 0.3}),
        training(FREE, loss=lrft.Logistic(flip=0.1)),
        {},
    ),
    "automatic rate, early stop, given start": (
        lrft.Task.sample(d=60, k=2),
        training(lrft.RankOne(c_init=[0.6, 0.8]), lr="auto", steps=3000, stop_at=0.3),
        {},
    ),
    "several tasks, one of them hard from scratch": (
        [lrft.Task.hard_from_scratch(30, 4, seed=2), lrft.Task.sample(d=50, k=3, activation="he2")],
        training(loss_thresholds=[0.5, 0.1]),
        {"replicas": 2},
    ),
    "the recovered c": (
        lrft.Task.sample(**SMALL | {"c": "quantized", "features": "orthonormal"}),
        training(
            lrft.RankOne(
                c_init=lrft.recover_c(
                    lrft.Task.sample(**SMALL | {"c": "quantized", "features": "orthonormal"}),
                    0.8,
                    4000,
                ).c_hat
            )
        ),
        {},
    ),
    "in coordinates": (
        lrft.Task.from_coordinates(
            10**6, [[1, 0, 0], [0.6, 0.8, 0]], [[0, 0, 1]], lam=[1, 1], c=[0.6, 0.8], xi=1.0
        ),
        training(FREE),
        {},
    ),
    "a sampled task with changes": (
        lrft.Task.sample(**SMALL).replace(xi=3.0, normalization="unit"),
        training(),
        {},
    ),
}


#: Kinds that differ most; the others run in the long suite.
QUICK = (
    "joint, linearised",
    "given weights of rank 2, ambient",
    "in coordinates",
    "logistic loss",
    "schedule, batch, noise, some replicas",
    "several tasks, one of them hard from scratch",
)


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.verification)
        for name in KINDS
    ],
)
def test_result_of_every_kind_is_made_again_from_its_file(name, tmp_path):
    task, how, options = KINDS[name]
    ds = lrft.simulate(task, how, **{"replicas": 3, "seed": 11, "threads": 1} | options)
    lrft.save(ds, tmp_path / "run.nc")
    del task, ds
    (compared,) = rerun(tmp_path / "run.nc", threads=2)
    assert (compared.differences, compared.notes) == ((), ())


def edited(path, change):
    ds = lrft.load(path)
    change(ds)
    lrft.save(ds, path)


@pytest.fixture
def saved(tmp_path):
    ds = lrft.simulate(given(), training(FREE), replicas=2)
    lrft.save(ds, tmp_path / "run.nc")
    return tmp_path / "run.nc"


def test_a_bit_that_differs_is_seen(saved):
    def change(ds):
        ds.loss.values[1, 7] = np.nextafter(ds.loss.values[1, 7], 1.0)
        ds.overlap_c.values[0, 0] *= -1.0

    edited(saved, change)
    (compared,) = rerun(saved)
    assert compared.differences == (
        "overlap_c differs in 1 of 122 entries",
        "loss differs in 1 of 122 entries",
    )


def configured(**changes):
    def change(ds):
        about = json.loads(ds.attrs["configuration"])
        about["tasks"][0] |= changes
        ds.attrs["configuration"] = json.dumps(about)

    return change


def drop_arrays(ds):
    del ds.attrs["task_arrays"]


REFUSED = {
    "another instruction set": (lambda ds: ds.attrs.update(instruction_set="z80"), "LRFT_ISA=z80"),
    "no arrays": (drop_arrays, "its arrays are not in the record"),
    "another task": (configured(content_hash="0" * 64), "cannot be made again"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_record_that_is_not_enough_is_refused(name, saved):
    change, reason = REFUSED[name]
    assert not next(rerun(saved)).differences  # the control
    edited(saved, change)
    with pytest.raises(ValueError, match=reason):
        list(rerun(saved))


def test_changed_recipe_is_noticed(tmp_path):
    ds = lrft.simulate(lrft.Task.sample(**SMALL), training(), replicas=2)
    about = json.loads(ds.attrs["configuration"])
    about["tasks"][0]["recipe"]["seed"] = 6
    ds.attrs["configuration"] = json.dumps(about)
    with pytest.raises(ValueError, match="it was changed"):
        run_again(ds)


def test_custom_activation_says_why(tmp_path):
    import ctypes
    import math

    double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    sine = lrft.Activation.custom(double(math.sin), double(math.cos), "sine")
    ds = lrft.simulate(lrft.Task.sample(**SMALL, activation=sine), training(), replicas=2)
    with pytest.raises(ValueError, match="its activation is compiled code"):
        run_again(ds)


def test_code_that_changed_is_named(saved):
    edited(saved, lambda ds: ds.attrs.update(lrft_version="0.0.1"))
    (compared,) = rerun(saved)
    assert compared.differences == ()
    assert compared.notes == (f"lrft_version was 0.0.1, now it is {lrft.__version__}",)


def test_interrupted_run_is_compared_as_far_as_it_went(saved, tmp_path):
    simulation = lrft.Simulation(
        lrft.Task.sample(**SMALL), training(steps=20_000, record=400), replicas=8, threads=1
    )
    simulation.advance(0.0)
    ds = simulation.dataset()
    assert (ds.status == "interrupted").any()
    lrft.save(ds, tmp_path / "part.nc")
    assert next(rerun(tmp_path / "part.nc")).differences == ()


# ---- studies ----------------------------------------------------------------------------------

STUDY = {
    "task": {"k": 3, "features": "orthonormal"},
    "training": {"steps": 40},
    "grid": {"d": [40, 60], "student": [{"train_c": True}, {"kind": "lora", "rank": 1}]},
    "derived": {"lr": "0.5 / d"},
}


@pytest.fixture
def study(tmp_path):
    ds = lrft.sweep(STUDY, tmp_path / "study.db", threads=1)
    lrft.study.save(ds, tmp_path / "study.nc")
    return tmp_path


def test_study_and_ledger_are_made_again(study):
    assert next(rerun(study / "study.nc")).differences == ()
    assert [one.differences for one in rerun(study / "study.db", units=None)] == [()] * 4
    assert len(list(rerun(study / "study.db", units=2))) == 2
    with pytest.raises(ValueError, match="threads must be"):
        list(rerun(study / "study.db", threads=0))


def test_study_that_was_collected_early_is_compared_as_far_as_it_went(study):
    soon = STUDY | {"training": STUDY["training"] | {"stop_loss": 1e9, "loss_thresholds": [1e9]}}
    less = soon | {"grid": soon["grid"] | {"d": [60]}}
    other = soon | {"grid": soon["grid"] | {"d": [70]}}
    lrft.sweep(less, study / "part.db", threads=1)
    for whole in (soon, other):
        ds = lrft.study.collect(whole, study / "part.db")
        assert (ds.status == "missing").sum() == 16
        lrft.study.save(ds, study / "part.nc")
        assert next(rerun(study / "part.nc")).differences == ()


def test_ledger_of_given_weights_holds_them(tmp_path):
    lrft.sweep({"task": given(), "training": training(FREE)}, tmp_path / "study.db")
    assert [one.differences for one in rerun(tmp_path / "study.db")] == [()]
    ds = lrft.study.collect({"task": given(), "training": training(FREE)}, tmp_path / "study.db")
    lrft.study.save(ds, tmp_path / "study.nc")
    with pytest.raises(ValueError, match="its ledger"):
        list(rerun(tmp_path / "study.nc"))


def test_row_with_another_result_is_seen(study):
    import hashlib

    from lrft.study.ledger import Ledger

    with Ledger(study / "study.db") as ledger:
        first, second = ledger.units()[:2]
        other = ledger.row(second).result
    with sqlite3.connect(study / "study.db") as db:
        db.execute(
            "UPDATE unit SET result = ?, digest = ? WHERE key = ?",
            (other, hashlib.sha256(other).hexdigest(), first),
        )
    db.close()
    found = {one.what: one.differences for one in rerun(study / "study.db", units=None)}
    assert [bool(differences) for differences in found.values()] == [True, False, False, False]


# ---- the command ------------------------------------------------------------------------------


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, arguments)))
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_command_tells_and_exits_by_what_it_finds(saved, study, capsys):
    code, out, err = command(capsys, "rerun", saved, study / "study.db", "--units", "1")
    assert (code, err) == (0, "")
    assert out.count("the same, bit for bit\n") == 2
    edited(saved, lambda ds: ds.loss.values.__setitem__((0, 0), 1.0))
    code, out, _ = command(capsys, "rerun", saved)
    assert code == 1
    assert "loss differs in 1 of 122 entries" in out


@pytest.mark.parametrize("name", ["missing", "text"])
def test_command_refuses_what_is_no_result(name, tmp_path, capsys):
    path = tmp_path / "some.nc"
    if name == "text":
        path.write_text("hello")
    code, out, err = command(capsys, "rerun", path)
    assert (code, out) == (2, "")
    assert "some.nc" in err
    assert err.count("\n") == 1


# ---- fits -------------------------------------------------------------------------------------

SAMPLES = np.random.default_rng(4).standard_normal((70, 24))
LABELS = np.sign(SAMPLES[:, 0])
FITS = {
    "weights, shuffled, kept best": (
        lrft.Weights(given().W, given().lam, "tanh"),
        lrft.LoRA(rank=2),
        {
            "epochs": 3,
            "batch": 4,
            "validation": (SAMPLES[:9], LABELS[:9]),
            "keep": "best",
            "patience": 50,
            "replicas": [2, 0],
            "seed": 2**64 - 1,
        },
    ),
    "a task, in order, float32": (
        given(activation="gelu"),
        lrft.RankOne(train_c=True, orthogonal=False),
        {"shuffle": False, "batch": 7, "record": [0, 3, 10], "loss": lrft.Huber(0.1)},
    ),
    "a schedule, a sampled task": (
        lrft.Task.sample(d=24, k=3),
        lrft.FullNetwork(train_lam=True),
        {
            "lr": lrft.schedule.InverseTime(0.02, t0=9.0),
            "stop_loss": 0.5,
            "epochs": 9,
            "validation": (SAMPLES, LABELS),
        },
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_fit_is_made_again_from_its_file(name, tmp_path):
    base, student, options = FITS[name]
    X = SAMPLES.astype("f4") if "float32" in name else SAMPLES
    ds = lrft.fit(base, student, X, LABELS, **{"lr": 0.01, "threads": 1} | options)
    assert ds.X.dtype == X.dtype
    lrft.save(ds, tmp_path / "fit.nc")
    assert lrft.load(tmp_path / "fit.nc").identical(ds)
    (compared,) = rerun(tmp_path / "fit.nc", threads=2)
    assert (compared.differences, compared.notes) == ((), ())
    edited(tmp_path / "fit.nc", lambda ds: ds.train_loss.values.__setitem__((0, 1), 7.0))
    (compared,) = rerun(tmp_path / "fit.nc")
    assert compared.differences == (f"train_loss differs in 1 of {ds.train_loss.size} entries",)


def test_fit_without_its_samples_says_why(tmp_path, monkeypatch):
    path = tmp_path / "fit.nc"
    base = given()
    stream = ((SAMPLES[i : i + 7], LABELS[i : i + 7]) for i in range(0, 70, 7))
    lrft.save(lrft.fit(base, lrft.LoRA(rank=1), stream, lr=0.01), path)
    with pytest.raises(ValueError, match=r"fit.nc.*its samples were a stream"):
        list(rerun(path))
    monkeypatch.setattr("lrft.result.provenance.MOST_ARRAY_BYTES", SAMPLES.nbytes)
    lrft.save(lrft.fit(base, lrft.LoRA(rank=1), SAMPLES, LABELS, lr=0.01), path)
    assert "X" not in lrft.load(path)
    with pytest.raises(ValueError, match="its samples take more than 64 MiB"):
        list(rerun(path))


def test_changed_samples_are_noticed(tmp_path):
    path = tmp_path / "fit.nc"
    lrft.save(lrft.fit(given(), lrft.LoRA(rank=1), SAMPLES, LABELS, lr=0.01), path)
    edited(path, lambda ds: ds.X.values.__setitem__((0, 0), 7.0))
    with pytest.raises(ValueError, match="data_sha256 of the samples"):
        list(rerun(path))


# ---- malformed records --------------------------------------------------------------------------

RECORDS = {
    "no configuration": lambda about: None,
    "a list": lambda about: [about],
    "no tasks": lambda about: about | {"tasks": []},
    "two tasks": lambda about: about | {"tasks": about["tasks"] * 2},
    "a task that is a number": lambda about: about | {"tasks": [3]},
    "a task without its hash": lambda about: about | {"tasks": [{"d": 60}]},
    "no training": lambda about: about | {"training": None},
    "an unknown student": lambda about: changed(about, student={"kind": "sgd"}),
    "a rate that is no number": lambda about: changed(about, lr=float("nan")),
    "more steps": lambda about: changed(about, steps=10**9),
    "steps beyond counting": lambda about: changed(about, steps=10**30),
    "a batch beyond memory": lambda about: changed(about, batch=10**30),
    "no seed": lambda about: {name: about[name] for name in about if name != "seed"},
    "a negative seed": lambda about: about | {"seed": -1},
    "an unknown engine": lambda about: about | {"engine": "gpu"},
}


def changed(about, **fields):
    return about | {"training": about["training"] | fields}


@pytest.mark.parametrize("name", [*RECORDS, "not JSON", "nested", "arrays"])
def test_malformed_record_is_one_sentence(name, saved, refused):
    def change(ds):
        text = {"not JSON": "hello", "nested": "[" * 100_000}.get(name)
        if name == "arrays":
            ds.attrs["task_arrays"] = ds.attrs["task_arrays"][:-100] + '"}'
        elif text is None:
            about = RECORDS[name](json.loads(ds.attrs["configuration"]))
            text = None if about is None else json.dumps(about)
            del ds.attrs["configuration"]
        if text is not None:
            ds.attrs["configuration"] = text

    edited(saved, change)
    refused(lambda: list(rerun(saved)), ValueError, "run.nc")
