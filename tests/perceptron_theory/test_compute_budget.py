"""Compute-optimal pruning: nothing cheaper is better, budgets are kept, and limits and mistakes are said."""

import numpy as np
import pytest

from perceptron_theory import KeepRandom, KeepWindow, Labels, PowerLawFeatures, best_ridge, compute_optimal

LAW = {"decay": 1.5, "teacher_decay": 1.8, "num_features": 4096}
THETA = np.deg2rad(10)


@pytest.fixture(scope="module")
def free():
    return compute_optimal(np.array([1e4, 1e6]), THETA, **LAW)


def ridge_error(n, m, keep, theta):
    features = PowerLawFeatures(1.5, 1.8, m, 4096)
    return best_ridge(n / m / keep.fraction, keep, theta, features=features).error


def test_errors_are_those_of_the_trainings(free):
    best, plain = free.best, free.unpruned
    assert free.budget.shape == best.error.shape == (2,)
    np.testing.assert_allclose(best.num_kept * best.num_seen, free.budget, rtol=1e-12)
    np.testing.assert_allclose(plain.num_kept * plain.num_seen, free.budget, rtol=1e-12)
    np.testing.assert_allclose(best.num_examples, best.num_kept / best.fraction)
    for i in range(2):
        keep = KeepWindow(best.lower[i], best.upper[i])
        assert keep.fraction == pytest.approx(best.fraction[i], rel=1e-9)
        error = ridge_error(best.num_kept[i], int(best.num_seen[i]), keep, THETA)
        assert error == pytest.approx(best.error[i], rel=1e-8)
        error = ridge_error(plain.num_kept[i], int(plain.num_seen[i]), KeepRandom(1.0), 0.0)
        assert error == pytest.approx(plain.error[i], rel=1e-8)
    assert np.all(free.pays)


def test_no_other_size_is_better_without_pruning(free):
    m = np.unique(np.round(np.geomspace(8, 1000, 200)))
    for i, budget in enumerate(free.budget):
        errors = ridge_error(budget / m, m.astype(int), KeepRandom(1.0), 0.0)
        assert free.unpruned.error[i] <= errors.min() * (1 + 1e-5)


def test_no_other_training_is_much_better(free):
    """Than a scan of 4,000 others; the search stops within a thousandth of the best."""
    rng = np.random.default_rng(0)
    f = np.exp(rng.uniform(np.log(0.05), 0, 4000))
    m = np.round(np.exp(rng.uniform(np.log(20), np.log(2000), 4000))).astype(int)
    lower = rng.uniform(0, 1, 4000) ** 2 * (1 - f)
    for i, budget in enumerate(free.budget):
        errors = ridge_error(budget / m, m, KeepWindow(lower, np.minimum(lower + f, 1)), THETA)
        assert free.best.error[i] <= errors.min() * (1 + 1e-3)


def test_scores_that_cost_more_than_they_bring():
    """At a small budget all is spent on random examples; at a large one pruning pays, less than if scores were free."""
    small, large = (compute_optimal(budget, THETA, **LAW, scoring_cost=30.0) for budget in (1e4, 1e6))
    assert not small.pays
    assert small.best == small.unpruned
    assert small.best.fraction == 1
    assert small.best.lower == 0
    assert compute_optimal(1e4, THETA, **LAW, scoring_cost=1e9).best == small.unpruned  # not one example can be scored
    assert large.pays
    assert large.best.num_kept * (large.best.num_seen + 30 / large.best.fraction) == pytest.approx(1e6, rel=1e-12)
    assert large.best.error > compute_optimal(1e6, THETA, **LAW).best.error


def test_limits():
    """A perfect probe wants the largest pool; a pool that is small is used up."""
    found = compute_optimal(1e5, 0.0, **LAW, f_min=0.2)
    assert found.at_limit
    assert found.best.fraction == pytest.approx(0.2)
    few = compute_optimal(1e6, THETA, **LAW, most_examples=2000.0)
    assert few.best.num_examples <= 2000 * (1 + 1e-12)
    assert few.unpruned.num_kept <= 2000
    assert few.best.error <= few.unpruned.error
    rich = compute_optimal(np.array([1e4, 1e8, 1e13]), THETA, **LAW, most_examples=10.0)
    np.testing.assert_allclose(rich.best.error, rich.best.error[0], rtol=1e-3)  # more budget is of no use, nor of harm
    assert np.all(rich.best.num_kept >= 1)
    assert not rich.best.lam_at_edge.any()


@pytest.mark.parametrize(
    ("budget", "given", "error", "message"),
    [
        (0.0, {}, ValueError, "budget must be positive, got 0"),
        (0.5, {}, ValueError, "budget = 0.5 is out of range"),
        (1e4, {"decay": [1.5, 2.0]}, ValueError, "decay must be one number"),
        (1e4, {"labels": Labels([0.0, 0.1])}, ValueError, "labels.flip_probability must be one number"),
        (1e300, {}, ValueError, r"budget = 1e\+300 is out of range"),
        (1e4, {"scoring_cost": -1.0}, ValueError, "scoring_cost must be at least 0"),
        (1e4, {"f_min": 1.0}, ValueError, r"f_min must lie in \[0.0001, 1\)"),
        (1e4, {"most_examples": 0.5}, ValueError, "most_examples must be at least 1"),
        (1e4, {"decay": 0.5}, ValueError, "decay must be above 1"),
        (1e4, {"num_features": 0}, ValueError, "num_features"),
        (1e4, {"loss": "absolute"}, ValueError, "loss must be"),
    ],
)
def test_mistakes(budget, given, error, message):
    with pytest.raises(error, match=message):
        compute_optimal(budget, THETA, **(LAW | given))


def test_the_angle_is_one_number():
    with pytest.raises(ValueError, match="theta must be one number"):
        compute_optimal(1e4, np.array([0.1, 0.2]), **LAW)
