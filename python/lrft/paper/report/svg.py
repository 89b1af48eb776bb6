"""Pictures inside the page: with ids of their own and the colours of the page, light or dark."""

from __future__ import annotations

import re

from lrft.paper.drawing import style

__all__ = ["inline", "themes"]

_VARIABLES = {light.lower(): f"var(--{name})" for name, (light, _) in style.THEME.items()}


def themes() -> tuple[dict[str, str], dict[str, str]]:
    """Return the colours of a light and of a dark page by name.

    Examples
    --------
    >>> light, dark = themes()
    >>> light["card"], dark["card"]
    ('#ffffff', '#181d23')
    """
    light, dark = ({name: pair[i] for name, pair in style.THEME.items()} for i in (0, 1))
    return light, dark


def inline(svg: str, name: str) -> str:
    """Bring a picture of matplotlib into a page.

    Parameters
    ----------
    svg : str
        The file.
    name : str
        Unlike that of any other picture of the page: what its ids begin with.

    Returns
    -------
    str
        An ``<svg>`` element as wide as its place, up to somewhat above its size on paper.

    Examples
    --------
    >>> inline('<svg viewBox="0 0 100 50" width="1"><path id="a" fill="#1B1F24"/></svg>', "fig")
    '<svg viewBox="0 0 100 50" style="max-width:145px"><path id="fig-a" fill="var(--ink)"/></svg>'
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|title)>.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(
        r"#[0-9a-f]{6}\b", lambda m: _VARIABLES.get(m[0].lower(), m[0]), svg, flags=re.IGNORECASE
    )
    head, _, rest = svg.partition(">")
    width = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+)', head)
    head = re.sub(r' (?:width|height|xmlns(?::xlink)?|version)="[^"]*"', "", head)
    most = f' style="max-width:{1.45 * float(width[1]):.0f}px"' if width else ""
    return f"{head}{most}>{rest}".strip()
