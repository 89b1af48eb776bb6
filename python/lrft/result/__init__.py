"""What a run gives back: one labelled dataset, its files, hitting times, where it came from."""

from lrft.result.dataset import assemble, load, save
from lrft.result.endings import counted, held, hit_quantile, one_overlap
from lrft.result.provenance import code_version, environment, package_versions

__all__ = [
    "assemble",
    "code_version",
    "counted",
    "environment",
    "held",
    "hit_quantile",
    "load",
    "one_overlap",
    "package_versions",
    "save",
]
