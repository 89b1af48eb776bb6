"""Theory beside simulation: exact population quantities of the Dayi-Chen model.

One file an idea: `hermite` (coefficients of an activation), `population` (loss and gradient),
`linearized` (the loss of the kernel regime),
`drift` (h(m) and the noise scale), `dynamics` (the limit of infinite dimension as differential
equations), `rates` (what step size the dynamics bear), `second_stage` (what the
regression for c leaves).
"""

from __future__ import annotations

from lrft.theory.drift import Estimate, drift, gradient_noise
from lrft.theory.dynamics import gradient_flow, order_parameter_ode, predicted_hitting_time
from lrft.theory.hermite import hermite_coefficients, information_exponent
from lrft.theory.linearized import linearized_loss
from lrft.theory.order_parameters import OrderParameters
from lrft.theory.population import population_gradient, population_loss
from lrft.theory.rates import auto_lr, stability_limit
from lrft.theory.second_stage import regression_loss

__all__ = [
    "Estimate",
    "OrderParameters",
    "auto_lr",
    "drift",
    "gradient_flow",
    "gradient_noise",
    "hermite_coefficients",
    "information_exponent",
    "linearized_loss",
    "order_parameter_ode",
    "population_gradient",
    "population_loss",
    "predicted_hitting_time",
    "regression_loss",
    "stability_limit",
]


def __dir__() -> list[str]:
    return __all__
