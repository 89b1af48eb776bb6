"""Studies: many points, on one machine or a cluster, that survive whatever stops them.

`design` says which points, `points` what each is and how it is keyed, `work` runs them, `workers`
where, `ledger` keeps what is finished, `driver` brings these together, `dataset` is what comes
out, `replay` computes records again.
"""

from __future__ import annotations

from lrft.study.dataset import load, save, to_dataframe
from lrft.study.driver import collect, plan, sweep
from lrft.study.ledger import Ledger

__all__ = ["Ledger", "collect", "load", "plan", "save", "sweep", "to_dataframe"]
