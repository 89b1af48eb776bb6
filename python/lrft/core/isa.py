"""Pick the extension module for this machine's instruction set.

The package carries the same engine compiled once per instruction set, as
``lrft/isa_<set>/_core``. Exactly one of them is loaded, under the name
``lrft._core``; the environment variable ``LRFT_ISA`` chooses another than the
best one. Loading two in one process is what this module exists to prevent.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

try:
    from lrft import _cpu
except ImportError as error:
    if importlib.util.find_spec("lrft._cpu") is not None:  # there, but not for this Python
        raise
    _folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    raise ImportError(
        f"lrft is not built in {_folder}, which is its source: run pip install . in the checkout, "
        "and start Python in another folder"
    ) from error

#: Every set a package can carry, best first. A "native" module was compiled for
#: the machine that built it (or for the compiler's baseline off x86-64).
SETS = ("native", "x86-64-v4", "x86-64-v3", "x86-64")

VARIABLE = "LRFT_ISA"


def _file(isa: str) -> str | None:
    """Path of the module compiled for `isa`, None if the package lacks it."""
    name = f"lrft.isa_{isa.replace('-', '_')}"
    try:
        spec = importlib.util.find_spec(f"{name}._core")
    except ModuleNotFoundError:
        return None
    return spec.origin if spec is not None else None


def installed() -> dict[str, str]:
    """Map the name of each set this package carries to its module's path, best first."""
    return {isa: path for isa in SETS if (path := _file(isa)) is not None}


def available() -> tuple[str, ...]:
    """Return the sets that are installed and that this machine can run, best first."""
    supported = ("native", *_cpu.supported())
    return tuple(isa for isa in installed() if isa in supported)


def choose() -> str:
    """Return the set to run: the one LRFT_ISA names, else the best available.

    Raises
    ------
    ImportError
        If LRFT_ISA names a set that does not exist, is not in this package or
        is not supported by this machine, or if no set can run here.
    """
    usable = available()
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        if not usable:
            raise ImportError(
                f"no compiled module of lrft runs on this machine: the package carries "
                f"{_list(installed())}, the machine supports {_list(_cpu.supported())}"
            )
        return usable[0]
    if wanted in usable:
        return wanted
    if wanted not in SETS:
        reason = "is not the name of an instruction set"
    elif wanted not in installed():
        reason = "is not in this installation"
    else:
        reason = "is not supported by this machine"
    raise ImportError(f"{VARIABLE}={wanted!r} {reason}; available here: {_list(usable)}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def load() -> ModuleType:
    """Load the chosen module as ``lrft._core``, once per process."""
    name = "lrft._core"
    if name in sys.modules:
        return sys.modules[name]
    path = installed()[choose()]
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.machinery.ModuleSpec(name, loader, origin=path)
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    # What an ordinary import would do, so that `lrft._core` is found on the package.
    sys.modules["lrft"]._core = module  # type: ignore[attr-defined]
    return module


def rebuilt(name: str, fields: dict[str, Any]) -> Any:
    """Make an object of the compiled engine again, from its pickle: its class and its fields."""
    return getattr(load(), name)(**fields)
