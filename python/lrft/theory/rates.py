"""What learning rate the dynamics bear, and the choice behind ``lr="auto"``.

At rate ``lr = delta / d`` the overlap q of u_hat with its target obeys, as d grows,

    dq/dtau = D(q) - (delta / 2) q N(q),      tau = lr * t,

with D the pull of the population gradient and N = E[g^2] its noise (design: the normalisation of
u_hat costs half the squared length of every step; E|x|^2 is d, or what the eigenvalue blocks of the
inputs make of it). The overlap therefore passes q only if
``delta < 2 D / (q N)``, and it passes the tightest q fastest at exactly half of that.
Near a student that fits the teacher, noise vanishes with the loss and the limit is that of
squared loss in its linear regime, ``lr < E|J|^2 / E|J|^4`` with J = df_hat/d(u_hat, c_hat).
Both are estimated on one fixed Gaussian sample, so that any activation and any u will do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import checks, interrupts
from lrft.core.engine import compiled
from lrft.model.task_state import check_no_link
from lrft.theory.drift import drift
from lrft.theory.euclidean_rates import Limit, euclidean_limits
from lrft.theory.population import perturbation, unit_vector
from lrft.theory.sampled import Gradients, SampledGradient

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: The share of the limit that "auto" takes: the fastest passage of the tightest point (above).
FRACTION = 0.5
#: The same for linearised LoRA and full networks, whose limit is that of the linear regime. They
#: never fit the teacher, so the noise stays: at a share r of that limit the loss ends a share of
#: about r / (1 - r) above its least. (The limit of a rank-one student counts this noise already.)
LINEARIZED_FRACTION = 0.1
#: Overlaps at which a frozen c_hat is examined; up to the last default threshold.
OVERLAPS = (0.25, 0.6, 0.85, 0.95)
#: A random c_hat that is trained has moved towards c by the time q is beyond these.
EARLY_OVERLAPS = (0.25, 0.6)
SAMPLES, DRAWS = 4096, 5
#: Enough to see that a given rate is this many times the limit; what it costs every run counts.
ROUGH_SAMPLES, FAR = 256, 10.0
#: A pull below this many standard errors counts as none.
RESOLVED = 3.0


def stability_limit(task: Task, student: Any, *, batch: int = 1, samples: int = SAMPLES) -> float:
    """Find the rate above which a student stalls, or diverges, before it has learned.

    Parameters
    ----------
    task : Task
    student : RankOne, LoRA or FullNetwork
        Everything but given rates matters; an own rate of B or the output weights leaves these
        out of account.
    batch : int
        Samples a step.
    samples : int
        Of the estimate, whose cost goes with them; ``lr="auto"`` takes as many as by default.

    Returns
    -------
    float
        For RankOne the smallest of: the rate at which noise balances the pull somewhere between
        the start and overlap 0.95, for c_hat as the student starts it (the median over five draws
        if it is random); and, if c_hat is trained or the right one, the same with c_hat = c and
        the limit of the linear regime at the teacher. For the others the smallest of: the limit
        of the linear regime, from J = df_hat/d(parameters), at the start and, unless
        linearised, at the teacher; and for LoRA the rate at which noise balances the pull of the
        leading row between overlap 0.25 and 0.95.

    Raises
    ------
    ValueError
        If u lies in span(W) and is projected away, or the gradient vanishes (a linearised
        student whose base has no slope), or the numbers leave the range of float64, and for
        another student.

    Examples
    --------
    The limit falls as 1 / d.

    >>> import lrft
    >>> student = lrft.RankOne(train_c=True)
    >>> limits = [stability_limit(lrft.Task.sample(d=d, k=4, features="orthonormal"), student)
    ...           for d in (10**3, 10**5)]
    >>> bool(80 < limits[0] / limits[1] < 125)
    True
    """
    return _tightest(task, student, batch, checks.integer("samples", samples, 1)).lr


def auto_lr(task: Task, student: Any, *, batch: int = 1) -> tuple[float, str]:
    """Choose the rate for ``lr="auto"``: half of `stability_limit`, to two digits.

    A tenth for a linearised LoRA or full network, whose noise does not end with its learning.

    Parameters
    ----------
    task : Task
    student : RankOne, LoRA or FullNetwork
    batch : int
        Samples a step.

    Returns
    -------
    lr : float
        For u_hat, A or the rows, and for c_hat, B or the output weights without a rate of their
        own.
    reasoning : str
        One line for the log and the record of the run.

    Raises
    ------
    ValueError
        As `stability_limit`.

    Examples
    --------
    >>> import lrft
    >>> lr, reasoning = auto_lr(lrft.Task.sample(d=1000, k=4), lrft.RankOne())
    >>> 1e-5 < lr < 1e-1
    True
    """
    limit = _tightest(task, student, batch, SAMPLES)
    stays = student.linearized and not student.spherical
    fraction = LINEARIZED_FRACTION if stays else FRACTION
    lr = _two_digits(fraction * limit.lr)
    return lr, (
        f"lr = {lr:g} (delta = lr d = {lr * task.d:.3g}), {fraction:g} of the stability limit "
        f"{limit.lr:.3g}: above it {limit.cause}; estimated from {SAMPLES} samples"
    )


def far_above(task: Task, student: Any, lr: float, *, batch: int = 1) -> str | None:
    """Say so if a rate is over ten times the limit of the linear regime.

    That limit is no less than `stability_limit`, takes no search, and a small sample will do.

    Parameters
    ----------
    task, student, batch
        As for `stability_limit`; they fit each other.
    lr : float

    Returns
    -------
    str or None
        A sentence; none where there is no limit either, for a teacher that is no perturbed base.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=1000, k=4)
    >>> far_above(task, lrft.RankOne(), 1e-5) is None
    True
    """
    if task.link is not None:
        return None
    try:
        with np.errstate(all="ignore"):
            limit = _linear_regime(task, student, batch)
    except (ArithmeticError, ValueError):  # its numbers leave the range of float64
        return None
    if not lr > FAR * limit:
        return None
    return (
        f"lr = {lr:g} is far above the stability limit of this task and student, which is below "
        f"{limit:.2g}: it may stall or diverge before it learns; lr='auto' stays below the limit"
    )


def _linear_regime(task: Task, student: Any, batch: int) -> float:
    """Estimate the limit of the linear regime, infinite where nothing moves."""
    if not student.spherical:
        found = euclidean_limits(student, task, batch, ROUGH_SAMPLES)
        return min((one.lr for one in found), default=math.inf)
    direction = task.a[0].copy()
    direction[: task.features_rank if student.orthogonal else 0] = 0.0
    if not direction.any():
        return math.inf
    sampled = SampledGradient(task, direction / np.linalg.norm(direction), ROUGH_SAMPLES)
    return _Rule(task, student, sampled, batch).linear_regime(task.c).lr


# ---- the limits --------------------------------------------------------------------------------


def _tightest(task: Task, student: Any, batch: int, samples: int) -> Limit:
    try:
        with np.errstate(all="ignore"):
            limit = _worked_out(task, student, batch, samples)
    except ArithmeticError:  # squares of Python's floats
        limit = None
    if limit is None or not 0.0 < limit.lr < math.inf:
        raise ValueError(
            "lr='auto' cannot be worked out, its numbers leave the range of float64: give a rate, "
            "or a task in other units"
        )
    return limit


def _worked_out(task: Task, student: Any, batch: int, samples: int) -> Limit:
    check_no_link(task, "lr='auto'")
    batch = checks.integer("batch", batch, 1)
    if not getattr(student, "spherical", False):
        limits = euclidean_limits(student, task, batch, samples)
        limits = [limit for limit in limits if np.isfinite(limit.lr)]
        if not limits:
            raise ValueError("lr='auto' has nothing to go by, the gradient vanishes: give a rate")
        return min(limits)
    c, direction = _target(task, student.orthogonal)
    sampled = SampledGradient(task, direction, samples)
    rule = _Rule(task, student, sampled, batch)
    draws, name = _starts(task, student, c)
    starts_at_c = np.allclose([abs(c_hat @ c) for c_hat in draws], 1, rtol=0, atol=1e-9)
    fits = (student.train_c or starts_at_c) and not rule.linearized

    found = []
    overlaps = EARLY_OVERLAPS if student.train_c else OVERLAPS
    limits = [limit for c_hat in draws if (limit := rule.passage(c_hat, overlaps, name))]
    if limits:
        limits.sort()
        found.append(limits[(len(limits) - 1) // 2])
    if fits or not found:
        at_c = rule.passage(c, OVERLAPS, "c_hat = c")
        if at_c:
            found.append(at_c)
    if fits or not found:
        found.append(rule.linear_regime(c))
    tightest = min(found)
    if not np.isfinite(tightest.lr):
        raise ValueError("lr='auto' has nothing to go by, the gradient vanishes: give a rate")
    return tightest


class _Rule:
    """The two limits for one task, student and sample."""

    def __init__(self, task: Task, student: Any, sampled: SampledGradient, batch: int) -> None:
        self.task, self.sampled, self.batch = task, sampled, batch
        self.train_c, self.orthogonal = bool(student.train_c), bool(student.orthogonal)
        self.linearized = bool(getattr(student, "linearized", False))

    def at(self, c_hat: Floats, overlap: float) -> Gradients:
        return self.sampled.at(c_hat, overlap, linearized=self.linearized)

    def passage(self, c_hat: Floats, overlaps: tuple[float, ...], name: str) -> Limit | None:
        """Where noise would hold q back, from the start to the first q without a pull."""
        first = self.at(c_hat, overlaps[0])
        if first.pull(overlaps[0]).mean() < 0:  # (-u_hat, -c_hat) is the same student
            c_hat = -c_hat
            first = self.at(c_hat, overlaps[0])
        start = 1 / np.sqrt(self.task.d)
        limits = []
        for q in (start, *overlaps):
            state = first if q == overlaps[0] else self.at(c_hat, q)
            pull = state.pull(q)
            strength = float(pull.mean())
            if not strength > RESOLVED * float(pull.std()) / np.sqrt(pull.size):
                if q != start:
                    break
                # h vanishes at 0 for single-index models of exponent > 1: use the exact one
                strength = self.exact_pull(c_hat, q)
                if not strength > 0:
                    continue
            noise = float(state.squared_scale.mean()) / self.batch
            delta = 2 * strength / (q * noise) if noise > 0 else np.inf
            by_noise = delta / self.sampled.square
            limits.append(
                Limit(
                    self._not_too_stiff(by_noise, state),
                    f"noise outweighs the pull at overlap {q:.2g} ({name})",
                )
            )
        return min(limits) if limits else None

    def exact_pull(self, c_hat: Floats, q: float) -> float:
        """D(q) from the drift where that is defined, else 0."""
        task = self.task
        free = task.features_rank > 0 and not self.orthogonal
        other = task.biases is not None or task.inputs is not None
        if self.linearized or free or other or task.rank > 1 or not task.u_orthogonal:
            return 0.0
        return float(drift(task, c_hat, q)) * (1 - q * q)

    def linear_regime(self, c: Floats) -> Limit:
        """Squared loss near the teacher: every sample must on average shrink the error."""
        state = self.at(c, 1.0)
        squared = self._length(state)
        fourth = float((squared**2).mean())
        by_noise = self.batch * float(squared.mean()) / fourth if fourth > 0 else np.inf
        return Limit(self._not_too_stiff(by_noise, state), "errors grow near the teacher")

    def _length(self, state: Gradients) -> Floats:
        """|J|^2 of each sample; |x|^2 is its mean to good accuracy."""
        return self.sampled.square * state.slope**2 + (
            state.squared_slope_c if self.train_c else 0.0
        )

    def _not_too_stiff(self, by_noise: float, state: Gradients) -> float:
        """Large batches leave the limit of plain gradient descent, curvature 2 E[J J^T]."""
        curvature = self.sampled.steepest * float(np.mean(state.slope**2))
        if self.train_c:
            curvature += float(np.mean(state.squared_slope_c))
        rate = 1 / by_noise + curvature
        return 1 / rate if rate > 0 else np.inf


def _target(task: Task, orthogonal: bool) -> tuple[Floats, Floats]:
    """Find c and the coordinates of what u_hat can find, the leading singular pair."""
    change = perturbation(task)
    if orthogonal:
        change[:, : task.features_rank] = 0.0
    left, singular, right = interrupts.aside(np.linalg.svd, change, full_matrices=False)
    if not singular[0] > 1e-12 * task.xi:
        raise ValueError("u lies in span(W), where an orthogonal student cannot go: give a rate")
    return left[:, 0], right[0]


def _starts(task: Task, student: Any, c: Floats) -> tuple[list[Floats], str]:
    """List the c_hat that the student may start from: the given one or a few draws."""
    if not isinstance(student.c_init, str):
        return [unit_vector("c_init", student.c_init, task.k)], "c_hat as given"
    if student.c_init == "teacher":
        return [c], "c_hat = c"
    draws = []
    for i in range(DRAWS):
        z = np.asarray(compiled.normals(0, i, compiled.purposes["init_c"], 0, task.k))
        if student.c_init == "quantized":
            z = np.where(z < 0, -1.0, 1.0)
        draws.append(z / np.linalg.norm(z))
    return draws, "median over random c_hat"


def _two_digits(value: float) -> float:
    """Round down to two significant digits, so that rounding errors do not show."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.floor(value / unit) * unit:.1e}")
