"""Files damaged at random: bytes that turned over, and content that a forger or a slip changed."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

#: In place of any value.
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3.5,
    10**30,
    -(2**63),
    math.nan,
    math.inf,
    "",
    "x",
    "\x1b[2J\x07",
    "\0",
    [],
    [[]],
    {},
    {"x": 1},
    [None],
    ["a", 1],
    [[[[[1]]]]],
    "9" * 400,
)


def damaged(content: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Damage bytes in one of the ways in which disks, networks and editors do."""
    n = len(content)
    at, length = int(rng.integers(n)), int(min(n, 2 ** rng.integers(0, 13)))
    block = content[at : at + length]
    way = rng.integers(12)
    if way < 4:  # bits
        edited = bytearray(content)
        for position in rng.integers(n, size=[1, 1, 3, 30][way]):
            edited[position] ^= 1 << int(rng.integers(8))
        return bytes(edited)
    if way == 4:
        return content[:at]
    if way == 5:
        return content[:at] + content[at + length :]
    if way == 6:
        return content[:at] + bytes(len(block)) + content[at + length :]
    if way == 7:
        return content[:at] + rng.bytes(len(block)) + content[at + length :]
    if way == 8:
        return content[:at] + rng.bytes(length) + content[at:]
    if way == 9:
        to = int(rng.integers(n))
        return content[:to] + block + content[to + len(block) :]
    if way == 10:
        return content + block
    return others[int(rng.integers(len(others)))]


def junk(rng: np.random.Generator) -> Any:
    return JUNK[int(rng.integers(len(JUNK)))]


def mutated(value: Any, rng: np.random.Generator) -> Any:
    """Change one place of a tree of dicts and lists: another value, one less, one more."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return junk(rng)
    children = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = children[int(rng.integers(len(children)))]
    changed = dict(value) if isinstance(value, dict) else list(value)
    way = rng.random()
    if way < 0.15:
        del changed[key]
    elif way < 0.25 and isinstance(changed, list):
        changed.append(junk(rng))
    elif way < 0.25:
        changed["surprise"] = junk(rng)
    else:
        changed[key] = mutated(changed[key], rng)
    return changed


def mutated_json(text: str, rng: np.random.Generator) -> str:
    """Change one place of a JSON text, or the text."""
    if rng.random() < 0.1:
        return ["", "{", "null", "[" * 50_000, '{"a":' * 50_000, text[:-1], text * 2][
            int(rng.integers(7))
        ]
    return json.dumps(mutated(json.loads(text), rng))


def mutated_array(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the shape, the type or the entries of an array."""
    way = rng.integers(7)
    if way == 0:
        return values.reshape(-1)[:-1]
    if way == 1:
        return values[None]
    if way == 2:
        return np.asarray(values).astype("f4")
    if way == 3:
        return np.full(values.shape, 7, dtype="i8")
    if way == 4:
        return np.full(values.shape, np.nan)
    if way == 5:
        return np.full(values.shape, 1e308)
    return np.zeros(0)
