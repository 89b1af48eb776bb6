"""Every printed curve of App. B: what it is of, and the simulations of its instances."""

from __future__ import annotations

from typing import Any, NamedTuple

from lrft.paper.experiment import Context
from lrft.paper.figures import settings
from lrft.paper.figures.instances import Curve
from lrft.paper.figures.settings import Convention

__all__ = ["LINES", "Line", "curve", "curves"]


class Line(NamedTuple):
    """A printed curve, or what several of a panel are instances of.

    Parameters
    ----------
    panel, name : str
        In `lrft.paper.figures.printed`; the name is its label in data too.
    rate : str
        Of `settings.RATES`.
    steps : int
        Longest run.
    task, student : dict
        For `settings.task` and `settings.student`.
    """

    panel: str
    name: str
    rate: str
    steps: int
    task: dict[str, Any]
    student: dict[str, Any]


_WIDE = {"d": 2000, "k": 50}
_PROJECTED = {"train_c": True, "orthogonal": True}
_FREE = {"train_c": True, "orthogonal": False}

#: By figure: curves that share a convention.
LINES: dict[str, tuple[Line, ...]] = {
    "fig2": (
        Line("2a", "ĉ trained", "fig2", 2_500_000, _WIDE | {"xi": 1.0}, _PROJECTED),
        Line("2b", "ĉ frozen", "fig2", 2_500_000, _WIDE | {"xi": 1.0}, {"orthogonal": True}),
    ),
    "fig3": tuple(
        Line("3b", name, "fig3", 2_000_000, _WIDE | {"xi": 50**0.5}, _PROJECTED | extra)
        for name, extra in (("real network", {}), ("linearised network", {"linearized": True}))
    ),
    **{
        f"fig{panel}": tuple(
            Line(
                panel,
                name,
                f"fig{panel} {name}",
                steps,
                _WIDE | {"xi": xi, "activation": name},
                _FREE,
            )
            for name in settings.ACTIVATIONS
        )
        for panel, xi, steps in (("4a", 1.0, 200_000), ("4b", 50**0.5, 600_000))
    },
    "fig5": tuple(
        Line(
            "5a",
            name,
            "fig5",
            1_000_000,
            {"d": 1000, "k": 100, "xi": 10.0, "parallel": part},
            _FREE,
        )
        for name, part in (("0", 0.0), ("1/4", 0.25), ("1/2", 0.5), ("3/4", 0.75), ("1", 1.0))
    ),
    "fig6": tuple(
        Line(
            "6",
            f"{xi:g}",
            "fig6",
            25_000_000,
            {"d": 1000, "k": 20, "xi": xi, "activation": "he3"},
            _FREE,
        )
        for xi in (1.0, 10.0, 14.0, 25.0)
    ),
}


def curve(
    line: Line,
    convention: Convention,
    lr: float,
    instances: int,
    *,
    quick: bool = False,
    first: int = settings.SEED,
    **options: Any,
) -> Curve:
    """Make the instances of a printed curve under a convention.

    Parameters
    ----------
    line : Line
    convention : Convention
    lr : float
    instances : int
    quick : bool
        A tenth of d, six neurons and a thousand steps.
    first : int
        As for `settings.task`.
    **options
        For `settings.training`; ``steps`` too.

    Returns
    -------
    Curve

    Examples
    --------
    >>> one = curve(LINES["fig4a"][0], Convention(batch=4), 1e-4, 2)
    >>> one.label, one.training.batch, one.tasks[0].d
    ('relu', 4, 2000)
    """
    given = dict(line.task)
    steps = options.pop("steps", line.steps)
    if quick:
        given |= {"d": 200, "k": 6, "xi": min(given["xi"], 6**0.5)}
        steps = min(steps, 1000)
    tasks = tuple(
        settings.task(i, convention=convention, first=first, **given) for i in range(instances)
    )
    student = settings.student(c_init=convention.c_init, **line.student)
    training = settings.training(student, lr, steps, batch=convention.batch, **options)
    return Curve(line.name, tasks, training)


def curves(figure: str, context: Context, **options: Any) -> list[Curve]:
    """Make the curves of a figure as it is shown, under the convention chosen for it.

    Parameters
    ----------
    figure : str
        Of `LINES`.
    context : Context
        A smoke run: four instances of small tasks.
    **options
        For `settings.training`.

    Returns
    -------
    list of Curve

    Examples
    --------
    >>> [(one.label, len(one.tasks)) for one in curves("fig2", Context(quick=True))]
    [('ĉ trained', 4), ('ĉ frozen', 4)]
    """
    instances = 4 if context.quick else context.instances or settings.INSTANCES[figure]
    convention, rates = settings.CHOSEN[figure], settings.RATES
    return [
        curve(line, convention, rates[line.rate], instances, quick=context.quick, **options)
        for line in LINES[figure]
    ]
