"""``KeepPolicy``: the named rules as special cases, arrays of policies, and which of a finite number they keep."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from perceptron_theory import (
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepPolicy,
    KeepRandom,
    KeepWindow,
    Labels,
    SquareLoss,
    solve,
)
from perceptron_theory.solver.points import flat_points
from real_data import prune

RIDGE = SquareLoss(0.1)
THETA = 0.3
EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def policies(draw):
    inner = draw(st.lists(st.floats(0.01, 0.99), max_size=4, unique_by=lambda x: round(x, 3)))
    probability = draw(st.lists(st.floats(0, 1), min_size=len(inner) + 1, max_size=len(inner) + 1))
    assume(sum(probability) > 1e-3)
    return KeepPolicy([0, *sorted(inner), 1], probability)


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        (KeepPolicy([0, 0.3, 1], [1, 0]), KeepHard(0.3)),
        (KeepPolicy([0, 0.1, 0.3, 1], [1, 1, 0]), KeepHard(0.3)),
        (KeepPolicy([0, 0.7, 0.9, 1], [0, 1, 1]), KeepEasy(0.3)),
        (KeepPolicy([0, 0.2, 0.5, 0.6, 1], [0, 1, 1, 0]), KeepWindow(0.2, 0.6)),
        (KeepPolicy([0, 1], [0.3]), KeepRandom(0.3)),
        (KeepPolicy([0, 0.4, 0.8, 1], [0.3, 0.3, 0.3]), KeepRandom(0.3)),
    ],
)
def test_named_rules_are_policies(policy, rule):
    """Cells that are empty or like their neighbours vanish: the same windows, and the same numbers bit for bit."""
    assert policy.shape == rule.shape == ()
    exactly = not isinstance(rule, KeepEasy)  # 1 - 0.3 is not 0.7
    for mine, its in zip(policy.windows(), rule.windows(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=0 if exactly else 1e-15)
    rank = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(policy(rank[1::2]), rule(rank[1::2]))
    alpha_tot = np.array([1.0, 10.0])
    mine, its = (solve(alpha_tot, keep, THETA, student=RIDGE) for keep in (policy, rule))
    if exactly and not isinstance(rule, KeepWindow):
        assert np.array_equal(mine.error, its.error)
    np.testing.assert_allclose(mine.error, its.error, rtol=1e-13)
    np.testing.assert_allclose(mine.fraction, its.fraction, rtol=1e-15)
    seeds = np.random.default_rng(0), np.random.default_rng(0)
    positions = [keep.kept_positions(100, rng) for keep, rng in zip((policy, rule), seeds, strict=True)]
    assert positions[0].tolist() == positions[1].tolist()


def test_a_fine_policy_is_the_sum_of_its_cells():
    """One policy alone (cells merged), the same in an array (cells not merged), and with a cell cut in two."""
    edges = [0, 0.2, 0.5, 0.8, 1]
    table = np.array([[1, 1, 0, 0], [0.3, 0.3, 0.3, 0.3], [0, 1, 1, 0], [0.9, 0.1, 0.0, 0.4]])
    many = KeepPolicy(edges, table)
    assert many.shape == (4,)
    np.testing.assert_allclose(many.fraction, table @ np.diff(edges), rtol=1e-15)
    together = solve([[2.0], [8.0]], many, THETA, student=RIDGE)
    assert together.error.shape == (2, 4)
    singles = [KeepHard(0.5), KeepRandom(0.3), KeepWindow(0.2, 0.8)]
    for i, rule in enumerate(singles):
        alone = solve([2.0, 8.0], rule, THETA, student=RIDGE)
        np.testing.assert_allclose(together.error[:, i], alone.error, rtol=1e-13)
    twice = KeepPolicy(edges, np.stack([table[3], 0.5 * table[3]]))
    halved = solve([2.0, 4.0], twice, THETA, student=RIDGE).error  # half as likely, twice as many: the same examples
    assert halved[0] == pytest.approx(together.error[0, 3], rel=1e-13)
    assert halved[1] == pytest.approx(halved[0], rel=1e-13)


def test_keep_probability_by_rank():
    policy = KeepPolicy([0, 0.25, 0.5, 1], [0.2, 0.0, 0.7])
    np.testing.assert_array_equal(policy([0.0, 0.2, 0.25, 0.4, 0.5, 0.75, 1.0]), [0.2, 0.2, 0, 0, 0.7, 0.7, 0.7])
    assert policy.fraction == pytest.approx(0.05 + 0.35, rel=1e-15)


@EXAMPLES
@given(policy=policies())
def test_mean_of_the_keep_probability_is_the_fraction(policy):
    rank = (np.arange(20000) + 0.5) / 20000
    assert np.mean(policy(rank)) == pytest.approx(policy.fraction, abs=1e-4 * (len(policy.edges)))


@EXAMPLES
@given(policy=policies(), f=st.floats(0.01, 1))
def test_same_policy_with_another_fraction(policy, f):
    other = policy.with_fraction(f)
    assert other.fraction == pytest.approx(f, rel=1e-9)
    before, after = np.array(policy.probability), np.asarray(other.probability)
    assert np.all((after >= 0) & (after <= 1))
    if f <= policy.fraction:  # all fall in proportion, or what is left out does
        np.testing.assert_allclose(after, before * f / policy.fraction, rtol=1e-12, atol=1e-300)
    else:
        np.testing.assert_allclose((1 - after) * (1 - policy.fraction), (1 - before) * (1 - f), atol=1e-12)


def cells_of(policy, num_examples):
    """Brute force: which cell the middle of each example's rank lies in."""
    middle = (np.arange(num_examples) + 0.5) / num_examples
    return np.searchsorted(np.asarray(policy.edges)[1:-1], middle, side="right")


