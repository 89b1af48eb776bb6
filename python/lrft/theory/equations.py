"""Right-hand sides of the order-parameter equations of students with rows, whatever they are.

At rates ``lr = delta / d`` and ``lr_own = rate_own lr``, in time ``tau = lr t``, with
``grad_A L = g x^T`` for one sample, the coordinates P of the rows in S, and the inner products C_j
of what they have outside it, in block j of the covariance of the inputs: of variance v_j, with a
share s_j of the d coordinates, and v = s = 1 where there is one,

    dP/dtau   = -E[g x_S^T]
    dC_j/dtau = -E[g c_j^T] - E[c_j g^T] + (delta / batch) v_j s_j E[g g^T]
    down/dtau = -rate_own E[dL/down]

with the part c_j of the fields A x that is from there, so that A A^T = P P^T + sum_j C_j (Saad and
Solla 1995; Goldt et al. 2019 for trained output weights; Yoshida and Okada 2019 for blocks). By
Stein's lemma ``E[g c_j^T] = G v_j C_j`` with one matrix G for all blocks. The term in delta is the
squared length of a step, ``lr^2 g g^T`` times that of x in the block. A rank-one student pays for
it by normalising, which takes ``(delta / batch) sum_j v_j s_j E[g^2]`` times P / 2 and C_j, and
moves in its tangent space.

Where rows stay along the first coordinates of S, as frozen biases do and where Pi projects, P stays
there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft.core.engine import compiled
from lrft.theory.arcsine import weighted_slopes
from lrft.theory.frame import frame
from lrft.theory.population import row_gradient_coefficients
from lrft.theory.student_sample import Means, State, StudentSample

if TYPE_CHECKING:
    from lrft.model.students.student import Composition
    from lrft.model.task import Task
    from lrft.theory.cases import Case

Floats = NDArray[np.float64]


class Equations:
    """What moves a student, as a function of its order parameters.

    Parameters
    ----------
    task : Task
    case : Case
    delta : float
        ``lr d``; 0 for the gradient flow.
    samples : int
        Of what has no closed form.

    Attributes
    ----------
    noise_error, drift_error : float
        Largest standard errors met: of the trace of E[g g^T], relative to it; of the mean gradient,
        relative to its length at the start. 0 where there is a closed form.
    """

    def __init__(self, task: Task, case: Case, delta: float, samples: int) -> None:
        self.task, self.student = task, case.student
        spec = self.student.specification(task, ambient=False)
        self.scale: float = spec.scale
        constant = self.student.biased(task)
        beside = case.start.P.shape[1] - task.R.shape[1] - constant
        self.frame = frame(task, constant, beside)
        #: Rows stay along so many of the first coordinates.
        self.still = task.features_rank if spec.project else 0
        self.still += 0 if spec.train_biases else self.frame.before
        self.rates = case.rates[0], case.rates[1] if spec.train_own else 0.0
        self.noise = delta / case.batch * case.rates[0] ** 2
        self.exact_drift = (
            not self.student.linearized
            and case.loss == "squared"
            and task.link is None
            and self.frame.covariance is not None
        )
        self.exact_noise = self.exact_drift and task.activation.kind == "erf"
        self.shapes = [part.shape for part in case.start]
        self.noise_error = self.drift_error = self.first_length = 0.0
        self.sample: StudentSample | None = None
        sampled = not self.exact_drift or (self.noise > 0 and not self.exact_noise)
        if sampled and not self.overlap_alone:
            self.sample = self.sampled(case, samples)

    def sampled(self, case: Case, samples: int) -> StudentSample:
        """Draw the sample behind what has no closed form."""
        frame = self.frame
        return StudentSample(
            self.task, frame, self.student, case.start, self.scale, case.loss, samples
        )

    @property
    def overlap_alone(self) -> bool:
        """Whether <u_hat, u> is all that moves, and moves by itself."""
        return (
            self.student.spherical
            and self.exact_drift
            and self.frame.law is None
            and self.rates[1] == 0
            and self.still == self.task.features_rank
            and self.task.u_orthogonal
        )

    # ---- states as vectors ------------------------------------------------------------------

    def packed(self, state: State) -> Floats:
        """Write a state as a vector."""
        return np.concatenate([part.ravel() for part in state])

    def unpacked(self, y: Floats) -> State:
        """Read it back; further axes of y come first."""
        sizes = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = np.split(np.moveaxis(y, 0, -1), sizes, axis=-1)
        return State(
            *(p.reshape(*p.shape[:-1], *s) for p, s in zip(parts, self.shapes, strict=True))
        )

    def solved(self, y: Floats) -> State:
        """Read what the solver has stepped to: off the spheres, where the student stays on them."""
        P, rest, own = state = self.unpacked(y)
        if not self.student.spherical:
            return state
        rest = np.maximum(rest, 0.0)
        squares = np.sum(P**2, axis=-1) + rest.sum(axis=(-3, -1))  # (..., 1)
        P, rest = P / np.sqrt(squares[..., None]), rest / squares[..., None, None]
        return State(P, rest, own / np.linalg.norm(own, axis=-2, keepdims=True))

    # ---- the right-hand side ----------------------------------------------------------------

    def velocity(self, _: float, y: Floats) -> Floats:
        """d(P, rest, own)/dtau."""
        state = self.solved(y)
        by_S, by_rest, by_own = self._drift(state)
        squares = self._noise(state) if self.noise > 0 else np.zeros_like(by_rest)
        by_S[:, : self.still] = 0.0
        by_c = by_rest @ (self.frame.variances[:, None, None] * state.rest)
        steps = self.noise * np.multiply.outer(self.frame.variances * self.frame.shares, squares)
        own = -self.rates[1] * by_own
        if self.student.spherical:
            own += state.own * np.sum(state.own * -own)
            along = np.sum(by_S * state.P) + by_c.sum() - steps.sum() / 2
            P = -by_S + along * state.P
            return self.packed(State(P, -2 * by_c + 2 * along * state.rest + steps, own))
        rate = self.rates[0]
        rest = -rate * (by_c + np.swapaxes(by_c, -1, -2)) + steps
        return self.packed(State(-rate * by_S, rest, own))

    def _drift(self, state: State) -> Means:
        if self.exact_drift:
            return self._exact_drift(state)
        assert self.sample is not None
        means, length, error = self.sample.means(state)
        self.first_length = self.first_length or length
        if self.first_length > 0:
            self.drift_error = max(self.drift_error, error / self.first_length)
        return means

    def _noise(self, state: State) -> Floats:
        if self.exact_noise:
            return self._exact_noise(state)
        assert self.sample is not None
        squares, error = self.sample.squares(state)
        trace = float(np.trace(squares))
        if trace > 0:
            self.noise_error = max(self.noise_error, error / trace)
        return squares

    # ---- in closed form ---------------------------------------------------------------------

    def composition(self, state: State) -> Composition:
        """How the student's neurons are made of its rows, in the basis of S."""
        return self.student.composition(self.frame.R, self.task.lam, state.own, self.scale)

    def neurons(self, state: State) -> tuple[Floats, Floats, Floats]:
        """Return the neurons of teacher and student in S, (k + m, s), and their weights.

        The weights are of f* - f_hat. And what is outside S, that the student's alone have, adds
        to the covariance of their fields, (k + m, k + m).
        """
        R, B, lam = self.composition(state)
        neurons = np.concatenate([self.frame.teacher, R + B @ state.P])
        added = np.zeros((len(neurons), len(neurons)))
        k = self.task.k
        added[k:, k:] = B @ self.frame.outside(state.rest) @ B.T
        return neurons, np.concatenate([self.task.lam, -lam]), added

    def gram(self, state: State) -> tuple[Floats, Floats]:
        """Return the covariance of the neurons' fields, over neuron_scale^2, and their weights.

        Of inputs without means.
        """
        neurons, weights, added = self.neurons(state)
        covariance = self.frame.covariance
        assert covariance is not None
        return neurons @ covariance @ neurons.T + added, weights

    def _exact_drift(self, state: State) -> Means:
        gram, weights = self.gram(state)
        mixing, by_weight = row_gradient_coefficients(self.task, gram, weights)
        covariance, mix = self.frame.covariance, self.composition(state).mix
        assert covariance is not None
        by_S = mixing @ self.neurons(state)[0] @ covariance  # (m, s)
        by_rest = mixing[:, self.task.k :] @ mix  # (m, n)
        if self.student.network:
            by_own = by_weight
        else:
            by_own = self.scale * (by_S @ state.P.T + by_rest @ self.frame.outside(state.rest))
        return Means(mix.T @ by_S, mix.T @ by_rest, by_own)

    def _exact_noise(self, state: State) -> Floats:
        task = self.task
        gram, weights = self.gram(state)
        C, k = task.neuron_scale**2 * gram, task.k
        squares = task.output_scale**2 * weighted_slopes(C, weights, k)
        if task.noise > 0:
            slopes = np.asarray(compiled.moments(task.activation.core, C, True))
            squares = squares + task.noise**2 * slopes[k:, k:]
        lam = -weights[k:]
        squares = 4 * (task.output_scale * task.neuron_scale) ** 2 * np.outer(lam, lam) * squares
        B = self.composition(state).mix
        found: Floats = B.T @ squares @ B
        return found
