"""The one door to the compiled engine: `compiled` is the module of the instruction set that runs.

Everything above imports it from here, so that no module of another set is ever loaded
(`lrft.core.isa`) and what is compiled is found in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrft.core import isa

if TYPE_CHECKING:
    from lrft import _core as compiled
else:
    compiled = isa.load()

__all__ = ["compiled"]