@EXAMPLES
@given(policy=policies(), num_examples=st.integers(1, 300), seed=st.integers(0, 10))
def test_number_kept_is_the_nearest_where_there_is_room(policy, num_examples, seed):
    """The total is the nearest to f n, unless the cells kept are too narrow to hold that many whole examples."""
    expected = policy.fraction * num_examples
    room = np.count_nonzero(np.asarray(policy.probability)[cells_of(policy, num_examples)] > 0)
    assume(abs(expected % 1 - 0.5) > 1e-6)
    assume(np.all(np.abs((np.asarray(policy.edges) * num_examples) % 1 - 0.5) > 1e-6))
    total = min(round(expected), room)
    rng = np.random.default_rng(seed)
    if total == 0:
        with pytest.raises(ValueError, match=f"keeps none of {num_examples} examples"):
            policy.kept_positions(num_examples, rng)
        return
    kept = policy.kept_positions(num_examples, rng)
    assert kept.size == total
    assert np.all(np.diff(kept) > 0)
    assert kept[0] >= 0
    assert kept[-1] < num_examples
    cells = cells_of(policy, num_examples)
    probability = np.asarray(policy.probability)
    assert np.all(probability[cells[kept]] > 0)
    # every window of equal cells keeps its share, to what rounding its edges, its number and the total can move
    window = np.cumsum(np.r_[0, probability[1:] != probability[:-1]])[cells]
    counts, share = np.bincount(window[kept], minlength=window.max() + 1), np.bincount(window, probability[cells])
    assert np.all(np.abs(counts - share) <= 1 + probability.size)


def test_number_kept_is_the_nearest_for_narrow_cells():
    """The docstring's promise: f n = 1.8, but the cells are rounded to 0, 1, 1, 1, 0 examples: one is kept."""
    policy = KeepPolicy([0, 0.15, 0.35, 0.65, 0.85, 1], [1, 0, 1, 0, 1])
    assert policy.fraction * 3 == pytest.approx(1.8)
    assert policy.kept_positions(3, np.random.default_rng(0)).size == 2


def test_kept_examples_follow_their_probability():
    """Frequencies over 2,000 draws; 20 cells at 5 standard errors: false alarms in 1e-5 of seeds, and this one is set.

    Ten examples of probability 0.3 and ten of 0.8 keep 3 and 8 of them, none more often than another.
    """
    policy, rng = KeepPolicy([0, 0.5, 1], [0.3, 0.8]), np.random.default_rng(0)
    draws = [policy.kept_positions(20, rng) for _ in range(2000)]
    assert all(np.count_nonzero(draw < 10) == 3 and draw.size == 11 for draw in draws)
    frequency = np.bincount(np.concatenate(draws), minlength=20) / 2000
    expected = np.repeat([0.3, 0.8], 10)
    assert np.all(np.abs(frequency - expected) < 5 * np.sqrt(expected * (1 - expected) / 2000))
    with pytest.raises(ValueError, match=r"keeps examples at random: give rng"):
        policy.kept_positions(20)
    assert KeepPolicy([0, 0.5, 1], [0, 1]).kept_positions(4).tolist() == [2, 3]  # nothing to draw


