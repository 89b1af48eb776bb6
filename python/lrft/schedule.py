"""Learning-rate schedules."""

from lrft.model.schedule import *  # noqa: F403
