"""The limit d -> infinity of online SGD: ordinary differential equations for order parameters.

At rates ``lr = delta / d`` and ``lr_own = rate_own lr``, in time ``tau = lr * t``, the coordinates
P of the rows in S = span(W, u), their inner products Q and the own parameters obey the equations
in equations.py. Those of a rank-one student, with ``grad_u L = g x`` for one sample, are

    dP/dtau     = -T grad_P Phi - (delta / 2) P E[g^2] / batch,   T = (I - P P^T) Pi,
    dc_hat/dtau = -rate_c (I - c_hat c_hat^T) grad_c Phi.

The term in delta is what the normalisation of u_hat costs: a step has squared length
``lr^2 g^2 |x|^2 = (delta / d) lr g^2``, as long over many steps as the drift. c_hat has a finite
number of entries and pays nothing. The rest of u_hat has length ``sqrt(1 - |P|^2)`` and a
direction that does not matter. For frozen c_hat, u orthogonal to W and Pi on, all there is is the
overlap, ``dm/dtau = h(m) (1 - m^2) - (delta / 2) m E[g^2]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.model.task_state import check_task
from lrft.model.training import Training
from lrft.theory.cases import of_numbers, of_training, require_rank_one
from lrft.theory.equations import Equations
from lrft.theory.measure import Measure
from lrft.theory.noise_scale import NoiseScale
from lrft.theory.order_parameters import OrderParameters
from lrft.theory.population import unit_vector
from lrft.theory.student_sample import State
from lrft.theory.velocity import clip, overlap_velocity

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: Size of the sample behind what has no closed form.
SAMPLES = 2**14
#: Tolerances of the solver, relative (also that of hitting times) and absolute.
EXACT = 1e-7, 1e-9
#: Where expectations are of a sample, far below its error: relu jumps at a point of the sample, and
#: a solver that sees the jumps takes twenty times the steps.
SAMPLED = 1e-5, 1e-7
#: Numbers of a state above which the solver holds no matrix of them.
MOST_DENSE = 2000


def order_parameter_ode(
    task: Task,
    training: Training | ArrayLike | None = None,
    start: Mapping[str, Any] | float | ArrayLike | None = None,
    delta: float | None = None,
    *,
    c_hat: ArrayLike | None = None,
    horizon: float | None = None,
    train_c: bool = False,
    orthogonal: bool = True,
    rate_c: float = 1.0,
    batch: int = 1,
    records: int | None = None,
    samples: int = SAMPLES,
) -> OrderParameters:
    """Solve the limit d -> infinity of online SGD for any student.

    Parameters
    ----------
    task : Task
        Label noise counts. Its d sets ``delta = lr d``, and nothing else.
    training : Training, or array_like of shape (k,)
        What `lrft.simulate` takes, at constant rates. Or, also by the name `c_hat`, where c_hat
        starts, of norm 1 within 1e-9: a rank-one student in numbers, which `start`, `delta`,
        `horizon`, `train_c`, `orthogonal`, `rate_c` and `batch` describe.
    start : mapping, or float or array_like of shape (s,)
        Of a training: what was recorded at the start of one replica, as
        ``ds.isel(replica=0)`` of a run with ``record_parameters=True``, or a dict of ``"M"``,
        ``"Q"`` and ``"c_hat"``, ``"B"`` or ``"lam_hat"``; where the inputs have eigenvalue blocks
        ``"Q_blocks"`` in place of ``"Q"``, and where there are biases too, if it is recorded: else
        what rows have outside S is known from ``"Q"`` to about 1e-16 of the largest
        ``(b / neuron_scale)**2`` only, which is a part of it. By default the limit of the student's
        own start: given rows as they are; random ones are orthogonal to S and each other.
        Of numbers: the overlap of u_hat with u, for a u_hat orthogonal to span(W); or its
        coordinates P in the basis of ``task.R`` and ``task.a``, of norm at most 1. Where there are
        biases M has one coordinate before these, along the constant, and P of numbers has not.
    delta : float
        Of numbers: ``lr * d``, at least 0.
    c_hat : array_like of shape (k,)
        In place of `training`.
    horizon : float
        Last time ``tau = lr * t``, positive; by default that of the training's last step.
    train_c, orthogonal : bool
        Of numbers: as for the ``RankOne`` student.
    rate_c : float
        Of numbers: ``lr_c / lr``.
    batch : int
        Of numbers: samples a step; the noise term falls as 1 / batch.
    records : int
        Evenly spaced times in the result, at least 2; by default 201, or those that the training
        records.
    samples : int
        Size of the quasi-Monte Carlo sample, see Notes.

    Returns
    -------
    OrderParameters

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or norm; if `orthogonal` and P has a part in
        span(W); for a schedule; if own parameters start at random and no start is given; if the
        solver fails.

    Notes
    -----
    Mean gradients are exact, as the loss is, but for linearised students, inputs with means, and
    teachers that are no perturbed base. E[g g^T] is exact for
    erf (Saad and Solla, Phys. Rev. E 52, 4225, 1995); else the mean over a fixed scrambled Sobol
    sample in the s + n dimensions that n rows and the features see. Its standard error, from
    independent scramblings, is ``noise_error``; it enters multiplied by delta. The mean
    gradients of linearised students are of the same sample, with ``drift_error``. One evaluation
    costs ``samples * k`` activations, and ``delta = 0`` none.

    Where the velocity is zero at the start (a symmetric saddle, or B = 0 with rows orthogonal to
    S), replicas leave at random times, and no path is that of their mean.

    Examples
    --------
    Normalisation slows learning down.

    >>> import lrft
    >>> task = lrft.Task.sample(d=10**6, k=4, xi=1.0, features="orthonormal", lam=0.5)
    >>> flow, sgd = (order_parameter_ode(task, task.c, 0.0, delta, horizon=4.0)
    ...              for delta in (0.0, 1.0))
    >>> bool(0.5 < sgd.overlap_u[-1] < flow.overlap_u[-1] < 1)
    True

    Beside a replica, from where it starts:

    >>> task = lrft.Task.sample(d=10**4, k=2, activation="erf", seed=1)
    >>> student = lrft.FullNetwork(width=3, init="gaussian", lam_init="ones")
    >>> training = lrft.Training(student=student, lr=2e-5, steps=50_000, record=5,
    ...                          record_parameters=True)
    >>> ds = lrft.simulate(task, training, replicas=1)
    >>> ode = order_parameter_ode(task, training, ds.isel(replica=0))
    >>> bool(abs(ds.Q.values[0] - ode.Q).max() < 0.1)
    True
    """
    numbers = {
        "delta": delta,
        "train_c": train_c,
        "orthogonal": orthogonal,
        "rate_c": rate_c,
        "batch": batch,
    }
    return _solution(
        task,
        training if c_hat is None else c_hat,
        start,
        horizon,
        records,
        samples,
        numbers,
        noise=True,
    )


def gradient_flow(
    task: Task,
    training: Training | ArrayLike | None = None,
    start: Mapping[str, Any] | float | ArrayLike | None = None,
    *,
    c_hat: ArrayLike | None = None,
    horizon: float | None = None,
    train_c: bool = False,
    orthogonal: bool = True,
    rate_c: float = 1.0,
    records: int | None = None,
) -> OrderParameters:
    """Solve the gradient flow of the population loss, the limit delta -> 0; any student.

    Of a rank-one student it is spherical (Prop. 4): ``dm/dtau = h(m) (1 - m^2)`` for frozen
    c_hat, u orthogonal to W and Pi on.

    Parameters
    ----------
    task, training, start, c_hat, horizon, train_c, orthogonal, rate_c, records
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
    numbers = {"delta": 0.0, "train_c": train_c, "orthogonal": orthogonal, "rate_c": rate_c}
    return _solution(
        task,
        training if c_hat is None else c_hat,
        start,
        horizon,
        records,
        SAMPLES,
        numbers,
        noise=False,
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
    Of other students, ``order_parameter_ode(task, training).hitting_time(threshold)``.

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
    require_rank_one(task)
    c_hat = unit_vector("c_hat", c_hat, task.k)
    batch = checks.integer("batch", batch, 1)
    samples = checks.integer("samples", samples, 2 * NoiseScale.SCRAMBLINGS)
    if abs(start) >= threshold:
        return 0.0
    velocity = overlap_velocity(task, c_hat, NoiseScale(task, delta / batch, samples))
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


def _solution(
    task: Task,
    training: Training | ArrayLike | None,
    start: Any,
    horizon: float | None,
    records: int | None,
    samples: int,
    numbers: dict[str, Any],
    *,
    noise: bool,
) -> OrderParameters:
    """Solve for a training, or for the rank-one student that numbers describe."""
    check_task(task)
    samples = checks.integer("samples", samples, 2 * NoiseScale.SCRAMBLINGS)
    if training is None:
        raise TypeError("training must be given: a Training, or c_hat of a rank-one student")
    if isinstance(training, Training):
        case = of_training(task, training, start, numbers)
    else:
        case = of_numbers(task, training, start, numbers)
    last = case.last if horizon is None else checks.real("horizon", horizon, above=0.0)
    if last is None or not last > 0:
        raise ValueError(f"horizon must be given: the last time of the training is {last}")
    times = case.times
    if times is None or horizon is not None or records is not None:
        records = 201 if records is None else checks.integer("records", records, 2)
        times = np.linspace(0.0, last, records)
    delta = case.delta if noise else 0.0
    equations = Equations(task, case, delta, samples)
    measure = Measure(equations)
    if equations.overlap_alone:
        a = task.a[0]
        frozen = np.ravel(case.start.own)
        noise_scale = NoiseScale(task, delta / case.batch, samples)
        velocity = overlap_velocity(task, frozen, noise_scale)
        overlap = _solve(lambda _, y: velocity(y), np.array([case.start.P[0] @ a]), last)

        def state_at(tau: Floats) -> State:
            # The part of P outside span(W) is along u: there is one direction only.
            m = clip(overlap(tau)[0])
            own = np.broadcast_to(case.start.own, (len(tau), task.k, 1))
            return State(np.multiply.outer(m, a)[:, None], (1 - m**2)[:, None, None, None], own)

    else:
        noise_scale = None
        rtol, atol = EXACT if equations.sample is None else SAMPLED
        # What is left outside S as rows are learned is a part of Q, whose error it may have.
        parts = [np.full(part.shape, atol) for part in case.start]
        start = case.start
        parts[1] += rtol * np.abs(equations.frame.products(start.P, start.rest)).max()
        least = equations.packed(State(*parts))
        found = _solve(equations.velocity, equations.packed(case.start), last, (rtol, least))

        def state_at(tau: Floats) -> State:
            return equations.solved(found(tau))

    solved = state_at(times)
    own = solved.own
    states = [State(*one) for one in zip(*solved, strict=True)]
    return OrderParameters(
        time=times,
        M=solved.P,
        Q=solved.Q,
        Q_blocks=equations.frame.by_block(solved.P, solved.rest),
        own=own[..., 0] if case.student.spherical else own,
        overlap_u=np.array([measure.overlap_u(state) for state in states]),
        overlap_c=np.array([measure.overlap_c(state) for state in states]),
        delta=delta,
        noise_error=(noise_scale or equations).noise_error,
        drift_error=equations.drift_error,
        _state_at=state_at,
        _measure=measure,
    )


def _solve(
    velocity: Any, start: Floats, horizon: float, tolerances: tuple[float, Any] = EXACT
) -> Callable[[Floats], Floats]:
    from scipy.integrate import solve_ivp

    rtol, atol = tolerances
    method = "LSODA" if start.size <= MOST_DENSE else "RK45"
    try:
        with np.errstate(all="ignore"):
            found = solve_ivp(
                velocity, (0.0, horizon), start, method, dense_output=True, rtol=rtol, atol=atol
            )
    except np.linalg.LinAlgError:
        raise ValueError(
            f"the order-parameter equations diverge before horizon = {horizon:g}: take a smaller "
            "rate"
        ) from None
    if not found.success:
        raise ValueError(f"horizon = {horizon:g} is out of the solver's reach: {found.message}")
    solution: Callable[[Floats], Floats] = found.sol

    def at(tau: Floats) -> Floats:
        states = np.asarray(solution(np.ravel(tau)))
        return states.reshape(len(start), *np.shape(tau))

    return at
