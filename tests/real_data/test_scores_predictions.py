"""Scores of predictions and features: values by hand, and against loops."""

import math

import numpy as np
import pytest

from real_data.scores import confidence, error_norm, margin, prototype_distance


def random_logits(seed=0, shape=(3, 20, 7)):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, shape), rng.integers(0, shape[-1], shape[-2])


def test_error_norm_by_hand():
    # uniform over ten classes: sqrt(0.9^2 + 9 * 0.1^2) = sqrt(0.9)
    np.testing.assert_allclose(error_norm(np.full((4, 10), 3.7), [0, 3, 5, 9]), np.sqrt(0.9), rtol=1e-15)
    # sure and right: 0; sure and wrong: sqrt 2, also where exp would overflow
    sure = np.array([[1000.0, 0.0, 0.0]])
    assert error_norm(sure, [0]) == 0
    np.testing.assert_allclose(error_norm(sure, [2]), np.sqrt(2), rtol=1e-15)
    # odds 3 : 1, so p = 3/4: sqrt 2 (1 - 3/4)
    np.testing.assert_allclose(error_norm([[np.log(3), 0.0]], [0]), np.sqrt(2) / 4, rtol=1e-15)


def test_margin_and_confidence_by_hand():
    # odds 1 : 2 : 5, so probabilities 1/8, 1/4, 5/8
    logits = np.log([[1.0, 2.0, 5.0]] * 3)
    np.testing.assert_allclose(margin(logits, [0, 1, 2]), [4 / 8, 3 / 8, -3 / 8], rtol=1e-14)
    np.testing.assert_allclose(confidence(logits, [0, 1, 2]), [7 / 8, 6 / 8, 3 / 8], rtol=1e-14)
    sure = np.array([[1000.0, 0.0]])
    assert margin(sure, [0]) == -1
    assert margin(sure, [1]) == 1
    assert confidence(sure, [0]) == 0
    assert confidence(sure, [1]) == 1


def test_nearly_sure_predictions_are_still_ranked():
    """Where 1 - p is below the spacing of doubles near 1, subtracting p from 1 would give 0 for all."""
    logits = np.array([[40.0, 0.0], [45.0, 0.0]])
    expected = np.exp([-40.0, -45.0])
    np.testing.assert_allclose(confidence(logits, [0, 0]), expected, rtol=1e-13)
    np.testing.assert_allclose(error_norm(logits, [0, 0]), np.sqrt(2) * expected, rtol=1e-13)


def test_against_loops():
    logits, labels = random_logits()
    for m in range(3):
        for i, y in enumerate(labels):
            total = sum(math.exp(z) for z in logits[m, i])
            p = [math.exp(z) / total for z in logits[m, i]]
            others = [p[k] for k in range(7) if k != y]
            length = math.sqrt((1 - p[y]) ** 2 + sum(q * q for q in others))
            assert error_norm(logits, labels)[m, i] == pytest.approx(length, rel=1e-12)
            assert margin(logits, labels)[m, i] == pytest.approx(max(others) - p[y], rel=1e-12)
            assert confidence(logits, labels)[m, i] == pytest.approx(1 - p[y], rel=1e-12)


def test_prototype_distance_by_hand():
    # class 0: (1, 0) and (0, 1), mean along (1, 1), 45 degrees from either; class 1: one example, its own mean
    features = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    distances = prototype_distance(features, [0, 0, 1])
    np.testing.assert_allclose(distances, [1 - np.sqrt(0.5)] * 2 + [0], rtol=1e-14)
    # the mean of (4, 0) and (0, 3) is along (4, 3): cosines 4/5 and 3/5; longer features count for more
    np.testing.assert_allclose(prototype_distance([[4.0, 0.0], [0.0, 3.0]], [0, 0]), [0.2, 0.4], rtol=1e-14)
    # opposite directions; features without direction
    distances = prototype_distance([[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], [0, 0, 0])
    np.testing.assert_allclose(distances, [0, 2, 1], atol=1e-15)


def test_prototype_distance_against_loops():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(1, 1, (2, 15, 4)), rng.integers(0, 3, 15)
    distances = prototype_distance(features, labels)
    for m in range(2):
        for i, y in enumerate(labels):
            members = [features[m, j] for j in range(15) if labels[j] == y]
            mean = [sum(v[d] for v in members) / len(members) for d in range(4)]
            dot = sum(a * b for a, b in zip(features[m, i], mean, strict=True))
            lengths = math.sqrt(sum(a * a for a in features[m, i])) * math.sqrt(sum(b * b for b in mean))
            assert distances[m, i] == pytest.approx(1 - dot / lengths, rel=1e-10)


@pytest.mark.parametrize("function", [error_norm, margin, confidence])
def test_bad_predictions_are_named(function):
    logits, labels = random_logits(shape=(5, 3))
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 3\), got -1 to"):
        function(logits, np.array([-1, 0, 1, 2, 0]))
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 3\), got 0 to 3"):
        function(logits, np.array([3, 0, 1, 2, 0]))
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(4,\)"):
        function(logits, labels[:4])
    with pytest.raises(TypeError, match="labels must be integers, got an array of type float64"):
        function(logits, labels.astype(float))
    for bad in (np.nan, np.inf):
        logits[2, 1] = bad
        with pytest.raises(ValueError, match="logits must be finite, but 1 of 15 are not"):
            function(logits, labels)


def test_a_margin_needs_two_classes():
    with pytest.raises(ValueError, match="at least 2 classes"):
        margin([[1.0]], [0])


def test_bad_features_are_named():
    with pytest.raises(ValueError, match="features must be finite, but 2 of 4 are not"):
        prototype_distance([[np.nan, 1.0], [1.0, np.inf]], [0, 1])
    with pytest.raises(ValueError, match=r"got \(2, 2\) and \(3,\)"):
        prototype_distance(np.ones((2, 2)), [0, 1, 1])
