"""The Bayes error and the sources of error: known values, a bound that nothing passes, parts that add up."""

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

from perceptron_theory import (
    HingeLoss,
    KeepRandom,
    Labels,
    LogisticLoss,
    MaxMargin,
    PowerLawFeatures,
    SeenFeatures,
    SquareLoss,
    bayes_error,
    best_ridge,
    error_sources,
    separability_threshold,
    solve,
)

POINTS = {"square": 2600, "hinge": 1300, "max-margin": 1000, "logistic": 100}  # random points, 5,000 in all


def test_known_values():
    """0.4417 / alpha (Opper and Haussler 1991), and a value of another program."""
    alpha = np.array([1e2, 1e3, 1e4])
    np.testing.assert_allclose(bayes_error(alpha) * alpha, 0.4417, atol=7e-5)
    assert bayes_error(4.0, labels=Labels(0.1), features=SeenFeatures(0.7)) == pytest.approx(0.2793, abs=5e-5)
    assert bayes_error(1e-3) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("eta", [0.0, 0.15])
@pytest.mark.parametrize("features", [None, SeenFeatures(0.5), PowerLawFeatures(1.5, 1.8, 30, 100)], ids=str)
def test_overlap_by_plain_integrals(features, eta):
    """The two equations with one sum over features one by one and adaptive quadrature."""
    alpha = 3.0
    if isinstance(features, PowerLawFeatures):
        tau = np.arange(1, 101.0) ** -1.8
        tau, hidden, m = tau[:30] / tau.sum(), tau[30:].sum() / tau.sum(), 30
    else:
        seen = 1.0 if features is None else 0.5
        tau, hidden, m = np.array([seen]), 1 - seen, 1  # one that stands for all

    def excess(rest):
        ratio = np.sqrt((1 - rest) / rest)

        def density(g):
            x, p = ratio * g, np.exp(-g * g / 2) / np.sqrt(2 * np.pi)
            phi = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
            return p * sum(phi**2 * (1 - 2 * eta) ** 2 / (eta + (1 - 2 * eta) * ndtr(y * x) + 1e-300) for y in (1, -1))

        told = alpha * m / rest * quad(density, -8, 8, epsrel=1e-11, limit=200)[0]
        return hidden + np.sum(tau / (1 + tau * told)) - rest

    rest = brentq(excess, 1e-4, 1 - 1e-9, xtol=1e-14)
    found = bayes_error(alpha, labels=Labels(eta), features=features)
    assert found == pytest.approx(np.arccos(np.sqrt(1 - rest)) / np.pi, rel=1e-8)


