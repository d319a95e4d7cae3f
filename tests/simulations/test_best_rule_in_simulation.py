"""The best rules of the theory at finite N: the errors predicted, and better than hard, easy and random."""

import numpy as np
from scipy.stats import chi2

from perceptron_theory import KeepEasy, KeepHard, KeepPolicy, SquareLoss
from simulations import Point, validate

# alpha_tot, theta in degrees, windows of the best rule (tests/perceptron_theory/test_optimal_policy.py), student
WINDOW = KeepPolicy([0, 0.448, 0.648, 1], [0, 1, 0])
THIN_WINDOW = KeepPolicy([0, 0.148, 0.248, 1], [0, 1, 0])
UNION = KeepPolicy([0, 0.5553, 0.7842, 0.792, 1], [1, 0, 1, 0])


def test_best_rules_hold_up():
    """Chi-square about the common finite-N shift of 4 points, 3 degrees of freedom; false alarm 1e-4.

    And the best rule is better than hard and easy by more than five standard errors, where the theory's gaps are
    more than ten: false alarm below 1e-6.
    """
    points = [
        Point(10.0, WINDOW, 0.0, 200, 60),
        Point(50.0, THIN_WINDOW, np.radians(20), 200, 60),
        Point(10.0, KeepHard(0.2), 0.0, 200, 60),
        Point(10.0, KeepEasy(0.2), 0.0, 200, 60),
    ]
    found = validate(points, seed=5)
    assert found.p_value_about_shift > 1e-4
    assert abs(found.shift) < 5 * found.shift_error + 1 / 200
    spread = np.hypot(found.standard_error[0], found.standard_error[2:])
    assert np.all(found.mean[2:] - found.mean[0] > 5 * spread)


def test_a_union_of_windows_beats_its_best_window():
    """Ridge student, two windows against keep-hard, the best single one: theory 0.02982 against 0.03009.

    What is tested is agreement with the theory, shifted by the 0.5/N of finite N: chi-square with 2 degrees of
    freedom, false alarm 1e-4.
    """
    theta, student = np.radians(20), SquareLoss(0.1)
    points = [Point(35.8, keep, theta, 200, 100, student=student) for keep in (UNION, KeepHard(0.563))]
    found = validate(points, seed=6)
    corrected = found.z + 0.5 / 200 * found.theory / found.standard_error
    assert corrected @ corrected < chi2.isf(1e-4, 2)
