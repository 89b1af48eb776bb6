"""Values that follow from the other fields of a point: ``"0.1 / d"``, ``"sqrt(k)"``."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lrft.base import foreign

__all__ = ["evaluate"]

#: Digits that ``round`` takes: of no float are there more, and powers of ten take their time.
_MOST_DIGITS = 400


def _round(*given: Any) -> Any:
    if len(given) not in (1, 2):
        raise ValueError("round takes a number, and how many digits")
    if len(given) == 2 and not (isinstance(given[1], int) and abs(given[1]) <= _MOST_DIGITS):
        raise ValueError(f"round takes at most {_MOST_DIGITS} digits")
    return round(*given)


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "exp": math.exp,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": _round,
    "min": min,
    "max": max,
}
#: Longer integers are refused, before they are worked out where that would take for ever.
_MOST_BITS = 1024
#: So are longer expressions.
_MOST_TEXT = 1000


def evaluate(text: str, names: Mapping[str, Any]) -> int | float:
    """Work out an expression in numbers, names, ``+ - * / // **`` and a few functions.

    Parameters
    ----------
    text : str
        For example ``"0.1 / d"``. Functions: sqrt, log, exp, floor, ceil, round, min, max.
    names : mapping
        Values of the fields by name; only numbers can be used.

    Returns
    -------
    int or float
        An int where Python arithmetic gives one.

    Raises
    ------
    ValueError
        For anything else in the text, an unknown name, or a result that is no finite number.

    Examples
    --------
    >>> from lrft.study.expression import evaluate
    >>> evaluate("200 * d", {"d": 1000}), evaluate("min(sqrt(k), 3)", {"k": 4})
    (200000, 2.0)
    """
    shown = foreign.shortened(text, 60)
    if len(text) > _MOST_TEXT:
        raise ValueError(f"an expression of {len(text):,} characters, over {_MOST_TEXT:,}")
    try:
        value = _value(_parsed(text), names)
        finite = math.isfinite(value)
    except (ArithmeticError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{shown!r}: {foreign.shortened(str(error))}") from None
    if not finite:
        raise ValueError(f"{shown!r} is {value}")
    result: int | float = value
    return result


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of things like 1if
            return ast.parse(text, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("it is not an expression") from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    value = _worked_out(node, names)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise ValueError("an integer in it is too large")
    return value


def _worked_out(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and _number(node.value):
        return node.value
    if isinstance(node, ast.Name):
        if node.id not in names:
            known = ", ".join(sorted(name for name, value in names.items() if _number(value)))
            raise ValueError(f"no field {node.id!r} is set here; there are {known}")
        if not _number(names[node.id]):
            raise ValueError(f"{node.id} is no number, but {names[node.id]!r}")
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left, names), _value(node.right, names)
        if isinstance(node.op, ast.Pow):
            _check_power(left, right)
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        function = _FUNCTIONS.get(node.func.id)
        if function is not None:
            return function(*(_value(one, names) for one in node.args))
    raise ValueError(f"{ast.unparse(node)} is not allowed here")


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > _MOST_BITS:
        raise ValueError(f"{left}**{right} is too large")
    if left < 0 and not float(right).is_integer():
        raise ValueError(f"{left}**{right} is no real number")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
