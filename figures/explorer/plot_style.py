"""How the plots of the explorer look: the colours of the house's figures, axes, and values by hovering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LINES", "NAMES", "figure", "here", "line", "logarithmic", "numbers", "percent"]

NAMES = {
    "chosen": "chosen rule",
    "hard": "keep hard",
    "easy": "keep easy",
    "random": "random",
    "all": "all examples",
    "window": "best window",
}
FONT = 'system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif'  # as in the style sheet
LINES: dict[str, dict[str, Any]] = {
    "chosen": {"color": "#d55e00", "width": 3.2},
    "hard": {"color": "#440154", "width": 1.6},
    "easy": {"color": "#2a9d8f", "width": 1.6, "dash": "dash"},
    "random": {"color": "#8c8c8c", "width": 1.6, "dash": "dot"},
    "all": {"color": "#000000", "width": 1.4, "dash": "dashdot"},
    "window": {"color": "#0072b2", "width": 1.8, "dash": "longdash"},
}
"""Colours as in the figures of the house; the style sheet lightens the darkest where the page is dark."""


def numbers(values: ArrayLike) -> list[Any]:
    """Values for the browser: None, a gap, where there is no number."""
    return [None if isinstance(v, float) and not np.isfinite(v) else v for v in np.asarray(values).ravel().tolist()]


def percent(values: ArrayLike) -> list[Any]:
    """Fractions in per cent, for the browser."""
    return numbers(100 * np.asarray(values, float))


def line(name: str, x: ArrayLike, y: ArrayLike, hover: str, label: str | None = None) -> dict[str, Any]:
    """A curve of one of ``LINES``.

    Args:
        name: of the curve.
        x: shape (points,).
        y: in fractions, drawn in per cent, shape (points,).
        hover: what is said at a point, with the places of ``x`` and ``y``.
        label: in the legend; the default is that of ``NAMES``.
    """
    label = label or NAMES[name]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label,
        "x": numbers(x),
        "y": percent(y),
        "line": LINES[name],
        "connectgaps": False,
        "hovertemplate": f"{label}<br>{hover}<extra></extra>",
    }


def here(x: float, y: float | None, hover: str) -> dict[str, Any]:
    """The point that is asked about; ``y`` as drawn, None where it has none."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "this point",
        "x": [x],
        "y": [y],
        "marker": {"color": LINES["chosen"]["color"], "size": 13, "line": {"color": "#ffffff", "width": 2}},
        "hovertemplate": f"this point<br>{hover}<extra></extra>",
        "showlegend": False,
    }


def logarithmic(title: str, low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis with ticks written as plain numbers."""
    decades = np.log10(high / low)
    steps = (1, 2, 5) if decades < 2.5 else (1, 3) if decades < 4 else (1,)
    powers = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return {
        "title": {"text": title},
        "type": "log",
        "range": [float(np.log10(low)) - 1e-6, float(np.log10(high)) + 1e-6],  # so that ticks at the ends are there
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def figure(
    data: Sequence[dict[str, Any]], xaxis: dict[str, Any], yaxis: dict[str, Any], **layout: Any
) -> dict[str, Any]:
    """A figure; letters, lines and grounds get their colours from the style sheet, light or dark."""
    plain = {"zeroline": False, "showgrid": True, "automargin": True}
    small = {"font": {"size": 13}}  # a title fits on a telephone
    return {
        "data": list(data),
        "layout": {
            "xaxis": plain | xaxis | {"title": xaxis["title"] | small},
            "yaxis": plain | yaxis | {"title": yaxis["title"] | small},
            "margin": {"l": 60, "r": 28, "t": 12, "b": 50},
            "font": {"family": FONT, "size": 13},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "closest",
            "dragmode": False,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
            "hoverlabel": {"font": {"family": FONT, "size": 13}},
            "autosize": True,
            **layout,
        },
    }
