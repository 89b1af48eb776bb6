"""The readable twin: the paper's loop in NumPy, which depends on nothing else of lrft."""

from lrft.reference.students import *  # noqa: F403
from lrft.reference.students import __all__ as __all__


def __dir__() -> list[str]:
    return __all__