@pytest.mark.parametrize("loss", POINTS)
def test_no_student_is_better_than_bayes(loss):
    """5,000 random points: sizes, flips, spectra, lambda."""
    rng = np.random.default_rng(17)
    count = POINTS[loss]
    alpha = np.exp(rng.uniform(np.log(0.05), np.log(300), count))
    eta = np.where(rng.random(count) < 0.5, 0.0, rng.uniform(0, 0.4, count))
    fraction = rng.uniform(0.02, 1, count)
    lam = np.exp(rng.uniform(np.log(1e-3), np.log(30), count))
    sizes = np.round(np.exp(rng.uniform(0, np.log(3000), count))).astype(int)
    law = (rng.uniform(1.05, 4, count), rng.uniform(1.05, 4, count))
    half = np.arange(count) < (0 if loss == "logistic" else count // 2)  # one program less to compile
    for rows, features in (
        (half, SeenFeatures(fraction[half])),
        (~half, PowerLawFeatures(law[0][~half], law[1][~half], sizes[~half])),
    ):
        if not rows.any():
            continue
        a, labels = alpha[rows], Labels(eta[rows])
        if loss == "max-margin":
            threshold = separability_threshold(KeepRandom(1.0), 0.0, labels, features)
            a = np.minimum(a, 0.98 * threshold)
            student = MaxMargin()
        else:
            scale = np.ones(rows.sum()) if isinstance(features, SeenFeatures) else 1 / sizes[rows]
            student = {"square": SquareLoss, "logistic": LogisticLoss, "hinge": HingeLoss}[loss](lam[rows] * scale)
        error = solve(a, KeepRandom(1.0), 0.0, student=student, labels=labels, features=features).error
        assert np.min(error / bayes_error(a, labels=labels, features=features)) > 1 - 1e-10


@pytest.mark.parametrize("student", [MaxMargin(), SquareLoss(0.3), HingeLoss(0.1)], ids=str)
@pytest.mark.parametrize("probe", ["all", "seen"])
def test_parts_add_up(student, probe):
    alpha = np.array([0.5, 1.2])
    labels = Labels(np.array([[0.0], [0.02]]))
    found = error_sources(alpha, student=student, labels=labels, features=SeenFeatures(0.7, probe))
    parts = (found.realizability, found.uncertainty, found.noise, found.learning_deficiency)
    assert all(part.shape == (2, 2) and np.all(part >= 0) for part in parts)
    np.testing.assert_allclose(sum(parts), found.error, rtol=1e-14)
    np.testing.assert_allclose(sum(parts[:3]), found.bayes, rtol=1e-14)
    np.testing.assert_allclose(found.realizability, np.arccos(np.sqrt(0.7)) / np.pi, rtol=1e-14)
    assert np.all(found.noise[0] == 0)
    assert np.all(found.noise[1] > 0)
    direct = solve(alpha, KeepRandom(1.0), 1.3, student=student, labels=labels, features=SeenFeatures(0.7, probe)).error
    np.testing.assert_allclose(found.error, direct, rtol=1e-12)


def test_split_of_another_program():
    """0.0812 = 0.0372 + 0.0314 + 0.0125 with 512 examples and 128 features, 0.0429 = .0160 + .0148 + .0121."""
    for n, m, expected in ((512, 128, (0.0372, 0.0314, 0.0125)), (8192, 1032, (0.0160, 0.0148, 0.0121))):
        features = PowerLawFeatures(1.5, 1.8, m)
        ridge = best_ridge(n / m, KeepRandom(1.0), 0.0, features=features)
        found = error_sources(n / m, student=SquareLoss(ridge.lam), features=features)
        parts = (found.realizability, found.uncertainty, found.learning_deficiency)
        np.testing.assert_allclose(parts, expected, atol=6e-5)
        assert found.noise == 0
        assert isinstance(found.error, float)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bayes_error(0.0), ValueError, r"alpha_tot must lie in \[0.001, 100000\], got 0"),
        (lambda: bayes_error(np.nan), ValueError, "alpha_tot"),
        (lambda: bayes_error(2.0, labels=Labels(0.0, 0.1, 0.3)), ValueError, "against the teacher"),
        (lambda: bayes_error(2.0, features=0.5), TypeError, "features must be"),
        (lambda: bayes_error(np.ones(2), features=SeenFeatures(np.full(3, 0.5))), ValueError, "do not broadcast"),
        (lambda: error_sources(2.0, labels=Labels(0.0, 0.1, 0.3)), ValueError, "against the teacher"),
        (lambda: error_sources(2.0, student=0.1), TypeError, "student must be"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_no_points():
    assert bayes_error(np.zeros(0)).shape == (0,)


def test_what_is_hidden_keeps_its_digits():
    """Little of a teacher that decays fast is beyond 1,000 features: 1.96e-16 of its field."""
    k = np.arange(1001, 2**17 + 1.0)
    hidden = np.sum(k**-6.0) / np.sum(np.arange(1, 2**17 + 1.0) ** -6.0)
    found = error_sources(100.0, student=SquareLoss(1e-6), features=PowerLawFeatures(1.5, 6.0, 1000))
    assert found.realizability == pytest.approx(np.sqrt(hidden) / np.pi, rel=1e-12)


def test_they_cannot_be_traced():
    with pytest.raises(TypeError, match="bayes_error is not available under a JAX transformation; solve is"):
        jax.jit(lambda fraction: bayes_error(2.0, features=SeenFeatures(fraction)))(0.5)
