"""Numbers that others published or stored, with their sources."""

from __future__ import annotations

import numpy as np

# ---- an erf committee with more neurons than its teacher ----------------------------------------
# L. Arnaboldi, L. Stephan, F. Krzakala, B. Loureiro, "From high-dimensional & mean-field dynamics
# to dimensionless ODEs", COLT 2023 (arXiv 2302.05882): the stored runs of its code,
# github.com/IdePHICS/DimensionlessDynamicsSGD at 9474bd7, computation-database/classic-limit/erf.
# Students 1/p sum_j erf(<w_j, x> / sqrt(2 d)), p = 10, teacher the same with k = 2 orthogonal rows
# of length sqrt(d); d = 3, label noise of variance 1e-3, steps on half the square. Their time is
# gamma / (p d) a step, and their rows are sqrt(d) times ours.

GAMMA, NOISE = 0.05, 1e-3
#: Rows at the start in units of sqrt(d): along both teacher rows, and the rest (its sign is free).
ROWS = np.array(
    [
        [1.234557625632, 0.298982183712, 0.118549041260],
        [-1.749053177427, -0.286300846112, 0.773345175973],
        [0.280849068709, 0.466030045777, 0.500190166831],
        [0.288076745070, -0.238310838172, 0.086725207023],
        [-0.543731611081, 0.060469026915, 0.141314597097],
        [-0.726040042432, -0.362075742116, 0.567820174430],
        [-0.180413922555, -0.425771245915, -1.069060677496],
        [-0.034732526347, 0.087917977948, -0.608232616870],
        [0.320049904778, 0.156793404950, -0.650317515723],
        [-0.422455305251, -0.127782410814, -0.264468527610],
    ]
)
#: Time and risk (half of our loss) of their equations, which leave out the term in gamma of what
#: is not label noise, by Euler steps of 1e-3 that are counted from 1.
STORED_ODE = (
    (0.001, 1.099941e-01),
    (0.100, 1.037041e-01),
    (1.001, 6.063163e-02),
    (8.381, 5.244026e-03),
    (28.001, 2.522908e-03),
    (100.001, 6.441639e-04),
    (325.001, 3.318682e-04),
    (1000.001, 9.372809e-05),
    (1630.001, 1.178420e-05),
    (4960.001, 9.478701e-07),
)
#: The same of their one path of SGD.
STORED_SGD = (
    (8.4000, 5.161037e-03),
    (100.5000, 6.377113e-04),
    (1665.0000, 1.087294e-05),
)


# ---- the symmetric plateau ----------------------------------------------------------------------
# D. Saad, S. Solla, "Exact solution for on-line learning in multilayer neural networks", PRL 74,
# 4337 (1995): K = M neurons, orthonormal teacher, small rates. Errors are half of our loss.


def plateau(M: int) -> tuple[float, float, float]:
    """Overlap with each teacher row, inner products of the student's rows, and the error."""
    Q = 1 / (2 * M - 1)
    error = M / np.pi * (np.pi / 6 - M * np.arcsin(1 / (2 * M)))
    return (Q / M) ** 0.5, Q, float(error)
