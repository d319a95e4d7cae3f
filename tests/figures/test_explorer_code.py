"""The programs that the explorer gives away compute the same numbers, to the last digit, with public names only."""

import contextlib
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from figures.explorer.answers import ANSWERS
from figures.explorer.code import NAMES, code
from figures.explorer.question import Question

SQUARE = Question(student="square", rule="window@0.4")
CASES: list[tuple[Question, Any, tuple[str, ...]]] = [
    (Question(rule="window@0.4"), "quick", NAMES),
    (Question(rule="window@0.4"), "full", ("frontier",)),  # the exact one
    (replace(SQUARE, rule="proportional@1+trim@0.2", flip_probability=0.1), "quick", NAMES),
    (SQUARE, "full", NAMES),
    (Question(student="square", lam=0.0, f=0.1, alpha_tot=5.0, theta_deg=0.0), "full", NAMES),
    (Question(alpha_tot=1.0, flip_probability=0.1, seen=0.9), "quick", NAMES),
]


def run(question: Question, name: str, detail: Any) -> tuple[dict[str, Any], str]:
    """Names and output of the program."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code(question, name, detail), names)
    return names, output.getvalue()


def answered(question: Question, name: str, detail: Any) -> tuple[Any, str]:
    """The answer, or None and the sentence that says why there is none."""
    try:
        return ANSWERS[name](question, detail), ""
    except ValueError as error:
        return None, str(error)


def same(name: str, found: dict[str, Any], answer: Any) -> None:
    """Compare what a program computed with the answer, bit for bit."""
    equal = np.testing.assert_array_equal
    if name == "point":
        equal(found["solution"].error, answer["error"])
        equal(list(found["rule_error"].values()), answer["rule_error"])
        assert list(found["rule_error"]) == answer["rule"].tolist()
    elif name == "curves":
        assert list(found["error"]) == answer["curves"].tolist()
        for curve in answer["curves"]:
            equal(found["alpha_tot"][curve], answer[f"{curve}_alpha_tot"])
            equal(found["error"][curve], answer[f"{curve}_error"])
        if "chosen_exponent" in answer.variables:
            equal(found["exponent"], answer["chosen_exponent"])
    elif name == "frontier":
        assert list(found["lowest"]) == answer["rules"].tolist()
        for rule in answer["rules"]:
            equal(found["lowest"][rule], answer[f"{rule}_lowest"])
            equal(found["best_f"][rule], answer[f"{rule}_best_f"])
    elif name == "phase_diagram":
        equal(found["error"], answer["error"])
        equal(found["winner"], answer["winner"])
    elif name == "margins":
        equal(found["margin"], answer["margin"])
        equal(found["found"].kept, answer["kept"])
    else:
        equal(found["best"].value, answer["value"])
        equal(found["best"].error, answer["error"])


@pytest.mark.parametrize(("question", "detail", "names"), CASES)
def test_programs_give_the_answers(question: Question, detail: Any, names: tuple[str, ...]) -> None:
    for name in names:
        answer, refusal = answered(question, name, detail)
        if answer is None:
            with pytest.raises(ValueError, match=re.escape(refusal)):
                run(question, name, detail)
            continue
        found, output = run(question, name, detail)
        same(name, found, answer)
        assert output
        text = code(question, name, detail)
        assert "figures" not in text
        assert all(len(line) <= 120 for line in text.splitlines())


def test_there_is_a_program_for_every_answer() -> None:
    assert set(NAMES) == set(ANSWERS)
    with pytest.raises(ValueError, match="name must be one of point"):
        code(Question(), "weather")
