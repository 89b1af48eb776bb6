"""Studies: many points, on one machine or a cluster, that survive whatever stops them.

`design` says which points, `points` what each is and how it is keyed, `work` runs them, `workers`
where, `ledger` keeps what is finished, `driver` brings these together, `dataset` is what comes
out, `replay` computes records again.
"""

from __future__ import annotations

from lrft.result.grid import listed
from lrft.study.dataset import load, save, to_dataframe
from lrft.study.driver import collect, merge, plan, sweep
from lrft.study.replay import rerun

__all__ = [
    "collect",
    "listed",
    "load",
    "merge",
    "plan",
    "rerun",
    "save",
    "sweep",
    "to_dataframe",
]


def __dir__() -> list[str]:
    return __all__
