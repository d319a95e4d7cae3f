"""Test errors over many points of a question, with those flagged that no student has."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow, keep_rule
from figures.explorer.question import ALPHA_PRUNE_RANGE, Question

__all__ = [
    "NEAR_INTERPOLATION",
    "SIMPLE",
    "errors_at",
    "model",
    "possible",
    "rule_at",
    "rules_compared",
    "takes_arrays",
]

Floats = NDArray[np.float64]
SIMPLE: dict[str, Callable[[Any], KeepRule]] = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}
NEAR_INTERPOLATION = 1.1e-4  # |alpha_prune - 1| below which the limit lambda -> 0 of the square loss does not exist


def model(question: Question) -> dict[str, Any]:
    """Student, labels and features, as arguments of ``solve``."""
    return {"student": question.student_model, "labels": question.labels, "features": question.features}


def rules_compared(question: Question) -> tuple[str, ...]:
    """Hard, easy, random, and the rule of the question where it is another."""
    return (*SIMPLE, *(() if question.rule in SIMPLE else (question.rule,)))


def rule_at(name: str, f: Any) -> KeepRule:
    """The rule of a name at one fraction; at several for hard, easy, random and windows."""
    if np.ndim(f) == 0:
        return keep_rule(name, float(f))
    if name in SIMPLE:
        return SIMPLE[name](f)
    lower = float(name.partition("@")[2]) * (1 - f)
    return KeepWindow(lower, np.minimum(1.0, lower + f))


def errors_at(question: Question, name: str, f: ArrayLike, alpha_tot: ArrayLike) -> Floats:
    """Test error of a rule at fractions and numbers of examples, for the question's angle, student, labels, features.

    Args:
        question: the question.
        name: of the rule.
        f: fractions kept, broadcast against ``alpha_tot``.
        alpha_tot: examples per parameter before pruning.

    Returns:
        Errors of the broadcast shape; NaN where there is no such student (kept examples that are not separable, a limit
        lambda -> 0 that does not exist) or no such rule, no convergence, or f alpha_tot out of the theory's range.
    """
    fractions, alphas = np.broadcast_arrays(np.asarray(f, float), np.asarray(alpha_tot, float))
    shape = fractions.shape
    found = _errors(question.theta, _essence(question), name, fractions.tobytes(), alphas.tobytes())
    return found.reshape(shape).copy()


def _essence(question: Question) -> Question:
    """What errors depend on besides f, alpha_tot and the rule."""
    lam = Question.lam if question.student == "max-margin" else question.lam
    return Question(
        theta_deg=question.theta_deg,
        student=question.student,
        lam=lam,
        flip_probability=question.flip_probability,
        seen=question.seen,
    )


@lru_cache(1024)
def _errors(theta: float, question: Question, name: str, f_bytes: bytes, alpha_bytes: bytes) -> Floats:
    f, alpha = np.frombuffer(f_bytes), np.frombuffer(alpha_bytes)
    error = np.full(f.size, np.nan)
    groups = [np.arange(f.size)]
    if not takes_arrays(name):
        groups = [np.flatnonzero(f == each) for each in np.unique(f)]
    for rows in groups:
        if not possible(name, f[rows[0]]):
            continue
        one = np.all(f[rows] == f[rows[0]])
        error[rows] = _errors_of(question, name, f[rows[0]] if one else f[rows], alpha[rows])
    return error


def takes_arrays(name: str) -> bool:
    """Whether one object stands for the rule at many fractions, so that all are solved together."""
    return name in SIMPLE or (name.startswith("window@") and "+" not in name)


def possible(name: str, f: float) -> bool:
    """Whether a rule can keep that fraction: one that drops the hardest share first cannot keep all."""
    try:
        keep_rule(name, float(f))
    except ValueError:
        return False
    return True


def _errors_of(question: Question, name: str, f: Any, alpha: Floats) -> Floats:
    """Errors at one fraction, or at as many as numbers of examples."""
    from perceptron_theory import separability_threshold, solve

    low, high = ALPHA_PRUNE_RANGE
    kept = f * alpha
    exists = (kept >= low * (1 - 1e-9)) & (kept <= high * (1 + 1e-9))
    if question.student == "max-margin" and (question.flip_probability > 0 or question.seen < 1):
        each, which = np.unique(f, return_inverse=True)
        keep = rule_at(name, each if each.size > 1 else each[0])
        limit = separability_threshold(keep, question.theta, question.labels, question.features)
        exists &= kept < np.atleast_1d(limit)[which]
    if question.student == "square" and question.lam == 0:
        exists &= np.abs(kept - 1) > NEAR_INTERPOLATION
    error = np.full(alpha.size, np.nan)
    if exists.any():
        keep = rule_at(name, f if np.ndim(f) == 0 else f[exists])
        error[exists] = solve(alpha[exists], keep, question.theta, **model(question), on_failure="flag").error
    return error
