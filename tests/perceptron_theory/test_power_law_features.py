"""Features of unequal variance: sums over them, the response of a student, known values, derivatives, refusals."""

import jax
import numpy as np
import pytest
from scipy.optimize import brentq

from data_pruning.compilation import quickly_compiled
from perceptron_theory import (
    HingeLoss,
    KeepHard,
    KeepRandom,
    KeepWindow,
    Labels,
    LogisticLoss,
    MaxMargin,
    PowerLawFeatures,
    SeenFeatures,
    SquareLoss,
    scaling_exponent,
    separability_threshold,
    solve,
)
from perceptron_theory.features import Hidden, Spectrum
from perceptron_theory.long_sums import LONGEST, nodes_of_sum, num_nodes
from perceptron_theory.solver.feature_response import curvature_of, length_of, response_of


def law(num_seen, num_features=600, decay=1.5, teacher_decay=1.8):
    return PowerLawFeatures(decay, teacher_decay, num_seen, num_features)


def direct(num_seen, num_features=600, decay=1.5, teacher_decay=1.8):
    """Variances and teacher's parts of the features seen, one by one."""
    k = np.arange(1, num_features + 1.0)
    share = k**-teacher_decay / np.sum(k**-teacher_decay)
    return k[:num_seen] ** -decay, share[:num_seen]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 64), (1, 65), (3, 100), (101, 600), (70, 80), (1, LONGEST)])
@pytest.mark.parametrize(("power", "error"), [(1.1, 2e-15), (1.8, 2e-15), (4.0, 1e-11)])
def test_long_sums(first, last, power, error):
    nodes, weights = nodes_of_sum(first, last)
    assert nodes.size <= num_nodes(last)
    k = np.arange(first, last + 1.0)
    for scale in (1e-3, 1e6):

        def answer(k, scale=scale):
            return k**-power / (1e-3 + scale * k**-power)

        assert weights @ answer(nodes) == pytest.approx(answer(k).sum(), rel=error)


def test_a_sum_of_nothing():
    assert nodes_of_sum(5, 4)[0].size == 0


@pytest.mark.parametrize("num_seen", [1, 50, 600])
def test_response_is_that_of_the_sums(num_seen):
    """R, D, S, E and L by plain sums, where nothing cancels."""
    variance, tau = direct(num_seen)
    lam, c = 0.03, 0.7
    paid = 1 / (lam + variance * c)
    pull, second = np.sum(tau * variance * paid), np.sum(tau * (variance * paid) ** 2)
    spectrum = law(num_seen).structure(0.3, ())
    with jax.enable_x64(True):
        found = response_of(spectrum, lam, c)
        assert curvature_of(spectrum, lam, found.v) == pytest.approx(c, rel=1e-12)
        assert response_of(spectrum, 0.0, c).drag_along == pytest.approx(spectrum.hidden / tau.sum() * c, rel=1e-12)
    assert found.v == pytest.approx(np.mean(variance * paid), rel=1e-14)
    assert found.spread == pytest.approx(np.mean((variance * paid) ** 2), rel=1e-14)
    assert found.length == pytest.approx(np.mean(variance * paid**2), rel=1e-14)
    assert found.drag_along == pytest.approx(1 / pull - c, rel=1e-13)
    assert found.excess_across == pytest.approx(second / pull**2 - 1, rel=1e-12)


def test_equal_variances_are_those_of_seen_features():
    count, share = np.full(3, 1 / 3), np.array([0.1, 0.3, 0.2])
    with jax.enable_x64(True):
        spectrum, hidden = (
            response_of(features, 0.2, 1.3)
            for features in (Spectrum(count, np.ones(3), share, 0.4), Hidden(0.4 / 0.6, 0.4 / 0.6))
        )
    np.testing.assert_allclose(np.array(spectrum), np.array(hidden), rtol=1e-14)


def test_ridge_regression_by_plain_sums():
    """All examples, square loss: V-hat by a root of sums over features one by one, then every number in closed form."""
    n, m, ridge = 1200.0, 100, 1.0
    variance, tau = direct(m)
    v_hat = brentq(lambda x: n - x - np.sum(variance * x / (ridge + variance * x)), 1e-9, n, xtol=1e-12, rtol=1e-15)
    gamma, gamma2 = (np.sum(variance**p * tau / (ridge + variance * v_hat) ** p) for p in (1, 2))
    # n <(1 - m t) t> / (1 + V) = (1 / gamma - v_hat) m, with 1 + V = n / v_hat
    mean = np.sqrt(2 / np.pi) * v_hat * gamma
    forces = (1 - 2 * mean * np.sqrt(2 / np.pi) + mean**2) * v_hat**2 / n
    spread = np.sum((variance / (ridge + variance * v_hat)) ** 2)
    square = (forces * spread + (gamma2 / gamma**2 - 1) * mean**2) / (1 - v_hat**2 / n * spread)
    error = np.arctan2(np.sqrt(square), mean) / np.pi
    found = solve(n / m, KeepRandom(1.0), 0.0, student=SquareLoss(ridge / m), features=law(m))
    assert found.error == pytest.approx(error, rel=1e-13)
    assert found.error == pytest.approx(0.06850, abs=5e-6)  # a plain simulation: 0.0686 +- 0.0004