def test_arrays_of_policies_are_not_one_rule():
    many = KeepPolicy([0, 0.5, 1], [[1, 0], [0.5, 0.5]])
    for use in (lambda: many(0.5), lambda: many.kept_positions(10), lambda: many.with_fraction(0.2)):
        with pytest.raises(ValueError, match=r"one keep rule is needed here, got an array of rules of shape \(2,\)"):
            use()


@pytest.mark.parametrize(
    ("edges", "probability", "kind", "message"),
    [
        ([0, 0.5], [1], ValueError, "edges must increase from 0 to 1"),
        ([0.1, 1], [1], ValueError, "edges must increase from 0 to 1"),
        ([0, 0.5, 0.5, 1], [1, 0, 1], ValueError, "edges must increase from 0 to 1"),
        ([0], [], ValueError, "at least two of them"),
        ([[0, 1]], [1], ValueError, "edges must increase from 0 to 1"),
        ([0, np.nan, 1], [1, 0], ValueError, "edges must be finite"),
        ([0, 0.5, 1], [1], ValueError, "probability needs one value per cell, 2 along its last axis"),
        ([0, 0.5, 1], 0.5, ValueError, "probability needs one value per cell"),
        ([0, 0.5, 1], [1, 1.1], ValueError, r"probability must lie in \[0, 1\], got"),
        ([0, 0.5, 1], [-0.1, 1], ValueError, r"probability must lie in \[0, 1\], got"),
        ([0, 0.5, 1], [[1, 0], [0, 0]], ValueError, "probability is zero on every cell"),
        ([0, 0.5, 1], ["a", "b"], TypeError, "probability must be a real number"),
        ([0, 0.5, 1], [True, False], TypeError, "probability must be a real number"),
    ],
)
def test_bad_policies(edges, probability, kind, message):
    with pytest.raises(kind, match=message):
        KeepPolicy(edges, probability)


def test_real_data_are_pruned_by_policy():
    """100 scores from 2 classes: hardest first, the policy keeps 20 of the hardest 40 and all of the easiest 20."""
    rng = np.random.default_rng(3)
    scores, labels = rng.permutation(100), np.repeat([0, 1], [70, 30])
    policy = KeepPolicy([0, 0.4, 0.8, 1], [0.5, 0, 1])
    kept = prune(scores, policy, seed=1)
    hardness = np.sort(99 - scores[kept])  # rank, 0 = hardest
    assert np.count_nonzero(hardness < 40) == 20
    assert hardness[20:].tolist() == list(range(80, 100))
    assert kept.tolist() == prune(scores, policy, seed=1).tolist()
    by_class = prune(scores, policy, labels, seed=1)
    assert np.bincount(labels[by_class]).tolist() == [28, 12]
    hard = KeepPolicy([0, 0.3, 1], [1, 0])
    assert prune(scores, hard).tolist() == prune(scores, KeepHard(0.3)).tolist()
    assert prune(scores, hard, labels).tolist() == prune(scores, KeepHard(0.3), labels).tolist()


def test_real_data_have_no_labels_of_a_probe():
    with pytest.raises(TypeError, match=r"keep must be a keep rule such as KeepHard\(0.4\), got KeepByLabel"):
        prune(np.arange(10), KeepByLabel(KeepHard(0.5)))


def test_few_compiled_programs_serve_any_number_of_windows():
    """Strips of weight 0 fill them up to a power of two; they weigh nothing."""
    alpha_tot = np.float64(5.0)
    for num_cells in (5, 6, 7, 8):
        keep = KeepPolicy(np.linspace(0, 1, num_cells + 1), 0.2 + 0.7 * np.linspace(0, 1, num_cells) ** 2)
        for theta in (0.0, THETA):
            points, _ = flat_points(alpha_tot, keep, np.float64(theta), RIDGE, Labels(), (), aligned=theta == 0)
            assert points.strips.lower.shape == ((1, 8) if theta == 0 else (1, 16))
            assert points.strips.weight[0, :num_cells].min() > 0
