"""Names of `lrft` that version 0.1 had in a module of this name."""

from lrft.model.training import *  # noqa: F403
