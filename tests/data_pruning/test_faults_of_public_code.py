"""Faults of public pruning code that these rules do not share: each test fails for the fault and holds for the paper.

The scores' own faults are pinned in tests/real_data/test_published_definitions.py.
"""

import numpy as np
import pytest

from data_pruning import keep_rule
from data_pruning.keep_coverage import KeepCoverage, water_filling
from real_data import prune


def rng():
    return np.random.default_rng(0)


def test_coverage_of_classes_gives_each_its_own_quota():
    """The released coverage code, balanced by class, gives every class the quota of the last one.

    Classes of 500, 100 and 20 examples, half of which are kept: 250, 50 and 10, whatever the order of the labels.
    """
    sizes = np.array([500, 100, 20])
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        labels = np.repeat(order, sizes[order])
        kept = prune(np.random.default_rng(1).normal(size=620), KeepCoverage(0.5, 0.1), labels, seed=3)
        assert np.bincount(labels[kept]).tolist() == [250, 50, 10]


@pytest.mark.parametrize("shift", [-1.0, -300.0, 0.0, 40.0])
def test_coverage_does_not_depend_on_where_zero_is(shift):
    """Bins that end at 1.0001 times the largest score lose the hardest examples where that is at most 0.

    Scores from 0 (100 examples) over 1/2 (10) to 1 (5), moved: the two sparse strata are kept whole, the hardest too.
    """
    scores = np.repeat([1.0, 0.5, 0.0], [5, 10, 100]) + shift
    rule = KeepCoverage(30 / 115)
    kept = rule.positions_by_score(scores, 30, rng())
    np.testing.assert_array_equal(kept[:15], np.arange(15))
    np.testing.assert_allclose(rule.chances(115, 30, scores), np.repeat([1.0, 1.0, 0.15], [5, 10, 100]), rtol=1e-12)


def test_coverage_keeps_the_hardest_where_all_scores_are_negative():
    """Minus the margins of a network that is right about everything: one example at 0.01, the others at 5 to 8."""
    scores = -np.r_[0.01, np.linspace(5.0, 8.0, 999)]  # hardest first, in a stratum of its own
    kept = KeepCoverage(0.2).positions_by_score(scores, 200, rng())
    assert 0 in kept.tolist()
    assert kept.size == 200
    # with the hardest tenth dropped, it is the next one that begins the strata
    trimmed = KeepCoverage(0.2, 0.1).positions_by_score(scores, 200, rng())
    assert trimmed.min() >= 100


def test_coverage_fills_the_smallest_strata_first():
    """min(size, what is left // strata left), from the smallest on: 5 + 10 + 15, and 5 + 10 + 16 of one more."""
    assert water_filling([5, 10, 100], 30).tolist() == [5, 10, 15]
    assert water_filling([5, 10, 100], 31).tolist() == [5, 10, 16]
    # equal parts, or parts in proportion to the sizes, would be others
    assert water_filling([100, 5, 10], 30).tolist() == [15, 5, 10]


def test_coverage_has_strata_of_equal_width_not_of_equal_number():
    """Nearly all scores below 0.1, ten far above: the ten are kept, as each has a stratum for itself."""
    scores = np.sort(np.r_[np.random.default_rng(2).uniform(0, 0.1, 990), np.linspace(0.55, 1.0, 10)])[::-1]
    kept = KeepCoverage(0.1).positions_by_score(scores, 100, rng())
    np.testing.assert_array_equal(kept[:10], np.arange(10))


def test_moderate_keeps_the_middle_and_not_the_ends():
    """A copy of the moderate rule inverts the fraction and keeps both ends of the distances.

    A fraction 0.4 of 100 distances: the 40 nearest to their median in rank, of all examples, not of each class.
    """
    distances = np.random.default_rng(4).permutation(np.linspace(0.0, 3.0, 100))
    kept = prune(distances, keep_rule("window@0.5", 0.4), seed=0)
    np.testing.assert_allclose(np.sort(distances[kept]), np.linspace(0.0, 3.0, 100)[30:70])
    assert kept.tolist() == sorted(kept.tolist())  # in data-set order
