"""Tasks, trainings and ways to run them that several tests share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from activations import DEFINITIONS

import lrft
from lrft.core.engine import compiled
from lrft.model.training import training_data
from lrft.reference import parts as reference_parts
from lrft.reference import students as reference_module
from lrft.run import describe

RNG = np.random.default_rng(21)
#: Every named activation; he3 and a mixed series for Activation.hermite.
ACTIVATIONS: dict[str, Any] = {
    **{name: name for name in DEFINITIONS},
    "he3": "he3",
    "series": lrft.Activation.hermite([0.2, 0.4, -0.3, 0.5]),
}
#: Those for which the exact loss of linearised students is known.
LINEARIZED = [
    name for name, one in ACTIVATIONS.items() if lrft.Activation.parse(one).facts.linearized
]
#: lr * d of each (he3 has gradients with the tail of |x|^5).
DELTA = {name: one.delta for name, one in DEFINITIONS.items()} | {"he3": 0.03, "series": 0.1}


def rate(activation: str, d: int) -> float:
    """Return the learning rate of a named case."""
    return DELTA[activation] / d


#: Teachers that are no perturbed base, beside a base.
TEACHERS: dict[str, Any] = {
    "staircase": lambda base, **options: lrft.Task.multi_index(
        {(1,): 0.7, (1, 1): 0.5, (1, 1, 1): -0.4, (0, 0, 2): 0.3}, base=base, **options
    ),
    "erf network": lambda base, **options: lrft.Task.teacher(
        "sphere", width=3, lam_star=[0.6, -0.4, 0.5], base=base, seed=6, **options
    ),
    "relu network": lambda base, **options: lrft.Task.teacher(
        RNG.standard_normal((2, base.d)) / 4, sigma_star="relu", base=base, **options
    ),
    "biased network": lambda base, **options: lrft.Task.teacher(
        "sphere", width=2, biases_star=[0.8, -0.5], base=base, seed=6, **options
    ),
    "single index": lambda base, **options: lrft.Task.single_index(
        "he2", base=base, seed=3, **options
    ),
}


def task_of(activation: str, teacher: str | None = None, **changes: Any) -> lrft.Task:
    """Sample a small task: generic output weights, features that are not orthogonal.

    The weights are given, since the rates above suit their size. teacher: one of `TEACHERS`.
    """
    if teacher is not None:
        noise = {"noise": changes.pop("noise", 0.0)}
        return TEACHERS[teacher](task_of(activation, **changes), **noise)
    arguments: dict[str, Any] = {
        "d": 24,
        "k": 4,
        "xi": 1.5,
        "features": "sphere",
        "c": "quantized",
        "output_scale": 0.6,
        "seed": 13,
    }
    arguments["lam"] = np.resize([0.44, 0.42, 0.13, 0.30], changes.get("k", 4))
    return lrft.Task.sample(**(arguments | {"activation": ACTIVATIONS[activation]} | changes))


def half_fraction(options: dict[str, dict[str, Any]]) -> list[Any]:
    """Every activation with every choice of two-valued options, as (activation, {option: value}).

    One half runs by default: an even number of second values for one activation, an odd number
    for the next.  Any all-but-one of the options then still occur in every combination.  The
    other half is marked for the long suite.
    """
    rows = []
    for i, activation in enumerate(ACTIVATIONS):
        for names in itertools.product(*options.values()):
            second = sum(
                list(v).index(name) for v, name in zip(options.values(), names, strict=True)
            )
            values = {o: v[name] for (o, v), name in zip(options.items(), names, strict=True)}
            marks = [pytest.mark.verification] if (i + second) % 2 else []
            rows.append(
                pytest.param(activation, values, id="-".join([activation, *names]), marks=marks)
            )
    return rows


def spec(
    tasks: Sequence[lrft.Task],
    training: lrft.Training,
    replicas: Sequence[int] = (0,),
    *,
    seed: int = 0,
    ambient: bool = False,
    threads: int = 1,
) -> compiled.RunSpec:
    """Describe a run to the core, with the final students kept."""
    chains = [describe.new_chain(i, replica) for i in range(len(tasks)) for replica in replicas]
    return compiled.RunSpec(
        ambient=ambient,
        activation=tasks[0].activation.core,
        **describe.described(list(tasks), training.student, ambient, seed, chains),
        trainings=[training_data(training, training.lr) for _ in tasks],
        seed=seed,
        threads=threads,
        keep_state=True,
    )


def final(run_spec: compiled.RunSpec) -> list[compiled.Chain]:
    """Run to the end and return every chain, with its student in its rows and own."""
    run = compiled.Run(run_spec)
    while not run.advance(10.0):
        pass
    return run.chains()


def check_bits(run: compiled.RunSpec, steps: int) -> None:
    """Eleven replicas end alike whatever threads, company and stops."""
    expected = {chain.replica: chain for chain in final(run)}

    def same(chains: list[compiled.Chain]) -> None:
        for chain in chains:
            for name in ("rows", "own"):
                bits = getattr(expected[chain.replica], name)
                np.testing.assert_array_equal(getattr(chain, name), bits)

    same(final(run.replace(threads=2)))
    same(final(run.replace(chains=[describe.new_chain(0, r) for r in (9, 2, 5)])))
    stopped = compiled.Run(run)
    stopped.advance(0.0)
    stopped.save()
    chains = stopped.chains()
    assert any(0 < chain.step < steps for chain in chains)
    same(final(run.replace(chains=chains)))


# ---- the reference twin on the engine's own random numbers --------------------------------------


def initial_student(
    task: lrft.Task, student: Any, seed: int, replica: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return both parameters at step 0, from their streams, in plain NumPy.

    u_hat (d,) and c_hat (k,); A (r, d) and B (k, r); or rows (m, d) and output weights (m,).
    """
    if isinstance(student, lrft.RankOne):
        return initial_rank_one(task, student, seed, replica)

    def normals(purpose: str, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return compiled.normals(seed, replica, compiled.purposes[purpose], 0, size).reshape(shape)

    if isinstance(student, lrft.LoRA):
        rows, std, own = student.a_init, student.a_std, student.b_init
        shape, own_shape = (student.rank, task.d), (task.k, student.rank)
        named = {
            "zero": np.zeros(own_shape),
            "gaussian": normals("init_c", *own_shape) / task.k**0.5,
        }
    else:
        rows, std, own = student.init, student.std, student.lam_init
        shape = (student.neurons(task), task.d)
        named = {"base": task.lam, "ones": np.ones(shape[0])}
        named["gaussian"] = normals("init_c", shape[0])
        named["signs"] = np.where(named["gaussian"] < 0, -1.0, 1.0)
    starts = {
        "gaussian": normals("init_u", *shape) * (task.d**-0.5 if std is None else std),
        "zero": np.zeros(shape),
        "base": task.W,
    }
    rows = starts[rows] if isinstance(rows, str) else rows
    if getattr(student, "sphere", False):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if isinstance(own, str):
        own = named[own]
    return rows, np.broadcast_to(own, (shape[0],)) if np.ndim(own) == 0 else own


def initial_rank_one(
    task: lrft.Task, student: lrft.RankOne, seed: int, replica: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return u_hat (d,) and c_hat (k,) at step 0."""
    if isinstance(student.u_init, str):
        u0 = compiled.normals(seed, replica, compiled.purposes["init_u"], 0, task.d)
        if student.orthogonal:
            u0 = reference_module.project_out(task.W)(u0)
    else:
        u0 = student.u_init
    if not isinstance(student.c_init, str):
        c0 = student.c_init
    elif student.c_init == "teacher":
        c0 = task.c
    else:
        c0 = compiled.normals(seed, replica, compiled.purposes["init_c"], 0, task.k)
        if student.c_init == "quantized":
            c0 = np.where(c0 < 0, -1.0, 1.0)
    return u0 / np.linalg.norm(u0), c0 / np.linalg.norm(c0)


def rate_function(lr: Any) -> Any:
    """Turn a rate or a schedule into what the twin takes."""
    return lr if isinstance(lr, float) else lambda t: float(lr.rates(t, 1)[0])


def twin_loss(loss: Any) -> Any:
    """Say to the twin which loss a training has."""
    return ("huber", loss.delta) if isinstance(loss, lrft.Huber) else getattr(loss, "kind", loss)


def flips(training: lrft.Training, *, seed: int, replica: int) -> Iterator[np.ndarray] | None:
    """Which labels are turned over: sample b of step t by the first word of slot b, step t."""
    if not isinstance(training.loss, lrft.Logistic):
        return None
    purpose, batch = compiled.purposes["flips"], range(training.batch)
    level = training.loss.flip * 2.0**32
    return (
        np.array([compiled.philox([b, t, replica, purpose], seed)[0] < level for b in batch])
        for t in range(training.steps)
    )


def mover_of(training: lrft.Training) -> reference_module.Mover:
    """Return what moves the twin as the training's optimiser does."""
    return reference_module.Mover(**training.optimiser.model_dump())


def under_law(task: lrft.Task, X: np.ndarray) -> np.ndarray:
    """Inputs (..., d) of the task's law, which has no means, from standard normal ones.

    The root of the covariance is symmetric: so rows (..., d) go the same way.
    """
    law = task.law
    if law is None:
        return X
    if law.blocks is not None:
        return X * np.repeat(np.sqrt(law.blocks.variances), law.blocks.sizes)
    V = law.V @ task.Q.T
    return np.asarray(X + (law.stretch * (X @ V.T)) @ V)


def twin(
    task: lrft.Task, training: lrft.Training, *, seed: int, replica: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the reference path of both parameters on the normals that the ambient space draws."""
    student, b = training.student, training.batch
    u0, c0 = initial_student(task, student, seed, replica)
    steps = range(training.steps)
    noise = None
    if task.noise > 0:  # sample b of step t has slot b of the noise stream, its first normal
        purpose = compiled.purposes["noise"]
        noise = (
            task.noise * compiled.normals(seed, replica, purpose, t, 2 * b)[::2] for t in steps
        )
    inputs = (under_law(task, lrft.normals(seed, replica, t, (b, task.d))) for t in steps)
    turned = flips(training, seed=seed, replica=replica)
    return reference_path(task, training, (u0, c0), inputs, noise, flips=turned)


def reference_path(
    task: lrft.Task,
    training: lrft.Training,
    start: Any,
    inputs: Any,
    noise: Any = None,
    labels: Any = None,
    flips: Any = None,
    mover: Any = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the reference path of the training's student on given inputs."""
    student = training.student
    lr = rate_function(training.lr)
    if task.link is not None and labels is None:
        inputs, again = itertools.tee(inputs)
        u = np.atleast_2d(task.u)
        labels = (reference_parts.link_output(task.link, np.asarray(X) @ u.T) for X in again)
    common = {
        "linearized": student.linearized,
        "neuron_scale": task.neuron_scale,
        "output_scale": task.output_scale,
        "biases": task.biases,
        "noise_values": noise,
        "labels": labels,
        "loss": twin_loss(training.loss),
        "flips": flips,
        "reuse": training.reuse,
        "lookahead": training.lookahead,
        "mover": mover_of(training) if mover is None else mover,
    }
    parts = (task.W, task.lam, task.c, task.u, task.xi, task.activation, *start, inputs)
    if isinstance(student, lrft.RankOne):
        return reference_module.rank_one_path(
            *parts,
            lr=lr,
            lr_c=None if student.lr_c is None else rate_function(student.lr_c),
            train_c=student.train_c,
            orthogonal=student.orthogonal,
            **common,
        )
    if isinstance(student, lrft.LoRA):
        lr_b = lr if student.lr_b is None else rate_function(student.lr_b)
        return reference_module.lora_path(
            *parts,
            lr=lr if student.train_a else 0.0,
            lr_b=lr_b if student.train_b else 0.0,
            scale=student.scale,
            sphere=student.sphere,
            **common,
        )
    return reference_module.full_network_path(
        *parts,
        lr=lr,
        lr_lam=None if student.lr_lam is None else rate_function(student.lr_lam),
        train_lam=student.train_lam,
        biases0=student.start_biases(task) if student.biased(task) else None,
        train_biases=student.train_biases,
        **common,
    )
