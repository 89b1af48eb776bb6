"""Learning-rate schedules."""

from lrft.model.schedule import *  # noqa: F403
from lrft.model.schedule import __all__ as __all__
