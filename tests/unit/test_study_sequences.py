"""Studies of sequences, and of every teacher: the same guarantees as for runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrft
from lrft.study.points import SequenceUnit

STUDY: dict[str, Any] = {
    "sequence": {"d": 60, "k": 3, "tasks": 3, "seed": 2, "stages": [{}, {"steps": 90}, {}]},
    "training": {"lr": 0.001, "steps": 200, "record": 4, "optimiser": "momentum"},
    "student": {"kind": "lora", "rank": 1},
    "run": {"replicas": 10},
    "grid": {"overlap": [0.0, 0.5], "between": ["continue", "new"]},
}


def directly(overlap: float, between: str) -> Any:
    plan = lrft.Training(
        student=lrft.LoRA(rank=1), lr=0.001, steps=200, record=4, optimiser="momentum"
    )
    sequence = lrft.Sequence.sample(60, 3, overlap, tasks=3, seed=2)
    plans = [plan, plan.replace(steps=90), plan]
    return lrft.simulate_sequence(sequence, plans, between=between, replicas=10)


def test_each_point_is_the_call_of_python(tmp_path: Path) -> None:
    ds = lrft.sweep(STUDY, tmp_path / "study.db")
    for overlap in (0.0, 0.5):
        for between in ("continue", "new"):
            point, one = ds.sel(overlap=overlap, between=between), directly(overlap, between)
            for name in one.data_vars:
                np.testing.assert_array_equal(point[name], one[name])
    assert ds.step.values.tolist() == directly(0.5, "new").step.values.tolist()
    lrft.study.save(ds, tmp_path / "study.nc")
    assert lrft.study.load(tmp_path / "study.nc").identical(ds)
    assert len(lrft.study.to_dataframe(ds)) == 4 * 10
    table = lrft.summary(ds)
    assert table[["point", "task"]].values.tolist() == [[i, j] for i in range(4) for j in range(3)]
    np.testing.assert_array_equal(
        table.forgetting.values.reshape(2, 2, 3), ds.forgetting.median("replica")
    )
    for path, count in (("study.db", 8), ("study.nc", 1)):
        compared = list(lrft.study.rerun(tmp_path / path))
        assert [one.differences for one in compared] == [()] * count


def test_what_is_there_is_not_computed_again(tmp_path: Path, monkeypatch: Any) -> None:
    ds = lrft.sweep(STUDY, tmp_path / "study.db")
    monkeypatch.setattr(lrft.SequenceSimulation, "advance", None)
    again = lrft.sweep(STUDY, tmp_path / "study.db")
    assert again.drop_attrs().equals(ds.drop_attrs())
    part = STUDY | {"grid": {"overlap": [0.5]}}
    assert lrft.sweep(part, tmp_path / "study.db").loss.equals(
        ds.loss.sel(overlap=[0.5], between="continue", drop=True)
    )
    wider = STUDY | {"grid": {"overlap": [0.5, 0.75]}}
    found = lrft.study.collect(wider, tmp_path / "study.db")
    assert found.status.values[1].tolist() == ["missing"] * 10
    assert found.forgetting[1].isnull().all()
    assert lrft.study.plan(wider).describe().startswith("2 points x 10 replicas")


def test_what_one_point_raises_leaves_the_others(tmp_path: Path, monkeypatch: Any) -> None:
    dataset = lrft.SequenceSimulation.dataset

    def broken(run: lrft.SequenceSimulation) -> Any:
        if run.between == "new":
            raise RuntimeError("no more")
        return dataset(run)

    monkeypatch.setattr(lrft.SequenceSimulation, "dataset", broken)
    ds = lrft.sweep(STUDY, tmp_path / "study.db")
    assert (ds.status.sel(between="new") == "failed").all()
    assert (ds.status.sel(between="continue") == "finished").all()
    assert ds.failure.sel(between="new").values.tolist() == ["RuntimeError: no more"] * 2
    monkeypatch.undo()
    assert (lrft.sweep(STUDY, tmp_path / "study.db").status == "finished").all()


def test_keys_hold_all_that_defines_a_unit() -> None:
    from lrft.study import plan

    def keys(**changes: Any) -> set[str]:
        return set(plan(STUDY | changes).keys)

    usual = keys()
    assert len(usual) == 8
    for changes in (
        {"sequence": STUDY["sequence"] | {"stages": [{}, {"steps": 91}, {}]}},
        {"sequence": STUDY["sequence"] | {"one_c": True}},
        {"training": STUDY["training"] | {"average": 3}},
        {"run": {"replicas": 10, "engine": "ambient"}},
        {"run": {"replicas": 10, "seed": 1}},
    ):
        assert not usual & keys(**changes), changes
    (unit, *_) = plan(STUDY).points[0].units
    assert isinstance(unit, SequenceUnit)
    assert unit.steps == 8 * (200 + 90 + 200)
    assert len(json.loads(unit.definition)["tasks"]) == 3


def test_from_the_command_line(cli: Any, folder: Path) -> None:
    (folder / "study.toml").write_text(
        """
        [sequence]
        d = 60
        k = 3
        stages = [{}, {lr = 0.002}]
        [training]
        lr = 0.001
        steps = 100
        [student]
        kind = "lora"
        rank = 1
        [run]
        replicas = 4
        [grid]
        overlap = [0.0, 0.5, 1.0]
        """
    )
    code, out, err = cli("sweep", "study.toml", "--set", "run.between=new", "--json")
    assert code == 0, err
    numbers = json.loads(out)["numbers"]
    assert [row["overlap"] for row in numbers] == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert all("forgetting" in row for row in numbers)
    assert (folder / "study.png").exists()
    assert cli("plot", "study.nc", "--x", "overlap", "--out", "again.svg")[0] == 0
    code, out, _ = cli("rerun", "study.db", "study.nc")
    assert (code, out.count("the same, bit for bit")) == (0, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": {"d": 9}}, "of a task or of a sequence, and this has both"),
        ({"grid": {"task.d": [9]}}, "of a task or of a sequence"),
        ({"grid": {"overlap": [2.0]}}, r"point 0 \(overlap=2.0\): overlap must be at most 1"),
        ({"run": {"between": "merge"}, "grid": {"overlap": [0.5]}}, "between must be one of"),
        ({"training": {"lr": 0.1, "steps": 9, "stop_at": 0.5}}, "stop_at must be None"),
        ({"grid": {"overlaps": [0.5]}}, "did you mean 'overlap'"),
        ({"sequence": {"d": 60, "k": 3, "stages": [{}]}, "grid": {}}, "missing 1 required"),
        (
            {"sequence": lrft.Sequence.sample(60, 3, 0.5)},
            "overlap is set by the Sequence given: set one of the two",
        ),
    ],
)
def test_mistakes_name_the_point_and_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        lrft.study.plan(STUDY | changes)


TEACHERS: list[Any] = [
    "he3",
    {"width": 2, "sigma_star": "erf", "seed": 3},
    {"terms": {"1": 1.0, "1,1": 0.5}},
]


def test_a_study_takes_every_teacher_and_start(tmp_path: Path) -> None:
    study = {
        "task": {"d": 60, "k": 3, "noise": 0.1},
        "training": {"lr": 0.001, "steps": 50, "record": 3},
        "run": {"replicas": 3},
        "list": {"teacher": TEACHERS, "student.kind": ["full"] * 3},
    }
    ds = lrft.sweep(study, tmp_path / "study.db")
    base = lrft.Task.sample(60, 3, noise=0.1)
    own: dict[str, Any] = {"base": base, "noise": 0.1}
    tasks = [
        lrft.Task.single_index("he3", **own),
        lrft.Task.teacher(width=2, sigma_star="erf", seed=3, **own),
        lrft.Task.multi_index({(1,): 1.0, (1, 1): 0.5}, **own),
    ]
    plan = lrft.Training(student=lrft.FullNetwork(), lr=0.001, steps=50, record=3)
    for i, task in enumerate(tasks):
        direct = lrft.simulate(task, plan, replicas=3)
        np.testing.assert_array_equal(ds.loss[i], direct.loss)
        lrft.save(direct, tmp_path / "run.nc")
        (compared,) = lrft.study.rerun(tmp_path / "run.nc")
        assert compared.differences == ()
    starts = {
        "task": {"d": 60, "k": 3},
        "training": {"lr": 0.001, "steps": 50, "record": 3},
        "student": {"kind": "lora", "rank": 1, "start_samples": 100},
        "run": {"replicas": 3},
        "grid": {"start": ["gradient", "lora_ga"]},
    }
    found = lrft.sweep(starts, tmp_path / "study.db")
    for start in ("gradient", "lora_ga"):
        student = lrft.LoRA(rank=1, start=start, start_samples=100)
        plan = lrft.Training(student=student, lr=0.001, steps=50, record=3)
        direct = lrft.simulate(lrft.Task.sample(60, 3), plan, replicas=3)
        np.testing.assert_array_equal(found.loss.sel(start=start), direct.loss)
    compared = list(lrft.study.rerun(tmp_path / "study.db"))
    assert [one.differences for one in compared] == [()] * 5


def test_a_study_of_a_task_takes_no_between() -> None:
    study = {"task": {"d": 60, "k": 3}, "training": {"lr": 0.1, "steps": 9}}
    with pytest.raises(ValueError, match=r"unknown field of \[run\]: 'between'"):
        lrft.study.plan(study | {"run": {"between": "new"}})
