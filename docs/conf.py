"""Sphinx: the pages of this folder, the API from its docstrings, nothing from other hosts.

    sphinx-build -W docs docs/_build/html

Pages are Markdown that reads on a code host too, so their links go to files of the repository;
`_retarget` turns those that leave this folder into links of the site.  What is not written by
hand (API, command line, pages of the repository's root) is made in ``_generated/`` first.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_site"))

import pages  # noqa: E402

import lrft  # noqa: E402

project = "lrft"
author = "The lrft developers"
copyright = author
version = release = lrft.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_site", "_static", "results"]
templates_path: list[str] = []

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

default_role = "py:obj"
autodoc_typehints = "none"  # the docstrings say more: shapes, ranges
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]  # which reads "a, b : float"
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"lrft {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "native"


def _retarget(app: Any, docname: str, source: list[str]) -> None:
    source[0] = pages.retarget(source[0], docname)


def _mathml(self: Any, node: nodes.math) -> None:
    """Formulas as MathML, which browsers draw by themselves: no script, no fonts to fetch."""
    block = isinstance(node, nodes.math_block)
    markup = latex2mathml.converter.convert(node.astext(), display="block" if block else "inline")
    # Greek in a formula needs no entity; an upright operator keeps its room.
    markup = re.sub(r"\s+", " ", markup)
    self.body.append(f'<div class="math">{markup}</div>' if block else markup)
    raise nodes.SkipNode


def _plain_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Write |m| as it is: in reStructuredText it would be a substitution."""
    for i, line in enumerate(lines):
        if "|" in line and not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")  # what is quoted stays
            parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app: Any) -> dict[str, bool]:
    pages.generate(HERE)
    app.connect("source-read", _retarget)
    app.connect("autodoc-process-docstring", _plain_bars)
    app.add_node(nodes.math, override=True, html=(_mathml, None))
    app.add_node(nodes.math_block, override=True, html=(_mathml, None))
    return {"parallel_read_safe": True}
