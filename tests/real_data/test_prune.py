"""Pruning: the keep rules on real scores, against brute force and hand-derived examples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pruning.apportionment import apportion
from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepWindow
from real_data import prune

SHARES = st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0])


@st.composite
def distinct_scores(draw, min_size=2, max_size=40):
    n = draw(st.integers(min_size, max_size))
    return np.array(draw(st.permutations(range(n))), dtype=float) / 7 - 2


@st.composite
def labelled_scores(draw):
    """Distinct scores with labels, at least five examples of each of two to four classes, and a fraction."""
    num_classes = draw(st.integers(2, 4))
    extra = draw(st.lists(st.integers(0, num_classes - 1), max_size=20))
    labels = np.array(draw(st.permutations([*range(num_classes)] * 5 + extra)))
    scores = np.array(draw(st.permutations(range(labels.size))), dtype=float)
    return scores, labels, draw(st.sampled_from([0.3, 0.5, 0.62, 0.8, 1.0]))


def class_counts(labels, kept):
    return np.bincount(labels[kept], minlength=labels.max() + 1)


@given(scores=distinct_scores(), f=st.floats(0.3, 1))
def test_hard_and_easy_keep_the_extremes(scores, f):
    count = math.floor(f * scores.size + 0.5)
    if abs(f * scores.size + 0.5 - round(f * scores.size + 0.5)) < 1e-6:
        return  # halves are the keep rule's own business
    by_score = sorted(range(scores.size), key=lambda i: scores[i])
    assert prune(scores, KeepEasy(f)).tolist() == sorted(by_score[:count])
    assert prune(scores, KeepHard(f)).tolist() == sorted(by_score[scores.size - count :])


def test_window_keeps_the_middle_ranks():
    # sorted from hardest: 9 8 7 6 5 4 3 2 1 0; ranks [0.2, 0.5] are positions 2, 3, 4
    scores = np.array([4, 9, 0, 7, 6, 1, 8, 3, 5, 2])
    assert sorted(scores[prune(scores, KeepWindow(0.2, 0.5))]) == [5, 6, 7]


@given(scores=distinct_scores(), f=st.floats(0.05, 0.95))
def test_hard_and_easy_complement_each_other(scores, f):
    n = scores.size
    if min(f, 1 - f) * n < 0.51:
        return  # one of the two would keep nothing
    if abs(f * n % 1 - 0.5) < 1e-8:
        return  # half an example: both rules round up
    hard, easy = prune(scores, KeepHard(f)), prune(scores, KeepEasy(1 - f))
    assert sorted([*hard, *easy]) == list(range(n))


@given(
    data=labelled_scores(),
    keep=st.sampled_from([KeepHard, KeepEasy, KeepRandom, lambda f: KeepWindow((1 - f) / 3, (1 - f) / 3 + f)]),
    share=SHARES,
    with_labels=st.booleans(),
    shuffle=st.integers(0, 1000),
)
def test_shuffling_the_data_set_shuffles_the_indices(data, keep, share, with_labels, shuffle):
    scores, labels, f = data
    order = np.random.default_rng(shuffle).permutation(scores.size)
    labels = labels if with_labels else None

    def kept(scores, labels):
        try:
            return prune(scores, keep(f), labels, min_class_share=share)
        except ValueError:  # a class left empty
            return None

    original, shuffled = kept(scores, labels), kept(scores[order], None if labels is None else labels[order])
    assert (original is None) == (shuffled is None)
    if original is not None:
        assert sorted(order[shuffled]) == original.tolist()
        assert np.all(np.diff(shuffled) > 0)


@given(data=labelled_scores(), share=SHARES)
def test_only_the_order_of_scores_matters(data, share):
    scores, labels, f = data
    for keep in (KeepHard(f), KeepRandom(f)):
        try:
            kept = prune(scores, keep, labels, min_class_share=share)
        except ValueError:
            continue
        np.testing.assert_array_equal(prune(np.exp(scores / 9), keep, labels, min_class_share=share), kept)


@given(data=labelled_scores(), share=SHARES, rule=st.sampled_from([KeepHard, KeepEasy, KeepRandom, None]))
def test_class_totals(data, share, rule):
    """The total is that of the rule; no class is below its minimum; hard keeps each class's hardest."""
    scores, labels, f = data
    keep = rule(f) if rule else KeepWindow((1 - f) * 0.6, min(1.0, (1 - f) * 0.6 + f))
    kept_globally = prune(scores, keep)
    try:
        kept = prune(scores, keep, labels, min_class_share=share)
    except ValueError:
        assert share < 1  # five examples per class and f >= 0.3: equal shares leave no class empty
        return
    sizes, counts = np.bincount(labels), class_counts(labels, kept)
    assert kept.size == kept_globally.size == np.unique(kept).size
    minimum = share * kept.size * sizes / labels.size
    assert np.all(counts > minimum - 1)
    if share < 1:
        below = counts < minimum - 1e-9
        order = np.argsort([-scores[labels == c].max() for c in range(sizes.size)])  # equal remainders: hardest first
        equal = np.empty_like(sizes)
        equal[order] = apportion(kept.size, sizes[order])
        assert np.all(counts[below] == equal[below])
    before = class_counts(labels, kept_globally)
    if np.all(before >= np.ceil(minimum)):
        np.testing.assert_array_equal(counts, before)
    if rule is KeepHard:
        for c, count in enumerate(counts):
            of_class = np.flatnonzero(labels == c)
            hardest = of_class[np.argsort(-scores[of_class])[:count]]
            assert set(kept[labels[kept] == c]) == set(hardest)


