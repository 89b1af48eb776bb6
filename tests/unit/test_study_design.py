"""Studies: what a design means, and what is refused before anything runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from studies import study

import lrft
from lrft import study as studies
from lrft.study import design
from lrft.study.expression import evaluate

# ---- designs --------------------------------------------------------------------------------


def test_design_is_list_by_random_by_grid_the_grids_last_field_fastest():
    found = design.read(
        study(
            task={"d": None},
            grid={"xi": [1.0, 2.0], "activation": ["relu", "tanh"]},
            list={"d": [10, 20], "training.record": [2, 3]},
            random={"n": 3, "seed": 5, "noise": {"uniform": [0, 1]}},
        )
    )
    assert found.axes == (
        "task.d",
        "training.record",
        "task.noise",
        "task.xi",
        "task.activation",
    )
    rows = [tuple(point.values()) for point in found.points]
    assert len(rows) == len(set(rows)) == 2 * 3 * 2 * 2
    assert [row[:2] for row in rows] == [(10, 2)] * 12 + [(20, 3)] * 12
    assert [row[3:] for row in rows[:4]] == [
        (1.0, "relu"),
        (1.0, "tanh"),
        (2.0, "relu"),
        (2.0, "tanh"),
    ]
    assert len({row[2] for row in rows}) == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"range": [1, 4]}, [1, 2, 3]),
        ({"range": [0, 10, 5]}, [0, 5]),
        ({"linspace": [0.1, 0.3, 3]}, [0.1, 0.2, 0.3]),
        ({"geomspace": [1, 1000, 4]}, [1.0, 10.0, 100.0, 1000.0]),
        ({"geomspace": [1, 8, 7], "integer": True}, [1, 2, 3, 4, 6, 8]),
        (np.array([1, 2]), [1, 2]),
    ],
)
def test_values_of_a_grid(given, expected):
    found = design.read({"grid": {"d": given}}).points
    assert [point["task.d"] for point in found] == expected
    assert all(type(point["task.d"]) is type(expected[0]) for point in found)


def test_random_draws_stay_when_the_design_grows():
    def drawn(n, **fields):
        table = {"n": n, "seed": 3, "xi": {"log_uniform": [1, 100]}, **fields}
        return [point["task.xi"] for point in design.read({"random": table}).points]

    few, many = drawn(20), drawn(2000, noise={"uniform": [0, 1]})
    assert many[:20] == few
    assert all(1 <= x <= 100 for x in many)
    # Uniform in the logarithm: the mean of 2000 draws is within 4 standard errors of a half.
    level = np.log(many) / np.log(100)
    assert abs(level.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 2000)
    assert drawn(20) != [
        p["task.xi"]
        for p in design.read(
            {"random": {"n": 20, "seed": 4, "xi": {"log_uniform": [1, 100]}}}
        ).points
    ]


def test_random_choice_takes_every_option():
    table = {"n": 60, "d": {"choice": [5, 6, 7]}, "k": {"uniform": [1, 9], "integer": True}}
    found = design.read({"random": table}).points
    assert {point["task.d"] for point in found} == {5, 6, 7}
    assert all(isinstance(point["task.k"], int) for point in found)


def test_derived_values_follow_from_fixed_drawn_and_earlier_derived_ones():
    found = design.read(
        study(
            training={"lr": None, "steps": None},
            grid={"run.seed": [7], "xi": [4.0]},
            derived={"steps": "20 * d + seed", "lr": "sqrt(xi) / steps"},
        )
    ).points
    assert found[0]["training.steps"] == 1207
    assert found[0]["training.lr"] == float(f"{2 / 1207:.12g}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 +", "not an expression"),
        ("d.real", "not allowed"),
        ("__import__('os')", "not allowed"),
        ("(lambda: 1)()", "not allowed"),
        ("[1][0]", "not allowed"),
        ("n", "no field 'n'"),
        ("1 / (d - d)", "division by zero"),
        ("d ** 10000", "too large"),
        ("(0 - d) ** 0.5", "no real number"),
        ("sqrt()", "takes exactly one"),
        ("1e308 * d", "is inf"),
        ("name", "is no number"),
    ],
)
def test_expressions_are_arithmetic_and_nothing_else(text, reason):
    with pytest.raises(ValueError, match=reason):
        evaluate(text, {"d": 60, "name": "relu"})


def test_toml_and_python_are_the_same_study(tmp_path):
    (tmp_path / "study.toml").write_text(
        """
        [task]
        d = 60
        k = 3
        [training]
        steps = 50
        [run]
        replicas = 2
        [grid]
        task.seed = {range = [0, 2]}
        "training.lr" = [0.01, 0.02]
        """
    )
    table = {
        "task": {"d": 60, "k": 3},
        "training": {"steps": 50},
        "run": {"replicas": 2},
        "grid": {"task.seed": [0, 1], "lr": [0.01, 0.02]},
    }
    first, second = (studies.plan(one).keys for one in (tmp_path / "study.toml", table))
    assert first == second
    assert len(set(first)) == 4


def test_study_of_the_documentation_is_one():
    page = Path(__file__).parents[2] / "docs" / "sweeps.md"
    text, _ = re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    planned = studies.plan(tomllib.loads(text))
    assert len(planned.points) == 16
    assert {point.training.steps for point in planned.points} == {200_000, 2_000_000}


# ---- refusals -------------------------------------------------------------------------------

REFUSED = {
    "unknown table": ({"gird": {"d": [1]}}, ValueError, "'gird'; did you mean 'grid'"),
    "unknown field": ({"grid": {"dd": [1]}}, ValueError, "unknown field in .grid.: 'dd'"),
    "unknown field of a table": (
        {"grid": {"training.lrr": [1]}},
        ValueError,
        "unknown field of training .*'lrr'",
    ),
    "ambiguous field": ({"grid": {"seed": [1]}}, ValueError, "task.seed or run.seed"),
    "fixed and swept whole": (
        {"grid": {"student": [lrft.RankOne()]}, "student": {"kind": "lora"}},
        ValueError,
        "student is both fixed, by .student., and set",
    ),
    "fixed and swept": ({"grid": {"lr": [0.1]}}, ValueError, "training.lr is both fixed and set"),
    "swept twice": ({"grid": {"xi": [1.0]}, "list": {"xi": [2.0]}}, ValueError, "set twice"),
    "unequal lists": (
        {"list": {"xi": [1.0], "noise": [0.0, 1.0]}},
        ValueError,
        "task.xi 1, task.noise 2",
    ),
    "no values": ({"grid": {"xi": []}}, ValueError, "grid.task.xi must have at least one"),
    "no list": ({"grid": {"xi": 3.0}}, TypeError, "grid.task.xi must be a list"),
    "no distribution": ({"random": {"n": 2, "xi": [1.0]}}, ValueError, "random.task.xi must be a"),
    "no number of points": ({"random": {"xi": {"uniform": [0, 1]}}}, ValueError, "random.n is"),
    "log of zero": (
        {"random": {"n": 2, "xi": {"log_uniform": [0, 1]}}},
        ValueError,
        "0 < a < b",
    ),
    "bad value": ({"grid": {"xi": [1.0, -2.0]}}, ValueError, r"point 1 \(xi=-2.0\): xi must be"),
    "bad type": ({"grid": {"k": [2.5]}, "task": {"k": None}}, TypeError, "k must be an integer"),
    "unknown argument": ({"task": {"dd": 3}}, TypeError, "unexpected keyword argument 'dd'"),
    "missing argument": ({"task": {"d": None}}, TypeError, "task: missing .* argument: 'd'"),
    "missing rate": ({"training": {"lr": None}}, ValueError, "lr is required"),
    "bad student": ({"student": {"kind": "lorra"}}, ValueError, "student.kind must be one of"),
    "field of another student": ({"student": {"rank": 2}}, ValueError, "unknown field 'rank'"),
    "does not fit": ({"student": {"c_init": [1.0]}}, ValueError, r"c_init must have shape \(3,\)"),
    "different levels": (
        {"grid": {"thresholds": [[0.5], [0.6]]}},
        ValueError,
        "training.thresholds must be the",
    ),
    "no table": ({"task": 3}, TypeError, "task must be a table"),
    "replicas": ({"run": {"replicas": 0}}, ValueError, "replicas must be at least 1"),
    "unknown run field": ({"run": {"threads": 2}}, ValueError, r"field of \[run\]: 'threads'"),
    "too many": (
        {"grid": {"xi": {"range": [1, 2000]}, "task.seed": {"range": [0, 2000]}}},
        ValueError,
        "is the limit",
    ),
    "far too many": ({"grid": {"task.seed": {"range": [0, 10**30]}}}, ValueError, "the limit"),
    "more than a row holds": (
        {"training": {"steps": 10**8, "record": 5 * 10**6}, "run": {"replicas": 8}},
        ValueError,
        "the limit of a row of the ledger",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_before_anything_runs(name, refused, tmp_path):
    changes, error, message = REFUSED[name]
    studies.plan(study())  # the control
    refused(lambda: lrft.sweep(study(**changes), tmp_path / "study.db"), error, message)
    assert not (tmp_path / "study.db").exists()


def test_files_that_are_no_study_are_refused(refused, tmp_path):
    refused(lambda: lrft.sweep(tmp_path / "none.toml", tmp_path / "a.db"), ValueError, "No such")
    (tmp_path / "bad.toml").write_text("task = [")
    refused(lambda: lrft.sweep(tmp_path / "bad.toml", tmp_path / "a.db"), ValueError, "not a TOML")
    refused(lambda: lrft.sweep(3, tmp_path / "a.db"), TypeError, "study must be a table or a path")
    refused(
        lambda: lrft.sweep(study(), tmp_path / "a.db", scheduler=3), TypeError, "scheduler must be"
    )
