"""Probes that were trained: how good must the ranking be, and what does it take to learn it?"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from data_pruning import KeepEasy, KeepHard, KeepRandom, KeepRule, Results
from data_pruning.records.results import stored
from figures.compute.software import software
from figures.draw.agreement import RULE_LABELS, RULE_LOOKS, letter, plain_ticks
from figures.draw.style import FULL_WIDTH, new_figure, style
from perceptron_theory import MaxMargin, Student, solve
from simulations import PerceptronRule, Point, TrainedProbe, Validation

__all__ = ["compute_probes", "points_to_simulate", "probes", "validation_of_probes"]

Folder = str | os.PathLike[str]

ALPHA_TOT, FRACTION = 10.0, 0.3
RULES: dict[str, KeepRule] = {"hard": KeepHard(FRACTION), "easy": KeepEasy(FRACTION)}
BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # examples per parameter on which probes are trained
PROBES: dict[str, Student | PerceptronRule] = {
    "max margin": MaxMargin(),
    "perceptron rule, 3 passes": PerceptronRule(3),
    "perceptron rule, 1 pass": PerceptronRule(1),
}
PROBE_MARKERS = ("o", "D", "^")
BUDGET_LABEL = r"the probe's examples per parameter  $\alpha_\mathrm{probe}$"
ANGLE_LABEL = r"angle of the probe to the teacher  $\theta$ (degrees)"


def compute_probes(folder: Folder, num_budgets: int = 49, num_angles: int = 46) -> Results:
    """Angle of a max-margin probe against its training set, and test error of the students that it prunes for.

    Args:
        folder: where the results are saved; if they are there they are not computed again.
        num_budgets: values of alpha_probe, from 0.2 to 20.
        num_angles: angles, from 0 to 90 degrees.

    Returns:
        ``probe_angle`` (alpha_probe), ``error`` (rule, alpha_probe), ``error_at_angle`` (rule, angle), ``random_error``
        and the coordinates.

    Raises:
        As ``solve``.
    """
    settings = {
        "alpha_tot": ALPHA_TOT,
        "f": FRACTION,
        "num_budgets": num_budgets,
        "num_angles": num_angles,
        "software": software(),
    }

    def compute() -> Results:
        alpha_probe, angle = np.geomspace(0.2, 20, num_budgets), np.deg2rad(np.linspace(0, 90, num_angles))
        probe_angle = np.pi * solve(alpha_probe, KeepRandom(1.0), 0.0).error
        results = Results("Test error after pruning by max-margin probes, in theory")
        results.add("rule", "rule", list(RULES), "", "keep rule")
        results.add("alpha_tot", (), ALPHA_TOT, "1", "examples per parameter before pruning")
        results.add("f", (), FRACTION, "1", "fraction kept")
        results.add("alpha_probe", "alpha_probe", alpha_probe, "1", "examples per parameter to train the probe")
        results.add("probe_angle", "alpha_probe", probe_angle, "rad", "angle between max-margin probe and teacher")
        results.add("angle", "angle", angle, "rad", "angle between probe and teacher")
        for name, theta, dim in (("error", probe_angle, "alpha_probe"), ("error_at_angle", angle, "angle")):
            error = [solve(ALPHA_TOT, rule, theta).error for rule in RULES.values()]
            results.add(name, ("rule", dim), error, "1", "test error")
        random_error = solve(ALPHA_TOT, KeepRandom(FRACTION), 0.0).error
        results.add("random_error", (), random_error, "1", "test error with random examples")
        return results

    return stored(folder, "probes", settings, compute)


def points_to_simulate(num_features: int, num_trials: int) -> list[Point]:
    """The simulated points: each kind of probe on each training set, for each rule."""
    return [
        Point(ALPHA_TOT, rule, TrainedProbe(budget, student), num_features, num_trials)
        for student in PROBES.values()
        for rule in RULES.values()
        for budget in BUDGETS
    ]


def validation_of_probes(validation: Validation) -> Results:
    """The comparison of trained probes with the theory at their measured angles, and the probes themselves.

    Args:
        validation: of ``points_to_simulate``.

    Returns:
        ``Validation.results()`` with ``alpha_probe``, ``probe_kind`` and ``angle_error``, the standard error of the
        mean angle ``theta``; all of shape (point,).
    """
    results = validation.results()
    kinds = {student: kind for kind, student in PROBES.items()}
    trained: list[Any] = [point.theta for point in validation.points]
    angle_error = [found.probe_angles.std(ddof=1) / found.num_trials**0.5 for found in validation.largest]
    results.add("alpha_probe", "point", [probe.alpha for probe in trained], "1", "examples per parameter of the probe")
    results.add("probe_kind", "point", [kinds[probe.student] for probe in trained], "", "how the probe was trained")
    results.add("angle_error", "point", angle_error, "rad", "standard error of theta")
    return results


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


_DASH: dict[str, Any] = {"marker": "_", "markersize": 11, "markeredgewidth": 1.2, "linestyle": "none", "zorder": 2}


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
