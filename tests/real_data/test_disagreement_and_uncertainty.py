"""Disagreement, consistency and uncertainty of ensembles: planted answers and by hand."""

import itertools
import tracemalloc
from math import log, sqrt

import numpy as np
import pytest

from real_data.scores.consistency import inconsistency
from real_data.scores.disagreement import held_out_disagreement, tie_share, wrong_counts
from real_data.scores.held_out import held_out_mean
from real_data.scores.uncertainty import uncertainty, uncertainty_from_sums, variation_ratio, votes_of
from real_data.subset_trainings import PackedBits
from real_data.subset_trainings.outcomes import GroupSums


def planted():
    """Twenty linear classifiers of items with two features, half of which see the first and half the second.

    Of thirty items ten are told apart by both features, ten are so and labelled wrongly, and ten lie on the right side
    in the first feature and on the wrong one in the second.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 30)
    side = 2 * labels - 1
    features = np.stack([side * rng.uniform(1, 2, 30), side * rng.uniform(1, 2, 30)], axis=1)
    features[20:, 1] *= -1
    labels[10:20] = 1 - labels[10:20]
    weights = np.where(np.arange(20)[:, None] % 2 == np.arange(2), rng.uniform(0.5, 2, (20, 1)), 0)
    return labels != (features @ weights.T > 0).T


def test_planted_items_are_wrong_for_none_all_and_half():
    counts = wrong_counts(planted())
    assert counts.dtype.kind == "i"
    assert counts.tolist() == [0] * 10 + [20] * 10 + [10] * 10
    assert tie_share(counts) == 1


def test_only_networks_that_have_not_seen_an_item_count():
    """A network is right about all that it has seen: the count of all networks then mixes the two."""
    wrong = planted()
    members = np.random.default_rng(1).random(wrong.shape) < 0.5
    right = ~wrong | members
    for given, split in ((right, members), (PackedBits.of(right), PackedBits.of(members))):
        found = held_out_disagreement(given, split)
        assert found.values[:20].tolist() == [0] * 10 + [1] * 10
        for i in range(30):
            out = ~members[:, i]
            assert found.values[i] == pytest.approx(wrong[out, i].mean(), abs=1e-12)
            p = (right[out, i].sum() + 0.5) / (out.sum() + 1)
            assert found.standard_error[i] == pytest.approx(sqrt(p * (1 - p) / out.sum()), rel=1e-12)
        np.testing.assert_array_equal(inconsistency(given, split).values, found.values)
    assert np.all(wrong_counts(~right)[10:20] < 20)


def test_ties():
    assert tie_share([1, 2, 3]) == 0
    assert tie_share([1.5, 1.5, 3, 4, 4, 4]) == pytest.approx(5 / 6, abs=1e-15)
    assert tie_share([7]) == 0
    with pytest.raises(ValueError, match=r"values must have shape \(num_examples,\), got \(0,\)"):
        tie_share([])


def split_votes(num_networks=10):
    """Image 0: half of the networks are certain of class 0, half of class 1; image 1: all say (1/2, 1/2)."""
    p = np.zeros((num_networks, 2, 2))
    p[: num_networks // 2, 0, 0] = p[num_networks // 2 :, 0, 1] = 1
    p[:, 1] = 0.5
    return p


def test_networks_that_disagree_and_networks_that_do_not_know():
    found = uncertainty(split_votes())
    np.testing.assert_allclose(found.entropy.values, log(2), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mutual_information.values, [log(2), 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.entropy.standard_error, 0, atol=1e-12)  # to first order: the maximum
    ratio = variation_ratio([[5, 5], [10, 0]])
    np.testing.assert_allclose(ratio.values, [0.5, 0], rtol=0, atol=1e-12)
    assert ratio.standard_error[1] > 0  # ten networks that agree are not certain


def random_probabilities(seed, num_networks=12, num_images=6, num_classes=4):
    logits = np.random.default_rng(seed).normal(0, 2, (num_networks, num_images, num_classes))
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def sums_of(p, members, groups):
    return [
        GroupSums(
            np.sum(~members[some], axis=0),
            np.einsum("rn,rnc->nc", ~members[some], p[some]),
            -np.einsum("rn,rnc->n", ~members[some], p[some] * np.log(p[some])),
        )
        for some in groups
    ]


def test_sums_give_what_arrays_give():
    p = random_probabilities(2)
    members = np.random.default_rng(3).random((12, 6)) < 0.5
    groups = [slice(0, 5), slice(5, 10), slice(10, 12)]
    found = uncertainty_from_sums(lambda: sums_of(p, members, groups))
    for i in range(6):
        expected = uncertainty(p[~members[:, i], i : i + 1])
        for name in ("entropy", "mutual_information"):
            assert getattr(found, name).values[i] == pytest.approx(getattr(expected, name).values[0], abs=1e-12)


def test_errors_by_leaving_out_one_network_at_a_time():
    """Groups of one network: the ordinary jackknife, sqrt((R - 1)/R sum (theta_(r) - mean)^2)."""
    p = random_probabilities(4)
    found = uncertainty_from_sums(lambda: sums_of(p, np.zeros((12, 6), bool), [slice(k, k + 1) for k in range(12)]))
    for name in ("entropy", "mutual_information"):
        without = np.array([getattr(uncertainty(np.delete(p, k, axis=0)), name).values for k in range(12)])
        expected = np.sqrt(11 / 12 * np.sum((without - without.mean(axis=0)) ** 2, axis=0))
        np.testing.assert_allclose(getattr(found, name).standard_error, expected, rtol=1e-9)
        # and close to that of first order
        np.testing.assert_allclose(getattr(uncertainty(p), name).standard_error, expected, rtol=0.3)
    few = uncertainty_from_sums(lambda: sums_of(p, np.zeros((12, 6), bool), [slice(0, 6), slice(6, 12)]))
    assert np.all(np.isinf(few.entropy.standard_error))


def test_entropy_errors_are_those_of_repeated_ensembles():
    """Mean standard error over the scatter of 400 ensembles of 30 networks.

    Measured with seeds 20 to 39: 0.964, deviation 0.035 (that of 400 values: 0.035).  The bound is five deviations:
    false alarms below 1e-5 for the eight numbers together, if normal.
    """
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 1.5, (400, 30, 4, 3)) + np.array([2.0, 0, 0])
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    found = [uncertainty(one) for one in p]
    for name in ("entropy", "mutual_information"):
        values, errors = (
            np.array([getattr(getattr(one, name), field) for one in found]) for field in ("values", "standard_error")
        )
        np.testing.assert_allclose(errors.mean(axis=0) / values.std(axis=0), 0.964, atol=0.175)


def test_errors_by_leaving_out_groups_of_several_sizes():
    """Pseudo-values as the paper has them, image by image; one that is in the share of all but a group's networks."""
    p = random_probabilities(6)
    members = np.random.default_rng(7).random((12, 6)) < 0.5
    members[:, 5] = np.arange(12) >= 5
    groups = [slice(0, 5), slice(5, 10), slice(10, 12)]
    found = uncertainty_from_sums(lambda: sums_of(p, members, groups))
    for name in ("entropy", "mutual_information"):
        variances = []
        for i in range(5):
            asked = ~members[:, i]
            parts = [np.flatnonzero(asked[some]) + some.start for some in groups]
            theta = getattr(uncertainty(p[asked, i : i + 1]), name).values[0]
            h = np.array([asked.sum() / part.size for part in parts if part.size])
            rest = [np.setdiff1d(np.flatnonzero(asked), part) for part in parts if part.size]
            without = np.array([getattr(uncertainty(p[r, i : i + 1]), name).values[0] for r in rest])
            pseudo = h * theta - (h - 1) * without
            centre = h.size * theta - np.sum((1 - 1 / h) * without)
            variances.append(np.mean((pseudo - centre) ** 2 / (h - 1)))
        errors = getattr(found, name).standard_error
        np.testing.assert_allclose(errors[:5], np.sqrt(variances), rtol=1e-9)
        assert errors[5] == pytest.approx(np.sqrt(np.mean(variances)), rel=1e-9)


