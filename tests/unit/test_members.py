"""Every member of every axis can be set from Python, by flags, in a file and in a study.

`MEMBERS` has a row for each field of a task, a training and a student, with values among which is
every named member; what it lacks makes `test_the_table_has_every_member` fail.
"""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from activations import DEFINITIONS

import lrft
from lrft.cli import config
from lrft.cli.fields import fields, fit_fields, sequence_fields
from lrft.model import loss, optimiser, schedule
from lrft.model.students import STUDENTS
from lrft.model.students.lora import STARTS
from lrft.model.taught import Taught
from lrft.study.design import names, read
from lrft.study.points import points

pytestmark = pytest.mark.any_set

D, K, STEPS = 30, 4, 20
AXIS = np.eye(K)[0].tolist()
ROW = np.eye(D)[0].tolist()

RATES = (
    0.02,
    lrft.schedule.Constant(0.02),
    lrft.schedule.InverseTime(0.02, t0=9.0),
    lrft.schedule.Step(0.02, factor=0.5, every=7),
    lrft.schedule.Cosine(0.02, steps=STEPS),
    lrft.schedule.Array(np.geomspace(0.02, 0.01, STEPS)),
    lrft.schedule.WarmUp(0.02, steps=5),
    lrft.schedule.WarmUp(lrft.schedule.Cosine(0.02, steps=STEPS), steps=5),
)
#: What students share: here so that each is asked of each.
LINEARIZED = {"linearized": (True,)}
#: By section and field, values as Python has them.
MEMBERS: dict[str, dict[str, tuple[Any, ...]]] = {
    "task": {
        "d": (D + 1,),
        "k": (K + 1,),
        "xi": (1.5,),
        "activation": (*DEFINITIONS, "he5", "hermite(0.1, 0.2)"),
        "features": ("sphere", "orthonormal", "zero"),
        "c": ("quantized", "sphere", AXIS),
        "u": ("orthogonal", ROW),
        "parallel": (0.5,),
        "lam": ("ones", "signs", "gaussian", 0.5, [1.0, -1.0, 0.5, 2.0]),
        "normalization": ("none", "unit"),
        "neuron_scale": (0.5,),
        "output_scale": (0.5,),
        "noise": (0.1,),
        "rank": (2,),
        "seed": (2**64 - 1,),
        "weights": ("digits",),
        "biases": (0.5, [0.1, 0.2, 0.3, 0.4]),
        "inputs": (
            "spiked u 3",
            "mixture beside -1 1 weights 0.3 0.7",
            "blocks 1 0.25 parts 0.4 0.6",
        ),
        "teacher": (
            "he3",
            {"sigma_star": "he2", "seed": 5},
            {"width": 3, "sigma_star": "relu", "lam_star": "signs"},
            {"rows": [ROW, ROW[::-1]], "lam_star": [1.0, 2.0]},
            {"terms": {"1": 1.0, "1,1": 0.5, "0,0,1": 0.2}},
        ),
    },
    "training": {
        "lr": (*RATES, "auto"),
        "steps": (STEPS + 1,),
        "batch": (3,),
        "reuse": (2,),
        "lookahead": (0.5, -1.0),
        "stop_at": (0.5,),
        "stop_loss": (0.25,),
        "record": (7, [0, 3, 9], lrft.geometric(5)),
        "thresholds": ([0.5], [0.25, 0.5]),
        "loss_thresholds": ([0.5], [0.25, 0.5]),
        "record_parameters": (True, ["M", "Q"], ["c_hat"]),
        "loss": (
            "squared",
            "correlation",
            "huber",
            "logistic",
            lrft.Huber(2.0),
            lrft.Logistic(0.1),
        ),
        "optimiser": (
            *optimiser.NAMES,
            lrft.SGD(momentum=0.5, nesterov=True),
            lrft.SGD(normalise=True),
            lrft.SGD(clip=2.0),
        ),
        "average": ("all", 0, 7),
    },
    "rank_one": LINEARIZED
    | {
        "train_c": (True,),
        "orthogonal": (False,),
        "c_init": ("quantized", "sphere", "teacher", AXIS),
        "u_init": ("uniform", "favourable"),
        "lr_c": RATES,
    },
    "lora": LINEARIZED
    | {
        "rank": (2,),
        "alpha": (2.0,),
        "a_init": ("gaussian", "zero", [ROW]),
        "a_std": (0.5,),
        "b_init": ("zero", "gaussian", np.ones((K, 1)).tolist()),
        "train_a": (False,),
        "train_b": (False,),
        "lr_b": RATES,
        "sphere": (True,),
        "start": STARTS,
        "start_samples": (100,),
        "start_rate": (0.5,),
    },
    "full": LINEARIZED
    | {
        "width": (5,),
        "init": ("base", "gaussian", np.ones((5, D)).tolist()),
        "std": (0.5,),
        "lam_init": ("base", "ones", "signs", "gaussian", 0.5, AXIS),
        "train_lam": (True,),
        "biases": ("base", 0.5),
        "train_biases": (True,),
        "lr_lam": RATES,
    },
}
#: What a value needs beside it.
BESIDE: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {
    ("task", "teacher"): {"student": {"kind": "full"}},
    ("task", "neuron_scale"): {"task": {"normalization": "none"}},
    ("lora", "a_init", "zero"): {"student": {"b_init": "gaussian"}},
    ("lora", "start", "lora_one"): {"student": {"start_rate": 0.5}},
    ("full", "init", "base"): {"student": {"width": None, "lam_init": "base"}},
    ("task", "features"): {"task": {"c": "quantized"}},
    ("task", "u"): {"student": {"orthogonal": False}},
    ("task", "parallel"): {"student": {"orthogonal": False}},
    ("task", "rank"): {"student": {"kind": "lora", "rank": 1}},
    ("task", "weights"): {"task": {"c": "quantized"}, "student": {"orthogonal": False}},
    ("lora", "start_samples"): {"student": {"start": "gradient"}},
    ("lora", "start_rate"): {"student": {"start": "lora_one"}},
    ("rank_one", "lr_c"): {"student": {"train_c": True}},
    ("lora", "train_b"): {"student": {"b_init": "gaussian"}},
    ("full", "lr_lam"): {"student": {"train_lam": True}},
    ("full", "init"): {"student": {"width": 5, "lam_init": "ones"}},
    ("full", "std"): {"student": {"init": "gaussian", "width": 5, "lam_init": "ones"}},
    ("full", "width"): {"student": {"init": "gaussian", "lam_init": "ones"}},
}


