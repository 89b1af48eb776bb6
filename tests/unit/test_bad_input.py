"""Malformed activations, trainings and students: a clear error, and a valid control beside."""

from __future__ import annotations

import ctypes
import math

import numpy as np
from refusals import each

import lrft
from lrft.model.training import check_compatible

DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
SINGLE = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)
NAN, INF = float("nan"), float("inf")


def one(z):
    return 1.0


def test_activations(refused):
    assert lrft.Activation.hermite([0.0, 1.0]).kind == "hermite"
    assert lrft.Activation.custom(DOUBLE(math.sin), DOUBLE(math.cos)).kind == "custom"
    custom, hermite = lrft.Activation.custom, lrft.Activation.hermite
    good = DOUBLE(one)
    for call, error, message in [
        (lambda: hermite([]), ValueError, "coefficients must have shape"),
        (lambda: hermite([0.0, 0.0]), ValueError, "all zero"),
        (lambda: hermite([1.0, NAN]), ValueError, "coefficients must be finite"),
        (lambda: hermite(np.ones(66)), ValueError, "degree 64"),
        (lambda: hermite(1.0), ValueError, "coefficients must have shape"),
        (lambda: hermite("0, 1"), TypeError, "coefficients must be an array"),
        (lambda: lrft.Activation.named("he2"), ValueError, "must be one of"),
        (lambda: lrft.Activation("relu", (1.0,)), ValueError, "'hermite' only"),
        (lambda: lrft.Activation("custom"), ValueError, "two functions"),
        (lambda: lrft.Activation.parse("he0"), ValueError, "at least 1"),
        (lambda: lrft.Activation.parse("he65"), ValueError, "at most 64"),
        (lambda: lrft.Activation.parse("he-1"), ValueError, "must be one of"),
        (lambda: lrft.Activation.parse("hermite(1, x)"), ValueError, "hermite"),
        (lambda: lrft.Activation.parse("RLU"), ValueError, "must be one of"),
        (lambda: custom(one, one), TypeError, "value must be a compiled double"),
        (lambda: custom(good, None), TypeError, "derivative must be a compiled double"),
        (lambda: custom(123456, 123456), TypeError, "value must be a compiled double"),
        (lambda: custom(SINGLE(one), good), TypeError, "take one double and return one"),
        (lambda: custom(DOUBLE(), good), TypeError, "null"),
        (lambda: custom(DOUBLE(lambda z: NAN), good), ValueError, "value must be finite"),
        (lambda: custom(good, DOUBLE(lambda z: INF)), ValueError, "derivative must be finite"),
        (lambda: custom(good, good, label=3), TypeError, "label must be a string"),
    ]:
        refused(call, error, message)


