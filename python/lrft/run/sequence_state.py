"""The saved state of a run of a sequence: all it takes to go on as if it had never stopped."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any

from lrft.base import arrays as arrays_module
from lrft.base import foreign
from lrft.core.engine import compiled
from lrft.model import task_files
from lrft.model.sequence import Sequence
from lrft.model.task import Task
from lrft.model.training import Training
from lrft.result import provenance
from lrft.run.stages import Frozen
from lrft.run.state import Arrays, chain_in, chain_out, digest, under

#: Of a run, what is kept as it is; the rest is arrays, tasks or chains.
_GIVEN, _PLAIN = ("between", "replicas", "seed", "engine"), ("seconds", "stage")
STATE = (*_GIVEN, *_PLAIN, "sequence", "trainings", "frozen", "stage_chains", "series", "stop_step")


def save_sequence(state: dict[str, Any], path: str | PathLike[str]) -> None:
    """Write a run's state, whole or not at all."""
    arrays: Arrays = {f"series.{name}": values for name, values in state["series"].items()}
    arrays["stop_step"] = state["stop_step"]
    tasks = []
    for i, task in enumerate(state["sequence"].tasks):
        parts, about = task_files.parts(task)
        arrays |= {f"task{i}.{name}": value for name, value in parts.items()}
        tasks.append(about)
    for i, replica in enumerate(state["replicas"]):
        for j, one in enumerate(state["frozen"][replica]):
            parts = {name: value for name, value in one._asdict().items() if value is not None}
            arrays |= {f"frozen{i}.{j}.{name}": value for name, value in parts.items()}
    about = {
        "format": "lrft sequence",
        "lrft": provenance.core_version(),
        "instruction_set": compiled.build_info()["isa"],
        "tasks": tasks,
        "trainings": [one.model_dump(mode="json") for one in state["trainings"]],
        "chains": [
            chain_out(chain, f"chain{i}.", arrays) for i, chain in enumerate(state["stage_chains"])
        ],
        "frozen": [len(state["frozen"][replica]) for replica in state["replicas"]],
    } | {name: state[name] for name in (*_GIVEN, *_PLAIN)}
    text = json.dumps(about, sort_keys=True)
    arrays_module.write(path, arrays, {"lrft": text, "digest": digest(arrays, text)})


def load_sequence(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a run's state: arguments of a new run, and how far it has come.

    Raises
    ------
    ValueError
        Naming the path and why the file cannot be used.
    """
    arrays, text = arrays_module.read(path)
    with foreign.explained(f"cannot resume from {str(path)!r}"):
        about = foreign.from_json(text["lrft"]) if "lrft" in text else {}
        if not isinstance(about, dict) or about.get("format") != "lrft sequence":
            raise ValueError("not the state of a sequence")
        if text.get("digest") != digest(arrays, text["lrft"]):
            raise ValueError("its content does not match its digest: the file was changed")
        made = about["lrft"], about["instruction_set"]
        here = provenance.core_version(), compiled.build_info()["isa"]
        if made != here:
            raise ValueError(f"written by {made}, but this is {here}: bits could differ")
        tasks = [
            task_files.from_parts(Task, under(arrays, f"task{i}."), one)
            for i, one in enumerate(about["tasks"])
        ]
        begun = {name: about[name] for name in _GIVEN} | {
            "sequence": Sequence(tasks),
            "trainings": [Training.model_validate(one) for one in about["trainings"]],
        }
        counts = zip(about["replicas"], about["frozen"], strict=True)
        came = {name: about[name] for name in _PLAIN} | {
            "series": under(arrays, "series."),
            "stop_step": arrays["stop_step"],
            "stage_chains": [
                chain_in(chain, under(arrays, f"chain{i}."))
                for i, chain in enumerate(about["chains"])
            ],
            "frozen": {
                replica: [_frozen(under(arrays, f"frozen{i}.{j}.")) for j in range(count)]
                for i, (replica, count) in enumerate(counts)
            },
        }
    return begun, came


def _frozen(parts: Arrays) -> Frozen:
    return Frozen(parts["own"], parts["coordinates"], parts.get("rows"))
