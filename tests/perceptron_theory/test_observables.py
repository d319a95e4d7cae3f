"""Margins, information per example and finite-N spread: against experiments, closed limits and other routes."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import root
from scipy.special import log_ndtr, ndtr

from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepPolicy,
    KeepRandom,
    KeepWindow,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
    solve,
)
from perceptron_theory.observables import error_standard_deviation, information_gain, margin_distribution
from simulations import simulate

DEGREE = np.pi / 180
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
STUDENTS = [
    (KeepHard(0.3), 20 * DEGREE, MaxMargin(), Labels()),
    (KeepHard(0.3), 0.0, MaxMargin(), Labels()),
    (KeepEasy(0.4), 0.0, HingeLoss(0.3), Labels(0.1)),
    (KeepHard(0.4), 40 * DEGREE, SquareLoss(0.3), Labels(0.1)),
    (KeepRandom(0.5), 0.0, LogisticLoss(0.1), Labels()),
]


def panels(ends):
    """Gauss-Legendre nodes and weights between consecutive ends."""
    half = np.diff(ends)[:, None] / 2
    return (np.asarray(ends)[:-1, None] + half * (1 + NODES)).ravel(), (half * WEIGHTS).ravel()


@pytest.mark.parametrize(("keep", "theta", "student", "labels"), STUDENTS)
def test_margin_distribution_integrates_to_one_and_to_its_cumulative(keep, theta, student, labels):
    at = margin_distribution(6.0, keep, theta, 0.0, student=student, labels=labels)
    start = at.atom_margin if at.atom else 1.0
    x, weight = panels([start - 12, start - 4, start - 1.5, start, start + 1.5, start + 4, start + 12])
    found = margin_distribution(6.0, keep, theta, x, student=student, labels=labels)
    assert found.kept @ weight + found.atom == pytest.approx(1, abs=1e-9)
    assert found.dropped @ weight == pytest.approx(1, abs=1e-9)
    assert min(found.kept.min(), found.dropped.min()) > -1e-12
    below, above = margin_distribution(6.0, keep, theta, [start - 1.5, start + 1.5], student=student, labels=labels), x
    inside = np.abs(above - start) < 1.5
    for density, cumulative, atom in (
        (found.kept, below.kept_cumulative, found.atom),
        (found.dropped, below.dropped_cumulative, 0.0),
    ):
        assert (density @ (weight * inside)) + atom == pytest.approx(np.diff(cumulative)[0], abs=1e-9)


def test_margin_distribution_where_everything_is_known():
    # all data, max margin: kept margins are max(t R + g sqrt(1 - R^2), kappa) with t the half normal of the student's
    # own plane, so the atom is <Phi((kappa - R t) / sqrt(1 - R^2))>, by quadrature here
    known = solve(3.0, KeepRandom(1.0), 0.0)
    found = margin_distribution(3.0, KeepRandom(1.0), 0.0, [known.margin, known.margin + 0.4])
    t, weight = panels(np.linspace(0, 9, 7))
    mass, R = weight * 2 * np.exp(-t * t / 2) / np.sqrt(2 * np.pi), known.teacher_overlap
    expected = [mass @ ndtr((x - R * t) / np.sqrt(1 - R * R)) for x in (known.margin, known.margin + 0.4)]
    assert found.atom_margin == pytest.approx(known.margin, rel=1e-12)
    assert found.atom == pytest.approx(expected[0], rel=1e-10)
    np.testing.assert_allclose(found.kept_cumulative, expected, rtol=1e-10)
    assert np.isnan(found.dropped).all()  # nothing is dropped
    # few examples: all are support vectors, at margin 1 / sqrt(alpha_prune)
    few = margin_distribution(0.002, KeepRandom(0.5), 0.0, 1.0)
    assert few.atom == pytest.approx(1, abs=1e-12)
    assert few.atom_margin == pytest.approx(1 / np.sqrt(0.001), rel=1e-2)


@pytest.mark.parametrize(("theta", "f"), [(0.5, 0.4), (1.2, 0.8)])
def test_dropped_examples_are_those_beyond_the_edge(theta, f):
    # directly: margin = y (p a + q b) + g c over |z| > edge, integrated on a grid of the (z, x) plane
    known = solve(4.0, KeepHard(f), theta)
    R, rho = known.teacher_overlap, known.probe_overlap
    rest = (R - rho * np.cos(theta)) / np.sin(theta)  # of the student along x, orthogonal to the probe
    out, edge = np.sqrt(1 - rho**2 - rest**2), stats.norm.isf((1 - f) / 2)
    margin = np.array([-0.5, 0.1, 0.6, 2.0])
    z, z_weight = panels(np.linspace(edge, edge + 8, 5))
    cumulative = np.zeros(margin.size)
    for one, weight in zip(z, z_weight, strict=True):
        boundary = max(-9.0, -one / np.tan(theta))
        x, x_weight = panels(
            np.unique([-9.0, (boundary - 9) / 2, boundary, -2 if boundary < -3 else boundary + 1, 3, 9])
        )
        y = np.sign(one * np.cos(theta) + x * np.sin(theta))
        below = ndtr((margin[:, None] - y * (rho * one + rest * x)) / out)
        cumulative += 2 * weight * below @ (x_weight * np.exp(-(one**2 + x * x) / 2) / (2 * np.pi))
    found = margin_distribution(4.0, KeepHard(f), theta, margin)
    np.testing.assert_allclose(found.dropped_cumulative, cumulative / (1 - f), atol=2e-9)


def finite_margins(keep, theta, alpha_tot, num_features, num_trials, train, seed):
    """Margins of kept and of dropped examples, one row per trial; all N coordinates of all examples are drawn."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num_trials):
        x = rng.standard_normal((round(alpha_tot * num_features), num_features))
        y = np.sign(x[:, 0])
        order = np.argsort(np.abs(np.cos(theta) * x[:, 0] + np.sin(theta) * x[:, 1]))
        positions = keep.kept_positions(len(order), rng)
        kept, dropped = order[positions], np.delete(order, positions)
        w = train(y[kept, None] * x[kept])
        margins = y * (x @ w) / np.linalg.norm(w)
        rows.append((margins[kept], margins[dropped]))
    return tuple(np.array(side) for side in zip(*rows, strict=True))


