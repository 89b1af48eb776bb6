"""Every activation, value and derivative, against NumPy and SciPy."""

from __future__ import annotations

import pytest

from lrft.bench import cases

CASES = cases(only="activation")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_activation(case, compare):
    compare(case)
