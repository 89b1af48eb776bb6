"""Studies: points are what simulate gives; keys, failures, progress and files."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import Future

import numpy as np
import pytest
from studies import study

import lrft
from lrft import study as studies
from lrft.core.engine import compiled
from lrft.result import provenance
from lrft.study import dataset, driver, points, work
from lrft.study.ledger import Ledger
from lrft.study.watch import StudyProgress
from lrft.study.workers import Cluster, Local

FINAL = ("final_overlap_u", "final_overlap_c", "final_loss")
SERIES = (
    "overlap_u",
    "overlap_c",
    "loss",
    "hit_step",
    "loss_hit_step",
    "stop_step",
    "status",
    *FINAL,
)


# ---- what a point is ------------------------------------------------------------------------

KINDS = {
    "rates and strengths": {
        "task": {"d": None},
        "training": {"lr": None},
        "grid": {"d": [50, 90], "xi": [1.0, 3.0], "lr": [0.005, 0.02]},
    },
    "schedules and noise": {
        "training": {"lr": None, "steps": None},
        "list": {
            "lr": [{"kind": "inverse_time", "lr": 0.1, "t0": 9.0}, 0.01],
            "noise": [0.0, 0.5],
            "steps": [40, 70],
        },
    },
    "activations": {"grid": {"activation": ["relu", "erf", "he3"], "task.seed": [0, 1]}},
    "students": {
        "grid": {
            "student": [
                {"train_c": True},
                {"linearized": True},
                {"kind": "lora", "rank": 2},
                {"kind": "full", "width": 4, "init": "gaussian", "lam_init": "ones"},
                {"kind": "lora", "rank": 1, "linearized": True},
            ]
        }
    },
    "batches, stops": {"grid": {"batch": [1, 3], "stop_at": [0.3, 0.9], "engine": ["ambient"]}},
    "automatic rates": {"training": {"lr": "auto"}, "grid": {"xi": [1.0, 2.0]}},
    "rank of the teacher": {"student": {"kind": "lora", "rank": 2}, "grid": {"task.rank": [1, 2]}},
    "given starts": {
        "task": {"k": 2},
        "student": {"c_init": [0.6, 0.8], "train_c": True},
        "grid": {"lr_c": [0.01, 0.02]},
    },
}


@pytest.mark.parametrize("name", KINDS)
def test_point_of_a_study_is_the_run_that_simulate_makes(name, tmp_path):
    """Whatever shares a block with it; replicas beyond one lane group included."""
    tables = study(**KINDS[name], run={"replicas": 10, "seed": 3})
    ds = studies.listed(lrft.sweep(tables, tmp_path / "study.db", threads=2))
    assert (ds.failure == "").all()
    for i, point in enumerate(studies.plan(tables).points):
        unit = point.units[0]
        alone = lrft.simulate(
            point.task, point.training, replicas=10, seed=3, engine=unit.engine, threads=1
        )
        assert (ds.status[i].values == alone.status.values).all()
        for series in SERIES:
            if series not in ds:  # records at different steps
                assert "schedules" in name or "students" in name
                continue
            ours, theirs = ds[series].values[i], alone[series].values
            # Points with fewer overlaps than others have theirs first.
            ours = ours[(*map(slice, theirs.shape), *(0,) * (ours.ndim - theirs.ndim))]
            np.testing.assert_array_equal(ours, theirs, err_msg=series)


def test_a_grid_has_a_dimension_for_each_field(tmp_path):
    tables = study(
        task={"d": None},
        training={"lr": None},
        grid={"d": [60, 80], "xi": [1.0, 2.0, 3.0]},
        derived={"lr": "0.1 / d"},
    )
    ds = lrft.sweep(tables, tmp_path / "study.db", threads=1)
    assert ds.hit_step.dims == ("d", "xi", "replica", "threshold")
    assert (ds.d.values.tolist(), ds.xi.dims) == ([60, 80], ("xi",))
    np.testing.assert_allclose(ds.delta, 0.1)
    every = studies.listed(ds)
    assert every.d.values.tolist() == [60, 60, 60, 80, 80, 80]
    for i, (d, xi) in enumerate(zip(every.d.values, every.xi.values, strict=True)):
        one = ds.sel(d=d, xi=xi)
        assert every.xi[i] == xi == one.xi
        np.testing.assert_array_equal(every.final_loss[i], one.final_loss)
        assert lrft.summary(one, 0.5).final_loss[0] == lrft.summary(ds, 0.5).final_loss[i]
    part = ds.sel(d=[80]).transpose("xi", ...)
    assert lrft.summary(part, 0.5)["xi"].tolist() == [1.0, 2.0, 3.0]
    studies.save(part, tmp_path / "part.nc")
    assert studies.load(tmp_path / "part.nc").sizes["d"] == 1
    assert "rate_note" not in ds.coords


def test_what_the_automatic_rate_says_is_in_numbers(tmp_path):
    tables = study(training={"lr": "auto", "steps": 5}, grid={"xi": [1.0, 2.0]})
    ds = lrft.sweep(tables, tmp_path / "study.db", threads=1)
    for point, one in zip(studies.plan(tables).points, lrft.study.listed(ds).xi, strict=True):
        rate, note = lrft.theory.auto_lr(point.task, point.training.student)
        found = ds.sel(xi=one.item())
        assert (found.learning_rate, found.rate_note) == (rate, note)
        limit = lrft.theory.stability_limit(point.task, point.training.student)
        assert found.stability_limit == pytest.approx(limit, rel=5e-3)
        alone = lrft.simulate(point.task, point.training, replicas=1)
        assert alone.stability_limit == found.stability_limit
        assert alone.attrs["learning_rate"] == note


def test_final_values_are_those_at_the_stop(tmp_path):
    tables = study(grid={"stop_at": [0.2, 0.99]}, training={"record": 2, "lr": 0.05})
    ds = lrft.sweep(tables, tmp_path / "study.db", threads=1)
    stopped = ds.stop_step.values
    assert len(set(stopped.ravel())) > 2
    early = stopped < ds.step.values[-1]
    assert (np.abs(ds.final_overlap_u.values[0][early[0]]) >= 0.2).all()
    every = study(grid={"stop_at": [0.2, 0.99]}, training={"record": 51, "lr": 0.05})
    all_steps = lrft.sweep(every, tmp_path / "every.db", threads=1)
    for name in ("overlap_u", "overlap_c", "loss"):
        for i, j in np.ndindex(stopped.shape):
            expected = all_steps[name].sel(step=stopped[i, j]).values[i, j]
            assert ds[f"final_{name}"].values[i, j] == expected
    held = lrft.held(ds)
    assert (held.loss.values[..., -1] == ds.final_loss.values).all()
    assert lrft.hit_quantile(studies.listed(ds), 0.5).dims == ("point", "threshold")


def test_given_weights_and_python_objects(tmp_path):
    rng = np.random.default_rng(0)
    W, c, u = rng.standard_normal((2, 20)), rng.standard_normal(2), rng.standard_normal(20)
    tasks = [
        lrft.Task(
            W=W,
            lam=[1.0, -1.0],
            c=c / np.linalg.norm(c),
            u=u / np.linalg.norm(u),
            xi=xi,
            activation="tanh",
        )
        for xi in (0.5, 1.0)
    ]
    training = lrft.Training(student=lrft.LoRA(rank=1), lr=0.01, steps=30)
    tables = {"training": training, "grid": {"task": tasks, "student.linearized": [False, True]}}
    ds = studies.listed(lrft.sweep(tables, tmp_path / "study.db", threads=1))
    assert (ds.loss.values[2] == lrft.simulate(tasks[1], training).loss.values).all()
    assert ds.task.values[0] == tasks[0].content_hash[:12]
    assert "study" not in ds.attrs
    fixed = lrft.sweep(
        {"task": tasks[0], "training": training, "grid": {"xi": [1.0]}}, tmp_path / "study.db"
    )
    assert (fixed.loss.values[0] == ds.loss.values[2]).all()


# ---- keys -----------------------------------------------------------------------------------


def test_key_covers_what_defines_the_bits_and_nothing_else(monkeypatch):
    def keys(**changes):
        return studies.plan(study(**changes)).keys

    base = keys()
    assert keys() == base
    assert keys(task={"normalization": "none", "seed": 0}, run={"engine": "reduced"}) == base
    changed = [
        keys(task={"seed": 1}),
        keys(task={"noise": 0.1}),
        keys(training={"lr": 0.02}),
        keys(training={"record": 3}),
        keys(run={"seed": 1}),
        keys(run={"engine": "ambient"}),
        keys(run={"replicas": 7}),
        keys(student={"train_c": True}),
    ]
    monkeypatch.setattr(points.provenance, "code_version", lambda: "0.0.0")
    changed.append(keys())
    assert len({tuple(base), *map(tuple, changed)}) == len(changed) + 1


def test_changed_study_keeps_what_still_applies(tmp_path, monkeypatch):
    ran = []
    real = work.run_block

    def counted(block):
        ran.extend(block.units)
        return real(block)

    monkeypatch.setattr("lrft.study.workers.run_block", counted)

    def units(**changes):
        ran.clear()
        ds = lrft.sweep(study(**changes), tmp_path / "study.db", threads=2)
        assert (ds.failure == "").all()
        return len(ran)

    assert units(grid={"xi": [1.0, 2.0]}) == 2
    assert units(grid={"xi": [1.0, 2.0]}) == 0
    assert units(grid={"xi": [2.0, 3.0, 1.0]}) == 1
    assert units(grid={"xi": [2.0]}, run={"replicas": 24}) == 2  # the first 8 are there
    assert units(grid={"xi": [2.0, 2.0, 2.0]}, run={"replicas": 32}) == 1
    assert units(list={"xi": [3.0, 2.0], "noise": [0.0, 0.1]}) == 1


# ---- failures, progress -----------------------------------------------------------------------


def test_failing_point_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    real = lrft.run.arguments.settle_rates

    def settle(tasks, training):
        if tasks[0].xi == 2.0:
            raise ArithmeticError("no rate for this one")
        return real(tasks, training)

    monkeypatch.setattr(work.arguments, "settle_rates", settle)
    tables = study(grid={"xi": [1.0, 2.0, 3.0]}, run={"replicas": 9})
    moments = []
    ds = lrft.sweep(tables, tmp_path / "study.db", threads=2, progress=moments.append)
    assert ds.failure.values.tolist() == ["", "ArithmeticError: no rate for this one", ""]
    assert (ds.status.values == "failed").sum(axis=1).tolist() == [0, 9, 0]
    assert (moments[-1].done, moments[-1].failed, moments[-1].total) == (2, 1, 3)
    monkeypatch.undo()
    again = lrft.sweep(tables, tmp_path / "study.db", threads=2)  # failures are tried again
    assert (again.failure == "").all()
    assert (again.loss.values[::2] == ds.loss.values[::2]).all()


def test_progress_counts_points(tmp_path):
    lrft.sweep(study(grid={"xi": [1.0, 2.0]}), tmp_path / "study.db", threads=1)
    moments: list[StudyProgress] = []
    lines: list[str] = []
    tables = study(grid={"xi": [1.0, 2.0, 3.0, 4.0]})
    lrft.sweep(
        tables, tmp_path / "study.db", threads=1, progress=moments.append, announce=lines.append
    )
    assert (moments[-1].done, moments[-1].total, moments[-1].reused) == (4, 4, 2)
    assert moments[-1].running == moments[-1].failed == 0
    assert moments[-1].share == pytest.approx(1.0)
    assert all(a.done <= b.done for a, b in itertools.pairwise(moments))
    assert len(lines) == 1
    assert lines[0].startswith("4 points x 8 replicas, 50% of it in the ledger; 800 replica-steps")


def test_blocks_fill_lanes_and_threads():
    planned = studies.plan(study(grid={"xi": {"linspace": [1.0, 4.0, 64]}}))

    class Hands:
        block_threads = 1

        def slots(self):
            return 2

    run = driver._Run(planned, None, Hands(), None)
    assert sum(len(block.units) for block in run.waiting) == 64
    assert 8 <= len(run.waiting) <= 16  # each thread has several
    assert {block.units[0].group for block in run.waiting} == {planned.missing[0].group}


# ---- files ------------------------------------------------------------------------------------


def test_collect_shows_what_is_there(tmp_path):
    lrft.sweep(study(grid={"xi": [1.0]}), tmp_path / "study.db", threads=1)
    ds = studies.collect(study(grid={"xi": [1.0, 2.0]}), tmp_path / "study.db")
    assert set(ds.status.values[0]) == {"finished"}
    assert set(ds.status.values[1]) == {"missing"}
    assert np.isnan(ds.final_loss.values[1]).all()


def test_files_give_back_what_was_saved(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    tables = study(grid={"lr": [0.01, 0.02]}, training={"lr": None}, student={"train_c": True})
    ds = lrft.sweep(tables, tmp_path / "study.db", threads=1)
    studies.save(ds, tmp_path / "study.nc")
    assert studies.load(tmp_path / "study.nc").identical(ds)
    studies.save(ds, tmp_path / "study.parquet")
    table = studies.to_dataframe(ds)
    back = pandas.read_parquet(tmp_path / "study.parquet")
    pandas.testing.assert_frame_equal(back, table, check_exact=True)
    assert json.loads(back.attrs["study"])["grid"] == {"lr": [0.01, 0.02]}
    assert len(table) == 16
    row = table[(table.lr == 0.02) & (table.replica == 3)].iloc[0]
    assert row.final_loss == ds.final_loss.values[1, 3]
    assert row["hit_step_0.5"] == ds.hit_step.sel(threshold=0.5).values[1, 3]


def test_files_that_cannot_be_written_or_read_are_refused(refused, tmp_path):
    ds = lrft.sweep(study(), tmp_path / "study.db", threads=1)
    refused(lambda: studies.save(ds, tmp_path / "study.txt"), ValueError, "must end in .nc, ")
    refused(lambda: studies.save(ds, tmp_path / "no" / "a.nc"), ValueError, "does not exist")
    single = lrft.simulate(lrft.Task.sample(d=20, k=2), lrft.Training(lr=0.01, steps=3))
    lrft.save(single, tmp_path / "run.nc")
    refused(lambda: studies.load(tmp_path / "run.nc"), ValueError, "not the results of a study")


# ---- memory and lost schedulers ---------------------------------------------------------------

SMALL = {
    "task": {"d": 50, "k": 2},
    "training": {"lr": 0.01, "steps": 10},
    "grid": {"xi": [1.0, 2.0, 3.0]},
}


def test_features_of_sampled_tasks_are_not_kept():
    study = SMALL | {"run": {"engine": "ambient"}}
    planned = studies.plan(study)
    hands = Local(1)
    units = [unit for point in planned.points for unit in point.units]
    with hands:
        for unit in units:
            assert unit.task.W.shape[1] == 50
            code, isa = provenance.code_version(), compiled.build_info()["isa"]
            hands.submit(work.Block((unit,), 1, code, isa)).result()
    assert all("_ambient" not in unit.task.__dict__ for unit in units)


class Leaving(Cluster):
    """A scheduler that goes after one block."""

    def __init__(self):
        self.block_threads, self.sent = 1, 0

    def slots(self):
        return 8

    def submit(self, block):
        future = Future()
        self.sent += 1
        if self.sent == 2:
            future.set_result(work.run_block(block))
        else:
            future.cancel()
            future.set_running_or_notify_cancel()
        return future


def test_what_was_finished_is_kept_when_the_scheduler_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "BLOCK_SECONDS", 0.0)
    planned = studies.plan(SMALL)
    keys = [unit.key for point in planned.points for unit in point.units]
    with Ledger(tmp_path / "study.db") as ledger:
        with pytest.raises(ConnectionError, match="the scheduler has gone"):
            driver._Run(planned, ledger, Leaving(), None).run()
        assert len(ledger.known(keys)) == 1


def test_large_seeds_stay_whole():
    found = dataset._column([2**63 + 1, 2**64 - 1, 0])
    assert found.tolist() == [2**63 + 1, 2**64 - 1, 0]
