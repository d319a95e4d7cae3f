"""The best keep rule at the question's point, with its certificate."""

from __future__ import annotations

import numpy as np

from data_pruning import Results
from figures.explorer.answers.detail import Detail, affordable, answer, takes_longer
from figures.explorer.answers.errors import rule_at
from figures.explorer.question import Question

__all__ = ["best_rule", "check_best_rule"]

TRIED = 60  # solutions of a window that the search takes at least


def check_best_rule(question: Question, detail: Detail) -> None:
    """Raise a ``ValueError`` that says why there is no best rule, a ``TakesLongerError`` where there is no time."""
    if question.seen < 1:
        raise ValueError(
            f"the best rule is known for students that see all features: seen must be 1, got {question.seen:g}"
        )
    if question.student != "max-margin" and question.lam == 0:
        raise ValueError("the best rule is known for lam > 0: use a small lam, or the max-margin student, got lam = 0")
    if question.f == 1:
        raise ValueError("f must be below 1 for a choice to be left, got f = 1: all examples are kept")
    if detail == "quick" and not affordable(question, rule_at("easy", question.f), detail, TRIED, times=0.2 * TRIED):
        raise takes_longer(f"best rules of a {question.student} student", detail)


@answer(ignoring=("rule",))
def best_rule(question: Question, detail: Detail) -> Results:
    """The rule of lowest error of all that keep the fraction f.

    Returns:
        ``error``, ``lower`` and ``upper`` (window) of the ranks kept, ``gap``, the certificate, ``is_window``;
        ``ranks`` (edge), ``value`` (cell), what examples of each rank are worth, and ``threshold``, the value above
        which they are kept; ``window_error`` and ``window_lower`` of the best window, and ``hard_error``,
        ``easy_error``, ``random_error``.
    """
    from perceptron_theory import optimal_policy

    check_best_rule(question, detail)
    best = optimal_policy(
        question.alpha_tot, question.f, question.theta, student=question.student_model, labels=question.labels
    )
    results = Results("The best keep rule with its certificate")
    lower, upper = np.array(best.windows).T
    results.add("lower", "window", lower, "1", "rank at which each kept window begins, 0 = hardest")
    results.add("upper", "window", upper, "1", "rank at which it ends")
    results.add("ranks", "edge", best.ranks, "1", "edges of the cells of rank")
    results.add(
        "value", "cell", best.value, "1", "- d log(error) / d keep probability, per rank: what is an example worth"
    )
    for name, value, description in (
        ("error", best.error, "test error of the best rule"),
        ("threshold", best.threshold, "value above which ranks are kept"),
        ("gap", best.gap, "certificate: to first order no rule lowers log(error) by more"),
        ("is_window", best.is_window, "whether a single window is best"),
        ("window_error", best.window_error, "test error of the best window"),
        ("window_lower", float(best.window.lower), "rank at which the best window begins"),
        ("hard_error", best.hard_error, "test error of keep-hard"),
        ("easy_error", best.easy_error, "test error of keep-easy"),
        ("random_error", best.random_error, "test error of keep-random"),
    ):
        results.add(name, (), value, "1", description)
    return results
