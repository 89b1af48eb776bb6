"""The order-parameter ODE of a run, solved in a process of its own that can be ended.

It takes from half a second to a minute and cannot be interrupted; the curves go on meanwhile.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lrft
from lrft import theory
from lrft.explore.recipe import Recipe

__all__ = ["Limit", "Question", "Solver", "question", "solve"]

Floats = NDArray[np.float64]

#: Of the mean over samples in the ODE: an error of a few percent in its noise term.
SAMPLES = 2**12
#: Records at which the loss along the solution is worked out, which costs more than an overlap.
LOSSES = 80


@dataclass(frozen=True)
class Question:
    """An ODE to solve: that of one replica.

    Attributes
    ----------
    recipe : Recipe
    replica : int
        Whose ĉ at the start it is.
    start : float
        ⟨û,u⟩ at the start.
    """

    recipe: Recipe
    replica: int
    start: float


@dataclass(frozen=True)
class Limit:
    """A solution, at the steps that a run records.

    Attributes
    ----------
    steps, overlap : ndarray of shape (n,)
        Steps t = τ/η, and |⟨û,u⟩|.
    loss_steps, loss : ndarray of shape (m,)
        The exact loss at some of these steps.
    hit : float
        The step that reaches |⟨û,u⟩| = 0.9; inf if none does.
    """

    steps: Floats
    overlap: Floats
    loss_steps: Floats
    loss: Floats
    hit: float


def question(recipe: Recipe, overlaps: Sequence[Any]) -> Question | None:
    """Choose whose ODE is drawn: a replica in the middle, by |⟨ĉ,c⟩| at the start.

    Parameters
    ----------
    recipe : Recipe
    overlaps : sequence
        What every replica recorded of û at the start: ⟨û,u⟩ where there is such an ODE.

    Returns
    -------
    Question or None
        None for a student that has no such ODE.
    """
    student = recipe.make_student()
    if not student.single or student.linearized:
        return None
    c = recipe.make_task().c
    near = [abs(float(_start_of_c(recipe, i, c) @ c)) for i in range(len(overlaps))]
    # Equal where ĉ = c: then by the start of û.
    ranked = sorted(range(len(near)), key=lambda i: (round(near[i], 9), abs(overlaps[i])))
    middle = ranked[len(ranked) // 2]
    return Question(recipe, middle, float(overlaps[middle]))


def solve(asked: Question) -> Limit:
    """Solve the ODE, up to the last step of the run.

    Parameters
    ----------
    asked : Question

    Returns
    -------
    Limit

    Raises
    ------
    ValueError
        If the solver fails.

    Notes
    -----
    Batches and label noise count. The part of û in span(W) is projected away.
    """
    recipe = asked.recipe
    task, training = recipe.make_task(), recipe.make_training()
    lr = recipe.training["lr"]
    horizon = lr * training.steps
    flow = theory.order_parameter_ode(
        task,
        _start_of_c(recipe, asked.replica, task.c),
        asked.start,
        lr * task.d,
        horizon=horizon,
        train_c=recipe.student["train_c"],
        batch=training.batch,
        samples=SAMPLES,
    )
    steps = training.record_steps.astype(np.float64)
    times = np.minimum(steps * lr, flow.time[-1])
    overlap = flow.overlap_at(times)
    some = np.unique(np.linspace(0, len(steps) - 1, LOSSES).round().astype(int))
    loss = [_loss(task, flow, float(times[i]), float(overlap[i])) for i in some]
    return Limit(steps, np.abs(overlap), steps[some], np.array(loss), flow.hitting_time(0.9) / lr)


def _loss(task: lrft.Task, flow: theory.OrderParameters, time: float, overlap: float) -> float:
    """Work out the exact loss of the student that the solution is at a time."""
    c_hat = np.array([np.interp(time, flow.time, path) for path in flow.c_hat.T])
    return theory.population_loss(task, c_hat=c_hat / np.linalg.norm(c_hat), m=overlap)


def _start_of_c(recipe: Recipe, replica: int, c: Floats) -> Floats:
    if recipe.student["c_init"] == "teacher":
        return c
    z = lrft.normals(recipe.run["seed"], replica, 0, len(c), purpose="init_c")
    start: Floats = z / np.linalg.norm(z)
    return start


class Solver:
    """A process that solves one ODE at a time; a new question ends the work on an old one.

    Examples
    --------
    >>> from lrft.explore.limit import Solver
    >>> solver = Solver()
    >>> solver.answer() is None  # nothing was asked
    True
    >>> solver.close()
    """

    def __init__(self) -> None:
        self._context = get_context("spawn")
        self._begin()

    def _begin(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be seen
        self._busy = False

    def ask(self, asked: Question) -> None:
        """Begin to solve."""
        self.drop()
        if not self._process.is_alive():
            self._begin()
        self._pipe.send(asked)
        self._busy = True

    def drop(self) -> None:
        """Leave what is being solved; the next question waits for another process."""
        if self._busy:
            self.close()

    def answer(self) -> Limit | str | None:
        """Return a solution, or why there is none, once; None before."""
        if not self._busy:
            return None
        try:
            if not self._pipe.poll():
                return None
            answer: Limit | str = self._pipe.recv()
        except (EOFError, OSError):  # of memory, or by somebody's hand
            self.close()
            return "the process that solves it ended"
        self._busy = False
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._busy = False


def _serve(pipe: Connection) -> None:
    # Ctrl-C is for the process that asks, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import scipy.integrate  # noqa: F401  before the first question

    while True:
        try:
            asked: Any = pipe.recv()
        except (EOFError, OSError):
            return
        answer: Limit | str
        try:
            answer = solve(asked)
        except Exception as error:
            answer = str(error) or type(error).__name__
        pipe.send(answer)
