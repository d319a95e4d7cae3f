"""How all figures look: sizes, and lines that can be told apart without colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

__all__ = ["FULL_WIDTH", "MARKERS", "letter", "letter_parts", "new_figure", "plain_ticks", "shades", "style"]

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


def letter(*panels: Axes) -> None:
    """Letters at the panels' upper left corners."""
    for name, axes in zip("abcdefgh", panels, strict=False):
        axes.text(-0.12, 1.04, name, transform=axes.transAxes, fontweight="bold", fontsize=11)


def letter_parts(*parts: FigureBase) -> None:
    """Letters at the upper left corners of parts of a figure."""
    for name, part in zip("abcdefgh", parts, strict=False):
        part.text(0.01, 0.985, name, fontweight="bold", fontsize=11, va="top")


def plain_ticks(axes: Axes, low: float, high: float, *, axis: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis from ``low`` to ``high`` with ticks written as plain numbers."""
    ticks = [t * 10.0**n for n in range(-6, 5) for t in (1, 2, 5) if low <= t * 10.0**n <= high]
    names = [f"{tick:g}" for tick in ticks]
    if axis == "x":
        axes.set(xscale="log", xlim=(low, high))
        axes.set_xticks(ticks, names)
    else:
        axes.set(yscale="log", ylim=(low, high))
        axes.set_yticks(ticks, names)
    axes.tick_params(axis=axis, which="minor", labelleft=False, labelbottom=False)
