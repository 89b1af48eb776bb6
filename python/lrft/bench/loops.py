"""Finds the baselines: `bench/baselines` of a checkout, or the copy that a wheel carries."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["baselines", "directory"]

_NAME = "lrft_bench_baselines"


def directory() -> Path | None:
    """Return the folder of the baselines, or None where there is neither a checkout nor a copy.

    The copy is ``lrft/_baselines``; a checkout is looked for around the package and in the working
    directory.
    """
    here = Path(__file__).resolve()
    places = [
        here.parents[1] / "_baselines",
        here.parents[3] / "bench" / "baselines",
        Path("bench/baselines"),
    ]
    return next((place.resolve() for place in places if (place / "problem.py").is_file()), None)


def baselines() -> ModuleType:
    """Import the baselines as one package.

    Raises
    ------
    ModuleNotFoundError
        If they are nowhere to be found.
    """
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    folder = directory()
    if folder is None:
        raise ModuleNotFoundError(
            "the baselines are missing: run from a checkout of lrft, which has bench/baselines"
        )
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"the baselines in {folder} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module


def checker() -> ModuleType:
    """Import the module that checks baselines."""
    baselines()
    return importlib.import_module(f"{_NAME}.check")
