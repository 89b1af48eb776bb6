"""Two samples, one law?  Kolmogorov-Smirnov over a family of tests, corrected for their number."""

from __future__ import annotations

import numpy as np
from scipy import stats

LEVEL = 0.001  # of a whole family


def two_samples(x: np.ndarray, y: np.ndarray) -> float:
    """Return the p-value of the two-sample test; conservative where values are tied."""
    return float(stats.ks_2samp(np.ravel(x), np.ravel(y), method="asymp").pvalue)


def assert_same(pvalues: dict[str, float]) -> None:
    """Fail if any test of the family rejects at LEVEL after Bonferroni's correction."""
    level = LEVEL / len(pvalues)
    smallest = min(pvalues.values())
    assert smallest >= level, {name: p for name, p in pvalues.items() if p < level}
