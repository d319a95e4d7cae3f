"""Students that see a part of features of equal variance: known values, limits, derivatives, thresholds, refusals."""

import jax
import numpy as np
import pytest

from data_pruning.compilation import quickly_compiled
from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepProportional,
    KeepRandom,
    KeepWeighted,
    KeepWindow,
    Labels,
    LogisticLoss,
    MaxMargin,
    SeenFeatures,
    SquareLoss,
    scaling_exponent,
    separability_threshold,
    solve,
)

STUDENTS = [MaxMargin(), SquareLoss(0.1), LogisticLoss(0.1), HingeLoss(0.1)]

# fraction, alpha_tot, window, degrees (to the seen teacher where the probe sees what the student sees), probe, student,
# flips, error: a solver of its own, with plain quadrature and SciPy's root finder
REFERENCES = [
    (0.5, 4, (0.0, 0.5), 20, "all", SquareLoss(0.3), 0.0, 0.4072566),
    (0.5, 4, (0.5, 1.0), 20, "all", SquareLoss(0.3), 0.0, 0.3308980),
    (0.7, 6, (0.0, 0.3), 20, "all", LogisticLoss(0.1), 0.0, 0.4057974),
    (0.7, 6, (0.7, 1.0), 20, "all", LogisticLoss(0.1), 0.0, 0.2537813),
    (0.7, 6, (0.4, 0.7), 20, "all", LogisticLoss(0.1), 0.1, 0.3289362),
    (0.5, 4, (0.0, 0.5), 20, "seen", SquareLoss(0.3), 0.0, 0.4051431),
    (0.7, 6, (0.0, 0.3), 20, "seen", LogisticLoss(0.1), 0.0, 0.4278158),
    (0.7, 6, (0.4, 0.7), 10, "seen", LogisticLoss(0.1), 0.0, 0.2881685),
    (0.9, 8, (0.0, 0.25), 10, "seen", SquareLoss(0.1), 0.0, 0.3162054),
]


@pytest.mark.parametrize(("fraction", "alpha", "window", "degrees", "probe", "student", "eta", "error"), REFERENCES)
def test_reference_points(fraction, alpha, window, degrees, probe, student, eta, error):
    theta = np.deg2rad(degrees)
    if probe == "seen":
        theta = np.arccos(np.cos(theta) * np.sqrt(fraction))
    found = solve(
        alpha,
        KeepWindow(*window),
        theta,
        student=student,
        labels=Labels(eta),
        features=SeenFeatures(fraction, probe),
    )
    assert found.error == pytest.approx(error, abs=6e-8)


@pytest.mark.parametrize("probe", ["all", "seen"])
@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_all_features_seen(student, probe):
    """Today's results to 1e-13, whatever the rule."""
    labels = Labels(0.0 if student == MaxMargin() else 0.1)
    soft = [KeepProportional(0.5, 1.0), KeepWeighted(KeepProportional(0.5, 0.5))] if student == SquareLoss(0.1) else []
    for keep in (KeepHard(0.3), KeepByLabel(KeepEasy(0.4)), *soft):
        plain, seen = (
            solve(2.0, keep, 0.4, student=student, labels=labels, features=features)
            for features in (None, SeenFeatures(1.0, probe))
        )
        for name in ("error", "teacher_overlap", "probe_overlap", "norm"):
            assert getattr(seen, name) == pytest.approx(getattr(plain, name), rel=1e-13)


@pytest.mark.parametrize("keep", [KeepHard(0.5), KeepEasy(0.5), KeepWindow(0.3, 0.8)], ids=str)
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_largest_margin_is_the_limit_of_the_hinge_loss(keep, fraction):
    features = SeenFeatures(fraction)
    margin = solve(1.5, keep, 0.35, features=features)
    hinge = solve(1.5, keep, 0.35, student=HingeLoss(1e-7), features=features)
    assert hinge.error == pytest.approx(margin.error, rel=1e-12)
    assert hinge.norm == pytest.approx(1 / margin.margin, rel=1e-11)


@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_random_examples_do_not_ask_the_probe(student):
    errors = solve(1.8, KeepRandom(0.7), np.array([0.0, 0.5, 1.5]), student=student, features=SeenFeatures(0.6)).error
    np.testing.assert_allclose(errors, errors[0], rtol=1e-12)


def test_seeing_less_is_knowing_less():
    """Down to a coin toss; what is never learned is the angle between the teacher and its part that is seen."""
    fraction = np.array([1.0, 0.9, 0.5, 0.1, 1e-3, 1e-6])
    errors = solve(3.0, KeepRandom(1.0), 0.0, student=LogisticLoss(0.5), features=SeenFeatures(fraction)).error
    assert np.all(np.diff(errors) > 0)
    assert errors[-1] == pytest.approx(0.5, abs=1e-3)
    many = solve(1e5, KeepRandom(1.0), 0.0, student=LogisticLoss(0.5), features=SeenFeatures(fraction[1:4])).error
    np.testing.assert_allclose(many, np.arccos(np.sqrt(fraction[1:4])) / np.pi, rtol=1e-4)


CASES = [(student, "all", 0.4) for student in STUDENTS if student != LogisticLoss(0.1)]
CASES += [(MaxMargin(), "seen", 0.9), (HingeLoss(0.1), "seen", 0.9), (SquareLoss(0.1), "all", 0.0)]


