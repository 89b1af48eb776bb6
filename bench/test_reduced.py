"""A replica-step of the reduced space against the loops of `baselines/`, and its limit."""

from __future__ import annotations

import pytest

from lrft.bench import cases

CASES = cases(only="reduced")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_reduced(case, compare):
    compare(case)
