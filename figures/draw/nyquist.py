"""Picture of Nyquist learners: where finitely many examples leave no error, and where they do."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from data_pruning import Results
from figures.draw.looks import RULE_LOOKS
from figures.draw.style import FULL_WIDTH, letter, new_figure, plain_ticks, style

__all__ = ["nyquist"]

DENSITY_LABEL = "examples per coefficient  $n/D$"
ERROR_LABEL = "relative error (median)"
LEAST, MOST = 3e-17, 10.0  # of the errors on the torus
LEAST_TEST_ERROR = 5e-3
LOOKS: dict[str, dict[str, Any]] = {
    "band": {"color": "#440154", "marker": "o"},
    "wider": {"color": "#0072b2", "marker": "s"},
    "gaussian": {"color": "#009e73", "marker": "v"},
    "laplace": {"color": "#e69f00", "marker": "D", "markersize": 5.5, "markerfacecolor": "none"},
    "ntk": {"color": "#a0457e", "marker": "^"},
    "ridge": {"color": "#d55e00", "marker": "s"},
    "grid": {"color": "#0072b2", "marker": "v"},
    "classes": {"color": "0.5", "marker": "D"},
}
MEASURED: dict[str, Any] = {"linewidth": 0.7, "linestyle": ":"}
WINDOW_LOOK = {"color": "#0072b2", "marker": "D"}


def nyquist(results: Results) -> Figure:
    """Error against examples per coefficient on a grid, at random points, and with noise; perceptrons told the field.

    Args:
        results: from ``figures.compute.nyquist.compute_nyquist``.

    Returns:
        A matplotlib figure of four panels; lines are exact laws, symbols are measured.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 7.6)
        panels = figure.subplots(2, 2)
        band, wider = int(results["band"]), int(results["wider_band"])
        _torus(panels[0, 0], results, "grid", (band + wider + 1) / (2 * band + 1))
        panels[0, 0].set_title(f"regular grid; functions of band $B = {band}$, $D = {2 * band + 1}$")
        _torus(panels[0, 1], results, "random", (2 * wider + 1) / (2 * band + 1))
        panels[0, 1].set_title("random points, the same functions and learners")
        panels[0, 0].legend(loc="lower left")
        _noise(panels[1, 0], results)
        _perceptron(panels[1, 1], results)
        letter(*panels.flat)
        return figure


def _torus(axes: Axes, results: Results, name: str, wider_threshold: float) -> None:
    density, error = results[f"{name}_density"], np.median(results[f"{name}_error"], axis=-1)
    x = np.append(1 - np.geomspace(1 - density[0], 1e-16, 100), 1.0)
    axes.plot(x, np.sqrt(np.maximum(1 - x, LEAST**2)), color="black", label=r"exact law, $\sqrt{1 - n/D}$", zorder=4)
    names = {
        "band": "knows the band",
        f"band@{int(results['wider_band'])}": f"assumes the band {int(results['wider_band'])}",
        "gaussian": "Gaussian kernel",
        "laplace": "Laplace kernel",
        "ntk": "kernel of a ReLU network",
    }
    for i, learner in enumerate(results[f"{name}_learner"].tolist()):
        look = LOOKS["wider" if learner.startswith("band@") else learner]
        axes.plot(density, error[:, i], label=names[learner], **MEASURED | look)
    colour = LOOKS["wider"]["color"]
    axes.axvline(wider_threshold, color=colour, linewidth=0.7, zorder=1)
    points = f"{round(wider_threshold * int(results['num_coefficients']))} points"
    axes.text(1.03 * wider_threshold, 2 * LEAST, points, color=colour, fontsize=7.5)
    axes.text(0.97, 1e-5, f"{int(results['num_coefficients'])} points", fontsize=7.5, ha="right")
    axes.set(yscale="log", ylim=(LEAST, MOST), ylabel=ERROR_LABEL, xlabel=DENSITY_LABEL)
    plain_ticks(axes, 0.95 * density[0], 1.05 * density[-1], axis="x")


