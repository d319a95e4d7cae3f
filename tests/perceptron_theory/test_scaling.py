"""Scaling exponents, and where the exponential fall of the frontier turns into a power law."""

import numpy as np
import pytest

from perceptron_theory import HingeLoss, KeepHard, KeepRandom, Labels, LogisticLoss, MaxMargin, solve
from perceptron_theory.derivatives import exponential_to_power_law, scaling_exponent


@pytest.mark.parametrize("student", [MaxMargin(), LogisticLoss(0.1)])
def test_exponent_is_the_slope_on_double_logarithmic_paper(student):
    """Central differences of step 1e-3: good to 1e-6 of the curvature, and rounding of 1e-12 / 1e-3."""
    alpha_tot, keep, theta = np.array([2.0, 7.0]), KeepHard(0.3), 0.3
    found = scaling_exponent(alpha_tot, keep, theta, student=student)

    def log_error(factor):
        return np.log(solve(alpha_tot * factor, keep, theta, student=student).error)

    step = 1e-3
    slope = -(log_error(np.exp(step)) - log_error(np.exp(-step))) / (2 * step)
    np.testing.assert_allclose(found, slope, rtol=1e-5)


def test_all_data_follow_the_power_law_of_exponent_one():
    """f = 1: error = C / alpha (1 + O(alpha^-2)), Sorscher et al. 2022."""
    assert scaling_exponent(1e3, KeepRandom(1.0), 0.0) == pytest.approx(1, abs=1e-5)


def test_the_turn_moves_to_larger_errors_as_the_probe_gets_worse():
    """The better the probe the steeper the fall, just above the 2 kept examples per parameter where it can begin."""
    turns = [exponential_to_power_law(np.radians(degrees)) for degrees in (5, 20)]
    assert turns[0].exponent > 2 * turns[1].exponent > 2
    assert all(2 < turn.alpha_prune < 4 for turn in turns)
    assert turns[0].fraction < turns[1].fraction


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scaling_exponent(5, KeepHard(0.5), 0.1, student=HingeLoss(0.0)), "lam must be positive"),
        (lambda: scaling_exponent(5, KeepHard(0.5), 0.1, labels=Labels(0, 0.1, 0.2)), "against the teacher"),
        (lambda: exponential_to_power_law(0.0), "theta is in radians"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
