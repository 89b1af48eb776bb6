"""Hypothesis strategies: small tasks, students and trainings of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import lrft
from lrft.model.activation import NAMES

SEEDS = st.integers(0, 2**64 - 1)
SCALES = st.floats(0.05, 20.0)
SERIES = st.lists(st.floats(-2.0, 2.0), min_size=1, max_size=5).filter(any)
ACTIVATIONS = st.one_of(
    st.sampled_from([*NAMES, "he1", "he2", "he3", "he5"]), SERIES.map(lrft.Activation.hermite)
)


def examples(few: int, many: int, **strategies: Any) -> Callable[[Any], Any]:
    """Make a property a test of `few` examples, and one of `many` in the long suite."""

    def decorate(check: Any) -> Any:
        @pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.verification)])
        def test(count: int) -> None:
            slow = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much]
            settings = hypothesis.settings(max_examples=count, suppress_health_check=slow)
            settings(hypothesis.given(**strategies)(check))()

        test.__doc__ = check.__doc__
        return test

    return decorate


def numbers(draw: Any, *shape: int) -> np.ndarray:
    """Normals, from a drawn seed: what matters of given arrays is their shape."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(shape)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values)


@st.composite
def tasks(
    draw: Any, rank: int | None = None, given: bool | None = None, biased: bool = False
) -> lrft.Task:
    """A task of up to 5 neurons and rank up to 3, in at most 24 dimensions; perhaps with biases."""
    common: dict[str, Any] = {
        "activation": draw(ACTIVATIONS),
        "output_scale": draw(SCALES),
        "noise": draw(st.sampled_from([0.0, 0.0, 0.3])),
        "xi": draw(st.floats(0.01, 5.0)),
    }
    if draw(st.booleans()):
        common["normalization"] = "unit"
    elif draw(st.booleans()):
        common["neuron_scale"] = draw(SCALES)
    k = draw(st.integers(1, 5))
    if biased and draw(st.booleans()):
        common["biases"] = draw(st.sampled_from([0.0, 0.7, numbers(draw, k)]))
    rank = draw(st.sampled_from([1, 1, 2, 3])) if rank is None else rank
    c = unit(numbers(draw, k)) if rank == 1 else numbers(draw, k, rank)
    lam = draw(st.sampled_from(["ones", "signs", "gaussian", "given"]))
    lam = numbers(draw, k) if lam == "given" else lam
    if given is None:
        given = draw(st.booleans())
    if given:
        d = draw(st.integers(1, 16))
        W = numbers(draw, k, d)
        W[draw(st.integers(0, k)) :] *= draw(st.sampled_from([0.0, 1.0, 3.0]))
        u = unit(numbers(draw, d)) if rank == 1 else numbers(draw, rank, d)
        lam = numbers(draw, k) if isinstance(lam, str) else lam
        return lrft.Task(W=W, u=u, c=c, lam=lam, **common)
    features = draw(st.sampled_from(["sphere", "orthonormal", "zero"]))
    parallel = draw(st.sampled_from([None, 0.3, 1.0])) if features != "zero" and k >= rank else None
    least = rank + (k if features == "orthonormal" else min(k, 24))
    if draw(st.booleans()):
        c = draw(st.sampled_from(["quantized", "sphere"]))
    return lrft.Task.sample(
        d=draw(st.integers(least, 24)),
        k=k,
        rank=rank,
        features=features,
        parallel=parallel,
        c=c,
        lam=lam,
        seed=draw(SEEDS),
        **common,
    )


def schedules(steps: int) -> Any:
    rate = st.floats(1e-5, 0.3)
    return st.one_of(
        rate,
        rate.map(lrft.schedule.Constant),
        st.builds(lrft.schedule.InverseTime, lr=rate, t0=st.floats(0.5, 100.0)),
        st.builds(lrft.schedule.Step, lr=rate, factor=st.floats(0.1, 1.0), every=st.integers(1, 9)),
        st.lists(rate, min_size=steps + 1, max_size=steps + 1).map(lrft.schedule.Array),
    )


