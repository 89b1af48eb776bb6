"""Biases of networks as tasks, students and weights have them; what needs none says so."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrft
from lrft.cli import config
from lrft.result import provenance
from lrft.study.design import read
from lrft.study.points import points

pytestmark = pytest.mark.any_set

B = np.array([0.5, -1.0, 0.0, 2.0])
WEIGHTS = lrft.Weights(
    np.random.default_rng(3).standard_normal((4, 9)), np.ones(4), "tanh", 0.5, b=B, output_bias=0.25
)


def tasks() -> dict[str, lrft.Task]:
    W, u = np.eye(4, 30), np.eye(30)[9]
    common: dict[str, Any] = {"c": np.eye(4)[0], "xi": 1.0, "lam": np.ones(4), "biases": B}
    R, a = np.eye(4, 5), np.eye(5)[4:]
    return {
        "given": lrft.Task(W=W, u=u, **common),
        "sampled": lrft.Task.sample(30, 4, biases=B),
        "one number": lrft.Task.paper(30, 4, biases=1.5),
        "coordinates": lrft.Task.from_coordinates(30, R, a, **common),
        "teacher": lrft.Task.teacher(d=30, width=2, biases_star=[1.0, -1.0], k=3, biases=0.5),
        "teacher alone": lrft.Task.teacher(d=30, width=2, biases_star=1.0),
        "single index": lrft.Task.single_index("he3", d=30, biases_star=0.5, biases=1.0),
        "of a task": lrft.Task.multi_index({(1, 1): 1.0}, base=lrft.Task.sample(30, 4, biases=B)),
        "of weights": lrft.Task.single_index("erf", base=replace(WEIGHTS, output_bias=0.0)),
    }


@pytest.mark.parametrize("name", tasks())
def test_a_task_keeps_its_biases(name: str, tmp_path: Path) -> None:
    task = tasks()[name]
    assert (task.biases is None) == (name == "teacher alone")
    if task.biases is not None:
        assert task.biases.shape == (task.k,)
        assert not task.biases.flags.writeable
        assert "biases=" in repr(task)
    others = [pickle.loads(pickle.dumps(task)), task.replace(noise=0.0), task.replace(xi=task.xi)]
    for suffix in (".npz", ".safetensors"):
        task.save(tmp_path / f"task{suffix}")
        others.append(lrft.Task.load(tmp_path / f"task{suffix}"))
    record = provenance.describe_task(task), provenance.store_task(task)
    others.append(provenance.restore_task(*record))
    for other in others:
        assert other == task
        assert other.lane_shape == task.lane_shape
        np.testing.assert_array_equal(other.biases, task.biases)


def test_hashes_tell_biases_apart_and_leave_others_alone() -> None:
    plain = lrft.Task.sample(d=100, k=4, seed=1)
    # As it was before networks had biases.
    assert plain.content_hash.startswith("472dff7bd8ca")
    zero, half = plain.replace(biases=0.0), plain.replace(biases=0.5)
    assert len({one.content_hash for one in (plain, zero, half)}) == 3
    assert half.replace(biases=None) == plain
    assert half == lrft.Task.sample(d=100, k=4, seed=1, biases=[0.5] * 4)
    teacher = lrft.Task.teacher(d=50, width=2)
    assert teacher != lrft.Task.teacher(d=50, width=2, biases_star=0.0)
    assert lrft.FullNetwork().content_hash.startswith("b7af0947e")
    assert "biases" not in lrft.FullNetwork().model_dump()
    moved = lrft.FullNetwork(biases=[1.0, 2.0], train_biases=True)
    again = lrft.FullNetwork.model_validate_json(moved.model_dump_json())
    assert again == moved != lrft.FullNetwork(biases=[1.0, 2.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lrft.Task.sample(30, 4, biases="x"), "biases must be a real number, got 'x'"),
        (lambda: lrft.Task.sample(30, 4, biases=[1.0]), r"biases must have shape \(4,\)"),
        (lambda: lrft.Task.sample(30, 4, biases=[np.nan] * 4), "biases must be finite"),
        (lambda: lrft.Task.teacher(d=9, width=2, biases_star=[1.0]), "biases_star must have shape"),
        (lambda: lrft.Task.teacher(d=9, width=2, base=WEIGHTS, biases=1.0), "of the base, which"),
        (lambda: lrft.Task.single_index("he3", base=WEIGHTS), "no output bias .* got 0.25"),
        (lambda: lrft.FullNetwork(width=3, biases=[1.0, 2.0]), "biases must have 3 rows"),
        (lambda: lrft.FullNetwork(biases="none"), "biases must be one of"),
        (lambda: lrft.FullNetwork(train_biases=1), "train_biases must be True or False"),
    ],
)
def test_wrong_biases(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (lrft.FullNetwork(5, init="gaussian", lam_init=1.0), "biases='base' needs the width"),
        (lrft.FullNetwork(biases=np.ones(3)), r"biases must have shape \(4,\)"),
        (lrft.FullNetwork(linearized=True), "linearized=True needs networks without biases"),
        (lrft.RankOne(u_init="favourable"), "a perturbed base without biases"),
        (lrft.LoRA(1, start="gradient"), "start='gradient' needs networks without biases"),
    ],
)
def test_students_that_do_not_fit(student: Any, message: str) -> None:
    training = lrft.Training(student=student, lr=0.01, steps=1)
    with pytest.raises(ValueError, match=message):
        lrft.check_compatible(lrft.Task.sample(30, 4, biases=B, activation="erf"), training)


def test_where_a_full_network_starts() -> None:
    biased, plain = lrft.Task.sample(30, 4, biases=B, neuron_scale=0.5), lrft.Task.sample(30, 4)
    assert not lrft.FullNetwork().biased(plain)
    assert lrft.FullNetwork().parameters(plain).keys() == {"W", "lam"}
    assert lrft.LoRA(1).parameters(biased).keys() == {"A", "B"}
    for student, task, start in [
        (lrft.FullNetwork(), biased, B),
        (lrft.FullNetwork(train_biases=True), plain, np.zeros(4)),
        (lrft.FullNetwork(2, init="gaussian", lam_init=1.0, biases=1.5), biased, [1.5, 1.5]),
    ]:
        assert student.biased(task)
        assert student.parameters(task)["b"] == (("neuron",), np.shape(start))
        np.testing.assert_array_equal(student.start_biases(task), start)
        spec = student.describe(task, ambient=False)
        np.testing.assert_array_equal(spec["biases"], np.divide(start, task.neuron_scale))
        rows = np.column_stack([np.ones((len(start), task.d)), spec["biases"]])
        found = student.arrays(task, rows.ravel(), np.ones(len(start)))
        np.testing.assert_array_equal(found["W"], rows[:, :-1])
        np.testing.assert_array_equal(found["b"], start)


def test_weights_with_biases(tmp_path: Path) -> None:
    X = np.random.default_rng(4).standard_normal((50, 9))
    expected = np.tanh(0.5 * X @ WEIGHTS.W.T + B) @ np.ones(4) + 0.25
    np.testing.assert_allclose(WEIGHTS.predict(X), expected, atol=1e-14)
    assert "output_bias" in WEIGHTS._repr_html_()
    factors = {"A": np.ones((1, 9)), "B": np.ones((4, 1))}
    tuned = replace(WEIGHTS, W=WEIGHTS.W + 1.0, factors=factors, strength=1.0)
    np.testing.assert_allclose(tuned.base().predict(X), expected, atol=1e-12)
    tuned.save(tmp_path, layout="peft")
    again = lrft.load_adapter(WEIGHTS, tmp_path)
    np.testing.assert_allclose(again.predict(X), tuned.predict(X), atol=1e-12)
    with pytest.raises(ValueError, match=r"b must have shape \(4,\)"):
        lrft.save_weights(tmp_path / "a.npz", WEIGHTS.W, WEIGHTS.lam, b=np.ones(3))


def test_the_command_line_and_studies_set_biases(tmp_path: Path) -> None:
    flags = {"d": "50", "k": "4", "biases": "0.5,-1,0,2", "student": "full"}
    flags |= {"student_biases": "1.5", "train_biases": "true", "teacher": "he3"}
    settings = config.resolve(None, flags)
    (tmp_path / "run.toml").write_text(config.to_toml(settings))
    for found in (settings, config.resolve(tmp_path / "run.toml", {})):
        task = config.task(found["task"])
        np.testing.assert_array_equal(task.biases, B)
        student = config.training(found, task).student
        assert (student.biases, student.train_biases) == (1.5, True)
    network = replace(WEIGHTS, output_bias=0.0)
    network.save(tmp_path / "base.npz")
    settings = config.resolve(None, {"weights": str(tmp_path / "base.npz")})
    np.testing.assert_array_equal(config.task(settings["task"]).biases, B)
    study = {"task": {"d": 100, "k": 4}, "student": {"kind": "full"}}
    study |= {"training": {"lr": 0.01, "steps": 10}, "grid": {"task.biases": [0.0, 0.5]}}
    made = points(read(study | {"run": {"replicas": 2}}))
    assert [one.task.biases[0] for one in made] == [0.0, 0.5]
    assert made[0].units[0].key != made[1].units[0].key
