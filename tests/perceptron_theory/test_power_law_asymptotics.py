"""Scaling laws over power-law features: their derivation by computer algebra, and the exact errors that follow them."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.special import beta

from perceptron_theory import KeepRandom, Labels, PowerLawFeatures, SquareLoss, bayes_error, best_ridge, solve
from perceptron_theory.asymptotics import (
    data_exponent,
    model_size_exponent,
    unlimited_examples_error,
    unlimited_features_error,
)

MOST = 2**20


def slopes(x, error):
    """Local exponents between neighbours."""
    return -np.diff(np.log(error)) / np.diff(np.log(x))


def test_exponents_by_algebra():
    """The two balances of the docstring, solved by computer algebra in logarithms."""
    b, n, kappa, constant, p, s = sp.symbols("b n kappa A P S", positive=True)
    log_e, log_u = sp.symbols("log_e log_u", real=True)
    # Bayes: e = A Q^(1/b - 1), Q = n kappa / sqrt e
    balance = sp.log(constant) + (1 / b - 1) * (sp.log(n * kappa) - log_e / 2) - log_e
    unknown = sp.solve(balance, log_e)[0]
    closed = 2 * b / (b + 1) * (sp.log(constant) + (1 / b - 1) * sp.log(n * kappa))
    assert sp.simplify(sp.expand_log(unknown - closed)) == 0
    assert sp.simplify(n * sp.diff(unknown, n) / 2 + (b - 1) / (b + 1)) == 0
    # square loss: the least of P u^(1 - b) + S u / n, in log u
    cost = p * sp.exp((1 - b) * log_u) + s / n * sp.exp(log_u)
    best = sp.log(n * (b - 1) * p / s) / b
    slope = (b - 1) * p * sp.exp(-b * log_u) - s / n  # minus exp(-log u) times the derivative
    assert sp.simplify(sp.diff(cost, log_u) * sp.exp(-log_u) + slope) == 0
    assert sp.simplify(slope.subs(log_u, best)) == 0
    # there the second term is b - 1 times the first, and log u grows by 1 / b with log n
    assert sp.simplify(s / n * sp.exp(b * best) / p - (b - 1)) == 0
    assert sp.simplify(n * sp.diff(best, n) * (1 - b) - (1 / b - 1)) == 0


@pytest.mark.parametrize(("a", "b"), [(1.5, 1.8), (2.0, 2.5)])
def test_integrals(a, b):
    missed = quad(lambda x: x ** (2 * a - b) / (1 + x**a) ** 2, 0, np.inf)[0]
    assert missed == pytest.approx(beta((2 * a - b + 1) / a, 2 - (2 * a - b + 1) / a) / a, rel=1e-6)
    assert quad(lambda x: 1 / (1 + x**a) ** 2, 0, np.inf)[0] == pytest.approx(beta(1 / a, 2 - 1 / a) / a, rel=1e-6)
    assert quad(lambda x: 1 / (1 + x**b), 0, np.inf)[0] == pytest.approx(np.pi / b / np.sin(np.pi / b), rel=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.1])
@pytest.mark.parametrize(("a", "b"), [(1.5, 1.8), (2.0, 2.5)])
def test_many_features(a, b, eta):
    """Exponents to 0.005 and amplitudes to 1 %, of the Bayes-optimal student and of the square loss."""
    n, labels, features = 2.0 ** np.arange(13, 17), Labels(eta), PowerLawFeatures(a, b, MOST, MOST)
    bayes = bayes_error(n / MOST, labels=labels, features=features)
    square = best_ridge(n / MOST, KeepRandom(1.0), 0.0, labels=labels, features=features).error
    for student, error in (("bayes", bayes), ("square", square)):
        law = unlimited_features_error(n, b, a, student=student, flip_probability=eta)
        np.testing.assert_allclose(slopes(n, law), data_exponent(b, a, student=student), rtol=1e-12)
        np.testing.assert_allclose(slopes(n, error), data_exponent(b, a, student=student), atol=5e-3)
        np.testing.assert_allclose(error, law, rtol=0.01)


def test_many_examples():
    """Exponent to 0.005; the law itself is exact but for the features beyond the last, and the last examples."""
    m, features = np.array([64, 128, 256, 512]), PowerLawFeatures(1.5, 1.8, np.array([64, 128, 256, 512]), MOST)
    students = SquareLoss(1.0 / m)
    for error in (
        bayes_error(1e5, features=features),
        solve(1e5, KeepRandom(1.0), 0.0, student=students, features=features).error,
    ):
        np.testing.assert_allclose(slopes(m, error), model_size_exponent(1.8), atol=5e-3)
        np.testing.assert_allclose(error, unlimited_examples_error(m, 1.8), rtol=2e-3)


def test_saturation_of_ridge():
    """Where the teacher decays faster than ridge can follow, its exponent is a / (2 a + 1)."""
    n, features = 2.0 ** np.arange(11, 15), PowerLawFeatures(1.2, 6.0, MOST, MOST)
    square = best_ridge(n / MOST, KeepRandom(1.0), 0.0, features=features).error
    assert data_exponent(6.0, 1.2) == pytest.approx(1.2 / 3.4)
    assert slopes(n, square).mean() == pytest.approx(1.2 / 3.4, abs=0.04)
    assert data_exponent(6.0, 10.0) == pytest.approx(5 / 12)
    assert data_exponent(6.0) == pytest.approx(5 / 12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: model_size_exponent(1.0), ValueError, "teacher_decay must be above 1, got 1"),
        (lambda: data_exponent(0.5), ValueError, "teacher_decay"),
        (lambda: data_exponent(2.0, 0.5), ValueError, "decay must be above 1, got 0.5"),
        (lambda: data_exponent(2.0, student="hinge"), ValueError, "student must be"),
        (lambda: unlimited_examples_error(0, 1.8), ValueError, "num_seen must be at least 1"),
        (lambda: unlimited_features_error(100, 1.8), ValueError, "decay is needed"),
        (lambda: unlimited_features_error(100, 4.0, 1.5), ValueError, r"must be below 2 decay \+ 1 = 4"),
        (lambda: unlimited_features_error(-1, 1.8, 1.5), ValueError, "num_examples must be positive"),
        (lambda: unlimited_features_error(9, 1.8, 1.5, flip_probability=0.5), ValueError, "flip_probability"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
