"""Both stages of the algorithm until a wanted loss is met: `fine_tune`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrft import theory
from lrft.algorithm import recovery
from lrft.base import checks
from lrft.core import callbacks
from lrft.core.engine import compiled
from lrft.model import schedule
from lrft.model.sizes import Sizes
from lrft.model.training import RankOne, Training, check_compatible
from lrft.run import chains, describe
from lrft.theory import population

if TYPE_CHECKING:
    from lrft.model.task import Task

__all__ = ["FineTuned", "Stage", "fine_tune"]

Floats = NDArray[np.float64]

#: Rounds are without progress if they leave the loss above this share of what it was.
PROGRESS = 0.97
RECORDS = 65  # looks at the loss in a round
#: Replicas of one attempt: the start, then a round each.
REPLICAS = 256


class Stage(NamedTuple):
    """One stage of one round of `fine_tune`, as it ended.

    Attributes
    ----------
    attempt, round : int
        Counted from 0.
    stage : {"u", "c"}
        Online SGD, or regression.
    samples : int
        Spent in this stage.
    lr : float
        Rate at the start of the round; nan for the regression.
    overlap_u, overlap_c : float
    loss : float
        Exact population loss.

    Examples
    --------
    >>> from lrft import Stage
    >>> Stage(0, 0, "c", 2000, float("nan"), 0.9, 1.0, 0.01).samples
    2000
    """

    attempt: int
    round: int
    stage: str  #: "u": online SGD; "c": regression
    samples: int
    lr: float  #: at the start of the round; nan for the regression
    overlap_u: float
    overlap_c: float
    loss: float  #: exact population loss


@dataclass(frozen=True, eq=False, repr=False)
class FineTuned:
    """The student that `fine_tune` found, and what it cost.

    Attributes
    ----------
    converged : bool
        Whether ``loss <= target``.
    loss, target : float
        Exact population loss, and ``eps * scale``.
    scale : float
        What the loss is relative to, ``E[f*^2]`` or ``Var f*``.
    P : ndarray of shape (s,)
        Coordinates of u_hat in the task's basis of span(W, u).
    rest : float
        Length of the part of u_hat outside that span.
    c_hat : ndarray of shape (k,)
    overlap_u, overlap_c : float
        Both may be negative: (-u_hat, -c_hat) is the same student.
    samples : int
        Spent in all, failed attempts included.
    attempts : int
    history : tuple of Stage

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=200, k=4, features="orthonormal", activation="he3", seed=1)
    >>> lrft.fine_tune(task, eps=0.5).relative_loss <= 0.5
    True
    """

    converged: bool
    loss: float
    target: float
    scale: float
    P: Floats
    rest: float
    c_hat: Floats
    overlap_u: float
    overlap_c: float
    samples: int
    attempts: int
    history: tuple[Stage, ...] = field(default=())

    @property
    def relative_loss(self) -> float:
        """Loss over ``scale``."""
        return self.loss / self.scale

    def __repr__(self) -> str:
        """Summarise in one line."""
        word = "converged" if self.converged else "not converged"
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return (
            f"FineTuned({word}: relative loss {self.relative_loss:.3g} "
            f"(target {self.target / self.scale:.3g}) after {self.samples:,} samples in {tries}, "
            f"overlap_u={self.overlap_u:.6g}, overlap_c={self.overlap_c:.6g})"
        )


class _State(NamedTuple):
    P: Floats
    rest: float
    c_hat: Floats


def fine_tune(
    task: Task,
    eps: float = 1e-3,
    *,
    seed: int = 0,
    relative_to: str = "second_moment",
    quantized: bool = True,
    attempts: int = 8,
    rounds: int = 10,
    patience: int = 4,
    first_steps: int | None = None,
    samples_c: int | None = None,
) -> FineTuned:
    """Fine-tune by online SGD on u_hat and regression for c, in turns, until the loss is met.

    A round trains u_hat with c_hat frozen (Eq. 4), then finds c_hat by `recover_c` (App. F.2).
    Rounds double in length. The paper runs each stage once; but the regression finds most signs
    of c long before u_hat has settled, and with them the drift is several times larger and the
    noise, which a frozen ``c_hat != c`` leaves for ever, vanishes at the teacher.

    Parameters
    ----------
    task : Task
        Of rank one.
    eps : float
        Positive; stop when the exact population loss is at most ``eps * E[f*^2]``.
    seed : int
        In [0, 2^64). The first attempt starts from the same (û, ĉ) as replica 0 of
        ``simulate(task, ..., seed=seed)`` with such a student, and sees the same inputs at first:
        to compare the two as independent runs, give them different seeds.
    relative_to : {"second_moment", "variance"}
        ``"variance"``: at most ``eps * Var f*`` instead. The mean of a network of sigmoids is so
        large that its base alone may be within 1e-3 of ``E[f*^2]``.
    quantized : bool
        Whether c is known to have entries +-1/sqrt(k) (A3). If not, the first regression gives
        the start of a c_hat that is trained jointly with u_hat from then on. So it is in any
        case where regression has come to a standstill.
    attempts : int
        Starts: (c_hat, u_hat), (c_hat, -u_hat), then a fresh pair.
    rounds : int
        Rounds of an attempt, at most 64.
    patience : int
        Rounds that without progress end an attempt earlier. Each is as long as all before it;
        where h(0) = 0 (single-index models of higher exponent) give all `rounds`.
    first_steps : int, optional
        Steps of the first round; ``20 d`` by default.
    samples_c : int, optional
        Samples of a regression; ``max(2000, 1000 k)`` by default.

    Returns
    -------
    FineTuned
        The best student that was met, converged or not.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the reduced space is not defined
        at this d.

    Notes
    -----
    What the algorithm is told beyond its samples: the population loss for its stopping rules, and
    the learning rate, which is that of ``lr="auto"`` for the current c_hat. In a round it falls as
    1/(1 + t/t0) to a third; from round to round it is halved where the loss, once it is below half
    of the first, did not halve.

    An attempt fails where the drift at the start vanishes, as with constant lam, orthonormal W and
    ``<c_hat, c> = 0``, and the regression sees nothing either: the overlap stays that of the
    start, and a fresh c_hat is the way out.

    Everything runs in the reduced space, whatever d. u_hat is kept orthogonal to span(W) if u is.

    Examples
    --------
    >>> import lrft
    >>> task = lrft.Task.sample(d=1000, k=8, features="orthonormal", activation="he3", seed=1)
    >>> result = lrft.fine_tune(task, eps=1e-3)
    >>> result.converged, result.relative_loss <= 1e-3, result.samples < 1_000_000
    (True, True, True)
    """
    recovery.require_rank_one(task)
    tuner = _Tuner(
        task,
        eps=checks.real("eps", eps, above=0.0),
        relative_to=checks.choice("relative_to", relative_to, ("second_moment", "variance")),
        seed=checks.seed("seed", seed),
        quantized=checks.boolean("quantized", quantized),
        rounds=checks.integer("rounds", rounds, 1, 64),
        patience=checks.integer("patience", patience, 1, 64),
        first_steps=_optional("first_steps", first_steps, 1, 20 * task.d),
        samples_c=_optional("samples_c", samples_c, 2 * task.k, max(2000, 1000 * task.k)),
    )
    for attempt in range(checks.integer("attempts", attempts, 1, 2**20)):
        tuner.attempt(attempt)
        if tuner.met():
            break
    return tuner.result(attempt + 1)


class _Tuner:
    """The best student so far and the bill."""

    def __init__(
        self,
        task: Task,
        *,
        eps: float,
        relative_to: str,
        seed: int,
        quantized: bool,
        rounds: int,
        patience: int,
        first_steps: int,
        samples_c: int,
    ) -> None:
        self.task, self.seed, self.quantized = task, seed, quantized
        self.rounds, self.patience = rounds, patience
        self.first_steps, self.samples_c = first_steps, samples_c
        self.scale = _second_moment(task)
        if relative_to == "variance":
            self.scale -= _mean(task) ** 2
        if not self.scale > 1e-12 * _second_moment(task):
            raise ValueError(f"relative_to={relative_to!r} needs a teacher that is not constant")
        self.target = eps * self.scale
        # The noise of c_hat has k directions, that of u_hat d.
        self.ratio_c = max(1.0, task.d / (4 * task.k))
        self.best: tuple[float, _State] | None = None
        self.history: list[Stage] = []

    def met(self) -> bool:
        return self.best is not None and self.best[0] <= self.target

    def attempt(self, number: int) -> None:
        """Go round until the loss is met, progress ends, or the state blows up."""
        state = self._start(number)
        first = _loss(self.task, state)
        self._keep(first, state)
        damping, joint, bests = 1.0, False, [first]
        for i in range(self.rounds):
            joint = joint or (i > 0 and not self.quantized)
            trained = self._train(number, i, state, damping, joint)
            if trained is None:
                return
            state = trained
            if self.met():
                return
            if not joint:
                state = self._regress(number, i, state)
                if self.met():
                    return
            loss = self.history[-1].loss
            before = bests[-1]
            bests.append(min(before, loss))
            if i + 1 >= self.patience and bests[-1] > PROGRESS * bests[-1 - self.patience]:
                return
            if loss > 0.5 * first:
                continue  # still on the way
            if loss > 0.5 * before:
                damping *= 0.5
            if loss > PROGRESS * before:
                # Regression with wrong signs and the u_hat that makes up for them can hold each
                # other in place, where u has a part in span(W): then c_hat goes on by itself.
                # By itself c_hat can end in a wrong minimum: then the signs are found anew.
                if joint:
                    state, damping = self._regress(number, i, state), 1.0
                joint = True

    def result(self, attempts: int) -> FineTuned:
        assert self.best is not None
        loss, state = self.best
        return FineTuned(
            converged=self.met(),
            loss=loss,
            target=self.target,
            scale=self.scale,
            P=state.P,
            rest=state.rest,
            c_hat=state.c_hat,
            overlap_u=float(self.task.a[0] @ state.P),
            overlap_c=float(self.task.c @ state.c_hat),
            attempts=attempts,
            samples=sum(stage.samples for stage in self.history),
            history=tuple(self.history),
        )

    # ---- stages -------------------------------------------------------------------------------

    def _student(self, **changes: Any) -> RankOne:
        return RankOne(orthogonal=self.task.u_orthogonal, **changes)

    def _start(self, number: int) -> _State:
        """Draw a start for even attempts; odd ones turn u_hat of the one before round."""
        training = Training(student=self._student(), lr=1.0, steps=0)
        check_compatible(self.task, training)
        state, _ = self._run(training, None, number // 2 * 2 * REPLICAS)
        return state._replace(P=-state.P) if number % 2 else state

    def _train(
        self, number: int, i: int, state: _State, damping: float, joint: bool
    ) -> _State | None:
        steps = self.first_steps * 2**i
        # With train_c the rate is for passing the early overlaps, not for settling at the end.
        auto, _ = theory.auto_lr(self.task, self._student(train_c=True, c_init=state.c_hat))
        rate = schedule.InverseTime(lr=damping * auto, t0=steps / 2)
        faster = schedule.InverseTime(lr=self.ratio_c * rate.lr, t0=rate.t0) if joint else None
        training = Training(
            student=self._student(train_c=joint, lr_c=faster),
            lr=rate,
            steps=steps,
            record=RECORDS,
            stop_loss=self.target,
        )
        state, chain = self._run(training, state, number * REPLICAS + 1 + i)
        if chain.status == "diverged":
            self._note(number, i, "u", chain.step, damping * auto, state, float("inf"))
            return None
        loss = _loss(self.task, state)
        self._note(number, i, "u", chain.step, damping * auto, state, loss)
        return state

    def _regress(self, number: int, i: int, state: _State) -> _State:
        replica = recovery.REPLICA + number * REPLICAS + i
        found = recovery.recover(self.task, state.P, self.samples_c, self.seed, replica)
        state = state._replace(c_hat=found.c_hat)
        loss = _loss(self.task, state)
        self._note(number, i, "c", found.samples, float("nan"), state, loss)
        return state

    def _note(
        self, number: int, i: int, stage: str, samples: int, lr: float, state: _State, loss: float
    ) -> None:
        overlap_u, overlap_c = float(self.task.a[0] @ state.P), float(self.task.c @ state.c_hat)
        self.history.append(Stage(number, i, stage, samples, lr, overlap_u, overlap_c, loss))
        self._keep(loss, state)

    def _keep(self, loss: float, state: _State) -> None:
        if self.best is None or loss < self.best[0]:
            self.best = loss, state

    def _run(
        self, training: Training, state: _State | None, replica: int
    ) -> tuple[_State, compiled.Chain]:
        """One chain in the reduced space, from a state to a state."""
        task = self.task
        least = Sizes.of(task, training).least_d
        if task.d < least:
            raise ValueError(f"task must have d >= {least} for the reduced space, got d = {task.d}")
        job = describe.Settled(task, training, training.lr)  # type: ignore[arg-type]
        first = describe.new_chain(0, replica)
        spec = describe.run([job], [first], ambient=False, seed=self.seed, keep_state=True)
        if state is not None:
            (student,) = spec["students"]
            given = student.replace(
                init_rows="given",
                rows_S=state.P,
                rows_rest=np.array([state.rest]),
                init_own="given",
                own=state.c_hat,
            )
            spec["students"] = [given]
        (chain,) = chains.Chains([task], spec).finish()
        return _State(chain.rows[:-1], float(chain.rows[-1]), chain.own), chain


# ---- exact losses ------------------------------------------------------------------------------


def _loss(task: Task, state: _State) -> float:
    overlaps = population.RankOneOverlaps(task.R @ state.P, task.a @ state.P)
    gram = population.rank_one_gram(task, overlaps, state.c_hat)
    return _expected_square(task, np.concatenate([task.lam, -task.lam]), gram)


def _second_moment(task: Task) -> float:
    rows = task.R + population.perturbation(task)
    return _expected_square(task, task.lam, rows @ rows.T)


def _mean(task: Task) -> float:
    norms = task.neuron_scale * np.linalg.norm(
        task.R + theory.population.perturbation(task), axis=1
    )
    means = [
        theory.hermite_coefficients(task.activation, 1, float(norm))[0][0]
        if norm > 0
        else float(task.activation(np.zeros(1))[0])
        for norm in norms
    ]
    return task.output_scale * float(task.lam @ np.array(means))


def _expected_square(task: Task, weights: Floats, gram: Floats) -> float:
    covariance = np.ascontiguousarray(task.neuron_scale**2 * gram)
    with callbacks.raising(task.activation.guards):
        value, _ = compiled.expected_square(task.activation.core, weights, covariance)
    return task.output_scale**2 * float(value)


def _optional(name: str, value: int | None, minimum: int, default: int) -> int:
    return default if value is None else checks.integer(name, value, minimum)
