"""Scaling laws: exact laws come back, intervals cover, verdicts are right or undecided."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from scaling_laws.power_or_exponential.comparison import compare_scaling_laws
from scaling_laws.power_or_exponential.fit import fit_scaling_law
from scaling_laws.power_or_exponential.laws import LAWS

K = np.array([100, 200, 400, 800, 1600, 3200])
TRUTH = {"power": (3.0, 0.6, 0.02), "exponential": (0.3, 1 / 700, 0.05)}


def errors_of(law, truth=None, num_kept=K):
    a, b, c = truth or TRUTH[law]
    x = np.log(num_kept) if law == "power" else np.asarray(num_kept)
    return a * np.exp(-b * x) + c


def experiments(law, num, *, noise=0.05, num_seeds=10, seed=0):
    """Errors with noise of each run and noise that a seed shares across points."""
    rng = np.random.default_rng(seed)
    mean = errors_of(law)[:, None]
    for _ in range(num):
        own, shared = rng.standard_normal((K.size, num_seeds)), rng.standard_normal(num_seeds)
        yield mean * (1 + noise * (own + 0.5 * shared))


def symmetric(mean, spread=0.01):
    """Three seeds whose mean is ``mean`` and whose standard error is spread / sqrt(3) times it."""
    return mean[:, None] * (1 + spread * np.array([-1, 0, 1]))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("irreducible", [True, False])
def test_an_exact_law_comes_back(law, irreducible):
    a, b, c = TRUTH[law]
    c = c if irreducible else 0.0
    fit = fit_scaling_law(K, symmetric(errors_of(law, (a, b, c))), law, irreducible=irreducible, num_resamples=100)
    assert fit.prefactor == pytest.approx(a, rel=1e-6)
    assert fit.exponent == pytest.approx(b, rel=1e-6)
    assert fit.irreducible_error == pytest.approx(c, rel=1e-6)
    assert fit.chi_square < 1e-9
    assert fit.p_value > 0.99
    np.testing.assert_allclose(fit([50, 5000]), errors_of(law, (a, b, c), [50, 5000]), rtol=1e-6)
    assert fit.exponent_interval == pytest.approx((b, b), rel=1e-6)  # the seeds differ by a factor, which is in a, c


def test_weighted_fit_by_hand():
    """Two parameters and c = 0: on K = 1, 2 with errors 0.4, 0.2 the power law is 0.4 / K whatever the weights.

    The third point, at K = 4, lies at 0.16 instead of 0.1; the more it weighs, the slower the law falls.
    """
    mean = np.array([0.4, 0.2, 0.16])
    spread = np.array([0.01, 0.01, 10.0])[:, None]
    light = mean[:, None] + 0.01 * spread * np.array([-1, 0, 1])
    heavy = mean[:, None] + 0.01 * spread[::-1] * np.array([-1, 0, 1])
    exponent = [
        fit_scaling_law([1, 2, 4], errors, "power", irreducible=False, num_resamples=100).exponent
        for errors in (light, heavy)
    ]
    assert exponent[0] == pytest.approx(1, rel=1e-4)
    assert exponent[1] == pytest.approx(math.log2(0.2 / 0.16), rel=1e-4)  # through the second and third point


def test_the_minimum_is_that_of_a_general_optimiser():
    from scipy.optimize import least_squares

    (errors,) = experiments("power", 1)
    sigma = errors.std(axis=1, ddof=1) / math.sqrt(errors.shape[1])
    for law in LAWS:
        fit = fit_scaling_law(K, errors, law, num_resamples=100)
        scale = np.array([fit.prefactor, fit.exponent, 1.0])

        def residuals(parameters, law=law, scale=scale):
            return (errors_of(law, tuple(scale * parameters)) - errors.mean(axis=1)) / sigma

        start = [1.02, 0.98, fit.irreducible_error]
        found = least_squares(residuals, start, bounds=([0, 0, 0], np.inf), xtol=1e-14, ftol=1e-14, gtol=1e-14)
        assert fit.chi_square == pytest.approx(2 * found.cost, rel=1e-6)


def test_no_negative_irreducible_error():
    # a straight line to 0 at K = 3300 falls faster at the end than any exponential with c > 0
    fit = fit_scaling_law(K, symmetric(0.3 * (1 - K / 3300)), "exponential", num_resamples=100)
    assert fit.irreducible_error == 0
    assert fit.prefactor > 0


@pytest.mark.parametrize("law", LAWS)
def test_intervals_cover_and_p_values_are_uniform(law):
    """100 experiments; bounds have a false-alarm rate of 1e-4 each if intervals of 80 % hold the truth in 74 to 86 %.

    The mean of uniform p-values is 1/2 with a standard error of 1 / sqrt(12 * 100) = 0.029, of which 3.9 are exceeded
    once in 10^4; 0.03 more as the p-value is approximate.
    """
    fits = [fit_scaling_law(K, e, law, level=0.8, num_resamples=200) for e in experiments(law, 100, seed=1)]
    least, most = binom.ppf(1e-4, 100, 0.74), binom.isf(1e-4, 100, 0.86)
    for name, value in zip(("prefactor", "exponent", "irreducible_error"), TRUTH[law], strict=True):
        covered = sum(low <= value <= high for low, high in (getattr(fit, f"{name}_interval") for fit in fits))
        assert least <= covered <= most, name
    assert abs(np.mean([fit.p_value for fit in fits]) - 0.5) < 3.9 * 0.029 + 0.03


@pytest.mark.parametrize("law", LAWS)
def test_verdict_is_right_on_clear_data(law):
    other = LAWS[1 - LAWS.index(law)]
    for errors in experiments(law, 5, seed=2):
        comparison = compare_scaling_laws(K, errors, num_resamples=200)
        assert comparison.verdict == law
        assert comparison.reason.startswith(law)
        assert (comparison.chi_square_difference > 0) == (law == "power")
        assert comparison.power_share == pytest.approx(float(law == "power"), abs=0.05)
        assert getattr(comparison, other).p_value < 0.05


@pytest.mark.parametrize("law", LAWS)
def test_noisy_data_stay_undecided_rather_than_wrong(law):
    """Noise of 50 %: a wrong verdict in at most 5 % of 25 experiments, false-alarm rate 1e-4; few verdicts at all."""
    verdicts = []
    for errors in experiments(law, 25, noise=0.5, seed=3):
        verdicts.append(compare_scaling_laws(K, np.clip(errors, 0, 1), num_resamples=200).verdict)
    other = LAWS[1 - LAWS.index(law)]
    assert verdicts.count(other) <= binom.isf(1e-4, 25, 0.05)
    assert verdicts.count("undecided") > 6


def test_as_many_parameters_as_points_is_undecided_and_says_so():
    (errors,) = experiments("power", 1)
    comparison = compare_scaling_laws(K[::2], errors[::2], num_resamples=100)
    assert comparison.verdict == "undecided"
    assert "3 points for 3 parameters" in comparison.reason
    assert comparison.power.p_value is None
    # without irreducible error there are two parameters, and something to compare
    assert compare_scaling_laws(K[::2], errors[::2], irreducible=False, num_resamples=100).power.p_value is not None


def test_a_winner_that_does_not_fit_is_said_not_to():
    steps = errors_of("power") * np.array([1, 1.3, 0.8, 1.2, 1, 1])
    comparison = compare_scaling_laws(K, symmetric(steps, 0.001), num_resamples=200)
    assert comparison.power.p_value < 0.05
    assert comparison.exponential.p_value < 0.05
    assert comparison.verdict == "undecided" or "does not fit" in comparison.reason


def test_order_of_points_does_not_matter_and_seeds_make_it_repeatable():
    (errors,) = experiments("exponential", 1)
    fit = fit_scaling_law(K, errors, "exponential", num_resamples=100)
    assert fit == fit_scaling_law(K, errors, "exponential", num_resamples=100)
    backwards = fit_scaling_law(K[::-1], errors[::-1], "exponential", num_resamples=100)
    assert backwards.exponent == pytest.approx(fit.exponent, rel=1e-6)
    assert backwards.exponent_interval == pytest.approx(fit.exponent_interval, rel=1e-6)


def test_an_exponent_without_limit_is_said_to_have_none():
    # the first point lies above the rest, which are level: any steep law will do
    mean = np.array([0.5, 0.1, 0.1, 0.1])
    rng = np.random.default_rng(0)
    errors = mean[:, None] + 0.02 * rng.standard_normal((4, 10))
    assert fit_scaling_law([1, 2, 3, 4], errors, "exponential", num_resamples=200).exponent_interval[1] == math.inf


BAD = [
    ({"errors": np.full((5, 3), 0.1)}, r"shape \(num_points,\) and errors"),
    ({"num_kept": [0, 1, 2, 3, 4, 5]}, "num_kept must be above 0"),
    ({"num_kept": [1, 2, 3, 4, 5, math.nan]}, "num_kept must be finite"),
    ({"num_kept": [1, 1, 1, 2, 2, 2]}, "at least 3 different num_kept, got \\[1.0, 2.0\\]"),
    ({"errors": np.where(np.arange(6)[:, None] == 2, [[0.1, math.nan, 0.2]], 0.5)}, r"errors\[2, 1\] = nan"),
    ({"errors": 100 * symmetric(errors_of("power"))}, r"fractions in \[0, 1\]"),
    ({"errors": symmetric(errors_of("power"))[:, :2]}, "at least 3 seeds, got 2"),
    ({"errors": np.where(K[:, None] == 400, 0.1, symmetric(errors_of("power")))}, "same error at num_kept = 400"),
    ({"errors": symmetric(errors_of("power"))[::-1]}, "errors do not fall with num_kept"),
    ({"level": 1.0}, r"level must lie in \(0, 1\)"),
    ({"num_resamples": 10}, r"num_resamples must lie in \[100, .*got 10"),
    ({"seed": -1}, r"seed must lie in \[0, .*got -1"),
    ({"law": "logarithm"}, "law must be one of power, exponential, got 'logarithm'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_named(change, message):
    arguments = {"num_kept": K, "errors": symmetric(errors_of("power")), "law": "power"} | change
    with pytest.raises(ValueError, match=message):
        fit_scaling_law(**arguments)


WRONG_TYPES = [
    ({"errors": symmetric(errors_of("power")) + 1e-3j}, "errors must be a real number"),
    ({"num_kept": K + 0j}, "num_kept must be a real number"),
    ({"irreducible": "no"}, "irreducible must be true or false, got 'no'"),
    ({"num_resamples": 1e3}, "num_resamples must be an integer"),
    ({"seed": 1.5}, "seed must be an integer, got 1.5"),
    ({"level": "high"}, "level must be a number"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_TYPES)
def test_a_wrong_type_is_named_and_nothing_is_cast(change, message):
    arguments = {"num_kept": K, "errors": symmetric(errors_of("power")), "law": "power"} | change
    with pytest.raises(TypeError, match=message):
        fit_scaling_law(**arguments)


def test_bad_input_of_comparison_and_prediction():
    errors = symmetric(errors_of("power"))
    with pytest.raises(ValueError, match=r"level must lie in \(0.5, 1\)"):
        compare_scaling_laws(K, errors, level=0.4)
    with pytest.raises(ValueError, match="num_kept must be above 0"):
        fit_scaling_law(K, errors, "power", num_resamples=100)(0)
