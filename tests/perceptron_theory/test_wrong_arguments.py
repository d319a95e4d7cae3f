"""Wrong arguments of the theory: each error names the argument, and nothing is cast or lost in silence."""

import numpy as np
import pytest

from data_pruning import keep_rule
from perceptron_theory import (
    KeepEasy,
    KeepHard,
    KeepRule,
    KeepWindow,
    SquareLoss,
    best_window,
    exponential_to_power_law,
    optimal_policy,
    pareto_frontier,
    scaling_exponent,
    signed_margin_window,
    solve,
    value_function,
)

MASKED = np.ma.masked_array([1.0, 2.0], [False, True])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: solve(MASKED, KeepHard(0.3), 0.2), ValueError, "alpha_tot must have no masked entries"),
        (lambda: solve(5, KeepHard(MASKED / 10), 0.2), ValueError, "f must have no masked entries"),
        (lambda: solve([1, [2, 3]], KeepHard(0.3), 0.2), ValueError, "alpha_tot must be a number or an array of one"),
        (lambda: solve(5 + 1j, KeepHard(0.3), 0.2), TypeError, "alpha_tot must be a real number"),
        (lambda: solve(5, KeepHard(0.3), 20), ValueError, r"theta is in radians .* did you mean np.deg2rad\(20\)"),
        (lambda: solve(5, KeepHard(0.3), "a"), TypeError, "theta must be a real number"),
        (lambda: KeepWindow([0.1, 0.2], [0.3, 0.4, 0.5]), ValueError, r"lower \(2,\), upper \(3,\)"),
        (lambda: KeepRule(), TypeError, "abstract class KeepRule"),
        (lambda: keep_rule(5, 0.5), TypeError, "the name of a keep rule must be a string, got 5"),
        (lambda: best_window("a", 0.2, 0.1), TypeError, "alpha_tot must be a real number"),
        (lambda: best_window([5, 6], [0.1, 0.2, 0.3], 0.1), ValueError, r"alpha_tot \(2,\), f \(3,\), theta \(\)"),
        (lambda: signed_margin_window("a", 0.5, 0.3), TypeError, "lower must be a real number"),
        (lambda: signed_margin_window(0.1, 0.5, [0.3, 0.4]), ValueError, "theta must be one number"),
        (lambda: exponential_to_power_law("a"), TypeError, "theta must be a real number"),
        (lambda: pareto_frontier(5, 0.1, f_min="a"), TypeError, "f_min must be a number"),
        (lambda: optimal_policy(5, 0.3, 0.1, tolerance="a"), TypeError, "tolerance must be a number"),
        (lambda: optimal_policy(5, 0.3, 0.1, tolerance=np.inf), ValueError, "tolerance must lie in"),
        (lambda: value_function(5, 0.3, 0.1), TypeError, "keep must be a keep rule"),
        (lambda: solve(5, KeepHard(0.3), 0.2, student=SquareLoss("a")), TypeError, "lam must be a real number"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_right_angle_in_any_precision_is_one():
    expected = solve(5, KeepHard(0.3), np.pi / 2).error
    for theta in (np.float32(np.pi / 2), np.nextafter(np.pi / 2, 4)):
        assert solve(5, KeepHard(0.3), theta).error == expected


def test_a_perfect_probe_beside_an_imperfect_one_changes_nothing():
    """Each as it is alone; the first was NaN once."""
    keep = KeepEasy([0.0113, 0.3])
    found = scaling_exponent([2.307, 5.0], keep, [0.0, 0.3])
    alone = [scaling_exponent(2.307, KeepEasy(0.0113), 0.0), scaling_exponent(5.0, KeepEasy(0.3), 0.3)]
    np.testing.assert_allclose(found, alone, rtol=1e-12)
    assert found[0] == pytest.approx(0.17207778655, rel=1e-9)
