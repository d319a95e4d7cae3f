"""Error against the number of examples, for the rule of the question and for those that it is compared with."""

from __future__ import annotations

import math

import numpy as np

from data_pruning import Results
from figures.explorer.answers.detail import Detail, affordable, answer, takes_longer
from figures.explorer.answers.errors import errors_at, model, rule_at
from figures.explorer.question import ALPHA_PRUNE_RANGE, Question

__all__ = ["curves", "grid_of", "has_exponent", "kept_of", "span_of", "window_count"]

NUM_POINTS = {"quick": 25, "full": 61}
NUM_WINDOW_POINTS = {"quick": 0, "full": 13}
TRIED_WINDOWS = 70  # about as many solutions are taken to find a best window


def span_of(question: Question) -> tuple[float, float]:
    """Numbers of examples between which curves are drawn: 1 to 1000, or as many decades as the question needs."""
    low, high = (bound / question.f for bound in ALPHA_PRUNE_RANGE)
    decade = math.log10(question.alpha_tot)
    first, last = 10.0 ** min(0, math.floor(decade)), 10.0 ** max(3, math.ceil(decade))
    return max(first, low), min(last, high, ALPHA_PRUNE_RANGE[1])


def grid_of(question: Question, name: str, detail: Detail) -> np.ndarray | None:
    """Numbers of examples of the curve of a rule, even in their logarithm; None where there is no time for it."""
    keep = rule_at(*kept_of(question, name))
    count = affordable(question, keep, detail, NUM_POINTS[detail], times=1.5)
    return np.geomspace(*span_of(question), count) if count else None


def kept_of(question: Question, name: str) -> tuple[str, float]:
    """Rule and fraction of a curve."""
    return {"chosen": (question.rule, question.f), "all": ("random", 1.0)}.get(name, (name, question.f))


def has_exponent(question: Question, detail: Detail) -> bool:
    """Whether there is a local exponent, and time for it."""
    return detail == "full" and (question.student == "max-margin" or question.lam > 0)


def window_count(question: Question, detail: Detail) -> int:
    """For how many numbers of examples the best window is searched; 0 where it is not known at all of them."""
    everywhere = question.lam > 0 if question.student != "max-margin" else question.flip_probability == 0
    if not everywhere or question.seen < 1 or question.f == 1:
        return 0
    return affordable(question, rule_at("easy", question.f), detail, NUM_WINDOW_POINTS[detail], times=TRIED_WINDOWS)


@answer()
def curves(question: Question, detail: Detail) -> Results:
    """Error against alpha_tot at the fraction, angle, student, labels and features of the question.

    Returns:
        For each curve NAME of chosen, hard, easy, random, all and window (the best window of that width):
        ``NAME_alpha_tot`` and ``NAME_alpha_prune``, ``NAME_error`` and ``NAME_exists``; in full detail
        ``chosen_exponent``, the local exponent, where the student has one.  A curve that takes too long is not there:
        ``curves`` names those that are.
    """
    results = Results("Test error against the number of examples")
    names = []
    for name in ("chosen", "hard", "easy", "random", "all"):
        alpha_tot = grid_of(question, name, detail)
        if alpha_tot is not None:
            names.append(name)
            rule, f = kept_of(question, name)
            _add(results, name, alpha_tot, f, errors_at(question, rule, f, alpha_tot))
    if not names:
        raise takes_longer(f"curves of a {question.student} student", detail)
    if "chosen" in names and has_exponent(question, detail):
        from perceptron_theory import scaling_exponent

        exists = results["chosen_exists"]
        exponent = np.full(exists.size, np.nan)
        if exists.any():
            alpha_tot = results["chosen_alpha_tot"][exists]
            exponent[exists] = scaling_exponent(alpha_tot, question.keep, question.theta, **model(question))
        description = "local exponent - d log(error) / d log(alpha_tot) of the chosen rule; NaN where not chosen_exists"
        results.add("chosen_exponent", "chosen_point", exponent, "1", description)
    count = window_count(question, detail)
    if count:
        from perceptron_theory import best_window

        names.append("window")
        alpha_tot = np.geomspace(*span_of(question), count)
        student, labels = question.student_model, question.labels
        lower, error = best_window(alpha_tot, question.f, question.theta, student=student, labels=labels)
        _add(results, "window", alpha_tot, question.f, error)
        results.add("window_lower", "window_point", lower, "1", "rank at which the best window begins, 0 = hardest")
    results.add("curves", "curve", names, "", "curves that are there, by name")
    return results


def _add(results: Results, name: str, alpha_tot: np.ndarray, f: float, error: np.ndarray) -> None:
    what = {"chosen": "the chosen rule", "all": "all examples", "window": "the best window of difficulty"}
    dim, of = f"{name}_point", what.get(name, f"keep-{name}")
    results.add(f"{name}_alpha_tot", dim, alpha_tot, "1", f"examples per parameter before pruning, of {of}")
    results.add(f"{name}_alpha_prune", dim, f * alpha_tot, "1", "kept examples per parameter")
    results.add(f"{name}_error", dim, error, "1", f"test error of {of}; NaN where not {name}_exists")
    results.add(f"{name}_exists", dim, np.isfinite(error), "1", "whether there is such a student")
