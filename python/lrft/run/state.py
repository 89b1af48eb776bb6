"""The saved state of a run: all it takes to go on as if it had never stopped.

One ``.npz`` file with the tasks, the training and every replica's state. Randomness is
addressed by step, so nothing of the random stream has to be kept.
"""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import arrays as arrays_module
from lrft.base import checks, foreign
from lrft.core.engine import compiled
from lrft.model import task_files
from lrft.model.schedule import Schedule
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.result import provenance
from lrft.run import arguments
from lrft.run import chains as runs

__all__ = ["chain_in", "chain_out", "digest", "load_state", "save_state", "under"]

#: Version of the file; others are refused.
STATE_VERSION = 4
#: Of the state, what is in the file as it is.
_PLAIN = (
    "single",
    "paired",
    "rate_notes",
    "replicas",
    "seed",
    "engine",
    "seconds",
    "keep_students",
)
Arrays = dict[str, NDArray[Any]]


def save_state(state: dict[str, Any], path: str | PathLike[str]) -> None:
    """Write a run's state, whole or not at all: the arguments of ``Simulation._begin``."""
    arrays: Arrays = {}
    tasks = []
    for i, task in enumerate(state["tasks"]):
        parts, about = task_files.parts(task)
        arrays |= {f"task{i}.{name}": value for name, value in parts.items()}
        tasks.append(about)
    chains = []
    for i, chain in enumerate(state["chains"]):
        chains.append(chain_out(chain, f"chain{i}.", arrays))
    about = {
        "format": "lrft state",
        "version": STATE_VERSION,
        "lrft": provenance.core_version(),
        "instruction_set": compiled.build_info()["isa"],
        "tasks": tasks,
        "training": state["training"].model_dump(mode="json"),
        "rates": [_rate_out(rate) for rate in state["rates"]],
        "chains": chains,
    } | {name: state[name] for name in _PLAIN}
    text = json.dumps(about, sort_keys=True)
    arrays_module.write(path, arrays, {"lrft": text, "digest": digest(arrays, text)})


def load_state(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a run's state: the arguments of ``Simulation._begin``.

    Raises
    ------
    ValueError
        Naming the path and why the file cannot be used: unreadable, not a state, truncated or
        edited, of another version or build of lrft, or of another instruction set.
    """
    arrays, text = arrays_module.read(path)
    with foreign.explained(f"cannot resume from {str(path)!r}"):
        return _state_of(arrays, text)


def _state_of(arrays: Arrays, text: dict[str, str]) -> dict[str, Any]:
    about = foreign.from_json(text["lrft"]) if "lrft" in text else {}
    if not isinstance(about, dict) or about.get("format") != "lrft state":
        raise ValueError("not the state of a run")
    isa, here = compiled.build_info()["isa"], provenance.core_version()
    another_set = about["instruction_set"] != isa
    # Each set is a build of its own: of another one only the release can be compared.
    made_by, ours = about["lrft"], here
    if another_set:
        made_by, ours = (text.partition("+")[0] for text in (made_by, ours))
    if (about["version"], made_by) != (STATE_VERSION, ours):
        raise ValueError(
            f"written by lrft {about['lrft']} (state version {about['version']}), but this is "
            f"lrft {here} (state version {STATE_VERSION}): bits could differ"
        )
    if text.get("digest") != digest(arrays, text["lrft"]):
        raise ValueError("its content does not match its digest: the file was changed")
    if another_set:
        raise ValueError(
            f"written under instruction set {about['instruction_set']}, but {isa} is running: "
            f"set LRFT_ISA={about['instruction_set']}"
        )
    replicas = arguments.check_replicas(about["replicas"])
    training = Training.model_validate(about["training"])
    tasks = [
        task_files.from_parts(Task, under(arrays, f"task{i}."), one)
        for i, one in enumerate(about["tasks"])
    ]
    chains = [
        chain_in(chain, under(arrays, f"chain{i}.")) for i, chain in enumerate(about["chains"])
    ]
    paired = checks.boolean("paired", about["paired"])
    if paired and len(replicas) != len(tasks):
        raise ValueError(f"it has {len(replicas)} replicas for {len(tasks)} tasks")
    places = [(chain.task, chain.replica) for chain in chains]
    if sorted(places) != sorted(runs.places(len(tasks), replicas, paired)):
        raise ValueError("its chains are not one for each task and replica")
    if len(about["rates"]) != len(tasks):
        raise ValueError(f"it has {len(about['rates'])} rates for {len(tasks)} tasks")
    return {
        "tasks": tasks,
        "single": checks.boolean("single", about["single"]) and len(tasks) == 1,
        "paired": paired,
        "training": training,
        "rates": [_rate_in(rate) for rate in about["rates"]],
        "rate_notes": [str(note) for note in about["rate_notes"]],
        "replicas": replicas,
        "seed": checks.seed("seed", about["seed"]),
        "engine": checks.choice("engine", about["engine"], ("reduced", "ambient")),
        "seconds": checks.real("seconds", about["seconds"], minimum=0.0),
        "keep_students": checks.boolean("keep_students", about["keep_students"]),
        "chains": chains,
    }


def chain_out(chain: compiled.Chain, prefix: str, arrays: Arrays) -> dict[str, Any]:
    """Put the arrays of a chain under its prefix and return the rest; what is empty is left out."""
    plain = {}
    for name, value in chain.fields().items():
        if not isinstance(value, dict | np.ndarray):
            plain[name] = value
            continue
        parts = value if isinstance(value, dict) else {"": value}
        for part, numbers in parts.items():
            if numbers.size:
                arrays[f"{prefix}{name}{'.' * bool(part)}{part}"] = numbers
    return plain


def chain_in(plain: dict[str, Any], arrays: Arrays) -> compiled.Chain:
    """Make the chain again; the core checks it with the run that it belongs to."""
    fields: dict[str, Any] = plain | {"records": {}, "last": {}}
    for name, numbers in arrays.items():
        name, _, part = name.partition(".")
        if part:
            fields[name][part] = numbers
        else:
            fields[name] = numbers
    return compiled.Chain(**fields)


def under(arrays: Arrays, prefix: str) -> Arrays:
    """Arrays whose names begin so, by what follows."""
    return {
        name.removeprefix(prefix): np.ascontiguousarray(value)
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def _rate_out(rate: float | Schedule) -> Any:
    return rate if isinstance(rate, float) else rate.model_dump(mode="json")


def _rate_in(rate: Any) -> float | Schedule:
    from pydantic import TypeAdapter

    if isinstance(rate, float):
        return rate
    found: Schedule = TypeAdapter(Schedule).validate_python(rate)
    return found


def digest(arrays: Arrays, text: str) -> str:
    """Digest of a file's content."""
    found = hashlib.sha256(text.encode())
    for name, value in sorted(arrays.items()):
        found.update(f"\n{name} {value.shape} {value.dtype}\n".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()
