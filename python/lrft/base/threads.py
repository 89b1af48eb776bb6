"""How many threads work may take."""

from __future__ import annotations

import os

from lrft.base import checks

__all__ = ["available_threads", "settle_threads"]


def available_threads() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settle_threads(threads: object) -> int:
    """Return the number asked for; by default all that this process may use."""
    if threads is None:
        return available_threads()
    return checks.integer("threads", threads, 1, 4096)
