"""Picture of the joint law: error against examples and features, its sources, where pruning pays, at what cost."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from data_pruning import Results
from figures.draw.agreement import below_axes, draw_relative, draw_simulated
from figures.draw.style import FULL_WIDTH, MARKERS, letter, new_figure, plain_ticks, shades, style

__all__ = ["joint_law"]

EXAMPLES_LABEL = "kept examples  $n$"
ERROR_LABEL = r"test error  $\varepsilon$"
SOURCE_COLOURS = ("0.35", "#3b7ea1", "#e0a458")
LEAST_GAIN = 1.01  # error of random examples over that of the best window, below which a region is hatched
LINES = {"random": "-", "window": "--"}


def joint_law(law: Results, validation: Results) -> Figure:
    """Error against examples for several sizes, its sources, the best place of the window, and the compute frontier.

    Args:
        law: from ``figures.compute.joint_law.compute_joint_law``.
        validation: simulations of ``figures.compute.joint_law.points_to_simulate``.

    Returns:
        A matplotlib figure of four panels; simulation over theory below the first.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 7.6)
        panels = figure.subplot_mosaic(
            [["error", "sources"], ["below", "sources"], ["phase", "frontier"]], height_ratios=[3, 0.9, 3.9]
        )
        _errors(panels["error"], panels["below"], law, validation)
        _sources(panels["sources"], law)
        _phase(figure, panels["phase"], law)
        _frontier(panels["frontier"], law)
        letter(*(panels[name] for name in ("error", "sources", "phase", "frontier")))
        return figure


def _errors(axes: Axes, below: Axes, law: Results, validation: Results) -> None:
    n = law["n"]
    copies = validation["num_features"] // int(law["num_features"])
    for i, (m, colour) in enumerate(zip(law["m"], shades(law["m"].size), strict=True)):
        look = {"color": colour, "marker": MARKERS[i]}
        for r, rule in enumerate(law["rule"].tolist()):
            axes.plot(n, law["error"][r, i], color=colour, linestyle=LINES[rule])
            rows = (validation["rule"] == rule) & (validation["num_parameters"] == copies * m)
            x = validation["alpha_prune"][rows] * m
            filled = {} if rule == "random" else {"markerfacecolor": "white", "markeredgecolor": colour}
            draw_simulated(axes, x, validation, rows, look | filled)
            draw_relative(below, x * (1, 1.12)[r], validation, rows, look | filled)
    f, theta = float(law["f"]), np.rad2deg(float(law["theta"]))
    handles = [
        Line2D([], [], color=colour, marker=MARKERS[i], label=f"$m = {m}$ features seen")
        for i, (m, colour) in enumerate(zip(law["m"], shades(law["m"].size), strict=True))
    ]
    handles += [
        Line2D([], [], color="0.3", label="random examples"),
        Line2D([], [], color="0.3", linestyle="--", label=f"best window of {f:g} of a pool"),
    ]
    axes.legend(handles=handles, loc="lower left")
    plain_ticks(axes, 0.8 * law["error"].min(), 1.1 * law["error"].max())
    axes.set(ylabel=ERROR_LABEL, title=f"probe at {theta:g}°; lines: theory, symbols: simulation", xscale="log")
    axes.tick_params(labelbottom=False)
    reach = 1.2 * float(np.max(100 * np.abs(validation["mean"] / validation["theory"] - 1)))
    below_axes(below, max(3.0, reach), xscale="log", xlabel=EXAMPLES_LABEL)
    for one in (axes, below):
        one.set_xlim(n[0], n[-1])


def _sources(axes: Axes, law: Results) -> None:
    n, source = law["n"], law["source"]
    bottom = np.zeros_like(n)
    for part, values, colour in zip(law["part"].tolist(), source, SOURCE_COLOURS, strict=True):
        axes.fill_between(n, bottom, bottom + values, color=colour, linewidth=0, label=part)
        bottom = bottom + values
    axes.plot(n, bottom, color="black", label="error of square loss")
    axes.plot(n, law["logistic_error"], color="black", linestyle=":", label="error of logistic loss")
    axes.set(xscale="log", xlim=(n[0], n[-1]), ylim=(0, 1.05 * bottom.max()), xlabel=EXAMPLES_LABEL, ylabel=ERROR_LABEL)
    axes.set_title(f"sources of the error, $m = {int(law['size_of_sources'])}$, best ridge")
    axes.legend(loc="upper right")


def _phase(figure: Figure, axes: Axes, law: Results) -> None:
    pool, m, gain = law["pool"], law["m_phase"], law["gain"]
    mesh = axes.pcolormesh(
        pool, m, law["place"], cmap="viridis", norm=Normalize(0, 1), shading="nearest", rasterized=True
    )
    if gain.min() < LEAST_GAIN:
        axes.contourf(pool, m, gain, [0, LEAST_GAIN], colors=["0.82"], hatches=["////"])
    levels = [level for level in (1.1, 1.2, 1.4, 1.8) if gain.min() < level < gain.max()]
    lines = axes.contour(pool, m, gain, levels, colors="white", linewidths=1.0)
    axes.clabel(lines, fmt="%g", fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="examples of the pool", ylabel="features seen  $m$")
    axes.set_title(f"best place to keep {float(law['f']):g}; hatched: gains below 1 % over random")
    axes.grid(visible=False)
    bar = figure.colorbar(mesh, ax=axes, label="place of the best window (lines: gain)", pad=0.015)
    bar.outline.set_visible(False)
    bar.set_ticks([0, 0.5, 1], labels=["0  hard", "0.5", "1  easy"])


def _frontier(axes: Axes, law: Results) -> None:
    budget = law["budget"]
    axes.plot(budget, law["unpruned_error"], color="0.45", label="random examples")
    for cost, error, colour, line in zip(
        law["cost"], law["frontier_error"], ("#440154", "#d55e00"), ("-", "--"), strict=True
    ):
        name = "free scores" if cost == 0 else f"an example's score costs {cost:g}"
        axes.plot(budget, error, color=colour, linestyle=line, label=f"pruned, {name}")
    for i in range(2, budget.size, 4):
        for x, size, colour, up in (
            (law["unpruned_error"][i], law["unpruned_size"][i], "0.45", True),
            (law["frontier_error"][0, i], law["frontier_size"][0, i], "#440154", False),
        ):
            axes.annotate(
                f"$m = {int(size)}$",
                (budget[i], x),
                xytext=(4, 5) if up else (-4, -11),
                ha="left" if up else "right",
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )
            axes.plot(budget[i], x, marker="o", color=colour, markersize=3)
    every = np.append(law["unpruned_error"], law["frontier_error"])
    plain_ticks(axes, 0.75 * every.min(), 1.2 * every.max())
    axes.set(xscale="log", xlabel="compute  $C = n\\,m$ + scoring", ylabel=f"lowest {ERROR_LABEL}")
    axes.set_title("compute-optimal students")
    axes.legend(loc="lower left")
