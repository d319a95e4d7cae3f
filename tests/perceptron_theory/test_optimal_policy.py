"""The best keep rule: known optima, the value function, and certificates that can be wrong."""

import numpy as np
import pytest

from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepPolicy,
    KeepWindow,
    MaxMargin,
    SquareLoss,
    best_window,
    optimal_frontier,
    solve,
    value_function,
)
from perceptron_theory.best_rule import _Search, optimal_policy
from perceptron_theory.labels import Labels

# alpha_tot, f, theta in degrees; error and lower rank of the best window, found independently by a scan over windows
KNOWN = [
    (10.0, 0.2, 0, 0.06148, 0.448),
    (20.0, 0.1, 0, 0.03897, 0.486),
    (50.0, 0.1, 20, 0.04897, 0.148),
    (5.0, 0.4, 30, 0.17124, 0.254),
]
TWO_WINDOWS = 35.8, 0.563, np.radians(20), SquareLoss(0.1)


@pytest.mark.parametrize(("alpha_tot", "f", "degrees", "error", "lower"), KNOWN)
def test_known_optima(alpha_tot, f, degrees, error, lower):
    best = optimal_policy(alpha_tot, f, np.radians(degrees))
    assert best.is_window
    assert best.error == pytest.approx(error, abs=1e-5)
    assert best.windows[0][0] == pytest.approx(lower, abs=1e-3)
    assert abs(best.gap) < 1e-9
    assert best.policy.fraction == pytest.approx(f, rel=1e-9)
    assert best.error == pytest.approx(solve(alpha_tot, best.policy, np.radians(degrees)).error, rel=1e-12)
    assert best.error < min(best.hard_error, best.easy_error, best.random_error)


def test_no_window_of_a_fine_scan_is_better():
    """With two local minima, near rank 0.15 and near 0.84 (DESIGN: local searches end in either)."""
    alpha_tot, f, theta = 50.0, 0.1, np.radians(20)
    a, error = best_window(alpha_tot, f, theta)
    lower = np.linspace(0, 0.9, 901)
    scanned = solve(alpha_tot, KeepWindow(lower, np.minimum(lower + f, 1.0)), theta).error
    assert error <= scanned.min() * (1 + 1e-12)
    assert error == pytest.approx(scanned.min(), rel=1e-3)
    minima = np.flatnonzero((scanned[1:-1] < scanned[:-2]) & (scanned[1:-1] < scanned[2:])) + 1
    assert minima.size >= 2
    assert lower[minima[0]] == pytest.approx(a, abs=2e-3)


@pytest.mark.parametrize(
    ("keep", "degrees", "student"),
    [
        (KeepWindow(0.1, 0.4), 20, MaxMargin()),
        (KeepWindow(0.4, 0.7), 0, MaxMargin()),
        (KeepWindow(0.1, 0.4), 20, SquareLoss(0.1)),
    ],
)
def test_value_is_the_derivative(keep, degrees, student):
    """Against central differences in the probability of one cell of a policy, at fixed alpha_tot."""
    alpha_tot, theta = 12.0, np.radians(degrees)
    edges = np.array([0.0, 0.1, 0.4, 0.7, 1.0])
    middle = (edges[1:] + edges[:-1]) / 2
    base = 0.5 * keep(middle) + 0.25  # inside (0, 1), so that both signs are allowed
    policy = KeepPolicy(edges, base)
    _, value = value_function(alpha_tot, policy, theta, ranks=edges, student=student)

    step = 1e-4
    up, down = (KeepPolicy(edges, base + sign * step * np.eye(base.size)) for sign in (1, -1))
    error = [solve(alpha_tot, changed, theta, student=student).error for changed in (up, down)]
    numerical = -(np.log(error[0]) - np.log(error[1])) / (2 * step) / np.diff(edges)
    np.testing.assert_allclose(value, numerical, rtol=1e-5, atol=1e-6)


def test_value_is_the_derivative_of_the_error_against_the_truth():
    """With labels from an imperfect generator what counts is the error against the truth, not against the generator."""
    alpha_tot, theta, student, labels = 12.0, 0.4, SquareLoss(0.1), Labels(0.0, 0.5, 0.3)
    edges, base, step = np.array([0.0, 0.2, 0.5, 1.0]), np.array([0.7, 0.5, 0.3]), 1e-4
    _, value = value_function(alpha_tot, KeepPolicy(edges, base), theta, ranks=edges, student=student, labels=labels)
    up, down = (KeepPolicy(edges, base + sign * step * np.eye(3)) for sign in (1, -1))
    error = [solve(alpha_tot, changed, theta, student=student, labels=labels).error for changed in (up, down)]
    numerical = -(np.log(error[0]) - np.log(error[1])) / (2 * step) / np.diff(edges)
    np.testing.assert_allclose(value, numerical, rtol=1e-5, atol=1e-6)


