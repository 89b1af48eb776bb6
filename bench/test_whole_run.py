"""Whole runs, with all that a user waits for."""

from __future__ import annotations

import pytest

from lrft.bench import cases

CASES = cases(only="whole run")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_whole_run(case, compare):
    compare(case)
