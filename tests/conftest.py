"""What all tests share: fixed Hypothesis examples and a header that says what runs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import lrft

# Shared helpers, imported by their names: nothing else of the checkout goes on sys.path.
sys.path.insert(0, str(Path(__file__).parent / "support"))

# A shell starts what it puts in the background with signals ignored, and so would programs be that
# tests start: they would not hear the signals that tests send.
for kind, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, kind) and signal.getsignal(getattr(signal, kind)) is signal.SIG_IGN:
        signal.signal(getattr(signal, kind), handler)

# The same examples in every run: a failure is a fact, not luck.
hypothesis.settings.register_profile("lrft", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("lrft")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name the argument where its value alone says little, and short values that have no name."""
    if isinstance(val, bool | int | float | dict | list | tuple | np.generic):
        text = f"{argname}={val}"
        return text if len(text) <= 60 and text.isprintable() and " at 0x" not in text else None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what measures time where other tests run beside it, on other cores."""
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        reason = "measures time with nothing beside it: python -m pytest -m alone"
        for item in items:
            if item.get_closest_marker("alone"):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_report_header() -> str:
    info = lrft._core.build_info()
    return f"lrft {lrft.__version__} ({info['isa']}, {info['compiler']}) at {lrft.__path__[0]}"
