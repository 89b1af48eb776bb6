"""chi variates against their exact law: 10^6 draws each, the whole distribution and both tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from lrft.core.engine import compiled

DRAWS, SEED = 1_000_000, 303
DEGREES = (1.0, 1.5, 2.0, 3.0, 4.0, 10.0, 63.0, 1e4, 1e7, 1e12)
TAILS = (1e-3, 1e-4, 1e-5)


def draw(nu: float, seed: int = SEED) -> np.ndarray:
    return compiled.chi(seed, 4, compiled.purposes["chi"], 17, np.full(DRAWS, nu))


def cdf(chi: np.ndarray, nu: float) -> np.ndarray:
    """P(chi_nu <= x).  Above 10^7 degrees, where the incomplete gamma function loses digits, by
    Wilson and Hilferty's cube root, whose error is of order 1 / nu there."""
    if nu <= 1e7:
        return special.gammainc(nu / 2, chi**2 / 2)
    # (chi^2 / nu)^(1/3) is normal with mean 1 - 2/(9 nu) and variance 2/(9 nu).
    ratio = (chi / np.sqrt(nu) - 1) * (chi / np.sqrt(nu) + 1)
    cube_root_less_one = np.expm1(np.log1p(ratio) / 3)
    return special.ndtr((cube_root_less_one + 2 / (9 * nu)) / np.sqrt(2 / (9 * nu)))


@pytest.mark.parametrize("nu", DEGREES)
def test_law(nu):
    u = cdf(draw(nu), nu)
    assert np.isfinite(u).all()
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    for p in TAILS:
        for count in ((u < p).sum(), (u > 1 - p).sum()):
            mean = DRAWS * p
            chance = 2 * min(stats.poisson.cdf(count, mean), stats.poisson.sf(count - 1, mean))
            assert chance > 1e-5


@pytest.mark.parametrize("nu", [3.0, 1e7])
def test_controls(nu):
    """The same test rejects the normal approximation, and chi^2 off by 1 % of its deviation."""
    z = stats.norm.ppf((np.arange(DRAWS) + 0.5) / DRAWS)
    wrong = np.sqrt(np.maximum(nu + np.sqrt(2 * nu) * z, 0))
    if nu == 3.0:
        assert stats.kstest(cdf(wrong, nu), "uniform").pvalue < 1e-6
    shifted = draw(nu) * np.sqrt(1 + 0.01 * np.sqrt(2 / nu))
    assert stats.kstest(cdf(shifted, nu), "uniform").pvalue < 1e-6


def test_draws_are_independent():
    """Across slots, and between the attempts of one slot and the next."""
    chi = draw(3.0)
    assert np.unique(chi).size > DRAWS - 5
    x = stats.norm.ppf(cdf(chi, 3.0))
    for lag in (1, 2, 64, 128, 256):
        assert abs(np.mean(x[lag:] * x[:-lag])) * np.sqrt(DRAWS) < 4.5


def test_draws_are_addressed():
    """Entry i does not depend on the degrees of the others, and arguments are checked."""
    mixed = np.array([1.0, 5.0, 1e9, 2.0, 7.5] * 5)
    chi = compiled.chi(1, 0, compiled.purposes["chi"], 0, mixed)
    for size in (1, 7, 8, 24):
        np.testing.assert_array_equal(
            compiled.chi(1, 0, compiled.purposes["chi"], 0, mixed[:size]), chi[:size]
        )
    other = np.full(25, 3.0)
    other[4] = mixed[4]
    assert compiled.chi(1, 0, compiled.purposes["chi"], 0, other)[4] == chi[4]
    for bad in (0.5, -1.0, np.nan):
        with pytest.raises(ValueError, match="dof must be at least 1"):
            compiled.chi(1, 0, 2, 0, np.array([3.0, bad]))