def separate(rows):
    daqp = pytest.importorskip("daqp")
    count, size = rows.shape
    w, _, status, _ = daqp.solve(np.eye(size), np.zeros(size), rows, np.full(count, 1e30), np.ones(count))
    assert status == 1
    return w


def ridge(rows):
    size = rows.shape[1]  # lambda N / 2 |w|^2 with x ~ N(0, I_N / N): x here is sqrt(N) as long
    rows = rows / np.sqrt(size)
    return np.linalg.solve(rows.T @ rows + 0.3 * np.eye(size), rows.sum(axis=0))


@pytest.mark.parametrize(
    ("keep", "theta", "student", "train"),
    [
        (KeepHard(0.4), 20 * DEGREE, MaxMargin(), separate),
        (KeepHard(0.5), 0.0, SquareLoss(0.3), ridge),
        (KeepRandom(0.5), 0.0, MaxMargin(), separate),
    ],
)
def test_margin_distribution_of_finite_perceptrons(keep, theta, student, train):
    """At N = 200, 16 trials: t-tests of the mean over trials, each failing by chance with p = 1e-5 (10 a case).

    The shift allowed for finite N is 1/N.
    """
    num_features = 200
    kept, dropped = finite_margins(keep, theta, 5.0, num_features, 16, train, seed=11)
    at = np.array([0.0, 0.25, 0.6, 1.2])
    theory = margin_distribution(5.0, keep, theta, at, student=student)
    pairs = []
    for i, x in enumerate(at):
        if abs(x - theory.atom_margin) > 0.05 or not theory.atom:  # at the atom kappa's own scatter decides
            pairs.append((np.mean(kept <= x, axis=1), theory.kept_cumulative[i]))
        pairs.append((np.mean(dropped <= x, axis=1), theory.dropped_cumulative[i]))
    if theory.atom:
        smallest = kept.min(axis=1)
        pairs.append((np.mean(kept < smallest[:, None] * (1 + 1e-6), axis=1), theory.atom))
        assert smallest.mean() == pytest.approx(theory.atom_margin, rel=0.05)
    for measured, predicted in pairs:
        spread = measured.std(ddof=1) / np.sqrt(measured.size)
        excess = max(0.0, abs(measured.mean() - predicted) - 1 / num_features)
        assert excess <= stats.t.isf(5e-6, measured.size - 1) * spread, (measured.mean(), predicted, spread)


