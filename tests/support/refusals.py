"""Tables of malformed input."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lrft.base import checks


def each(table: Any) -> Any:
    """Run a test for every row of a table, named by what is wrong there."""
    ids = []
    for *kind, changes, _, _ in table:
        given = (f"{name}={checks.describe(value)}" for name, value in changes.items())
        # The address of a function is another one in every process.
        ids.append(re.sub(r" at 0x\w+", "", " ".join([*kind, *given])))
    return pytest.mark.parametrize("row", table, ids=ids)
