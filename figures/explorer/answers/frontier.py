"""The lowest error at each number of kept examples, over how large a pool they are picked from."""

from __future__ import annotations

import numpy as np

from data_pruning import Results
from figures.explorer.answers.detail import Detail, affordable, answer, takes_longer
from figures.explorer.answers.errors import errors_at, rule_at, rules_compared
from figures.explorer.question import Question

__all__ = ["LEAST_FRACTION", "exact_frontier", "frontier", "frontier_grid"]

LEAST_FRACTION = 0.01
KEPT = (0.1, 100.0)  # alpha_prune
NUM_KEPT = {"quick": 9, "full": 25}
NUM_FRACTIONS = {"quick": 8, "full": 33}


def exact_frontier(question: Question, rule: str, detail: Detail) -> bool:
    """Whether the lowest error is found between the fractions of the grid too: ``pareto_frontier`` knows how."""
    plain = question.student == "max-margin" and question.flip_probability == 0 and question.seen == 1
    return detail == "full" and plain and rule in ("hard", "easy")


def frontier_grid(question: Question, rule: str, detail: Detail) -> tuple[np.ndarray, np.ndarray] | None:
    """Kept examples per parameter and fractions of a rule; None where there is no time for them."""
    most = NUM_KEPT[detail] * NUM_FRACTIONS[detail]
    times = 1.0 if rule != "random" else 1 / 8  # whose error does not depend on the fraction
    count = affordable(
        question,
        question.keep if rule == question.rule else rule_at(rule, 0.3),
        detail,
        most,
        times=times * (0.7 if detail == "quick" else 0.25),
        sparse=detail == "quick",
    )
    num_kept = min(NUM_KEPT[detail], round((count / NUM_FRACTIONS[detail] * NUM_KEPT[detail]) ** 0.5))
    num_fractions = min(NUM_FRACTIONS[detail], count // num_kept if num_kept else 0)
    if num_kept < 3 or num_fractions < 3:
        return None
    return np.geomspace(*KEPT, num_kept), np.geomspace(LEAST_FRACTION, 1, num_fractions)


@answer(ignoring=("alpha_tot", "f"))
def frontier(question: Question, detail: Detail) -> Results:
    """Lowest error over the fraction kept, f in [0.01, 1], at each alpha_prune; alpha_prune / f examples are there.

    Returns:
        For each rule NAME of hard, easy, random and chosen: ``NAME_alpha_prune``, ``NAME_f``, ``NAME_error``
        (alpha_prune, f), ``NAME_exists``, ``NAME_lowest`` and ``NAME_best_f`` (alpha_prune), the lowest error and the
        fraction that reaches it, and ``NAME_has_lowest``.  ``rules`` names those that are there, ``exact`` says of
        which the lowest is that over all fractions, not only those of the grid.
    """
    results = Results("Lowest test error over the fraction kept")
    names, exact = [], []
    for rule in rules_compared(question):
        grid = frontier_grid(question, rule, detail)
        if grid is None:
            continue
        name = "chosen" if rule not in ("hard", "easy", "random") else rule
        names.append(name)
        exact.append(rule == "random" or exact_frontier(question, rule, detail))
        _add(results, question, name, rule, *grid, detail)
    if not names:
        raise takes_longer(f"frontiers of a {question.student} student", detail)
    results.add("rules", "rule", names, "", "rules that are there, by name")
    results.add("exact", "rule", exact, "1", "whether the lowest error is that over all fractions, not over the grid's")
    return results


def _add(
    results: Results, question: Question, name: str, rule: str, kept: np.ndarray, f: np.ndarray, detail: Detail
) -> None:
    from perceptron_theory import pareto_frontier

    if rule == "random":
        error = np.repeat(errors_at(question, rule, 1.0, kept)[:, None], f.size, axis=1)
    else:
        error = errors_at(question, rule, f, kept[:, None] / f)
    there = np.isfinite(error)
    has_lowest = there.any(axis=1)
    best = np.where(there, error, np.inf).argmin(axis=1)
    lowest, best_f = (np.where(has_lowest, values, np.nan) for values in (error[np.arange(kept.size), best], f[best]))
    if rule == "random":
        best_f = np.where(has_lowest, 1.0, np.nan)
    if exact_frontier(question, rule, detail):
        found = pareto_frontier(kept, question.theta, rule=rule, f_min=LEAST_FRACTION)  # type: ignore[arg-type]
        lowest, best_f = found.error, found.fraction
    dim, other = f"{name}_kept", f"{name}_fraction"
    results.add(f"{name}_alpha_prune", dim, kept, "1", "kept examples per parameter")
    results.add(f"{name}_f", other, f, "1", "fraction kept")
    results.add(f"{name}_error", (dim, other), error, "1", f"test error; NaN where not {name}_exists")
    results.add(f"{name}_exists", (dim, other), there, "1", "whether there is such a student")
    description = f"lowest test error over the fraction kept; NaN where not {name}_has_lowest"
    results.add(f"{name}_lowest", dim, lowest, "1", description)
    results.add(f"{name}_best_f", dim, best_f, "1", f"fraction that reaches it; NaN where not {name}_has_lowest")
    results.add(f"{name}_has_lowest", dim, has_lowest, "1", "whether there is a student at any fraction")
