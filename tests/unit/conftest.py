"""What unit tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def refused():
    """A check that a call raises this very kind of error, with a short message that says why."""

    def check(call, error, message):
        with pytest.raises((ValueError, TypeError), match=message) as caught:
            call()
        assert isinstance(caught.value, error), f"{type(caught.value).__name__}: {caught.value}"
        assert len(str(caught.value)) < 400
        assert "\n" not in str(caught.value)

    return check
