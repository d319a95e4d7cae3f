"""Pictures of the best keep rule: its phase diagram, its certificate, and the frontier over all rules."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_pruning import Results
from figures.draw.agreement import below_axes, draw_relative, draw_simulated, where
from figures.draw.looks import RULE_LABELS, RULE_LOOKS
from figures.draw.style import FULL_WIDTH, letter, new_figure, plain_ticks, style

__all__ = ["frontier", "phase_diagram", "policies"]

TOTAL_LABEL = r"examples per parameter  $\alpha_\mathrm{tot}$"
PRUNE_LABEL = r"kept examples per parameter  $\alpha_\mathrm{prune}$"
ERROR_LABEL = r"test error  $\varepsilon$"
ORDER = ("best", "hard", "easy", "random")


def phase_diagram(phase: Results, validation: Results) -> Figure:
    """Where the best window of difficulty lies, and what it gains over the best of hard, easy and random.

    Args:
        phase: from ``figures.compute.best_rule.compute_phase_diagram``.
        validation: simulations of ``figures.compute.best_rule.points_to_simulate``; circles mark them.

    Returns:
        A matplotlib figure: one column per angle.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 5.8)
        panels = figure.subplots(2, phase["theta"].size, sharex=True, sharey=True, squeeze=False)
        alpha, f = phase["alpha_tot"], phase["f"]
        rivals = np.minimum(np.minimum(phase["hard_error"], phase["easy_error"]), phase["random_error"])
        gain = np.maximum(rivals / phase["error"], 1.0)
        top = max(1.1, float(np.ceil(10 * gain.max()) / 10))
        rows: tuple[tuple[NDArray[Any], str, Normalize, tuple[float, ...], str], ...] = (
            (phase["place"], "viridis", Normalize(0, 1), (0.1, 0.5, 0.9), "place of the best window\n$a/(1-f)$"),
            (
                gain,
                "cividis",
                LogNorm(1, top),
                tuple(level for level in (1.15, 1.5, 2.0, 3.0) if level < top),
                "lowest error of hard, easy, random\n/ that of the best window",
            ),
        )
        for i, (values, colours, norm, levels, label) in enumerate(rows):
            for j, theta in enumerate(phase["theta"]):
                axes = panels[i, j]
                mesh = axes.pcolormesh(
                    alpha, f, values[j].T, cmap=colours, norm=norm, shading="gouraud", rasterized=True
                )
                inside = [level for level in levels if values[j].min() < level < values[j].max()]
                if inside:
                    axes.contour(alpha, f, values[j].T, inside, colors="white", linewidths=0.9)
                at = where(validation, rule=("window", "policy"), student="max-margin", theta=float(theta))
                x, y = validation["alpha_tot"][at], validation["f"][at]
                if x.size:  # no points that are not clipped would leave the axes no room
                    looks = {"color": "white", "markeredgecolor": "black", "clip_on": False, "zorder": 4}
                    axes.plot(x, y, linestyle="none", marker="o", **looks)
                axes.set(xscale="log", yscale="log", xlim=(alpha[0], alpha[-1]), ylim=(f[0], f[-1]))
                axes.set_xticks([2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"])
                plain_ticks(axes, f[0], f[-1])
                axes.tick_params(axis="x", which="minor", labelbottom=False)
                axes.grid(visible=False)
                if i == 0:
                    axes.set_title(f"probe at {np.rad2deg(theta):g}°")
                else:
                    axes.set_xlabel(TOTAL_LABEL)
                if j == 0:
                    axes.set_ylabel("fraction kept  $f$")
            bar = figure.colorbar(mesh, ax=list(panels[i]), label=label, pad=0.015)
            bar.outline.set_visible(False)
            for level in levels:  # the contours
                bar.ax.axhline(level, color="white", linewidth=0.9)
            if i == 0:
                bar.set_ticks([0, *levels, 1], labels=["0  hard", *map(str, levels), "1  easy"])
            else:
                bar.set_ticks([1, *levels, top], labels=[f"{tick:g}" for tick in (1, *levels, top)])
            bar.minorticks_off()
        letter(*panels.ravel())
        return figure


def policies(found: Results, validation: Results) -> Figure:
    """Best rules with their value functions, thresholds and kept ranks, and the errors of simple rules beside them.

    Args:
        found: from ``figures.compute.best_rule.compute_policies``.
        validation: simulations of ``figures.compute.best_rule.points_to_simulate``.

    Returns:
        A matplotlib figure: one column per case.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 5.6)
        panels = figure.subplots(2, found["f"].size, squeeze=False, height_ratios=[1.25, 1])
        for i, (alpha, f, theta) in enumerate(zip(found["alpha_tot"], found["f"], found["theta"], strict=True)):
            _draw_value(panels[0, i], found, i)
            axes, student = panels[1, i], str(found["student"][i])
            drawn = []
            for n, rule in enumerate(ORDER):
                look = RULE_LOOKS[rule]
                theory = float(found["error" if rule == "best" else f"{rule}_error"][i])
                axes.plot([n - 0.3, n + 0.3], [theory, theory], color=look["color"], linewidth=2.2, alpha=0.6)
                names = "policy" if rule == "best" else rule
                at = where(validation, rule=names, student=student, alpha_tot=alpha, f=f, theta=float(theta))
                draw_simulated(axes, np.full(at.sum(), float(n)), validation, at, look)
                drawn += [theory, *validation["mean"][at]]
            axes.set_xticks(range(len(ORDER)), ["best rule", "hard", "easy", "random"])
            plain_ticks(axes, 0.75 * min(drawn), 1.35 * max(drawn))
            axes.set(xlim=(-0.6, len(ORDER) - 0.4), xlabel="keep rule  (line: theory, point: simulation)")
            axes.set_ylabel(ERROR_LABEL)
        letter(*panels.ravel())
        return figure


def frontier(found: Results, validation: Results) -> Figure:
    """Lowest test error over all keep rules against alpha_prune at a given number of examples.

    Args:
        found: from ``figures.compute.best_rule.compute_frontiers``.
        validation: simulations of ``figures.compute.best_rule.points_to_simulate``.

    Returns:
        A matplotlib figure: one column per angle, simulation over theory below.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(0.8 * FULL_WIDTH, 4.6)
        panels = figure.subplots(2, found["theta"].size, squeeze=False, height_ratios=[3, 1], sharex=True, sharey="row")
        alpha_tot = float(found["alpha_tot"])
        x, limits = alpha_tot * found["curve_f"], (alpha_tot * found["curve_f"][0], alpha_tot)
        look = RULE_LOOKS["best"]
        errors = [found[f"curve_{rule}_error"] for rule in ("window", "hard", "easy", "random")]
        for i, theta in enumerate(found["theta"]):
            axes, below = panels[:, i]
            axes.plot(x, found["curve_window_error"][i], color=look["color"], label="best window")
            for rule in ("hard", "easy", "random"):
                line = {name: RULE_LOOKS[rule][name] for name in ("color", "linestyle")}
                axes.plot(x, found[f"curve_{rule}_error"][i], label=RULE_LABELS[rule], **line)
            axes.plot(
                alpha_tot * found["f"],
                found["error"][i],
                linestyle="none",
                marker="o",
                markersize=8,
                markerfacecolor="none",
                markeredgecolor=look["color"],
                label=f"best of all rules (gap $\\leq$ {_power(float(found['gap'].max()))})",
            )
            at = where(validation, rule="policy", student="max-margin", alpha_tot=alpha_tot, theta=float(theta))
            draw_simulated(axes, validation["alpha_prune"][at], validation, at, look)
            draw_relative(below, validation["alpha_prune"][at], validation, at, look)
            axes.plot([], [], linestyle="none", marker="D", color=look["color"], label="simulation, best rule")
            axes.set(xscale="log", ylabel=ERROR_LABEL, xlim=limits)
            axes.set_title(rf"$\alpha_\mathrm{{tot}} = {alpha_tot:g}$, probe at {np.rad2deg(theta):g}°")
            below_axes(below, 8, xscale="log", xlabel=PRUNE_LABEL, xlim=limits)
            below.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
            below.tick_params(axis="x", which="minor", labelbottom=False)
        plain_ticks(panels[0, 0], 0.8 * min(e.min() for e in errors), 0.9)
        panels[0, 0].legend(loc="upper right")
        letter(*panels[0])
        return figure


def _draw_value(axes: Axes, found: Results, i: int) -> None:
    """Value function over rank, threshold, and the ranks kept."""
    ranks, value, threshold = found["ranks"], found["value"][i], float(found["threshold"][i])
    for n, (lower, upper) in enumerate(zip(found["lower"][i], found["upper"][i], strict=True)):
        if np.isfinite(lower):
            label = "kept ranks" if n == 0 else None
            axes.axvspan(lower, upper, color=RULE_LOOKS["best"]["color"], alpha=0.22, linewidth=0, label=label)
    axes.stairs(value, ranks, color="black", linewidth=1.4, baseline=None, label="value $v$")
    axes.axhline(threshold, color="black", linestyle="--", linewidth=0.9, label="threshold")
    axes.set(xlim=(0, 1), xlabel="difficulty rank  (0 = hardest, 1 = easiest)")
    axes.set_ylabel(r"value  $-\,\mathrm{d}\log\varepsilon\,/\,\mathrm{d}\pi$  (per rank)")
    student = str(found["student"][i])
    name = "max margin" if student == "max-margin" else rf"{student} loss, $\lambda = {float(found['lam'][i]):g}$"
    axes.set_title(
        f"{name}, probe at {np.rad2deg(found['theta'][i]):g}°\n"
        rf"$\alpha_\mathrm{{tot}} = {float(found['alpha_tot'][i]):g}$, $f = {float(found['f'][i]):g}$, "
        rf"gap $\leq$ {_power(float(found['gap'][i]))}"
    )
    axes.margins(y=0.08)
    floor = -1.5 * value.max()
    if value.max() > 0 and value.min() < 2 * floor:  # what is harmful hides what is best
        axes.set_ylim(floor, 1.25 * value.max())
        rank = (ranks[value.argmin()] + ranks[value.argmin() + 1]) / 2
        axes.set_xlabel(
            f"difficulty rank  (0 = hardest, 1 = easiest)\n$v$ falls to {value.min():.0f} at rank {rank:.3f}"
        )
    axes.legend(loc="best")


def _power(gap: float) -> str:
    """A gap to its order of magnitude; below double precision it counts as that."""
    return f"$10^{{{int(np.ceil(np.log10(max(gap, 1e-15))))}}}$"
