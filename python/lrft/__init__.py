"""Simulate the learning dynamics of low-rank fine-tuning, fast and exactly.

Start with `Task.sample`, `Training` and `simulate`; ``lrft run`` does the same from the
command line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lrft import _isa

__version__ = "0.2.0.dev0"

# First of all: from here on `from lrft import _core` is the module of the chosen set.
_isa.load()

if TYPE_CHECKING:
    from lrft import plot, reference, schedule, study, theory
    from lrft.activation import Activation
    from lrft.endings import held, hit_quantile
    from lrft.experiments.runner import reproduce
    from lrft.fitting import Fitting, fit, merge_weights
    from lrft.interop import from_state_dict, to_pandas
    from lrft.interrupts import Interrupted
    from lrft.random import normals
    from lrft.recovery import recover_c
    from lrft.result import load, save
    from lrft.simulation import Simulation, simulate
    from lrft.study import sweep
    from lrft.task import Task
    from lrft.training import FullNetwork, LoRA, RankOne, Training, geometric
    from lrft.tuning import fine_tune
    from lrft.weights import Weights, load_weights

# Public name -> the module it lives in; None for a module itself. Loaded when first used.
_HOME = {
    "Activation": "activation",
    "Fitting": "fitting",
    "FullNetwork": "training",
    "Interrupted": "interrupts",
    "LoRA": "training",
    "RankOne": "training",
    "Simulation": "simulation",
    "Task": "task",
    "Training": "training",
    "Weights": "weights",
    "fine_tune": "tuning",
    "fit": "fitting",
    "from_state_dict": "interop",
    "geometric": "training",
    "held": "endings",
    "hit_quantile": "endings",
    "load": "result",
    "load_weights": "weights",
    "merge_weights": "fitting",
    "normals": "random",
    "plot": None,
    "recover_c": "recovery",
    "reference": None,
    "reproduce": "experiments.runner",
    "save": "result",
    "schedule": None,
    "simulate": "simulation",
    "study": None,
    "sweep": "study",
    "theory": None,
    "to_pandas": "interop",
}

__all__ = [
    "Activation",
    "Fitting",
    "FullNetwork",
    "Interrupted",
    "LoRA",
    "RankOne",
    "Simulation",
    "Task",
    "Training",
    "Weights",
    "__version__",
    "fine_tune",
    "fit",
    "from_state_dict",
    "geometric",
    "held",
    "hit_quantile",
    "load",
    "load_weights",
    "merge_weights",
    "normals",
    "plot",
    "recover_c",
    "reference",
    "reproduce",
    "save",
    "schedule",
    "simulate",
    "study",
    "sweep",
    "theory",
    "to_pandas",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lrft' has no attribute {name!r}")
    home = _HOME[name]
    if home is None:
        return importlib.import_module(f"lrft.{name}")
    value = getattr(importlib.import_module(f"lrft.{home}"), name)
    # No module bears the name of a public function: importing it would hide the function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
