"""The ridge of the lowest error: lower than any other, known values, ends of the range, refusals."""

import jax
import numpy as np
import pytest

from perceptron_theory import (
    HingeLoss,
    KeepHard,
    KeepRandom,
    KeepWindow,
    Labels,
    LogisticLoss,
    PowerLawFeatures,
    SeenFeatures,
    SquareLoss,
    best_ridge,
    solve,
)

LOSSES = {"square": SquareLoss, "logistic": LogisticLoss, "hinge": HingeLoss}


def test_best_linear_student_of_random_examples():
    """Ridge regression on y = rho t + noise is best at lambda = noise / signal: (1 - 2 / pi) / (2 / pi) times 1.

    The prior of the teacher has the variance 1 / N a feature, so that the ridge lambda N of the sum of squares is
    N (1 - rho^2) / rho^2.
    """
    best = best_ridge(np.array([0.3, 1.0, 5.0]), KeepRandom(1.0), 0.0)
    np.testing.assert_allclose(best.lam, np.pi / 2 - 1, rtol=2e-5)
    assert not best.at_edge.any()


LAW = PowerLawFeatures(1.5, 1.8, 128)


@pytest.mark.parametrize(
    ("loss", "features"), [("square", None), ("square", SeenFeatures(0.6)), ("square", LAW), ("hinge", LAW)], ids=str
)
def test_no_other_ridge_is_better(loss, features):
    """By a scan of 61 values; the error is flat at the one that was found."""
    question = (8.0, KeepWindow(0.2, 0.6), 0.4)
    given = {"labels": Labels(0.1), "features": features}
    best = best_ridge(*question, loss=loss, **given)
    scan = solve(*question, student=LOSSES[loss](np.geomspace(1e-6, 1e3, 61)), **given).error
    assert best.error < scan.min()
    sides = solve(*question, student=LOSSES[loss](best.lam * np.array([0.999, 1.001])), **given).error
    assert np.all((sides >= best.error * (1 - 1e-12)) & (sides < best.error * (1 + 1e-5)))
    # a ridge regression on these windows would rather have a negative ridge
    assert best.at_edge == (loss == "square" and not isinstance(features, PowerLawFeatures))
    assert best.solution == solve(*question, student=LOSSES[loss](best.lam), **given)


def test_logistic_loss():
    labels, keep = Labels(0.1), KeepRandom(0.5)
    best = best_ridge(4.0, keep, 0.0, loss="logistic", labels=labels, lam_range=(1e-2, 100.0))
    sides = solve(4.0, keep, 0.0, student=LogisticLoss(best.lam * np.array([0.97, 1.03])), labels=labels).error
    assert np.all(sides > best.error)


def test_errors_of_another_program():
    """Rounded, of a prototype with SciPy: square loss with its best ridge."""
    for n, m, error in ((512, 128, 0.0812), (8192, 1032, 0.0429)):
        best = best_ridge(n / m, KeepRandom(1.0), 0.0, features=PowerLawFeatures(1.5, 1.8, m))
        assert best.error == pytest.approx(error, abs=6e-5)
    for pool, m, error in ((1e3, 258, 0.0718), (1e4, 8269, 0.0323), (1e5, 8269, 0.0189), (1e5, 32, 0.0696)):
        hard = best_ridge(pool / m, KeepHard(0.3), np.deg2rad(10), features=PowerLawFeatures(1.5, 1.8, m))
        assert hard.error == pytest.approx(error, abs=6e-5)


def test_ends_of_the_range():
    """Where the best lies outside of the user's range."""
    for low, high in ((1e-3, 0.1), (2.0, 10.0)):
        best = best_ridge(2.0, KeepRandom(1.0), 0.0, lam_range=(low, high))
        assert best.at_edge
        assert best.lam == pytest.approx(high if high < 1 else low, rel=1e-12)


def test_range_may_be_all_that_there_is():
    best = best_ridge(100.0, KeepRandom(1.0), 0.0, features=PowerLawFeatures(10, 1.2, 100), lam_range=(1e-14, 1e-3))
    assert best.lam == 1e-14
    assert best.at_edge


def test_arrays_are_points_one_by_one():
    features = PowerLawFeatures(1.5, 1.8, np.array([[10], [100]]))
    alpha, keep = np.array([0.5, 5.0, 50.0]), KeepWindow(np.array([0.0, 0.1, 0.5]), np.array([0.4, 0.5, 0.9]))
    together = best_ridge(alpha, keep, 0.3, features=features)
    assert together.lam.shape == together.at_edge.shape == together.error.shape == (2, 3)
    one = best_ridge(5.0, KeepWindow(0.1, 0.5), 0.3, features=PowerLawFeatures(1.5, 1.8, 100))
    assert isinstance(one.lam, float)
    assert isinstance(one.at_edge, bool)
    assert one.error == pytest.approx(together.error[1, 1], rel=1e-9)
    assert best_ridge(np.zeros(0), KeepHard(0.5), 0.3).lam.shape == (0,)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"loss": "max-margin"}, ValueError, "loss must be .*got 'max-margin'"),
        ({"lam_range": (1.0, 0.1)}, ValueError, "lam_range must be two increasing values"),
        ({"lam_range": (0.0, 1.0)}, ValueError, "lam_range"),
        ({"lam_range": (0.1, 1.0, 10.0)}, ValueError, "lam_range must be two"),
        ({"labels": Labels(0.0, 0.1, 0.3)}, ValueError, "against the teacher"),
        ({"features": 3}, TypeError, "features must be"),
    ],
)
def test_mistakes(given, error, message):
    with pytest.raises(error, match=message):
        best_ridge(2.0, KeepHard(0.5), 0.3, **given)


def test_it_cannot_be_traced():
    with pytest.raises(TypeError, match="best_ridge is not available under a JAX transformation; solve is"):
        jax.grad(lambda alpha: best_ridge(alpha, KeepRandom(1.0), 0.0).error)(2.0)
