"""Pictures in files that look the same everywhere: matplotlib as it comes, with no display.

What the environment asks for is for a user's own pictures: a backend of a notebook that is not
there in another process, TeX that is not installed, a settings file that cannot be read.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lrft.plot.style import figure_class

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENVIRONMENT = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}


@contextmanager
def plain() -> Iterator[None]:
    """Set matplotlib up as it comes, whatever the environment says; afterwards as before.

    Returns
    -------
    context manager
        Its value is None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import lrft
    >>> with lrft.plot.plain():
    ...     figure = lrft.plot.figure_class()()
    """
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)  # read when matplotlib is first loaded
    try:
        figure_class()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def drawn(draw: Callable[[], Figure], suffix: str) -> bytes:
    """Draw what goes into a file with this suffix."""
    content = io.BytesIO()
    with plain():
        draw().savefig(content, format=suffix.removeprefix("."))
    return content.getvalue()
