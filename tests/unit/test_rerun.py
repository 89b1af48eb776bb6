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
        lrft.Task.sample(**SMALL), training(lrft.RankOne(train_c=True, linearized=True)), {},
    ),
    "lora of rank 2 for a teacher of rank 2, ambient": (
        lrft.Task.sample(d=60, k=4, rank=2, seed=1), training(lrft.LoRA(rank=2)),
        {"engine": "ambient"},
    ),
    "lora, linearised": (
        lrft.Task.sample(**SMALL), training(lrft.LoRA(rank=1, alpha=2.0, linearized=True)), {},
    ),
    "full network from scratch": (
        lrft.Task.sample(**SMALL),
        training(lrft.FullNetwork(width=3, init="gaussian", lam_init="signs", train_lam=True)), {},
    ),
    "full network, linearised, ambient": (
        lrft.Task.sample(**SMALL), training(lrft.FullNetwork(linearized=True)),
        {"engine": "ambient"},
    ),
    "given weights": (given(activation="gelu", noise=0.1), training(FREE), {}),
    "given weights of rank 2, ambient": (
        given(rank=2), training(lrft.LoRA(rank=2)), {"engine": "ambient"},
    ),
    "schedule, batch, noise, some replicas": (
        lrft.Task.sample(**SMALL | {"noise": 0.3}),
        training(lr=lrft.schedule.InverseTime(0.02, t0=9.0), batch=3, record=lrft.geometric(9)),
        {"replicas": [3, 0, 9]},
    ),
    "automatic rate, early stop, given start": (
        lrft.Task.sample(d=60, k=2),
        training(lrft.RankOne(c_init=[0.6, 0.8]), lr="auto", steps=3000, stop_at=0.3), {},
    ),
    "several tasks, one of them hard from scratch": (
        [lrft.Task.hard_from_scratch(30, 4, seed=2), lrft.Task.sample(d=50, k=3, activation="he2")],
        training(loss_thresholds=[0.5, 0.1]), {"replicas": 2},
    ),
    "the recovered c": (
        lrft.Task.sample(**SMALL | {"c": "quantized", "features": "orthonormal"}),
        training(lrft.RankOne(c_init=lrft.recover_c(
            lrft.Task.sample(**SMALL | {"c": "quantized", "features": "orthonormal"}), 0.8, 4000,
        ).c_hat)), {},
    ),
    "in coordinates": (
        lrft.Task.from_coordinates(
            10**6, [[1, 0, 0], [0.6, 0.8, 0]], [[0, 0, 1]], lam=[1, 1], c=[0.6, 0.8], xi=1.0
        ),
        training(FREE), {},
    ),
    "a sampled task with changes": (
        lrft.Task.sample(**SMALL).replace(xi=3.0, normalization="unit"), training(), {},
    ),
}  # fmt: skip


#: Kinds that differ most; the others run in the long suite.
QUICK = (
    "joint, linearised", "given weights of rank 2, ambient", "in coordinates",
    "schedule, batch, noise, some replicas", "several tasks, one of them hard from scratch",
)  # fmt: skip


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
        "overlap_c differs in 1 of 122 entries", "loss differs in 1 of 122 entries",
    )  # fmt: skip


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
        lrft.Task.sample(**SMALL), training(steps=200_000, record=400), replicas=8, threads=1
    )
    simulation.advance(0.001)
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
