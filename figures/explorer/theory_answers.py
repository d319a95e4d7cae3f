"""What the page of the theory is answered: a pure function of what the browser sends."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from data_pruning import Results
from figures.explorer import plots, words
from figures.explorer.answers import ANSWERS, TakesLongerError
from figures.explorer.answers.detail import Detail
from figures.explorer.code import code
from figures.explorer.controls import judge, texts_of
from figures.explorer.question import Question

__all__ = ["VIEWS", "answered", "query_of"]

VIEWS = {
    "curves": "Curves",
    "frontier": "Frontier",
    "phase_diagram": "Phase diagram",
    "margins": "Margins",
    "best_rule": "Best rule",
}

_BAD = "Nothing new is drawn while a control says what is wrong with its value."


def query_of(asked: Mapping[str, str]) -> dict[str, str]:
    """The part of a link that is the question."""
    return {name: text for name, text in asked.items() if name in Question().config}


def answered(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the page shows about a question.

    Args:
        asked: ``texts`` of the controls by name, ``view``, ``detail`` ("quick" or "full"), ``points`` that were
            simulated, and ``rank``, which grows with each question: answers come back with it, so that none takes the
            place of a later one.

    Returns:
        ``rank``; ``complaints`` by control; ``state``: "bad" texts, "none" (there is no answer), "later" (in full
        detail only) or "fine"; and where there is a question ``query``, ``code``, ``tiles``, ``sentence``, ``note``
        (why there is nothing to see), ``about`` and ``figure``.
    """
    detail: Detail = "full" if asked["detail"] == "full" else "quick"
    question, complaints = judge(texts_of(asked["texts"]))
    given = {"rank": asked["rank"], "detail": detail, "view": asked["view"], "complaints": complaints}
    if question is None:
        return given | {"state": "bad", "note": _BAD}
    view = asked["view"] if asked["view"] in VIEWS else "curves"
    given |= {"state": "fine", "query": question.to_query(), "code": "", "note": ""}
    if detail == "full":
        with contextlib.suppress(ValueError):  # then the answer below says why
            given["code"] = code(question, view)
    best, why = _best(question, view, detail)
    error_here = None
    try:
        point = ANSWERS["point"](question, detail)
    except ValueError as error:
        given |= {"tiles": [], "sentence": words.said(error)}
    else:
        error_here = float(point["error"])
        given |= {"tiles": words.tiles(question, point, best, why), "sentence": words.sentence(question, point)}
    try:
        found = ANSWERS[view](question, detail)
    except TakesLongerError as error:
        return given | {"state": "later" if detail == "quick" else "none", "note": words.said(error)}
    except ValueError as error:
        return given | {"state": "none", "note": words.said(error)}
    figure = plots.PLOTS[view](question, found, asked.get("points") or (), error_here)
    return given | {"about": words.about(view, question, found), "figure": figure}


def _best(question: Question, view: str, detail: Detail) -> tuple[Results | None, str]:
    """The best rule, for its error beside the others: while a slider moves only where it is looked at."""
    if detail == "quick" and view != "best_rule":
        return None, "comes when the slider rests"
    try:
        return ANSWERS["best_rule"](question, detail), ""
    except ValueError as error:
        return None, words.said(error)
