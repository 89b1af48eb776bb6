"""Theory beside simulation: exact population quantities of the Dayi-Chen model.

One file an idea: `hermite` (coefficients of an activation), `population` (loss and gradient),
`drift` (h(m) and the noise scale), `rates` (what step size the dynamics bear).
"""

from __future__ import annotations

from lrft.theory.drift import Estimate, drift, gradient_noise
from lrft.theory.hermite import hermite_coefficients, information_exponent
from lrft.theory.population import population_gradient, population_loss
from lrft.theory.rates import auto_lr, stability_limit

__all__ = [
    "Estimate",
    "auto_lr",
    "drift",
    "gradient_noise",
    "hermite_coefficients",
    "information_exponent",
    "population_gradient",
    "population_loss",
    "stability_limit",
]