@pytest.mark.parametrize(("student", "probe", "theta"), CASES, ids=str)
def test_derivatives_against_differences(student, probe, theta):
    """By the part seen, alpha_tot, theta (from 0 there is one side only) and lambda."""
    keep, h = KeepWindow(0.2, 0.7), 1e-5

    def error(numbers):
        fraction, alpha, angle, lam = numbers
        who = student if student == MaxMargin() else type(student)(lam)
        features = SeenFeatures(fraction, probe)
        return solve(alpha, keep, angle if theta else 0.0, student=who, features=features).error

    at = np.array([0.6, 1.2 if student == MaxMargin() else 4.0, theta, 0.1])
    with jax.enable_x64(True):
        slopes = np.asarray(quickly_compiled(cheap=True)(jax.jacfwd(error))(at))
    for i in (0, 1, 2, 3) if theta else (0, 1, 3):
        ends = [error(at + step * (np.arange(4) == i)) for step in (-h, h)]
        assert slopes[i] == pytest.approx((ends[1] - ends[0]) / (2 * h), rel=1e-7, abs=1e-12)
    exponent = scaling_exponent(at[1], keep, theta, student=student, features=SeenFeatures(0.6, probe))
    assert exponent == pytest.approx(-at[1] * slopes[1] / error(at), rel=1e-9)


def test_derivative_where_all_is_seen():
    """From below: what the first hidden feature costs."""

    def error(fraction):
        features = SeenFeatures(fraction, "seen")
        return solve(4.0, KeepHard(0.5), 0.4, student=SquareLoss(0.1), features=features).error

    with jax.enable_x64(True):
        slope = float(quickly_compiled(cheap=True)(jax.grad(error))(1.0))
    assert slope < -0.1
    assert slope == pytest.approx((3 * error(1.0) - 4 * error(1 - 1e-5) + error(1 - 2e-5)) / 2e-5, rel=1e-6)


def test_a_traced_probe_that_cannot_be_is_nan():
    def error(theta, fraction):
        features = SeenFeatures(fraction, "seen")
        return solve(2.0, KeepHard(0.3), theta, student=SquareLoss(0.1), features=features).error

    with jax.enable_x64(True):
        traced = jax.jit(error)
        assert float(traced(0.9, 0.5)) == pytest.approx(error(0.9, 0.5), rel=1e-12)
        assert np.isnan(traced(0.2, 0.5))
        assert np.isnan(traced(0.9, 1.5))
    nearest = np.float32(np.arccos(np.sqrt(0.3)))  # in single precision a little too near
    assert error(nearest, 0.3) == pytest.approx(error(np.arccos(np.sqrt(0.3)), 0.3), rel=1e-5)


def test_separability():
    """2 examples per parameter where nothing of the teacher is seen (Cover), without limit where all of it is."""
    fraction = np.array([1.0, 0.999, 0.9, 0.5, 0.1, 1e-4])
    threshold = separability_threshold(KeepHard(0.5), 0.35, features=SeenFeatures(fraction))
    assert threshold[0] == np.inf
    assert np.all(np.diff(threshold) < 0)
    assert threshold[-1] == pytest.approx(2.0, abs=1e-4)
    noisy = separability_threshold(KeepHard(0.5), 0.35, Labels(0.1), SeenFeatures(fraction[1:]))
    assert np.all(noisy < threshold[1:])


@pytest.mark.parametrize("labels", [Labels(), Labels(0.1)], ids=str)
@pytest.mark.parametrize("probe", ["all", "seen"])
def test_no_margin_is_left_at_the_threshold(labels, probe):
    features = SeenFeatures(0.8, probe)
    threshold = separability_threshold(KeepWindow(0.1, 0.5), 0.6, labels, features)
    alpha = threshold * np.array([0.9, 0.99, 0.999])
    margin = solve(alpha / 0.4, KeepWindow(0.1, 0.5), 0.6, labels=labels, features=features).margin
    np.testing.assert_allclose(margin / margin[0], [1, 0.1, 0.01], rtol=0.12)  # it falls in proportion to the distance
    with pytest.raises(ValueError, match=r"not separable.*is not below the threshold"):
        solve(1.001 * threshold / 0.4, KeepWindow(0.1, 0.5), 0.6, labels=labels, features=features)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, np.nan, [0.5, 2.0]])
def test_fractions_out_of_range(fraction):
    with pytest.raises(ValueError, match="fraction"):
        SeenFeatures(fraction)


def test_other_mistakes():
    with pytest.raises(ValueError, match=r"probe must be .*got 'some'"):
        SeenFeatures(0.5, "some")
    with pytest.raises(TypeError, match=r"features must be SeenFeatures\(\.\.\.\), PowerLawFeatures\(\.\.\.\) or None"):
        solve(1.0, KeepHard(0.5), 0.3, features=0.5)
    with pytest.raises(
        ValueError, match=r"fraction 0\.5 of the features is at least 0\.785398.* radians.*theta = 0\.3"
    ):
        solve(1.0, KeepHard(0.5), np.array([1.0, 0.3]), features=SeenFeatures(0.5, "seen"))
    with pytest.raises(ValueError, match=r"shapes do not broadcast.*features \(2,\)"):
        solve(np.ones(3), KeepHard(0.5), 0.3, features=SeenFeatures([0.5, 0.6]))
