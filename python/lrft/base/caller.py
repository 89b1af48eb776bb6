"""Warnings that point at the line of the user, however deep in lrft they are raised."""

from __future__ import annotations

import sys
import warnings

__all__ = ["RateWarning", "warn"]


class RateWarning(UserWarning):
    """A given learning rate is far above the stability limit of its task and student.

    Examples
    --------
    >>> import warnings, lrft
    >>> task = lrft.Task.sample(d=1000, k=4)
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     ds = lrft.simulate(task, lrft.Training(lr=0.1, steps=10))
    >>> [one.category.__name__ for one in seen]
    ['RateWarning']
    """


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the first caller that is no part of lrft."""
    frame, level = sys._getframe(1), 2
    while frame.f_globals.get("__name__", "").split(".")[0] == "lrft" and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
