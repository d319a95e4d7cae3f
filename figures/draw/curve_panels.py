"""Grids of panels with the same curves against the fraction kept, and lines across them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from figures.draw.error_panels import draw_errors, legend_entries
from figures.draw.style import FULL_WIDTH, plain_ticks

__all__ = ["CurvePanel", "Line", "draw_panels", "panels_size"]

PANEL_HEIGHT = 2.3
COLUMNS = 4  # of the full width
WIDE = 4.0  # ratio of errors from which an axis is logarithmic
LEAST = 1e-3  # per cent: no error is drawn below
SPREAD = 0.02  # between curves beside each other, of the width of a panel: intervals can be told apart
MOST_SPREAD = 0.6  # of all curves together, of the least distance of fractions

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A horizontal line with its interval as a band, in fractions; a half width of NaN is none."""

    value: float
    half_width: float
    label: str
    look: dict[str, Any]


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """What one panel shows.

    Attributes:
        row: of the grid.
        column: of the grid.
        title: above the panel.
        group: panels of a row that follow each other with the same group share their axis of errors.
        ylabel: written at the first column.
        fractions: kept, shape (num_fractions,).
        mean: of each curve, in fractions, shape (num_curves, num_fractions); NaN where it is not known.
        half_width: of its interval, the same shape; NaN where there is none.
        fine: whether the networks learned, the same shape; crosses where not.
        lines: across the panel.
    """

    row: int
    column: int
    title: str
    group: Any
    ylabel: str
    fractions: Floats
    mean: Floats
    half_width: Floats
    fine: NDArray[np.bool_]
    lines: Sequence[Line] = ()


def panels_size(panels: Sequence[CurvePanel]) -> tuple[float, float]:
    """Width and height in inches of a grid, with the legend on its right."""
    rows, columns = 1 + max(p.row for p in panels), 1 + max(p.column for p in panels)
    return max(3.0, FULL_WIDTH * columns / COLUMNS) + 2.0, (PANEL_HEIGHT + 0.35) * rows + 0.3


def draw_panels(
    figure: FigureBase,
    panels: Sequence[CurvePanel],
    labels: Sequence[str],
    looks: Sequence[dict[str, Any]],
    *,
    xlabel: str,
    title: str,
    errors: bool = True,
) -> None:
    """Draw a grid in a figure or a part of one, and the legend on the right.

    Args:
        figure: where it is drawn.
        panels: at most one for each place.
        labels: of the curves.
        looks: colours, markers and lines of the curves.
        xlabel: of panels that have nothing below.
        title: of the legend.
        errors: whether these are errors, on a logarithmic axis where they differ much; else differences, around zero.
    """
    rows, columns = 1 + max(p.row for p in panels), 1 + max(p.column for p in panels)
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    used = {(panel.row, panel.column): panel for panel in panels}
    for place in np.ndindex(rows, columns):
        if place not in used:
            grid[place].remove()
    first: dict[tuple[int, Any], Axes] = {}
    for panel in sorted(panels, key=lambda p: (p.row, p.column)):
        axes = grid[panel.row, panel.column]
        _draw_panel(axes, panel, labels, looks)
        axes.set_title(panel.title)
        if (panel.row, panel.group) in first:
            axes.sharey(first[panel.row, panel.group])
            axes.tick_params(labelleft=False)
        first.setdefault((panel.row, panel.group), axes)
        if panel.column == 0:
            axes.set_ylabel(panel.ylabel)
        below = used.get((panel.row + 1, panel.column))
        if below is None or not np.array_equal(below.fractions, panel.fractions):
            axes.set_xlabel(xlabel)
        else:
            axes.tick_params(labelbottom=False)
    for (row, group), axes in first.items():
        _scale(axes, [panel for panel in panels if (panel.row, panel.group) == (row, group)], errors)
    figure.legend(*legend_entries(grid[place] for place in sorted(used)), loc="outside right upper", title=title)


def _draw_panel(axes: Axes, panel: CurvePanel, labels: Sequence[str], looks: Sequence[dict[str, Any]]) -> None:
    for line in panel.lines:
        axes.axhline(100 * line.value, linewidth=1, zorder=1.8, label=line.label, **line.look)
        if np.isfinite(line.half_width) and line.half_width > 0:
            low, high = 100 * (line.value - line.half_width), 100 * (line.value + line.half_width)
            axes.axhspan(low, high, color=line.look["color"], alpha=0.12, linewidth=0, zorder=0)
    span = max(float(np.ptp(panel.fractions)), 0.1)
    ticks = np.unique(panel.fractions)
    step = min(SPREAD * span, MOST_SPREAD * float(np.diff(ticks).min(initial=span)) / len(labels))
    for i, (label, look) in enumerate(zip(labels, looks, strict=True)):
        if not np.any(np.isfinite(panel.mean[i]) | ~panel.fine[i]):
            continue  # there is no such curve here
        x = panel.fractions + step * (i - (len(labels) - 1) / 2)
        # what did not learn stands at the edge, and takes no part in the scale
        shown = np.where(panel.fine[i], panel.mean[i], np.nan)
        draw_errors(axes, x, shown, panel.half_width[i], panel.fine[i], look=look, label=label)
    if ticks.size <= 6:
        axes.set_xticks(ticks, [f"{f:g}" for f in ticks])
    axes.set_xlim(ticks[0] - 0.1 * span, ticks[-1] + 0.1 * span)


def _scale(axes: Axes, panels: Sequence[CurvePanel], errors: bool) -> None:
    """Room for all that learned, with intervals; errors on a logarithmic axis where they differ much."""
    means = np.concatenate([np.where(p.fine, p.mean, np.nan).ravel() for p in panels])
    widths = np.nan_to_num(np.concatenate([p.half_width.ravel() for p in panels]))
    lines = [(line.value, np.nan_to_num(line.half_width)) for p in panels for line in p.lines]
    means = np.concatenate([means, [value for value, _ in lines]])
    widths = np.concatenate([widths, [width for _, width in lines]])
    known = np.isfinite(means)
    if not known.any():
        return
    low, high = 100 * np.min((means - widths)[known]), 100 * np.max((means + widths)[known])
    least = 100 * float(means[known].min())
    if errors and 100 * means[known].max() > WIDE * max(least, LEAST):
        plain_ticks(axes, max(low / 1.1, least / 2, LEAST), min(1.15 * high, 100))
    else:
        margin = 0.08 * (high - low) if high > low else 1.0
        low, high = low - margin, high + margin
        axes.set_ylim((max(low, 0), min(high, 100)) if errors else (low, high))  # intervals may go on
