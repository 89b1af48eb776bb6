"""A step of the ambient space against the loops of `baselines/`, and its limit."""

from __future__ import annotations

import pytest

from lrft.bench import cases

CASES = cases(only="ambient")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_ambient(case, compare):
    compare(case)
