"""Pictures of results; matplotlib comes with ``lrft[plot]``.

``PALETTE`` are the colours, ``STYLE`` the settings of matplotlib that the pictures are drawn with.
"""

from lrft.plot.curves import loss, overlap, summary
from lrft.plot.pictures import plain
from lrft.plot.sequences import forgetting
from lrft.plot.studies import compare, heatmap, scaling
from lrft.plot.style import PALETTE, STYLE, figure_class

__all__ = [
    "PALETTE",
    "STYLE",
    "compare",
    "figure_class",
    "forgetting",
    "heatmap",
    "loss",
    "overlap",
    "plain",
    "scaling",
    "summary",
]


def __dir__() -> list[str]:
    return __all__
