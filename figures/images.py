"""Figure 3: test error of a network on real images against the number of training examples kept."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from figures.style import new_figure, style
from perceptron_theory import Results

__all__ = ["fig3"]

LOOKS: dict[str, dict[str, Any]] = {
    "hard": {"color": "#440154", "marker": "o", "linestyle": "-"},
    "easy": {"color": "#2a9d8f", "marker": "s", "linestyle": "--"},
    "random": {"color": "0.55", "marker": "^", "linestyle": ":"},
}


def fig3(digits: Results) -> Figure:
    """Handwritten digits: error against examples kept for keep-hard, keep-easy and random.

    Args:
        digits: from ``real_data.run_experiment``.

    Returns:
        A matplotlib figure of one panel; error bars are standard errors over seeds.

    Raises:
        KeyError: the results are of something else.

    Source: the experiment of Sorscher et al. 2022, Fig. 3, at the size of scikit-learn's digits.
    """
    with style():
        figure = new_figure(4.8, 3.6)
        axes = figure.subplots()
        for i, rule in enumerate(digits["rule"]):
            axes.errorbar(
                digits["num_kept"][i].mean(axis=-1),
                100 * digits["mean"][i],
                100 * digits["standard_error"][i],
                label=f"keep {rule}" if rule != "random" else "random",
                linewidth=1.4,
                **LOOKS[str(rule)],
            )
        whole, error = 100 * float(digits["mean_all"]), 100 * float(digits["standard_error_all"])
        axes.axhspan(whole - error, whole + error, color="0.85", zorder=0, label="all training images")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="training images kept",
            ylabel="test error  (%)",
            title=f"digits, EL2N scores, {digits.sizes['seed']} seeds",
        )
        ticks = digits["num_kept"][0].mean(axis=-1)
        axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
        axes.set_yticks([2, 3, 5, 10, 20], ["2", "3", "5", "10", "20"])
        axes.minorticks_off()
        axes.legend()
        return figure
