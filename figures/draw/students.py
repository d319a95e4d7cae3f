"""Pictures of students compared on pruned data, and of pruning under label noise."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from data_pruning import Results
from figures.draw.agreement import below_axes, draw_relative, draw_simulated, where
from figures.draw.looks import RULE_LABELS, RULE_LOOKS
from figures.draw.style import FULL_WIDTH, MARKERS, letter, new_figure, plain_ticks, shades, style

__all__ = ["ALPHA_LABEL", "FLIP_LABEL", "STUDENT_LABELS", "label_noise", "students"]


STUDENT_LABELS = {
    "max-margin": "max margin",
    "square": r"square, $\lambda = 0.1$",
    "logistic": r"logistic, $\lambda = 0.1$",
    "hinge": r"hinge, $\lambda = 0.1$",
}


ALPHA_LABEL = r"examples per parameter  $\alpha_\mathrm{tot}$"


FLIP_LABEL = r"share of flipped labels  $\eta$"


def students(curves: Results, validation: Results) -> Figure:
    """Error against alpha_tot for four students: one panel per keep rule, simulation over theory below.

    Args:
        curves: from ``compute_students``.
        validation: simulations of ``points_to_simulate``.

    Returns:
        A matplotlib figure.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 4.6)
        rules, alpha = curves["rule"].tolist(), curves["alpha_tot"]
        panels = figure.subplot_mosaic([rules, [rule + "-" for rule in rules]], height_ratios=[3, 1])
        names = curves["student"].tolist()
        lines = ("-", "--", ":", "-.")
        for j, rule in enumerate(rules):
            axes, below = panels[rule], panels[rule + "-"]
            for i, (name, colour, marker, line) in enumerate(
                zip(names, shades(len(names)), MARKERS, lines, strict=False)
            ):
                look = {"color": colour, "marker": marker}
                rows = where(validation, rule=rule, student=name, flip_probability=0.0)
                axes.plot(alpha, curves["error"][i, j], color=colour, linestyle=line)
                x = validation["alpha_tot"][rows]
                draw_simulated(axes, x, validation, rows, look)
                draw_relative(below, x * 1.1 ** (i - 1.5), validation, rows, look)
                axes.plot([], [], linestyle=line, label=STUDENT_LABELS[name], **look)
            axes.set_ylabel(r"test error  $\varepsilon$")
            axes.set_title(
                f"{RULE_LABELS[rule]}, $f = {float(curves['f']):g}$, probe at {curves.config['theta_deg']:g}°"
            )
            for panel in (axes, below):
                plain_ticks(panel, alpha[0], alpha[-1], axis="x")
            axes.tick_params(labelbottom=False)
            below_axes(below, 8, xlabel=ALPHA_LABEL)
        low, high = curves["error"].min() * 0.8, curves["error"].max() * 1.2
        for rule in rules:
            plain_ticks(panels[rule], low, high)
        panels[rules[0]].legend(title="student", loc="lower left")
        letter(*(panels[rule] for rule in rules))
        return figure


def label_noise(curves: Results, validation: Results) -> Figure:
    """Error and separability threshold against the share of flipped labels.

    Args:
        curves: from ``compute_label_noise``.
        validation: simulations of ``points_to_simulate``.

    Returns:
        A matplotlib figure of two panels, simulation over theory below the first.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(0.8 * FULL_WIDTH, 4.6)
        panels = figure.subplot_mosaic([["error", "alpha_c"], ["below", "alpha_c"]], height_ratios=[3, 1])
        flips, below = curves["flip_probability"], panels["below"]
        for i, rule in enumerate(curves["rule"].tolist()):
            look = RULE_LOOKS[rule]
            # flipped labels only: without them the same student is simulated at other alpha_tot
            rows = where(validation, rule=rule, student="hinge") & (validation["flip_probability"] > 0)
            x = validation["flip_probability"][rows]
            line = {"color": look["color"], "linestyle": look["linestyle"]}
            panels["error"].plot(flips, curves["error"][i], **line)
            draw_simulated(panels["error"], x, validation, rows, look)
            draw_relative(below, x + 0.003 * (i - 1.5), validation, rows, look)
            panels["error"].plot([], [], label=RULE_LABELS[rule], **look)
            panels["alpha_c"].plot(
                flips, np.where(np.isinf(curves["alpha_c"][i]), np.nan, curves["alpha_c"][i]), **line
            )
            always = bool(np.all(np.isinf(curves["alpha_c"][i])))
            panels["alpha_c"].plot([], [], label=RULE_LABELS[rule] + (":\nalways separable" if always else ""), **line)
        panels["error"].set(
            xlim=(0, flips[-1]),
            ylim=(0, None),
            ylabel=r"test error  $\varepsilon$",
            title=(
                rf"hinge, $\lambda = 0.1$, $\alpha_\mathrm{{tot}} = {float(curves['alpha_tot']):g}$, "
                f"$f = {float(curves['f']):g}$, probe at {curves.config['theta_deg']:g}°"
            ),
        )
        panels["error"].tick_params(labelbottom=False)
        panels["error"].legend(loc="upper left")
        below_axes(below, 8, xlim=(0, flips[-1]), xlabel=FLIP_LABEL)
        panels["alpha_c"].set(
            xlim=(0, flips[-1]),
            xlabel=FLIP_LABEL,
            ylabel=r"separable up to  $\alpha_c$  (kept examples per parameter)",
            title=f"separability, $f = {float(curves['f']):g}$, probe at {curves.config['theta_deg']:g}°",
        )
        finite = curves["alpha_c"][np.isfinite(curves["alpha_c"])]
        plain_ticks(panels["alpha_c"], 0.95 * finite.min(), 1.1 * finite.max())
        panels["alpha_c"].legend(loc="upper right")
        letter(panels["error"], panels["alpha_c"])
        return figure