@given(data=labelled_scores(), rule=st.sampled_from([KeepHard, KeepEasy]))
def test_no_class_share_is_the_global_ranking(data, rule):
    scores, labels, f = data
    kept = prune(scores, rule(f))
    if class_counts(labels, kept).all():
        np.testing.assert_array_equal(prune(scores, rule(f), labels, min_class_share=0), kept)


@pytest.mark.parametrize(("share", "counts"), [(1, [3, 2, 1]), (0.5, [4, 1, 1]), (0.4, [4, 1, 1])])
def test_class_quotas_by_hand(share, counts):
    # Twelve examples, 6 + 4 + 2 of classes 0, 1, 2; the six hardest are five of class 0 and one of class 1.
    # share 1: 6/12 of each class, (3, 2, 1).
    # share 0.5: minima 0.5 * (3, 2, 1) = (1.5, 1, 0.5), rounded up (2, 1, 1).  Class 2 lacks one, class 0 has
    # three to spare, class 1 none: (4, 1, 1).  share 0.4: minima (1.2, 0.8, 0.4), rounded up, the same.
    # share 0: the global (5, 1, 0), which leaves class 2 empty.
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 0])
    scores = np.arange(12)[::-1]
    kept = prune(scores, KeepHard(0.5), labels, min_class_share=share)
    assert class_counts(labels, kept).tolist() == counts
    with pytest.raises(ValueError, match=r"share = 0 leaves no example of class 2 \(2 of 12 examples\)"):
        prune(scores, KeepHard(0.5), labels, min_class_share=0)


def test_class_quotas_take_from_surplus_in_proportion():
    # 40 examples, ten of each class; the twenty hardest: ten of class 0, eight of class 1, two of class 2.
    # share 0.8: minima 4 each.  Deficits 0, 0, 2, 4 against surpluses 6, 4, 0, 0: classes 0 and 1 give 3.6
    # and 2.4, by largest remainder 4 and 2: (6, 6, 4, 4).
    labels = np.repeat([0, 1, 2, 1, 2, 3], [10, 8, 2, 2, 8, 10])
    kept = prune(np.arange(40)[::-1], KeepHard(0.5), labels, min_class_share=0.8)
    assert class_counts(labels, kept).tolist() == [6, 6, 4, 4]


def test_empty_class_is_named():
    labels = np.array([7] * 9 + [11])
    with pytest.raises(ValueError, match=r"KeepEasy.*0.3.* leaves no example of class 11 \(1 of 10 examples\)"):
        prune(np.arange(10), KeepEasy(0.3), labels, min_class_share=0)


@pytest.mark.parametrize("keep", [KeepWindow(0.25, 0.75), KeepWindow(0.45, 0.55), KeepWindow(0.1, 0.45)])
def test_window_keeps_its_quota_in_every_class(keep):
    """Two edges that round separately would lose or gain an example of the quota here."""
    labels = np.repeat(np.arange(4), 10)
    kept = prune(np.random.default_rng(0).normal(size=40), keep, labels)
    expected = keep.kept_positions(40).size
    assert kept.size == expected
    assert np.ptp(class_counts(labels, kept)) <= 1


