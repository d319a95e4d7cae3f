"""Picture of students that pick their examples, beside the theory of one ranking for all."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pruning import Results
from figures.draw.looks import RULE_LOOKS
from figures.draw.style import FULL_WIDTH, letter, new_figure, plain_ticks, style

__all__ = ["KEPT_LABEL", "ROUND_LOOKS", "queries"]


ROUND_LOOKS: tuple[dict[str, Any], ...] = ({"color": "#d55e00", "marker": "D"}, {"color": "#0072b2", "marker": "o"})


KEPT_LABEL = r"examples picked per parameter  $\alpha_\mathrm{kept}$"


def queries(results: Results) -> Figure:
    """Test error against examples picked, a panel for each pool.

    Args:
        results: from ``compute_queries``.

    Returns:
        A matplotlib figure: points with standard errors are simulated, lines are theory.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        pools = list(dict.fromkeys(zip(results["alpha_tot"].tolist(), results["f"].tolist(), strict=True)))
        figure = new_figure(FULL_WIDTH * max(len(pools), 2) / 2, 4.8)
        panels = figure.subplots(1, len(pools), squeeze=False)[0]
        for axes, (alpha_tot, f) in zip(panels, pools, strict=True):
            _draw(axes, results, np.flatnonzero((results["alpha_tot"] == alpha_tot) & (results["f"] == f)))
            axes.set_title(rf"pool of $\alpha_\mathrm{{tot}} = {alpha_tot:g}$, $N = {int(results['num_features'])}$")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        letter(*panels)
        return figure


def _draw(axes: Axes, results: Results, cases: np.ndarray) -> None:
    longest = cases[np.argmin(results["curve_alpha_kept"][cases, 0])]
    x, names = results["curve_alpha_kept"][longest], ("random", "perfect_ranking")
    looks = {"random": RULE_LOOKS["random"], "perfect_ranking": RULE_LOOKS["hard"]}
    labels = {"random": "theory, random examples", "perfect_ranking": "theory, hardest by a perfect probe"}
    lowest = float(results["all_error"][cases[0]])
    for name in names:
        look = {key: looks[name][key] for key in ("color", "linestyle")}
        axes.plot(x, results[f"curve_{name}"][longest], label=labels[name], **look)
    for case, look in zip(cases, ROUND_LOOKS, strict=False):
        rounds = int(results["num_rounds"][case])
        kept = results["curve_alpha_kept"][case]
        shown = kept >= results["alpha_kept"][case, 0]  # the first batch is what the probe is trained on
        axes.plot(
            kept[shown],
            results["curve_one_ranking"][case][shown],
            color=look["color"],
            linestyle="--",
            label=f"theory, hardest by the student of the first of {rounds} batches",
        )
        axes.errorbar(
            results["alpha_kept"][case, :rounds],
            results["mean"][case, :rounds],
            results["standard_error"][case, :rounds],
            linestyle="none",
            markeredgecolor="white",
            markeredgewidth=0.4,
            markersize=4.5,
            zorder=3,
            label=f"simulation, picked in {rounds} batches",
            **look,
        )
    axes.axhline(lowest, color="black", linewidth=0.9, linestyle=(0, (1, 1.5)), label="theory, the whole pool")
    plain_ticks(axes, 0.7 * lowest, 0.55)
    plain_ticks(axes, x[0], 1.06 * x[-1], axis="x")
    axes.set(xlabel=KEPT_LABEL, ylabel=r"test error  $\varepsilon$")
