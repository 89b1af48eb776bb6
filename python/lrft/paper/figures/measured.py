"""Verdicts of the panels from many instances, measured once: ``data/panels.json``.

Many instances of all panels take minutes; the figures show few. What the many said is kept with the
command that says it again, and written by ``scripts/panels.py``.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module, resources
from typing import Any

from lrft.paper.experiment import Experiment, Verdict, command
from lrft.paper.figures import settings

__all__ = ["holds", "judged_by", "of_many", "stored"]

#: What decides verdicts beside the figure's own module.
_JUDGES = (
    "lrft.paper.deciding",
    "lrft.paper.figures.instances",
    "lrft.paper.figures.judging",
    "lrft.paper.figures.matching",
    "lrft.result.intervals",
)


@cache
def stored() -> dict[str, Any]:
    """Read what was measured.

    Returns
    -------
    dict
        ``panels``: of each its ``instances``, its ``seed`` and ``settings``, as the experiment
        states them, ``judged_by`` and ``verdicts``.

    Examples
    --------
    >>> stored()["panels"]["fig2a"]["instances"]
    128
    """
    text = (resources.files("lrft.data") / "panels.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def of_many(experiment: Experiment, verdicts: Sequence[Verdict], here: int) -> list[Verdict]:
    """Put the verdicts of many instances in the place of those of few.

    Parameters
    ----------
    experiment : Experiment
    verdicts : sequence of Verdict
        Of this run. One stays where nothing was measured of its statement, or with another seed,
        other settings or other judges.
    here : int
        Instances of this run.

    Returns
    -------
    list of Verdict
        Each says which number is whose.

    Examples
    --------
    >>> from lrft.paper.figures.figure2 import EXPERIMENTS
    >>> name = "Fig. 2a: all of ten instances learn u"
    >>> (one,) = of_many(EXPERIMENTS[0], [Verdict(name, "8 of 8", "not decided")], 8)
    >>> one.outcome, one.measured.endswith("128; here, 8 instances: 8 of 8")
    ('supported', True)
    """
    panel = stored()["panels"].get(experiment.name)
    if panel is None or here >= panel["instances"] or not holds(experiment, panel):
        return list(verdicts)
    known = {one["statement"]: one for one in panel["verdicts"]}
    said = command(experiment.name, False, panel["instances"])
    return [
        Verdict(
            one.statement,
            f"{found['measured']}: {said}; here, {here} instances: {one.measured}",
            found["outcome"],
            found["note"],
            found["needs"],
            found["reason"],
        )
        if (found := known.get(one.statement))
        else one
        for one in verdicts
    ]


def holds(experiment: Experiment, panel: dict[str, Any]) -> bool:
    """Whether what is kept of a panel was measured with its seed, settings and judges of now."""
    now = {
        "seed": settings.SEED,
        "settings": experiment.settings,
        "judged_by": judged_by(experiment),
    }
    return all(panel[name] == value for name, value in now.items())


def judged_by(experiment: Experiment) -> str:
    """Hash the code that decides the verdicts of a panel, and what is printed.

    Comments, docstrings and layout do not count, nor does the version of Python.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    str

    Examples
    --------
    >>> from lrft.paper.figures.figure2 import EXPERIMENTS
    >>> judged_by(EXPERIMENTS[0]) == judged_by(EXPERIMENTS[1])  # one module
    True
    """
    return _code(getattr(experiment.judge, "func", experiment.judge).__module__)


@cache
def _code(module: str) -> str:
    digest = hashlib.sha256()
    for name in (module, *_JUDGES):
        tree = ast.parse(inspect.getsource(import_module(name)))
        digest.update("\n".join(_tokens(tree)).encode())
    digest.update((resources.files("lrft.data") / "printed_curves.csv").read_bytes())
    return digest.hexdigest()[:16]


def _tokens(node: Any) -> Iterator[str]:
    """List a tree of code, without docstrings, and without the fields that are empty."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            body = value[1:] if name == "body" and _documented(node) else value
            if body not in (None, []):  # Pythons differ in these
                yield name
                yield from _tokens(body)
    elif isinstance(node, list):
        for one in node:
            yield from _tokens(one)
    else:
        yield repr(node)


def _documented(node: ast.AST) -> bool:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None
