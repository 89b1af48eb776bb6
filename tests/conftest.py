"""What all tests share: fixed Hypothesis examples and a header that says what runs."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import lrft
from lrft.base.fields import Model

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
    """Say what the case is: the argument with its value, of arrays the shape, of dicts the keys."""
    if isinstance(val, Model) or (dataclasses.is_dataclass(val) and not isinstance(val, type)):
        texts = [repr(val), type(val).__name__]
    elif isinstance(val, BaseException):
        texts = [repr(val)]
    elif isinstance(val, np.ndarray):
        texts = [f"{argname}={val.dtype}{list(val.shape)}"]
    elif isinstance(val, bool | int | float | dict | list | tuple | np.generic):
        texts = [f"{argname}={val}"]
        if isinstance(val, dict):
            texts.append(f"{argname}={'+'.join(map(str, val))}")
    else:
        return None
    said = [text for text in texts if text.isprintable() and " at 0x" not in text]
    short = [text for text in said if len(text) <= 60]
    return short[0] if short else f"{said[-1][:57]}..." if said else None


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
