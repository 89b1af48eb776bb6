"""What the order-parameter equations are solved for: a student, where it starts, and its rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrft.base import checks
from lrft.model.loss import Loss, name_of
from lrft.model.schedule import Constant, Schedule, ScheduleModel
from lrft.model.students import RankOne, StudentModel
from lrft.model.task_state import check_no_link, check_standard
from lrft.model.training import Training, check_compatible
from lrft.theory import pulls
from lrft.theory.frame import frame
from lrft.theory.population import orthogonal_overlaps, unit_vector
from lrft.theory.rates import auto_lr
from lrft.theory.student_sample import State

if TYPE_CHECKING:
    from lrft.model.task import Task

Floats = NDArray[np.float64]

#: Of recorded inner products with those of the rows that they belong to.
TOLERANCE = 1e-8


class Case(NamedTuple):
    """A student in the limit d -> infinity."""

    student: StudentModel
    start: State
    delta: float
    rates: tuple[float, float]  #: of rows and own parameters, in units of lr
    batch: int
    last: float | None  #: time of the last step
    times: Floats | None  #: of the records
    loss: Loss = "squared"


#: Fields of a training of which the equations know; a student says which of its own.
_KNOWN = {
    *("student", "lr", "steps", "batch", "loss", "stop_at", "stop_loss"),
    *("record", "thresholds", "loss_thresholds", "record_parameters"),
}


def refuse_unknown(training: Training) -> None:
    """Refuse what the equations know nothing of: fields that are not as by default."""
    student = training.student
    if student.in_equations is None:
        raise ValueError(
            f"the order-parameter equations know nothing of the student {type(student).__name__}"
        )
    if name_of(training.loss) not in pulls.KNOWN:
        raise ValueError(
            f"the order-parameter equations know nothing of this loss, got loss={training.loss!r}"
        )
    for model, known in ((training, _KNOWN), (student, student.in_equations)):
        for field in model._differing():
            if field not in known:
                raise ValueError(
                    f"the order-parameter equations know nothing of {field}, got "
                    f"{field}={getattr(model, field)!r}"
                )


def of_training(task: Task, training: Training, start: Any, numbers: Mapping[str, Any]) -> Case:
    """Take what `lrft.simulate` takes; `numbers` are for another form of the question."""
    check_compatible(task, training)
    refuse_unknown(training)
    defaults = {"delta": (None, 0.0), "batch": (1,), "train_c": (False,), "rate_c": (1.0,)}
    for name, value in numbers.items():
        if value not in defaults.get(name, (True,)):
            raise ValueError(f"{name} is for a student in numbers; it is that of the training here")
    student = training.student
    lr = training.lr
    if isinstance(lr, str):
        if training.loss != "squared":
            raise ValueError(
                "lr='auto' is from the stability limit of the squared error: give a rate for "
                f"loss={training.loss!r}"
            )
        lr, _ = auto_lr(task, student, batch=training.batch)
    rows, own = student.rates(lr)
    lr = _constant("lr", lr)
    if not lr > 0:
        raise ValueError(f"lr must be positive for the order-parameter equations, got {lr}")
    return Case(
        student,
        _start_of(task, student, start),
        lr * task.d,
        (_constant("lr", rows) / lr, _constant(student.own_rate, own) / lr),
        training.batch,
        training.steps * lr,
        np.asarray(training.record_steps * lr, dtype=np.float64),
        training.loss,
    )


def _constant(name: str, rate: float | Schedule) -> float:
    if isinstance(rate, Constant):
        return float(rate.rates(0, 1)[0])
    if isinstance(rate, ScheduleModel):
        raise ValueError(f"{name} must be constant for the order-parameter equations, got {rate!r}")
    return rate


def _start_of(task: Task, student: StudentModel, start: Any) -> State:
    """Take the recorded start of a replica, or the limit of the student's own."""
    n, s = student.rows(task), task.R.shape[1] + student.biased(task)
    own_shape = (n,) if student.network else (task.k, n)
    inside = s + n if student.start_of_its_own else s
    if start is None:
        return _own_start(task, student, own_shape)
    blocks, name = task.law is not None and task.law.blocks is not None, student.own_name
    products = "Q_blocks" if blocks else "Q"
    try:
        # Q has what rows have along the constant: large biases take the digits of all else.
        if student.biased(task) and "Q_blocks" in start:
            blocks, products = True, "Q_blocks"
        M, Q, own = (_first(start[key]) for key in ("M", products, name))
    except (KeyError, TypeError, IndexError):
        raise TypeError(
            f"start must have 'M', {products!r} and {name!r}, as one replica of a run with "
            f"record_parameters=True has them, got {checks.describe(start)}"
        ) from None
    P = checks.array("start['M']", M, (n, inside))
    seen = frame(task, student.biased(task), inside - s)
    parts = (len(seen.variances), n, n)
    Q = checks.array(f"start[{products!r}]", Q, parts[0 if blocks else 1 :]).reshape(parts)
    shape = (n,) if student.network else np.shape(own)
    own = checks.array(f"start[{name!r}]", own, shape).reshape(own_shape)
    state = State(P, Q - (seen.by_block(P, np.zeros_like(Q)) if blocks else P @ P.T), own)
    _check_start(task, student, state, products, float(np.abs(Q).max()))
    return state


