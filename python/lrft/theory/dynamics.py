"""The limit d -> infinity of online SGD: ordinary differential equations for the overlaps.

At rates ``lr = delta / d`` and ``lr_c = rate_c lr``, in time ``tau = lr * t``, the coordinates
P (s,) of u_hat in span(W, u) and c_hat obey

    dP/dtau     = -T grad_P Phi - (delta / 2) P E[g^2] / batch,   T = (I - P P^T) Pi,
    dc_hat/dtau = -rate_c (I - c_hat c_hat^T) grad_c Phi,

with ``grad_u L = g x`` for one sample. The term in delta is what the normalisation of u_hat costs:
a step has squared length ``lr^2 g^2 |x|^2 = (delta / d) lr g^2``, as long over many steps as the
drift. c_hat has a finite number of entries and pays nothing. The rest of u_hat has length
``sqrt(1 - |P|^2)`` and a direction that does not matter. For frozen c_hat, u orthogonal to W and
Pi on, all there is is the overlap, ``dm/dtau = h(m) (1 - m^2) - (delta / 2) m E[g^2]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.model.task_state import check_perturbed
from lrft.theory.noise_scale import NoiseScale
from lrft.theory.population import orthogonal_overlaps, unit_vector
from lrft.theory.velocity import clip, full_velocity, overlap_velocity

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: Size of the sample behind E[g^2].
SAMPLES = 2**14
#: Tolerances of the solver; the relative one is also that of hitting times.
RTOL, ATOL = 1e-7, 1e-9


@dataclass(frozen=True, eq=False)
class OrderParameters:
    """A solution of the order-parameter equations at n times.

    Attributes
    ----------
    time : ndarray of shape (n,)
        ``tau = lr * t``, from 0.
    P : ndarray of shape (n, s)
        Coordinates of u_hat in the task's basis of span(W, u).
    c_hat : ndarray of shape (n, k)
    overlap_u, overlap_c : ndarray of shape (n,)
        ``<u_hat, u>`` and ``<c_hat, c>``.
    rest : ndarray of shape (n,)
        Length of the part of u_hat outside span(W, u).
    delta : float
        ``lr * d``; 0 for the gradient flow.
    noise_error : float
        Largest standard error of E[g^2] met on the way, relative to its value.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
    >>> flow = lrft.theory.gradient_flow(task, task.c, 0.1, horizon=0.5, records=3)
    >>> flow.time.tolist(), flow.P.shape
    ([0.0, 0.25, 0.5], (3, 1))
    """

    time: Floats
    P: Floats
    c_hat: Floats
    overlap_u: Floats
    overlap_c: Floats
    rest: Floats
    delta: float
    noise_error: float
    _overlap_at: Callable[[Floats], Floats] = field(repr=False)

    def overlap_at(self, time: ArrayLike) -> Floats:
        """Interpolate <u_hat, u> at times within the horizon, to the solver's accuracy.

        Parameters
        ----------
        time : array_like of any shape
            In ``[0, time[-1]]``.

        Returns
        -------
        ndarray of the shape of `time`

        Raises
        ------
        ValueError
            If a time is outside.

        Examples
        --------
        >>> import lrft
        >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
        >>> flow = lrft.theory.gradient_flow(task, task.c, 0.1, horizon=0.5)
        >>> round(float(flow.overlap_at(0.0)), 6)
        0.1
        """
        times = np.asarray(checks.array("time", time))
        if times.size and not (times.min() >= 0 and times.max() <= self.time[-1]):
            raise ValueError(f"time must lie in [0, {self.time[-1]:g}], got {times.max():g}")
        return self._overlap_at(times)

    def hitting_time(self, threshold: float) -> float:
        """Find the first time with ``|overlap_u| >= threshold``; inf if not within the horizon.

        Parameters
        ----------
        threshold : float
            In (0, 1].

        Returns
        -------
        float
            In tau; multiply by ``d / delta`` for steps.

        Raises
        ------
        TypeError, ValueError
            If the threshold is no number in (0, 1].

        Examples
        --------
        >>> import numpy as np, lrft
        >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
        >>> flow = lrft.theory.gradient_flow(task, task.c, 0.1, horizon=1.0)
        >>> bool(abs(flow.hitting_time(0.5) - np.log(33) / 8) < 1e-4)  # odds of m^2: 1/99 to 1/3
        True
        """
        from scipy.optimize import brentq

        threshold = checks.real("threshold", threshold, above=0.0, maximum=1.0)
        fine = np.linspace(0.0, self.time[-1], 8 * len(self.time) + 1)
        reached = np.flatnonzero(np.abs(self._overlap_at(fine)) >= threshold)
        if reached.size == 0:
            return float("inf")
        if reached[0] == 0:
            return 0.0

        def gap(tau: float) -> float:
            return abs(float(self._overlap_at(np.asarray(tau)))) - threshold

        return float(brentq(gap, fine[reached[0] - 1], fine[reached[0]], xtol=1e-12))

    def __repr__(self) -> str:
        """Summarise in one line."""
        return (
            f"OrderParameters(delta={self.delta:g}, time=0..{self.time[-1]:g}, "
            f"overlap_u={self.overlap_u[0]:.4g}..{self.overlap_u[-1]:.4g}, "
            f"overlap_c={self.overlap_c[0]:.4g}..{self.overlap_c[-1]:.4g})"
        )


def order_parameter_ode(
    task: Task,
    c_hat: ArrayLike,
    start: float | ArrayLike,
    delta: float,
    *,
    horizon: float,
    train_c: bool = False,
    orthogonal: bool = True,
    rate_c: float = 1.0,
    batch: int = 1,
    records: int = 201,
    samples: int = SAMPLES,
) -> OrderParameters:
    """Solve the limit d -> infinity of online SGD (Eq. 4) at rate ``lr = delta / d``.

    Parameters
    ----------
    task : Task
        Of rank one; label noise counts. Its d plays no role.
    c_hat : array_like, shape (k,)
        Where c_hat starts, norm 1 within 1e-9.
    start : float or array_like of shape (s,)
        Where u_hat starts: its overlap with u, for a u_hat orthogonal to span(W); or its
        coordinates P in the basis of ``task.R`` and ``task.a``, of norm at most 1.
    delta : float
        ``lr * d``, at least 0.
    horizon : float
        Last time ``tau = lr * t``, positive.
    train_c, orthogonal : bool
        As for the ``RankOne`` student.
    rate_c : float
        ``lr_c / lr``.
    batch : int
        Samples a step; the noise term falls as 1 / batch.
    records : int
        Evenly spaced times in the result, at least 2.
    samples : int
        Size of the quasi-Monte Carlo sample for E[g^2], see Notes.

    Returns
    -------
    OrderParameters

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or norm; if `orthogonal` and P has a part in
        span(W); if the solver fails.

    Notes
    -----
    Drift and population gradients are exact. E[g^2] is the mean over a fixed scrambled Sobol
    sample in the s + 1 dimensions that u_hat and the features see; its standard error, from
    independent scramblings, is reported as ``noise_error``. It enters multiplied by delta / 2.
    One evaluation costs ``samples * k`` activations, and ``delta = 0`` none.

    Examples
    --------
    Normalisation slows learning down.

    >>> import lrft
    >>> task = lrft.Task.sample(d=10**6, k=4, xi=1.0, features="orthonormal", lam=0.5)
    >>> flow, sgd = (order_parameter_ode(task, task.c, 0.0, delta, horizon=4.0)
    ...              for delta in (0.0, 1.0))
    >>> bool(0.5 < sgd.overlap_u[-1] < flow.overlap_u[-1] < 1)
    True
    """
    delta = checks.real("delta", delta, minimum=0.0)
    horizon = checks.real("horizon", horizon, above=0.0)
    train_c = checks.boolean("train_c", train_c)
    orthogonal = checks.boolean("orthogonal", orthogonal)
    rate_c = checks.real("rate_c", rate_c, above=0.0)
    records = checks.integer("records", records, 2)
    _require_rank_one(task)
    c0 = unit_vector("c_hat", c_hat, task.k)
    P0 = _start(task, start, orthogonal)
    noise = _noise(task, delta, batch, samples)
    times = np.linspace(0.0, horizon, records)
    a, rho = task.a[0], task.features_rank

    if not train_c and orthogonal and task.u_orthogonal:
        velocity = overlap_velocity(task, c0, noise)
        solution = _solve(lambda _, y: velocity(y), np.array([P0 @ a]), horizon)
        m = clip(solution(times)[0])
        # The part of P outside span(W) is along u: there is one direction only.
        P = np.multiply.outer(m, a)
        C = np.tile(c0, (records, 1))

        def overlap_at(tau: Floats) -> Floats:
            return clip(solution(tau)[0])

    else:
        s = len(a)
        full = full_velocity(task, noise, rho if orthogonal else 0, rate_c if train_c else 0.0)
        solution = _solve(lambda _, y: full(y[:s], y[s:]), np.concatenate([P0, c0]), horizon)
        states = solution(times).T
        P, C = states[:, :s], states[:, s:]
        m = clip(P @ a)

        def overlap_at(tau: Floats) -> Floats:
            return clip(np.tensordot(a, solution(tau)[:s], axes=1))

    return OrderParameters(
        time=times,
        P=P,
        c_hat=C,
        overlap_u=m,
        overlap_c=C @ task.c,
        rest=np.sqrt(np.maximum(0.0, 1 - np.sum(P**2, axis=1))),
        delta=delta,
        noise_error=noise.largest_error,
        _overlap_at=overlap_at,
    )


def gradient_flow(
    task: Task,
    c_hat: ArrayLike,
    start: float | ArrayLike,
    *,
    horizon: float,
    train_c: bool = False,
    orthogonal: bool = True,
    rate_c: float = 1.0,
    records: int = 201,
) -> OrderParameters:
    """Solve the spherical gradient flow of the population loss (Prop. 4), the limit delta -> 0.

    ``dm/dtau = h(m) (1 - m^2)`` for frozen c_hat, u orthogonal to W and Pi on.

    Parameters
    ----------
    task, c_hat, start, horizon, train_c, orthogonal, rate_c, records
        As for `order_parameter_ode`.

    Returns
    -------
    OrderParameters

    Raises
    ------
    TypeError, ValueError
        As `order_parameter_ode`.

    Examples
    --------
    A single-index model in he_2 with h(m) = 4 m: the logistic equation for m^2.

    >>> import numpy as np, lrft
    >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
    >>> flow = gradient_flow(task, task.c, 0.1, horizon=0.5)
    >>> odds = np.exp(8 * flow.time) * 0.01 / 0.99
    >>> bool(np.allclose(flow.overlap_u**2, odds / (1 + odds), atol=1e-6))
    True
    """
    return order_parameter_ode(
        task,
        c_hat,
        start,
        0.0,
        horizon=horizon,
        train_c=train_c,
        orthogonal=orthogonal,
        rate_c=rate_c,
        records=records,
    )


def predicted_hitting_time(
    task: Task,
    c_hat: ArrayLike,
    threshold: float,
    *,
    start: float = 0.0,
    delta: float = 0.0,
    batch: int = 1,
    samples: int = SAMPLES,
) -> float:
    """Predict when ``|m|`` reaches a threshold, for frozen c_hat, u orthogonal to W and Pi on.

    Parameters
    ----------
    task, c_hat, delta, batch, samples
        As for `order_parameter_ode`.
    threshold : float
        In (0, 1].
    start : float
        Overlap at time 0. The default 0 is the limit of a uniform start as d grows; where
        ``h(0) = 0`` it never leaves, and ``d**-0.5`` is typical.

    Returns
    -------
    float
        ``tau = lr * t``, that is ``tau * d / delta`` steps; inf where the overlap stops short.

    Raises
    ------
    TypeError, ValueError
        As `order_parameter_ode`; also if u is not orthogonal to span(W).

    Notes
    -----
    The integral of dm / (dm/dtau), by Gauss-Legendre quadrature on 64 nodes; 0 or a change of
    sign at any of them counts as a stop. The flow needs infinite time for threshold 1.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=100, k=1, xi=1.0, features="zero", activation="he2")
    >>> round(predicted_hitting_time(task, task.c, 0.9, start=0.1), 6)
    0.755641
    """
    threshold = checks.real("threshold", threshold, above=0.0, maximum=1.0)
    start = checks.real("start", start, minimum=-1.0, maximum=1.0)
    delta = checks.real("delta", delta, minimum=0.0)
    _require_rank_one(task)
    c_hat = unit_vector("c_hat", c_hat, task.k)
    if abs(start) >= threshold:
        return 0.0
    velocity = overlap_velocity(task, c_hat, _noise(task, delta, batch, samples))
    side = np.sign(velocity(np.array([start]))[0])
    nodes, weights = np.polynomial.legendre.leggauss(64)
    # m = side * sin(angle) opens up the slow approach to threshold 1
    first, last = np.arcsin(side * start), np.arcsin(threshold)
    angles = first + (last - first) * (nodes + 1) / 2
    speeds = np.array([side * velocity(np.array([side * np.sin(t)]))[0] for t in angles])
    end = side * velocity(np.array([side * threshold]))[0]
    if side == 0 or not (speeds > 0).all() or not end > 0:
        return float("inf")
    return float((last - first) / 2 * np.sum(weights * np.cos(angles) / speeds))


# ---- parts --------------------------------------------------------------------------------------


def _noise(task: Task, delta: float, batch: int, samples: int) -> NoiseScale:
    batch = checks.integer("batch", batch, 1)
    samples = checks.integer("samples", samples, 2 * NoiseScale.SCRAMBLINGS)
    return NoiseScale(task, delta / batch, samples)


def _solve(velocity: Any, start: Floats, horizon: float) -> Callable[[Floats], Floats]:
    from scipy.integrate import solve_ivp

    found = solve_ivp(
        velocity, (0.0, horizon), start, "LSODA", dense_output=True, rtol=RTOL, atol=ATOL
    )
    if not found.success:
        raise ValueError(f"horizon = {horizon:g} is out of the solver's reach: {found.message}")
    solution: Callable[[Floats], Floats] = found.sol

    def at(tau: Floats) -> Floats:
        states = np.asarray(solution(np.ravel(tau)))
        return states.reshape(len(start), *np.shape(tau))

    return at


# ---- arguments ---------------------------------------------------------------------------------


def _require_rank_one(task: Task) -> None:
    check_perturbed(task, "the limit of infinite dimension")
    if task.rank != 1:
        raise ValueError(f"task must have rank 1, got rank {task.rank}")


def _start(task: Task, start: float | ArrayLike, orthogonal: bool) -> Floats:
    """Coordinates (s,) of u_hat at time 0."""
    a, rho = task.a[0], task.features_rank
    if np.ndim(start) == 0:
        m = checks.real("start", start)
        orthogonal_overlaps(task, m)  # refuses what is out of reach
        outside = np.where(np.arange(len(a)) < rho, 0.0, a)
        square = float(outside @ outside)
        return outside * (m / square) if square > 0 else outside
    P = checks.array("start", start, (len(a),))
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(P))
    if length > 1 + checks.UNIT_TOLERANCE:
        raise ValueError(f"start must have norm at most 1, got {length:.12g}")
    if orthogonal and np.abs(P[:rho]).max(initial=0.0) > checks.UNIT_TOLERANCE:
        raise ValueError("start must have no part in span(W) for orthogonal=True")
    return P
