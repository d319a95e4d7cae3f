"""Figure 4: transfer of pretrained networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from data_pruning import Results
from figures.draw.curve_panels import draw_panels, panels_size
from figures.draw.fine_tuned import fine_tuned_panels, rules_of
from figures.draw.looks import rule_label, rule_look
from figures.draw.style import letter_parts, new_figure, style
from figures.draw.transfer import SOURCE_LABEL, transfer_curves, transfer_legend, transfer_panels

__all__ = ["fig4"]


def fig4(transfer: Results | None = None, fine_tuned: Sequence[Results] = ()) -> Figure:
    """Transfer: (a) test error of networks fine-tuned on a pruned set, (b) of networks pretrained on a pruned set.

    Args:
        transfer: the file transfer.nc of ``python -m real_data transfer``; None leaves (b) out.
        fine_tuned: files DATASET.nc of ``python -m real_data run --fine-tuning.weights``; none leaves (a) out.

    Returns:
        A matplotlib figure.  (a) has a panel for each file, score and pool and a curve for each rule, with 95 %
        intervals over seeds.  (b) has a row for the layers that are fine-tuned, a column for each target set and length
        of pretraining, and a curve for each score and rule, with 95 % intervals over pretrainings: each is the mean of
        its fine-tunings.  Lines with bands are all images, and networks that were not pretrained; crosses are where a
        network did not learn.

    Raises:
        ValueError: there is nothing to draw, or results are of something else.

    Source: Sorscher et al. 2022, Fig. 4.
    """
    if transfer is None and not fine_tuned:
        raise ValueError("there is nothing to draw: neither results of transfer nor of fine-tuning on pruned data")
    rules = rules_of(fine_tuned)
    above = fine_tuned_panels(fine_tuned, rules)
    below = [] if transfer is None else transfer_panels(transfer)
    sizes = [panels_size(panels) for panels in (above, below) if panels]
    with style():
        figure = new_figure(max(width for width, _ in sizes), sum(height for _, height in sizes))
        heights = [height for _, height in sizes]
        parts: Any = figure.subfigures(len(sizes), 1, height_ratios=heights, squeeze=False)[:, 0]
        if above:
            labels, looks = [rule_label(rule) for rule in rules], [rule_look(rule) for rule in rules]
            seeds = " or ".join(str(n) for n in sorted({results["seed"].size for results in fine_tuned}))
            title = f"{seeds} seeds;\n95 % intervals over seeds"
            xlabel = "target images kept, f"
            # as wide as it needs, beside nothing
            widths = [sizes[0][0], max(figure.get_figwidth() - sizes[0][0], 1e-3)]
            left = parts[0].subfigures(1, 2, width_ratios=widths)[0]
            draw_panels(left, above, labels, looks, xlabel=xlabel, title=title)
        if transfer is not None:
            title = transfer_legend(transfer)
            draw_panels(parts[-1], below, *transfer_curves(transfer), xlabel=SOURCE_LABEL, title=title)
        if len(sizes) > 1:
            letter_parts(*parts)
        return figure
