"""`lrft sequence`: tasks learned one after another; a file, a picture and a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lrft
from lrft.cli import config, run, table
from lrft.cli.fields import sequence_fields

HELP = run.paragraphs("""
Train a student on one task after another, with its loss on every task all along.

Without flags: two tasks of the paper's size, whose directions have the overlap 1/2, and one LoRA
adapter of rank one that goes on from the first to the second. The result is saved as
lrft-sequence.nc and drawn as lrft-sequence.png, and the table has what was forgotten. Values are
written as in TOML; what stages have of their own is --stages '[{}, {lr = 0.001}]'.
""")


def command() -> Callable[..., None]:
    """Build the command, with one flag for every field."""
    return run.command_of(
        run.Kind(
            "sequence",
            sequence_fields,
            config.resolve_sequence,
            _begin,
            lrft.SequenceSimulation.resume,
            table.show_sequence,
        )
    )


def _begin(settings: config.Settings, given: dict[str, Any]) -> lrft.SequenceSimulation:
    return lrft.SequenceSimulation(*config.sequence(settings), **given)
