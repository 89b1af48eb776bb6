"""All threads against fewer, to the same bits."""

from __future__ import annotations

import pytest

from lrft.bench import cases

CASES = cases(only="ensemble")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_ensemble(case, compare):
    compare(case)
