"""Figures 1 and 2: theory curves, simulated points, frontiers and crossovers of the perceptron."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pruning import Results
from figures.draw.style import FRONTIER, FULL_WIDTH, MARKERS, letter, new_figure, shades, style

__all__ = ["fig1", "fig2"]

TITLES = {"hard": "keep the hardest", "easy": "keep the easiest"}
ALPHA_LABEL = r"kept examples per parameter  $\alpha_\mathrm{prune}$"
ERROR_LABEL = r"test error  $\varepsilon$"


def fig1(curves: Results, validation: Results) -> Figure:
    """A perfect probe: error against alpha_prune, hard and easy, and where hard overtakes easy.

    Args:
        curves: theory, from ``figures.compute.curves.compute_curves``; must hold theta = 0.
        validation: simulations, from ``simulations.Validation.results``; those at theta = 0 are drawn.

    Returns:
        A matplotlib figure of three panels.

    Raises:
        ValueError: the results hold no curves at theta = 0.

    Source: Sorscher et al. 2022, Fig. 1.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 4.4)
        panels = figure.subplot_mosaic(
            [["hard", "easy", "crossover"], ["hard-", "easy-", "crossover"]], height_ratios=[3, 1]
        )
        for rule in TITLES:
            _draw_curves(panels[rule], panels[rule + "-"], curves, validation, rule, 0.0)
            panels[rule].set_title(f"{TITLES[rule]}, perfect probe")
        panels["easy"].set_ylim(panels["hard"].get_ylim())
        panels["hard"].legend(title="fraction kept", ncols=2, loc="lower left")
        _draw_crossover(panels["crossover"], curves)
        letter(panels["hard"], panels["easy"], panels["crossover"])
        return figure


