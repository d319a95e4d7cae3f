"""The best rule: each half of the seeds judges what the other chooses."""

import numpy as np
import pytest
from test_best_window import results_of

from real_data.findings.best_choice import benchmark_table, judge_rules

RULES = ("hard", "coverage@0.1", "rs2", "random")


def test_each_half_judges_what_the_other_chooses():
    """Even seeds (0, 2) find hard best, odd ones (1, 3) coverage: errors are those of the half that did not choose."""
    errors = [[[[0.1, 0.4, 0.1, 0.6]], [[0.2, 0.3, 0.2, 0.3]], [[0.0, 0.0, 0.0, 0.0]], [[0.3, 0.5, 0.3, 0.5]]]]
    (verdict,) = judge_rules(results_of(errors, rules=RULES))
    assert verdict.chosen == ("hard", "coverage@0.1")
    assert verdict.rule == "hard, coverage@0.1"
    assert verdict.error == pytest.approx(np.mean([0.2, 0.4, 0.2, 0.6]))  # coverage on 0 and 2, hard on 1 and 3
    gains = np.array([0.1, 0.1, 0.1, -0.1])
    assert verdict.over["random"].mean == pytest.approx(gains.mean())
    # Student's t of three degrees of freedom at 98.5 %: 3.896
    half_width = 3.8960 * gains.std(ddof=1) / 2
    assert verdict.over["random"].half_width == pytest.approx(half_width, rel=1e-3)
    assert verdict.over["random"].verdict == "level"
    # all errs half as much as random in these results
    assert verdict.errors["all"] == pytest.approx(0.2)
    assert verdict.gap_closed == pytest.approx((0.4 - 0.35) / 0.2)


def test_baselines_are_not_chosen_and_must_be_there():
    (verdict,) = judge_rules(results_of(np.full((1, 4, 1, 4), 0.1), rules=RULES), candidates=["coverage@0.1"])
    assert verdict.chosen == ("coverage@0.1", "coverage@0.1")
    with pytest.raises(ValueError, match="random and rules to choose from are needed"):
        judge_rules(results_of(np.full((1, 2, 1, 4), 0.1), rules=("rs2", "random")))
    with pytest.raises(ValueError, match="at least four seeds are needed"):
        judge_rules(results_of(np.full((1, 4, 1, 3), 0.1), rules=RULES))


def test_verdicts_hold_their_level():
    """Where all rules are equally good, better or worse is said in 5 % of cases, though halves are not independent.

    1,500 experiments of 12 seeds and 16 rules: outside 5 % +- 2.3 % with probability below 1e-4 (binomial).
    """
    rng = np.random.default_rng(1)
    rules = (*(f"window@{i / 20}" for i in range(16)), "random")
    results = results_of(0.2 + 0.02 * rng.standard_normal((1500, 17, 1, 12)), np.arange(1500) + 1, rules=rules)
    verdicts = [verdict.over["random"].verdict for verdict in judge_rules(results)]
    assert abs(np.mean(np.array(verdicts) != "level") - 0.05) < 0.023


def test_the_table_says_what_was_chosen():
    errors = 0.2 + 0.02 * np.random.default_rng(0).standard_normal((1, 4, 1, 6))
    errors[:, 1] -= 0.1
    text = benchmark_table(results_of(errors, rules=RULES))
    assert "each half of the 6 seeds chooses a rule, which the other judges" in text
    assert "coverage@0.1" in text.splitlines()[2]
    assert "(better)" in text.splitlines()[2]
    assert "The same with windows of rank alone:" in text
    assert text.endswith("Ahead of random beyond the 95 % interval in 1 of 1 cells, level in 0, behind in 0.")
