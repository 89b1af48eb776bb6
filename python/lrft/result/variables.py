"""The variables of results: their names, dimensions and definitions, one table for each kind."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, NamedTuple

from lrft.core.engine import compiled

if TYPE_CHECKING:
    from lrft.model.training import Training


class _Variable(NamedTuple):
    dims: tuple[str, ...]
    long_name: str
    definition: str


class _Statistic(NamedTuple):
    long_name: str
    definition: str
    several: bool = False  # may be more than one number
    later: bool = False  # may be missing: in files from before, or where nobody asked for it
    dims: tuple[str, ...] = ()  # of an order parameter


_RUN = ("task", "replica")

_OVERLAP_U = (
    "<û,u> for a rank-one student; for LoRA the singular values, from the largest, between the row "
    "spaces of A and u, the cosine if there is one of each; for a full network the cosines of its "
    "neurons with the teacher's"
)
_OVERLAP_C = (
    "<ĉ,c> for a rank-one student; for LoRA that of overlap_u for the columns of B and c; NaN for "
    "a full network"
)
_LOSS = (
    "E[(f̂(x) - f*(x))^2] over x ~ N(0, I_d), exact, without label noise and without a factor 1/2"
)
_TRAINING_LOSS = (
    "expectation of the loss that the training lowers, with its label noise and flips, where that "
    "is not the squared error (of which it is loss + noise^2): exact for the correlation loss, "
    f"else the mean over {compiled.fresh_samples} fresh samples, with training_loss_error"
)
_ERROR = f"standard error of training_loss over its {compiled.fresh_samples} fresh samples"
_HIT = (
    "first step, 0 included, with |overlap_u| (LoRA: the smallest singular value; full network: "
    "none) >= threshold, checked at every step; "
    "-1: censored, not reached in the steps done, which are in stop_step"
)
_AVERAGED = (
    "loss of the student whose parameters are the mean of those at all steps from `average` of the "
    "training to this one, that of the student itself before"
)
_LOSS_HIT = (
    "first recorded step with loss <= loss_threshold, checked at recorded steps only; "
    "-1: censored, not reached in the steps done, which are in stop_step"
)
_PAST = "; NaN past stop_step"
_FINAL = "at stop_step, recorded or not; NaN where diverged or not begun: "
_STATUS = (
    "converged: stop_at or stop_loss was met; finished: all steps done; "
    "diverged: squared errors, rows and own parameters of a step above 1e300 or no numbers, or a "
    "start or end with a loss that is not finite; interrupted: stopped by the user; failed: a "
    "Python function that is its activation raised, as the attribute failure says"
)

_BASIS = (
    "an orthonormal basis of S = span(W, u), the columns of Task.Q: W = Task.R Qᵀ, u = Task.a Qᵀ; "
    "of networks with biases before them the constant input, along which a row has b/neuron_scale; "
    "of a linearised student with a start of its own then that of its starting rows outside, "
    "by Gram and Schmidt in their order"
)


def _order_parameter(long_name: str, definition: str, *dims: str) -> _Statistic:
    of = "û, the rows of A, or the neurons of a full network"
    return _Statistic(long_name, f"{definition}; rows are {of}", True, True, ("row", *dims))


STATISTICS: dict[str, _Statistic] = {
    "overlap_u": _Statistic("overlap of û with u", _OVERLAP_U, several=True),
    "overlap_c": _Statistic("overlap of ĉ with c", _OVERLAP_C, several=True),
    "loss": _Statistic("population loss", _LOSS),
    "M": _order_parameter("rows in S", f"inner products of the rows with {_BASIS}", "basis"),
    "Q": _order_parameter("inner products of the rows", "A Aᵀ", "other_row"),
    "Q_blocks": _Statistic(
        "inner products of the rows in each block",
        "A_j A_jᵀ of the parts A_j of the rows in each eigenvalue block of the inputs, or of all "
        "of them where these have none, without biases; rows are û, the rows of A, or the neurons "
        "of a full network",
        True,
        True,
        ("block", "row", "other_row"),
    ),
    "norms": _order_parameter("norms of the rows", "square roots of the diagonal of Q"),
    "c_hat": _Statistic("ĉ", "own parameters of a rank-one student", True, True, ("neuron",)),
    "B": _Statistic("B", "own parameters of LoRA", True, True, ("neuron", "row")),
    "lam_hat": _order_parameter("λ̂", "output weights of a full network"),
    "biases": _order_parameter("b̂", "trained biases of a full network"),
    "training_loss": _Statistic("training loss", _TRAINING_LOSS, later=True),
    "training_loss_error": _Statistic("error of the training loss", _ERROR, later=True),
    "averaged_loss": _Statistic("population loss of the average", _AVERAGED, later=True),
}
"""What is recorded of a student: name and definition, by the name that the core has for it."""

VARIABLES: dict[str, _Variable] = {
    **{
        name: _Variable((*_RUN, "step", *one.dims), one.long_name, one.definition + _PAST)
        for name, one in STATISTICS.items()
    },
    "hit_step": _Variable((*_RUN, "threshold"), "first step at the overlap threshold", _HIT),
    "loss_hit_step": _Variable(
        (*_RUN, "loss_threshold"), "first recorded step at the loss threshold", _LOSS_HIT
    ),
    **{
        f"final_{name}": _Variable(
            (*_RUN, *one.dims), f"final {one.long_name}", _FINAL + one.definition
        )
        for name, one in STATISTICS.items()
    },
    "status": _Variable(_RUN, "how the replica ended", _STATUS),
    "stop_step": _Variable(_RUN, "steps done", "updates after which the replica stopped"),
}
"""Data variables of a result: dimensions, name, definition. Steps are counts: all units are 1."""

FIT_VARIABLES = ("train_loss", "validation_loss", "status", "stop_step", "kept_step")
"""What every result of `lrft.fit` has, beside its students; described in `lrft.fitting.dataset`."""

SEQUENCE_VARIABLES: dict[str, tuple[str, ...]] = {
    "loss": ("replica", "step", "task"),
    "overlap_u": ("replica", "step", "task"),
    "forgetting": ("replica", "task"),
    "transfer": ("replica", "task"),
    "learned_loss": ("replica", "task"),
    "learned_overlap_u": ("replica", "task"),
    "final_loss": ("replica", "task"),
    "final_overlap_u": ("replica", "task"),
    "status": ("replica",),
    "stop_step": ("replica",),
    "stage": ("step",),
    "begins": ("task",),
}
"""What every result of a sequence has, and its dimensions; described in `lrft.result.sequences`."""

COORDINATES = {
    "step": ("step", "number of updates done; one fresh batch each"),
    "replica": ("replica", "index that addresses the replica's random numbers"),
    "threshold": ("overlap threshold", "level of |overlap_u| whose first hit is in hit_step"),
    "loss_threshold": ("loss threshold", "level of loss whose first hit is in loss_hit_step"),
    "task_hash": ("content hash of the task", "sha256 of everything that defines the task"),
    "d": ("input dimension", "x ~ N(0, I_d)"),
    "k": ("neurons", "number of rows of W"),
    "xi": ("perturbation strength", "ξ in the teacher's W + ξ c u^T"),
    "activation": ("activation", "σ of base, teacher and student"),
}


def recorded(training: Training, shapes: Iterable[Container[str]]) -> list[str]:
    """List the statistics that a training records of tasks with these, by name.

    Some only where they are asked for, and there is a task that has them.
    """
    asked = {*training.recorded_parameters, *training.recorded_losses}
    there = {name for one in shapes for name in asked if name in one}
    return [name for name, one in STATISTICS.items() if not one.later or name in there]
