"""Objects as short tables, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as Tree

import numpy as np

__all__ = ["shown", "table"]


def shown(value: object) -> str:
    """Write a value shortly.

    Examples
    --------
    >>> import numpy as np
    >>> shown(1 / 3), shown("relu"), shown(np.eye(2)), shown(20_000)
    ('0.333333', 'relu', 'array of shape (2, 2)', '20,000')
    """
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def table(
    title: str, rows: Mapping[str, object], defaults: Mapping[str, object] | None = None
) -> str:
    """Write an object as a table, what is as by default folded away below it.

    Parameters
    ----------
    title : str
    rows, defaults : mapping
        Values by name; text is escaped.

    Returns
    -------
    str

    Examples
    --------
    >>> table("Task", {"d": 100})[:25]
    '<div><strong>Task</strong'
    """
    page = Tree.Element("div")
    Tree.SubElement(page, "strong").text = title
    _add(page, rows)
    if defaults:
        folded = Tree.SubElement(page, "details")
        Tree.SubElement(folded, "summary").text = f"{len(defaults)} as by default"
        _add(folded, defaults)
    return Tree.tostring(page, encoding="unicode", method="html")


def _add(parent: Tree.Element, rows: Mapping[str, object]) -> None:
    body = Tree.SubElement(Tree.SubElement(parent, "table"), "tbody")
    for name, value in rows.items():
        row = Tree.SubElement(body, "tr")
        Tree.SubElement(row, "th", style="text-align: left").text = name
        Tree.SubElement(row, "td", style="text-align: left").text = shown(value)