def test_ties_do_not_follow_the_data_set():
    """All scores equal: keep-hard is a random choice, another one for another seed, the same for the same."""
    scores = np.zeros(1000, dtype=int)
    kept = prune(scores, KeepHard(0.5), seed=1)
    in_first_half = np.count_nonzero(kept < 500)
    assert abs(in_first_half - 250) < 5 * math.sqrt(1000 / 16)  # hypergeometric: variance K (1/2)^2 (1 - K/n)
    np.testing.assert_array_equal(kept, prune(scores, KeepHard(0.5), seed=1))
    assert not np.array_equal(kept, prune(scores, KeepHard(0.5), seed=2))


def test_random_ignores_difficulty():
    """Over seeds every example is kept with probability f, within each class exactly f of it."""
    labels = np.repeat([0, 1], [30, 10])
    num_seeds, f = 400, 0.3
    counts = np.zeros(40)
    for seed in range(num_seeds):
        kept = prune(np.arange(40), KeepRandom(f), labels, seed=seed)
        assert class_counts(labels, kept).tolist() == [9, 3]
        counts[kept] += 1
    assert np.all(np.abs(counts / num_seeds - f) < 4.5 * math.sqrt(f * (1 - f) / num_seeds))


@given(
    total=st.integers(0, 200),
    weights=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(lambda w: sum(w) > 0),
)
@settings(max_examples=200)
def test_apportionment_keeps_quota_and_total(total, weights):
    parts = apportion(total, weights)
    exact = total * np.array(weights) / sum(weights)
    assert parts.sum() == total
    assert np.all(parts >= np.floor(exact - 1e-9))
    assert np.all(parts <= np.ceil(exact + 1e-9))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scores": [0.1, math.nan, math.inf]}, ValueError, r"2 of 3 are not: scores\[1\] = nan"),
        ({"scores": [[0.1, 0.2]]}, ValueError, r"scores must have shape .* got \(1, 2\)"),
        ({"scores": []}, ValueError, r"num_examples >= 1, got \(0,\)"),
        ({"scores": ["a", "b"]}, TypeError, "scores must be real numbers"),
        (
            {"scores": [True, False, True]},
            TypeError,
            "scores must be real numbers, got an array of type bool",
        ),
        ({"labels": [0, 1]}, ValueError, r"labels must have the shape of scores, \(3,\), got \(2,\)"),
        ({"labels": [0.0, 1.0, 1.0]}, TypeError, "labels must be integers, got an array of type float64"),
        ({"keep": 0.5}, TypeError, r"keep must be a keep rule such as KeepHard\(0.4\), got 0.5"),
        ({"keep": KeepHard([0.2, 0.5])}, ValueError, "one keep rule is needed"),
        ({"keep": KeepHard(0.01)}, ValueError, "keeps none of 3 examples"),
        ({"min_class_share": 1.5}, ValueError, r"min_class_share must lie in \[0, 1\], got 1.5"),
        ({"min_class_share": math.nan}, ValueError, r"min_class_share must lie in \[0, 1\], got nan"),
        ({"min_class_share": "half"}, TypeError, "min_class_share must be a number"),
        ({"seed": -1}, ValueError, "seed must be a non-negative integer, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be a non-negative integer, got 0.5"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        prune(**({"scores": [0.3, 0.1, 0.2], "keep": KeepHard(0.5)} | arguments))


@pytest.mark.parametrize("f", [0.35, 0.37, 0.5])
def test_what_classes_are_called_does_not_matter(f):
    """Three classes of ten and a number to keep that three does not divide: relabelled, each keeps as many."""
    rng = np.random.default_rng(0)
    scores, labels = rng.permutation(30), np.repeat([0, 1, 2], 10)
    kept = prune(scores, KeepHard(f), labels)
    for names in ([2, 1, 0], [1, 2, 0], [7, 3, 5]):
        np.testing.assert_array_equal(prune(scores, KeepHard(f), np.array(names)[labels]), kept)


@pytest.mark.parametrize("f", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("rule", [KeepHard, KeepEasy, KeepRandom])
def test_a_class_of_one_image_keeps_it(f, rule):
    labels = np.r_[np.repeat([0, 1, 2], 100), 3]
    kept = prune(np.random.default_rng(1).random(301), rule(f), labels)
    assert kept.size == KeepHard(f).num_kept(301)
    assert 300 in kept
    assert np.ptp(class_counts(labels, kept)[:3]) <= 1
    with pytest.raises(ValueError, match=r"keep at least 4 examples, one of each class, a fraction of 0.0133"):
        prune(np.arange(301), rule(0.01), labels)
