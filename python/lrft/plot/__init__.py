"""Pictures of results; matplotlib comes with ``lrft[plot]``."""

from lrft.plot.curves import loss, overlap, summary
from lrft.plot.pictures import plain
from lrft.plot.style import PALETTE, STYLE, figure_class

__all__ = ["PALETTE", "STYLE", "figure_class", "loss", "overlap", "plain", "summary"]
