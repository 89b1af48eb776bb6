"""The report: one self-contained HTML file, read on screen, in the dark, on a phone or on paper."""

from __future__ import annotations

import html as escaping
import os
import platform
import re
from datetime import UTC, datetime
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from lrft.base.threads import available_threads
from lrft.paper.drawing import style
from lrft.paper.report import baseline
from lrft.result import environment, package_versions

if TYPE_CHECKING:
    from pathlib import Path

    from lrft.paper.experiment import Finished, Reproduction, Verdict

__all__ = ["duration", "html"]

_MARKS = {
    "supported": ("yes", "✓ supported"),
    "not supported": ("no", "✗ not supported"),
    "not decided": ("open", "? not decided"),
}
# Colours that the page sets itself, light or dark.
_VARIABLES = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.GRID: "var(--grid)",
    style.PAPER: "var(--card)",
} | {colour: f"var(--c{i})" for i, colour in enumerate(style.PALETTE)}


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
    """
    return Template(_file("report.html")).substitute(
        style=_file("report.css"),
        summary=_summary(done),
        verdicts=_table(done),
        exponents=_exponents(done),
        sections="\n".join(_section(one, done.out) for one in done.finished),
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


def _file(name: str) -> str:
    return (resources.files("lrft.paper.report") / name).read_text(encoding="utf-8")


def _text(value: object) -> str:
    return escaping.escape(str(value), quote=True)


def _count(steps: int) -> str:
    return f"{steps / 1e6:.0f} million" if steps >= 1e7 else f"{steps / 1e6:.1f} million"


# ---- what comes first ---------------------------------------------------------------------------


def _summary(done: Reproduction) -> str:
    verdicts = [verdict for _, verdict in done.verdicts]
    tiles = [
        (sum(v.outcome == outcome for v in verdicts), words)
        for outcome, words in (
            ("supported", "statements supported"),
            ("not supported", "not supported"),
            ("not decided", "not decided"),
        )
    ]
    parts = [f'<div class="tile"><b>{n}</b><span>{words}</span></div>' for n, words in tiles]
    parts.append(
        f'<div class="tile"><b>{duration(done.seconds)}</b><span>for everything here</span></div>'
    )
    loops = [loop for one in done.finished if one.seconds and (loop := _loop(one))]
    if loops:
        seconds, steps = sum(one.seconds for one in loops), sum(one.steps for one in loops)
        parts.append(
            f'<div class="tile"><b>{duration(seconds)}</b><span>is what the fastest loop measured '
            f"needs on one core for the {_count(steps)} steps of the figures</span></div>"
        )
    warnings = []
    if done.quick:
        warnings.append("A smoke run at sizes that prove nothing (--quick): no verdict counts.")
    if done.interrupted:
        warnings.append("Interrupted: only what was finished is here.")
    warnings += [f"{one.experiment.name} failed: {one.error}" for one in done.finished if one.error]
    text = "".join(f'<p class="warning">{_text(warning)}</p>' for warning in warnings)
    return f'<div class="tiles">{"".join(parts)}</div>{text}'


def _table(done: Reproduction) -> str:
    rows = []
    for one in done.finished:
        name = one.experiment.name
        link = f'<a href="#{_text(name)}">{_text(name)}</a>'
        if one.error:
            rows.append(_row(link, "", _text(one.error), "not decided"))
        rows += [_verdict_row(verdict, link) for verdict in one.verdicts]
    return _head("experiment", "statement", "measured", "verdict") + "".join(rows) + "</table>"


def _exponents(done: Reproduction) -> str:
    """Collect the growth laws: what was measured beside what is proved or printed."""
    rows = [
        _verdict_row(verdict, f'<a href="#{_text(name)}">{_text(name)}</a>')
        for name, verdict in done.verdicts
        if re.search(r"\b(?:exponent|slope)s?\b", verdict.measured)
    ]
    if not rows:
        return ""
    table = _head("experiment", "proved or stated", "measured", "verdict") + "".join(rows)
    title = "Exponents, measured beside proved"
    return f'<section id="exponents"><h2>{title}</h2>{table}</table></section>'


def _head(*names: str) -> str:
    cells = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"<table><thead><tr>{cells}</tr></thead>"


def _verdict_row(verdict: Verdict, first: str | None = None) -> str:
    note = f'<span class="note">{_text(verdict.note)}</span>' if verdict.note else ""
    return _row(first, _text(verdict.statement), _text(verdict.measured) + note, verdict.outcome)


def _row(first: str | None, statement: str, measured: str, outcome: str) -> str:
    kind, words = _MARKS[outcome]
    name = "" if first is None else f'<td class="name">{first}</td>'
    verdict = f'<td class="outcome {kind}">{words}</td>'
    return f"<tr>{name}<td>{statement}</td><td>{measured}</td>{verdict}</tr>"


# ---- one experiment -----------------------------------------------------------------------------


def _section(one: Finished, out: Path) -> str:
    about = one.experiment
    name = _text(about.name)
    parts = [
        f'<section id="{name}"><h2>{_text(_heading(about.name))}: {_text(about.title)}</h2>',
        f"<p>{_text(about.shows)}</p>",
    ]
    picture = next((path for path in one.files if path.suffix == ".svg"), None)
    if picture is not None and picture.is_file():  # somebody may have cleaned up since
        label = f'role="img" aria-label="{_text(about.title)}"'
        svg = _inline(picture.read_text(encoding="utf-8"), about.name, label)
        parts.append(f"<figure>{svg}</figure>")
    if one.error:
        parts.append(f'<p class="warning">Failed: {_text(one.error)}</p>')
    if one.no_picture:
        parts.append(f'<p class="warning">No picture: {_text(one.no_picture)}</p>')
    if one.verdicts:
        rows = "".join(_verdict_row(verdict) for verdict in one.verdicts)
        parts.append(_head("statement", "measured", "verdict") + rows + "</table>")
    parts.append(f"<h3>Chosen where the paper is silent</h3><p>{_text(about.settings)}</p>")
    places = [p.name if p.parent == out else p.absolute() for p in one.files]
    files = ", ".join(f'<a href="{_text(place)}">{_text(place)}</a>' for place in places)
    seed = "" if one.data is None else one.data.attrs.get("seed", "")
    seeded = f", seed {_text(seed)}" if seed != "" else ""
    parts.append(
        f'<p class="facts">Made alone by <code>{_text(one.command)}</code>{seeded}. {_time(one)} '
        f"Files: {files}.</p></section>"
    )
    return "\n".join(parts)


def _heading(name: str) -> str:
    return f"Fig. {name[3:]}" if name.startswith("fig") else f"Claim {name.removeprefix('claim')}"


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
        f"({_text(loop.name)}) needs {duration(loop.seconds)} on one core."
    )


def _inline(svg: str, name: str, attributes: str) -> str:
    """Bring a picture of matplotlib into the page: ids of its own, colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<title>.*?</title>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = svg.replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        svg = re.sub(re.escape(colour), variable, svg, flags=re.IGNORECASE)
    # The page decides the size, up to somewhat above that of paper.
    head, _, rest = svg.partition(">")
    width = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+)', head)
    head = re.sub(r' (?:width|height|xmlns(?::xlink)?|version)="[^"]*"', "", head)
    most = f' style="max-width:{1.45 * float(width[1]):.0f}px"' if width else ""
    return f"{head} {attributes}{most}>{rest}".strip()


# ---- where it comes from ------------------------------------------------------------------------


def _environment(done: Reproduction) -> str:
    loops = baseline.measured()
    sizes = "; ".join(
        f"{1e-3 * row['ns']:.1f} µs at d = {row['d']}, k = {row['k']} ({row['loop']})"
        for row in loops["rows"]
    )
    facts = {
        "processors": f"{available_threads()} usable, {platform.machine()}",
        **{key.replace("_", " "): value for key, value in environment().items()},
        "packages": ", ".join(f"{k} {v}" for k, v in package_versions().items()),
        "load": f"{os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "",
        "wall time": duration(done.seconds),
        "loops": f"measured {loops['date']} on {loops['cpu']}: {sizes}; {loops['what']}",
    }
    rows = "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in facts.items() if v)
    return f"<dl>{rows}</dl>"
