"""The products of blocks of inputs, against NumPy, for every tile of registers and what is left."""

from __future__ import annotations

import numpy as np
import pytest

from lrft.core.engine import compiled

products = compiled.products


def sizes_of_sums(a, x):
    """Return a bound on what rounding can do to a @ x."""
    return 2.0**-52 * (2 + a.shape[1]) * (np.abs(a) @ np.abs(x))


@pytest.mark.parametrize("columns", [1, 7, 8, 15, 16, 24, 29, 40, 48])
def test_product_of_any_number_of_rows(columns):
    rng = np.random.default_rng(columns)
    for rows in range(1, 71):
        depth = int(rng.integers(1, 140))
        a, x = rng.standard_normal((rows, depth)), rng.standard_normal((depth, columns))
        assert (np.abs(products.product(a, x) - a @ x) <= sizes_of_sums(a, x)).all()


def test_product_of_any_depth():
    rng = np.random.default_rng(1)
    for depth in range(1, 200):
        for rows in (1, 2, 3, 13):
            a, x = rng.standard_normal((rows, depth)), rng.standard_normal((depth, 27))
            assert (np.abs(products.product(a, x) - a @ x) <= sizes_of_sums(a, x)).all()


@pytest.mark.parametrize("columns", [8, 16, 24, 32, 64])
def test_gram(columns):
    rng = np.random.default_rng(columns)
    for depth in (1, 2, 63, 64, 131):
        x = rng.standard_normal((depth, columns))
        expected = x.T @ x
        block = np.arange(columns) // 8
        expected[block[:, None] < block] = 0
        assert (np.abs(products.gram(x) - expected) <= sizes_of_sums(x.T, x)).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 20])
def test_product_transposed(rows):
    rng = np.random.default_rng(rows)
    for depth in (8, 64, 136):
        for columns in (8, 16, 40):
            a, x = rng.standard_normal((rows, columns)), rng.standard_normal((depth, columns))
            got = products.product_transposed(a, x)
            assert (np.abs(got - a @ x.T) <= sizes_of_sums(a, x.T)).all()


def test_entry_does_not_depend_on_its_neighbours_columns():
    """A block's padding, and how many inputs stand beside one, leave no trace in its fields."""
    rng = np.random.default_rng(2)
    a, x = rng.standard_normal((18, 100)), rng.standard_normal((100, 48))
    together = products.product(a, x)
    for begin, end in ((0, 8), (8, 32), (5, 21), (40, 48)):
        alone = products.product(a, np.ascontiguousarray(x[:, begin:end]))
        assert np.array_equal(alone, together[:, begin:end])