TRAINING = [
    ({"steps": -1}, ValueError, "steps must be at least 0, got -1"),
    ({"steps": 10.5}, TypeError, "steps must be an integer"),
    ({"steps": 1e300}, TypeError, "steps must be an integer"),
    ({"steps": math.inf}, TypeError, "steps must be an integer"),
    ({"steps": "10"}, TypeError, "steps must be an integer"),
    ({"steps": 2**41}, ValueError, "steps must be at most"),
    ({"steps": None}, TypeError, "steps must be an integer"),
    ({"lr": -0.1}, ValueError, "lr must be at least 0, got -0.1"),
    ({"lr": NAN}, ValueError, "lr must be finite"),
    ({"lr": INF}, ValueError, "lr must be finite"),
    ({"lr": "fast"}, ValueError, "lr must be one of 'auto', got 'fast'"),
    ({"lr": None}, TypeError, "lr must be a real number"),
    ({"lr": [0.1, 0.2]}, TypeError, "lr must be a real number"),
    ({"lr": {"kind": "linear", "lr": 0.1}}, ValueError, "lr: .*'linear'"),
    ({"lr": {"kind": "step", "lr": 0.1}}, ValueError, "lr: step.factor is required"),
    ({"lr": lambda: lrft.schedule.Constant(-1.0)}, ValueError, "lr must be at least 0"),
    ({"lr": lambda: lrft.schedule.InverseTime(0.1, 0.0)}, ValueError, "t0 must be greater"),
    ({"lr": lambda: lrft.schedule.Step(0.1, 1.5, 10)}, ValueError, "factor must be at most 1"),
    ({"lr": lambda: lrft.schedule.Step(0.1, 0.5, 0)}, ValueError, "every must be at least 1"),
    ({"lr": lambda: lrft.schedule.Array([0.1, -0.1])}, ValueError, "values must not be"),
    ({"lr": lambda: lrft.schedule.Cosine(0.0, 10)}, ValueError, "lr must be greater than 0"),
    ({"lr": lambda: lrft.schedule.Cosine(0.1, 0)}, ValueError, "steps must be at least 1"),
    ({"lr": lambda: lrft.schedule.Cosine(0.1, 9, 0.2)}, ValueError, "final must be at most lr"),
    ({"lr": lambda: lrft.schedule.Cosine(0.1, 9, -0.2)}, ValueError, "final must be at least 0"),
    ({"lr": lambda: lrft.schedule.WarmUp(0.1, 0)}, ValueError, "steps must be at least 1"),
    ({"lr": lambda: lrft.schedule.WarmUp("fast", 5)}, TypeError, "then must be a real number"),
    (
        {"lr": lambda: lrft.schedule.WarmUp({"kind": "step", "lr": 0.1}, 5)},
        ValueError,
        "then: step.factor is required",
    ),
    (
        {"lr": lambda: lrft.schedule.WarmUp(lrft.schedule.WarmUp(0.1, 5), 5)},
        ValueError,
        "then must be a schedule without a warm-up",
    ),
    (
        {"lr": lambda: lrft.schedule.WarmUp(lrft.schedule.Array([0.1] * 5), 4)},
        ValueError,
        "lr must have a rate for each of the 10 steps, got 9",
    ),
    ({"lr": lambda: lrft.schedule.Array([])}, ValueError, "values must have shape"),
    ({"lr": lambda: lrft.schedule.Array([0.1] * 9)}, ValueError, "lr must have a rate for each"),
    ({"lr": lambda: lrft.schedule.Constant(0.1, 0.2)}, TypeError, "positional"),
    ({"batch": 0}, ValueError, "batch must be at least 1"),
    ({"batch": 1.5}, TypeError, "batch must be an integer"),
    ({"reuse": 0}, ValueError, "reuse must be at least 1"),
    ({"reuse": 10**6}, ValueError, "reuse must be at most 65536, got 1000000"),
    ({"reuse": 1.5}, TypeError, "reuse must be an integer"),
    ({"reuse": True}, TypeError, "reuse must be an integer"),
    ({"lookahead": 0}, ValueError, "lookahead must not be 0"),
    ({"lookahead": float("inf")}, ValueError, "lookahead must be finite"),
    ({"lookahead": "far"}, TypeError, "lookahead must be a real number"),
    ({"lookahead": 1.0, "reuse": 2}, ValueError, "lookahead=1.0 uses every batch twice"),
    ({"stop_at": 0.0}, ValueError, "stop_at must be greater than 0"),
    ({"stop_at": 1.1}, ValueError, "stop_at must be at most 1"),
    ({"stop_at": "0.9"}, TypeError, "stop_at must be a real number"),
    ({"stop_loss": -1.0}, ValueError, "stop_loss must be greater than 0"),
    ({"record": 1}, ValueError, "record must be at least 2"),
    ({"record": []}, ValueError, "record must not be an empty list"),
    ({"record": [5, 3]}, ValueError, "record must have strictly increasing steps"),
    ({"record": [3, 3]}, ValueError, "record must have strictly increasing steps"),
    ({"record": [3, 11]}, ValueError, r"record must lie in \[0, steps\] = \[0, 10\]"),
    ({"record": [-1, 3]}, ValueError, "record must be at least 0"),
    ({"record": [0.5, 3]}, TypeError, "record must be an integer"),
    ({"record": "all"}, TypeError, "record must be an integer"),
    ({"record": lambda: lrft.geometric(1)}, ValueError, "n must be at least 2"),
    ({"record": lambda: lrft.geometric(2.5)}, TypeError, "n must be an integer"),
    ({"thresholds": [0.5, 0.4]}, ValueError, "thresholds must be strictly increasing"),
    ({"thresholds": [0.5, 0.5]}, ValueError, "thresholds must be strictly increasing"),
    ({"thresholds": [0.0, 0.5]}, ValueError, "thresholds must be greater than 0"),
    ({"thresholds": [0.5, 1.5]}, ValueError, "thresholds must be at most 1"),
    ({"thresholds": 0.5}, ValueError, "thresholds must be a list"),
    ({"thresholds": [0.5, NAN]}, ValueError, "thresholds must be finite"),
    ({"loss_thresholds": [-0.1]}, ValueError, "loss_thresholds must be greater than 0"),
    ({"loss_thresholds": [0.1, 0.1]}, ValueError, "loss_thresholds must be distinct"),
    ({"loss": "mse"}, ValueError, "loss must be one of 'squared', 'correlation'.*'mse'"),
    ({"loss": 2.0}, TypeError, "loss must be one of .*, Huber or Logistic, got 2.0"),
    ({"loss": {"kind": "hinge"}}, ValueError, "loss.kind must be one of .*'hinge'"),
    ({"loss": {"kind": "huber", "flip": 0.1}}, ValueError, "unknown field 'flip'"),
    ({"loss": {"delta": 0.1}}, TypeError, "loss.kind must be one of .* got None"),
    ({"loss": lambda: lrft.Huber(0.0)}, ValueError, "delta must be greater than 0"),
    ({"loss": lambda: lrft.Huber(INF)}, ValueError, "delta must be finite"),
    ({"loss": lambda: lrft.Logistic(0.6)}, ValueError, "flip must be at most 0.5"),
    ({"loss": lambda: lrft.Logistic(-0.1)}, ValueError, "flip must be at least 0"),
    ({"loss": lambda: lrft.Logistic("some")}, TypeError, "flip must be a real number"),
    ({"optimiser": "adam"}, ValueError, r"optimiser='adam' scales every coordinate by itself"),
    ({"optimiser": "SGD"}, ValueError, "optimiser must be one of 'sgd', 'momentum', 'nesterov'"),
    ({"optimiser": 0.9}, TypeError, "optimiser must be one of .* or an SGD, got 0.9"),
    ({"optimiser": {"beta": 0.9}}, ValueError, "optimiser: unknown field 'beta'"),
    ({"optimiser": {"momentum": 1.0}}, ValueError, "momentum must be below 1, got 1"),
    ({"optimiser": lambda: lrft.SGD(momentum=-0.1)}, ValueError, "momentum must be at least 0"),
    ({"optimiser": lambda: lrft.SGD(nesterov=True)}, ValueError, "it needs momentum above 0"),
    ({"optimiser": lambda: lrft.SGD(clip=0.0)}, ValueError, "clip must be greater than 0"),
    (
        {"optimiser": lambda: lrft.SGD(clip=1.0, normalise=True)},
        ValueError,
        "clip cuts gradients that normalise=True has made unit",
    ),
    (
        {"optimiser": lambda: lrft.SGD(weight_decay=0.1)},
        ValueError,
        r"weight_decay=0.1 shrinks what is trained, and the rows of RankOne\(\) have length 1",
    ),
    ({"average": -1}, ValueError, "average must be at least 0"),
    ({"average": "none"}, ValueError, "average must be one of 'all'"),
    ({"average": True}, TypeError, "average must be an integer"),
    ({"epochs": 3}, ValueError, "unknown field 'epochs'"),
    ({"student": "RankOne"}, TypeError, "student must be RankOne, LoRA or FullNetwork"),
    ({"student": {"kind": "adapter"}}, ValueError, "'adapter'"),
    ({"student": {"kind": "lora", "rank": 0}}, ValueError, "rank must be at least 1"),
]


