"""Every experiment by name, and the names of groups: what `lrft reproduce` can be given."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable

from lrft.paper.experiment import Experiment

__all__ = ["GROUPS", "experiments", "names"]

GROUPS = ("figures", "claims", "all", "conventions", "findings", "beyond")

# Module -> the experiments in it.  Modules are imported when one of theirs is asked for.
_FIGURES = {
    "figure2": ("fig2a", "fig2b"),
    "figure3": ("fig3a", "fig3b"),
    "figure4": ("fig4a", "fig4b"),
    "figure5": ("fig5a", "fig5b"),
    "figure6": ("fig6a", "fig6b"),
}
#: Panels that the paper prints twice.
_TWICE = {"fig1a": "fig4b", "fig1b": "fig6a"}
_CLAIMS = 7
# Experiments that are no part of "all": what the figures were made with, what the paper leaves
# open, and what is not of the paper, each a module.
_CONVENTIONS = tuple(f"conventions{figure}" for figure in ("2", "3", "4a", "4b", "5", "6"))
_FINDINGS = (
    "joint",
    "transition",
    "worst",
    "ranks",
    "batches",
    "conditions",
    "sides",
    "stage",
    "degree",
)
_BEYOND = ("reuse",)


def _homes() -> dict[str, str]:
    """Find the module of every experiment, in the order of the report."""
    figures = {
        name: f"lrft.paper.figures.{module}"
        for module, members in _FIGURES.items()
        for name in members
    }
    homes = {name: figures[name] for name in sorted(figures)}
    for number in range(1, _CLAIMS + 1):
        module = f"lrft.paper.claims.claim{number}"
        if importlib.util.find_spec(module) is not None:
            homes[f"claim{number}"] = module
    homes |= dict.fromkeys(_CONVENTIONS, "lrft.paper.conventions.search")
    homes |= {name: f"lrft.paper.findings.{name}" for name in _FINDINGS}
    return homes | {name: f"lrft.paper.beyond.{name}" for name in _BEYOND}


def names() -> list[str]:
    """Names of all experiments, figures first.

    Examples
    --------
    >>> names()[:3]
    ['fig2a', 'fig2b', 'fig3a']
    """
    return list(_homes())


def experiments(wanted: str | Iterable[str]) -> list[Experiment]:
    """Find experiments by name or group.

    Parameters
    ----------
    wanted : str or iterable of str
        Names (``"fig2a"``, ``"claim3"``), both panels of a figure (``"fig2"``), or a group:
        ``"figures"``, ``"claims"``, ``"all"`` of both, ``"conventions"`` (what the figures were
        made with), ``"findings"`` (what the paper leaves open), or ``"beyond"`` it.  Fig. 1 prints
        panels of Figs. 4 and 6 again: ``"fig1a"`` is ``"fig4b"``, and ``"fig1b"`` is ``"fig6a"``.

    Returns
    -------
    list of Experiment
        In the order of the report, each once.

    Raises
    ------
    ValueError
        For a name that is none of these.

    Examples
    --------
    >>> [experiment.name for experiment in experiments("fig2")]
    ['fig2a', 'fig2b']
    >>> [experiment.name for experiment in experiments("fig1")]
    ['fig4b', 'fig6a']
    """
    homes = _homes()
    given = [wanted] if isinstance(wanted, str) else list(wanted)
    chosen: set[str] = set()
    for name in given:
        found = _members(name, list(homes))
        if not found:
            raise ValueError(
                f"names must be experiments or groups, got {name!r}; there are "
                f"{', '.join((*_TWICE, *homes, *GROUPS))}, and fig2 for fig2a and fig2b"
            )
        chosen.update(found)
    if not chosen:
        raise ValueError("names must name at least one experiment, got none")
    return [_load(name, home) for name, home in homes.items() if name in chosen]


def _members(name: str, every: list[str]) -> list[str]:
    groups = {
        "figures": [one for one in every if one.startswith("fig")],
        "claims": [one for one in every if one.startswith("claim")],
        "conventions": list(_CONVENTIONS),
        "findings": list(_FINDINGS),
        "beyond": list(_BEYOND),
    }
    groups["all"] = groups["figures"] + groups["claims"]
    if name in groups:
        return groups[name]
    panels = [*_TWICE, *every]
    found = [one for one in panels if one == name or (one[:-1] == name and one.startswith("fig"))]
    return [_TWICE.get(one, one) for one in found]


def _load(name: str, home: str) -> Experiment:
    module = importlib.import_module(home)
    several: tuple[Experiment, ...] = getattr(module, "EXPERIMENTS", ())
    return next((one for one in several if one.name == name), None) or module.EXPERIMENT
