"""Windows of signed margin against a sample in which probe, label and margin are drawn and sorted."""

import numpy as np
import pytest

from perceptron_theory import HingeLoss, KeepRandom, Labels, signed_margin_window, solve


@pytest.mark.parametrize(("theta", "flip"), [(0.3, 0.0), (0.6, 0.1), (np.pi / 2, 0.0)])
@pytest.mark.parametrize(("lower", "upper"), [(0.0, 0.05), (0.02, 0.4), (0.3, 0.5), (0.7, 1.0)])
def test_keeps_the_examples_that_sorting_keeps(theta, flip, lower, upper):
    """A million examples: 99.9 % or more of those sorted into the window are those that the rule keeps.

    The empirical threshold strays from the exact one by ranks of order 1/sqrt(1e6) = 0.001 at each end.
    """
    rng = np.random.default_rng(1)
    n = 1_000_000
    z, noise = rng.standard_normal((2, n))
    label = np.sign(np.cos(theta) * z + np.sin(theta) * noise) * np.where(rng.random(n) < flip, -1, 1)
    rank = np.empty(n)
    rank[np.argsort(label * z)] = (np.arange(n) + 0.5) / n
    sorted_in = (rank >= lower) & (rank <= upper)
    rule = signed_margin_window(lower, upper, theta, flip_probability=flip)
    from scipy.special import erf

    u = erf(np.abs(z) / np.sqrt(2))
    kept = np.where(label * z > 0, rule.agree(u), rule.disagree(u)) > 0
    assert abs(kept.mean() - (upper - lower)) < 5 * np.sqrt(0.25 / n)
    assert np.mean(kept != sorted_in) < 0.005


def test_solve_finds_the_fraction_and_hard_examples_mislead():
    """Probe at 0.5 rad, 5 % wrong labels: the hardest fifth is mostly wrong labels, so chance would be better."""
    theta, labels = 0.5, Labels(0.05)
    keep = signed_margin_window([0.0, 0.25, 0.8], [0.2, 0.45, 1.0], theta, flip_probability=0.05)
    found = solve(20, keep, theta, student=HingeLoss(0.01), labels=labels)
    np.testing.assert_allclose(found.fraction, 0.2, atol=3e-9)
    random = solve(20, KeepRandom(0.2), theta, student=HingeLoss(0.01), labels=labels).error
    assert found.error[0] > 0.5 > found.error[2] > found.error[1]
    assert random > found.error[1]


def test_easy_end_without_flips_is_the_window_of_the_unsigned_margin():
    """At theta = 0.05 hardly anything disagrees: ranks of signed and unsigned margin agree to theta / pi."""
    rule = signed_margin_window(0.5, 0.9, 0.05)
    assert rule.agree.lower == pytest.approx(0.5, abs=0.05 / np.pi)
    assert rule.agree.upper == pytest.approx(0.9, abs=0.05 / np.pi)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.5, 0.4, 0.3), "lower < upper"),
        ((0.0, 1.1, 0.3), "lower < upper"),
        ((0.0, 0.2, 0.0), r"theta must lie in \(0, pi/2\]"),
        ((0.0, 0.2, 2.0), "theta must lie"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        signed_margin_window(*arguments)
    with pytest.raises(ValueError, match="flip_probability must lie"):
        signed_margin_window(0, 0.2, 0.3, flip_probability=0.5)
