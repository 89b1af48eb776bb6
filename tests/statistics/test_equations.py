"""SGD of students with rows at rate delta / d against their order-parameter equations.

Every group of replicas starts from a state of its own, with overlaps of 0.2 to 0.6 that are all
distinct; the equations start from what was recorded of it. Seeds were fixed in advance and are not
to be changed after a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lrft
from lrft import theory
from lrft.model import sampling

SLACK = 0.01


def task_at(d: int, activation: str, k: int, **changes: Any) -> lrft.Task:
    lam = np.array([1.0, 0.7, -0.8])[:k]
    c = np.array([0.6, -0.8, 0.5])[:k, None] * np.array([1.0, 0.5])[None, : changes.get("rank", 1)]
    if "rank" in changes:
        c = c + np.array([[0.0, 0.4], [0.0, 0.3], [0.0, -0.6]])[:k]
    arguments = {"d": d, "k": k, "activation": activation, "xi": 0.8, "lam": lam, "c": c} | changes
    if arguments.get("rank", 1) == 1:
        arguments["c"] = c[:, 0] / np.linalg.norm(c[:, 0])
    return lrft.Task.sample(features="orthonormal", seed=2, **arguments)


def rows_at(task: lrft.Task, n: int, seed: int) -> np.ndarray:
    """Rows of length about 1 with overlaps of 0.2 to 0.6 with the basis of S, all distinct."""
    rng = np.random.default_rng(seed)
    s = task.R.shape[1]
    sizes = np.linspace(0.2, 0.6, n * s)
    signs = np.where(rng.random(n * s) < 0.5, -1.0, 1.0)
    P = (rng.permutation(sizes) * signs).reshape(n, s) / np.sqrt(s / 2)
    rest = sampling.orthonormal_rows(np.concatenate([task.Q.T, rng.standard_normal((n, task.d))]))[
        s:
    ]
    return P @ task.Q.T + np.linspace(0.6, 0.9, n)[:, None] * rest


@dataclass
class Case:
    """A student of some activation, and how far it is followed."""

    activation: str
    k: int
    horizon: float
    delta: float
    student: Any  # of task, seed, lr
    task: Any  # changes of the task, or what makes it of d
    batch: int = 1
    loss: Any = "squared"


def full(n: int, **biases: Any) -> Any:
    def make(task: lrft.Task, seed: int, lr: float) -> Any:
        lam = np.linspace(0.5, 1.1, n) * np.where(np.arange(n) % 2, -1, 1)
        return lrft.FullNetwork(
            init=rows_at(task, n, seed), lam_init=lam, train_lam=True, lr_lam=0.5 * lr, **biases
        )

    return make


def lora(task: lrft.Task, seed: int, lr: float) -> Any:
    B = np.array([[0.7, -0.4], [-0.5, 0.9], [0.3, 0.8]])[: task.k]
    return lrft.LoRA(rank=2, a_init=rows_at(task, 2, seed), b_init=B, lr_b=0.7 * lr)


def expanded(make: Any) -> Any:
    def linearized(task: lrft.Task, seed: int, lr: float) -> Any:
        return make(task, seed, lr).replace(linearized=True)

    return linearized


def single(task: lrft.Task, seed: int, lr: float) -> Any:
    row = rows_at(task, 1, seed)[0]
    c = np.array([0.6, 0.8, 0.0])[: task.k]
    return lrft.RankOne(
        u_init=row / np.linalg.norm(row),
        c_init=c / np.linalg.norm(c),
        train_c=True,
        orthogonal=False,
        lr_c=0.5 * lr,
    )


def network(d: int, **biases: Any) -> lrft.Task:
    return lrft.Task.teacher(
        width=2,
        d=d,
        lam_star=[1.0, -0.6],
        sigma_star="tanh",
        activation="erf",
        noise=0.2,
        seed=3,
        **biases,
    )


def biased_network(d: int) -> lrft.Task:
    return network(d, biases_star=[0.8, -0.5])


def staircase(d: int) -> lrft.Task:
    return lrft.Task.multi_index({(1,): 0.8, (1, 1): 0.5}, d=d, activation="erf", seed=3)


CASES = {
    "full, 2 erf": Case("erf", 2, 6.0, 0.2, full(2), {}),
    "full, 3 relu": Case("relu", 3, 2.0, 0.1, full(3), {"noise": 0.2}),
    "LoRA of rank 2, erf": Case("erf", 3, 6.0, 0.2, lora, {"rank": 2}),
    "LoRA of rank 2, relu": Case("relu", 3, 2.0, 0.1, lora, {"noise": 0.2}, batch=2),
    "linearised full, tanh": Case("tanh", 2, 4.0, 0.2, expanded(full(2)), {}),
    "linearised LoRA, erf": Case("erf", 3, 4.0, 0.2, expanded(lora), {"rank": 2}),
    "full, 2 erf, Huber": Case("erf", 2, 6.0, 0.2, full(2), {"noise": 0.5}, loss=lrft.Huber(0.4)),
    "LoRA of rank 2, logistic": Case(
        "erf", 3, 15.0, 0.5, lora, {"noise": 0.2}, loss=lrft.Logistic(flip=0.1)
    ),
    "a network of another kind": Case("erf", 1, 6.0, 0.2, full(2), network),
    "a staircase": Case("erf", 1, 6.0, 0.2, full(2), staircase),
    "full, 2 erf, a spike": Case("erf", 2, 2.0, 0.1, full(2), {"inputs": "spiked u 1.5"}),
    "LoRA of rank 2, a mixture": Case(
        "erf", 3, 4.0, 0.1, lora, {"inputs": "mixture beside -1 0.5 labels 0.3 -0.2"}
    ),
    "full, 2 erf, biases that stay": Case(
        "erf", 2, 2.0, 0.2, full(2), {"biases": [0.7, -0.4], "neuron_scale": 1.2}
    ),
    "full, 3 relu, biases trained": Case(
        "relu",
        3,
        1.0,
        0.1,
        full(3, biases=[0.6, -0.2, 0.3], train_biases=True),
        {"noise": 0.2, "biases": 0.4, "inputs": "mixture u -0.5 0.5 labels 0.1 -0.2"},
    ),
    "LoRA of rank 2 on a biased base": Case(
        "erf", 3, 4.0, 0.2, lora, {"biases": [0.5, -0.6, 0.3], "inputs": "spiked u 0.5"}
    ),
    "biases trained beside biases": Case(
        "erf", 1, 4.0, 0.2, full(2, biases=0.3, train_biases=True), biased_network
    ),
    "linearised LoRA, a spike": Case(
        "erf", 3, 2.0, 0.1, expanded(lora), {"inputs": "spiked u 1.0"}
    ),
    "full, 2 erf, two blocks": Case(
        "erf", 2, 4.0, 0.2, full(2), {"noise": 0.2, "inputs": "blocks 2 0.4 parts 0.3 0.7"}
    ),
    "LoRA of rank 2, three blocks": Case(
        "erf", 3, 3.0, 0.2, lora, {"rank": 2, "inputs": "blocks 0.5 1 2"}, batch=2
    ),
    "rank one, two blocks": Case(
        "erf", 3, 4.0, 0.4, single, {"parallel": 0.5, "noise": 0.2, "inputs": "blocks 1.6 0.3"}
    ),
    "full, 3 relu, biases and blocks": Case(
        "relu", 3, 0.6, 0.1, full(3), {"biases": 0.4, "inputs": "blocks 1.5 0.5"}
    ),
    "linearised rank one, erf": Case("erf", 3, 6.0, 0.4, expanded(single), {"parallel": 0.5}),
}


def gaps(case: Case, d: int, groups: int, replicas: int) -> dict[str, np.ndarray]:
    """Simulated minus solved, over all replicas of all groups, by name: (replica, record, ...)."""
    task = case.task(d) if callable(case.task) else task_at(d, case.activation, case.k, **case.task)
    lr = case.delta / d
    found: dict[str, list[np.ndarray]] = {}
    for group in range(groups):
        training = lrft.Training(
            student=case.student(task, 100 + group, lr),
            lr=lr,
            steps=int(case.horizon / lr),
            batch=case.batch,
            loss=case.loss,
            record=9,
            record_parameters=True,
        )
        ds = lrft.simulate(task, training, replicas=replicas, seed=500 + group)
        assert (ds.status == "finished").all()
        ode = theory.order_parameter_ode(task, training, ds.isel(replica=0))
        assert ode.noise_error < 0.02
        student = training.student
        known = training.loss == "squared" and task.link is None
        known = known and (task.law is None or not task.law.means.any())
        sampled = student.linearized or student.biased(task) or not known
        assert (ode.drift_error > 0) == sampled
        np.testing.assert_allclose(ode.time, ds.step * lr)
        expected = {"M": ode.M, "Q": ode.Q, training.student.own_name: ode.own}
        if "Q_blocks" in ds:
            expected["Q_blocks"] = ode.Q_blocks
        for name, values in expected.items():
            found.setdefault(name, []).append(ds[name].values - values)
        np.testing.assert_allclose(ode.loss[0], ds.loss[0, 0], rtol=1e-2)
        assert np.abs(ds.M.values[0, -1] - ds.M.values[0, 0]).max() > 0.1  # it moves
    return {name: np.concatenate(values) for name, values in found.items()}


def check(found: dict[str, np.ndarray]) -> None:
    for name, gap in found.items():
        error = gap.std(axis=0, ddof=1) / np.sqrt(len(gap))
        worst = np.max(np.abs(gap.mean(axis=0)) - 3 * error)
        assert worst < SLACK, (name, worst)


@pytest.mark.parametrize("name", CASES)
def test_means_follow_the_equations(name: str) -> None:
    check(gaps(CASES[name], 20_000, 1, 8))


@pytest.mark.verification
@pytest.mark.parametrize(
    "name",
    [
        *("full, 2 erf", "full, 3 relu", "LoRA of rank 2, relu", "linearised full, tanh"),
        *("full, 2 erf, biases that stay", "full, 3 relu, biases trained"),
        "LoRA of rank 2 on a biased base",
        *("full, 2 erf, two blocks", "LoRA of rank 2, three blocks", "rank one, two blocks"),
    ],
)
def test_64_replicas_follow_the_equations_each_from_its_start(name: str) -> None:
    check(gaps(CASES[name], 100_000, 8, 8))
