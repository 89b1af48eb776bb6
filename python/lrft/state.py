"""The saved state of a run: all it takes to go on as if it had never stopped.

One ``.npz`` file with the tasks, the training and every replica's state. Randomness is
addressed by step, so nothing of the random stream has to be kept.
"""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrft import _core, provenance, weights
from lrft.schedule import Schedule
from lrft.training import Training

if TYPE_CHECKING:
    from lrft.simulation import Simulation

__all__ = ["load_state", "save_state"]

#: Version of the file; others are refused.
STATE_VERSION = 3
_SERIES = (
    "overlap_u", "overlap_c", "loss", "final_overlap_u", "final_overlap_c", "rows", "own",
)  # fmt: skip

Arrays = dict[str, NDArray[Any]]


def save_state(simulation: Simulation, path: str | PathLike[str]) -> None:
    """Write a run's state, whole or not at all; see `Simulation.save_state`."""
    arrays: Arrays = {}
    tasks = []
    for i, task in enumerate(simulation.tasks):
        parts, about = weights.task_parts(task)
        arrays |= {f"task{i}.{name}": value for name, value in parts.items()}
        tasks.append(about)
    chains = []
    for i, chain in enumerate(simulation.chains()):
        arrays |= {f"chain{i}.{name}": chain.pop(name) for name in _SERIES}
        chains.append(chain)
    about = {
        "format": "lrft state",
        "version": STATE_VERSION,
        "lrft": provenance.core_version(),
        "instruction_set": _core.build_info()["isa"],
        "tasks": tasks,
        "single": simulation.single,
        "training": simulation.training.model_dump(mode="json"),
        "rates": [_rate_out(rate) for rate in simulation.rates],
        "rate_notes": simulation.rate_notes,
        "replicas": simulation.replicas,
        "seed": simulation.seed,
        "engine": simulation.engine,
        "seconds": simulation.seconds,
        "keep_students": simulation.keep_students,
        "chains": chains,
    }
    text = json.dumps(about, sort_keys=True)
    weights.write(path, arrays, {"lrft": text, "digest": _digest(arrays, text)})


def load_state(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a run's state: the arguments of ``Simulation._begin``.

    Raises
    ------
    ValueError
        Naming the path and why the file cannot be used: unreadable, not a state, truncated or
        edited, of another version or build of lrft, or of another instruction set.
    """
    arrays, text = weights.read(path)
    try:
        return _state_of(arrays, text)
    except KeyError as error:
        raise ValueError(f"cannot resume from {str(path)!r}: no entry {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"cannot resume from {str(path)!r}: {error}") from None


def _state_of(arrays: Arrays, text: dict[str, str]) -> dict[str, Any]:
    about = json.loads(text["lrft"]) if "lrft" in text else {}
    if not isinstance(about, dict) or about.get("format") != "lrft state":
        raise ValueError("not the state of a run")
    made_by = (about["version"], about["lrft"])
    here = provenance.core_version()
    if made_by != (STATE_VERSION, here):
        raise ValueError(
            f"written by lrft {about['lrft']} (state version {about['version']}), but this is "
            f"lrft {here} (state version {STATE_VERSION}): bits could differ"
        )
    if text.get("digest") != _digest(arrays, text["lrft"]):
        raise ValueError("its content does not match its digest: the file was changed")
    isa = _core.build_info()["isa"]
    if about["instruction_set"] != isa:
        raise ValueError(
            f"written under instruction set {about['instruction_set']}, but {isa} is running: "
            f"set LRFT_ISA={about['instruction_set']}"
        )
    tasks = [
        weights.task_from_parts(_under(arrays, f"task{i}."), one)
        for i, one in enumerate(about["tasks"])
    ]
    return {
        "tasks": tasks,
        "single": about["single"],
        "training": Training.model_validate(about["training"]),
        "rates": [_rate_in(rate) for rate in about["rates"]],
        "rate_notes": about["rate_notes"],
        "replicas": about["replicas"],
        "seed": about["seed"],
        "engine": about["engine"],
        "seconds": about["seconds"],
        "keep_students": about["keep_students"],
        "chains": [chain | _under(arrays, f"chain{i}.") for i, chain in enumerate(about["chains"])],
    }


def _under(arrays: Arrays, prefix: str) -> Arrays:
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


def _digest(arrays: Arrays, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(arrays.items()):
        digest.update(f"\n{name} {value.shape} {value.dtype}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
