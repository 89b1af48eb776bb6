"""Checks of arguments: what they take, in which form, and what they say of the rest."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from lrft.base import checks

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: checks.integer("n", np.int32(3)), 3),
        (lambda: checks.integer("n", 3, minimum=3, maximum=3), 3),
        (lambda: checks.seed("seed", 2**64 - 1), 2**64 - 1),
        (lambda: checks.real("x", 1), 1.0),
        (lambda: checks.real("x", np.float32(0.5), minimum=0.5, maximum=0.5), 0.5),
        (lambda: checks.boolean("b", np.True_), True),
        (lambda: checks.choice("c", "yes", ("yes", "no")), "yes"),
    ],
    ids=["NumPy integer", "at both bounds", "seed", "integer", "float32", "NumPy bool", "choice"],
)
def test_what_is_taken_has_the_form_of_python(call, expected):
    found = call()
    assert found == expected
    assert type(found) is type(expected)


REFUSED = [
    (lambda: checks.integer("n", True), TypeError, "n must be an integer, got True (bool)"),
    (lambda: checks.integer("n", 1.5), TypeError, "n must be an integer, got 1.5 (float)"),
    (lambda: checks.integer("n", 2, minimum=3), ValueError, "n must be at least 3, got 2"),
    (lambda: checks.integer("n", 4, maximum=3), ValueError, "n must be at most 3, got 4"),
    (
        lambda: checks.integer("n", 10**5000, maximum=3),
        ValueError,
        "n must be at most 3, got one of 16610 bits",
    ),
    (lambda: checks.seed("seed", -1), ValueError, "seed must be at least 0, got -1"),
    (lambda: checks.real("x", "1"), TypeError, "x must be a real number, got '1' (str)"),
    (lambda: checks.real("x", False), TypeError, "x must be a real number, got False (bool)"),
    (lambda: checks.real("x", NAN), ValueError, "x must be finite, got nan"),
    (lambda: checks.real("x", -INF), ValueError, "x must be finite, got -inf"),
    (lambda: checks.real("x", 0, above=0.0), ValueError, "x must be greater than 0, got 0"),
    (
        lambda: checks.real("x", math.nextafter(1.0, 2.0), maximum=1.0),
        ValueError,
        "x must be at most 1, got 1.0000000000000002",
    ),
    (lambda: checks.boolean("b", 1), TypeError, "b must be True or False, got 1 (int)"),
    (
        lambda: checks.choice("c", "maybe", ("yes", "no")),
        ValueError,
        "c must be one of 'yes', 'no', got 'maybe'",
    ),
    (
        lambda: checks.choice("c", None, ("yes", "no")),
        TypeError,
        "c must be one of 'yes', 'no', got None (NoneType)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_is_refused_is_named_with_what_was_expected(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
    assert type(caught.value) is error


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", ">f8"])
def test_arrays_are_copied_exactly_and_cannot_be_changed(dtype):
    given = np.arange(6).reshape(2, 3).astype(dtype)[:, ::-1]
    found = checks.array("a", given, ("k", 3))
    assert found.dtype == np.float64
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, given)
    given[0, 0] = 9
    assert found[0, 0] == 2.0


def test_arrays_of_integers_must_fit():
    assert checks.array("a", [2**53, 2**60]).tolist() == [2.0**53, 2.0**60]
    with pytest.raises(ValueError, match="dtype int64 that float64 cannot hold"):
        checks.array("a", [2**53 + 1])


@pytest.mark.parametrize(
    ("got", "shape", "text"),
    [
        ((2,), ("k", "d"), "(k, d)"),
        ((2, 0), ("k", "d"), "(k, d)"),
        ((2, 4), ("k", 3), "(k, 3)"),
        ((2,), (3,), "(3,)"),
    ],
)
def test_shapes_are_told_as_they_should_be(got, shape, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        checks.check_shape("a", got, shape)
    assert str(caught.value) == f"a must have shape {text}, got {got}"


def test_unit_vectors_may_be_off_by_the_tolerance():
    for factor in (1.0, 1 + 0.9 * checks.UNIT_TOLERANCE, 1 - 0.9 * checks.UNIT_TOLERANCE):
        checks.unit("u", factor * np.array([0.6, 0.8]))
    for vector in ([0.6, 0.8 + 1e-7], [0.0, 0.0], [1e200, 1e200]):
        with pytest.raises(ValueError, match="u must have norm 1"):
            checks.unit("u", np.array(vector))


def test_memory_is_compared_with_what_is_there(monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 2**30)
    checks.memory("it", 2**30, "take less")
    with pytest.raises(ValueError, match="it needs 2 GiB, but 1 GiB are available; take less"):
        checks.memory("it", 2**31, "take less")


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="reads /proc")
def test_available_memory_is_at_most_that_of_the_machine():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < checks.available_memory() <= total


def test_descriptions_are_short():
    assert checks.describe(np.ones((2, 3))) == "an array of shape (2, 3) and dtype float64"
    assert checks.describe("x" * 100) == "'" + "x" * 56 + "... (str)"
