"""Tasks in files: arrays and one JSON text, from which the same task is made again."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, TypeVar

from numpy.typing import NDArray

from lrft.base import checks, foreign
from lrft.base.arrays import read, write
from lrft.model import inputs, links
from lrft.model.activation import savable
from lrft.model.task_state import Floats, TaskBase

AnyTask = TypeVar("AnyTask", bound=TaskBase)

#: Version of the task file; other versions are refused.
TASK_VERSION = 1


def save(task: TaskBase, path: str | PathLike[str]) -> None:
    """Write a task; see :meth:`lrft.Task.save`."""
    arrays, about = parts(task)
    write(path, arrays, {"lrft": json.dumps(about, sort_keys=True)})


def parts(task: TaskBase) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Arrays and JSON that make the task again, for files that hold one."""
    about = {
        "format": "lrft task",
        "version": TASK_VERSION,
        "given": task.given,
        "d": task.d,
        "features_rank": task.features_rank,
        "xi": task.xi,
        "activation": savable(task.activation),
        "normalization": task.normalization,
        "neuron_scale": task.neuron_scale,
        "output_scale": task.output_scale,
        "noise": task.noise,
        "seed": task.embedding_seed,
        "labels": task.labels,
        "content_hash": task.content_hash,
        "recipe": task.recipe,
    }
    if task.inputs is not None:
        about["inputs"] = task.inputs.scalars()
    if task.link is not None:
        about["link"] = task.link.about()
    return task._arrays(), about


def load(kind: type[AnyTask], path: str | PathLike[str]) -> AnyTask:
    """Read a task; see :meth:`lrft.Task.load`."""
    arrays, text = read(path)
    with foreign.explained(f"cannot read a task from {str(path)!r}"):
        about = foreign.from_json(text["lrft"]) if "lrft" in text else {}
        return from_parts(kind, arrays, about)


def from_parts(kind: type[AnyTask], arrays: dict[str, NDArray[Any]], about: Any) -> AnyTask:
    """Make the task of `parts` again, checking everything."""
    if not isinstance(about, dict) or about.get("format") != "lrft task":
        raise ValueError("not a task file (a base network is read by lrft.load_weights)")
    if about["version"] != TASK_VERSION:
        raise ValueError(f"format version {about['version']!r}, but this is {TASK_VERSION}")
    # The saved neuron scale is what counts; a normalisation gives it anew, with the same bits.
    named = ("xi", "activation", "normalization", "output_scale", "noise")
    common = {name: about[name] for name in named}
    if common["normalization"] == "none":
        common["neuron_scale"] = about["neuron_scale"]
    common |= {"lam": arrays["lam"], "c": arrays["c"], "biases": arrays.get("biases")}
    if "inputs" in about:
        common["inputs"] = inputs.from_file(about["inputs"], arrays)
    if "link" in about:
        common["link"] = links.from_file(about["link"], arrays)
    labels = {name: str(about["labels"][name]) for name in ("features", "c", "u")}
    if about["given"]:
        task = kind.__new__(kind)
        task._fill_given(W=arrays["W"], u=arrays["u"], **common)
        task.__dict__["labels"] = labels
    else:
        R = checks.array("R", arrays["R"], ("k", "s"))
        a = checks.array("a", arrays["a"], ("r", R.shape[1]))
        d = checks.integer("d", about["d"], R.shape[1], checks.MAX_DIMENSION)
        rho = checks.integer("features_rank", about["features_rank"], 0, R.shape[1])
        seed = checks.seed("seed", about["seed"])
        task = kind._in_coordinates(d, R, a, rho, seed, labels, common)
    if task.content_hash != about["content_hash"]:
        raise ValueError("its content does not match its content hash: the file was changed")
    task.__dict__["recipe"] = about.get("recipe")
    return task
