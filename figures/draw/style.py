"""How all figures look: sizes, and lines that can be told apart without colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.figure import Figure

__all__ = ["FULL_WIDTH", "MARKERS", "new_figure", "shades", "style"]

FULL_WIDTH = 10.0  # inches
MARKERS = ("o", "s", "v", "D", "<", "^", ">")
FRONTIER: dict[str, Any] = {"color": "black", "linewidth": 5, "alpha": 0.28, "solid_capstyle": "round", "zorder": 1}

_SETTINGS: Any = {  # typed loosely: matplotlib's own type lists every key
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "lines.linewidth": 1.4,
    "lines.markersize": 3.6,
    "errorbar.capsize": 1.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "savefig.bbox": "tight",
}


@contextmanager
def style() -> Iterator[None]:
    """The settings of all figures, for the duration of a ``with`` block; the user's own are left alone."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of the given size in inches that belongs to no window system."""
    return Figure(figsize=(width, height), layout="constrained")


def shades(count: int) -> list[tuple[float, float, float, float]]:
    """Colours of increasing lightness: ordered in greyscale too."""
    import matplotlib as mpl

    return [mpl.colormaps["viridis"](x) for x in np.linspace(0.0, 0.85, count)]
