"""Simulate the learning dynamics of low-rank fine-tuning, fast and exactly.

Start with `Task.sample`, `Training` and `simulate`; ``lrft run`` does the same from the
command line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lrft.base.version import __version__
from lrft.core import engine as _engine  # noqa: F401  the engine of this machine's set first

if TYPE_CHECKING:
    from lrft import plot, reference, schedule, study, theory
    from lrft.algorithm.recovery import recover_c
    from lrft.algorithm.tuning import FineTuned, Stage, fine_tune
    from lrft.base.caller import RateWarning
    from lrft.base.interrupts import Interrupted
    from lrft.base.progress import Progress
    from lrft.core.random import normals
    from lrft.fitting.dataset import merge_weights
    from lrft.fitting.fit import fit
    from lrft.fitting.fitting import Fitting
    from lrft.model.activation import Activation
    from lrft.model.eigen_blocks import EigenBlocks
    from lrft.model.inputs import Mixture, Spiked
    from lrft.model.loss import Huber, Logistic
    from lrft.model.recording import Geometric, geometric
    from lrft.model.sequence import Sequence
    from lrft.model.students import FullNetwork, LoRA, RankOne
    from lrft.model.task import Task
    from lrft.model.training import Training, check_compatible
    from lrft.model.weights import (
        Weights,
        from_state_dict,
        load_adapter,
        load_weights,
        save_weights,
    )
    from lrft.paper.runner import reproduce
    from lrft.result import held, hit_quantile, load, one_overlap, save
    from lrft.result.numbers import summary
    from lrft.result.tables import to_pandas
    from lrft.run.jobs import Job, simulate_all
    from lrft.run.sequence import SequenceSimulation
    from lrft.run.simulate import simulate
    from lrft.run.simulate_sequence import simulate_sequence
    from lrft.run.simulation import Simulation
    from lrft.study import sweep
    from lrft.study.watch import StudyProgress

# Public name -> the module it lives in. Loaded when first used.
_HOME = {
    "Activation": "model.activation",
    "EigenBlocks": "model.eigen_blocks",
    "FineTuned": "algorithm.tuning",
    "Fitting": "fitting.fitting",
    "FullNetwork": "model.students",
    "Geometric": "model.recording",
    "Huber": "model.loss",
    "Interrupted": "base.interrupts",
    "Job": "run.jobs",
    "LoRA": "model.students",
    "Logistic": "model.loss",
    "Mixture": "model.inputs",
    "Progress": "base.progress",
    "RankOne": "model.students",
    "RateWarning": "base.caller",
    "Sequence": "model.sequence",
    "SequenceSimulation": "run.sequence",
    "SGD": "model.optimiser",
    "Spiked": "model.inputs",
    "Simulation": "run.simulation",
    "Stage": "algorithm.tuning",
    "StudyProgress": "study.watch",
    "Task": "model.task",
    "Training": "model.training",
    "Weights": "model.weights",
    "check_compatible": "model.training",
    "fine_tune": "algorithm.tuning",
    "fit": "fitting.fit",
    "from_state_dict": "model.weights",
    "geometric": "model.recording",
    "held": "result",
    "hit_quantile": "result",
    "load": "result",
    "load_adapter": "model.weights",
    "load_weights": "model.weights",
    "merge_weights": "fitting.dataset",
    "normals": "core.random",
    "one_overlap": "result",
    "recover_c": "algorithm.recovery",
    "reproduce": "paper.runner",
    "save": "result",
    "save_weights": "model.weights",
    "simulate": "run.simulate",
    "simulate_all": "run.jobs",
    "simulate_sequence": "run.simulate_sequence",
    "summary": "result.numbers",
    "sweep": "study",
    "to_pandas": "result.tables",
}
_MODULES = ("plot", "reference", "schedule", "study", "theory")

__all__ = [
    "SGD",
    "Activation",
    "EigenBlocks",
    "FineTuned",
    "Fitting",
    "FullNetwork",
    "Geometric",
    "Huber",
    "Interrupted",
    "Job",
    "LoRA",
    "Logistic",
    "Mixture",
    "Progress",
    "RankOne",
    "RateWarning",
    "Sequence",
    "SequenceSimulation",
    "Simulation",
    "Spiked",
    "Stage",
    "StudyProgress",
    "Task",
    "Training",
    "Weights",
    "__version__",
    "check_compatible",
    "fine_tune",
    "fit",
    "from_state_dict",
    "geometric",
    "held",
    "hit_quantile",
    "load",
    "load_adapter",
    "load_weights",
    "merge_weights",
    "normals",
    "one_overlap",
    "plot",
    "recover_c",
    "reference",
    "reproduce",
    "save",
    "save_weights",
    "schedule",
    "simulate",
    "simulate_all",
    "simulate_sequence",
    "study",
    "summary",
    "sweep",
    "theory",
    "to_pandas",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lrft.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'lrft' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lrft.{_HOME[name]}"), name)
    # No module bears the name of a public function: importing it would hide the function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
