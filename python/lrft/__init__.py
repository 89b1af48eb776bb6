"""Simulate the learning dynamics of low-rank fine-tuning, fast and exactly."""

from __future__ import annotations

from lrft import _isa

__version__ = "0.1.0"

# First of all: from here on `from lrft import _core` is the module of the chosen set.
_isa.load()