@each(TRAINING)
def test_training(refused, row):
    changes, error, message = row
    valid = {"lr": 0.1, "steps": 10}
    assert lrft.Training(**valid).steps == 10

    def call():
        made = {name: value() if callable(value) else value for name, value in changes.items()}
        lrft.Training(**(valid | made))

    refused(call, error, message)


STUDENTS = [
    ("RankOne", {"train_c": 1}, TypeError, "train_c must be True or False"),
    ("RankOne", {"orthogonal": "yes"}, TypeError, "orthogonal must be True or False"),
    ("RankOne", {"c_init": "random"}, ValueError, "c_init must be one of"),
    ("RankOne", {"c_init": 1.0}, TypeError, "c_init must be one of"),
    ("RankOne", {"c_init": [1.0, 1.0]}, ValueError, "c_init must have norm 1"),
    ("RankOne", {"c_init": [[1.0]]}, ValueError, "c_init must have shape"),
    ("RankOne", {"c_init": [1.0, NAN]}, ValueError, "c_init must be finite"),
    ("RankOne", {"u_init": "zero"}, ValueError, "u_init must be one of"),
    ("RankOne", {"u_init": np.zeros(5)}, ValueError, "u_init must have norm 1"),
    ("RankOne", {"u_init": None}, TypeError, "u_init must be one of"),
    ("RankOne", {"lr_c": 0.1}, ValueError, "needs train_c=True"),
    ("RankOne", {"lr_c": -0.5, "train_c": True}, ValueError, "lr_c must be at least 0"),
    ("RankOne", {"lr_c": "auto", "train_c": True}, TypeError, "lr_c must be a real number"),
    ("RankOne", {"u_init": "favourable", "orthogonal": False}, ValueError, "needs orthogonal"),
    ("RankOne", {"u_init": "favourable", "linearized": True}, ValueError, "not defined"),
    ("LoRA", {}, ValueError, "rank is required"),
    ("LoRA", {"rank": 2.5}, TypeError, "rank must be an integer"),
    ("LoRA", {"rank": 1, "alpha": 0.0}, ValueError, "alpha must be greater than 0"),
    ("LoRA", {"rank": 1, "a_init": "zero"}, ValueError, "B A = 0 for ever"),
    ("LoRA", {"rank": 1, "train_b": False}, ValueError, "B A = 0 for ever"),
    ("LoRA", {"rank": 1, "train_a": False, "train_b": False}, ValueError, "nothing would be"),
    ("LoRA", {"rank": 2, "a_init": np.ones((3, 9))}, ValueError, "a_init must have 2 rows"),
    ("LoRA", {"rank": 2, "b_init": np.ones((9, 3))}, ValueError, "b_init must have 2 columns"),
    ("LoRA", {"rank": 2, "b_init": np.ones(2)}, ValueError, "b_init must have shape"),
    ("LoRA", {"rank": 2, "a_std": 0.1, "a_init": np.ones((2, 9))}, ValueError, "a_std is for"),
    ("LoRA", {"rank": 2, "a_std": 0.1, "sphere": True}, ValueError, "a_std is for rows of any"),
    ("LoRA", {"rank": 1, "a_init": "zero", "sphere": True}, ValueError, "a_init must have rows of"),
    (
        "LoRA",
        {"rank": 2, "a_init": np.eye(3)[:2] * [[1], [2]], "sphere": True},
        ValueError,
        r"a_init\[1\] \(sphere=True\) must have norm 1",
    ),
    ("LoRA", {"rank": 1, "sphere": 1}, TypeError, "sphere must be True or False"),
    (
        "LoRA",
        {"rank": 1, "start": "svd"},
        ValueError,
        "start must be one of 'gradient', 'lora_one'",
    ),
    ("LoRA", {"rank": 1, "start": 1}, TypeError, "start must be one of"),
    ("LoRA", {"rank": 1, "start_samples": 5}, ValueError, "start_samples is of a start"),
    ("LoRA", {"rank": 1, "start": "gradient", "start_samples": 0}, ValueError, "at least 1"),
    ("LoRA", {"rank": 1, "start": "pissa", "start_samples": 5}, ValueError, "of a gradient"),
    ("LoRA", {"rank": 1, "start": "lora_one"}, ValueError, "start_rate is the γ"),
    ("LoRA", {"rank": 1, "start": "pissa", "start_rate": 0.1}, ValueError, "start_rate is the γ"),
    ("LoRA", {"rank": 1, "start": "gradient", "a_std": 0.1}, ValueError, "sets A"),
    ("LoRA", {"rank": 1, "start": "pissa", "b_init": "gaussian"}, ValueError, "sets B"),
    ("LoRA", {"rank": 1, "start": "lora_ga", "linearized": True}, ValueError, "changes the base"),
    ("FullNetwork", {"width": 0}, ValueError, "width must be at least 1"),
    ("FullNetwork", {"std": 0.1}, ValueError, "std is for init='gaussian' only"),
    ("FullNetwork", {"init": "zero"}, ValueError, "init must be one of"),
    ("FullNetwork", {"lam_init": "zero"}, ValueError, "lam_init must be one of"),
    ("FullNetwork", {"lam_init": NAN}, ValueError, "lam_init must be finite"),
    ("FullNetwork", {"lr_lam": 0.1}, ValueError, "needs train_lam=True"),
    ("FullNetwork", {"width": 4, "init": np.ones((3, 9))}, ValueError, "init must have 4 rows"),
]


