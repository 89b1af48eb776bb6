"""Pictures of results; matplotlib comes with ``lrft[plot]``."""

from lrft.plot.curves import loss, overlap, summary

__all__ = ["loss", "overlap", "summary"]
