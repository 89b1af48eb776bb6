"""Numbers that others published, as data with their sources.

Generalisation errors of two-layer networks on Gaussian inputs, of the test file of S. Goldt's C++
code of "Dynamics of stochastic gradient descent for two-layer neural networks in the
teacher-student setup" (Goldt, Advani, Saxe, Krzakala and Zdeborova 2019): github.com/sgoldt/nn2pp,
test_nn2pp.cpp, tests eg_erf_scm, eg_erf_both and eg_lin_both (commit 8d7c026). Their error is half
of our loss, their fields are <w, x> / sqrt(N), their erf is erf(z / sqrt 2) as here.
"""

from __future__ import annotations

import numpy as np
import pytest

import lrft


def rows(text):
    """Parse as many rows as there are semicolons."""
    return np.array([row.split() for row in text.split(";")], dtype=float)


# Rows of the teacher and of the student, 2 and 3 neurons.
SCM_TEACHER = rows("""
    -0.82269399 -0.36359333 -0.24440212 0.49828238 0.61007546
    0.82557495 -0.28769147 0.24358059 -1.31009873 -1.15591452;
    -0.28590803 -0.79115683 0.40729374 0.4940799 -1.17793196
    0.56464427 1.99950537 0.64308283 0.31500115 0.18630809
""")
SCM_STUDENT = rows("""
    0.34998185 -0.51730095 -1.27672365 0.15857457 0.80636752
    -1.30266436 1.04553608 -1.40581276 -0.40119664 0.31838932;
    0.25096269 -0.70390653 -1.60709434 -1.4129378 0.29695629
    -0.22066656 -0.06572677 -0.59777609 -0.83076419 -0.17760066;
    1.35757829 -0.90800698 -1.06598149 0.93462077 0.38120508
    -0.11103256 0.20648807 -0.14869054 1.72580801 0.59446499
""")
BOTH_TEACHER = rows("""
    -0.878181 -0.675171 0.200794 -0.385201 -1.47387;
    -0.0760653 -0.450636 0.887182 0.376101 -0.0873384
""")
BOTH_STUDENT = rows("""
    1.04404 0.583583 1.43897 0.963895 0.795075;
    -0.864295 -0.911849 2.02883 0.783554 -1.01488;
    -0.451547 -0.772216 0.780296 0.799456 -0.0126815
""")
BOTH_WEIGHTS = [0.965846, -1.40304], [-1.3598, -0.0671005, -0.395626]
ONES = [1.0, 1.0], [1.0, 1.0, 1.0]
LINE = lrft.Activation.hermite([0.0, 1.0])

# Activation, teacher, student, both output weights, error, and one unit of its last printed digit.
CASES = {
    "erf committees": ("erf", SCM_TEACHER, SCM_STUDENT, ONES, 1.08045, 1e-5),
    "erf, both layers": ("erf", BOTH_TEACHER, BOTH_STUDENT, BOTH_WEIGHTS, 0.0803271, 1e-7),
    "linear, both layers": (LINE, BOTH_TEACHER, BOTH_STUDENT, BOTH_WEIGHTS, 0.287911, 1e-6),
}


@pytest.mark.parametrize("name", CASES)
def test_generalisation_errors_of_goldt(name):
    activation, teacher, student, (lam_star, lam), error, digits = CASES[name]
    scale = teacher.shape[1] ** -0.5
    task = lrft.Task.teacher(
        scale * teacher,
        lam_star=lam_star,
        sigma_star=activation,
        activation=activation,
        neuron_scale=scale,
    )
    loss = lrft.theory.population_loss(task, rows=student, lam=lam)
    # Inputs that are printed to six digits say no more than 1e-6 of the error either.
    assert abs(loss / 2 - error) < digits + 1e-6 * error
