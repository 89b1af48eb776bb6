"""The study that tests of studies vary."""

from __future__ import annotations

BASE = {"task": {"d": 60, "k": 3, "features": "orthonormal"}, "training": {"lr": 0.01, "steps": 50}}


def study(**changes):
    """BASE with tables added to; None removes a field."""
    tables = {name: dict(table) for name, table in BASE.items()}
    for name, table in changes.items():
        if isinstance(table, dict):
            tables[name] = tables.get(name, {}) | table
            tables[name] = {key: value for key, value in tables[name].items() if value is not None}
        else:
            tables[name] = table
    return tables