def test_a_rule_that_is_not_best_has_a_gap_that_can_be_cashed():
    """The step towards the rule that the gap comes from lowers log(error) by the gap, to first order."""
    alpha_tot, f, theta = 10.0, 0.2, 0.0
    problem = _Search(alpha_tot, theta, MaxMargin(), Labels())
    certificate = problem.certify(np.array([0.0]), np.array([f]), f)
    assert certificate.gap > 0.01
    width = np.diff(certificate.ranks)
    order = np.argsort(-certificate.value)
    taken = np.clip(f - np.concatenate([[0], np.cumsum(width[order])[:-1]]), 0, width[order])
    better = np.zeros_like(width)
    better[order] = taken / width[order]
    hard = (certificate.ranks[1:] <= f + 1e-12).astype(float)
    step = 1e-4
    error = [
        solve(alpha_tot, KeepPolicy(certificate.ranks, np.clip((1 - t) * hard + t * better, 0, 1)), theta).error
        for t in (0, step)
    ]
    assert np.log(error[0] / error[1]) / step == pytest.approx(certificate.gap, rel=1e-2)


def test_where_no_window_is_best_a_union_is_found():
    alpha_tot, f, theta, student = TWO_WINDOWS
    best = optimal_policy(alpha_tot, f, theta, student=student)
    assert not best.is_window
    assert len(best.windows) == 2
    assert best.error < 0.992 * best.window_error
    assert abs(best.gap) < 1e-8
    assert best.error == pytest.approx(solve(alpha_tot, best.policy, theta, student=student).error, rel=1e-9)
    # no other rule of the same fraction nearby is better: 40 random exchanges of 1 % of the data
    rng = np.random.default_rng(0)
    edges = np.unique(np.concatenate([np.linspace(0, 1, 41), np.ravel(best.windows)]))
    width = np.diff(edges)
    base = best.policy((edges[1:] + edges[:-1]) / 2)
    rules = []
    for _ in range(40):
        change = rng.uniform(0, 1, width.size) * np.where(base > 0, -1.0, 1.0)
        less, more = change < 0, change > 0
        change[less] *= 0.01 / -np.sum(change[less] * width[less])
        change[more] *= 0.01 / np.sum(change[more] * width[more])
        rules.append(base + change)
    errors = solve(alpha_tot, KeepPolicy(edges, np.array(rules)), theta, student=student).error
    assert np.all(errors > best.error)


def test_the_frontier_over_all_rules_lies_below_those_of_single_rules():
    fractions = np.array([0.1, 0.3, 0.6])
    found = optimal_frontier(20.0, np.radians(20), fractions)
    np.testing.assert_allclose(found.alpha_prune, 20 * fractions)
    assert np.all(found.error <= np.minimum(found.hard_error, found.easy_error) * (1 + 1e-12))
    assert np.all(found.error <= found.random_error)
    assert np.all(np.abs(found.gap) < 1e-5)
    assert found.policies[1].fraction == pytest.approx(0.3)


def test_values_at_the_limits():
    """f near 1 leaves next to nothing to choose: hard, easy and the best rule come together."""
    best = optimal_policy(3.0, 0.999, np.radians(20))
    assert best.error == pytest.approx(solve(3.0, KeepEasy(0.999), np.radians(20)).error, rel=5e-3)
    assert best.error <= solve(3.0, KeepHard(0.999), np.radians(20)).error * (1 + 1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimal_policy(10, 1.0, 0.1), "f must be below 1"),
        (lambda: optimal_policy(10, 0.0, 0.1), "f, the fraction kept, must lie in"),
        (lambda: optimal_policy(10, 0.2, 2.0), "theta is in radians"),
        (lambda: optimal_policy(10, 0.2, 0.1, tolerance=0.0), r"tolerance must lie in \(0, inf\)"),
        (lambda: optimal_policy(10, 0.2, 0.1, student=HingeLoss(0.0)), "lam must be positive"),
        (lambda: value_function(10, KeepHard(0.2), 0.1, ranks=[0.5, 0.2]), "ranks must increase"),
        (lambda: optimal_policy([10, 20], 0.2, 0.1), "alpha_tot must be one number"),
        (lambda: optimal_policy(10, 0.2, [0.1, 0.2]), "theta must be one number"),
        (lambda: best_window(10, 0.2, 0.1, student=SquareLoss([0.1, 0.2])), "must be scalars here"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimal_policy("10", 0.2, 0.1), "alpha_tot must be a real number"),
        (lambda: value_function(10, KeepByLabel(KeepHard(0.2)), 0.1), "keep must be a keep rule"),
    ],
)
def test_wrong_types(call, message):
    with pytest.raises(TypeError, match=message):
        call()
