"""Regularised students that start from the student of a point nearby: the same students, sooner."""

import numpy as np
import pytest

from perceptron_theory import HingeLoss, KeepEasy, KeepHard, KeepWindow, Labels, LogisticLoss, PowerLawFeatures, solve
from perceptron_theory.solver import neighbours
from perceptron_theory.solver.neighbours import in_a_chain
from perceptron_theory.solver.points import parts_of


def points_of(alpha_tot, keep, theta, student, labels=None):
    shape = np.broadcast_shapes(np.shape(alpha_tot), keep.shape, np.shape(theta), np.shape(student.lam))
    (part,) = parts_of(np.asarray(alpha_tot), keep, np.asarray(theta), student, labels or Labels(), shape)
    return part.points


def one_by_one(alpha_tot, keep, theta, student, labels):
    found = [solve(alpha, keep, theta, student=student, labels=labels) for alpha in alpha_tot]
    return np.array([[one.error, one.teacher_overlap, one.norm, one.num_steps] for one in found]).T


@pytest.mark.parametrize("student", [HingeLoss(0.03), LogisticLoss(0.03)])
@pytest.mark.parametrize("theta", [0.0, 0.3])
@pytest.mark.parametrize("flips", [0.0, 0.1])
def test_a_curve_is_that_of_its_points(student, theta, flips):
    alpha_tot, labels = np.geomspace(0.5, 2000, 24), Labels(flips)
    curve = solve(alpha_tot, KeepHard(0.2), theta, student=student, labels=labels)
    alone = one_by_one(alpha_tot[::4], KeepHard(0.2), theta, student, labels)
    for found, expected in zip((curve.error, curve.teacher_overlap, curve.norm), alone[:3], strict=True):
        np.testing.assert_allclose(found[::4], expected, rtol=1e-11)
    assert np.mean(curve.num_steps) < 0.6 * np.mean(alone[3])  # steps are counted, not timed


@pytest.mark.parametrize("student", [HingeLoss(0.1), LogisticLoss(0.1)])
def test_a_neighbour_that_is_no_help_does_no_harm(student, monkeypatch):
    """All points count as near each other, whatever lies between them: where Newton's method is lost it begins anew."""
    for name in ("NEAR_LOG", "NEAR_ANGLE", "NEAR_MARGIN"):
        monkeypatch.setattr(neighbours, name, 1e9)
    rng = np.random.default_rng(1)
    alpha_tot, theta, f = 10 ** rng.uniform(0, 4, 20), rng.uniform(0.01, 1.5, 20), 10 ** rng.uniform(-2, -0.1, 20)
    together = solve(alpha_tot, KeepEasy(f), theta, student=student)
    alone = [solve(a, KeepEasy(x), t, student=student) for a, x, t in zip(alpha_tot, f, theta, strict=True)]
    np.testing.assert_allclose(together.error, [one.error for one in alone], rtol=1e-11)
    assert together.converged.all()


def test_a_grid_is_walked_through_there_and_back():
    f, alpha_tot = np.array([0.2, 0.4, 0.6]), np.geomspace(3, 30, 5)
    points = points_of(alpha_tot, KeepHard(f[:, None]), 0.3, HingeLoss(0.1))
    rows, points = in_a_chain(points)
    assert sorted(rows) == list(range(15))
    steps = np.abs(np.diff(np.log(points.alpha_prune[rows])))
    assert steps.max() < np.log(3.01)  # never from one end of a row to the other end of the next
    lines, found = in_a_chain(points_of(alpha_tot[::-1], KeepHard(0.2), 0.3, HingeLoss(0.1)))
    assert lines.tolist() == [4, 3, 2, 1, 0]
    assert found.near.close.tolist() == [True, True, True, True, False]  # the first one of the chain has no neighbour
    assert not found.near.there.any()


@pytest.mark.parametrize(
    "far",
    [
        {"alpha_tot": np.array([3.0, 30.0])},
        {"theta": np.array([0.1, 0.5])},
        {"keep": KeepWindow(np.array([0.0, 0.5]), np.array([0.2, 0.7]))},
        {"student": HingeLoss(np.array([0.1, 1.0]))},
    ],
)
def test_points_far_from_each_other_are_no_neighbours(far):
    asked = {"alpha_tot": np.array([3.0, 4.0]), "keep": KeepHard(0.2), "theta": 0.3, "student": HingeLoss(0.1)}
    assert in_a_chain(points_of(**asked))[1].near.close.tolist() == [False, True]
    asked |= {"alpha_tot": 3.0} | far
    assert not in_a_chain(points_of(**asked))[1].near.close.any()


def test_the_limit_of_separated_examples_with_uneven_features():
    """The max-margin student there is a hinge loss's of tiny lambda, along a curve too."""
    features, alpha_tot = PowerLawFeatures(decay=1.5, teacher_decay=1.8, num_seen=8, num_features=32), [0.5, 0.6, 0.7]
    curve = solve(alpha_tot, KeepHard(0.5), 0.3, features=features)
    alone = [solve(alpha, KeepHard(0.5), 0.3, features=features).error for alpha in alpha_tot]
    np.testing.assert_allclose(curve.error, alone, rtol=1e-10)
