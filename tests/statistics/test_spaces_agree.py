"""Reduced and ambient space give one law over random tasks, however large or small the numbers.

Each space draws numbers of its own, so replicas are independent and what can be compared are
shares and distributions: of every status by Fisher's exact test, of the last losses by the test
of Kolmogorov and Smirnov.  Thousands of tasks have p-values down to a few in ten thousand by
chance; below 1e-6 it is a fault.  A status that is certain (divergence at a rate far too
large, none at one far too small) must then be shared by all replicas: 20 of one space against none
of the other has p = 1e-11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import lrft

ACTIVATIONS = ("relu", "erf", "tanh", "sigmoid", "gelu", "silu", "softplus", "quadratic", "he3")
STATUSES = ("converged", "finished", "diverged")
REPLICAS = 20
LEAST = 1e-6


def random_case(seed: int) -> tuple[lrft.Task, dict[str, Any]]:
    """A task whose neurons have norms from 1e-3 to 1e3, and a training, rate 1e-300 to 10."""
    rng = np.random.default_rng([seed, 7])
    k, rank, batch = rng.integers(1, 5), rng.integers(1, 3), int(rng.choice([1, 1, 2, 3, 8, 40]))
    d = int(rng.integers(70, 100))
    norms = 10.0 ** rng.uniform(-3, 3, (k, 1) if rng.random() < 0.5 else (1, 1))
    W = rng.standard_normal((k, d))
    # Orthogonal features have an exact zero in place of a product; others do not.
    W = np.linalg.qr(W.T)[0].T if rng.random() < 0.5 else W / np.linalg.norm(W, axis=1)[:, None]
    u = np.linalg.qr(rng.standard_normal((d, rank)))[0].T
    c = rng.standard_normal((k, rank))
    task = lrft.Task(
        W=norms * W,
        lam=rng.choice([-1.0, 1.0], k) * 10.0 ** rng.uniform(-1, 1),
        c=c[:, 0] / np.linalg.norm(c) if rank == 1 else c,
        u=u[0] if rank == 1 else u,
        xi=10.0 ** rng.uniform(-3, 2),
        activation=str(rng.choice(ACTIVATIONS)),
        normalization="unit" if rng.random() < 0.3 else "none",
        noise=float(rng.choice([0.0, 0.0, 0.5])),
    )
    rows, full = int(rng.integers(1, 5)), rng.random()
    linearized = bool(rng.random() < 0.2)
    students: list[Any] = [
        lrft.LoRA(
            rank=rows,
            b_init=str(rng.choice(["zero", "gaussian"])),
            linearized=linearized,
            sphere=seed % 3 == 1,
        ),
        lrft.FullNetwork(train_lam=bool(rng.random() < 0.5), linearized=linearized)
        if full < 0.5
        else lrft.FullNetwork(width=rows, init="gaussian", lam_init="signs", train_lam=True),
    ]
    if rank == 1:
        free = bool(rng.random() < 0.5)
        students.append(
            lrft.RankOne(train_c=free, orthogonal=not free, linearized=linearized, c_init="sphere")
        )
    low = -300.0 if rng.random() < 0.4 else -5.0
    training = {
        "student": students[rng.integers(len(students))],
        "lr": 10.0 ** rng.uniform(low, 1),
        "steps": int(rng.integers(1, 80)),
        "batch": batch,
        "record": 4,
        "stop_at": float(rng.choice([0.3, 0.9])),
    }
    if isinstance(training["student"], lrft.FullNetwork):
        del training["stop_at"]
    if rng.random() < 0.25:  # drawn last: the cases of the squared error are those they were
        training["loss"] = [
            "correlation",
            lrft.Huber(10.0 ** rng.uniform(-2, 1)),
            lrft.Logistic(flip=0.1),
        ][rng.integers(3)]
    training |= random_optimiser(np.random.default_rng([seed, 8]), training["student"])
    return task, training


def random_optimiser(rng: np.random.Generator, student: Any) -> dict[str, Any]:
    """Plain SGD half of the time; else any mixture."""
    if rng.random() < 0.5:
        return {}
    momentum = float(rng.choice([0.0, 0.5, 0.9]))
    length: dict[str, Any] = [{}, {"normalise": True}, {"clip": 10.0 ** rng.uniform(-2, 2)}][
        rng.integers(3)
    ]
    decay = 0.0 if student.unit_rows else float(rng.choice([0.0, 0.1]))
    nesterov = bool(momentum and rng.random() < 0.5)
    optimiser = lrft.SGD(momentum=momentum, nesterov=nesterov, weight_decay=decay, **length)
    return {"optimiser": optimiser, "average": int(rng.integers(5)) if rng.random() < 0.3 else None}


def rounding(task: lrft.Task) -> float:
    """How far rounding may move a loss, which is a sum of moments that cancel."""
    teacher = task.W + task.xi * task.c.reshape(task.k, -1) @ task.u.reshape(-1, task.d)
    rows = task.neuron_scale * np.concatenate([task.W, teacher])
    moments = lrft._core.moments(task.activation.core, np.ascontiguousarray(rows @ rows.T))
    parts = np.concatenate([task.lam, task.lam]) * np.sqrt(np.diag(moments)) * task.output_scale
    return 1e-13 * float(np.abs(parts).sum()) ** 2


def last_losses(ds: Any, task: lrft.Task, rng: np.random.Generator) -> np.ndarray:
    """The last losses of replicas that did not diverge.

    Where nothing moves all are one number up to rounding, which differs between the spaces: a
    little noise hides it.
    """
    loss = np.atleast_2d(ds.loss.values)[np.asarray(ds.status) != "diverged"]
    last = np.array([row[np.isfinite(row)][-1] for row in loss if np.isfinite(row).any()])
    noise = rounding(task) + 1e-9 * np.abs(last)
    return np.asarray(last + noise * rng.standard_normal(last.shape))


def differences(seed: int) -> list[str]:
    """What the two spaces do not agree upon."""
    task, training = random_case(seed)
    plan = lrft.Training(**training)
    reduced, ambient = (
        lrft.simulate(task, plan, replicas=REPLICAS, seed=seed, engine=engine, threads=1)
        for engine in ("reduced", "ambient")
    )
    found = []
    for status in STATUSES:
        a, b = (int((ds.status == status).sum()) for ds in (reduced, ambient))
        if stats.fisher_exact([[a, REPLICAS - a], [b, REPLICAS - b]]).pvalue < LEAST:
            found.append(f"{status}: {a} of {REPLICAS} reduced, {b} ambient")
    rng = np.random.default_rng(seed)
    x, y = last_losses(reduced, task, rng), last_losses(ambient, task, rng)
    if min(len(x), len(y)) > 0:
        p = stats.ks_2samp(x, y).pvalue
        if p < LEAST:
            found.append(f"last losses: p = {p:.1e}, medians {np.median(x):g} and {np.median(y):g}")
    return [f"case {seed}, {training['student']}: {what}" for what in found]


# SciPy then takes the asymptotic law, which a bar of 1e-6 does not mind.
@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 3000), marks=pytest.mark.verification)], ids=len
)
def test_statuses_and_losses_of_random_tasks(seeds: range) -> None:
    assert [line for seed in seeds for line in differences(seed)] == []
