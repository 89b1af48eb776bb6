"""Every public name says what it takes, gives and refuses, and shows an example that runs.

The names are those of the API pages of the site (docs/_site/pages.py).  That the examples run is
the doctest step's part; here they must exist.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.any_set

ROOT = Path(__file__).parents[2]


def load_pages() -> Any:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs/_site/pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = load_pages()


def public() -> dict[str, tuple[str, Any, type | None]]:
    """Full name -> kind, object and, for members, the class."""
    found: dict[str, tuple[str, Any, type | None]] = {}
    for _, name, value in PAGES.public_names():
        found[name] = ("class" if inspect.isclass(value) else "function", value, None)
        if inspect.isclass(value):
            for member in PAGES.members(value):
                raw = inspect.getattr_static(value, member)
                if isinstance(raw, classmethod | staticmethod):
                    raw = raw.__func__
                kind = "function" if inspect.isfunction(raw) else "property"
                found[f"{name}.{member}"] = (kind, raw, value)
    return found


PUBLIC = public()
#: How a class is made may be said by its fields instead.
FIELDS = ("Parameters", "Attributes")


def docstring(value: Any) -> str:
    if isinstance(value, property):
        value = value.fget
    elif type(value).__name__ == "cached_property":
        value = value.func
    return inspect.getdoc(value) or ""


def sections(text: str) -> dict[str, str]:
    """numpydoc sections by title; the summary under ''."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def described(section: str) -> set[str]:
    """Names that a Parameters section lists, ``a, b : type`` being two."""
    names: set[str] = set()
    for line in section.splitlines():
        if line and not line[0].isspace():
            names |= {name.strip().lstrip("*") for name in line.split(" : ")[0].split(",")}
    return names


def shapeless(section: str) -> list[str]:
    """Arrays of a section whose entry names no shape."""
    entries = re.split(r"^(?=\S)", section, flags=re.MULTILINE)
    arrays = [e for e in entries if re.search(r"\b(array_like|ndarray)\b", e.split("\n")[0])]
    return [e.split(" : ")[0].strip() for e in arrays if not re.search(r"shape|\(\w+,", e)]


def arguments(kind: str, value: Any) -> set[str]:
    if kind == "class" and hasattr(value, "model_fields"):
        return {name for name in value.model_fields if name != "kind"}
    if kind == "class" and (value.__init__ is object.__init__ or issubclass(value, Warning)):
        return set()
    signature = inspect.signature(value)
    own = ("self", "cls")
    return {name for name in signature.parameters if name not in own and not name.startswith("_")}


def raises(value: Any) -> bool:
    """Whether the source of a function raises by itself, or checks its arguments."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_checks."):
            return not ast.unparse(node.func).endswith("describe")
    return False


def returns(value: Any) -> bool:
    annotation = inspect.signature(value).return_annotation
    return annotation not in (None, "None", inspect.Signature.empty)


def faults(name: str) -> list[str]:
    kind, value, owner = PUBLIC[name]
    text = docstring(value)
    if not text:
        return ["no docstring"]
    found = sections(text)
    summary = found[""].strip().split("\n\n")[0]
    wrong = [] if summary.endswith((".", ":", ".)")) else ["the summary is no sentence"]
    if kind == "property":
        return wrong
    needed = arguments(kind, value)
    listed = {n for title in FIELDS for n in described(found.get(title, ""))}
    listed |= described(found.get("Other Parameters", ""))
    if missing := needed - listed:
        wrong.append(f"Parameters lacks {sorted(missing)}")
    if kind == "function" and (extra := described(found.get("Parameters", "")) - needed):
        wrong.append(f"Parameters has {sorted(extra)}, which the signature lacks")
    if kind == "function" and returns(value) and not ({"Returns", "Yields"} & set(found)):
        wrong.append("no Returns")
    if kind == "function" and raises(value) and "Raises" not in found:
        wrong.append("raises, but has no Raises")
    for title in (*FIELDS, "Other Parameters", "Returns", "Yields"):
        wrong += [f"{title}: no shape of {array}" for array in shapeless(found.get(title, ""))]
    # One example of a class may show several of its methods.
    shared = sections(docstring(owner)).get("Examples", "") if owner else ""
    if ">>>" not in found.get("Examples", "") and f".{name.split('.')[-1]}(" not in shared:
        wrong.append("no Examples with a doctest")
    return wrong


def test_there_are_names() -> None:
    assert len(PUBLIC) > 80
    assert {"lrft.simulate", "lrft.Task.sample", "lrft.theory.drift"} <= set(PUBLIC)


def test_every_exported_name_has_a_page() -> None:
    import lrft

    modules = {name for name in lrft.__all__ if inspect.ismodule(getattr(lrft, name))}
    roots = {name.split(".")[1] for name in PUBLIC}
    assert set(lrft.__all__) - roots - {"__version__"} == set()
    assert modules <= roots


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_is_complete(name: str) -> None:
    assert faults(name) == []


def test_faults_are_seen() -> None:
    """The control: docstrings with each fault are told from a whole one."""

    def whole(a: int) -> int:
        """Do it.

        Parameters
        ----------
        a : int

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If so.

        Examples
        --------
        >>> 1
        1
        """
        raise ValueError

    def bare(a: int) -> int:
        """Do it"""
        raise ValueError

    def other(a: int, b: int) -> None:
        """Do it.

        Parameters
        ----------
        a : array_like
        c : int
        """

    for function in (whole, bare, other):
        PUBLIC[function.__name__] = ("function", function, None)
    try:
        assert faults("whole") == []
        assert len(faults("bare")) == 5
        assert faults("other") == [
            "Parameters lacks ['b']",
            "Parameters has ['c'], which the signature lacks",
            "Parameters: no shape of a",
            "no Examples with a doctest",
        ]
    finally:
        for function in (whole, bare, other):
            del PUBLIC[function.__name__]


def test_what_implements_the_paper_says_where() -> None:
    """Equation, theorem, proposition, claim, figure, assumption or appendix of the source."""
    implemented = """lrft.RankOne lrft.Task lrft.Task.hard_from_scratch lrft.simulate lrft.recover_c
        lrft.fine_tune lrft.theory.drift lrft.theory.population_loss lrft.theory.gradient_flow
        lrft.theory.population_gradient lrft.theory.hermite_coefficients
        lrft.theory.information_exponent lrft.reference.rank_one_path"""
    pattern = r"Eqs?\.|Theorems?|Prop\.|Claim|Fig\.|Assumption|App\.|\bA\d\b"
    silent = [n for n in implemented.split() if not re.search(pattern, docstring(PUBLIC[n][1]))]
    assert silent == []


def test_every_name_has_its_place_on_the_site() -> None:
    assert all(PAGES._title(home) for home, *_ in PAGES.public_names())
