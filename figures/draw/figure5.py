"""Figure 5: how far scores of difficulty agree, and what each is worth."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from data_pruning import Results
from figures.draw.benchmark import benchmark_size, draw_benchmark
from figures.draw.correlations import correlations_size, draw_agreement
from figures.draw.style import letter_parts, new_figure, style

__all__ = ["fig5"]


def fig5(agreement: Results, benchmark: Results) -> Figure:
    """Rank correlations of scores, and test error against the fraction kept by each, beside random examples.

    Args:
        agreement: from :func:`real_data.scores.rank_agreement.rank_agreement`, correlations.nc.
        benchmark: the file DATASET-benchmark.nc of ``python -m real_data benchmark``.

    Returns:
        A matplotlib figure: (a) the matrix, similar scores side by side; (b) a panel for each score of the benchmark,
        with 95 % intervals over seeds and crosses where networks did not learn.

    Raises:
        ValueError: other results, or more than 40 scores.

    Source: Sorscher et al. 2022, Fig. 5.
    """
    (width, height), (other_width, other_height) = (
        correlations_size(agreement),
        benchmark_size(benchmark["metric"].size),
    )
    width = max(width, 5.0)  # few scores need room for the colour bar
    with style():
        figure = new_figure(max(width, other_width), height + other_height + 0.4)
        parts: Any = figure.subfigures(2, 1, height_ratios=[height + 0.2, other_height + 0.2])
        above, below = parts
        matrix = above.subfigures(1, 2, width_ratios=[width, max(other_width - width, 1e-3)])[0]
        draw_agreement(matrix.subplots(), agreement)
        draw_benchmark(below, benchmark)
        letter_parts(above, below)
        return figure
