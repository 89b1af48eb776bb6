"""Anything in the place of an argument: it is taken, or a TypeError or ValueError says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import examples

import lrft
from lrft import theory

HUGE = st.sampled_from(
    [2**31 - 1, 2**31, 2**32, 2**40, 2**40 + 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63)]
)
FLOATS = st.floats() | st.sampled_from([5e-324, 1e-300, 1e300, -0.0, 1e16, 1 + 1e-9])
SHAPES = st.sampled_from([(), (0,), (1,), (4,), (5,), (4, 4), (4, 9), (9,), (2, 9), (1, 1, 1)])


@st.composite
def arrays(draw: Any) -> np.ndarray:
    values: Any = np.full(draw(SHAPES), draw(FLOATS))
    kind = draw(st.sampled_from(["f8", "f4", "f2", "i8", "c16", "?", "O", "U5", "M8[s]"]))
    with np.errstate(all="ignore"):
        if kind in ("i8", "M8[s]"):
            values = np.nan_to_num(values, posinf=1, neginf=-1).clip(-1e9, 1e9).astype("i8")
        return values.astype(kind)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    HUGE,
    FLOATS,
    st.text(max_size=5),
    arrays(),
    st.sampled_from(["relu", "he0", "he99", "hermite()", "hermite(nan)", "auto", "teacher", "inf"]),
    st.complex_numbers(),
    st.binary(max_size=3),
    st.just(object()),
    st.just([]),
    st.just({}),
    st.lists(FLOATS, max_size=5),
    st.lists(st.lists(FLOATS, max_size=3), max_size=3),
    st.sampled_from([np.float32(0.1), np.int8(-1), np.bool_(True), np.ma.masked_array([1.0], [1])]),
    st.sampled_from([range(3), {"kind": "lora"}, {"kind": []}, lrft.RankOne, lrft.RankOne(), len]),
)

TASK = lrft.Task.sample(d=9, k=4, seed=0)
TRAINING = lrft.Training(lr=0.01, steps=3, record=2)
W, U, C = TASK.W, TASK.u, TASK.c
#: A call, and arguments with which it works.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Task": (
        lrft.Task,
        {
            "W": W,
            "lam": np.ones(4),
            "c": C,
            "u": U,
            "xi": 1.0,
            "activation": "relu",
            "normalization": "none",
            "neuron_scale": 1.0,
            "output_scale": 1.0,
            "noise": 0.0,
        },
    ),
    "Task.sample": (
        lrft.Task.sample,
        {
            "d": 9,
            "k": 4,
            "xi": 1.0,
            "activation": "relu",
            "features": "sphere",
            "c": "sphere",
            "u": "orthogonal",
            "parallel": 0.0,
            "lam": "ones",
            "rank": 1,
            "seed": 0,
        },
    ),
    "Task.from_coordinates": (
        lrft.Task.from_coordinates,
        {"d": 9, "R": TASK.R, "a": TASK.a, "lam": np.ones(4), "c": C, "xi": 1.0, "seed": 0},
    ),
    "Task.hard_from_scratch": (
        lrft.Task.hard_from_scratch,
        {"d": 9, "k": 4, "degree": 3, "seed": 0},
    ),
    "Task.replace": (TASK.replace, {"lam": np.ones(4), "xi": 1.0, "d": 9, "noise": 0.1}),
    "RankOne": (
        lrft.RankOne,
        {
            "train_c": True,
            "orthogonal": False,
            "c_init": C,
            "u_init": U,
            "lr_c": 0.1,
            "linearized": False,
        },
    ),
    "LoRA": (
        lrft.LoRA,
        {
            "rank": 2,
            "alpha": 1.0,
            "a_init": "gaussian",
            "a_std": 0.1,
            "b_init": "zero",
            "train_a": True,
            "train_b": True,
            "lr_b": 0.1,
            "linearized": False,
        },
    ),
    "FullNetwork": (
        lrft.FullNetwork,
        {
            "width": 4,
            "init": "gaussian",
            "std": 0.1,
            "lam_init": "ones",
            "train_lam": True,
            "lr_lam": 0.1,
            "linearized": False,
        },
    ),
    "Training": (
        lrft.Training,
        {
            "student": lrft.RankOne(),
            "lr": 0.1,
            "steps": 3,
            "batch": 1,
            "stop_at": 0.5,
            "stop_loss": 0.1,
            "record": 2,
            "thresholds": (0.5,),
            "loss_thresholds": (0.1,),
            "optimiser": "momentum",
            "average": 2,
        },
    ),
    "SGD": (
        lrft.SGD,
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "clip": 1.0},
    ),
    "InverseTime": (lrft.schedule.InverseTime, {"lr": 0.1, "t0": 1.0}),
    "Step": (lrft.schedule.Step, {"lr": 0.1, "factor": 0.5, "every": 2}),
    "Array": (lrft.schedule.Array, {"values": [0.1]}),
    "geometric": (lrft.geometric, {"n": 3}),
    "Activation.parse": (lrft.Activation.parse, {"text": "relu"}),
    "Activation.hermite": (lrft.Activation.hermite, {"coefficients": [1.0]}),
    "Activation.custom": (lrft.Activation.custom, {"value": len, "derivative": len, "label": "x"}),
    "simulate": (
        lrft.simulate,
        {
            "task": TASK,
            "training": TRAINING,
            "replicas": 2,
            "seed": 0,
            "engine": "auto",
            "threads": 1,
        },
    ),
    "normals": (lrft.normals, {"seed": 0, "replica": 0, "step": 0, "size": 3}),
    "load": (lrft.load, {"path": "nothing.nc"}),
    "Task.load": (lrft.Task.load, {"path": "nothing.npz"}),
    "load_weights": (lrft.load_weights, {"path": "nothing.npz"}),
    "recover_c": (lrft.recover_c, {"task": TASK, "u_hat": U, "samples": 200, "seed": 0}),
    "drift": (theory.drift, {"task": TASK, "c_hat": C, "m": 0.5}),
    "population_loss": (theory.population_loss, {"task": TASK, "u_hat": U, "c_hat": C}),
    "population_gradient": (theory.population_gradient, {"task": TASK, "u_hat": U, "c_hat": C}),
    "hermite_coefficients": (
        theory.hermite_coefficients,
        {"activation": "relu", "count": 5, "scale": 1.0},
    ),
    "linearized_loss": (theory.linearized_loss, {"task": TASK, "c_hat": C, "m": 0.5}),
    "gradient_noise": (
        theory.gradient_noise,
        {"task": TASK, "c_hat": C, "m": 0.5, "samples": 9, "batch": 1},
    ),
    "stability_limit": (
        theory.stability_limit,
        {"task": TASK, "student": lrft.RankOne(), "batch": 1},
    ),
    "information_exponent": (theory.information_exponent, {"activation": "relu"}),
}
#: Arguments whose size is the work to do: no large numbers there.
WORK = {
    ("normals", "size"),
    ("gradient_noise", "samples"),
    ("hermite_coefficients", "count"),
    ("recover_c", "samples"),
    ("simulate", "replicas"),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_arguments_that_are_right_are_taken(name):
    call, arguments = CALLS[name]
    if "nothing" in str(arguments) or name == "Activation.custom":
        with pytest.raises((TypeError, ValueError)):
            call(**arguments)
    else:
        call(**arguments)


@examples(300, 1000, data=st.data(), name=st.sampled_from(sorted(CALLS)), wrong=ANYTHING)
def test_a_wrong_argument_is_an_error_with_a_reason(data, name, wrong):
    call, arguments = CALLS[name]
    which = data.draw(st.sampled_from(sorted(arguments)))
    if (name, which) in WORK and isinstance(wrong, int) and wrong > 100:
        return
    reason = "taken"
    try:
        call(**arguments | {which: wrong})
    except (TypeError, ValueError) as error:
        reason = str(error).strip()
    assert reason
    assert "\n" not in reason