def _noise(axes: Axes, results: Results) -> None:
    cases = (
        ("classes", "band", None, r"random, told $\mathrm{sign}\,f$", "classes"),
        ("noise", "band", "law", "random, noise", "band"),
        ("noise", "ridge", "ridge_law", "random, noise, ridge", "ridge"),
        ("grid_noise", "band", "law", "grid, noise", "grid"),
    )
    handles = []
    for name, learner, law, label, look in cases:
        i = results[f"{name}_learner"].tolist().index(learner)
        density, draws = results[f"{name}_density"], results[f"{name}_error"][:, i]
        low, error, high = np.quantile(draws, [0.25, 0.5, 0.75], axis=-1)
        joined = MEASURED if law is None else {"linestyle": "none"}
        bars = {"yerr": [error - low, high - error], "elinewidth": 0.7, "capsize": 0}
        handles.append(axes.errorbar(density, error, label=label, zorder=3, **bars | LOOKS[look] | joined))
        if law is not None:
            exact = np.median(results[f"{name}_{law}"], axis=-1)
            axes.plot(density, exact, color=LOOKS[look]["color"], linewidth=1.0)
    law_line = Line2D([], [], color="0.3", linewidth=1.0, label="exact law")
    axes.legend(handles=[*handles, law_line], loc="lower left")
    noise = float(results["noise"])
    density = results["noise_density"]
    axes.plot([1, density[-1]], [noise, noise], color="0.6", linewidth=0.7, zorder=1)
    axes.text(density[-1], 1.15 * noise, "noise", color="0.4", fontsize=7.5, ha="right", va="bottom")
    axes.set(yscale="log", ylabel=ERROR_LABEL, xlabel=DENSITY_LABEL)
    axes.set_title(f"learner knows the band; noise of {noise:g}, or classes")
    plain_ticks(axes, 0.95 * density[0], 1.05 * density[-1], axis="x")


def _perceptron(axes: Axes, results: Results) -> None:
    alpha, told = results["alpha"], np.median(results["told_error"], axis=-1)
    f = float(results["f"])
    names = {"random": "random", "hard": "hardest", "easy": "easiest", "window": f"ranks {f:g} to {2 * f:g}"}
    handles = []
    for r, rule in enumerate(results["rule"].tolist()):
        look = WINDOW_LOOK if rule == "window" else RULE_LOOKS[rule]
        colour, marker = look["color"], look["marker"]
        x = np.append(results["told_alpha"], 1.0)
        axes.plot(x, np.append(results["told_law"][r], LEAST_TEST_ERROR / 2), color=colour)
        axes.plot(results["class_alpha"], results["class_error"][r], color=colour, linestyle="--", linewidth=1.0)
        shown = np.maximum(told[r], LEAST_TEST_ERROR)
        axes.plot(alpha, shown, color=colour, marker=marker, linestyle="none", clip_on=False, zorder=5)
        handles.append(Line2D([], [], color=colour, marker=marker, label=names[rule]))
    axes.plot(results["class_alpha"], results["bayes_error"], color="black", linestyle="-.", linewidth=1.0)
    styles = [
        Line2D([], [], color="0.3", label="told the field $T.x$: law"),
        Line2D([], [], color="0.3", marker="o", linestyle="none", label="told the field: simulated"),
        Line2D([], [], color="0.3", linestyle="--", linewidth=1.0, label="told the class: max margin"),
        Line2D([], [], color="black", linestyle="-.", linewidth=1.0, label="told the class: Bayes, random"),
    ]
    axes.add_artist(axes.legend(handles=handles, loc="lower left", title="kept", alignment="left", title_fontsize=7.5))
    axes.legend(handles=styles, loc="lower left", bbox_to_anchor=(0.415, 0.08))
    plain_ticks(axes, LEAST_TEST_ERROR, 0.6)
    plain_ticks(axes, 0.9 * alpha[0], float(results["class_alpha"][-1]), axis="x")
    zero = told[:, alpha >= 1].max()
    axes.text(1.1, 1.15 * LEAST_TEST_ERROR, f"medians on the axis: below {_above(zero)}", fontsize=7.5, color="0.3")
    axes.set(xlabel=r"kept examples per parameter  $\alpha_\mathrm{prune}$", ylabel=r"test error  $\varepsilon$")
    theta = np.rad2deg(float(results["theta"]))
    axes.set_title(f"perceptron; {f:g} of a pool kept by a probe at {theta:g}°")


def _above(value: float) -> str:
    """The next power of ten."""
    return f"$10^{{{int(np.floor(np.log10(max(value, 1e-300)))) + 1}}}$"
