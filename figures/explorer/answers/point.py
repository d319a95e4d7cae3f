"""The student of the question itself, and what simpler rules give there."""

from __future__ import annotations

import numpy as np

from data_pruning import Results
from figures.explorer.answers.detail import Detail, affordable, answer
from figures.explorer.answers.errors import errors_at, model, rule_at, rules_compared
from figures.explorer.question import ALPHA_PRUNE_RANGE, Question

__all__ = ["compared_rules", "point"]

FIELDS = {
    "error": "test error: angle between student and teacher over pi",
    "teacher_overlap": "cosine of the angle between student and teacher",
    "probe_overlap": "cosine of the angle between student and probe",
    "norm": "length |w| of the student; of the max-margin student that of the w with smallest margin 1",
    "residual": "max margin: largest residual of the saddle-point equations; others: size of the next Newton step",
}


def compared_rules(question: Question, detail: Detail) -> list[tuple[str, str, float]]:
    """Name, rule and fraction of what the point is compared with; those for which there is no time left out."""
    compared = [(name, name, question.f) for name in rules_compared(question)]
    if question.alpha_tot <= ALPHA_PRUNE_RANGE[1]:
        compared.append(("all", "random", 1.0))
    return [one for one in compared if affordable(question, rule_at(*one[1:]), detail, 3)]


@answer()
def point(question: Question, detail: Detail) -> Results:
    """The student at one point.

    Returns:
        ``error``, ``teacher_overlap``, ``probe_overlap``, ``norm``, ``residual``, ``num_steps``, ``alpha_prune``, for
        the max-margin student ``margin`` and, with wrong labels or hidden features, ``threshold``; over ``rule``, what
        others give with the same examples: ``rule_error``, NaN where not ``rule_exists``.
    """
    from perceptron_theory import separability_threshold, solve

    solution = solve(question.alpha_tot, question.keep, question.theta, **model(question))
    results = Results("The student at one point")
    for name, description in FIELDS.items():
        value = getattr(solution, name)
        if np.isfinite(value):  # the weights of a logistic student diverge as lambda -> 0
            results.add(name, (), value, "1", description)
    results.add("num_steps", (), solution.num_steps, "1", "quadratures that the search took")
    results.add("alpha_prune", (), solution.fraction * question.alpha_tot, "1", "kept examples per parameter")
    if solution.margin is not None:
        results.add("margin", (), solution.margin, "1", "smallest margin y w.x / |w| over the kept examples")
        if question.flip_probability > 0 or question.seen < 1:
            limit = separability_threshold(question.keep, question.theta, question.labels, question.features)
            description = "alpha_prune below which kept examples are separable, so that there is a max-margin student"
            results.add("threshold", (), limit, "1", description)
    compared = compared_rules(question, detail)
    if compared:
        errors = np.array([errors_at(question, rule, f, question.alpha_tot) for _, rule, f in compared])
        names = [name for name, _, _ in compared]
        results.add("rule", "rule", names, "", 'keep rule; "all" keeps all examples')
        results.add("rule_error", "rule", errors, "1", "test error of that rule; NaN where not rule_exists")
        results.add("rule_exists", "rule", np.isfinite(errors), "1", "whether there is such a student")
    return results
