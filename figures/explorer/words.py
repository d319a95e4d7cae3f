"""The answers in words: errors beside each other, and what the best rule is."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import html

from data_pruning import Results
from figures.explorer.plot_style import NAMES
from figures.explorer.question import Question

__all__ = ["about", "number", "said", "sentence", "tiles"]

_TILES = ("chosen", "random", "all", "best")
_TILE_NAMES = NAMES | {"best": "best of all rules"}

VIEW_WORDS = {
    "curves": "Each line is exact theory in the limit of many parameters. A click moves α to the place clicked.",
    "frontier": "The lowest error that a number of kept examples can reach when they are picked from a larger pool; "
    "thin: at single fractions kept. A click moves α to that many kept examples.",
    "phase_diagram": "The rule of lowest error; white lines: that error over the error of random examples. A click "
    "moves α and f to the place clicked.",
    "margins": "How far the student's answers lie on the right side (positive) or the wrong one (negative) after "
    "training.",
}


def number(value: float) -> str:
    """A number of three digits, without a power of ten where it is below a million."""
    return f"{float(f'{value:.3g}'):.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def said(error: Exception) -> str:
    """What an error says, as a sentence; a name of a control keeps its small letter."""
    text = str(error)
    first = text.partition(" ")[0].rstrip(",")
    text = text if first in Question().config else text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def tiles(question: Question, point: Results, best: Results | None, why: str = "") -> list[html.Div]:
    """The errors of the chosen rule, of random and all examples, and of the best rule, with bars beside each other.

    Args:
        question: what was asked.
        point: of :func:`figures.explorer.answers.point`.
        best: of :func:`figures.explorer.answers.best_rule`; None where it is not known (yet).
        why: why not.
    """
    errors: dict[str, float | None] = {"chosen": float(point["error"]), "random": None, "all": None}
    if "rule" in point.variables:
        exists = zip(point["rule"], point["rule_error"], point["rule_exists"], strict=True)
        errors |= {str(name): float(error) for name, error, there in exists if there and str(name) in errors}
    errors["best"] = float(best["error"]) if best is not None else None
    most = max(error for error in errors.values() if error is not None)
    return [_tile(name, errors[name], most, question, why) for name in _TILES]


def _tile(name: str, error: float | None, most: float, question: Question, why: str) -> html.Div:
    if error is None:
        shown, title = "–", why if name == "best" else "there is no such student here, or none that is quick to find"
    else:
        shown, title = f"{100 * error:.3g} %", f"test error {100 * error:.6g} %"
    share = 0 if error is None else 100 * error / most if most > 0 else 0
    label = question.rule if name == "chosen" else _TILE_NAMES[name]
    return html.Div(
        [
            html.Div(label, className="tile-name"),
            html.Div(shown, className="tile-number"),
            html.Div(html.Div(style={"width": f"{share:.1f}%"}), className="tile-bar"),
        ],
        className=f"tile of-{name}",
        title=title,
    )


def sentence(question: Question, point: Results) -> str:
    """The point in one sentence."""
    kept = float(point["alpha_prune"])
    said = (
        f"Of {number(question.alpha_tot)} examples per parameter {number(kept)} are kept. The {question.student} "
        f"student errs on {number(100 * float(point['error']))} % of new examples; its overlap with the teacher is "
        f"{float(point['teacher_overlap']):.4g}"
    )
    if "margin" in point.variables:
        said += f", its margin {number(float(point['margin']))}"
    if "threshold" in point.variables:
        said += f"; kept examples are separable below {number(float(point['threshold']))} per parameter"
    return f"{said}."


def about(view: str, question: Question, found: Results) -> Any:
    """What a view shows."""
    if view != "best_rule":
        return VIEW_WORDS[view]
    windows = [f"{low:.4f} to {high:.4f}" for low, high in zip(found["lower"], found["upper"], strict=True)]
    where = windows[0] if len(windows) == 1 else ", ".join(windows[:-1]) + f" and {windows[-1]}"
    errors = ", ".join(f"{100 * float(found[f'{name}_error']):.3g} % ({name})" for name in ("hard", "easy", "random"))
    gap = max(float(found["gap"]), np.finfo(float).eps)  # rounding can make it negative
    return [
        html.Strong(f"Keep difficulty ranks {where}"),
        f": error {100 * float(found['error']):.3g} %, against {errors}. The certificate: to first order, no rule of "
        f"all keep probabilities over rank lowers log(error) by more than {gap:.1e}. ",
        "An example is worth keeping where its value lies above the threshold.",
    ]
