"""Importance weights and soft rules in simulations: certificates, and the theory as judge."""

import jax
import numpy as np
import pytest

from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepCoverage,
    KeepHard,
    KeepMixture,
    KeepPolicy,
    KeepProportional,
    KeepWeighted,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
)
from simulations import Point, simulate, validate
from simulations.students.solvers import solver_of

STUDENTS = [SquareLoss(0.1), SquareLoss(0.0), LogisticLoss(0.1), HingeLoss(0.1)]
POLICY = KeepPolicy([0, 0.3, 1], [0.8, 0.1])


@pytest.mark.parametrize("student", STUDENTS, ids=str)
@pytest.mark.parametrize("num_features", [6, 40])
def test_a_weight_of_two_is_the_example_twice(student, num_features):
    """And rows of zeros are no examples, whatever their weight."""
    rng = np.random.default_rng(0)
    examples = rng.normal(size=(20, num_features)) / np.sqrt(num_features) + 0.3
    times = rng.integers(1, 4, 20)
    fit, lam = solver_of(student)
    padded, weights = np.pad(examples, ((0, 4), (0, 0))), np.pad(times.astype(float), (0, 4), constant_values=7.0)
    with jax.enable_x64(True):
        weighted = jax.jit(fit)(padded, lam, weights)
        repeated = jax.jit(fit)(np.repeat(examples, times, axis=0), lam)
        weighted, repeated = (jax.tree.map(np.asarray, found) for found in (weighted, repeated))
    one, other = weighted.weights, repeated.weights
    assert weighted.gap < 1e-10
    np.testing.assert_allclose(one / np.linalg.norm(one), other / np.linalg.norm(other), atol=3e-6)
    np.testing.assert_allclose(weighted.margin, repeated.margin, atol=1e-5)


@pytest.mark.parametrize("student", [LogisticLoss(0.1), HingeLoss(0.1)], ids=str)
def test_weights_move_the_student(student):
    """By far more than the certificate leaves open."""
    rng = np.random.default_rng(1)
    examples, weights = rng.normal(size=(30, 5)) / np.sqrt(5) + 0.3, rng.uniform(0.5, 2, 30)
    fit, lam = solver_of(student)
    with jax.enable_x64(True):
        found = jax.jit(fit)(examples, lam, weights), jax.jit(fit)(examples, lam)
        right, plain = (jax.tree.map(np.asarray, each) for each in found)
    one, other = right.weights, plain.weights
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert 1 - cosine > 1e-5  # weights matter here
    assert right.gap < 1e-12


@pytest.mark.parametrize("student", [MaxMargin(), SquareLoss(0.1), LogisticLoss(0.1), HingeLoss(0.1)], ids=str)
def test_power_zero_changes_no_bit(student):
    plain, weighted = (
        simulate(4.0, rule, 0.35, num_features=30, num_trials=4, student=student)
        for rule in (POLICY, KeepWeighted(POLICY, 0.0))
    )
    np.testing.assert_array_equal(plain.errors, weighted.errors)


def test_a_margin_has_no_weights():
    plain = simulate(4.0, POLICY, 0.35, num_features=30, num_trials=4)
    with pytest.warns(UserWarning, match=r"MaxMargin\(\) ignores the weights"):
        weighted = simulate(4.0, KeepWeighted(POLICY), 0.35, num_features=30, num_trials=4)
    np.testing.assert_array_equal(plain.errors, weighted.errors)


def test_against_theory():
    """Rejected by chance once in 10,000 times: p above 1e-4 about a common shift of order 1/N."""
    rules = [
        KeepProportional(0.3, 1.0),
        KeepProportional(0.3, 1.0, 0.2),
        KeepCoverage(0.3, 0.1),
        KeepMixture(KeepHard(0.3), 0.5),
    ]
    points = [Point(6.0, rule, 0.2, num_features=(100,), num_trials=60) for rule in rules]
    for student in (SquareLoss(0.1), LogisticLoss(0.1), HingeLoss(0.1)):
        noisy = Labels(0.1 if student == HingeLoss(0.1) else 0.0)
        for rule, power in ((KeepProportional(0.3, 1.0), 1.0), (POLICY, 0.5)):
            keep = KeepWeighted(rule, power)
            points.append(Point(6.0, keep, 0.35, num_features=(100,), num_trials=60, student=student, labels=noisy))
    by_label = KeepByLabel(KeepPolicy([0, 0.4, 1], [0.6, 0.2]), KeepPolicy([0, 0.4, 1], [0.3, 0.9]), 1.0)
    points.append(Point(6.0, by_label, 0.5, num_features=(100,), num_trials=60, student=SquareLoss(0.1)))
    found = validate(points)
    assert found.p_value_about_shift > 1e-4
    assert abs(found.shift) < 0.02
