"""The random stream against NumPy's fastest generator."""

from __future__ import annotations

import pytest

from lrft.bench import cases

CASES = cases(only="random")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_random(case, compare):
    compare(case)
