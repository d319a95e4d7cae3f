"""Panels of errors against the fraction kept: curves with intervals, crosses of failures, labels at the edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

__all__ = ["FRACTION_LABEL", "draw_errors", "label_grid", "legend_entries", "mean_of_known", "student_half_width"]

FRACTION_LABEL = "fraction kept, f"

Floats = NDArray[np.float64]


def draw_errors(
    axes: Axes,
    fractions: Floats,
    error: Floats,
    half_width: Floats,
    fine: NDArray[np.bool_],
    *,
    look: dict[str, Any],
    label: str,
) -> None:
    """One curve, in per cent, with intervals; crosses in its colour where networks did not learn.

    Args:
        axes: where it is drawn.
        fractions: kept, in any order.
        error: a fraction, for each; NaN where it is not known: a gap, or a cross at the upper edge where not fine.
        half_width: of its interval; NaN where there is none, as of one seed.
        fine: whether the networks learned.
        look: colour, marker and line.
        label: of the curve in the legend.
    """
    order = np.argsort(fractions)
    x, y, width = fractions[order], 100 * error[order], 100 * half_width[order]
    fine = fine[order]
    bars = np.where(fine & np.isfinite(width), width, 0)
    axes.errorbar(x, np.where(fine, y, np.nan), bars if bars.any() else None, label=label, **look)
    if not fine.all():
        cross: dict[str, Any] = {"color": look["color"], "marker": "x", "markersize": 5, "linestyle": "none"}
        axes.plot(x[~fine], y[~fine], label=f"{label}: failed", **cross)
        unknown = x[~fine & ~np.isfinite(y)]
        if unknown.size:
            axes.plot(unknown, np.full(unknown.size, 0.97), transform=axes.get_xaxis_transform(), **cross)


def mean_of_known(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is known."""
    known = np.isfinite(values)
    number = known.sum(axis=-1)
    sums = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(number > 0, sums / np.maximum(number, 1), np.nan)


def student_half_width(values: Floats, confidence: float = 0.95) -> Floats:
    """Half of the interval of that mean (Student's t); NaN where one value alone is known, or none."""
    from scipy import stats

    known = np.isfinite(values)
    number = known.sum(axis=-1)
    degrees = np.maximum(number - 1, 1)
    away = np.where(known, values - mean_of_known(values)[..., None], 0.0)
    error = np.sqrt((away**2).sum(axis=-1) / degrees / np.maximum(number, 1))
    return np.where(number > 1, stats.t.ppf((1 + confidence) / 2, degrees) * error, np.nan)


def label_grid(panels: Iterable[Axes], number: int, columns: int, *, xlabel: str, ylabel: str) -> None:
    """Labels where a grid has nothing below or on the left; panels beyond the first ``number`` are taken away.

    Args:
        panels: of all rows, which share their axes.
        number: of panels in use.
        columns: panels in a row.
        xlabel: of those that have nothing below, with numbers at their ticks.
        ylabel: of the first column.
    """
    for n, axes in enumerate(panels):
        if n >= number:
            axes.remove()
            continue
        if n + columns >= number:
            axes.set_xlabel(xlabel)
            axes.tick_params(axis="x", labelbottom=True)
        if n % columns == 0:
            axes.set_ylabel(ylabel)


def legend_entries(panels: Iterable[Axes]) -> tuple[list[Artist], list[str]]:
    """Each label of the panels once; failures last, as one cross for all of a kind."""
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    labels = sorted(found, key=lambda label: label.endswith(": failed"))  # a stable sort
    return [found[label] for label in labels], labels