# a prototype of its own: damped state evolution with 20-node panels, every feature one by one
PRUNED = [
    (1200, (0.0, 0.4), 20, SquareLoss(0.003), 0.0, 0.06436133565317069),
    (1200, (0.3, 0.7), 20, SquareLoss(0.003), 0.1, 0.11458367001144334),
    (1200, (0.6, 1.0), 20, HingeLoss(0.003), 0.0, 0.12376730408689277),
    (1200, (0.0, 0.4), 20, LogisticLoss(0.003), 0.0, 0.08539514944877985),
]


@pytest.mark.parametrize(("n", "window", "degrees", "student", "eta", "error"), PRUNED)
def test_pruned_data(n, window, degrees, student, eta, error):
    found = solve(
        n / 100, KeepWindow(*window), np.deg2rad(degrees), student=student, labels=Labels(eta), features=law(100)
    )
    assert found.error == pytest.approx(error, rel=2e-10)


def test_derivatives_against_differences():
    """Of the error and of |w|, by both exponents, alpha_tot and theta."""
    student, keep, theta, h = HingeLoss(0.01), KeepWindow(0.2, 0.7), 0.4, 1e-5

    def found(numbers):
        decay, teacher_decay, alpha, angle = numbers
        features = law(50, 600, decay, teacher_decay)
        solution = solve(alpha, keep, angle, student=student, features=features)
        return solution.error, solution.norm

    at = np.array([1.5, 1.8, 8.0, theta])
    with jax.enable_x64(True):
        slopes = np.asarray(quickly_compiled(cheap=True)(jax.jacfwd(found))(at))
    for i in range(4):
        ends = [np.array(found(at + step * (np.arange(4) == i))) for step in (-h, h)]
        np.testing.assert_allclose(slopes[:, i], (ends[1] - ends[0]) / (2 * h), rtol=2e-7)
    exponent = scaling_exponent(at[2], keep, theta, student=student, features=law(50))
    assert exponent == pytest.approx(-at[2] * slopes[0, 2] / found(at)[0], rel=1e-9)


def test_many_sizes_at_once_are_those_one_by_one():
    sizes = np.array([[1, 7, 64], [65, 600, 100]])
    together = solve(5.0, KeepHard(0.4), 0.3, student=SquareLoss(0.01), features=law(sizes)).error
    for size, error in zip(sizes.ravel(), together.ravel(), strict=True):
        one = solve(5.0, KeepHard(0.4), 0.3, student=SquareLoss(0.01), features=law(int(size))).error
        assert one == pytest.approx(error, rel=1e-13)


def test_largest_margin():
    """The hinge loss's limit; the threshold is that of the hidden part alone, whatever the variances."""
    keep, theta, features = KeepHard(0.5), 0.35, law(100)
    threshold = separability_threshold(keep, theta, features=features)
    whitened = SeenFeatures(float(features.seen_part()))
    assert threshold == pytest.approx(separability_threshold(keep, theta, features=whitened), rel=1e-13)
    margin = solve(0.9 * threshold / 0.5, keep, theta, features=features)
    hinge = solve(0.9 * threshold / 0.5, keep, theta, student=HingeLoss(1e-8), features=features)
    assert hinge.error == pytest.approx(margin.error, rel=1e-12)
    assert margin.margin == pytest.approx(1 / hinge.norm, rel=1e-11)
    separable = solve(0.9 * threshold / 0.5, keep, theta, student=LogisticLoss(0.0), features=features)
    assert separable.error == margin.error
    with jax.enable_x64(True):
        traced = jax.jit(lambda alpha: solve(alpha, keep, theta, features=features).error)(0.9 * threshold / 0.5)
    assert float(traced) == pytest.approx(margin.error, rel=1e-13)
    with pytest.raises(ValueError, match=r"not separable.*is not below the threshold"):
        solve(1.01 * threshold / 0.5, keep, theta, features=features)


def test_margins_of_steep_spectra():
    """Where lambda has to be far below the least variance: known from ever smaller lambda; and near the threshold."""
    steep = solve(0.5, KeepRandom(1.0), 0.0, features=law(2**17, 2**17, 4.0))
    assert (steep.error, steep.norm) == pytest.approx((0.019615081, 4.6013435e6), rel=1e-7)
    threshold = separability_threshold(KeepRandom(1.0), 0.0, features=law(16, 1024))
    near = solve(threshold * np.array([0.999, 0.9999]), KeepRandom(1.0), 0.0, features=law(16, 1024))
    assert near.margin[0] / near.margin[1] == pytest.approx(10, rel=0.05)  # in proportion to the distance


