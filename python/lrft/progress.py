"""Names of `lrft` that version 0.1 had in a module of this name."""

from lrft.base.progress import *  # noqa: F403
