"""What the explorer answers: the numbers are those of the theory, and what is not there is flagged or refused."""

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from data_pruning import KeepHard, keep_rule
from figures.explorer.answers import ANSWERS, TakesLongerError, warm_up
from figures.explorer.answers.detail import takes_longer
from figures.explorer.answers.warm_up import WarmUp
from figures.explorer.question import ALPHA_PRUNE_RANGE, STUDENTS, Question
from perceptron_theory import Labels, MaxMargin, SeenFeatures, SquareLoss, optimal_policy, pareto_frontier, solve
from perceptron_theory.solver import points
from perceptron_theory.student_options import StudentName
from perceptron_theory.students import LAMBDA_RANGE

SQUARE = Question(student="square", flip_probability=0.1)


def test_a_question_and_its_link_are_one() -> None:
    questions = [
        Question(),
        Question(alpha_tot=1 / 3, f=0.1 + 0.2, theta_deg=1e-3, rule="proportional@2+trim@0.1", lam=1e-7, seen=0.7),
        Question(student="hinge", rule="random+weighted@0.5", flip_probability=0.123456789012345),
    ]
    for question in questions:
        assert Question.from_query(question.to_query()) == question
        assert all(isinstance(text, str) for text in question.to_query().values())
    assert Question.from_query({}) == Question()
    assert Question(alpha_tot=10) == Question(alpha_tot=10.0)
    assert Question(alpha_tot=10).to_query() == Question(alpha_tot=10.0).to_query()


