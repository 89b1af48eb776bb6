"""How the pictures look: colours, lines and what matplotlib is told; matplotlib comes late."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's hues, safe for the colour-blind, each dark enough to be read as text on white
# (4.5 : 1) and light enough to be seen on black (3 : 1).
PALETTE = ("#0072B2", "#C05500", "#008561", "#A26085", "#7A5CC8", "#9C6C00", "#6E6E6E")

#: For more lines than that: values in order, as readable at every place.
SEQUENCE = ("#7A5CC8", "#0072B2", "#008561", "#9C6C00", "#C05500")

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


def colours(count: int) -> list[Any]:
    """Colours for lines that are told apart, at least 4.5 : 1 on white."""
    if count <= len(PALETTE):
        return list(PALETTE[:count])
    from matplotlib.colors import LinearSegmentedColormap

    sequence = LinearSegmentedColormap.from_list("lrft", SEQUENCE)
    return [sequence(i / (count - 1)) for i in range(count)]


def figure_and_axes(axes: Axes | None, width: float = 5.2) -> tuple[Figure, Axes]:
    """Return the axes given and their figure, or new ones, with a width in inches."""
    if axes is None:
        figure = figure_class()(figsize=(width, 3.8), layout="constrained")
        return figure, figure.subplots()
    return axes.get_figure(root=True), axes  # type: ignore[return-value]


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
