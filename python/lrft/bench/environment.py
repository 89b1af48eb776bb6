"""Where the numbers come from: CPU, compiler, flags, versions; and how threads are kept at one."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from lrft.base.threads import available_threads
from lrft.core.engine import compiled

__all__ = ["describe", "one_core", "one_thread_environment", "slug"]

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_PACKAGES = ("lrft", "numpy", "scipy", "numba", "jax", "jaxlib", "torch", "threadpoolctl")


def one_thread_environment() -> dict[str, str]:
    """Return the environment in which every tool starts with one thread."""
    environment = dict(os.environ)
    environment.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    return environment


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and those it starts, on one core where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu() -> str:
    """Return the processor's name as the system gives it."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        fields = {
            key.strip(): value.strip()
            for key, _, value in (s.partition(":") for s in text.splitlines())
        }
        if "model name" in fields:
            family, model = fields.get("cpu family", "?"), fields.get("model", "?")
            return f"{fields['model name']} (family {family}, model {model})"
    return platform.processor() or platform.machine()


def vector_sets() -> list[str]:
    """List the vector instruction sets that matter here, of those the CPU has."""
    with contextlib.suppress(OSError):
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
        return [
            name
            for name in ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512ifma")
            if name in words
        ]
    return []


def describe() -> dict[str, object]:
    """All that a reader needs to judge the numbers, as plain JSON values."""
    build = dict(compiled.build_info())
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "cpu": cpu(),
        "vector_sets": vector_sets(),
        "cores": available_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "lrft": build,
        "versions": versions,
    }


def slug(text: str) -> str:
    """`text` as a file name.

    Examples
    --------
    >>> slug("AMD EPYC 9B14 (family 25)")
    'amd-epyc-9b14-family-25'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