def test_the_parts_of_a_question_are_those_of_the_theory() -> None:
    question = Question(student="square", lam=0.3, flip_probability=0.2, seen=0.5, theta_deg=30.0, rule="easy", f=0.4)
    assert question.student_model == SquareLoss(0.3)
    assert question.labels == Labels(0.2)
    assert question.features == SeenFeatures(0.5)
    assert question.keep == keep_rule("easy", 0.4)
    assert question.theta == pytest.approx(math.pi / 6, rel=1e-15)
    assert Question().features is None
    assert Question().student_model == MaxMargin()
    assert ALPHA_PRUNE_RANGE == points.ALPHA_PRUNE_RANGE
    assert LAMBDA_RANGE == (1e-14, 1e14)
    assert set(STUDENTS) == set(StudentName.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"f": "0"}, r"f, the fraction kept, must lie in \[0.0001, 1\], got 0"),
        ({"f": "x"}, "f must be a number, got 'x'"),
        ({"f": "nan"}, "f must be finite"),
        ({"alpha_tot": "1e9"}, r"alpha_tot must lie in \[0.00333333, 333333\] at f = 0.3"),
        ({"theta_deg": "91"}, r"theta_deg must lie in \[0, 90\], got 91"),
        ({"rule": "hrad"}, "a keep rule is hard, easy"),
        ({"student": "forest"}, "student must be one of max-margin, square, logistic, hinge, got 'forest'"),
        ({"lam": "-1"}, "lam must lie in"),
        ({"flip_probability": "0.5"}, r"flip_probability must lie in \[0, 0.5\), got 0.5"),
        ({"seen": "0"}, r"seen must lie in \(0, 1\], got 0"),
        ({"colour": "red"}, "a question has alpha_tot, .* got 'colour'"),
        ({"rule": "random+weighted"}, "rule must have no weights where student is max-margin"),
    ],
)
def test_a_link_with_a_wrong_value_is_refused_in_one_line(query: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Question.from_query(query)
    assert "\n" not in str(caught.value)


def test_questions_and_pages_are_read_without_the_solver() -> None:
    program = "import sys, figures.explorer.question; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_point_is_what_solve_gives() -> None:
    question = Question(rule="window@0.4")
    found = ANSWERS["point"](question)
    expected = solve(10.0, question.keep, question.theta)
    assert found["error"] == expected.error
    assert found["margin"] == expected.margin
    assert found["rule"].tolist() == ["hard", "easy", "random", "window@0.4", "all"]
    assert found["rule_error"][0] == pytest.approx(solve(10.0, KeepHard(0.3), question.theta).error, rel=1e-13)
    assert found["rule_error"][3] == pytest.approx(expected.error, rel=1e-13)
    assert found.config["rule"] == "window@0.4"


def test_curves_and_phase_diagram_are_what_solve_gives() -> None:
    found = ANSWERS["curves"](SQUARE, "quick")
    assert found["curves"].tolist() == ["chosen", "hard", "easy", "random", "all"]
    labels = Labels(0.1)
    expected = solve(
        found["easy_alpha_tot"], keep_rule("easy", 0.3), SQUARE.theta, student=SquareLoss(0.1), labels=labels
    )
    np.testing.assert_allclose(found["easy_error"], expected.error, rtol=1e-12)
    np.testing.assert_array_equal(found["chosen_error"], found["hard_error"])
    assert found["easy_exists"].all()
    diagram = ANSWERS["phase_diagram"](SQUARE, "quick")
    at = diagram["alpha_tot"][:, None], KeepHard(diagram["f"])
    hard = solve(*at, SQUARE.theta, student=SquareLoss(0.1), labels=labels).error
    np.testing.assert_allclose(diagram["error"][0], hard, rtol=1e-12)
    np.testing.assert_array_equal(diagram["winner"], diagram["error"].argmin(axis=0))
    np.testing.assert_allclose(diagram["ratio"], diagram["error"].min(axis=0) / diagram["error"][2], rtol=1e-15)


def test_more_detail_is_a_finer_grid_of_the_same_curve() -> None:
    quick, full = (ANSWERS["curves"](SQUARE, detail) for detail in ("quick", "full"))
    assert full["hard_alpha_tot"].size > quick["hard_alpha_tot"].size
    step = np.interp(np.log(quick["hard_alpha_tot"]), np.log(full["hard_alpha_tot"]), np.log(full["hard_error"]))
    np.testing.assert_allclose(step, np.log(quick["hard_error"]), atol=2e-3)
    assert "window" in full["curves"]
    window = np.interp(np.log(full["window_alpha_tot"]), np.log(full["hard_alpha_tot"]), full["hard_error"])
    assert np.all(full["window_error"] <= window * (1 + 1e-3))  # hard is one of the windows
    slope = -np.gradient(np.log(full["chosen_error"]), np.log(full["chosen_alpha_tot"]))
    np.testing.assert_allclose(full["chosen_exponent"][2:-2], slope[2:-2], atol=0.01)


def test_frontiers_are_lowest_over_the_fraction() -> None:
    found = ANSWERS["frontier"](Question(), "full")
    exact = pareto_frontier(found["hard_alpha_prune"], Question().theta, rule="hard", f_min=0.01)
    np.testing.assert_array_equal(found["hard_lowest"], exact.error)
    assert np.all(found["hard_lowest"] <= found["hard_error"].min(axis=1) * (1 + 1e-12))
    assert found["exact"].all()
    coarse = ANSWERS["frontier"](Question(), "quick")
    assert coarse["exact"].tolist() == [False, False, True]
    assert np.all(coarse["hard_lowest"] == coarse["hard_error"].min(axis=1))
    spread = np.ptp(np.log(coarse["random_error"]), axis=1)
    assert np.all(spread == 0)  # random examples of a larger pool are random examples


def test_margins_are_distributions() -> None:
    found = ANSWERS["margins"](Question(), "full")
    mass = np.trapezoid(found["kept"], found["margin"]) + found["atom"]
    assert mass == pytest.approx(1, abs=0.03)  # the density jumps at the atom
    assert np.trapezoid(found["dropped"], found["margin"]) == pytest.approx(1, abs=0.01)
    assert found["kept_cumulative"][-1] > 0.999
    everything = ANSWERS["margins"](Question(f=1.0), "quick")
    assert "dropped" not in everything.variables  # nothing is dropped, and there is no NaN
    smooth = ANSWERS["margins"](Question(student="square"), "quick")
    assert smooth["atom"] == 0
    assert "atom_margin" not in smooth.variables


def test_the_best_rule_comes_with_its_certificate() -> None:
    found = ANSWERS["best_rule"](Question())
    expected = optimal_policy(10.0, 0.3, Question().theta)
    assert found["error"] == expected.error
    assert found["gap"] == expected.gap
    assert list(zip(found["lower"], found["upper"], strict=True)) == expected.windows
    assert found["error"] <= min(found[f"{name}_error"] for name in ("hard", "easy", "random", "window")) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("point", {"alpha_tot": 100.0, "flip_probability": 0.1}, "not separable"),
        ("point", {"student": "square", "lam": 0.0, "f": 0.1}, r"SquareLoss\(0\) has no limit"),
        ("margins", {"seen": 0.5, "alpha_tot": 1.0}, "seen must be 1, got 0.5"),
        ("margins", {"student": "square", "lam": 0.0}, "lam > 0"),
        ("margins", {"student": "square", "rule": "random+weighted"}, "rules without weights"),
        ("best_rule", {"seen": 0.5}, "seen must be 1, got 0.5"),
        ("best_rule", {"student": "hinge", "lam": 0.0}, "lam > 0"),
        ("best_rule", {"f": 1.0}, "f must be below 1"),
        ("best_rule", {"alpha_tot": 100.0, "flip_probability": 0.1}, "not separable"),
    ],
)
def test_what_has_no_answer_is_said_in_one_line(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ANSWERS[name](replace(Question(), **changes))
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, TakesLongerError)


