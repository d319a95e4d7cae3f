"""How much of an answer is computed: what a slider can wait for, or all; and answers that are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, update_wrapper
from typing import Any, Literal

from data_pruning import KeepRule, Results
from data_pruning.arguments import check_choice, check_settings
from figures.explorer.question import Question

__all__ = ["DETAILS", "Detail", "TakesLongerError", "affordable", "answer", "num_strips", "takes_longer"]

Detail = Literal["quick", "full"]
DETAILS = ("quick", "full")
NUM_KEPT_ANSWERS = 256

# milliseconds that a point takes per strip of kept examples, on two busy cores (benchmarks/explorer.py)
COST = {"max-margin": 0.5, "square": 0.06, "hinge": 0.5, "logistic": 4.0}
# how much more it takes on a grid so coarse that no point starts from the student of another (solver/neighbours.py)
SPARSE = {"max-margin": 1.0, "square": 1.0, "hinge": 2.4, "logistic": 1.5}
BUDGET = {"quick": 40.0, "full": 4000.0}  # milliseconds of one curve


class TakesLongerError(ValueError):
    """There is no answer within the time of a detail; of the quick one there may be one in full detail."""


def takes_longer(what: str, detail: Detail) -> TakesLongerError:
    """The error that says so; ``what`` is the answer in the plural, for example "curves of a hinge student"."""
    if detail == "quick":
        return TakesLongerError(f"{what} take longer than a moment: they come when the controls rest")
    return TakesLongerError(f"{what} take too long for this page: choose a simpler rule or another student")


def num_strips(question: Question, keep: KeepRule) -> int:
    """Strips of the teacher-probe plane into which the solver divides what a rule keeps: what its time grows with."""
    lower = keep.windows()[0]
    count = lower.shape[-1]
    if question.theta_deg > 0 and not (count == 1 and not lower.any()):
        count *= 2
    count *= 2 if question.flip_probability > 0 else 1
    return 1 << (count - 1).bit_length()


def affordable(
    question: Question, keep: KeepRule, detail: Detail, most: int, *, times: float = 1.0, sparse: bool = False
) -> int:
    """How many points of a rule fit into the time of a detail, at most ``most``; fewer than 3 are none.

    Args:
        question: who learns from what.
        keep: the rule.
        detail: "quick" or "full".
        most: number of points that are enough.
        times: how often each point is solved, or part of the time that may be used, inverse.
        sparse: whether the points are far from each other.
    """
    cost = COST[question.student] * num_strips(question, keep) * times
    cost *= SPARSE[question.student] if sparse else 1
    count = min(most, int(BUDGET[detail] / cost))
    return count if count >= 3 else 0


def answer(*, ignoring: tuple[str, ...] = ()) -> Callable[[Callable[[Question, Detail], Results]], Answer]:
    """Decorator: an answer that is kept, with the question as its config.

    Args:
        ignoring: fields of the question on which the answer does not depend: it is the same whatever they are.
    """
    return lambda compute: Answer(compute, ignoring)


class Answer:
    """A function of a question and a detail; see ``answer``."""

    def __init__(self, compute: Callable[[Question, Detail], Results], ignoring: tuple[str, ...]):
        update_wrapper(self, compute)
        self.name = compute.__name__
        self._compute = lru_cache(NUM_KEPT_ANSWERS)(compute)
        self._ignoring = ignoring

    def __call__(self, question: Question, detail: Detail = "full") -> Results:
        """The answer.

        Raises:
            ValueError: there is none; a sentence says why.
            TakesLongerError: there is none in this detail.
        """
        check_settings("question", question, Question)
        check_choice("detail", detail, DETAILS)
        try:
            found = self._compute(self.essence(question), detail)
        except RuntimeError as error:  # no convergence
            raise ValueError(str(error)) from error
        config = question.config | {"answer": self.name, "detail": detail}
        return replace(found, config=config, variables=dict(found.variables))

    def essence(self, question: Question) -> Question:
        """The question with what the answer does not depend on as by default: equal where the answers are."""
        ignored = self._ignoring + (("lam",) if question.student == "max-margin" else ())
        default: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Question)}
        try:
            return replace(question, **{name: default[name] for name in ignored})
        except ValueError:  # a rule that cannot keep the usual fraction
            return question
