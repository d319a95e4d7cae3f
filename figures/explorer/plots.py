"""Plots of the answers, as the browser draws them: every value is there by hovering, with its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pruning import Results
from figures.explorer.plot_style import LINES, NAMES, figure, here, line, logarithmic, numbers, percent
from figures.explorer.question import Question

__all__ = ["PLOTS", "best_rule", "curves", "frontier", "margins", "phase_diagram"]

ALPHA_TOT = "examples per parameter before pruning, α<sub>tot</sub>"
KEPT = "kept examples per parameter, f α<sub>tot</sub>"
ERROR = "test error (%)"
LEAST = 1e-6  # per cent: no axis of errors begins below
AREAS = {"hard": "#7b4c88", "easy": "#67b7ae", "random": "#a6a6a6", "chosen": "#e2965f"}
FAMILY = 5  # fractions whose curves are drawn beneath a frontier
Point = Mapping[str, Any]


def curves(
    question: Question, found: Results, points: Sequence[Point] = (), error: float | None = None
) -> dict[str, Any]:
    """Error against the number of examples.

    Args:
        question: what was asked.
        found: of :func:`figures.explorer.answers.curves`.
        points: simulated ones; those drawn are of the same question but for alpha_tot.
        error: of the student that was asked about, where there is one.
    """
    data = []
    for name in [n for n in (*LINES,) if n in found["curves"] and n != question.rule]:
        label = f"chosen: {question.rule}" if name == "chosen" else None
        hover = "α<sub>tot</sub> = %{x:.3g}<br>error %{y:.3g} %"
        if name == "chosen" and "chosen_exponent" in found.variables:
            hover += "<br>local exponent %{customdata:.3g}"
        data.append(line(name, found[f"{name}_alpha_tot"], found[f"{name}_error"], hover, label))
        if name == "chosen" and "chosen_exponent" in found.variables:
            data[-1]["customdata"] = numbers(found["chosen_exponent"])
    data = data[1:] + data[:1]  # the chosen one on top
    drawn = _here(question.alpha_tot, error) + _simulated(question, points, ("alpha_tot",), "alpha_tot")
    places = [value for trace in data for value in trace["x"]]
    layout = {"shapes": [_upright(question.alpha_tot)]}
    return figure(
        [*data, *drawn], logarithmic(ALPHA_TOT, min(places), max(places)), _error_axis([*data, *drawn]), **layout
    )


def frontier(
    question: Question, found: Results, points: Sequence[Point] = (), error: float | None = None
) -> dict[str, Any]:
    """Lowest error over the fraction kept, above the curves of single fractions; arguments as for ``curves``."""
    data: list[dict[str, Any]] = []
    main = "chosen" if "chosen" in found["rules"] else question.rule
    for name in found["rules"]:
        kept, look = found[f"{name}_alpha_prune"], "chosen" if name == main else str(name)
        label = f"lowest, {question.rule}" if name == main else f"lowest, {NAMES[str(name)]}"
        hover = "f α<sub>tot</sub> = %{x:.3g}<br>error %{y:.3g} %<br>at f = %{customdata:.3g}"
        trace = line(look, kept, found[f"{name}_lowest"], hover, label)
        data.append(trace | {"customdata": numbers(found[f"{name}_best_f"])})
        if name == main and name != "random":
            f, errors = found[f"{name}_f"], found[f"{name}_error"]
            for each in np.linspace(0, f.size - 1, FAMILY).round().astype(int):
                at = f"f = {f[each]:.2g}"
                thin = line("random", kept, errors[:, each], "f α<sub>tot</sub> = %{x:.3g}<br>error %{y:.3g} %", at)
                data.insert(0, thin | {"showlegend": False, "line": {"color": "#a8a8a8", "width": 0.9}})
    drawn = _here(question.f * question.alpha_tot, error)
    drawn += _simulated(question, points, ("alpha_tot", "f"), "alpha_prune")
    x = [value for trace in data for value in trace["x"]]
    layout = {"shapes": [_upright(question.f * question.alpha_tot)]}
    return figure([*data, *drawn], logarithmic(KEPT, min(x), max(x)), _error_axis([*data, *drawn]), **layout)


def phase_diagram(
    question: Question, found: Results, points: Sequence[Point] = (), error: float | None = None
) -> dict[str, Any]:
    """Which rule has the lowest error, and its error over that of random examples in lines; a click goes there."""
    names = [str(name) for name in found["rule"]]
    winner = np.where(found["winner"] < 0, np.nan, found["winner"]).T
    colours = [AREAS[name if name in AREAS else "chosen"] for name in names]
    edges = np.arange(len(names) + 1) / len(names)
    scale = [[edge, colour] for i, colour in enumerate(colours) for edge in edges[i : i + 2]]
    text = [[_say_errors(found, names, i, j) for i in range(found["alpha_tot"].size)] for j in range(found["f"].size)]
    area: dict[str, Any] = {
        "type": "heatmap",
        "x": numbers(found["alpha_tot"]),
        "y": numbers(found["f"]),
        "z": [numbers(row) for row in winner],
        "zmin": -0.5,
        "zmax": len(names) - 0.5,
        "colorscale": scale,
        "text": text,
        "hovertemplate": "α<sub>tot</sub> = %{x:.3g}, f = %{y:.3g}<br>%{text}<extra></extra>",
        "colorbar": {
            "tickvals": list(range(len(names))),
            "ticktext": [NAMES.get(name, name) for name in names],
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "thickness": 12,
            "outlinewidth": 0,
        },
    }
    lines: dict[str, Any] = {
        "type": "contour",
        "x": area["x"],
        "y": area["y"],
        "z": [numbers(row) for row in found["ratio"].T],
        "contours": {"coloring": "none", "showlabels": True, "labelfont": {"color": "#ffffff", "size": 12}},
        "line": {"color": "#ffffff", "width": 1},
        "autocontour": False,
        "hoverinfo": "skip",
        "showlegend": False,
        "showscale": False,
    }
    lines["contours"] |= {"start": 0.1, "end": 0.9, "size": 0.1}
    place = here(question.alpha_tot, question.f, "α<sub>tot</sub> = %{x:.3g}, f = %{y:.3g}")
    x, y = found["alpha_tot"], found["f"]
    axes = logarithmic(ALPHA_TOT, x[0], x[-1]), logarithmic("fraction kept, f", y[0], y[-1])
    return figure([area, lines, place], *axes)


def margins(
    question: Question, found: Results, points: Sequence[Point] = (), error: float | None = None
) -> dict[str, Any]:
    """Densities of the margins of kept and of dropped examples."""
    data = []
    for name, colour, fill in (("kept", "#d55e00", "rgba(213,94,0,0.16)"), ("dropped", "#0072b2", None)):
        if name in found.variables:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": f"{name} examples",
                    "x": numbers(found["margin"]),
                    "y": numbers(found[name]),
                    "line": {"color": colour, "width": 2, "dash": "solid" if fill else "dash"},
                    "customdata": percent(found[f"{name}_cumulative"]),
                    "hovertemplate": f"margin %{{x:.3g}} standard deviations<br>density of {name} %{{y:.3g}}<br>"
                    "%{customdata:.3g} % of them have at most this<extra></extra>",
                    **({"fill": "tozeroy", "fillcolor": fill} if fill else {}),
                }
            )
    axes = {"title": {"text": "margin y w·x / |w|, standard deviations"}}, {"title": {"text": "density"}}
    layout: dict[str, Any] = {}
    if float(found["atom"]) > 0:
        at = float(found["atom_margin"])
        said = f"{100 * float(found['atom']):.3g} % of the kept share {at:.3g}"
        layout = {
            "shapes": [_upright(at) | {"line": {"color": "#d55e00", "width": 2.5}}],
            "annotations": [{"x": at, "y": 1, "yref": "paper", "text": said, "showarrow": False, "xanchor": "left"}],
        }
    return figure(data, *axes, **layout)


def best_rule(
    question: Question, found: Results, points: Sequence[Point] = (), error: float | None = None
) -> dict[str, Any]:
    """What examples of each rank are worth, the threshold, and the ranks that are kept."""
    ranks, value = found["ranks"], found["value"]
    steps = {
        "type": "scatter",
        "mode": "lines",
        "name": "value of an example",
        "x": numbers(ranks),
        "y": numbers(np.append(value, value[-1])),
        "line": {"color": "#000000", "width": 1.8, "shape": "hv"},
        "hovertemplate": "rank %{x:.3f}<br>value %{y:.3g} per rank<extra></extra>",
    }
    threshold = {
        "type": "scatter",
        "mode": "lines",
        "name": "threshold",
        "x": [0, 1],
        "y": [float(found["threshold"])] * 2,
        "line": {"color": "#0072b2", "width": 1.4, "dash": "dash"},
        "hovertemplate": "threshold %{y:.3g}: ranks of more value are kept<extra></extra>",
    }
    kept = [
        {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper", "fillcolor": "#d55e00"}
        | {"opacity": 0.16, "line": {"width": 0}, "layer": "below"}
        for low, high in zip(numbers(found["lower"]), numbers(found["upper"]), strict=True)
    ]
    xaxis = {"title": {"text": "difficulty rank (0 hardest, 1 easiest); shaded: kept"}, "range": [0, 1]}
    return figure([steps, threshold], xaxis, {"title": {"text": "value, − d log(error) / d probability"}}, shapes=kept)


PLOTS = {
    "curves": curves,
    "frontier": frontier,
    "phase_diagram": phase_diagram,
    "margins": margins,
    "best_rule": best_rule,
}


def _say_errors(found: Results, names: Sequence[str], i: int, j: int) -> str:
    parts = []
    for r, name in enumerate(names):
        error = found["error"][r, i, j]
        parts.append(f"{NAMES.get(name, name)} {100 * error:.3g} %" if found["exists"][r, i, j] else f"{name}: none")
    return "<br>".join(parts)


def _error_axis(data: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """From the lowest error drawn to the largest, with room."""
    found = [y for trace in data for y in trace["y"] if y is not None and y > LEAST]
    return logarithmic(ERROR, 0.8 * min(found, default=0.1), 1.2 * max(found, default=50.0))


def _upright(x: float) -> dict[str, Any]:
    """A thin line across the plot: where the question is."""
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "layer": "below",
        "line": {"color": "#8c8c8c", "width": 1, "dash": "dot"},
    }


def _here(x: float, error: float | None) -> list[dict[str, Any]]:
    return [] if error is None else [here(x, 100 * error, "error %{y:.3g} %")]


def _simulated(question: Question, points: Sequence[Point], free: tuple[str, ...], x: str) -> list[dict[str, Any]]:
    """Simulated points of the same question but for what is ``free``."""
    mine = [p for p in points if _same(question, Question.from_query(p["query"]), free)]
    if not mine:
        return []
    asked = [Question.from_query(p["query"]) for p in mine]
    error = [p["standard_error"] for p in mine]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "simulation",
            "x": [q.alpha_tot if x == "alpha_tot" else q.f * q.alpha_tot for q in asked],
            "y": percent([p["mean"] for p in mine]),
            "error_y": {"type": "data", "array": percent([e or 0.0 for e in error]), "color": "#0072b2"},
            "marker": {"color": "#0072b2", "size": 8, "symbol": "diamond", "line": {"color": "#ffffff", "width": 1}},
            "text": [_say_simulated(p) for p in mine],
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]


def _same(one: Question, other: Question, free: tuple[str, ...]) -> bool:
    ignored = {*free, *(("lam",) if one.student == "max-margin" else ())}
    return all(value == other.config[name] for name, value in one.config.items() if name not in ignored)


def _say_simulated(point: Point) -> str:
    spread = point["standard_error"]
    error = f"{100 * point['mean']:.3g}" + (f" ± {100 * spread:.2g}" if spread is not None else "")
    gap = f"<br>worst optimality gap {point['worst_gap']:.2g}" if point["worst_gap"] is not None else ""
    return f"simulation, N = {point['num_features']}, {point['done']} trials<br>error {error} %{gap}"
