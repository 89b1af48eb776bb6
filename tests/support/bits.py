"""Results that are the same to the bit."""

from __future__ import annotations

import numpy as np
import xarray as xr


def assert_same_bits(first: xr.Dataset, second: xr.Dataset) -> None:
    """Equal in every variable that a run produces, NaN where the other has NaN."""
    assert set(first.data_vars) == set(second.data_vars)
    for name in first.data_vars:
        np.testing.assert_array_equal(first[name].values, second[name].values, err_msg=str(name))
