"""The report: one self-contained HTML file, read on screen, in the dark, on a phone or on paper."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lrft.base.threads import available_threads
from lrft.paper.experiment import Finished, Reproduction
from lrft.paper.report import baseline, svg
from lrft.result import environment, package_versions

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["duration", "html"]


class _Kind(NamedTuple):
    """How the page shows an outcome."""

    outcome: str
    name: str  #: of its CSS class
    mark: str


#: In the order of the page: what does not hold comes first.
_KINDS = (
    _Kind("not supported", "no", "✗"),
    _Kind("not decided", "open", "?"),
    _Kind("supported", "yes", "✓"),
)


def html(done: Reproduction) -> str:
    """Write the report of a run.

    Parameters
    ----------
    done : Reproduction

    Returns
    -------
    str
        HTML without any reference to another address, pictures inline. Links go to the files
        beside it.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    """
    import jinja2

    folder = resources.files("lrft.paper.report")
    loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    page = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["formulas"] = _formulas
    light, dark = svg.themes()
    return page.get_template("report.html").render(
        light=light,
        dark=dark,
        tiles=[_tile(kind, done) for kind in _KINDS],
        facts=_facts(done),
        warnings=_warnings(done),
        sections=[_section(one, done.out) for one in done.finished],
        environment=_environment(done),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def duration(seconds: float) -> str:
    """Write a time readably.

    Examples
    --------
    >>> duration(3.21), duration(75), duration(5400), duration(200_000)
    ('3.2 s', '1.2 min', '1.5 h', '56 h')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    amount, unit = (seconds / 60, "min") if seconds < 3600 else (seconds / 3600, "h")
    return f"{amount:.{1 if amount < 10 else 0}f} {unit}"


def _formulas(text: str) -> Markup:
    """Raise what stands after ^ and lower what stands after _, as in d^(1/4) and Π_W."""
    from markupsafe import Markup, escape

    found = re.sub(r"\^(?:\(([^()]*)\)|([−+]?[\w./]+))", _raised, str(escape(text)))
    return Markup(re.sub(r"_(\w)\b", r"<sub>\1</sub>", found))


def _raised(found: re.Match[str]) -> str:
    return f"<sup>{found[1] or found[2]}</sup>"


def _count(steps: int) -> str:
    return f"{steps / 1e6:.0f} million" if steps >= 1e7 else f"{steps / 1e6:.1f} million"


# ---- what comes first ---------------------------------------------------------------------------


def _tile(kind: _Kind, done: Reproduction) -> dict[str, Any]:
    """How many statements came out so, and where they are."""
    counts = Counter(name for name, verdict in done.verdicts if verdict.outcome == kind.outcome)
    return {
        "kind": kind,
        "count": counts.total(),
        "links": [
            {"name": name, "label": _label(name), "count": count} for name, count in counts.items()
        ],
    }


def _facts(done: Reproduction) -> str:
    """Say what it took, and what it takes others."""
    text = f"All of it took {duration(done.seconds)}."
    loops = [loop for one in done.finished if one.seconds and (loop := _loop(one))]
    if not loops:
        return text
    seconds, steps = sum(one.seconds for one in loops), sum(one.steps for one in loops)
    return (
        f"{text} The fastest loop measured needs {duration(seconds)} on one core for the "
        f"{_count(steps)} steps of the figures."
    )


def _warnings(done: Reproduction) -> list[str]:
    found = []
    if done.quick:
        found.append("A smoke run at sizes that prove nothing (--quick): no verdict counts.")
    if done.interrupted:
        found.append("Interrupted: only what was finished is here.")
    return found + [
        f"{one.experiment.name} failed: {one.error}" for one in done.finished if one.error
    ]


def _label(name: str) -> str:
    if name.startswith("fig"):
        return f"Fig. {name[3:]}"
    if name.startswith("conventions"):
        return f"Conventions of Fig. {name.removeprefix('conventions')}"
    return f"Claim {name[5:]}" if name.startswith("claim") else name.capitalize()


# ---- one experiment -----------------------------------------------------------------------------


def _section(one: Finished, out: Path) -> dict[str, Any]:
    rows = [row for kind in _KINDS for row in _rows(one, kind)]
    pictures = [path for path in one.files if path.suffix == ".svg"]
    tally = Counter(row["kind"] for row in rows)
    return {
        "one": one,
        "name": one.experiment.name,
        "label": _label(one.experiment.name),
        "rows": rows,
        "tally": [(kind, tally[kind]) for kind in _KINDS if tally[kind]],
        # Somebody may have cleaned up since.
        "pictures": [
            svg.inline(path.read_text(encoding="utf-8"), path.stem)
            for path in pictures
            if path.is_file()
        ],
        "time": _time(one),
        "seed": "" if one.data is None else one.data.attrs.get("seed", ""),
        "files": [p.name if p.parent == out else str(p.absolute()) for p in one.files],
    }


def _rows(one: Finished, kind: _Kind) -> list[dict[str, Any]]:
    """Statements of one kind; the first of them is what a tile links to."""
    verdicts = [verdict for verdict in one.verdicts if verdict.outcome == kind.outcome]
    return [
        {
            "kind": kind,
            "verdict": verdict,
            "statement": re.sub(r"^Fig\. \w+: ", "", verdict.statement),
            "anchor": "" if i else f"{one.experiment.name}-{kind.name}",
        }
        for i, verdict in enumerate(verdicts)
    ]


def _loop(one: Finished) -> baseline.Loop | None:
    return None if one.data is None else baseline.loop(one.data)


def _time(one: Finished) -> str:
    loop = _loop(one)
    taken = duration(one.seconds) if one.seconds else ""
    if not taken:
        return "The data are those of another panel or an earlier run."
    if loop is None:
        return f"Computed in {taken}."
    return (
        f"{_count(loop.steps)} steps, computed in {taken}; the fastest loop measured "
        f"({loop.name}) needs {duration(loop.seconds)} on one core."
    )


# ---- where it comes from ------------------------------------------------------------------------


def _environment(done: Reproduction) -> dict[str, str]:
    loops = baseline.measured()
    sizes = "; ".join(
        f"{1e-3 * row['ns']:.1f} µs at d = {row['d']}, k = {row['k']} ({row['loop']})"
        for row in loops["rows"]
    )
    facts = {
        "processors": f"{available_threads()} usable, {platform.machine()}",
        **{key.replace("_", " "): str(value) for key, value in environment().items()},
        "packages": ", ".join(f"{k} {v}" for k, v in package_versions().items()),
        "load": f"{os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "",
        "wall time": duration(done.seconds),
        "loops": f"measured {loops['date']} on {loops['cpu']}: {sizes}; {loops['what']}",
    }
    return {name: value for name, value in facts.items() if value}
