"""Soft keep rules: proportional to a power of the score, coverage, mixture, weights; and how they draw."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from data_pruning import (
    KeepCoverage,
    KeepEasy,
    KeepHard,
    KeepMixture,
    KeepPolicy,
    KeepProportional,
    KeepRandom,
    KeepWeighted,
    KeepWindow,
    importance_weights,
    keep_rule,
)
from data_pruning.keep_by_score import NUM_CELLS, margin_of_rank
from data_pruning.keep_coverage import water_filling
from data_pruning.sampling import capped_probabilities, draw_with_probabilities

SOFT = [
    KeepProportional(0.3, 1.0),
    KeepProportional(0.1, 0.5),
    KeepProportional(0.2, -1.5),
    KeepProportional(1e-3, 4.0),
    KeepProportional(0.3, 1.0, 0.2),
    KeepProportional(0.2, -2.0, 0.5),
    KeepCoverage(0.3, 0.1),
    KeepCoverage(0.05),
    KeepCoverage(0.6, 0.4),
    KeepMixture(KeepHard(0.3), 0.5),
    KeepMixture(KeepWindow(0.2, 0.6), 0.25),
]
RULES = [*SOFT, KeepMixture(KeepProportional(0.3, 2.0), 0.5), KeepWeighted(KeepProportional(0.3), 0.5)]


@pytest.mark.parametrize(
    ("total", "kept"), [(30, (5, 10, 15)), (31, (5, 10, 16)), (15, (5, 5, 5)), (115, (5, 10, 100))]
)
def test_water_filling(total, kept):
    """Strata of 5, 10 and 100: the smallest is served first, what it leaves goes to the others."""
    np.testing.assert_array_equal(water_filling([5, 10, 100], total), kept)
    np.testing.assert_array_equal(water_filling([100, 5, 10], total), (kept[2], kept[0], kept[1]))


def test_coverage_by_hand():
    """Scores 0 (100 times), 0.5 (10 times) and 1 (5 times) lie in three of the 50 strata; nothing is dropped."""
    scores = np.repeat([1.0, 0.5, 0.0], [5, 10, 100])
    kept = KeepCoverage(30 / 115).positions_by_score(scores, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(np.searchsorted([5, 15], kept, side="right")), (5, 10, 15))
    # the hardest five dropped: 10 of 0.5 and 20 of 0
    kept = KeepCoverage(30 / 115, 5 / 115).positions_by_score(scores, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(np.searchsorted([5, 15], kept, side="right"), minlength=3), (0, 10, 20))


def test_probability_proportional_to_a_power_by_hand():
    """Scores 8, 2, 1, 1, with 2 kept: at power 1 the first is certain, the others share one as 2 : 1 : 1."""
    scores = np.array([8.0, 2.0, 1.0, 1.0])
    np.testing.assert_allclose(KeepProportional(0.5, 1.0).chances(4, 2, scores), (1, 0.5, 0.25, 0.25), rtol=1e-14)
    np.testing.assert_allclose(KeepProportional(0.5, 0.0).chances(4, 2, scores), 0.5)
    # power -1: 1/8, 1/2, 1, 1 times c = 16/21
    expected = np.array([2, 8, 16, 16]) / 21
    np.testing.assert_allclose(KeepProportional(0.5, -1.0).chances(4, 2, scores), expected, rtol=1e-14)


def test_the_hardest_are_dropped_first():
    """Of 9, 8, 2, 1, 1 with two fifths kept the hardest fifth goes: 8 is certain, the others share one as 2 : 1 : 1."""
    scores = np.array([9.0, 8.0, 2.0, 1.0, 1.0])
    trimmed = KeepProportional(0.4, 1.0, 0.2)
    np.testing.assert_allclose(trimmed.chances(5, 2, scores), (0, 1, 0.5, 0.25, 0.25), rtol=1e-14)
    np.testing.assert_allclose(trimmed.chances(5, 5, scores), 1)  # all are kept: none can be dropped
    assert trimmed.with_fraction(0.9) == KeepProportional(0.9, 1.0, 1 - 0.9)
    # power 0 keeps the rest at random, in the perceptron too
    np.testing.assert_allclose(KeepProportional(0.4, 0.0, 0.2)([0.1, 0.2, 0.9]), (0, 0.5, 0.5))


def test_scores_of_zero_come_last_or_first():
    scores = np.array([2.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(KeepProportional(0.75).chances(4, 3, scores), (1, 1, 0.5, 0.5))
    np.testing.assert_allclose(KeepProportional(0.75, -2.0).chances(4, 3, scores), (0.2, 0.8, 1, 1), rtol=1e-12)
    np.testing.assert_allclose(KeepProportional(0.5).chances(4, 2, np.zeros(4)), 0.5)


def test_negative_scores_are_refused():
    with pytest.raises(ValueError, match=r"scores of at least 0, got -0.5: score by el2n"):
        KeepProportional(0.5).positions_by_score(np.array([1.0, 0.0, -0.5]), 1, np.random.default_rng(0))


WEIGHTS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40)


@given(weights=WEIGHTS, share=st.floats(0, 1))
def test_capped_probabilities_are_the_only_ones(weights, share):
    """They add up to the count; those below 1 are proportional to the weights, and the others have larger ones."""
    count = round(share * len(weights))
    p, w = capped_probabilities(weights, count), np.array(weights)
    assert np.all((p >= 0) & (p <= 1))
    np.testing.assert_allclose(p.sum(), count, rtol=1e-9)
    open_ones = p < 1
    if count and open_ones.any():
        c = p[open_ones] / w[open_ones]
        np.testing.assert_allclose(c, c[0], rtol=1e-9)
        assert np.all(c[0] * w[~open_ones] >= 1 - 1e-9)


def test_every_example_is_drawn_with_its_probability():
    """40 examples, 4,000 draws: by the binomial distribution the largest of 40 |z| passes 5 once in 40,000 tests."""
    p = capped_probabilities(np.geomspace(1, 100, 40), 13)
    rng = np.random.default_rng(1)
    times = np.zeros(40)
    for _ in range(4000):
        drawn = draw_with_probabilities(p, 13, rng)
        assert drawn.size == np.unique(drawn).size == 13
        times[drawn] += 1
    spread = np.sqrt(4000 * p * (1 - p))
    assert np.all(times[p == 1] == 4000)
    assert np.all(np.abs(times - 4000 * p)[p < 1] < 5 * spread[p < 1])


def test_neighbours_in_difficulty_are_represented():
    """Of every long stretch the expected number is drawn, to within one block; independent draws would miss by 30."""
    drawn = draw_with_probabilities(np.full(6400, 0.5), 3200, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(drawn // 64, minlength=100), 32)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_fraction_is_exact(rule):
    lower, upper, probability = rule.windows()
    assert np.all((probability >= 0) & (probability <= 1))
    assert np.all(lower[1:] >= upper[:-1] - 1e-15)
    np.testing.assert_allclose((upper - lower) @ probability, rule.fraction, rtol=1e-12)
    rng = np.random.default_rng(0)
    for n in (7, 1000, 3001):
        if rule.fraction * n < 0.5:
            continue
        positions = rule.kept_positions(n, rng)
        assert positions.size == rule.num_kept(n) == round(rule.fraction * n)
        assert np.all(np.diff(positions) > 0)
        assert 0 <= positions[0] <= positions[-1] < n


@pytest.mark.parametrize("rule", SOFT[:9], ids=str)
def test_the_cells_of_the_theory_are_means_of_the_probability(rule):
    lower, upper, probability = rule.windows()
    for i in range(0, lower.size, 7):
        if upper[i] > lower[i] + 1e-6:
            exact = quad(rule, lower[i], upper[i], limit=200)[0] / (upper[i] - lower[i])
            np.testing.assert_allclose(probability[i], exact, rtol=3e-4)


def test_power_of_the_margin():
    """Probability over that at another rank, both below 1, is the ratio of the margins to the power."""
    rule, u = KeepProportional(0.2, 1.5), np.array([0.5, 0.9])
    z = margin_of_rank(u)
    np.testing.assert_allclose(rule(u[0]) / rule(u[1]), (z[1] / z[0]) ** 1.5, rtol=1e-12)
    np.testing.assert_allclose(quad(rule, 0, 1, points=[0.02, 0.1], limit=500)[0], 0.2, rtol=1e-7)


def test_power_of_the_margin_of_the_rest():
    """Nothing below the trimmed rank; above it the same power law, and the whole fraction."""
    for power in (1.5, -1.5):
        rule, u = KeepProportional(0.2, power, 0.3), np.array([0.4, 0.6])
        z = margin_of_rank(u)
        np.testing.assert_allclose(rule(u[0]) / rule(u[1]), (z[1] / z[0]) ** power, rtol=1e-12)
        assert rule(0.29) == 0
        np.testing.assert_allclose(quad(rule, 0.3, 1, limit=500)[0], 0.2, rtol=1e-7)


def test_coverage_keeps_a_flat_density_of_margins():
    """Density of kept examples per unit of margin, pi(u) 2 phi(z), is constant up to where all are kept."""
    rule, u = KeepCoverage(0.3, 0.1), np.array([0.12, 0.4, 0.7])
    density = rule(u) * 2 * stats.norm.pdf(margin_of_rank(u))
    np.testing.assert_allclose(density, density[0], rtol=1e-12)
    assert rule(0.05) == 0
    assert rule(0.99) == 1
    np.testing.assert_allclose(quad(rule, 0, 1, points=[0.1], limit=500)[0], 0.3, rtol=1e-7)


def test_limits_of_the_rules():
    """Power 0, share 0 and nothing to choose are random; share 1 is the rule."""
    u = np.linspace(0, 1, 11)
    np.testing.assert_allclose(KeepProportional(0.3, 0.0)(u), 0.3)
    np.testing.assert_allclose(KeepMixture(KeepHard(0.3), 0.0)(u), 0.3)
    np.testing.assert_array_equal(KeepMixture(KeepHard(0.3), 1.0)(u), KeepHard(0.3)(u))
    np.testing.assert_allclose(KeepProportional(1.0, 2.0)(u), 1)
    # half of 0.3 by rank, the rest of 0.85 by chance: 0.15 / 0.85
    np.testing.assert_allclose(KeepMixture(KeepHard(0.3), 0.5)([0.1, 0.5]), (1, 3 / 17))
    assert KeepProportional(np.array([0.1, 0.2])[:, None], np.array([0.5, 1.0, 2.0])).windows()[0].shape == (
        2,
        3,
        NUM_CELLS,
    )


def test_mixture_of_scores():
    """Scores 3, 2, 1, 0 with 2 kept, half of them by keep-hard: the first is certain, the others share the second."""
    mixture = KeepMixture(KeepHard(0.5), 0.5)
    scores = np.array([3.0, 2.0, 1.0, 0.0])
    np.testing.assert_allclose(mixture.chances(4, 2, scores), (1, 1 / 3, 1 / 3, 1 / 3))
    others = [mixture.positions_by_score(scores, 2, np.random.default_rng(i)) for i in range(60)]
    assert all(positions[0] == 0 for positions in others)
    assert {positions[1] for positions in others} == {1, 2, 3}  # misses one of them with probability 8e-11


def test_importance_weights():
    np.testing.assert_allclose(importance_weights([1, 0.5, 0.25], 1.0), np.array([3, 6, 12]) / 7)
    np.testing.assert_allclose(importance_weights([1, 0.25], 0.5), np.array([2, 4]) / 3)
    np.testing.assert_array_equal(importance_weights([1, 0.25], 0.0), 1)
    with pytest.raises(ValueError, match=r"probability must lie in \(0, 1\]"):
        importance_weights([0.5, 0.0])
    with pytest.raises(ValueError, match=r"power, that of the weights, must lie in \[0, 1\]"):
        importance_weights([0.5], 1.5)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("proportional@1", KeepProportional(0.3, 1.0)),
        ("proportional@-0.5", KeepProportional(0.3, -0.5)),
        ("proportional@1+trim@0.2+weighted@0.5", KeepWeighted(KeepProportional(0.3, 1.0, 0.2), 0.5)),
        ("coverage@0.1", KeepCoverage(0.3, 0.1)),
        ("mix@0.5", KeepMixture(KeepHard(0.3), 0.5)),
        ("mix@0.25:easy", KeepMixture(KeepEasy(0.3), 0.25)),
        ("proportional@1+weighted", KeepWeighted(KeepProportional(0.3, 1.0), 1.0)),
        ("random+weighted@0.5", KeepWeighted(KeepRandom(0.3), 0.5)),
        ("mix@0.5:coverage@0.2+weighted@0", KeepWeighted(KeepMixture(KeepCoverage(0.3, 0.2), 0.5), 0.0)),
    ],
)
def test_names(name, rule):
    assert keep_rule(name, 0.3) == rule
    assert keep_rule(name, 0.2) == rule.with_fraction(0.2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("proportional@x", "could not convert"),
        ("proportional@9", r"power must lie in \[-8, 8\]"),
        ("proportional@1+trim@0.8", r"trim, .* must lie in \[0, 1 - f\], got 0.8 with f = 0.3"),
        ("proportional@1+trim", "could not convert"),
        ("hard+trim@0.2", r"\+trim@SHARE goes with proportional@POWER"),
        ("coverage@0.1+trim@0.2", r"\+trim@SHARE goes with proportional@POWER"),
        ("proportional@1+weighted+trim@0.2", r"written \+weighted or \+weighted@GAMMA, last"),
        ("coverage@0.8", r"trim, .* must lie in \[0, 1 - f\], got 0.8 with f = 0.3"),
        ("mix@1.5", r"share must lie in \[0, 1\]"),
        ("mix@0.5:soft", "a keep rule is hard, easy"),
        ("hard+weighted@2", r"power, that of the weights, must lie in \[0, 1\]"),
        ("hard+weighted0.5", r"written \+weighted or \+weighted@GAMMA"),
        ("softly@1", "a keep rule is hard, easy"),
        ("coverage", r"could not convert string to float: ''; a keep rule is .*coverage@TRIM"),
        ("mix@half", r"could not convert .*'half'; a keep rule is .*mix@SHARE"),
        ("policy@0,1", "parted by one /; a keep rule is .*policy@EDGES/PROBABILITIES"),
    ],
)
def test_wrong_names(name, message):
    with pytest.raises(ValueError, match=message):
        keep_rule(name, 0.3)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="rule must be a keep rule"):
        KeepMixture("hard")
    with pytest.raises(TypeError, match="rule must be a keep rule without weights"):
        KeepWeighted(KeepWeighted(KeepHard(0.2)))
    with pytest.raises(ValueError, match="give rng"):
        KeepProportional(0.5).kept_positions(10)
    with pytest.raises(ValueError, match="give rng"):
        KeepMixture(KeepHard(0.5)).kept_positions(10)
    with pytest.raises(ValueError, match="keeps none of 3 examples"):
        KeepProportional(0.1).kept_positions(3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="one keep rule is needed here"):
        KeepCoverage([0.1, 0.2]).kept_positions(100, np.random.default_rng(0))


def test_chances_of_windows_are_positive_where_rounding_keeps():
    """An example on the edge of a window is kept by rounding; it must have a weight."""
    for n in range(3, 40):
        for rule in (KeepWindow(0.23, 0.61), KeepHard(0.37), KeepPolicy([0, 0.31, 1], [0, 0.5])):
            kept = rule.kept_positions(n, np.random.default_rng(0))
            assert np.all(rule.chances(n, kept.size)[kept] > 0)