def test_memory_does_not_grow_with_the_number_of_networks():
    """400 groups and 5,000 images: a number for each takes 16 MB."""
    one = GroupSums(np.full(5000, 3), np.full((5000, 2), 1.5), np.full(5000, 0.4))
    votes = np.zeros((10, 5000), np.uint8)
    tracemalloc.start()
    uncertainty_from_sums(lambda: itertools.repeat(one, 400))
    votes_of([(votes.astype(bool), votes)], 100)  # 1 MB of 16 bits
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def test_more_votes_than_16_bits_hold():
    seen, predicted = np.zeros((40_000, 1), bool), np.ones((40_000, 1), np.uint8)
    assert votes_of([(seen, predicted)] * 2, 2).tolist() == [[0, 80_000]]


def test_votes_of_networks_that_have_not_seen_an_image():
    seen = np.array([[True, False], [False, False], [False, False]])
    predicted = np.array([[0, 1], [2, 1], [2, 0]])
    assert votes_of([(seen[:2], predicted[:2]), (seen[2:], predicted[2:])], 3).tolist() == [[0, 0, 2], [1, 2, 0]]
    np.testing.assert_allclose(variation_ratio([[0, 0, 2], [1, 2, 0]]).values, [0, 1 / 3], atol=1e-12)


def test_held_out_means_of_numbers():
    members = np.array([[False, False, True], [False, True, False], [True, False, True], [False, True, True]])
    values = np.arange(12.0).reshape(4, 3)
    found = held_out_mean([(members[:1], values[:1]), (members[1:], values[1:])])
    np.testing.assert_allclose(found.values, [(0 + 3 + 9) / 3, (1 + 7) / 2, 5], rtol=0, atol=1e-12)
    variances = [np.var([0, 3, 9], ddof=1), np.var([1, 7], ddof=1)]
    expected = [sqrt(variances[0] / 3), sqrt(variances[1] / 2), sqrt(np.mean(variances))]  # one network: of the others
    np.testing.assert_allclose(found.standard_error, expected, rtol=1e-12)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="wrong must be boolean, got an array of type int64"):
        wrong_counts(np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"wrong must have shape \(num_networks, num_examples\), got \(3,\)"):
        wrong_counts(np.ones(3, bool))
    with pytest.raises(ValueError, match="1 of 3 examples are in the share of all K = 4 networks"):
        inconsistency(np.ones((4, 3), bool), np.arange(3) == np.ones((4, 1)))
    for bad in (np.full((2, 3, 2), 0.4), np.full((2, 3, 2), -0.5), np.full((2, 3, 2), np.nan)):
        with pytest.raises(ValueError, match="probabilities must be at least 0, with sum 1 over the classes"):
            uncertainty(bad)
    with pytest.raises(ValueError, match=r"shape \(num_networks, num_images, num_classes\), got \(2, 3\)"):
        uncertainty(np.ones((2, 3)))
    with pytest.raises(ValueError, match="votes: 1 of 2 images have none"):
        variation_ratio([[0, 0], [1, 0]])
    with pytest.raises(ValueError, match="votes must be integers of at least 0"):
        variation_ratio([[-1, 2]])
    with pytest.raises(ValueError, match="groups must give at least one"):
        uncertainty_from_sums(list)
