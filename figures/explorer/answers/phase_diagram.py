"""Which rule wins over the number of examples and the fraction kept."""

from __future__ import annotations

import numpy as np

from data_pruning import Results
from figures.explorer.answers.detail import Detail, affordable, answer, takes_longer
from figures.explorer.answers.errors import errors_at, rule_at, rules_compared
from figures.explorer.question import Question

__all__ = ["EQUAL", "phase_diagram", "phase_grid"]

ALPHAS, FRACTIONS = (1.0, 1000.0), (0.02, 0.95)
NUM_ALPHAS = {"quick": 7, "full": 25}
NUM_FRACTIONS = {"quick": 6, "full": 20}
EQUAL = 1e-9  # a rule that is not better by this part is no better than random examples, which need no probe


def phase_grid(question: Question, detail: Detail) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Numbers of examples, fractions, and rules; the chosen one is left out where there is no time for it.

    Raises:
        TakesLongerError: there is no time for hard, easy and random.
    """
    most = NUM_ALPHAS[detail] * NUM_FRACTIONS[detail]
    part = 0.6 if detail == "quick" else 0.4
    sparse = detail == "quick"
    count = affordable(question, rule_at("easy", 0.3), detail, most, times=part, sparse=sparse)
    num_fractions = min(NUM_FRACTIONS[detail], int((count * NUM_FRACTIONS[detail] / NUM_ALPHAS[detail]) ** 0.5))
    num_alphas = min(NUM_ALPHAS[detail], count // num_fractions if num_fractions else 0)
    if num_fractions < 3 or num_alphas < 3:
        raise takes_longer(f"phase diagrams of a {question.student} student", detail)
    count = num_alphas * num_fractions
    names = rules_compared(question)
    patience = part if detail == "quick" else part / 4  # rules of many windows are waited for in the end
    if len(names) > 3 and affordable(question, question.keep, detail, count, times=patience, sparse=sparse) < count:
        names = names[:3]
    return np.geomspace(*ALPHAS, num_alphas), np.geomspace(*FRACTIONS, num_fractions), names


@answer(ignoring=("alpha_tot", "f"))
def phase_diagram(question: Question, detail: Detail) -> Results:
    """The error of hard, easy, random and the chosen rule over alpha_tot and f, and which is lowest.

    Returns:
        ``rule``, ``alpha_tot``, ``f``; ``error`` and ``exists`` (rule, alpha_tot, f); ``winner`` (alpha_tot, f), the
        place in ``rule`` of the lowest error, that of random where none is lower, -1 where there is none; ``ratio``,
        that error over that of random, NaN where not ``has_ratio``.
    """
    alpha_tot, f, names = phase_grid(question, detail)
    error = np.stack([errors_at(question, name, f, alpha_tot[:, None]) for name in names])
    exists = np.isfinite(error)
    lowest = np.where(exists, error, np.inf).min(axis=0)
    compared = np.where(exists, error, np.inf)
    compared[names.index("random")] *= 1 - EQUAL
    winner = np.where(exists.any(axis=0), compared.argmin(axis=0), -1)
    has_ratio = exists[names.index("random")]
    ratio = np.where(has_ratio, lowest / error[names.index("random")], np.nan)
    results = Results("Which rule has the lowest test error")
    results.add("rule", "rule", list(names), "", "keep rule; the chosen one last, where it is another than the others")
    results.add("alpha_tot", "alpha_tot", alpha_tot, "1", "examples per parameter before pruning")
    results.add("f", "f", f, "1", "fraction kept")
    results.add("error", ("rule", "alpha_tot", "f"), error, "1", "test error; NaN where not exists")
    results.add("exists", ("rule", "alpha_tot", "f"), exists, "1", "whether there is such a student")
    results.add("winner", ("alpha_tot", "f"), winner, "1", "place in rule of the lowest error; -1 where there is none")
    results.add("ratio", ("alpha_tot", "f"), ratio, "1", "lowest error over that of random; NaN where not has_ratio")
    results.add("has_ratio", ("alpha_tot", "f"), has_ratio, "1", "whether there is a student of random examples")
    return results
