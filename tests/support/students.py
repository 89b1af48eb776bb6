"""Cases of LoRA, full networks and linearised students, and what the twin makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import rate, task_of, under_law
from coupling import STEPS

import lrft
from lrft.core.engine import compiled
from lrft.reference import students as twin

SEED, REPLICA = 77, 3
RNG = np.random.default_rng(8)
SLOW = 0.001  # with momentum a rate goes further
A3, B3 = RNG.standard_normal((3, 24)) / 5, RNG.standard_normal((4, 3)) / 4
V5 = RNG.standard_normal((5, 24)) / 4
UNIT3 = A3 / np.linalg.norm(A3, axis=1, keepdims=True)

LORA: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # name: changes of the task, the student, changes of the training
    "rank 1": ({}, {"rank": 1, "alpha": 2.0}, {}),
    "rank 1, batch 3": ({}, {"rank": 1}, {"batch": 3}),
    "rank 3": ({}, {"rank": 3, "alpha": 6.0}, {}),
    "rank 3, batch 5, rates": ({}, {"rank": 3, "lr_b": 0.004}, {"batch": 5}),
    "teacher of rank 2": ({"c": "sphere", "rank": 2}, {"rank": 2, "alpha": 3.0}, {}),
    "teacher of rank 2, one row": ({"c": "sphere", "rank": 2}, {"rank": 1}, {}),
    "teacher of rank 2, rank 3": ({"c": "sphere", "rank": 2}, {"rank": 3}, {"batch": 2}),
    "frozen A": ({}, {"rank": 2, "train_a": False}, {}),
    "frozen B": ({}, {"rank": 2, "train_b": False, "b_init": "gaussian"}, {}),
    "given": ({}, {"rank": 3, "a_init": A3, "b_init": B3}, {}),
    "zero A": ({}, {"rank": 3, "a_init": "zero", "b_init": B3}, {"batch": 4}),
    "narrow start": ({}, {"rank": 2, "a_std": 0.05, "b_init": "gaussian"}, {}),
    "zero features": ({"features": "zero", "lam": 0.5}, {"rank": 2, "b_init": "gaussian"}, {}),
    "u inside": ({"parallel": 0.6}, {"rank": 2}, {}),
    "noise": ({"noise": 0.3}, {"rank": 2}, {"batch": 2}),
    "unit neurons": ({"normalization": "unit"}, {"rank": 2}, {}),
    "wide batch": ({}, {"rank": 2}, {"batch": 40}),
    "sphere, rank 1": ({}, {"rank": 1, "alpha": 2.0, "sphere": True}, {}),
    "sphere, rank 1, batch 3": ({}, {"rank": 1, "sphere": True, "lr_b": 0.004}, {"batch": 3}),
    "sphere, rank 3": ({}, {"rank": 3, "sphere": True, "b_init": "gaussian"}, {"batch": 2}),
    "sphere, given": ({}, {"rank": 3, "a_init": UNIT3, "b_init": B3, "sphere": True}, {}),
    "sphere, wide batch": ({"c": "sphere", "rank": 2}, {"rank": 2, "sphere": True}, {"batch": 40}),
    "reused": ({}, {"rank": 3, "b_init": "gaussian"}, {"reuse": 3, "batch": 2}),
    "reused, batch 5": ({}, {"rank": 3, "b_init": "gaussian"}, {"reuse": 2, "batch": 5}),
    "reused, wide batch": ({}, {"rank": 2, "b_init": "gaussian"}, {"reuse": 2, "batch": 40}),
    "lookahead": ({"noise": 0.3}, {"rank": 3, "b_init": "gaussian"}, {"lookahead": 1.5}),
    "lookahead, wide batch": (
        {},
        {"rank": 2, "b_init": "gaussian"},
        {"lookahead": 1.0, "batch": 40},
    ),
    "momentum": ({}, {"rank": 1}, {"optimiser": "momentum", "lr": SLOW}),
    "momentum, rank 3": ({}, {"rank": 3}, {"optimiser": "momentum", "lr": SLOW}),
    "Nesterov, clipped": (
        {"noise": 0.3},
        {"rank": 2, "lr_b": 0.002},
        {"optimiser": lrft.SGD(momentum=0.8, nesterov=True, clip=0.5), "lr": SLOW, "batch": 3},
    ),
    "decay": ({}, {"rank": 2}, {"optimiser": lrft.SGD(weight_decay=0.05)}),
    "frozen A, normalised": (
        {},
        {"rank": 2, "train_a": False},
        {"optimiser": lrft.SGD(normalise=True), "lr": SLOW},
    ),
    "momentum, wide batch": ({}, {"rank": 2}, {"optimiser": "momentum", "batch": 40}),
}
FULL: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "base": ({}, {}, {}),
    "base, output weights": ({}, {"train_lam": True}, {"batch": 3}),
    "base, rate": ({}, {"train_lam": True, "lr_lam": 0.001}, {}),
    "scratch": ({}, {"width": 6, "init": "gaussian", "lam_init": "signs"}, {}),
    "scratch, one neuron": ({}, {"width": 1, "init": "gaussian", "lam_init": "ones"}, {}),
    "scratch, nine": (
        {},
        {"width": 9, "init": "gaussian", "lam_init": "gaussian", "train_lam": True, "std": 0.1},
        {"batch": 2, "lr": 0.003},
    ),
    "scratch, thirteen": (
        {},
        {"width": 13, "init": "gaussian", "lam_init": "signs", "std": 0.2},
        {"batch": 3},
    ),
    "given": ({}, {"init": V5, "lam_init": 0.4}, {}),
    "teacher of rank 2": ({"c": "sphere", "rank": 2}, {}, {}),
    "zero features": (
        {"features": "zero", "lam": 0.5},
        {"width": 3, "init": "gaussian", "lam_init": 0.5},
        {},
    ),
    "u inside": ({"parallel": 0.6}, {}, {"batch": 4}),
    "noise": ({"noise": 0.3}, {}, {}),
    "unit neurons": ({"normalization": "unit"}, {"train_lam": True}, {}),
    "wide batch": ({}, {"train_lam": True}, {"batch": 40}),
    "reused": ({}, {"train_lam": True}, {"reuse": 2}),
    "reused, batch 5": ({}, {"train_lam": True}, {"reuse": 2, "batch": 5}),
    "lookahead": (
        {},
        {"width": 13, "init": "gaussian", "lam_init": "signs", "std": 0.2, "train_lam": True},
        {"lookahead": -0.5, "batch": 2},
    ),
    "momentum": (
        {},
        {"train_lam": True},
        {"optimiser": lrft.SGD(momentum=0.8, weight_decay=0.02), "lr": SLOW, "batch": 3},
    ),
    "scratch, Nesterov": (
        {},
        {"width": 6, "init": "gaussian", "lam_init": "signs", "std": 0.8},
        {"optimiser": "nesterov", "lr": SLOW, "batch": 2},
    ),
    "normalised": ({}, {"train_lam": True}, {"optimiser": lrft.SGD(normalise=True), "lr": SLOW}),
    "clipped, wide batch": ({}, {}, {"optimiser": lrft.SGD(clip=0.05), "batch": 40}),
}
FREE = {"train_c": True, "orthogonal": False}
DRAWN = {"rank": 2, "alpha": 3.0, "b_init": "gaussian"}
SCRATCH = {"width": 6, "init": "gaussian", "lam_init": "signs", "train_lam": True}
# name: kind of student, changes of the task, the student, changes of the training
LINEAR: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "rank one": (lrft.RankOne, {}, {}, {}),
    "rank one, joint, free": (
        lrft.RankOne,
        {},
        {"train_c": True, "orthogonal": False, "c_init": "sphere"},
        {"batch": 3},
    ),
    "rank one, reused": (
        lrft.RankOne,
        {},
        {"train_c": True, "orthogonal": False, "c_init": "sphere"},
        {"reuse": 2},
    ),
    "LoRA, lookahead": (lrft.LoRA, {}, DRAWN, {"lookahead": 1.0, "batch": 2}),
    "full, reused": (lrft.FullNetwork, {}, {"train_lam": True}, {"reuse": 3, "batch": 3}),
    "rank one, u inside": (
        lrft.RankOne,
        {"parallel": 0.6},
        {"train_c": True, "orthogonal": False},
        {},
    ),
    "rank one, a spike": (lrft.RankOne, {"inputs": "spiked u 1.5"}, FREE, {"batch": 2}),
    "rank one, blocks": (lrft.RankOne, {"d": 40, "inputs": "blocks 1.5 0.5"}, FREE, {}),
    "LoRA, a spike beside": (lrft.LoRA, {"inputs": "spiked beside 1.0"}, DRAWN, {}),
    "full, base, spikes": (lrft.FullNetwork, {"inputs": "spiked features 0.5 0.3 -0.5 1"}, {}, {}),
    "full, base, blocks": (lrft.FullNetwork, {"d": 40, "inputs": "blocks 1.5 0.5"}, {}, {}),
    "full, scratch, a spike": (lrft.FullNetwork, {"inputs": "spiked u 0.8"}, SCRATCH, {}),
    "LoRA": (lrft.LoRA, {}, {"rank": 2}, {}),
    "LoRA, both factors": (lrft.LoRA, {}, DRAWN, {"batch": 2}),
    "LoRA, given": (lrft.LoRA, {}, {"rank": 3, "a_init": A3, "b_init": B3, "lr_b": 0.004}, {}),
    "LoRA, momentum": (
        lrft.LoRA,
        {},
        {"rank": 2, "b_init": "gaussian"},
        {"optimiser": lrft.SGD(momentum=0.7, clip=1.0), "lr": SLOW},
    ),
    "LoRA, zero A": (lrft.LoRA, {}, {"rank": 2, "a_init": "zero", "b_init": B3[:, :2]}, {}),
    "LoRA, sphere": (lrft.LoRA, {}, {"rank": 2, "b_init": B3[:, :2], "sphere": True}, {}),
    "LoRA, teacher of rank 2": (
        lrft.LoRA,
        {"c": "sphere", "rank": 2},
        {"rank": 1, "b_init": "gaussian"},
        {},
    ),
    "full": (lrft.FullNetwork, {}, {}, {}),
    "full, output weights": (lrft.FullNetwork, {}, {"train_lam": True}, {"batch": 3}),
    "full, scratch": (
        lrft.FullNetwork,
        {},
        {"width": 3, "init": "gaussian", "lam_init": "gaussian", "train_lam": True},
        {},
    ),
    "full, given": (lrft.FullNetwork, {"parallel": 0.5}, {"init": V5, "lam_init": 0.4}, {}),
}
# the same, of other losses; labels of ±1 are drawn from f* + noise, and turned over
LOSSES: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "correlation, rank one": (lrft.RankOne, {}, {"train_c": True}, {"loss": "correlation"}),
    "Huber, rank one": (
        lrft.RankOne,
        {"noise": 0.3},
        {"train_c": True, "orthogonal": False},
        {"loss": lrft.Huber(0.3), "batch": 3},
    ),
    "logistic, rank one": (lrft.RankOne, {}, {}, {"loss": lrft.Logistic(flip=0.2)}),
    "correlation, LoRA": (lrft.LoRA, {"noise": 0.3}, {"rank": 2}, {"loss": "correlation"}),
    "logistic, LoRA": (
        lrft.LoRA,
        {"noise": 0.3, "c": "sphere", "rank": 2},
        {"rank": 3},
        {"loss": lrft.Logistic(flip=0.1), "batch": 5},
    ),
    "Huber, full": (
        lrft.FullNetwork,
        {"parallel": 0.6},
        {"train_lam": True},
        {"loss": lrft.Huber(0.1), "batch": 2},
    ),
    "logistic, full": (
        lrft.FullNetwork,
        {},
        SCRATCH,
        {"loss": "logistic"},
    ),
    "correlation, linear LoRA": (
        lrft.LoRA,
        {},
        {"rank": 2, "b_init": "gaussian", "linearized": True},
        {"loss": "correlation", "batch": 2},
    ),
}
# Teachers that are no perturbed base.
TAUGHT: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "rank one, single index": (
        lrft.RankOne,
        {"teacher": "single index", "features": "zero", "lam": 0.5},
        {"train_c": True},
        {},
    ),
    "rank one, single index beside a base, batch": (
        lrft.RankOne,
        {"teacher": "single index", "noise": 0.2},
        {"train_c": True, "c_init": "sphere", "orthogonal": False},
        {"batch": 3},
    ),
    "LoRA, staircase": (
        lrft.LoRA,
        {"teacher": "staircase"},
        {"rank": 2, "b_init": "gaussian"},
        {"batch": 2},
    ),
    "LoRA, erf network": (lrft.LoRA, {"teacher": "erf network"}, {"rank": 3}, {}),
    "full, staircase, scratch": (
        lrft.FullNetwork,
        {"teacher": "staircase", "features": "zero", "lam": 0.5},
        SCRATCH,
        {},
    ),
    "full, erf network": (lrft.FullNetwork, {"teacher": "erf network"}, {}, {"batch": 3}),
    "LoRA, relu network, Huber": (
        lrft.LoRA,
        {"teacher": "relu network"},
        {"rank": 2, "b_init": "gaussian"},
        {"loss": lrft.Huber(0.3)},
    ),
    "full, staircase, logistic": (
        lrft.FullNetwork,
        {"teacher": "staircase", "noise": 0.2},
        {},
        {"loss": lrft.Logistic(flip=0.1), "batch": 2},
    ),
    "full, relu network, noise": (
        lrft.FullNetwork,
        {"teacher": "relu network", "noise": 0.3},
        {"width": 9, "init": "gaussian", "lam_init": 0.3, "train_lam": True},
        {},
    ),
}
# Networks with biases.
B4 = np.array([0.6, -0.8, 0.0, 1.1])
BIASED: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "rank one": (lrft.RankOne, {}, {"train_c": True}, {}),
    "rank one, free, batch 3": (
        lrft.RankOne,
        {"noise": 0.3, "normalization": "unit"},
        {"train_c": True, "orthogonal": False},
        {"batch": 3},
    ),
    "LoRA": (lrft.LoRA, {"parallel": 0.6}, {"rank": 3, "b_init": "gaussian"}, {"batch": 2}),
    "LoRA, sphere": (lrft.LoRA, {}, {"rank": 2, "sphere": True}, {}),
    "LoRA, momentum": (
        lrft.LoRA,
        {},
        {"rank": 2},
        {"optimiser": lrft.SGD(momentum=0.8, weight_decay=0.05, clip=0.5), "lr": SLOW},
    ),
    "LoRA, network with biases": (
        lrft.LoRA,
        {"teacher": "biased network"},
        {"rank": 2, "b_init": "gaussian"},
        {"loss": lrft.Huber(0.3)},
    ),
    "teacher alone": (
        lrft.FullNetwork,
        {"teacher": "biased network", "biases": None},
        {},
        {"batch": 2},
    ),
    "full": (lrft.FullNetwork, {}, {}, {}),
    "full, trained": (
        lrft.FullNetwork,
        {"neuron_scale": 0.7},
        {"train_lam": True, "train_biases": True},
        {"batch": 3},
    ),
    "full, scratch": (
        lrft.FullNetwork,
        {"biases": None},
        {"width": 6, "init": "gaussian", "lam_init": "signs", "biases": 0.5, "train_biases": True},
        {},
    ),
    "full, frozen, decay": (
        lrft.FullNetwork,
        {},
        {"init": V5, "lam_init": 0.4, "biases": -0.7},
        {"optimiser": lrft.SGD(weight_decay=0.05, normalise=True), "lr": SLOW, "batch": 2},
    ),
    "full, momentum": (
        lrft.FullNetwork,
        {},
        {"train_biases": True},
        {"optimiser": lrft.SGD(momentum=0.8, weight_decay=0.02), "lr": SLOW},
    ),
    "full, reused": (lrft.FullNetwork, {}, {"train_biases": True}, {"reuse": 2, "batch": 2}),
    "full, wide batch": (lrft.FullNetwork, {}, {"train_biases": True}, {"batch": 40}),
}
CASES = {f"LoRA, {name}": (lrft.LoRA, *rest) for name, rest in LORA.items()}
CASES |= {f"full, {name}": (lrft.FullNetwork, *rest) for name, rest in FULL.items()}
CASES |= {
    f"linear, {name}": (kind, changes, options | {"linearized": True}, more)
    for name, (kind, changes, options, more) in LINEAR.items()
}
CASES |= LOSSES
CASES |= {f"taught, {name}": case for name, case in TAUGHT.items()}
CASES |= {
    f"biased, {name}": (kind, {"biases": B4} | changes, options, more)
    for name, (kind, changes, options, more) in BIASED.items()
}


def case(name: str, activation: str = "tanh") -> tuple[lrft.Task, lrft.Training]:
    kind, changes, options, more = CASES[name]
    task = task_of(activation, **changes)
    # polynomials of a student that starts anywhere expand at the common rate
    wide = name in ("linear, full, scratch", "linear, LoRA, both factors")
    slow = 0.1 if wide and activation in ("he3", "series") else 1.0
    arguments = {"lr": slow * rate(activation, task.d), "steps": STEPS, "record": 9}
    return task, lrft.Training(student=kind(**options), **(arguments | more))


def neurons(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> Any:
    """Rows (m, d) and output weights of the network that these parameters make."""
    if isinstance(student, lrft.FullNetwork):
        return rows, own
    if isinstance(student, lrft.RankOne):
        return task.W + task.xi * np.outer(own, rows), task.lam
    return task.W + student.scale * own @ rows, task.lam


def teacher(task: lrft.Task) -> np.ndarray:
    return task.W + task.xi * task.c.reshape(task.k, -1) @ np.atleast_2d(task.u)


def overlaps(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    rows = rows[..., : task.d]  # without biases
    u, c = np.atleast_2d(task.u), task.c.reshape(task.k, -1)
    if task.link is not None:  # beside directions alone
        if isinstance(student, lrft.FullNetwork):
            return [twin.neuron_cosines(rows, u)]
        if len(np.atleast_2d(rows)) == len(u) == 1:
            return [np.array(twin.cosine(rows, u))]
        return [twin.subspace_cosines(rows, u)]
    if isinstance(student, lrft.FullNetwork):
        return [twin.neuron_cosines(rows, teacher(task))]
    if isinstance(student, lrft.RankOne):
        return [rows @ task.u, own @ task.c]
    if len(rows) == len(u) == 1:
        return [np.array(twin.cosine(rows, u)), np.array(twin.cosine(own, c))]
    return [twin.subspace_cosines(rows, u), twin.subspace_cosines(own.T, c.T)]


STEP = 0.01  # of the differences below


def linear_loss(task: lrft.Task, student: Any, start: Any, now: Any) -> float:
    """The same for the Taylor expansion, whose derivative is a difference of networks.

    The error of the differences is of fourth order in the step, of first order for relu, whose
    second derivative is a delta; what two steps say of it is taken off.
    """
    order = 1 if task.activation.kind == "relu" else 4
    coarse, fine = (difference_loss(task, student, start, now, h) for h in (2 * STEP, STEP))
    return fine + (fine - coarse) / (2**order - 1)


def difference_loss(task: lrft.Task, student: Any, start: Any, now: Any, step: float) -> float:
    if isinstance(student, lrft.RankOne):
        V, lam = task.W, task.lam
        dV, dlam = task.xi * np.outer(now[1], now[0]), 0 * lam
    elif isinstance(student, lrft.LoRA):
        (A0, B0), (A, B), lam = start, now, task.lam
        V = task.W + student.scale * B0 @ A0
        dV, dlam = student.scale * ((B - B0) @ A0 + B0 @ (A - A0)), 0 * lam
    else:
        (V, lam), (dV, dlam) = start, (now[0] - start[0], now[1] - start[1])
    both, weights = [teacher(task), V], [task.lam, -lam - dlam]
    for h, part in ((1, 2 / 3), (2, -1 / 12)):
        for sign in (1, -1):
            both.append(V + sign * h * step * dV)
            weights.append(-sign * part / step * lam)
    both = under_law(task, task.neuron_scale * np.concatenate(both))
    weights = task.output_scale * np.concatenate(weights)
    return compiled.expected_square(task.activation.core, weights, both @ both.T)[0]


def shifted_loss(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> float:
    """The loss where there are biases, pair by pair, by the product rule of Gauss and Hermite.

    Of activations without kinks: the error is that of rounding.
    """
    V, lam = neurons(task, student, rows, own)
    b = task.biases if V.shape[1] == task.d else task.neuron_scale * V[:, -1]
    parts = [(V[:, : task.d], b, lam, task)]
    if task.link is None:
        parts.append((teacher(task), task.biases, -task.lam, task))
    else:
        star = task.link
        parts.append((np.atleast_2d(task.u), star.biases, -star.weights, star))
    signals, shifts, weights, functions = [], [], [], []
    for part, biases, by, of in parts:
        own_scales = of is task
        signals.append((task.neuron_scale if own_scales else 1.0) * part)
        shifts.append(np.zeros(len(part)) if biases is None else biases)
        weights.append((task.output_scale if own_scales else 1.0) * by)
        functions += [twin.resolve_activation(of.activation)[0]] * len(part)
    z, a, w = (np.concatenate(each) for each in (signals, shifts, weights))
    nodes, by_node = np.polynomial.hermite_e.hermegauss(150)
    by_node = by_node / by_node.sum()
    C = z @ z.T
    total = 0.0
    for i, first in enumerate(functions):
        there = by_node * first(np.sqrt(C[i, i]) * nodes + a[i])
        for j, second in enumerate(functions):
            along = C[i, j] / np.sqrt(C[i, i])
            beside = np.sqrt(max(C[j, j] - along**2, 0.0))
            values = second(along * nodes[:, None] + beside * nodes + a[j])
            total += w[i] * w[j] * (there @ values @ by_node)
    return total


def loss(task: lrft.Task, student: Any, rows: np.ndarray, own: np.ndarray) -> float:
    if student.biased(task) or getattr(task.link, "biases", None) is not None:
        return shifted_loss(task, student, rows, own)
    V, lam = neurons(task, student, rows, own)
    if task.link is not None:
        return lrft.theory.population_loss(task, rows=V, lam=lam)
    both = task.neuron_scale * np.concatenate([teacher(task), V])
    weights = task.output_scale * np.concatenate([task.lam, -lam])
    return compiled.expected_square(task.activation.core, weights, both @ both.T)[0]