def _check_start(
    task: Task, student: StudentModel, start: State, name: str, largest: float
) -> None:
    """Refuse rows that are shorter than their parts in S, and a start that is none."""
    rest = np.linalg.eigvalsh(start.rest)
    size = max(1.0, largest)
    if rest.min() < -TOLERANCE * size:
        raise ValueError(
            f"start[{name!r}] must be at least M Mᵀ: the rows are longer than their parts"
        )
    if not student.linearized or student.spherical:
        return
    moved = rest.max()
    if not student.start_of_its_own:  # expanded around the base
        moved = max(moved, float(np.abs(start.P - frame(task, student.biased(task)).R).max()))
    if moved > TOLERANCE * size:
        raise ValueError("start must be that of step 0, where a linearised student is expanded")


def _first(values: Any) -> Any:
    """Of recorded values, those at the first step."""
    if "step" in getattr(values, "dims", ()):
        values = values.isel(step=0)
    return np.asarray(values)


def _own_start(task: Task, student: StudentModel, own_shape: tuple[int, ...]) -> State:
    n, s = student.rows(task), task.R.shape[1]
    spec = student.specification(task, ambient=False)
    if spec.init_own != "given":
        raise ValueError(
            f"start must be given: the own parameters of {student!r} start at random, each "
            "replica's elsewhere"
        )
    own = np.asarray(spec.own).reshape(own_shape)
    if spec.init_rows == "given":
        P, L = np.reshape(spec.rows_S, (n, s)), np.reshape(spec.rows_rest, (-1, n, n))
    else:
        P, std = np.zeros((n, s)), task.d**-0.5 if student.spherical else spec.rows_std
        L = np.multiply.outer(std * np.sqrt(task.d * frame(task, False).shares), np.eye(n))
    if student.biased(task):  # along the constant
        P = np.column_stack([spec.biases if spec.biases.size else np.zeros(n), P])
    if student.start_of_its_own:  # S has all that the rows have
        P, L = np.concatenate([P, L[0]], axis=1), np.zeros_like(L)
    return State(P, L @ np.swapaxes(L, -1, -2), own)


# ---- a rank-one student in numbers --------------------------------------------------------------


def of_numbers(task: Task, c_hat: ArrayLike, start: Any, numbers: Mapping[str, Any]) -> Case:
    """Take c_hat, an overlap or coordinates, and rates."""
    delta = checks.real("delta", numbers["delta"], minimum=0.0)
    train_c = checks.boolean("train_c", numbers["train_c"])
    orthogonal = checks.boolean("orthogonal", numbers["orthogonal"])
    rate_c = checks.real("rate_c", numbers["rate_c"], above=0.0)
    batch = checks.integer("batch", numbers.get("batch", 1), 1)
    require_rank_one(task)
    c0 = unit_vector("c_hat", c_hat, task.k)
    student = RankOne(train_c=train_c, orthogonal=orthogonal, c_init=c0)
    P = _coordinates(task, start, orthogonal)
    if student.biased(task):
        P = np.append(0.0, P)
    rest = max(0.0, 1.0 - float(P @ P))
    state = State(P[None], np.full((1, 1, 1), rest), c0[:, None])
    return Case(student, state, delta, (1.0, rate_c), batch, None, None)


def require_rank_one(task: Task) -> None:
    """Refuse teachers of higher rank, those that are no perturbed base, and a law of inputs."""
    check_no_link(task, "the equation of one overlap")
    check_standard(task, "the equation of one overlap")
    if task.rank != 1:
        raise ValueError(f"task must have rank 1, got rank {task.rank}")


def _coordinates(task: Task, start: Any, orthogonal: bool) -> Floats:
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
