"""How the pictures look: colours, lines and what matplotlib is told; matplotlib comes late."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe palette, without its yellow, which is too faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


THIN_LINES = 16  # with more replicas than this the band alone is readable


STYLE = {
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 160,
}


def styled() -> Any:
    """Draw with `STYLE` inside a ``with``."""
    from matplotlib import rc_context

    return rc_context(STYLE)  # type: ignore[arg-type]


def figure_class() -> type[Figure]:
    """Load matplotlib's figure, on which ``lrft.plot`` draws without pyplot.

    Returns
    -------
    type
        ``matplotlib.figure.Figure``, of a kind that a notebook shows without pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed; it says how to.

    Examples
    --------
    >>> import lrft
    >>> lrft.plot.figure_class().__name__
    'Figure'
    """
    try:
        import matplotlib.figure as matplotlib
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'lrft[plot]'") from error
    return _shown(matplotlib.Figure)


@cache
def _shown(kind: type[Figure]) -> type[Figure]:
    class Figure(kind):  # type: ignore[misc, valid-type]
        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png")
            return content.getvalue()

    return Figure