@st.composite
def students(draw: Any, task: lrft.Task, rates: Any, named: bool) -> Any:
    """A student that fits the task; without `named`, none whose start a neuron's place decides."""
    own = st.none() | rates
    able = task.activation.facts.linearized and task.biases is None
    linearized = draw(st.sampled_from([False, False, able]))
    kinds = ["lora", "full"] + ["rank one"] * 2 * (task.rank == 1)
    kind = draw(st.sampled_from(kinds))
    if kind == "rank one":
        orthogonal = task.d > task.features_rank and draw(st.booleans())
        train_c = draw(st.booleans())
        u = numbers(draw, task.d)
        if orthogonal:
            for _ in range(2):
                u -= task.Q[:, : task.features_rank] @ (task.Q[:, : task.features_rank].T @ u)
        u_inits: list[Any] = ["uniform", unit(u)]
        if orthogonal and not linearized and task.u_orthogonal and task.biases is None:
            u_inits.append("favourable")
        return lrft.RankOne(
            train_c=train_c,
            orthogonal=orthogonal,
            linearized=linearized,
            c_init=draw(
                st.sampled_from(
                    ["quantized", "sphere", "teacher"] * named + [unit(numbers(draw, task.k))]
                )
            ),
            u_init=draw(st.sampled_from(u_inits)),
            lr_c=draw(own) if train_c else None,
        )
    if kind == "lora":
        r = draw(st.integers(1, 3))
        train_a, train_b = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
        gaussian, sphere = draw(st.booleans()), draw(st.booleans())
        given = numbers(draw, r, task.d)
        if sphere:
            given = given / np.linalg.norm(given, axis=1, keepdims=True)
        a_inits = ["gaussian"] if gaussian else ["zero"] * (not sphere) + [given]
        b_inits = ["zero", "gaussian"] * named + [numbers(draw, task.k, r)]
        a_init, b_init = draw(st.sampled_from(a_inits)), draw(st.sampled_from(b_inits))
        # B A must be able to leave 0.
        a_zero, b_zero = (isinstance(init, str) and init == "zero" for init in (a_init, b_init))
        hypothesis.assume(not (a_zero and (b_zero or not train_a)) and (train_b or not b_zero))
        return lrft.LoRA(
            rank=r,
            alpha=draw(st.none() | st.floats(0.1, 5.0)),
            a_init=a_init,
            b_init=b_init,
            a_std=draw(st.none() | st.floats(0.01, 1.0)) if gaussian and not sphere else None,
            train_a=train_a,
            train_b=train_b,
            lr_b=draw(own) if train_b else None,
            linearized=linearized,
            sphere=sphere,
        )
    width = draw(st.integers(1, 6))
    train_lam = draw(st.booleans())
    gaussian, base = draw(st.booleans()), width == task.k
    inits = ["gaussian"] if gaussian else [numbers(draw, width, task.d)] + ["base"] * base
    lam_inits = ["ones", "signs", "gaussian", 0.5, numbers(draw, width)] + ["base"] * base
    own_biases: dict[str, Any] = {}
    if task.biases is not None:
        inits_of_b = [0.5, numbers(draw, width)] + ["base"] * base
        own_biases["biases"] = draw(st.sampled_from(inits_of_b))
        own_biases["train_biases"] = draw(st.booleans())
    return lrft.FullNetwork(
        width=width,
        init=draw(st.sampled_from(inits)),
        train_lam=train_lam,
        lam_init=draw(st.sampled_from(lam_inits)),
        linearized=linearized,
        std=draw(st.none() | st.floats(0.01, 1.0)) if gaussian else None,
        lr_lam=draw(own) if train_lam else None,
        **own_biases,
    )


@st.composite
def trainings(draw: Any, task: lrft.Task, named: bool = True, most: int = 40) -> lrft.Training:
    """A training of at most `most` steps that fits the task, tame or not."""
    steps = draw(st.integers(0, most))
    rates = schedules(steps)
    student = draw(students(task, rates, named))
    explicit = st.lists(st.integers(0, steps), min_size=1, max_size=6, unique=True).map(sorted)
    levels = st.lists(st.floats(0.01, 1.0), max_size=4, unique=True).map(sorted)
    used = draw(st.sampled_from([{}, {}, {"reuse": 2}, {"reuse": 3}, {"lookahead": 0.5}]))
    stop_at = None
    if not isinstance(student, lrft.FullNetwork):
        stop_at = draw(st.none() | st.floats(0.05, 1.0))
    return lrft.Training(
        student=student,
        lr=draw(rates),
        steps=steps,
        batch=draw(st.sampled_from([1, 1, 2, 5])),
        **used,
        record=draw(st.integers(2, 12) | explicit | st.integers(2, 9).map(lrft.geometric)),
        thresholds=draw(levels),
        stop_at=stop_at,
        stop_loss=draw(st.none() | st.floats(1e-6, 1.0)),
        loss_thresholds=draw(st.lists(st.floats(1e-6, 10.0), max_size=3, unique=True)),
    )


@st.composite
def runs(draw: Any, named: bool = True, **of_task: Any) -> tuple[lrft.Task, lrft.Training, dict]:
    """A task, a training and the other arguments of `simulate` that decide the path."""
    task = draw(tasks(**of_task))
    training = draw(trainings(task, named))
    engine = draw(st.sampled_from(engines(task, training)))
    return task, training, {"seed": draw(SEEDS), "engine": engine}


def engines(task: lrft.Task, training: lrft.Training) -> list[str]:
    from lrft.model.sizes import Sizes

    small = task.d < Sizes.of(task, training).least_d
    return ["ambient"] if small else ["ambient", "reduced"]
