"""Picture of trained probes: how good must the ranking be, and what does it take to learn it?"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from data_pruning import Results
from figures.compute.probes import _DASH, PROBES, RULES
from figures.draw.looks import RULE_LABELS, RULE_LOOKS
from figures.draw.style import FULL_WIDTH, letter, new_figure, plain_ticks, style

__all__ = ["ANGLE_LABEL", "BUDGET_LABEL", "PROBE_MARKERS", "probes"]


PROBE_MARKERS = ("o", "D", "^")


BUDGET_LABEL = r"the probe's examples per parameter  $\alpha_\mathrm{probe}$"


ANGLE_LABEL = r"angle of the probe to the teacher  $\theta$ (degrees)"


def probes(curves: Results, validation: Results) -> Figure:
    """Error against the training set of the probe, the angle it reaches, and error against angle.

    Args:
        curves: from ``compute_probes``.
        validation: from ``validation_of_probes``.

    Returns:
        A matplotlib figure of three panels; normal scores of simulation - theory below the first.

    Raises:
        KeyError: the results are of something else.
    """
    with style():
        figure = new_figure(FULL_WIDTH, 4.4)
        panels = figure.subplot_mosaic(
            [["error", "angle", "collapse"], ["z", "angle", "collapse"]], height_ratios=[3, 1]
        )
        error, angle, collapse, z = (panels[name] for name in ("error", "angle", "collapse", "z"))
        budgets, degrees = curves["alpha_probe"], np.rad2deg(curves["angle"])
        for axes in (error, collapse):
            axes.axhline(float(curves["random_error"]), **_line("random"))
        for i, rule in enumerate(curves["rule"].tolist()):
            error.plot(budgets, curves["error"][i], **_line(rule))
            collapse.plot(degrees, curves["error_at_angle"][i], **_line(rule))
        angle.plot(budgets, np.rad2deg(curves["probe_angle"]), color="black", label="theory, max margin")
        kinds = list(PROBES)
        for k, (kind, marker) in enumerate(zip(kinds, PROBE_MARKERS, strict=True)):
            for i, rule in enumerate(curves["rule"].tolist()):
                rows = (validation["probe_kind"] == kind) & (validation["rule"] == rule)
                data = {
                    name: validation[name][rows] for name in ("alpha_probe", "mean", "standard_error", "theory", "z")
                }
                look = _point(rule, marker)
                found, bar = np.rad2deg(validation["theta"][rows]), np.rad2deg(validation["angle_error"][rows])
                x = data["alpha_probe"]
                error.plot(x, data["theory"], color=look["color"], **_DASH)
                error.errorbar(x, data["mean"], data["standard_error"], zorder=3, **look)
                collapse.errorbar(found, data["mean"], data["standard_error"], bar, zorder=3, **look)
                z.plot(x * 1.1 ** (k - 1 + 0.35 * (2 * i - 1)), data["z"], **look)
                if i == 0:
                    angle.errorbar(x, found, bar, zorder=3, label=f"simulation, {kind}", **_point(None, marker))
        low, high = (edge(np.append(validation["mean"], curves["error"])) for edge in (np.min, np.max))
        for axes in (error, collapse):
            plain_ticks(axes, 0.85 * low, 1.15 * high)
            axes.set_ylabel(r"test error of the student  $\varepsilon$")
        alpha_tot, f = (float(curves[name]) for name in ("alpha_tot", "f"))
        error.set_title(rf"$\alpha_\mathrm{{tot}} = {alpha_tot:g}$, $f = {f:g}$ by a trained probe")
        for axes in (error, angle, z):
            plain_ticks(axes, budgets[0], budgets[-1], axis="x")
        error.tick_params(labelbottom=False)
        error.legend(handles=_legend(), loc="lower left")
        z.axhspan(-2, 2, color="0.9", zorder=0)
        reach = max(3.5, 1.15 * float(np.abs(validation["z"]).max()))
        z.set(ylabel="normal score\nsim. − theory", xlabel=BUDGET_LABEL, ylim=(-reach, reach))
        angle.set(xlabel=BUDGET_LABEL, ylabel=ANGLE_LABEL, ylim=(0, 90), title="what the probe learns")
        angle.set_yticks(range(0, 91, 15))
        angle.legend(loc="upper right")
        collapse.set(xlabel=ANGLE_LABEL.replace(" to the teacher", ""), xlim=(0, 90), title="only its angle counts")
        collapse.set_xticks(range(0, 91, 15))
        letter(error, angle, collapse)
        return figure


def _line(rule: str) -> dict[str, Any]:
    return {name: RULE_LOOKS[rule][name] for name in ("color", "linestyle")}


def _point(rule: str | None, marker: str) -> dict[str, Any]:
    """A simulated point of a rule, or of none."""
    color = "0.35" if rule is None else RULE_LOOKS[rule]["color"]
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.4, "linestyle": "none"}
    return {"color": color, "marker": marker, "markersize": 4.5, **edge}


def _legend() -> list[Line2D]:
    lines = [Line2D([], [], label=f"theory, {RULE_LABELS[rule]}", **_line(rule)) for rule in (*RULES, "random")]
    dash = Line2D([], [], color="0.35", label="theory at the measured angles", **_DASH)
    points = [
        Line2D([], [], label=kind, **_point(None, marker)) for kind, marker in zip(PROBES, PROBE_MARKERS, strict=True)
    ]
    return [*lines, dash, *points]
