"""Where a result came from: versions, build, machine choices, configuration.

Everything here ends up as flat attributes (str, int or float) of a result, so that a file read
years later says what made it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrft.base import archive, checks, foreign
from lrft.base.version import __version__
from lrft.core.engine import compiled
from lrft.model import task_files
from lrft.model.task import Task

if TYPE_CHECKING:
    from lrft.model.training import Training

__all__ = [
    "SCHEMA_VERSION",
    "code_version",
    "configuration",
    "environment",
    "git_commit",
    "package_versions",
    "restore_task",
    "store_task",
]

SCHEMA_VERSION = 2
"""Version of the layout of result files; raised when a reader of the old layout would misread."""

#: Given arrays of more bytes stay out of results: their file is the record.
MOST_ARRAY_BYTES = 2**26

_PACKAGES = (
    "numpy",
    "scipy",
    "xarray",
    "h5netcdf",
    "pydantic",
    "safetensors",
    "typer",
    "rich",
    "matplotlib",
)


@functools.cache
def environment() -> dict[str, str]:
    """Describe what the running process is made of.

    Returns
    -------
    dict of str to str
        ``lrft_version``, ``instruction_set``, ``compiler``, ``eigen_version``, ``python_version``,
        ``numpy_version``, ``platform`` and, only for an editable checkout, ``git_commit``.

    Examples
    --------
    >>> from lrft.result.provenance import environment
    >>> sorted(environment())[:2]
    ['compiler', 'eigen_version']
    """
    import numpy

    build = compiled.build_info()
    found = {
        "lrft_version": lrft_version(),
        "instruction_set": build["isa"],
        "compiler": build["compiler"],
        "eigen_version": build["eigen"],
        "python_version": platform.python_version(),
        "numpy_version": numpy.__version__,
        "platform": platform.platform(terse=True),
    }
    commit = git_commit()
    if commit is not None:
        found["git_commit"] = commit
    return found


def configuration(
    tasks: Sequence[Task],
    training: Training,
    *,
    seed: int,
    replicas: int,
    engine: str,
    paired: bool = False,
) -> str:
    """Everything that defines the numbers of a result, as canonical JSON.

    Parameters
    ----------
    tasks : sequence of Task
    training : Training
    seed, replicas : int
    engine : str
        The engine that ran (``"reduced"`` or ``"ambient"``), never ``"auto"``.
    paired : bool
        Replica i is of task i.

    Returns
    -------
    str
        JSON with sorted keys: ``tasks`` (description and ``content_hash`` each), ``training``,
        ``seed``, ``replicas``, ``engine``; ``paired`` where they are.
    """
    return json.dumps(
        {
            "tasks": [describe_task(task) for task in tasks],
            "training": training.model_dump(mode="json"),
            "seed": seed,
            "replicas": replicas,
            "engine": engine,
        }
        | ({"paired": True} if paired else {}),
        sort_keys=True,
        allow_nan=False,
    )


def describe_task(task: Task) -> dict[str, Any]:
    """Scalars that describe a task, and the hash that identifies it.

    Parameters
    ----------
    task : Task

    Returns
    -------
    dict
        JSON-ready; ``content_hash`` covers the arrays, which are not repeated here. ``recipe`` are
        the function and arguments that sample the task, where there are such.
    """
    recipe = {} if task.recipe is None else {"recipe": task.recipe}
    return (
        recipe
        | {
            "d": task.d,
            "k": task.k,
            "rank": task.rank,
            "xi": task.xi,
            "activation": str(task.activation),
            "neuron_scale": task.neuron_scale,
            "output_scale": task.output_scale,
            "noise": task.noise,
            "made": dict(task.labels),
            "content_hash": task.content_hash,
        }
        | ({} if task.link is None else {"teacher": str(task.link)})
    )


def store_task(task: Task) -> str | None:
    """Arrays of a task that no recipe gives, as text for a result or a ledger.

    Parameters
    ----------
    task : Task

    Returns
    -------
    str or None
        An ``.npz`` file in base64. None where `describe_task` says it all, and where nothing can
        be stored: a custom activation, or arrays of more than 64 MiB.

    Examples
    --------
    >>> import lrft
    >>> from lrft.result.provenance import store_task
    >>> store_task(lrft.Task.sample(d=100, k=4)) is None
    True
    """
    import numpy as np

    if task.recipe is not None or task.activation.kind == "custom":
        return None
    arrays, about = task_files.parts(task)
    if sum(value.nbytes for value in arrays.values()) > MOST_ARRAY_BYTES:
        return None
    file = io.BytesIO()
    text = np.array(json.dumps(about, sort_keys=True))
    np.savez_compressed(file, lrft=text, **arrays)  # type: ignore[arg-type]
    return base64.b64encode(file.getvalue()).decode("ascii")


def task_arrays(tasks: Sequence[Task]) -> dict[str, str]:
    """Collect what `store_task` gives as the attribute ``task_arrays``; empty where it is nothing.

    Parameters
    ----------
    tasks : sequence of Task

    Returns
    -------
    dict
        With one entry at most: JSON, by content hash.

    Examples
    --------
    >>> import lrft
    >>> from lrft.result.provenance import task_arrays
    >>> task_arrays([lrft.Task.sample(d=100, k=4)])
    {}
    """
    stored = {task.content_hash: store_task(task) for task in tasks}
    stored = {name: text for name, text in stored.items() if text is not None}
    return {"task_arrays": json.dumps(stored)} if stored else {}


def restore_task(description: Mapping[str, Any], stored: str | None) -> Task:
    """Make a task again from its record.

    Parameters
    ----------
    description : mapping
        As `describe_task` gives it.
    stored : str or None
        As `store_task` gives it.

    Returns
    -------
    Task
        With the content hash of the description.

    Raises
    ------
    ValueError
        If the record does not hold enough, or gives another task.

    Examples
    --------
    >>> import lrft
    >>> from lrft.result.provenance import describe_task, restore_task
    >>> task = lrft.Task.sample(d=100, k=4)
    >>> restore_task(describe_task(task), None) == task
    True
    """
    with foreign.explained("the record of a task"):
        return _restored(description, stored)


def _restored(description: Mapping[str, Any], stored: str | None) -> Task:
    recipe = description.get("recipe")
    if recipe is not None:
        arguments = {name: value for name, value in recipe.items() if name != "function"}
        makers: dict[str, Callable[..., Task]] = {
            "sample": Task.sample,
            "hard_from_scratch": Task.hard_from_scratch,
            "teacher": Task.teacher,
            "single_index": Task.single_index,
        }
        task = makers[checks.choice("function", recipe["function"], makers)](**arguments)
    elif stored is not None:
        with io.BytesIO(base64.b64decode(stored)) as file:
            arrays, text = archive.read(file)
        task = task_files.from_parts(Task, arrays, foreign.from_json(text["lrft"]))
    else:
        custom = str(description["activation"]).startswith("custom")
        why = "its activation is compiled code" if custom else "its arrays are not in the record"
        raise ValueError(
            f"the task {str(description['content_hash'])[:8]} cannot be made again: {why}"
        )
    if task.content_hash != description["content_hash"]:
        raise ValueError(
            f"the record gives a task with content hash {task.content_hash[:8]}, but says "
            f"{str(description['content_hash'])[:8]}: it was changed, or this lrft samples "
            "otherwise"
        )
    return task


def lrft_version() -> str:
    """Version of lrft, from the metadata of the installed package."""
    return __version__


def code_version() -> str:
    """Name the code that decides about bits: version, compiled core, and commit in a checkout.

    Returns
    -------
    str
        As ``0.2.0+core.0123456789ab+<commit>``.

    Examples
    --------
    >>> import lrft
    >>> from lrft.result.provenance import code_version
    >>> code_version().startswith(lrft.__version__)
    True
    """
    commit = git_commit()
    return core_version() if commit is None else f"{core_version()}+{commit}"


@cache
def core_version() -> str:
    """Name the compiled core: two builds of one version may differ in bits.

    Examples
    --------
    >>> import lrft
    >>> from lrft.result.provenance import core_version
    >>> core_version().startswith(f"{lrft.__version__}+core.")
    True
    """
    with open(compiled.__file__, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{lrft_version()}+core.{digest[:12]}"


def now() -> str:
    """Tell the time, UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str]:
    """Versions of the Python packages that lrft uses; those not installed are left out.

    Returns
    -------
    dict
        Version by name.

    Examples
    --------
    >>> from lrft.result.provenance import package_versions
    >>> "numpy" in package_versions()
    True
    """
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str | None:
    """Commit of the lrft sources, with ``-dirty`` when they differ from it.

    Returns
    -------
    str or None
        None when lrft does not run from a checkout (an installed wheel), or git cannot tell.
        The repository the user happens to work in is never looked at.

    Examples
    --------
    >>> from lrft.result.provenance import git_commit
    >>> commit = git_commit()
    >>> commit is None or len(commit.removesuffix("-dirty")) == 40
    True
    """
    package = Path(__file__).resolve().parents[1]
    root = package.parent.parent
    # A checkout has the package at python/lrft; site-packages in somebody's repository does not.
    if package != root / "python" / "lrft" or not (root / ".git").exists():
        return None
    command = [
        "git",
        "-C",
        str(root),
        "--no-optional-locks",
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
