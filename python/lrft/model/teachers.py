"""Teachers as tables, as TOML and flags have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lrft.base import checks
from lrft.model.task import Task


def with_teacher(base: Task, teacher: Any) -> Task:
    """Put another teacher beside a base.

    Parameters
    ----------
    base : Task
        Its noise and its inputs are kept.
    teacher : str or mapping
        The name of an activation, for `Task.single_index`; or arguments of `Task.multi_index`,
        where they have ``terms``, with keys like ``"1,0,2"``, of `Task.single_index`, where they
        have ``sigma_star`` and no rows, or of `Task.teacher`.

    Returns
    -------
    Task

    Raises
    ------
    TypeError, ValueError
        Naming what is wrong.

    Examples
    --------
    >>> import lrft
    >>> from lrft.model.teachers import with_teacher
    >>> base = lrft.Task.sample(d=100, k=4)
    >>> str(with_teacher(base, "he3").link), str(with_teacher(base, {"width": 2}).link)
    ('1 neuron he3', '2 neurons erf')
    >>> str(with_teacher(base, {"terms": {"1": 1.0, "1,1": 0.5}}).link)
    '2 terms in 2 directions'
    """
    common: dict[str, Any] = {"base": base, "noise": base.noise, "inputs": base.inputs}
    if isinstance(teacher, str):
        return Task.single_index(teacher, **common)
    if not isinstance(teacher, Mapping):
        raise TypeError(
            f"teacher must be the name of an activation or a table, got {checks.describe(teacher)}"
        )
    own = dict(teacher)
    make: Any = Task.teacher
    if "terms" in own:
        terms = own["terms"]
        if not isinstance(terms, Mapping):
            raise TypeError(f"terms must be a table, got {checks.describe(terms)}")
        own["terms"] = {_degrees(name): value for name, value in terms.items()}
        make = Task.multi_index
    elif "sigma_star" in own and not {"rows", "width"} & set(own):
        make = Task.single_index
    try:
        return cast(Task, make(**own, **common))
    except TypeError as error:
        raise TypeError(f"teacher: {error}") from None


def _degrees(text: Any) -> tuple[int, ...]:
    """Read the degrees of a term, as of "1,0,2"."""
    if isinstance(text, tuple):
        return text
    try:
        return tuple(int(part) for part in text.split(","))
    except (AttributeError, ValueError):
        raise ValueError(
            f"terms must have degrees as keys, such as '1,0,2', got {text!r}"
        ) from None
