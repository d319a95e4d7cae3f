"""Keep rules: probabilities over rank, and which of a finite number of examples they keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepWindow

FRACTIONS = st.floats(1e-3, 1)


@st.composite
def single_rules(draw):
    f = draw(FRACTIONS)
    lower = draw(st.floats(0, 1)) * (1 - f)
    window = KeepWindow(lower, max(np.nextafter(lower, 1), min(1.0, lower + f)))
    return draw(st.sampled_from([KeepHard(f), KeepEasy(f), KeepRandom(f), window]))


@given(keep=single_rules())
def test_mean_of_the_keep_probability_is_the_fraction(keep):
    rank = (np.arange(20000) + 0.5) / 20000
    assert np.mean(keep(rank)) == pytest.approx(keep.fraction, abs=1.1e-4)
    assert np.all((keep(rank) >= 0) & (keep(rank) <= 1))


def test_keep_probability_by_rank():
    rank = np.array([0.0, 0.2, 0.5, 0.8, 1.0])
    np.testing.assert_array_equal(KeepHard(0.5)(rank), [1, 1, 0, 0, 0])  # the upper edge belongs to the next
    np.testing.assert_array_equal(KeepEasy(0.5)(rank), [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(KeepRandom(0.5)(rank), [0.5] * 5)
    np.testing.assert_array_equal(KeepWindow(0.2, 0.8)(rank), [0, 1, 1, 0, 0])
    assert KeepHard(1.0)(1.0) == 1


@given(keep=single_rules(), num_examples=st.integers(1, 500))
def test_number_kept_is_the_nearest(keep, num_examples):
    rng = np.random.default_rng(0)
    expected = keep.fraction * num_examples
    if expected < 0.49:
        with pytest.raises(ValueError, match=f"keeps none of {num_examples} examples"):
            keep.kept_positions(num_examples, rng)
    elif expected > 0.51:
        positions = keep.kept_positions(num_examples, rng)
        assert abs(positions.size - expected) <= 0.5 + 1e-6
        assert np.all(np.diff(positions) > 0)
        assert positions[0] >= 0
        assert positions[-1] < num_examples


@given(f=FRACTIONS, num_examples=st.integers(1, 300), place=st.floats(0, 1))
def test_hard_easy_and_windows_keep_the_same_number(f, num_examples, place):
    if f * num_examples < 0.51 or abs(f * num_examples % 1 - 0.5) < 1e-6:
        return
    hard, easy = KeepHard(f).kept_positions(num_examples), KeepEasy(f).kept_positions(num_examples)
    assert hard.tolist() == list(range(hard.size))
    assert easy.tolist() == list(range(num_examples - hard.size, num_examples))  # the mirror image
    window = KeepWindow(place * (1 - f), place * (1 - f) + f if place < 1 else 1.0) if f < 1 else KeepWindow(0, 1)
    positions = window.kept_positions(num_examples)
    assert positions.size == hard.size
    assert abs(positions[0] - place * (1 - f) * num_examples) <= 1


def test_halves_round_symmetrically():
    # 0.35 of 10 examples is 3.5 though 0.35 * 10 is 3.4999999999999996 in binary
    assert KeepHard(0.35).kept_positions(10).tolist() == [0, 1, 2, 3]
    assert KeepEasy(0.35).kept_positions(10).tolist() == [6, 7, 8, 9]
    assert KeepHard(0.5).kept_positions(5).tolist() == [0, 1, 2]
    assert KeepWindow(0.2, 0.5).kept_positions(10).tolist() == [2, 3, 4]


def test_random_selection_follows_its_seed():
    keep = KeepRandom(0.3)
    draws = [keep.kept_positions(1000, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0].tolist() == draws[1].tolist()
    assert draws[0].tolist() != draws[2].tolist()
    assert all(draw.size == 300 for draw in draws)
    # every position is kept in 30 per cent of many draws: 5 standard errors of a proportion
    rng = np.random.default_rng(0)
    counts = np.bincount(np.concatenate([keep.kept_positions(50, rng) for _ in range(2000)]), minlength=50) / 2000
    assert np.max(np.abs(counts - 0.3)) < 5 * np.sqrt(0.3 * 0.7 / 2000)
    with pytest.raises(ValueError, match=r"give rng, a numpy\.random\.Generator"):
        keep.kept_positions(10)
    assert KeepRandom(1.0).kept_positions(4).tolist() == [0, 1, 2, 3]  # nothing to draw


@given(keep=single_rules(), f=st.floats(0.01, 0.99))
def test_same_kind_of_rule_with_another_fraction(keep, f):
    other = keep.with_fraction(f)
    assert type(other) is type(keep)
    assert other.fraction == pytest.approx(f, rel=1e-12)
    if isinstance(keep, KeepWindow) and keep.fraction < 0.99:
        place = keep.lower / (1 - keep.fraction)
        assert other.lower == pytest.approx(place * (1 - f), abs=1e-9)


def test_arrays_of_rules():
    keep = KeepWindow([0.1, 0.2, 0.3], np.array([[0.5], [0.9]]))
    assert keep.shape == (2, 3)
    np.testing.assert_allclose(keep.fraction, [[0.4, 0.3, 0.2], [0.8, 0.7, 0.6]])
    assert KeepHard([0.1, 0.2]).shape == (2,)
    for use in (lambda: keep(0.5), lambda: keep.kept_positions(10), lambda: keep.with_fraction(0.2)):
        with pytest.raises(ValueError, match=r"one keep rule is needed here, got an array of rules of shape \(2, 3\)"):
            use()


@pytest.mark.parametrize("rule", [KeepHard, KeepEasy, KeepRandom])
@pytest.mark.parametrize("f", [0.0, -0.1, 1.0000001, [0.5, 2.0]])
def test_fraction_out_of_range(rule, f):
    with pytest.raises(ValueError, match=r"f, the fraction kept, must lie in \(0, 1\], got"):
        rule(f)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: KeepHard(np.nan), ValueError, "f must be finite, got nan"),
        (lambda: KeepHard("0.2"), TypeError, "f must be a real number"),
        (lambda: KeepHard(True), TypeError, "f must be a real number"),
        (lambda: KeepWindow(0.5, 0.5), ValueError, "0 <= lower < upper <= 1, got lower = 0.5, upper = 0.5"),
        (lambda: KeepWindow(-0.1, 0.5), ValueError, "got lower = -0.1"),
        (lambda: KeepWindow(0.1, 1.5), ValueError, "upper = 1.5"),
        (lambda: KeepWindow(0.1, np.inf), ValueError, "upper must be finite"),
        (lambda: KeepHard(0.5)(1.5), ValueError, r"rank must lie in \[0, 1\], got 1.5"),
        (lambda: KeepHard(0.5)(np.nan), ValueError, "rank must be finite"),
        (lambda: KeepHard(0.5).kept_positions(0), ValueError, "num_examples must be at least 1, got 0"),
    ],
)
def test_bad_rules(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
