"""Simulate the learning dynamics of low-rank fine-tuning, fast and exactly."""

from __future__ import annotations

from lrft import _isa

__version__ = "0.1.0"

# Chosen first: everything else says `from lrft import _core`.
_core = _isa.load()
