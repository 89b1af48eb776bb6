"""What a run gives back: one labelled dataset, its files, hitting times, where it came from."""

from lrft.result.dataset import assemble, load, save
from lrft.result.endings import counted, held, hit_quantile, one_overlap

__all__ = ["assemble", "counted", "held", "hit_quantile", "load", "one_overlap", "save"]
