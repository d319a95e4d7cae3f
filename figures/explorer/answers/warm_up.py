"""Programs compiled before they are needed, in the background."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

from figures.explorer.question import Question

__all__ = ["WarmUp", "warm_up"]


class WarmUp(threading.Thread):
    """A thread that answers questions of every kind once; a process does not wait for it to end.

    Attributes:
        done: questions answered so far.
        total: questions altogether.
    """

    def __init__(self, first: Question):
        super().__init__(name="warm-up", daemon=True)
        self._questions = list(_questions(first))
        self.done, self.total = 0, len(self._questions)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Answer them."""
        from figures.explorer.answers import ANSWERS

        for name, question in self._questions:
            if self._stop_asked.is_set():
                return
            with contextlib.suppress(ValueError):  # a question without an answer: nothing to compile
                ANSWERS[name](question, "quick")
            self.done += 1

    def stop(self) -> None:
        """End after the question in progress."""
        self._stop_asked.set()


def warm_up(first: Question | None = None) -> WarmUp:
    """Compile in the background what the quick answers need: first for a question, then for other students and rules.

    The numbers of a question do not matter: one program serves all of them, but for an angle of 0, wrong labels, hidden
    features, and rules of many windows.

    Args:
        first: the question to begin with.

    Returns:
        The thread, already started.
    """
    thread = WarmUp(first or Question())
    thread.start()
    return thread


def _questions(first: Question) -> Iterator[tuple[str, Question]]:
    """Answers and questions, the likeliest first."""
    asked: set[tuple[str, Question]] = set()
    views = ("point", "curves", "phase_diagram", "frontier", "margins", "best_rule")
    usual = Question(rule="window@0.5")
    few = replace(usual, alpha_tot=1.0)  # examples that are separable with wrong labels too
    questions = [first, usual, replace(usual, student="square"), replace(usual, theta_deg=0.0)]
    questions += [replace(few, flip_probability=0.1), replace(few, seen=0.8)]
    others = (("square", True), ("hinge", False), ("hinge", True), ("logistic", False), ("logistic", True))
    for student, noisy in others:
        questions.append(replace(usual, student=student, flip_probability=0.1 if noisy else 0.0))
    questions += [replace(usual, rule="proportional@1"), replace(usual, student="square", rule="proportional@1")]
    asked_of = [(name, question) for question in questions for name in views]
    hard = replace(usual, rule="hard")
    asked_of[len(views) : len(views)] = [("margins", hard), ("margins", usual)]
    # best rules of several windows, and margins of the other rules
    asked_of += [
        ("best_rule", replace(usual, theta_deg=0.0, f=0.2)),
        ("best_rule", replace(usual, alpha_tot=50.0, f=0.1)),
    ]
    asked_of += [("best_rule", replace(usual, student="square", lam=lam, f=0.6)) for lam in (0.1, 3.0)]
    for student, noisy in others:
        noise = 0.1 if noisy else 0.0
        asked_of.append(("margins", replace(hard, student=student, flip_probability=noise)))
    for name, question in asked_of:
        if (name, question) not in asked:
            asked.add((name, question))
            yield name, question
