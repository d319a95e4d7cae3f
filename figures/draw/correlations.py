"""Rank correlations of scores, as colours and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_pruning import Results
from figures.draw.looks import metric_name
from figures.draw.style import new_figure, style

__all__ = ["correlations", "correlations_size", "draw_agreement", "draw_correlations"]

MOST_SCORES = 40


def correlations(results: Results) -> Figure:
    """How far scores agree in their ranking, similar ones side by side, with the share of ties of each.

    Args:
        results: from :func:`real_data.scores.rank_agreement.rank_agreement`.

    Returns:
        A matplotlib figure of one panel.

    Raises:
        ValueError: other results, or more than 40 scores.
    """
    size = correlations_size(results)
    with style():
        figure = new_figure(*size)
        draw_agreement(figure.subplots(), results)
        return figure


def correlations_size(results: Results) -> tuple[float, float]:
    """Width and height in inches of the matrix with its names and colour bar.

    Raises:
        ValueError: other results, or more than 40 scores.
    """
    if len(results["correlation"]) > MOST_SCORES:
        raise ValueError(
            f"there must be at most {MOST_SCORES} scores in one picture, got {len(results['correlation'])}"
        )
    names = [metric_name(str(name)) for name in results["name"]]
    widest = max(map(len, names))
    return 2.0 + 0.11 * widest + 0.46 * len(names), 1.0 + 0.06 * widest + 0.4 * len(names)


def draw_agreement(axes: Axes, results: Results) -> None:
    """The matrix of correlations with the share of ties of each score on the right; see :func:`correlations`."""
    values, tied = results["correlation"], results["tied"]
    names = [metric_name(str(name)) for name in results["name"]]
    draw_correlations(axes, values, names, gap=0.08)
    for i, share in enumerate(tied):
        axes.text(len(names) - 0.35, i, f"{100 * share:.3g}", ha="left", va="center", color="0.35", fontsize=7.5)
    axes.text(len(names) - 0.35, -0.62, "tied (%)", ha="left", va="bottom", color="0.35", fontsize=7.5)
    axes.set_title(f"{results.config['dataset']}, {results.config['num_examples']:,} images")


def draw_correlations(axes: Axes, values: NDArray[np.float64], names: Sequence[str], *, gap: float = 0.03) -> None:
    """A matrix of correlations with its numbers, names and colour bar; the numbers of many scores are small.

    Args:
        axes: where it is drawn.
        values: in [-1, 1], shape (num_scores, num_scores).
        names: of rows and columns.
        gap: between matrix and colour bar, a share of the width.
    """
    image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
    size: dict[str, Any] = {} if len(names) <= 10 else {"fontsize": 7}
    for i, j in np.ndindex(values.shape):
        colour = "white" if abs(values[i, j]) > 0.6 else "black"
        number = f"{values[i, j]:.2f}".replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")
        axes.text(j, i, number, ha="center", va="center", color=colour, **size)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    ticks = [-1, -0.5, 0, 0.5, 1]
    label = "rank correlation  (Spearman)"
    bar = axes.figure.colorbar(image, ax=axes, label=label, ticks=ticks, shrink=0.8, pad=gap)
    bar.outline.set_visible(False)
