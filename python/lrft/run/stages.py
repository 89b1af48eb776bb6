"""A stage of a sequence: the training on one task, from the start of a student to its end.

A stage is one run of the core.  What is seen of a student on every task follows from its order
parameters, which the core records: M, Q and own parameters, in either space.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model import schedule
from lrft.model.students import StudentModel
from lrft.model.task import Task
from lrft.model.training import Training, training_data
from lrft.run import chains as runs
from lrft.run import describe
from lrft.theory.population import perturbation
from lrft.theory.under_law import loss_under_law

Floats = NDArray[np.float64]


class Frozen(NamedTuple):
    """An adapter that stays: what it adds to the base is own times rows."""

    own: Floats  #: (k, n), with its strength
    coordinates: Floats  #: (n, s + n) of its rows, in S as it was then, and n directions beside it
    rows: Floats | None  #: (n, d), in the ambient space


class Stage(NamedTuple):
    """What is trained on which of the tasks, in which space."""

    tasks: tuple[Task, ...]
    at: int
    training: Training
    rate: float | schedule.Schedule
    ambient: bool

    @property
    def task(self) -> Task:
        """The task of the stage."""
        return self.tasks[self.at]

    @property
    def student(self) -> StudentModel:
        """It is the same in all stages."""
        return self.training.student

    def width(self, frozen: Several[Frozen]) -> int:
        """Coordinates of S, with the directions of what is frozen."""
        return int(self.task.R.shape[1]) + sum(len(one.coordinates) for one in frozen)

    def run(
        self,
        chains: list[compiled.Chain],
        frozen: dict[int, list[Frozen]],
        *,
        seed: int,
        threads: int,
        after: runs.Chains | None,
    ) -> runs.Chains:
        """Set up the run of the core, from the start of the stage or from where it was saved."""
        task, student = self.task, self.student
        chains = [chain.replace(task=0, training=0) for chain in chains]
        if any(chain.status == "waiting" for chain in chains):
            spec = describe.described([task], student, self.ambient, seed, chains)
        else:  # a start has been made before
            only = student.specification(task, ambient=self.ambient)
            data = describe.task_data(task, self.ambient)
            spec = {"tasks": [data], "students": [only], "chains": chains}
        if self.ambient:
            others = [one for one in self.tasks if one is not task]
            spec["tasks"] = [describe.with_directions(data, others) for data in spec["tasks"]]
        if any(frozen[chain.replica] for chain in chains):
            (data,), (only,) = spec["tasks"], spec["students"]
            spec["tasks"] = [
                describe.with_all_frozen(data, frozen[chain.replica]) for chain in chains
            ]
            spec["students"] = [only] * len(chains)
            spec["chains"] = [chain.replace(task=i) for i, chain in enumerate(chains)]
        run = {
            "ambient": self.ambient,
            "activation": task.activation.core,
            "trainings": [training_data(watched(self.training), self.rate)],
            "seed": seed,
            "threads": threads,
            "keep_state": True,
        }
        return runs.Chains([task], spec | run, after)

    def seen(
        self,
        chain: compiled.Chain,
        frozen: Several[Frozen],
        raised: dict[str, None],
        first: int = 0,
    ) -> dict[str, Floats]:
        """Read what a chain has recorded, from a record on: (records, ...) of each series.

        A loss is NaN where a function of the user raises, and the reason goes into `raised`.
        """
        task, s = self.task, int(self.task.R.shape[1])
        n, width = self.student.rows(task), self.width(frozen)
        M = chain.records["M"].reshape(-1, n, width)[first:]
        Q = chain.records["Q"].reshape(-1, n, n)[first:]
        own = chain.records[self.student.own_name].reshape(len(M) + first, -1)[first:]
        rows = coordinates(M, Q)
        shape = len(M), len(self.tasks)
        found = {"loss": np.full(shape, np.nan), "overlap_u": np.full(shape, np.nan)}
        for i in range(len(M)):
            there = self._network(frozen, rows[i], own[i])
            for j, other in enumerate(self.tasks):
                try:
                    found["loss"][i, j] = loss(other, there)
                except Exception as error:
                    if not other.guards:
                        raise
                    if len(raised) < runs.FEW:
                        text = "; ".join([str(error), *getattr(error, "__notes__", ())])
                        raised[f"{type(error).__name__}: {text}"] = None
                if self.student.followed:
                    found["overlap_u"][i, j] = overlap(other, there)
        for name in self.training.recorded_losses:
            found[name] = chain.records[name][first:]
        sizes = parameter_sizes(task, self.student)
        for name in filter(sizes.__contains__, self.training.recorded_parameters):
            values = chain.records[name].reshape(len(M) + first, *sizes[name][:-1], -1)[first:]
            found[name] = values[..., :s] if name == "M" else values
        return found

    def _network(self, frozen: Several[Frozen], A: Floats, own: Floats) -> Network:
        """Make the network of a student with rows A (n, width + n) in coordinates."""
        task, student = self.task, self.student
        W = np.zeros((task.k, A.shape[1]))
        W[:, : task.R.shape[1]] = task.R
        for one in frozen:
            W[:, : one.coordinates.shape[1]] += one.own @ one.coordinates
        base, mix, lam = student.composition(W, task.lam, own, self._scale)
        return Network(base + mix @ A, lam, A)

    @property
    def _scale(self) -> float:
        return float(self.student.specification(self.task, ambient=False).scale)

    def left(self, chain: compiled.Chain, frozen: Several[Frozen]) -> Frozen:
        """Take the adapter of a chain that has ended, which stays as it is from here on."""
        n, width = self.student.rows(self.task), self.width(frozen)
        own = self._scale * chain.own.reshape(-1, n)
        if self.ambient:
            M, Q = (
                chain.records[name][-size:].reshape(1, n, -1)
                for name, size in (("M", n * width), ("Q", n * n))
            )
            return Frozen(own, coordinates(M, Q)[0], chain.rows.reshape(n, -1))
        P, L = chain.rows[: n * width], chain.rows[n * width :]
        return Frozen(own, np.concatenate([P.reshape(n, -1), L.reshape(n, n)], axis=1), None)

    def taken_over(self, chain: compiled.Chain) -> compiled.Chain:
        """Let the student of a chain that has ended the stage before begin this one.

        The optimiser begins anew: velocities are zero, and averages those of this stage.
        """
        n, optimiser = self.student.rows(self.task), self.training.optimiser
        first = n if optimiser.momentum else 0
        N = first + n + (n if self.training.average is not None else 0)
        rows = [chain.rows.reshape(n, -1)]
        if not self.ambient:
            s = chain.rows.size // n - n
            rows = [chain.rows[: n * s].reshape(n, s), chain.rows[n * s :].reshape(n, n)]
        wide = [np.zeros((N, part.shape[1])) for part in rows]
        for all_of_them, part in zip(wide, rows, strict=True):
            all_of_them[first : first + n] = part
        if not self.ambient:
            rest = np.zeros((N, N))
            rest[:, first : first + n] = wide[1]
            wide[1] = rest
        return chain.replace(
            status="running",
            step=0,
            state_step=0,
            recorded=0,
            records={name: np.zeros(0) for name in chain.records},
            last={},
            rows=np.concatenate([part.ravel() for part in wide]),
            own=np.concatenate([chain.own, np.zeros((N // n - 1) * chain.own.size)]),
        )


class Network(NamedTuple):
    """A student's network in coordinates of S and of its rows' directions beside it."""

    V: Floats  #: (m, s + n)
    lam: Floats  #: (m,)
    rows: Floats  #: (n, s + n)


def watched(training: Training) -> Training:
    """Make the training of a stage as the core runs it: with what losses are made of recorded."""
    return training.replace(record_parameters=True, thresholds=(), loss_thresholds=())


def parameter_sizes(task: Task, student: StudentModel) -> dict[str, tuple[int, ...]]:
    """Shape of a record of each order parameter, of M in S of the tasks."""
    n, s = student.rows(task), int(task.R.shape[1])
    own = {"c_hat": (task.k,), "B": (task.k, n), "lam_hat": (n,)}[student.own_name]
    return {"M": (n, s), "Q": (n, n), "norms": (n,), student.own_name: own}


def coordinates(M: Floats, Q: Floats) -> Floats:
    """Rows (..., n, s + n) in S and n directions beside it, of rows known by M and Q = A Aᵀ."""
    values, vectors = np.linalg.eigh(Q - M @ M.swapaxes(-1, -2))
    rest = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    return np.concatenate([M, rest], axis=-1)


def loss(task: Task, found: Network) -> float:
    """Compute the exact squared error of a network on a task, without label noise."""
    teacher = np.zeros((task.k, found.V.shape[1]))
    teacher[:, : task.R.shape[1]] = task.R + perturbation(task)
    rows, weights = np.concatenate([teacher, found.V]), np.concatenate([task.lam, -found.lam])
    if task.law is not None:
        along = rows[:, : task.R.shape[1]] @ task.law.V.T
        none = np.zeros((len(found.V), task.rank)), np.zeros(len(rows))
        return loss_under_law(task, rows @ rows.T, none[0], weights, along, none[1])
    both, weights = task.neuron_scale * rows, task.output_scale * weights
    with callbacks.raising(task.activation.guards):
        value, _ = compiled.expected_square(task.activation.core, weights, both @ both.T)
    return float(value)


def overlap(task: Task, found: Network) -> float:
    """How much of the task's directions the rows span: the smallest singular value."""
    u = np.zeros((task.rank, found.rows.shape[1]))
    u[:, : task.a.shape[1]] = task.a
    ours, theirs = (np.linalg.qr(X.T)[0] for X in (found.rows, u))
    return float(np.linalg.svd(ours.T @ theirs, compute_uv=False)[-1])