def test_random_wins_where_a_probe_that_knows_nothing_ranks() -> None:
    diagram = ANSWERS["phase_diagram"](Question(theta_deg=90.0), "quick")
    np.testing.assert_allclose(diagram["ratio"], 1, rtol=1e-10)  # by roundings another rule has the lowest error
    assert (diagram["winner"] == diagram["rule"].tolist().index("random")).all()


def test_what_takes_longer_comes_later_only_where_it_does() -> None:
    assert str(takes_longer("curves", "quick")) == "curves take longer than a moment: they come when the controls rest"
    assert "come" not in str(takes_longer("curves", "full"))


def test_students_that_do_not_exist_are_flagged() -> None:
    question = Question(alpha_tot=1.0, flip_probability=0.1, rule="proportional@1+trim@0.2")
    diagram = ANSWERS["phase_diagram"](replace(question, rule="hard"), "quick")
    exists = diagram["exists"]
    assert exists.any()
    assert not exists.all()
    np.testing.assert_array_equal(np.isnan(diagram["error"]), ~exists)
    np.testing.assert_array_equal(diagram["winner"] == -1, ~exists.any(axis=0))
    np.testing.assert_array_equal(np.isnan(diagram["ratio"]), ~diagram["has_ratio"])
    curves = ANSWERS["curves"](replace(question, rule="hard"), "quick")
    assert not curves["all_exists"][-1]
    assert np.all(np.isnan(curves["all_error"]) == ~curves["all_exists"])
    trimmed = ANSWERS["frontier"](replace(SQUARE, rule="proportional@1+trim@0.2"), "full")
    assert not trimmed["chosen_exists"][:, -1].any()  # f = 1 leaves nothing to trim
    assert trimmed["chosen_has_lowest"].all()
    at_one = ANSWERS["curves"](Question(student="square", lam=0.0, f=0.1), "full")
    assert (~at_one["chosen_exists"]).sum() == 1  # alpha_prune = 1, where |w| diverges
    assert "window" not in at_one["curves"]


def test_equal_questions_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    diagram = ANSWERS["phase_diagram"]
    first = diagram(SQUARE, "quick")

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    module = sys.modules["figures.explorer.answers.phase_diagram"]  # the name is the function's too
    monkeypatch.setattr(module, "errors_at", fail)
    again = diagram(replace(SQUARE, alpha_tot=33.0, f=0.7), "quick")  # on which it does not depend
    np.testing.assert_array_equal(first["error"], again["error"])
    assert again.config["alpha_tot"] == 33.0
    again.variables.clear()  # what one page does to its copy is not seen by another
    assert diagram(SQUARE, "quick").variables
    with pytest.raises(AssertionError, match="computed again"):
        diagram(replace(SQUARE, theta_deg=21.0), "quick")


def test_results_can_be_saved(tmp_path: object) -> None:
    for name, answer in ANSWERS.items():
        path = answer(SQUARE, "quick").save(f"{tmp_path}/{name}.nc")
        assert path.exists()


def test_a_slow_student_is_not_waited_for() -> None:
    with pytest.raises(TakesLongerError, match="logistic"):
        ANSWERS["phase_diagram"](Question(student="logistic", flip_probability=0.1), "quick")
    with pytest.raises(ValueError, match="detail must be one of quick, full, got 'some'"):
        ANSWERS["point"](Question(), "some")  # type: ignore[arg-type]


def test_no_slider_compiles_anything() -> None:
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    first = replace(SQUARE, rule="window@0.3")
    # a best rule of more windows than before has a program of its own
    names = [name for name in ANSWERS if name != "best_rule"]
    for name in names:
        ANSWERS[name](first, "quick")
        ANSWERS[name](replace(first, rule="hard"), "quick")
    compiled.clear()
    moves: tuple[dict[str, Any], ...] = (
        {"alpha_tot": 3.3},
        {"f": 0.71, "alpha_tot": 21.0},
        {"theta_deg": 41.0},
        {"lam": 3.0},
        {"flip_probability": 0.21},
        {"rule": "window@0.77"},
        {"rule": "hard", "alpha_tot": 7.0},
    )
    for changes in moves:
        for name in names:
            ANSWERS[name](replace(first, **changes), "quick")
    assert not compiled
    ANSWERS["point"](replace(first, theta_deg=0.0), "quick")  # a program of its own, which shows that the test can fail
    assert compiled


def test_warming_up_begins_with_the_question_and_can_be_stopped() -> None:
    asked = WarmUp(SQUARE)._questions
    assert {name for name, question in asked[: len(ANSWERS)] if question == SQUARE} == set(ANSWERS)
    assert {name for name, _ in asked} == set(ANSWERS)
    assert {question.student for _, question in asked} == set(STUDENTS)
    thread = warm_up(SQUARE)
    thread.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert thread.done < thread.total