def test_the_table_has_every_member() -> None:
    known = names()
    assert set(MEMBERS["task"]) == set(known["task"])
    assert set(MEMBERS["training"]) == set(known["training"])
    assert set(MEMBERS) - {"task", "training"} == set(STUDENTS)
    for kind, model in STUDENTS.items():
        assert set(MEMBERS[kind]) == set(model.model_fields) - {"kind"}, kind
    # Those that have names, or classes.
    sections = [members for section, members in fields().items() if section != "run"]
    for field in (field for members in sections for field in members.values()):
        rows = [row[field.name] for row in MEMBERS.values() if field.name in row]
        found = [value for row in rows for value in row if isinstance(value, str)]
        assert set(field.options) - set(STUDENTS) <= set(found), field
    kinds = {model.model_fields["kind"].default for model in subclasses(schedule.ScheduleModel)}
    assert {getattr(rate, "kind", None) for rate in RATES} - {None} == kinds
    losses = MEMBERS["training"]["loss"]
    assert {one if isinstance(one, str) else one.kind for one in losses} == set(loss.NAMES)
    set_here = [one for one in MEMBERS["training"]["optimiser"] if isinstance(one, lrft.SGD)]
    assert set(optimiser.NAMES) <= set(MEMBERS["training"]["optimiser"][: len(optimiser.NAMES)])
    changed = {name for one in set_here for name in one.model_fields_set}
    # Weight decay is refused by the table's student, on spheres.
    assert changed | {"weight_decay"} == set(lrft.SGD.model_fields)
    makers = {name for name, one in vars(Taught).items() if isinstance(one, classmethod)}
    assert {name for name in makers if name[0] != "_"} == {"teacher", "single_index", "multi_index"}


def subclasses(model: type) -> Iterator[type[Any]]:
    for one in model.__subclasses__():
        yield one
        yield from subclasses(one)


def rows() -> list[Any]:
    return [
        pytest.param(section, name, value, id=f"{section}.{name}-{i}")
        for section, members in MEMBERS.items()
        for name, values in members.items()
        for i, value in enumerate(values)
    ]


def settings(section: str, name: str, value: Any) -> dict[str, dict[str, Any]]:
    """Tables of a study with this value and what it needs."""
    found: dict[str, dict[str, Any]] = {
        "task": {"d": D, "k": K},
        "training": {"lr": 0.01, "steps": STEPS},
        "student": {} if section in ("task", "training") else {"kind": section},
    }
    if section == "lora":
        found["student"]["rank"] = 1
    if name == "weights":
        found["task"] = {}
    beside = [BESIDE.get((section, name), {})]
    beside += [BESIDE.get((section, name, value), {})] if isinstance(value, str) else []
    for table, own in (pair for tables in beside for pair in tables.items()):
        found[table] = {n: v for n, v in (found[table] | own).items() if v is not None}
    found[section if section in found else "student"][name] = value
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two tasks or two trainings are."""
    if isinstance(one, lrft.Task):
        return one.content_hash == other.content_hash
    return one.model_dump(mode="json") == other.model_dump(mode="json")


def made(tables: dict[str, dict[str, Any]]) -> tuple[Any, Any]:
    """The task and the training of a study's one point."""
    (point,) = points(read(tables))
    return point.task, point.training


