"""What the sliders say, and the run that it means."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from lrft import theory
from lrft.base import checks
from lrft.explore.recipe import Recipe

__all__ = ["ACTIVATIONS", "FACTORS", "REPLICAS", "STUDENTS", "Choices"]

REPLICAS = 16
#: Records crowd early, so that the first points come at once however long the run.
RECORDS = 400
#: Of the stability limit's estimate: with as many as lr="auto" takes, it costs half of the time
#: from a slider to the first points.
LIMIT_SAMPLES = 1024
ACTIVATIONS = (
    *("relu", "erf", "tanh", "sigmoid", "gelu", "silu", "softplus", "quadratic", "he2", "he3"),
)
STUDENTS = {
    "rank_one": "rank-one",
    "linearized": "rank-one, linearised",
    "lora": "LoRA",
    "full": "full network",
}
FACTORS = {
    "trained": "trained, from a random one",
    "random": "frozen at a random one",
    "teacher": "frozen at c",
}


@dataclass(frozen=True)
class Choices:
    """What is to be run, in the units of the sliders.

    Attributes
    ----------
    student : str
        A key of `STUDENTS`.
    factor : str
        What becomes of ĉ, a key of `FACTORS`; of a rank-one student only.
    rank : int
        Of LoRA only.
    activation : str
    log_d : float
        d = 10^log_d, rounded.
    k : int
    strength : float
        ξ/√k.
    rate : float
        η over the stability limit.
    noise : float
        Standard deviation of the label noise.
    batch : int
    log_steps : float
        10^log_steps · d steps.
    seed : int
        Of the task and of the run.

    Examples
    --------
    >>> from lrft.explore.choices import Choices
    >>> recipe, limit = Choices(log_d=2.0, k=4, rate=0.5).recipe()
    >>> recipe.task["d"], recipe.training["lr"] < limit
    (100, True)
    """

    student: str = "rank_one"
    factor: str = "trained"
    rank: int = 2
    activation: str = "relu"
    log_d: float = 3.0
    k: int = 8
    strength: float = 1.0
    rate: float = 0.5
    noise: float = 0.0
    batch: int = 1
    log_steps: float = 2.0
    seed: int = 0

    def recipe(self) -> tuple[Recipe, float]:
        """Work out the run, and the stability limit of its rate.

        Returns
        -------
        recipe : Recipe
        limit : float

        Raises
        ------
        TypeError, ValueError
            For a task or a student that cannot be, as `lrft.Task.sample`, `lrft.Training` and
            `lrft.theory.stability_limit` say it.
        """
        checks.choice("student", self.student, STUDENTS)
        checks.choice("factor", self.factor, FACTORS)
        d = max(1, round(10.0 ** checks.real("log_d", self.log_d, minimum=0.0, maximum=9.0)))
        k = checks.integer("k", self.k, 1)
        xi = checks.real("strength", self.strength, above=0.0) * k**0.5
        # The paper's simulations (App. B).
        task = {
            "d": d,
            "k": k,
            "xi": xi,
            "activation": self.activation,
            "features": "sphere",
            "c": "sphere",
            "normalization": "unit",
            "output_scale": 1.0 / xi,
            "noise": self.noise,
            "seed": self.seed,
        }
        kind, student = self._student()
        run = {"replicas": REPLICAS, "seed": self.seed}
        recipe = Recipe(task=task, kind=kind, student=student, training={}, run=run)
        limit = theory.stability_limit(
            recipe.make_task(), recipe.make_student(), batch=self.batch, samples=LIMIT_SAMPLES
        )
        steps = 10.0 ** checks.real("log_steps", self.log_steps, minimum=0.0, maximum=6.0) * d
        training = {
            "lr": float(f"{checks.real('rate', self.rate, above=0.0) * limit:.4g}"),
            "steps": max(1, round(steps)),
            "batch": self.batch,
            "record": RECORDS,
        }
        return replace(recipe, training=training), limit

    def _student(self) -> tuple[str, dict[str, Any]]:
        if self.student == "lora":
            return "lora", {"rank": self.rank}
        if self.student == "full":
            return "full", {"init": "base"}
        start = "teacher" if self.factor == "teacher" else "sphere"
        own = {"train_c": self.factor == "trained", "c_init": start}
        return "rank_one", own | {"linearized": self.student == "linearized"}

    def differences(self, other: Choices) -> str:
        """Say in what this differs from another, for the name of a curve."""
        changed = [
            _WORDS[field.name](getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]
        return ", ".join(changed) or "the same"


def number(value: float) -> str:
    """Write a number for people: 12,300 or 0.0015."""
    if value == round(value) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


_WORDS: dict[str, Any] = {
    "student": lambda value: STUDENTS[value],
    "factor": lambda value: f"ĉ {FACTORS[value]}",
    "rank": lambda value: f"rank {value}",
    "activation": lambda value: str(value),
    "log_d": lambda value: f"d = {number(round(10.0**value))}",
    "k": lambda value: f"k = {value}",
    "strength": lambda value: f"ξ = {value:g} √k",
    "rate": lambda value: f"η = {value:g} of its limit",
    "noise": lambda value: f"noise {value:g}",
    "batch": lambda value: f"batch {value}",
    "log_steps": lambda value: f"{number(round(10.0**value))} d steps",
    "seed": lambda value: f"seed {value}",
}
