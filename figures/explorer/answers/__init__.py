"""Answers of the theory to a question of the explorer, one file each; results that describe themselves.

Every answer takes a ``detail``: "quick" is a coarse grid of exact values, within 0.2 s on two cores once its programs
are compiled (``warm_up``), "full" the fine one.  Equal questions are answered once.
"""

from figures.explorer.answers.best_rule import best_rule
from figures.explorer.answers.curves import curves
from figures.explorer.answers.detail import DETAILS, TakesLongerError
from figures.explorer.answers.frontier import frontier
from figures.explorer.answers.margins import margins
from figures.explorer.answers.phase_diagram import phase_diagram
from figures.explorer.answers.point import point
from figures.explorer.answers.warm_up import warm_up

__all__ = [
    "ANSWERS",
    "DETAILS",
    "TakesLongerError",
    "best_rule",
    "curves",
    "frontier",
    "margins",
    "phase_diagram",
    "point",
    "warm_up",
]

ANSWERS = {
    "point": point,
    "curves": curves,
    "frontier": frontier,
    "phase_diagram": phase_diagram,
    "margins": margins,
    "best_rule": best_rule,
}