def in_python(tables: dict[str, dict[str, Any]]) -> tuple[Any, Any]:
    """The same by the constructors that users call."""
    given = dict(tables["task"])
    teacher, weights = given.pop("teacher", None), given.pop("weights", None)
    task = lrft.Task.sample(**given) if weights is None else None
    if isinstance(teacher, str):
        task = lrft.Task.single_index(teacher, base=task)
    elif teacher is not None and "terms" in teacher:
        terms = {tuple(map(int, name.split(","))): a for name, a in teacher["terms"].items()}
        task = lrft.Task.multi_index(terms, base=task)
    elif teacher is not None and {"rows", "width"} & set(teacher):
        task = lrft.Task.teacher(**teacher, base=task)
    elif teacher is not None:
        task = lrft.Task.single_index(**teacher, base=task)
    own = dict(tables["student"])
    student = {"rank_one": lrft.RankOne, "lora": lrft.LoRA, "full": lrft.FullNetwork}[
        own.pop("kind", "rank_one")
    ](**own)
    return task, lrft.Training(**tables["training"], student=student)


@pytest.mark.parametrize(("section", "name", "value"), rows())
def test_it_is_set_in_a_study_as_in_python(section: str, name: str, value: Any) -> None:
    tables = settings(section, name, value)
    task, training = in_python(tables)
    ours = made(tables)
    assert task is None or same(ours[0], task)
    assert same(ours[1], training)
    # In TOML, fixed.
    text = "".join(
        f"[{table}]\n" + "".join(f"{key} = {config.literal(one)}\n" for key, one in own.items())
        for table, own in tables.items()
    )
    read = tomllib.loads(text)
    assert all(same(*pair) for pair in zip(made(read), ours, strict=True))
    # And by the design: a table there is a way to space values, so lists and tables are listed.
    table = section if section in tables else "student"
    swept = {key: dict(own) for key, own in read.items()}
    given = swept[table].pop(name)
    swept["list"] = {f"{table}.{name}": [given]}
    assert all(same(*pair) for pair in zip(made(swept), ours, strict=True))


@pytest.mark.parametrize(("section", "name", "value"), rows())
def test_it_is_set_by_flags_and_in_a_file(
    section: str, name: str, value: Any, tmp_path: Path
) -> None:
    tables = settings(section, name, value)
    table = section if section in tables else "student"
    known = fields()
    flags: dict[str, Any] = {}
    for key, own in tables.items():
        for one, given in own.items():
            field = known[key][one]
            plain = given if isinstance(given, str) else config.literal(given)
            flags[field.parameter] = given if field.boolean else plain
    if table != "student" and "kind" not in tables["student"]:
        flags["student"] = "rank_one"
    found = config.resolve(None, flags)
    (tmp_path / "run.toml").write_text(config.to_toml(found))
    for there in (found, config.resolve(tmp_path / "run.toml", {})):
        task = config.task(there["task"])
        training = config.training(there, task)
        expected = made(tables)
        if section == "task":
            # The paper's task has other scales; what is asked for is there.
            wanted = lrft.Task.paper if "weights" not in tables["task"] else None
            given = {n: v for n, v in tables["task"].items() if n != "teacher"}
            if wanted is not None and name != "teacher":
                assert same(task, wanted(**given))
            else:
                assert (task.link is None) == (name != "teacher")
                assert str(task.link) == str(expected[0].link)
        else:
            of = (
                (training, expected[1])
                if section == "training"
                else (
                    training.student,
                    expected[1].student,
                )
            )
            ours, theirs = (json.dumps(one.model_dump(mode="json").get(name)) for one in of)
            assert ours == theirs


def test_sequences_and_fits_have_the_same_fields() -> None:
    ours = fields()
    assert list(sequence_fields()["training"]) == list(ours["training"])
    assert list(sequence_fields()["student"]) == list(ours["student"])
    assert list(fit_fields()["student"]) == list(ours["student"])
    known = names("sequence")["sequence"]
    assert list(sequence_fields()["sequence"]) == list(known)
    assert set(names()["task"]) - set(known) == {
        "u",
        "rank",
        "weights",
        "teacher",
        "biases",
    }
    parameters = inspect.signature(lrft.fit).parameters
    assert {"loss", "optimiser", "average", "reuse", "lookahead"} <= set(parameters)
