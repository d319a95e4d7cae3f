"""Margins of kept and of dropped examples under the student of the question."""

from __future__ import annotations

import math

import numpy as np

from data_pruning import Results
from figures.explorer.answers.detail import Detail, affordable, answer, num_strips, takes_longer
from figures.explorer.question import Question

__all__ = ["margin_grid", "margins"]

LOWEST, ROOM = -4.0, 4.0
NUM_MARGINS = {"quick": 49, "full": 241}
MANY_STRIPS = 32


def margin_grid(question: Question, detail: Detail) -> np.ndarray:
    """Margins at which the densities are taken: from -4 to beyond those of the kept examples.

    Raises:
        ValueError: there are no margins of such a student.
        TakesLongerError: there is no time for them.
    """
    if question.seen < 1:
        raise ValueError(f"margins are there for students that see all features: seen must be 1, got {question.seen:g}")
    if question.keep.weight_power > 0:
        raise ValueError(
            f"margins are there for rules without weights: leave out +weighted@GAMMA, got rule {question.rule!r}"
        )
    if question.student != "max-margin" and question.lam == 0:
        raise ValueError("margins are there for lam > 0: use a small lam, or the max-margin student, got lam = 0")
    solvable = affordable(question, question.keep, detail, 3) > 0
    if detail == "quick" and (not solvable or num_strips(question, question.keep) > MANY_STRIPS):
        raise takes_longer(f"margins of a {question.student} student under the rule {question.rule}", detail)
    # twice the largest margin that there is where few examples are kept
    highest = ROOM + 2 / math.sqrt(min(1.0, question.alpha_tot * question.f))
    return np.linspace(LOWEST, math.ceil(2 * highest) / 2, NUM_MARGINS[detail])


@answer()
def margins(question: Question, detail: Detail) -> Results:
    """Densities and cumulative distributions of the margin y w.x / |w| after training.

    Returns:
        ``margin``; ``kept``, ``kept_cumulative``, and where examples are dropped ``dropped``, ``dropped_cumulative``;
        ``atom`` and, where it is not 0, ``atom_margin``: the part of the kept examples that share one margin.
    """
    from perceptron_theory import margin_distribution

    margin = margin_grid(question, detail)
    found = margin_distribution(
        question.alpha_tot,
        question.keep,
        question.theta,
        margin,
        student=question.student_model,
        labels=question.labels,
    )
    results = Results("Margins of kept and of dropped examples")
    results.add("margin", "margin", margin, "1", "margin y w.x / |w|, in standard deviations")
    results.add("kept", "margin", found.kept, "1", "density of the margins of kept examples, the atom left out")
    results.add("kept_cumulative", "margin", found.kept_cumulative, "1", "fraction of kept examples of at most margin")
    if np.isfinite(found.dropped).all():
        results.add("dropped", "margin", found.dropped, "1", "density of the margins of dropped examples")
        description = "fraction of dropped examples of at most margin"
        results.add("dropped_cumulative", "margin", found.dropped_cumulative, "1", description)
    results.add("atom", (), found.atom, "1", "fraction of the kept examples that share one margin")
    if found.atom > 0:
        results.add("atom_margin", (), found.atom_margin, "1", "that margin")
    return results