@each(STUDENTS)
def test_students(refused, row):
    name, options, error, message = row
    control = {"RankOne": {}, "LoRA": {"rank": 1}, "FullNetwork": {}}[name]
    student = getattr(lrft, name)
    assert student(**control) == student(**control)
    refused(lambda: student(**options), error, message)


def test_incompatible_task_and_student(refused):
    task = lrft.Task.sample(d=12, k=3)
    check_compatible(task, lrft.Training(lr=0.1, steps=1))
    inside = task.W[0] / np.linalg.norm(task.W[0])
    slightly = task.u + 1e-7 * inside
    full = lrft.Task.sample(d=3, k=3, parallel=1.0)
    half = lrft.Task.sample(d=12, k=3, parallel=0.5)
    higher = lrft.Task.sample(d=12, k=3, rank=2)
    rank_one, lora, network = lrft.RankOne, lrft.LoRA, lrft.FullNetwork
    for one_task, student, message in [
        (task, rank_one(u_init=np.eye(11)[0]), r"u_init must have shape \(12,\)"),
        (task, rank_one(c_init=np.eye(4)[0]), r"c_init must have shape \(3,\)"),
        (task, rank_one(u_init=inside), "u_init must be orthogonal to span"),
        (task, rank_one(u_init=slightly / np.linalg.norm(slightly)), "of length 1e-07"),
        (full, rank_one(), "orthogonal=True needs d > rank of W, got d = 3 and rank 3"),
        (half, rank_one(u_init="favourable"), "drift h"),
        (higher, rank_one(), "teacher of rank 1, got rank 2"),
        (task, lora(rank=2, a_init=np.ones((2, 11))), r"a_init must have shape \(2, 12\)"),
        (task, lora(rank=2, b_init=np.ones((4, 2))), r"b_init must have shape \(3, 2\)"),
        (lrft.Task.single_index("he3", d=12), lora(rank=1, start="gradient"), "the base with ξ c"),
        (task, lora(rank=4, start="pissa"), "needs 4 singular values, and W of this task has at"),
        (task, lora(rank=2, start="lora_ga"), "needs 4 singular values, and the gradient of"),
        (task, network(width=4), "init='base' needs the width of the base, 3, got width 4"),
        (task, network(width=4, init="gaussian"), "lam_init='base' needs the width"),
        (task, network(init=np.ones((3, 11))), r"init must have shape \(3, 12\)"),
        (task, network(lam_init=np.ones(4)), r"lam_init must have shape \(3,\)"),
    ]:
        training = lrft.Training(student=student, lr=0.1, steps=1)
        refused(lambda s=training, t=one_task: check_compatible(t, s), ValueError, message)
