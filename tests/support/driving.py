"""What only tests reach of the engine: the module `_testing` beside the package's own.

A build has it where ``LRFT_TESTING`` is on, as in a checkout that is installed with pip; wheels
for others do not.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from lrft.core.engine import compiled


def drive(*arguments: Any) -> Any:
    """Return the reduced space in given coordinates, of the instruction set that runs; or skip."""
    folder = Path(compiled.__file__).parent.name
    try:
        module = importlib.import_module(f"lrft.{folder}._testing")
    except ModuleNotFoundError:
        pytest.skip("lrft was built without LRFT_TESTING")
    return module.Drive(*arguments)
