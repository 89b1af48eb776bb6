"""Signatures that say by name what a function hands on to another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any, TypeVar

__all__ = ["takes_also"]

Function = TypeVar("Function", bound=Callable[..., Any])


def takes_also(
    other: Callable[..., Any], but: Collection[str] = (), only: Collection[str] | None = None
) -> Callable[[Function], Function]:
    """Show the parameters of another function in place of ``**options`` that are handed to it.

    Parameters
    ----------
    other : callable
    but : collection of str
        Names that it does not hand on.
    only : collection of str, optional
        The names that it does, by default all.

    Returns
    -------
    callable
        A decorator, which changes nothing but what ``help`` and `inspect.signature` say.

    Examples
    --------
    >>> import inspect
    >>> from lrft.base.signatures import takes_also
    >>> def inner(a, b=1, c=2): ...
    >>> @takes_also(inner, but=["b"])
    ... def outer(a, **options):
    ...     return inner(a, **options)
    >>> str(inspect.signature(outer))
    '(a, *, c=2)'
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function)
        named = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
        more = [
            one.replace(kind=one.KEYWORD_ONLY)
            for name, one in inspect.signature(other).parameters.items()
            if name not in own.parameters and name not in (*but, "self", "cls")
            if one.kind is not one.VAR_KEYWORD and (only is None or name in only)
        ]
        function.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        return function

    return decorate
