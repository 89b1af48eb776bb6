"""Invariances of the model: rotation of R^d, permutation of neurons, sign of (c, u).

Where the same numbers are added up in the same order the results are equal bit for bit; where the
order changes, to rounding that a few tame steps cannot amplify.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from driving import drive
from hypothesis import assume
from hypothesis import strategies as st
from strategies import SEEDS, engines, examples, runs, tasks, trainings, unit

import lrft
from lrft import theory
from lrft.core.engine import compiled
from lrft.model.sizes import Sizes
from lrft.model.students import is_named
from lrft.model.training import training_data
from lrft.run import describe

FINAL = ("final_overlap_u", "final_overlap_c", "final_loss")
SERIES = (
    "overlap_u",
    "overlap_c",
    "loss",
    "hit_step",
    "loss_hit_step",
    "status",
    "stop_step",
    *FINAL,
)
STEPS, RATE = 12, 1e-7
TOLERANCE = 1e-8  # of rounding after these steps, relative to the size of what is compared


def rotation(d: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def close(a: Any, b: Any, tolerance: float = TOLERANCE) -> None:
    a, b = np.asarray(a), np.asarray(b)
    scale = max(1.0, np.abs(a).max(initial=0.0, where=np.isfinite(a)))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def tame(task: lrft.Task, training: lrft.Training, student: Any = None) -> lrft.Training:
    """The same student for a few steps so small that paths which start together stay so."""
    student = training.student if student is None else student
    rates = {name: None for name in ("lr_c", "lr_b", "lr_lam") if hasattr(student, name)}
    # Small beside the curvature, which goes as the square of outputs and of polynomial neurons.
    size = max(1.0, abs(task.output_scale)) * max(1.0, task.neuron_scale) ** 3
    return lrft.Training(
        student=student.replace(**rates),
        lr=RATE / size**2,
        steps=STEPS,
        batch=training.batch,
        reuse=training.reuse,
        lookahead=training.lookahead,
        record=3,
    )


# ---- rotation of R^d ------------------------------------------------------------------------


@examples(15, 66, task=tasks(given=False), data=st.data(), seed=SEEDS)
def test_the_reduced_space_does_not_see_the_basis(task, data, seed):
    """Tasks in coordinates differ by a rotation of R^d only: the same bits."""
    training = data.draw(trainings(task))
    assume("reduced" in engines(task, training))
    for name in ("u_init", "a_init", "init"):  # given rows are given in R^d
        assume(isinstance(getattr(training.student, name, ""), str))
    rotated = task.replace(seed=(task.embedding_seed + 1) % 2**64)
    assert rotated != task
    options = {"replicas": 2, "seed": seed, "engine": "reduced", "threads": 1}
    a, b = (lrft.simulate(t, training, **options) for t in (task, rotated))
    for name in SERIES:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@examples(20, 100, task=tasks(given=True), width=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_rotated_weights_have_the_same_coordinates_and_loss(task, width, seed):
    turn, rng = rotation(task.d, seed), np.random.default_rng(seed)
    rotated = task.replace(W=task.W @ turn, u=task.u @ turn)
    # The basis is found anew, with signs and order of its own: inner products are what counts.
    assert rotated.features_rank == task.features_rank
    close(rotated.gram, task.gram)
    close(rotated.a @ rotated.a.T, task.a @ task.a.T)
    close(rotated.R @ rotated.a.T, task.R @ task.a.T)
    rows, lam = rng.standard_normal((width, task.d)), rng.standard_normal(width)
    one = theory.population_loss(task, rows=rows, lam=lam)
    other = theory.population_loss(rotated, rows=rows @ turn, lam=lam)
    close(other, one, 1e-7)  # relu's slope at coinciding neurons magnifies rounding
    if task.rank == 1:
        u_hat, c_hat = unit(rng.standard_normal(task.d)), unit(rng.standard_normal(task.k))
        one = theory.population_loss(task, u_hat=u_hat, c_hat=c_hat)
        close(theory.population_loss(rotated, u_hat=u_hat @ turn, c_hat=c_hat), one, 1e-7)


@examples(15, 66, run=runs(given=True), seed=st.integers(0, 2**32 - 1))
def test_a_rotated_step_is_the_step_rotated(run, seed):
    """The core, driven by the coordinates of the same inputs in both bases."""
    task, training, _ = run
    training = tame(task, training)
    student = training.student
    assume(not student.start_of_its_own)
    assume(task.d >= Sizes.of(task, training).least_d)
    # Not the stream of the task: rows equal to its features have nothing outside S to follow.
    rng = np.random.default_rng([seed, 1])
    n, b, d = student.rows(task), training.batch, task.d
    rows = rng.standard_normal((n, d)) / np.sqrt(d)
    if isinstance(student, lrft.RankOne):
        if student.orthogonal:
            rows -= rows @ task.Q[:, : task.features_rank] @ task.Q[:, : task.features_rank].T
        rows = unit(rows)
    own = rng.standard_normal(n if isinstance(student, lrft.FullNetwork) else task.k * n)
    inputs = rng.standard_normal((b, d))
    turned = rotation(d, seed + 1)
    found = [
        driven(one, training, rows @ turn, own, inputs @ turn)
        for one, turn in (
            (task, np.eye(d)),
            (task.replace(W=task.W @ turned, u=task.u @ turned), turned),
        )
    ]
    for one, other in zip(*found, strict=True):
        close(other, one)


def driven(task: lrft.Task, training: lrft.Training, rows: Any, own: Any, inputs: Any) -> list:
    """Inner products of the rows with W, u and each other, and own parameters, after a step."""
    Q, n = task.Q, len(rows)
    s = Q.shape[1]
    described = describe.described([task], training.student, False, 0, [])
    spec = compiled.RunSpec(
        **described,
        activation=task.activation.core,
        keep_state=True,
        trainings=[training_data(training, training.lr)],
    )
    P, L = compiled.coordinates(np.ascontiguousarray(rows), np.ascontiguousarray(Q.T))
    space = drive(spec, np.concatenate([P, L], axis=None), own, 3)
    # Directions outside S that carry the rows, and what is left of the inputs.
    rest = rows - rows @ Q @ Q.T
    U = np.linalg.lstsq(L, rest, rcond=None)[0]
    X_S = inputs @ Q
    Z = (inputs - X_S @ Q.T) @ U.T
    left = inputs - X_S @ Q.T - Z @ U
    T = np.linalg.qr(left.T, mode="r").T
    T = np.pad(T, ((0, 0), (0, len(T) - T.shape[1])))
    T = T * np.where(np.diag(T) < 0, -1.0, 1.0)
    space.step(X_S, Z, T, np.zeros(len(T)), RATE, RATE)
    found = space.rows()
    P, L = found[: n * s].reshape(n, s), found[n * s :].reshape(n, n)
    return [P @ task.R.T, P @ task.a.T, P @ P.T + L @ L.T, space.own()]


# ---- permutation of neurons -------------------------------------------------------------------


@examples(25, 66, run=runs(named=False), data=st.data())
def test_the_order_of_neurons_is_a_matter_of_names(run, data):
    task, training, options = run
    order = data.draw(st.permutations(range(task.k)))
    parts = {"lam": task.lam[order], "c": task.c[order]}
    if task.given:
        permuted = task.replace(W=task.W[order], **parts)
    else:
        permuted = lrft.Task.from_coordinates(
            task.d,
            task.R[order],
            task.a,
            xi=task.xi,
            activation=task.activation,
            neuron_scale=task.neuron_scale,
            output_scale=task.output_scale,
            noise=task.noise,
            seed=task.embedding_seed,
            **parts,
        )
    student = training.student
    # A basis found from permuted weights may differ by signs, and then so do the inputs.
    if task.given:
        options = options | {"engine": "ambient"}
    changes: dict[str, Any] = {}
    if isinstance(student, lrft.RankOne):
        changes["c_init"] = student.c_init[order]
    elif isinstance(student, lrft.LoRA):
        changes["b_init"] = student.b_init[order]
    else:
        # Its neurons are its own, in their own order, but for those of the base.
        assume(not any(is_named(getattr(student, name), "base") for name in ("init", "lam_init")))
    a = lrft.simulate(task, tame(task, training), replicas=1, threads=1, **options)
    b = lrft.simulate(
        permuted, tame(task, training, student.replace(**changes)), replicas=1, threads=1, **options
    )
    np.testing.assert_array_equal(a.status, b.status)
    u = b.overlap_u.values
    if isinstance(student, lrft.FullNetwork):
        u = u[..., np.argsort(order)]
    close(u, a.overlap_u, 1e-6)
    close(b.overlap_c.fillna(0), a.overlap_c.fillna(0), 1e-6)
    close(b.loss, a.loss, 1e-6)


# ---- the sign of (c, u) -----------------------------------------------------------------------


@examples(25, 66, run=runs(rank=1))
def test_the_sign_of_c_and_u_together_is_no_part_of_the_task(run):
    """The teacher is the same: the path is the same to the bit, and overlaps change sign."""
    task, training, options = run
    student = training.student
    assume(not is_named(getattr(student, "c_init", None), "teacher"))
    if task.given:
        other = task.replace(c=-task.c, u=-task.u)
        options = options | {"engine": "ambient"}  # the basis may turn
    else:
        other = lrft.Task.from_coordinates(
            task.d,
            task.R,
            -task.a,
            c=-task.c,
            lam=task.lam,
            xi=task.xi,
            activation=task.activation,
            neuron_scale=task.neuron_scale,
            output_scale=task.output_scale,
            noise=task.noise,
            seed=task.embedding_seed,
        )
    for name in ("u_init", "a_init", "init"):
        assume(isinstance(getattr(student, name, ""), str) or options["engine"] == "ambient")
    a, b = (lrft.simulate(t, training, replicas=2, threads=1, **options) for t in (task, other))
    # Singular values, of LoRA above rank one, and the cosines of whole neurons have no sign.
    signed = isinstance(student, lrft.RankOne) or getattr(student, "rank", 0) == 1
    for name in SERIES:
        value = -b[name].values if signed and "overlap_" in name else b[name].values
        np.testing.assert_array_equal(a[name].values, value, err_msg=name)