def entropy_at(alpha, f):
    """S at its extremum for keep-hard, theta = 0: other nodes, and derivatives by complex steps."""
    p, p_weight = panels(np.linspace(0, stats.norm.isf((1 - f) / 2) if f < 1 else 9.0, 5))
    mass = p_weight * np.exp(-p * p / 2)
    mass, (g, g_weight) = mass / mass.sum(), np.polynomial.hermite_e.hermegauss(80)
    g_weight = g_weight / g_weight.sum()

    def entropy(A, s):
        inside = log_ndtr(np.add.outer(A * p, s * g).astype(complex))
        return -np.log(1 + A * A + s * s) / 2 + s * s / 2 + alpha * (mass @ inside @ g_weight)

    def gradient(x):
        return [entropy(x[0] + 1e-30j, x[1]).imag * 1e30, entropy(x[0], x[1] + 1e-30j).imag * 1e30]

    found = root(gradient, [0.8 * alpha, np.sqrt(0.5 * alpha)], tol=1e-13)
    assert np.max(np.abs(found.fun)) < 1e-10
    return entropy(*found.x).real


@pytest.mark.parametrize(("alpha_prune", "f"), [(0.4, 0.3), (1.0, 1.0), (1.0, 0.1)])
def test_information_gain_is_the_slope_of_the_entropy(alpha_prune, f):
    step = 1e-3
    values = [entropy_at(alpha_prune + i * step, f) for i in (-2, -1, 1, 2)]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    assert information_gain(alpha_prune / f, KeepHard(f), 0.0) == pytest.approx(-slope / np.log(2), rel=1e-8)


def test_information_gain_of_a_probe_that_knows_nothing_is_that_of_random_choice():
    """At 90 degrees hard and easy keep alike, and the angle is made of rounding errors."""
    for alpha_tot, f in ((8.59291046893562, 0.15411623940103203), (303.97493084026115, 0.790473563236662)):
        random = information_gain(alpha_tot, KeepRandom(f), 0.0)
        assert information_gain(alpha_tot, KeepEasy(f), np.pi / 2) == pytest.approx(random, rel=1e-9)


def test_information_gain_limits():
    assert information_gain(0.002, KeepRandom(0.5), 0.0) == pytest.approx(1, abs=1e-3)  # a fair coin
    # volume of the version space ~ alpha^(-N): S = -log(alpha_prune) + const
    assert information_gain(1e4, KeepRandom(1.0), 0.0) == pytest.approx(1e-4 / np.log(2), rel=1e-3)
    # a probe that knows nothing, or random choice: nothing but alpha_prune matters
    same = information_gain(3.0, KeepRandom(1.0), 0.0)
    for other in (
        information_gain(10.0, KeepRandom(0.3), 0.9),
        information_gain(10.0, KeepHard(0.3), np.pi / 2),
    ):
        assert other == pytest.approx(same, rel=1e-9)
    # with plenty of data a hard example tells more than a random one
    gains = [information_gain(10.0, keep, 20 * DEGREE) for keep in (KeepHard(0.3), KeepRandom(0.3))]
    assert gains[0] > gains[1]


def test_standard_deviation_of_hebb():
    # few examples, all data: w = sum y x, R = sum |p| / (|w| ...), so N Var(R) = Var|p| = 1 - 2/pi, error = 1/2 - R/pi
    expected = np.sqrt(1 - 2 / np.pi) / np.pi
    assert error_standard_deviation(1e-3, KeepRandom(1.0), 0.0, 1) == pytest.approx(expected, rel=3e-3)
    scaled = error_standard_deviation(2.0, KeepRandom(1.0), 0.0, [[50, 200]])
    assert scaled.shape == (1, 2)
    assert scaled[0, 0] == pytest.approx(2 * scaled[0, 1], rel=1e-14)


