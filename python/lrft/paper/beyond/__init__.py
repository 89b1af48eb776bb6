"""Experiments beyond the paper: results of the field that the engine can measure."""
