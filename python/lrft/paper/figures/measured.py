"""Verdicts of the panels from many instances, measured once: ``data/panels.json``.

Many instances of all panels take minutes; the figures show few. What the many said is kept with the
command that says it again, and written by ``scripts/panels.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from lrft.paper.experiment import Experiment, Verdict, command

__all__ = ["of_many", "stored"]


@cache
def stored() -> dict[str, Any]:
    """Read what was measured.

    Returns
    -------
    dict
        ``panels``: of each its ``instances``, its ``settings``, as the experiment states them, and
        ``verdicts``.

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
        Of this run. One stays where nothing was measured of its statement, or with other settings.
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
    if panel is None or here >= panel["instances"] or panel["settings"] != experiment.settings:
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
        )
        if (found := known.get(one.statement))
        else one
        for one in verdicts
    ]
