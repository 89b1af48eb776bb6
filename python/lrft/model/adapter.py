"""Low-rank factors in the layout of Hugging Face's peft: a folder with a configuration and A, B.

peft adds (lora_alpha / r) · B A to the weight of the layer that it wraps, here the first one of
``Sequential(Linear, σ, Linear)``, which has the neuron scale multiplied in.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrft.base import arrays as array_files
from lrft.base import checks, files, foreign
from lrft.model.state_dict import LAYERS

Floats = NDArray[np.float64]

CONFIG, MODEL = "adapter_config.json", "adapter_model.safetensors"
_NAMES = {side: f"base_model.model.{LAYERS[0]}.lora_{side}.weight" for side in "AB"}
#: What an adapter may say, and only so; another value means another network.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "use_dora": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
}


def save(folder: str | PathLike[str], A: Floats, B: Floats, scale: float, dtype: str) -> None:
    """Write what adds scale · B A to the first layer; see `lrft.Weights.save`."""
    kind = checks.choice("dtype", dtype, ("float64", "float32"))
    rank = len(A)
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": scale * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": [LAYERS[0]],
    }
    made = files.folder(folder)
    factors: dict[str, NDArray[Any]] = {_NAMES["A"]: np.array(A, dtype=kind, order="C")}
    factors[_NAMES["B"]] = np.array(B, dtype=kind, order="C")
    array_files.write(made / MODEL, factors, {"format": "pt"})
    files.write((json.dumps(config, indent=2) + "\n").encode(), made / CONFIG)


def load(folder: str | PathLike[str], k: int, d: int) -> tuple[Floats, Floats, float]:
    """Read A (r, d), B (k, r) and what B A is multiplied by; ValueError naming the file."""
    path = Path(folder) / CONFIG
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    with foreign.explained(f"cannot read {str(path)!r}"):
        config = foreign.from_json(text)
        for name, allowed in _PLAIN.items():
            value = config["peft_type"] if name == "peft_type" else config.get(name)
            if value not in allowed:
                raise ValueError(f"{name} must be {allowed[0]!r}, got {checks.describe(value)}")
        rank = checks.integer("r", config["r"], 1)
        alpha = checks.real("lora_alpha", config["lora_alpha"], above=0.0)
        rooted = checks.boolean("use_rslora", config.get("use_rslora") or False)
    arrays, _ = array_files.read(Path(folder) / MODEL)
    with foreign.explained(f"cannot read {str(Path(folder) / MODEL)!r}"):
        if set(arrays) != set(_NAMES.values()):
            raise ValueError(
                f"an adapter of the first layer has {sorted(_NAMES.values())}, "
                f"got {foreign.shortened(str(sorted(arrays)))}"
            )
        A = checks.array("lora_A", arrays[_NAMES["A"]], (rank, d))
        B = checks.array("lora_B", arrays[_NAMES["B"]], (k, rank))
    return A, B, alpha / (rank**0.5 if rooted else rank)
