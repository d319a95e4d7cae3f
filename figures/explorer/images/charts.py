"""Pictures of the page of real data, as Plotly writes them: plain dictionaries, transparent, coloured by the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures.explorer.images.kept import ClassRow
from figures.explorer.images.spread import MOST_ROWS
from figures.explorer.plot_style import figure

__all__ = ["agreement_chart", "class_chart", "histogram_chart", "points_chart", "rank_chart", "share_chart"]

KEPT, DROPPED = "#0072b2", "#d55e00"  # the colour-blind tell them apart (Okabe and Ito 2008)
COLOURS = "Viridis"
ROW_HEIGHT = 17  # pixels of a class

Floats = NDArray[np.float64]


def histogram_chart(edges: Floats, kept: Floats, dropped: Floats, name: str, *, log: bool = False) -> dict[str, Any]:
    """Images in bins of the score: kept ones below, dropped ones on top; on a logarithmic scale all and kept ones."""
    middle, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    said = "%{customdata[0]:.4g} to %{customdata[1]:.4g}<br>%{y:,} images"
    bins = np.stack([edges[:-1], edges[1:]], axis=1).tolist()
    if log:
        data = [
            _steps(edges, kept + dropped, "all", DROPPED, bins, said),
            _steps(edges, kept, "kept", KEPT, bins, said) | {"fill": "tozeroy", "fillcolor": "rgba(0,114,178,0.25)"},
        ]
    else:
        data = [
            {
                "type": "bar",
                "x": middle.tolist(),
                "y": numbers.tolist(),
                "width": width.tolist(),
                "name": label,
                "marker": {"color": colour, "line": {"width": 0}},
                "customdata": bins,
                "hovertemplate": f"{said} {label}<extra></extra>",
            }
            for numbers, label, colour in ((kept, "kept", KEPT), (dropped, "dropped", DROPPED))
        ]
    axis = _axis("images per bin") | ({"type": "log", "dtick": "D2"} if log else {})
    x = _axis(f"{name}   (→ harder)") | {"range": [float(edges[0]), float(edges[-1])]}
    return _figure(data, x, axis, 340, barmode="stack")


def _steps(edges: Floats, numbers: Floats, name: str, colour: str, bins: list[Any], said: str) -> dict[str, Any]:
    """Numbers of bins as a line with steps; bins without an image are gaps."""
    y = [float(number) if number else None for number in numbers.tolist()]
    return {
        "type": "scatter",
        "mode": "lines",
        "line": {"shape": "hv", "color": colour, "width": 2},
        "x": edges.tolist(),
        "y": [*y, y[-1]],
        "name": name,
        "customdata": [*bins, bins[-1]],
        "hovertemplate": f"{said} {name}<extra></extra>",
    }


def class_chart(edges: Floats, names: Sequence[str], shares: Floats, name: str) -> dict[str, Any]:
    """Per cent of a class in each bin of the score, as a row of colours; the class of the highest median on top."""
    names, percent = list(names)[:MOST_ROWS], 100 * shares[:MOST_ROWS]
    coloured = np.where(percent > 0, np.log10(np.maximum(percent, 1e-12)), np.nan)
    low = np.floor(np.nanmin(coloured))
    ticks = [t for t in range(-3, 3) if low <= t]
    data = {
        "type": "heatmap",
        "x": edges.tolist(),
        "y": list(range(len(names))),
        "z": [[None if np.isnan(z) else round(float(z), 4) for z in row] for row in coloured],
        "customdata": [[[label, round(float(p), 3)] for p in row] for label, row in zip(names, percent, strict=True)],
        "hovertemplate": "%{customdata[0]}<br>%{x:.4g}<br>%{customdata[1]:.3g} % of the class<extra></extra>",
        "colorscale": COLOURS,
        "ygap": 1,
        "colorbar": {
            "title": {"text": "%", "side": "top"},
            "tickvals": ticks,
            "ticktext": [f"{10.0**t:g}" for t in ticks],
            "thickness": 12,
            "outlinewidth": 0,
        },
    }
    y = _names_axis(names)
    x = _axis(f"{name}   (→ harder)") | {"showgrid": False}
    return _figure([data], x, y, 110 + ROW_HEIGHT * len(names))


def share_chart(rows: Sequence[ClassRow], share: float) -> dict[str, Any]:
    """The share kept of each class, the hardest class on top; the share of all is a line."""
    rows = list(rows)[:MOST_ROWS]
    data = {
        "type": "bar",
        "orientation": "h",
        "x": [100 * row.share for row in rows],
        "y": list(range(len(rows))),
        "marker": {"color": KEPT},
        "customdata": [[row.name, row.kept, row.size] for row in rows],
        "hovertemplate": "%{customdata[0]}: %{customdata[1]:,} of %{customdata[2]:,} kept (%{x:.3g} %)<extra></extra>",
    }
    line = {"type": "line", "xref": "x", "yref": "paper", "x0": 100 * share, "x1": 100 * share, "y0": 0, "y1": 1}
    line["line"] = {"color": DROPPED, "dash": "dot", "width": 1.5}
    x = _axis("kept of the class (%)") | {"range": [0, 100]}
    return _figure([data], x, _names_axis([row.name for row in rows]), 90 + ROW_HEIGHT * len(rows), shapes=[line])


def rank_chart(shares: Floats, weights: Floats | None) -> dict[str, Any]:
    """The share kept at each rank, the hardest on the left, and the mean weight of those kept."""
    middle = (np.arange(shares.size) + 0.5) / shares.size
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": middle.tolist(),
            "y": (100 * shares).tolist(),
            "width": 1 / shares.size,
            "name": "kept",
            "marker": {"color": KEPT, "line": {"width": 0}},
            "hovertemplate": "rank %{x:.2f}<br>%{y:.3g} % kept<extra></extra>",
        }
    ]
    others: dict[str, Any] = {}
    if weights is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": middle.tolist(),
                "y": [None if np.isnan(weight) else float(weight) for weight in weights],
                "yaxis": "y2",
                "name": "mean weight",
                "line": {"color": DROPPED, "width": 2},
                "hovertemplate": "rank %{x:.2f}<br>mean weight %{y:.3g}<extra></extra>",
            }
        )
        second = _axis("mean weight") | {"overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False}
        second |= {"tickmode": "auto", "automargin": True}  # round numbers of its own
        others["yaxis2"] = second
    x = _axis("rank   (0 hardest, 1 easiest)") | {"range": [0, 1]}
    return _figure(data, x, _axis("kept (%)") | {"range": [0, 103]}, 260, **others)


def agreement_chart(x: Floats, y: Floats, counts: NDArray[np.int64], names: tuple[str, str]) -> dict[str, Any]:
    """The number of images in each cell of two scores, by colour; a click says the middle of a cell."""
    data = {
        "type": "heatmap",
        "x": ((x[:-1] + x[1:]) / 2).tolist(),
        "y": ((y[:-1] + y[1:]) / 2).tolist(),
        "z": [[round(float(np.log10(n)), 4) if n else None for n in row] for row in counts.tolist()],
        "customdata": counts.tolist(),
        "hovertemplate": "%{customdata:,} images: click to see them<extra></extra>",
        "colorscale": COLOURS,
        "colorbar": {
            "title": {"text": "images", "side": "top"},
            "tickvals": list(range(7)),
            "ticktext": [f"{10**t:,}" for t in range(7)],
            "thickness": 12,
            "outlinewidth": 0,
        },
    }
    return _figure([data], _axis(names[0]), _axis(names[1]), 480)


def points_chart(
    x: Floats,
    y: Floats,
    images: NDArray[np.int64],
    kept: NDArray[np.bool_],
    labels: Sequence[str],
    names: tuple[str, str],
) -> dict[str, Any]:
    """Every image as a point of two scores."""
    data = []
    for part, label, colour, symbol in ((kept, "kept", KEPT, "circle"), (~kept, "dropped", DROPPED, "x-thin-open")):
        places = np.flatnonzero(part)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": np.round(x[places], 6).tolist(),
                "y": np.round(y[places], 6).tolist(),
                "name": label,
                "marker": {"color": colour, "size": 6, "symbol": symbol, "opacity": 0.75},
                "customdata": images[places].tolist(),
                "text": [labels[place] for place in places.tolist()],
                "hovertemplate": "image %{customdata}, %{text}: click to see it<extra></extra>",
            }
        )
    return _figure(data, _axis(names[0]), _axis(names[1]), 480)


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}}


def _names_axis(names: Sequence[str]) -> dict[str, Any]:
    """The axis of classes, the first on top; names that are long are cut."""
    cut = [name if len(name) <= 24 else f"{name[:23]}…" for name in names]
    ticks = {"tickvals": list(range(len(names))), "ticktext": cut, "autorange": "reversed", "showgrid": False}
    return _axis("") | ticks


def _figure(data: list[Any], x: dict[str, Any], y: dict[str, Any], height: int, **others: Any) -> dict[str, Any]:
    margin = {"l": 60, "r": 16, "t": 28, "b": 48}
    return figure(data, x, y, margin=margin, height=height, showlegend=len(data) > 1, **others)