def fig2(curves: Results, validation: Results) -> Figure:
    """Imperfect probes: at theta > 0 the frontier bends from a fast decay to a power law.

    Args:
        curves: theory, from ``figures.compute.curves.compute_curves``; must hold theta = 10 and 20 degrees.
        validation: simulations, from ``simulations.Validation.results``.

    Returns:
        A matplotlib figure: keep-hard at both angles above, keep-easy at one and the frontiers of all angles below.

    Raises:
        ValueError: the results do not hold these angles.

    Source: Sorscher et al. 2022, Fig. 2.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 8.2)
        panels = figure.subplot_mosaic(
            [
                ["hard 10", "easy 10", "frontiers"],
                ["hard 10-", "easy 10-", "frontiers"],
                ["hard 20", "easy 20", "exponents"],
                ["hard 20-", "easy 20-", "exponents"],
            ],
            height_ratios=[3, 1, 3, 1],
        )
        for angle in (10, 20):
            for rule in TITLES:
                name = f"{rule} {angle}"
                _draw_curves(panels[name], panels[name + "-"], curves, validation, rule, angle)
                panels[name].set_title(f"{TITLES[rule]}, probe at {angle}°")
            panels[f"easy {angle}"].set_ylim(panels[f"hard {angle}"].get_ylim())
        panels["hard 10"].legend(title="fraction kept", ncols=2, loc="lower left")
        _draw_frontiers(panels["frontiers"], curves)
        _draw_slopes(panels["exponents"], curves)
        letter(*(panels[name] for name in ("hard 10", "easy 10", "frontiers", "hard 20", "easy 20", "exponents")))
        return figure


def _angle(curves: Results, angle: float) -> int:
    degrees = np.rad2deg(curves["theta"])
    found = np.flatnonzero(np.isclose(degrees, angle))
    if found.size == 0:
        raise ValueError(f"the curves hold no theta = {angle:g} degrees, only {degrees.tolist()}")
    return int(found[0])


def _draw_curves(axes: Axes, below: Axes, curves: Results, validation: Results, rule: str, angle: float) -> None:
    """Theory lines for every fraction, simulated points, the frontier behind them; below, simulation over theory."""
    i, j = _angle(curves, angle), curves["rule"].tolist().index(rule)
    alpha, fractions = curves["alpha_prune"], curves["f"]
    axes.plot(alpha, curves["frontier_error"][i, j], label=f"best $f \\geq {float(curves['f_min']):g}$", **FRONTIER)
    below.axhline(0, color="0.6", linewidth=3, zorder=1)
    for n, (f, error, colour, marker) in enumerate(
        zip(fractions, curves["error"][i, j], shades(fractions.size), MARKERS, strict=False)
    ):
        # at f = 1 rule and angle do not matter
        same = np.isclose(validation["f"], f) & (
            (f == 1) | ((validation["rule"] == rule) & np.isclose(np.rad2deg(validation["theta"]), angle))
        )
        look: dict[str, Any] = {
            "color": colour,
            "linestyle": "none",
            "marker": marker,
            "markeredgecolor": "white",
            "markeredgewidth": 0.3,
        }
        x, mean, bar = (validation[name][same] for name in ("alpha_prune", "mean", "standard_error"))
        axes.plot(alpha, error, color=colour)
        axes.errorbar(x, mean, bar, **look)
        axes.plot([], [], color=colour, marker=marker if same.any() else None, label=f"{100 * f:g} %")
        # side by side, so that the bars of different fractions can be told apart
        theory, aside = validation["theory"][same], 1.06 ** (n - fractions.size / 2)
        below.errorbar(x * aside, 100 * (mean / theory - 1), 100 * bar / theory, **look | {"markersize": 2.6})
    axes.set(xscale="log", yscale="log", ylabel=ERROR_LABEL, xlim=(alpha[0], alpha[-1]))
    axes.tick_params(labelbottom=False)
    below.set(
        xscale="log", xlabel=ALPHA_LABEL, ylabel="sim./theory\n$- 1$  (%)", xlim=(alpha[0], alpha[-1]), ylim=(-10, 10)
    )
    if rule == "hard":
        axes.set_ylim(curves["error"][i, j].min() * 0.6, 0.6)


def _draw_crossover(axes: Axes, curves: Results) -> None:
    f = curves["crossover_f"]
    lines = ("-", "--", ":", "-.")
    for angle, alpha_tot, line in zip(np.rad2deg(curves["theta"]), curves["crossover_alpha_tot"], lines, strict=False):
        axes.plot(alpha_tot, f, line, color="black", label=f"probe at {angle:g}°")
    axes.set(
        xscale="log",
        ylim=(0, 1),
        xlabel=r"examples per parameter  $\alpha_\mathrm{tot}$",
        ylabel="fraction kept  $f$",
        title="where hard overtakes easy",
    )
    axes.text(0.05, 0.12, "keep easy", transform=axes.transAxes)
    axes.text(0.95, 0.9, "keep hard", transform=axes.transAxes, ha="right")
    axes.legend(loc="center right")


def _draw_frontiers(axes: Axes, curves: Results) -> None:
    alpha = curves["alpha_prune"]
    lines = ("-", "--", ":", "-.")
    j = curves["rule"].tolist().index("hard")
    everything = curves["error"][0, j, curves["f"].tolist().index(1.0)]
    axes.plot(alpha, everything, color="0.6", linewidth=3, label="no pruning")
    for i, line in zip(range(curves["theta"].size), lines, strict=False):
        angle = np.rad2deg(curves["theta"][i])
        axes.plot(alpha, curves["frontier_error"][i].min(axis=0), line, color="black", label=f"probe at {angle:g}°")
    axes.set(
        xscale="log", yscale="log", xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL, title="best of hard and easy, best $f$"
    )
    axes.set_xlim(alpha[0], alpha[-1])
    axes.legend(loc="lower left")


def _draw_slopes(axes: Axes, curves: Results) -> None:
    log_alpha = np.log(curves["alpha_prune"])
    j = curves["rule"].tolist().index("hard")
    for i, line in zip(range(curves["theta"].size), ("-", "--", ":", "-."), strict=False):
        exponent = -np.gradient(np.log(curves["frontier_error"][i, j]), log_alpha)
        angle = np.rad2deg(curves["theta"][i])
        inside = curves["frontier_fraction"][i, j] > float(curves["f_min"])
        axes.plot(
            np.exp(log_alpha), np.where(inside, exponent, np.nan), line, color="black", label=f"probe at {angle:g}°"
        )
    axes.axhline(1, color="0.6", linewidth=3, zorder=1, label="power law")
    axes.set(
        xscale="log",
        ylim=(0, 6),
        xlabel=ALPHA_LABEL,
        ylabel=r"$-\,d\,\log\varepsilon\;/\;d\,\log\alpha_\mathrm{prune}$",
        title="local exponent of the hard frontier",
    )
    axes.set_xlim(curves["alpha_prune"][0], curves["alpha_prune"][-1])
    axes.legend(loc="center right")