def test_standard_deviation_of_equivalent_rules():
    everything = error_standard_deviation(3.0, KeepRandom(1.0), 0.0, 100)
    for keep, theta in (
        (KeepRandom(1.0), 0.4),
        (KeepHard(1.0), 0.4),
        (KeepRandom(0.3), 1.2),
        (KeepHard(0.3), np.pi / 2),
    ):
        assert error_standard_deviation(3.0 / keep.fraction, keep, theta, 100) == pytest.approx(everything, rel=1e-9)
    small, none = (error_standard_deviation(5.0, KeepHard(0.3), theta, 100) for theta in (1e-4, 0.0))
    assert small == pytest.approx(none, rel=1e-5)
    # an edge between two windows of the same probability does nothing: the counts are fixed, as its rank says
    window = error_standard_deviation(5.0, KeepWindow(0.2, 0.6), 0.0, 100)
    policy = KeepPolicy([0, 0.2, 0.4, 0.6, 1], [0, 1, 1 - 1e-9, 0])
    assert error_standard_deviation(5.0, policy, 0.0, 100) == pytest.approx(window, rel=1e-7)


@pytest.mark.parametrize("student", [LogisticLoss(0.1)])
def test_standard_deviation_of_hebb_by_other_losses(student):
    # few examples and all data: any loss gives every example nearly the same weight
    expected = np.sqrt(1 - 2 / np.pi) / np.pi
    assert error_standard_deviation(1e-3, KeepRandom(1.0), 0.0, 1, student=student) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(
    ("alpha_tot", "keep", "theta", "student", "labels"),
    [
        (10.0, KeepHard(0.3), 0.0, MaxMargin(), Labels()),
        (5.0, KeepHard(0.5), 20 * DEGREE, SquareLoss(0.2), Labels(0.1, 0.3, 0.6)),
    ],
)
def test_standard_deviation_against_simulation(alpha_tot, keep, theta, student, labels):
    """At N = 100, 300 trials: the chi-square test of a variance fails by chance with p = 1e-4 a case.

    Corrections to the standard deviation of 5/N are allowed for.
    """
    num_features, num_trials = 100, 300
    found = simulate(alpha_tot, keep, theta, num_features, num_trials, seed=5, student=student, labels=labels)
    predicted = error_standard_deviation(alpha_tot, keep, theta, num_features, student=student, labels=labels)
    low, high = np.sqrt(stats.chi2.ppf([5e-5, 1 - 5e-5], num_trials - 1) / (num_trials - 1))
    ratio = found.errors.std(ddof=1) / predicted
    assert low - 5 / num_features < ratio < high + 5 / num_features


def test_complaints():
    with pytest.raises(ValueError, match="margin must be finite"):
        margin_distribution(3.0, KeepHard(0.5), 0.1, np.nan)
    with pytest.raises(ValueError, match="one point at a time"):
        margin_distribution([3.0, 4.0], KeepHard(0.5), 0.1, 0.0)
    with pytest.raises(ValueError, match="one point at a time"):
        information_gain(3.0, KeepHard([0.2, 0.5]), 0.1)
    with pytest.raises(ValueError, match="lam must be positive"):
        margin_distribution(3.0, KeepHard(0.5), 0.1, 0.0, student=HingeLoss(0.0))
    with pytest.raises(ValueError, match="theta is in radians"):
        information_gain(3.0, KeepHard(0.5), 20.0)
    with pytest.raises(TypeError, match="keep must be a keep rule"):
        information_gain(3.0, 0.5, 0.1)
    with pytest.raises(TypeError, match="does not look at the label"):
        error_standard_deviation(3.0, KeepByLabel(KeepHard(0.5)), 0.1, 100)
    with pytest.raises(ValueError, match="num_features must be at least 1"):
        error_standard_deviation(3.0, KeepHard(0.5), 0.1, 0)
    with pytest.raises(ValueError, match="not separable"):
        error_standard_deviation(30.0, KeepHard(0.5), 0.1, 100, labels=Labels(0.2))
    with pytest.raises(ValueError, match="alpha_prune"):
        information_gain(1e7, KeepHard(0.5), 0.1)
