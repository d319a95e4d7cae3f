"""All students, labels and rules: theory against simulation."""

import numpy as np
import pytest
from scipy.stats import ncx2

from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepPolicy,
    KeepWindow,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
    solve,
)
from simulations import Point, validate

N, NUM_TRIALS = 200, 40
FALSE_ALARM = 1e-4  # of each chi-square; the seed is fixed, so a test that passes goes on passing
FINITE_N_SHIFT = 0.5 / N  # relative shift of the errors, measured; it is allowed for

THETA = np.deg2rad(20)
HARD, WINDOW = KeepHard(0.5), KeepWindow(0.2, 0.7)
POLICY = KeepPolicy([0, 0.3, 0.7, 1], [0.4, 0.8, 0.2])
BY_LABEL = KeepByLabel(KeepWindow(0.1, 0.6), KeepEasy(0.5))
CLEAN, FLIPPED = Labels(), Labels(0.1)
IMPERFECT = Labels(0.0, np.deg2rad(25), np.deg2rad(30))
BOTH = Labels(0.1, np.deg2rad(25), np.deg2rad(30))

# 400 of 800 examples are kept wherever the rule fixes their number, and cases are chosen such that few programs of
# theory and simulation serve them all: compiling takes most of the time
STUDENTS = {
    "square": (SquareLoss(0.1), [(WINDOW, FLIPPED), (BY_LABEL, BOTH), (POLICY, IMPERFECT)]),
    "minimum norm": (SquareLoss(0), [(WINDOW, BOTH), (POLICY, CLEAN)]),
    "logistic": (LogisticLoss(0.05), [(WINDOW, FLIPPED), (BY_LABEL, FLIPPED), (HARD, IMPERFECT)]),
    "hinge": (HingeLoss(0.2), [(WINDOW, BOTH), (BY_LABEL, FLIPPED), (POLICY, CLEAN)]),
    # with one label in ten flipped, two examples per parameter are still separable
    "max-margin": (MaxMargin(), [(WINDOW, IMPERFECT), (BY_LABEL, CLEAN), (HARD, FLIPPED)]),
}


def points(name: str) -> list[Point]:
    student, cases = STUDENTS[name]
    return [Point(4.0, keep, THETA, N, NUM_TRIALS, student, labels) for keep, labels in cases]


def noncentral_p_value(result, shift: float) -> float:
    """Probability of a larger chi-square if the expectations are off by ``shift`` of themselves."""
    off = np.sum((shift * result.theory / result.standard_error) ** 2)
    return float(ncx2.sf(result.chi_square, result.z.size, off))


@pytest.mark.parametrize("name", STUDENTS)
def test_students_agree_with_the_theory(name):
    result = validate(points(name), seed=11)
    assert noncentral_p_value(result, FINITE_N_SHIFT) > FALSE_ALARM, result.z
    assert np.all(result.standard_error < 0.02 * result.theory)  # it was a test: one to two per cent would be seen
    # what a rule by label keeps is a random number; the theory knows its mean
    for point, (simulation,) in zip(result.points, result.simulations, strict=True):
        if point.keep is BY_LABEL:
            fraction = solve(point.alpha_tot, point.keep, point.theta, student=point.student, labels=point.labels)
            # a sum of 800 numbers of 0 or 1, each of variance 1/4 at most
            assert abs(simulation.fraction - fraction.fraction) < 4.5 * 0.5 / np.sqrt(800 * NUM_TRIALS)


def test_a_wrong_theory_would_be_seen():
    """The same simulations against the theory of other flips, another lambda, another truth."""
    result = validate(points("square"), seed=11)
    by_label, wider = KeepByLabel(KeepWindow(0.1, 0.6), KeepEasy(0.2)), Labels(0.0, np.deg2rad(25), np.deg2rad(45))
    wrong = [
        solve(4.0, WINDOW, THETA, student=SquareLoss(0.1), labels=Labels(0.05)).error,
        solve(4.0, by_label, THETA, student=SquareLoss(0.1), labels=BOTH).error,
        solve(4.0, POLICY, THETA, student=SquareLoss(0.1), labels=wider).error,
    ]
    assert np.all(np.abs(result.mean - wrong) > 4.5 * result.standard_error)
    other = solve(4.0, POLICY, THETA, student=SquareLoss(1.0), labels=IMPERFECT).error
    assert abs(result.mean[2] - other) > 4.5 * result.standard_error[2]
