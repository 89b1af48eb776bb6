"""`lrft info`: what runs here."""

from __future__ import annotations

import json
import platform
from typing import Annotated, Any

import typer

from lrft.base.threads import available_threads
from lrft.cli import options
from lrft.core import isa
from lrft.core.engine import compiled
from lrft.result import provenance


def info(
    as_json: Annotated[bool, typer.Option("--json", help="write JSON instead of a table")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Show version, instruction set, threads, compiler and libraries."""
    found = collect()
    if quiet:  # the exit code says that the engine loads
        return
    if as_json:
        print(json.dumps(found, indent=2))
        return
    packages = found.pop("packages")
    found["packages"] = ", ".join(f"{name} {version}" for name, version in packages.items())
    found["instruction_sets"] = ", ".join(found["instruction_sets"])
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):<{width}}  {value}")


def collect() -> dict[str, Any]:
    """Gather what `lrft info` shows.

    Returns
    -------
    dict
        JSON-ready. ``instruction_set`` is the one that runs, ``instruction_sets`` those that could.

    Examples
    --------
    >>> from lrft.cli.info import collect
    >>> found = collect()
    >>> found["instruction_set"] in found["instruction_sets"]
    True
    """
    build = compiled.build_info()
    found: dict[str, Any] = {
        "version": provenance.lrft_version(),
        "instruction_set": build["isa"],
        "instruction_sets": list(isa.available()),
        "threads": available_threads(),
        "compiler": build["compiler"],
        "flags": build["flags"],
        "eigen": build["eigen"],
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": provenance.package_versions(),
    }
    commit = provenance.git_commit()
    if commit is not None:
        found["git_commit"] = commit
    return found
