"""The random stream: known answers, the transform at any uniform, moments, tails, independence.

Statistical checks use fixed seeds, so they pass or fail for good; each bound is in standard
errors of an exact variance, and says how likely it was to fail by chance when it was written.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

import lrft
from lrft.core.engine import compiled

INPUTS = 0  # purpose

# ---- Philox4x32-7 -------------------------------------------------------------------------------

ONES = 0xFFFFFFFF
KNOWN = [  # counter, key, output: Random123's kat_vectors for philox4x32 with 7 rounds
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48),
    ),
    (
        (ONES, ONES, ONES, ONES),
        (ONES, ONES),
        (0x5207DDC2, 0x45165E59, 0x4D8EE751, 0x8C52F662),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0x4DFCCABA, 0x190A87F0, 0xC47362BA, 0xB6B5242A),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_vectors(counter, key, expected):
    assert tuple(compiled.philox(counter, key[0] | key[1] << 32)) == expected


# ---- from a counter to two normals --------------------------------------------------------------
#
# Philox is a bijection of its counter, so a counter can be found for any four output words.  Most
# of those counters have a slot too large to ask for in an array; the two words that set the angle
# are free, so trying many of them finds one that can be asked for.

M0, M1 = 0xD2511F53, 0xCD9E8D57
INVERSE = pow(M0, -1, 2**32), pow(M1, -1, 2**32)
SLOTS = 1 << 17


def philox_inverse(words: np.ndarray, key: int) -> np.ndarray:
    """Counters (4, n) whose Philox4x32-7 is `words` (4, n), all uint64 below 2^32."""
    low = np.uint64(ONES)
    w = words.astype(np.uint64)
    for r in reversed(range(7)):
        k0 = np.uint64(((key & ONES) + r * 0x9E3779B9) & ONES)
        k1 = np.uint64(((key >> 32) + r * 0xBB67AE85) & ONES)
        x0 = (w[3] * np.uint64(INVERSE[0])) & low
        x2 = (w[1] * np.uint64(INVERSE[1])) & low
        x1 = w[0] ^ ((x2 * np.uint64(M1)) >> np.uint64(32)) ^ k0
        x3 = w[2] ^ ((x0 * np.uint64(M0)) >> np.uint64(32)) ^ k1
        w = np.stack([x0, x1, x2, x3])
    return w


def reach(radius_words: tuple[int, int], seed: int) -> tuple[list[int], np.ndarray]:
    """Some four words that begin with these two, and the pair of normals they become."""
    rng = np.random.default_rng(seed)
    n = 1 << 19
    words = np.concatenate(
        [
            np.repeat(np.array(radius_words, dtype=np.uint64)[:, None], n, axis=1),
            rng.integers(0, 2**32, size=(2, n), dtype=np.uint64),
        ]
    )
    counters = philox_inverse(words, seed)
    i = int(np.argmax(counters[0] < SLOTS))
    slot, step_low, replica, last = (int(c) for c in counters[:, i])
    assert slot < SLOTS
    assert list(compiled.philox((slot, step_low, replica, last), seed)) == words[:, i].tolist()
    step = (last >> 16) << 32 | step_low
    pair = compiled.normals(seed, replica, last & 0xFFFF, step, 2 * slot + 2)[-2:]
    return words[:, i].tolist(), pair


def signed(high: int, low: int) -> int:
    word = high << 32 | low
    return word - (word >> 63 << 64)


def box_muller(words: list[int]) -> tuple[mpmath.mpf, mpmath.mpf]:
    """The exact transform: the radius from 62 bits, the angle from 64 and two for the quarter.

    The uniform is rounded to double once and taken an ulp lower, so that it is never 1: near
    there that moves the radius, by at most 2e-8.
    """
    with mpmath.workdps(40):
        x = signed(words[0], words[1] | 1)
        u = mpmath.mpf(np.nextafter(float(abs(x)), 0)) / 2**63
        phi = signed(words[2], words[3]) * mpmath.pi / 4 / 2**63
        radius = mpmath.sqrt(-2 * mpmath.log(u)) * mpmath.sign(x)
        pair = radius * mpmath.cos(phi), radius * mpmath.sin(phi)
        return pair[::-1] if words[1] & 1 else pair


HALF = 0x7FFFFFFF
RADII = {  # the two words of the radius: an odd number with a sign is made of them; u 2^63 its size
    "smallest u: the largest |z|": (0, 0),
    "smallest u, turned": (ONES, ONES),
    "second smallest": (0, 3),
    "9 sigma": (0, 0x17),
    "8 sigma, turned": (ONES, ONES - 0x1D2680),
    "6 sigma": (0x8, 0x12345678),
    "4 sigma": (0x0AFED3, 0x89ABCDEF),
    "1 sigma": (0x4DA2CBF1, 0x7CB42121),
    "u around a half": (HALF >> 1, ONES),
    "u a half": (0x40000000, 0),
    "u at a border of the table": (0x7C000000, 0),
    "u just below it": (0x7BFFFFFF, ONES),
    "u near 1": (HALF, 0xFFFF0000),
    "largest u, whose size rounds to 2^63": (HALF, ONES),
    "largest u, turned": (HALF + 1, 0),
}


@pytest.mark.parametrize("radius", RADII)
def test_transform_is_exact_at_any_uniform(radius):
    """Both normals within 6 ulp of the exact transform, wherever the bits lie."""
    for seed in range(2):
        words, pair = reach(RADII[radius], seed)
        for found, exact in zip(pair, box_muller(words), strict=True):
            assert abs(found - exact) <= 6 * np.spacing(abs(float(exact)))


def test_transform_of_many_uniforms():
    """Within the stated 4 ulp for 3,000 counters, a third of them with the smallest radii."""
    z = compiled.normals(3, 1, INPUTS, 5, 1 << 20).reshape(-1, 2)
    smallest = np.argsort(np.hypot(*z.T))[:1000]
    for slot in (*smallest.tolist(), *range(2000)):
        exact = box_muller(list(compiled.philox((slot, 5, 1, 0), 3)))
        for found, truth in zip(z[slot], exact, strict=True):
            assert abs(found - truth) <= 4 * np.spacing(abs(float(truth)))


def test_largest_normal():
    """sqrt(126 log 2) = 9.35 is reached in radius and never passed: the law ends at 9e-21."""
    radius = max(np.hypot(*reach((0, 0), seed)[1]) for seed in range(2))
    assert radius == pytest.approx(np.sqrt(126 * np.log(2)), rel=1e-15)
    assert radius > 8


# ---- the law of many ---------------------------------------------------------------------------

#: A check is in standard errors; 4.5 is passed by chance with probability 7e-6 a check.
ERRORS = 4.5


def chunks(count, size, seed=5):
    for step in range(count):
        yield compiled.normals(seed, 1, INPUTS, step, size)


def check_law(count: int, size: int) -> None:
    n, tails, powers = count * size, np.arange(1.0, 6.01, 0.5), np.arange(1, 9)
    sums, above = np.zeros(len(powers)), np.zeros((2, len(tails)))
    for z in chunks(count, size):
        power = np.ones_like(z)
        for i in range(len(powers)):
            power *= z
            sums[i] += power.sum()
        large = z[np.abs(z) > 1]
        above[0] += [(large > t).sum() for t in tails]
        above[1] += [(large < -t).sum() for t in tails]
    moment = np.array([0 if p % 2 else stats.norm.moment(int(p)) for p in range(1, 17)])
    variance = moment[2 * powers - 1] - moment[powers - 1] ** 2
    assert (np.abs(sums / n - moment[powers - 1]) < ERRORS * np.sqrt(variance / n)).all()
    # Counts in the tail are Poisson; exact two-sided probabilities of each.
    mean = n * stats.norm.sf(tails)
    p = 2 * np.minimum(stats.poisson.cdf(above, mean), stats.poisson.sf(above - 1, mean))
    assert p.min() > 2 * stats.norm.sf(ERRORS)


def test_moments_and_tails():
    check_law(8, 1 << 20)


@pytest.mark.verification
def test_moments_and_tails_of_a_billion():
    """10^9 numbers: 573 are expected beyond 5 sigma, 2 beyond 6."""
    check_law(250, 4_000_000)


def test_distribution_and_angles():
    z = np.concatenate(list(chunks(4, 1 << 19, seed=6)))
    assert stats.kstest(z, "norm").pvalue > 1e-4
    x, y = z[::2], z[1::2]
    assert stats.kstest(np.exp(-(x**2 + y**2) / 2), "uniform").pvalue > 1e-4
    assert stats.kstest(np.arctan2(y, x) / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-4


# ---- streams ------------------------------------------------------------------------------------

BASE = {"seed": 7, "replica": 0, "purpose": INPUTS, "step": 0}
NEIGHBOURS = {
    "next seed": {"seed": 8},
    "seed, high word": {"seed": 7 + (1 << 32)},
    "seed, top bit": {"seed": 7 + (1 << 63)},
    "next replica": {"replica": 1},
    "last replica": {"replica": 2**32 - 1},
    "next purpose": {"purpose": 1},
    "chi": {"purpose": 2},
    "noise": {"purpose": 3},
    "embedding": {"purpose": 21},
    "next step": {"step": 1},
    "step over 32 bits": {"step": 1 << 32},
    "step of 40 bits": {"step": (1 << 40) - 1},
    "step of 48 bits": {"step": (1 << 48) - 1},
}
SIZE = 1 << 17


@pytest.mark.parametrize("lag", [0, 1, 2, 7])
def test_streams_are_independent(lag):
    """No correlation of values or of sizes between any two of 14 neighbouring streams."""
    streams = np.array(
        [compiled.normals(**(BASE | n), size=SIZE) for n in ({}, *NEIGHBOURS.values())]
    )
    if lag == 0:
        assert np.unique(streams).size == streams.size
    for f in (lambda z: z, lambda z: (z**2 - 1) / np.sqrt(2)):
        products = f(streams[:, lag:]) @ f(streams[:, : SIZE - lag]).T
        errors = products / np.sqrt(SIZE - lag)
        np.fill_diagonal(errors, 0.0)
        assert np.abs(errors).max() < ERRORS + 0.5  # 1,456 correlations


def test_within_a_stream():
    z = compiled.normals(**BASE, size=1 << 20)
    assert np.unique(z).size == z.size
    for lag in (1, 2, 3, 8, 16, 64, 128, 1000):
        for f in (lambda v: v, lambda v: (v**2 - 1) / np.sqrt(2)):
            product = f(z[lag:]) * f(z[:-lag])
            assert abs(product.mean()) * np.sqrt(product.size) < ERRORS


def test_numbers_are_addressed():
    """Any size gives the same prefix, and the purposes do not share an address."""
    long = compiled.normals(**BASE, size=1000)
    for size in (0, 1, 2, 7, 8, 63, 999):
        np.testing.assert_array_equal(compiled.normals(**BASE, size=size), long[:size])
    assert len(set(compiled.purposes.values())) == len(compiled.purposes)


def test_inputs_of_a_batch_begin_at_counters_of_their_own():
    x = lrft.normals(3, replica=2, step=9, size=(3, 5))
    stream = compiled.normals(3, 2, compiled.purposes["inputs"], 9, 18).reshape(3, 6)
    np.testing.assert_array_equal(x, stream[:, :5])
    np.testing.assert_array_equal(lrft.normals(3, 2, 9, 5), x[0])
    assert lrft.normals(3, 2, 9, 0).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-1, 0, 0, 4), "seed"),
        ((2**64, 0, 0, 4), "seed"),
        ((0, -1, 0, 4), "replica"),
        ((0, 2**32, 0, 4), "replica"),
        ((0, 0, -1, 4), "step"),
        ((0, 0, 0, -4), "size"),
        ((0, 0, 0, (2, -4)), "size"),
        ((0, 0, 0, (1, 2, 3)), "size"),
        ((0, 0, 0, 2**40), "size"),
    ],
)
def test_bad_arguments_of_normals(arguments, name):
    with pytest.raises(ValueError, match=name):
        lrft.normals(*arguments)
    assert lrft.normals(0, 0, 0, 4).shape == (4,)