def test_traced_students_that_do_not_exist_are_nan():
    def error(alpha=3.0, decay=1.5, teacher_decay=1.8, student=MaxMargin()):  # noqa: B008
        return solve(alpha, KeepRandom(1.0), 0.0, student=student, features=law(16, 1024, decay, teacher_decay)).error

    with jax.enable_x64(True):
        margin = jax.jit(lambda alpha: error(alpha))
        assert float(margin(3.0)) == pytest.approx(error(), rel=1e-12)
        assert np.isnan(margin(14.0))
        ridge = jax.jit(lambda a, b: error(decay=a, teacher_decay=b, student=SquareLoss(0.1)))
        assert np.isfinite(ridge(1.5, 1.8))
        assert np.isnan(ridge(0.5, 1.8))
        assert np.isnan(ridge(1.5, 0.9))


@pytest.mark.parametrize("alpha", [0.5, 5.0])
def test_no_ridge_at_all(alpha):
    """SquareLoss(0) is the limit, on both sides of one example per parameter."""
    limit, near = (
        solve(alpha, KeepRandom(1.0), 0.0, student=SquareLoss(lam), features=law(300)).error for lam in (0.0, 1e-12)
    )
    assert limit == pytest.approx(near, rel=1e-4)


def test_length_of_the_student():
    """|w| of one ridge regression with 2,000 features: within 2 %, six standard deviations of such a sample."""
    rng = np.random.default_rng(3)
    m, alpha, lam, copies = 40, 3.0, 0.02, 50
    variance, tau = direct(m, 80)
    deviation = np.repeat(np.sqrt(variance), copies)
    teacher = np.zeros((m, copies))
    teacher[:, 0] = np.sqrt(tau)
    z = rng.normal(size=(round(alpha * m * copies), m * copies))
    field = z @ teacher.ravel() + np.sqrt(1 - tau.sum()) * rng.normal(size=z.shape[0])
    a = np.sign(field)[:, None] * z * deviation / np.sqrt(m * copies)
    v = np.linalg.solve(a.T @ a + lam * np.eye(m * copies), a.sum(0))
    length = np.linalg.norm(v) / np.sqrt(m * copies)
    found = solve(alpha, KeepRandom(1.0), 0.0, student=SquareLoss(lam), features=law(m, 80))
    assert found.norm == pytest.approx(length, rel=0.02)


def test_length_is_that_of_the_direct_sums():
    variance, tau = direct(30)
    spectrum, lam, c, r, s = law(30).structure(0.0, ()), 0.05, 2.0, 0.4, 0.3
    paid = 1 / (lam + variance * c)
    pull = np.sum(tau * variance * paid)
    with jax.enable_x64(True):
        response = response_of(spectrum, lam, c)
        found = length_of(spectrum, lam, r, s, response.v)
    forces = (s**2 - (np.sum(tau * (variance * paid) ** 2) / pull**2 - 1) * r**2) / np.mean((variance * paid) ** 2)
    expected = np.sqrt(np.mean(variance * paid**2) * forces + np.sum(tau * variance * paid**2) / pull**2 * r**2)
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0, 1.8, 10), ValueError, "decay must be above 1, or the variances k.-decay are not summable, got 1"),
        ((1.5, 0.9, 10), ValueError, "teacher_decay must be above 1, or the parts .* are not summable, got 0.9"),
        ((11.0, 1.8, 10), ValueError, r"decay must lie in \(1, 10\], got 11"),
        ((np.nan, 1.8, 10), ValueError, "decay"),
        ((1.5, 1.8, 0), ValueError, r"num_seen must lie in \[1, num_features = 131072\], got 0"),
        ((1.5, 1.8, 601, 600), ValueError, r"num_seen must lie in \[1, num_features = 600\], got 601"),
        ((1.5, 1.8, 2.5), TypeError, "num_seen must be whole numbers of features, got 2.5"),
        ((1.5, 1.8, 1, 2**20 + 1), ValueError, "num_features must be at most 2.20"),
        ((1.5, 1.8, 1, 0), ValueError, "num_features"),
        (
            ([1.5, 2, 3], 1.8, [10, 20]),
            ValueError,
            r"do not broadcast: decay \(3,\), teacher_decay \(\), num_seen \(2,\)",
        ),
    ],
)
def test_mistakes(arguments, error, message):
    with pytest.raises(error, match=message):
        PowerLawFeatures(*arguments)


def test_sizes_cannot_be_traced():
    with pytest.raises(TypeError, match="num_seen is a number of features and cannot be traced"):
        jax.jit(lambda m: PowerLawFeatures(1.5, 1.8, m).num_seen)(3)
