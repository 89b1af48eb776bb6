"""Right-hand sides of the order-parameter equations of students with rows, whatever they are.

At rates ``lr = delta / d`` and ``lr_own = rate_own lr``, in time ``tau = lr t``, with
``grad_A L = g x^T`` for one sample, h = A x and the coordinates P of the rows in S,

    dP/dtau   = -E[g x_S^T]
    dQ/dtau   = -E[g h^T] - E[h g^T] + (delta / batch) E[g g^T],      Q = A A^T
    down/dtau = -rate_own E[dL/down]

(Saad and Solla 1995; Goldt et al. 2019 for trained output weights). The term in delta is the
squared length of a step, ``lr^2 |x|^2 g g^T``. A rank-one student pays for it by normalising:
``dP/dtau = -T E[g x_S] - (delta / 2) P E[g^2] / batch``, T its tangent space, and Q = 1.

Where rows stay along the first coordinates of S, as frozen biases do and where Pi projects, P stays
there, and what h has of it does not count in dQ.
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
            and self.frame.law is None
        )
        self.exact_noise = self.exact_drift and task.activation.kind == "erf"
        self.shapes = [part.shape for part in case.start]
        self.noise_error = self.drift_error = self.first_length = 0.0
        self.sample: StudentSample | None = None
        sampled = not self.exact_drift or (self.noise > 0 and not self.exact_noise)
        if sampled and not self.overlap_alone:
            self.sample = StudentSample(
                task, self.frame, self.student, case.start, self.scale, case.loss, samples
            )

    @property
    def overlap_alone(self) -> bool:
        """Whether <u_hat, u> is all that moves, and moves by itself."""
        return (
            self.student.spherical
            and self.exact_drift
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

    # ---- the right-hand side ----------------------------------------------------------------

    def velocity(self, _: float, y: Floats) -> Floats:
        """d(P, Q, own)/dtau."""
        state = self.unpacked(y)
        if self.student.spherical:
            state = self._on_spheres(state)
        by_S, by_rows, by_own = self._drift(state)
        noise = self._noise(state) if self.noise > 0 else np.zeros_like(state.Q)
        still = self.still
        by_rows = by_rows - by_S[:, :still] @ state.P[:, :still].T
        by_S[:, :still] = 0.0
        own = -self.rates[1] * by_own
        if self.student.spherical:
            own += state.own * np.sum(state.own * -own)
            P = -(by_S - state.P * by_rows) - self.noise / 2 * noise * state.P
            return self.packed(State(P, np.zeros_like(state.Q), own))
        rate = self.rates[0]
        Q = -rate * (by_rows + by_rows.T) + self.noise * noise
        return self.packed(State(-rate * by_S, Q, own))

    @staticmethod
    def _on_spheres(state: State) -> State:
        """Bring back a stage of the solver that stepped outside."""
        P = state.P / max(1.0, float(np.linalg.norm(state.P)))
        return State(P, np.ones((1, 1)), state.own / np.linalg.norm(state.own))

    def _drift(self, state: State) -> Means:
        if self.exact_drift:
            return self._exact_drift(state)
        assert self.sample is not None
        means, error = self.sample.means(state)
        self.first_length = self.first_length or float(
            np.linalg.norm(np.concatenate([part.ravel() for part in means]))
        )
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

    def gram(self, state: State) -> tuple[Floats, Floats, Floats]:
        """Inner products of the neurons of teacher and student; their weights (f* - f_hat).

        And of them all with the rows, (k + m, n).
        """
        T, (P, Q, _) = self.frame.teacher, state
        R, B, lam = self.composition(state)
        TV = T @ (R + B @ P).T
        cross = B @ P @ R.T
        gram = np.block([[T @ T.T, TV], [TV.T, R @ R.T + cross + cross.T + B @ Q @ B.T]])
        with_rows = np.concatenate([T @ P.T, R @ P.T + B @ Q])
        return gram, np.concatenate([self.task.lam, -lam]), with_rows

    def _exact_drift(self, state: State) -> Means:
        gram, weights, with_rows = self.gram(state)
        mixing, by_weight = row_gradient_coefficients(self.task, gram, weights)
        R, B, _ = self.composition(state)
        neurons = np.concatenate([self.frame.teacher, R + B @ state.P])
        along = mixing @ with_rows  # (m, n)
        by_own = by_weight if self.student.network else self.scale * along
        return Means(B.T @ mixing @ neurons, B.T @ along, by_own)

    def _exact_noise(self, state: State) -> Floats:
        task = self.task
        gram, weights, _ = self.gram(state)
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
