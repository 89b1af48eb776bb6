"""The stability limit of students that move in flat space: LoRA and full networks.

With J = df_hat/d(parameters), a step on one sample changes its error by the factor
1 - 2 lr |J|^2, and on average over fresh samples shrinks the error where

    lr < E|J_p|^2 / E[|J_p|^2 |J|^2]        (linear regime; |x|^2 is E|x|^2 to good accuracy)

for errors in either part p of the parameters, rows or own. It must hold where the student starts
and where it fits. LoRA fits
with factors A_l = a_l (right singular vector), B_l = b_l (left one) of the perturbation over
`scale`, a_l b_l the singular value; gradient flow conserves a_l^2 - b_l^2, which gives both from
the start; on the sphere a_l = 1. On the way, at overlap q of the leading pair, the strength is q
times the full one; the direction of the row A_1 of length a turns by lr D / a against half the
square of the noise,

    lr < 2 D a / (q N E|x|^2),       D the pull, N = E[g^2], dL/dA_1 = g x,

the limit of the rank-one student with a = 1. E|x|^2 is d, or what the eigenvalue blocks of the
inputs make of it, in which rows that are drawn lie as a random direction does. All expectations are
over one fixed sample.
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft.base import interrupts
from lrft.core.engine import compiled
from lrft.model.students import FullNetwork, LoRA, StudentModel
from lrft.theory.first_gradient import started
from lrft.theory.frame import frame
from lrft.theory.sampled import SEED

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

AT_START, AT_TEACHER = "errors grow near the start", "errors grow near the teacher"
OVERLAPS = (0.25, 0.6, 0.85, 0.95)
#: A pull below this many standard errors counts as none.
RESOLVED = 3.0
#: Of random own parameters at the start; the tightest counts.
DRAWS = 5


class Limit(NamedTuple):
    """A rate that the dynamics do not bear, and what sets it."""

    lr: float
    cause: str


class Sample:
    """A task on one Gaussian sample: x in S, and in n directions outside in every block."""

    def __init__(self, task: Task, student: StudentModel, samples: int) -> None:
        self.frame = frame(task, student.biased(task))
        scales = np.repeat(np.sqrt(self.frame.variances), student.rows(task))
        n = len(scales)
        size = self.frame.normals + n
        normals = compiled.normals(SEED, 0, compiled.purposes["inputs"], 0, samples * size)
        normals = np.asarray(normals).reshape(samples, size)
        X, shifts = self.frame.inputs(normals[:, : size - n])
        self.task, self.X = task, np.concatenate([X, scales * normals[:, size - n :]], axis=1)
        #: E|x|^2, and the largest variance outside S.
        self.square = task.d * self.frame.variance
        self.steepest = float(self.frame.variances.max())
        self.base = X @ self.frame.R.T  # (samples, k)
        moved = self.base + X @ self.frame.change.T
        labels = task.output_scale * (task.activation(task.neuron_scale * moved) @ task.lam)
        self.labels = labels + shifts

    def lora(self, student: LoRA, rows: Floats, B: Floats) -> tuple[Floats, Floats, Floats]:
        """|J|^2 over E|x|^2 of A and |J|^2 of B, (samples,); the residual, and df_hat/d(A_1 x)."""
        task = self.task
        fields = self.X @ rows.T
        z = task.neuron_scale * (self.base + student.scale * fields @ B.T)
        value, slope = task.activation.evaluate(z)
        by_neuron = slope * (task.output_scale * task.neuron_scale * student.scale * task.lam)
        by_row = by_neuron @ B  # (samples, r)
        residual = task.output_scale * (value @ task.lam) - self.labels
        of_B = np.einsum("ni,ni->n", by_neuron, by_neuron) * np.einsum("nr,nr->n", fields, fields)
        return np.stack([np.einsum("nr,nr->n", by_row, by_row), of_B]), residual, by_row

    def full(self, rows: Floats, lam: Floats) -> Floats:
        """|J|^2 over E|x|^2 of the rows and |J|^2 of the output weights, (2, samples)."""
        task = self.task
        value, slope = task.activation.evaluate(task.neuron_scale * self.X @ rows.T)
        by_row = slope * (task.output_scale * task.neuron_scale * lam)
        hidden = task.output_scale * value
        return np.stack([np.einsum("ni,ni->n", p, p) for p in (by_row, hidden)])


@singledispatch
def euclidean_limits(student: object, task: Task, batch: int, samples: int) -> list[Limit]:
    """All limits of the rate of a Euclidean student; some may be infinite."""
    raise ValueError(
        "lr='auto' is defined for RankOne, LoRA and FullNetwork, not "
        f"{type(student).__name__}: give a rate"
    )


def _linear_regime(sample: Sample, squares: Floats, batch: int, cause: str) -> Limit:
    """Bound the rate by |J|^2 of rows, over E|x|^2, and own parameters; 0 if they do not move."""
    weights = np.array([[sample.square], [1.0]])
    length = (weights * squares).sum(axis=0)
    limits = []
    for part in squares:
        fourth = float((part * length).mean())
        if fourth > 0:
            # Large batches leave the limit of plain gradient descent, curvature E[J J^T].
            by_noise = batch * float(part.mean()) / fourth
            curvature = float((squares.mean(axis=1) * [sample.steepest, 1.0]).sum())
            limits.append(1 / (1 / by_noise + curvature))
    return Limit(min(limits, default=np.inf), cause)


@euclidean_limits.register(FullNetwork)
def _full(student: FullNetwork, task: Task, batch: int, samples: int) -> list[Limit]:
    rows, draws = _start(task, student)
    sample = Sample(task, student, samples)
    trained = np.array([[1.0], [float(student.train_lam and student.lr_lam is None)]])
    found = [
        _linear_regime(sample, trained * sample.full(rows, lam), batch, AT_START) for lam in draws
    ]
    if not student.linearized:  # whatever it comes from, the teacher is one network that fits
        T = sample.frame.teacher
        teacher = np.pad(T, ((0, 0), (0, rows.shape[1] - T.shape[1])))
        squares = trained * sample.full(teacher, task.lam)
        found.append(_linear_regime(sample, squares, batch, AT_TEACHER))
    return found


@euclidean_limits.register(LoRA)
def _lora(student: LoRA, task: Task, batch: int, samples: int) -> list[Limit]:
    rows, draws = _start(task, student)
    n = student.rank
    starts = [own.reshape(task.k, n) for own in draws]
    sample = Sample(task, student, samples)
    if student.takes_start_off:
        sample.base -= student.scale * sample.X @ rows.T @ starts[0].T
    trained = np.array(
        [[float(student.train_a)], [float(student.train_b and student.lr_b is None)]]
    )
    found = [
        _linear_regime(sample, trained * sample.lora(student, rows, B)[0], batch, AT_START)
        for B in starts
    ]
    if student.linearized or student.takes_start_off or not (student.train_a and student.train_b):
        return found
    change = sample.frame.change / student.scale
    s = change.shape[1]
    left, size, right = interrupts.aside(np.linalg.svd, change, full_matrices=False)
    count = min(n, task.rank, len(size))
    conserved = float(
        np.mean((rows**2).sum(axis=1)) - np.mean([(B**2).sum(axis=0) for B in starts])
    )

    def at(q: float) -> tuple[Floats, Floats]:
        """Turn the first rows to overlap q with the singular vectors, at q times the strength."""
        A, C = rows.copy(), np.zeros((task.k, n))
        for j in range(count):
            strength = q * size[j]
            squared = (conserved + np.sqrt(conserved**2 + 4 * strength**2)) / 2
            if student.sphere:
                squared = 1.0
            A[j] = 0.0
            A[j, :s] = q * right[j]
            A[j, s + j :: n] = np.sqrt(1 - q * q) * np.sqrt(sample.frame.shares)
            A[j] *= np.sqrt(squared)
            C[:, j] = left[:, j] * strength / np.sqrt(squared)
        return A, C

    squares, _, _ = sample.lora(student, *at(1.0))
    found.append(_linear_regime(sample, trained * squares, batch, AT_TEACHER))
    for q in OVERLAPS:
        A, C = at(q)
        _, residual, by_row = sample.lora(student, A, C)
        length = float(np.linalg.norm(A[0]))
        target, field = sample.X[:, :s] @ right[0], sample.X @ A[0] / length
        pull = -2 * residual * by_row[:, 0] * (target - q * field)
        strength = float(pull.mean())
        if not strength > RESOLVED * float(pull.std()) / np.sqrt(pull.size):
            continue
        noise = float((4 * (residual**2 + task.noise**2) * by_row[:, 0] ** 2).mean()) / batch
        if noise > 0:
            limit = 2 * strength * length / (q * noise * sample.square)
            found.append(Limit(limit, f"noise outweighs the pull at overlap {q:.2g}"))
    return found


def _start(task: Task, student: StudentModel) -> tuple[Floats, list[Floats]]:
    """Coordinates (n, s + J n) of the rows at step 0; the own parameters, some draws if random."""
    spec = student.specification(task, ambient=False)
    n, s = spec.rows, task.R.shape[1]
    shares = frame(task, False).shares
    if spec.init_rows == "given":
        parts = [spec.rows_S.reshape(n, s), *spec.rows_rest.reshape(-1, n, n)]
        rows = np.concatenate(parts, axis=1)
    else:  # nearly orthogonal to S and to each other
        length = spec.rows_std * np.sqrt(task.d)
        outside = [length * np.sqrt(share) * np.eye(n) for share in shares]
        rows = np.concatenate([np.zeros((n, s)), *outside], axis=1)
    if student.worked_out_start:  # of the population, whatever the samples, where that is known
        centred = task.law is None or task.law.centred
        population = student.replace(start_samples=None) if centred else student
        start = started(task, population, ambient=False, seed=0, replica=0)
        beside = start.rows[:, s:]
        if beside.shape[1] > n:
            beside = np.linalg.qr(beside.T)[1].T
        rows = np.concatenate([start.rows[:, :s], beside], axis=1)
        rows = np.pad(rows, ((0, 0), (0, s + n * len(shares) - rows.shape[1])))
        return rows, [start.own]
    if student.biased(task):
        rows = np.column_stack([spec.biases if spec.biases.size else np.zeros(n), rows])
    _, (_, shape), *_ = student.parameters(task).values()
    if spec.init_own == "given":
        return rows, [spec.own]
    draws = []
    for i in range(DRAWS):
        own = np.asarray(compiled.normals(0, i, compiled.purposes["init_c"], 0, math.prod(shape)))
        if spec.init_own == "signs":
            own = np.where(own < 0, -1.0, 1.0)
        draws.append(spec.own_std * own)
    return rows, draws
