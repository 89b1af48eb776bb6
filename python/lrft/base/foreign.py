"""What files of others may hold: text that nests without end, sizes that grow, bytes for terminals.

Every reader of files goes through here, so that a hostile file is a sentence and never a traceback,
a full memory or a terminal out of order.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["explained", "from_json", "from_toml", "printable", "unpacked"]

#: What may be read whatever the size of the file that holds it.
_SMALL = 2**26
#: How many times the size of its file more than that may be.
_RATIO = 100

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff]")

#: What malformed content raises where it is taken apart, beside ValueError.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    MemoryError,
)


def from_json(text: str | bytes) -> Any:
    """Read JSON; ValueError says why not.

    Examples
    --------
    >>> from lrft.base.foreign import from_json
    >>> from_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: JSON that nests too deeply
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON that nests too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def from_toml(text: str) -> dict[str, Any]:
    """Read TOML; ValueError says why not. Editors of Windows put a mark at its beginning."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def unpacked(what: str, size: int, stored: int) -> None:
    """Refuse what takes far more memory than the file that it is in.

    Parameters
    ----------
    what : str
    size : int
        Bytes in memory.
    stored : int
        Bytes of the file.

    Raises
    ------
    ValueError
        Beyond 64 MiB and a hundred times the file: no measured numbers shrink as much.
    """
    if size > max(_SMALL, _RATIO * stored):
        raise ValueError(
            f"{what} would take {size / 2**20:,.0f} MiB out of a file of {stored:,} bytes: more "
            f"than {_RATIO} times as much is refused; if it is right, store it uncompressed"
        )


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Make one ValueError of what malformed content raises while it is taken apart.

    Only around code that reads: what goes wrong in a computation keeps its own name.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{where}: it has no entry {error}") from error
    except _MALFORMED as error:
        raise ValueError(f"{where}: {shortened(_reason(error))}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    if callable(found := getattr(error, "errors", None)):  # those of pydantic
        return "; ".join(map(_field, found()))
    text = " ".join(str(error).split()) or type(error).__name__
    own = isinstance(error, ValueError | ArithmeticError | MemoryError) or " must be " in text
    own = own and " indices must be " not in text
    return text if own else f"it is malformed ({text})"


def _field(error: dict[str, Any]) -> str:
    where, text = ".".join(map(str, error["loc"])), str(error["msg"])
    text = text.removeprefix("Value error, ")
    return text if not where or text.startswith(where) else f"{where}: {text}"


def shortened(text: str, most: int = 240) -> str:
    """Cut a text that may hold a whole file."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str) -> str:
    r"""Write control characters and marks of direction as escapes; line ends and tabs stay.

    Examples
    --------
    >>> from lrft.base.foreign import printable
    >>> print(printable("run\x1b[2J.nc"))
    run\x1b[2J.nc
    """
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    one = found.group()
    return one if one in "\n\t" else one.encode("unicode_escape", "surrogatepass").decode("ascii")
