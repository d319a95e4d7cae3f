"""Limits of the test error: derivations by computer algebra, and ``solve`` approaching each limit at the derived order.

``solve`` is right to 1e-13 relative.  Where a correction of order x^m is claimed, the local slope of log|ratio - 1|
against log x is m up to the next order over this one, which the chosen x keep below the slack.
"""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtr, ndtri

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow, solve
from perceptron_theory.asymptotics import (
    amplitude,
    hard_frontier_error,
    hard_frontier_fraction,
    hard_limit_critical_alpha_prune,
    hard_limit_error,
    hard_limit_error_over_f,
    hebb_coefficient,
    max_stability_amplitude,
    saturation_fraction,
)

D = sp.symbols("d", real=True)
PDF = sp.exp(-(D**2) / 2) / sp.sqrt(2 * sp.pi)
CDF = (1 + sp.erf(D / sp.sqrt(2))) / 2
G = (1 + D**2) * CDF + D * PDF
H = ((D**3 + 3 * D) * CDF + (D**2 + 2) * PDF) / 3
F = 2 * (D**3 * CDF + (D**2 - 1) * PDF) / 3
C0 = 0.5004889317774186  # k^2 exp(k^2/2), 30 digits in mpmath, rounded


class Pieces(KeepRule):
    """Half of the ranks [0.1, 0.3] and all of [0.6, 1]: f = 0.5."""

    def windows(self):
        return np.array([0.1, 0.6]), np.array([0.3, 1.0]), np.array([0.5, 1.0])


def assert_order(excess, x, power, slack=0.05):
    """``excess`` goes like x^power."""
    slopes = np.diff(np.log(np.abs(excess))) / np.diff(np.log(x))
    np.testing.assert_allclose(slopes, power, rtol=0, atol=slack)


def label(value):
    return repr(value) if isinstance(value, KeepRule) else None


# --- derivations


def test_primitives():
    """H' = G, F' = G' d, F = d G - H; both vanish at -infinity."""
    assert sp.simplify(sp.diff(H, D) - G) == 0
    assert sp.simplify(sp.diff(F, D) - D * sp.diff(G, D)) == 0
    assert sp.simplify(D * G - H - F) == 0
    assert abs(H.subs(D, -40).evalf(20)) < 1e-300
    assert abs(F.subs(D, -40).evalf(20)) < 1e-300


def test_identities_at_the_max_stability_margin():
    """F(k) = 0 eliminates Phi: G = phi/k^3, G' = 2 phi/k^2, H = phi/k^2, so k G/G' = 1/2, C0 = k^2 exp(k^2/2)."""
    k, pdf = sp.symbols("k phi", positive=True)
    cdf = (1 - k**2) * pdf / k**3
    assert sp.simplify(2 * (k**3 * cdf + (k**2 - 1) * pdf) / 3) == 0
    assert sp.simplify((1 + k**2) * cdf + k * pdf - pdf / k**3) == 0
    assert sp.simplify(2 * (k * cdf + pdf) - 2 * pdf / k**2) == 0
    assert sp.simplify(((k**3 + 3 * k) * cdf + (k**2 + 2) * pdf) / 3 - pdf / k**2) == 0
    root = sp.nsolve(F, D, 0.64, prec=30)
    assert max_stability_amplitude() == pytest.approx(float(root**2 * sp.exp(root**2 / 2)), rel=1e-15)
    assert max_stability_amplitude() == pytest.approx(C0, rel=1e-15)


def test_max_stability_amplitude_from_the_integrals():
    """The integrals themselves by quadrature: k from int G' d = 0, then 1 / (2 pi phi(0) int G)."""

    def g(d):
        return (1 + d * d) * ndtr(d) + d * density(d)

    def pull(k):
        return quad(lambda d: 2 * d * (d * ndtr(d) + density(d)), -12, k, epsabs=1e-13)[0]

    k = brentq(pull, 0.1, 2)
    by_integrals = 1 / (np.sqrt(2 * np.pi) * quad(g, -12, k, epsabs=1e-13)[0])
    assert max_stability_amplitude() == pytest.approx(by_integrals, rel=1e-10)


def density(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def test_expansion_at_the_critical_point():
    """<G' d> = 0 with d = delta + a x gives 1/alpha = 1/2 - a^2/24 + ..., hence 1/sqrt(12 pi (alpha - 2)).

    One order more is taken along, and met by the numbers.
    """
    a, x, c2, c4 = sp.symbols("a x c2 c4")
    taylor = sp.series(G, D, 0, 8).removeO()

    def mean(function):
        whole = sp.expand(function.subs(D, c2 * a**2 + c4 * a**4 + a * x))
        low = sum(whole.coeff(a, i) * a**i for i in range(6))
        return sp.expand(sp.integrate(low, (x, -sp.Rational(1, 2), sp.Rational(1, 2))))

    balance = mean(sp.expand(D * sp.diff(taylor, D)))
    shift2 = sp.solve(balance.coeff(a, 2), c2)[0]
    shift4 = sp.solve(balance.coeff(a, 4).subs(c2, shift2), c4)[0]
    inverse = sp.expand(mean(taylor).subs({c2: shift2, c4: shift4}))
    assert inverse.coeff(a, 0) == 1 / sp.Integer(hard_limit_critical_alpha_prune())
    assert inverse.coeff(a, 2) == -sp.Rational(1, 24)
    # invert: with e = alpha - 2, a^2 = 6 e + b e^2
    e, b = sp.symbols("e b")
    at = inverse.subs(a, sp.sqrt(6 * e + b * e**2)) - sp.series(1 / (2 + e), e, 0, 3).removeO()
    second = sp.solve(sp.expand(at).coeff(e, 2), b)[0]
    next_order = -float(second / 12)  # of sqrt(6 e)/a
    excess = np.array([1e-4, 1e-3, 1e-2])
    measured = hard_limit_error_over_f(2 + excess) * np.sqrt(12 * np.pi * excess) - 1
    assert measured[1] / excess[1] == pytest.approx(next_order, rel=2e-2)
    assert_order(measured, excess, 1.0)
    assert_order(measured - next_order * excess, excess, 2.0, slack=0.1)


def test_mean_teacher_field():
    """The integrand of M is 2 phi(Z) E|c Z + s g|, and M starts at 0 and ends at sqrt(2/pi)."""
    z, theta = sp.symbols("Z theta", positive=True)
    s, c = sp.sin(theta), sp.cos(theta)
    inside = sp.erf(z * c / (sp.sqrt(2) * s))
    m = sp.sqrt(2 / sp.pi) * (sp.erf(z / (sp.sqrt(2) * s)) - c * sp.exp(-(z**2) / 2) * inside)
    pdf = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    folded = 2 * s * sp.exp(-((z * c / s) ** 2) / 2) / sp.sqrt(2 * sp.pi) + z * c * inside
    for at in ({z: 0.3, theta: 0.2}, {z: 2, theta: 1.1}, {z: 0.01, theta: 1.5}):
        assert abs((sp.diff(m, z) - 2 * pdf * folded).subs(at).evalf(30)) < 1e-14
    assert m.subs(z, 0) == 0
    assert abs((m.subs({z: 40, theta: 0.7}) - sp.sqrt(2 / sp.pi)).evalf()) < 1e-15


def test_optimum_of_the_slab():
    """Least c^2 cot^2/6 + B^2/2: its place, its value; and the first term from the series of ``amplitude``."""
    c, theta, alpha, c0, y, s = sp.symbols("c theta alpha C0 y s", positive=True)
    turn = -sp.Rational(3, 2) * sp.sin(theta) * sp.cos(theta) / (alpha / (sp.pi * c0 * sp.sin(theta)) * c**2)
    loss = c**2 * sp.cot(theta) ** 2 / 6 + turn**2 / 2
    t = (3 * sp.sqrt(sp.Rational(3, 2)) * sp.pi * c0 / alpha) ** sp.Rational(1, 3)
    at = {c: t * sp.sin(theta)}
    assert sp.simplify(sp.diff(loss, c).subs(at).rewrite(sp.cos)) == 0
    assert sp.simplify((loss.subs(at) - sp.cos(theta) ** 2 * t**2 / 4).rewrite(sp.cos)) == 0
    ratio = sp.series(sp.erf(y) / sp.erf(y / s) / s, y, 0, 4).removeO()  # y = c / sqrt 2
    assert sp.simplify(ratio.coeff(y, 2) - (1 / s**2 - 1) / 3) == 0


# --- solve approaches the limits

SCALES = np.array([3e2, 1e3, 3e3])


@pytest.mark.parametrize(
    ("keep", "theta", "power"),
    [
        (KeepRandom(1.0), 0.0, -2),
        (KeepRandom(0.3), 0.7, -2),
        (KeepHard(0.2), 0.0, -2),
        (KeepHard(0.1), 0.1, -2),
        (KeepHard(0.3), 0.35, -2),
        (KeepEasy(0.5), 1.0, -2),
        (KeepWindow(0.2, 0.6), 0.35, -2),
        (KeepWindow(0.2, 0.6), np.pi / 2, -2),
        (KeepEasy(0.5), 0.0, -1),  # the hardest rank kept is not 0
        (KeepEasy(0.01), 0.0, -1),
        (KeepWindow(0.2, 0.6), 0.0, -1),
    ],
    ids=label,
)
def test_many_examples(keep, theta, power):
    found = solve(SCALES / keep.fraction, keep, theta).error
    excess = found * SCALES / amplitude(keep, theta) - 1
    assert_order(excess, SCALES, power)
    assert abs(excess[-1]) < 1e-3  # 1/3000 times a coefficient of order 1


def test_amplitude_by_hand():
    """Ranks to margins and back with other functions: P(kept | p = 0) = P(low < |q sin(theta)| < high)."""
    for theta in (0.15, 0.6, 1.2):
        low, high = ndtri((1 + 0.2) / 2), ndtri((1 + 0.7) / 2)
        share = 2 * (ndtr(high / np.sin(theta)) - ndtr(low / np.sin(theta)))
        assert amplitude(KeepWindow(0.2, 0.7), theta) == pytest.approx(C0 * 0.5 / share, rel=1e-12)
    # exponentially large for easy examples at small theta: 2 Q(x) with Q from its asymptotic series
    x = ndtri(0.75) / 0.02
    tail = 2 * density(x) / x * (1 - 1 / x**2 + 3 / x**4 - 15 / x**6)
    assert amplitude(KeepEasy(0.5), np.arcsin(0.02)) == pytest.approx(C0 * 0.5 / tail, rel=1e-9)
    assert amplitude(KeepEasy(0.5), 1e-3) == np.inf  # exp(2.3e5)


def test_amplitude_of_a_perfect_probe():
    """C0 f exp(p0^2/2) / pi(hardest kept); with hard it is C0 f: at fixed alpha_tot pruning is free."""
    np.testing.assert_allclose(amplitude(KeepHard([0.01, 0.2, 1.0]), 0.0), C0 * np.array([0.01, 0.2, 1.0]), rtol=1e-14)
    p0 = ndtri((1 + 0.1) / 2)
    assert amplitude(Pieces(), 0.0) == pytest.approx(C0 * 0.5 * np.exp(p0**2 / 2) / 0.5, rel=1e-13)


def test_windows_add_up():
    """f/C is the density at the boundary and f b an integral: both are sums over windows, weighted with pi."""
    parts = [(0.5, KeepWindow(0.1, 0.3)), (1.0, KeepWindow(0.6, 1.0))]
    for theta in (0.2, 0.9):
        density_at_boundary = sum(p * one.fraction / amplitude(one, theta) for p, one in parts)
        assert 0.5 / amplitude(Pieces(), theta) == pytest.approx(density_at_boundary, rel=1e-13)
        field = sum(p * one.fraction * hebb_coefficient(one, theta) for p, one in parts)
        assert 0.5 * hebb_coefficient(Pieces(), theta) == pytest.approx(field, rel=1e-13)


def test_amplitude_broadcasts():
    theta, f = np.array([[0.0], [0.3], [np.pi / 2]]), np.array([0.1, 0.5])
    for rule in (KeepHard, KeepEasy):
        both = amplitude(rule(f), theta)
        assert both.shape == (3, 2)
        for i, j in np.ndindex(3, 2):
            assert both[i, j] == amplitude(rule(f[j]), theta[i, 0])
        np.testing.assert_allclose(both[2], C0, rtol=1e-14)  # an orthogonal probe selects nothing
        assert hebb_coefficient(rule(f), theta).shape == (3, 2)
    assert isinstance(amplitude(KeepHard(0.1), 0.2), float)


def test_hard_limit_error_over_f():
    """error/f at f -> 0, corrections f^2; inf up to 2; C0/alpha far above (exponentially soon)."""
    f = np.array([3e-4, 1e-3, 3e-3])
    for alpha_prune in (2.5, 4.0, 10.0):
        ratio = solve(alpha_prune / f, KeepHard(f), 0.0).error / f / hard_limit_error_over_f(alpha_prune)
        assert_order(ratio - 1, f, 2.0)
    np.testing.assert_allclose(hard_limit_error_over_f([2.5, 4.0]), [0.2429, 0.1257], atol=5e-5)
    np.testing.assert_array_equal(hard_limit_error_over_f([1e-3, 2.0]), np.inf)
    np.testing.assert_allclose(hard_limit_error_over_f([1e2, 1e6]) * [1e2, 1e6], C0, rtol=1e-13)
    assert np.all(np.diff(hard_limit_error_over_f(np.linspace(2.001, 12, 40))) < 0)


def test_below_and_at_the_critical_point():
    """f^(1/3) at 2 with corrections f^(2/3), 1/2 - c / (2 pi k) below with corrections f^2."""
    f = np.array([1e-4, 1e-3, 1e-2])
    c = f * np.sqrt(np.pi / 2)
    critical = hard_limit_critical_alpha_prune()
    at = solve(critical / f, KeepHard(f), 0.0).error / (np.cbrt(c / (24 * density(0.0))) / np.pi)
    assert_order(at - 1, f, 2 / 3)
    k = brentq(lambda k: (1 + k * k) * ndtr(k) + k * density(k) - 1, 0, 2)  # G(k) = 1/alpha_prune = 1
    f = np.array([1e-3, 3e-3, 1e-2])
    c = f * np.sqrt(np.pi / 2)
    below = (0.5 - solve(1 / f, KeepHard(f), 0.0).error) / (c / (2 * np.pi * k))
    assert_order(below - 1, f, 2.0)


def test_hard_limit_error():
    """Corrections of order f^2, and 1/2 - theta/pi for many examples."""
    f = np.array([1e-4, 3e-4, 1e-3])
    theta = np.array([0.1, 0.5, 1.0])
    for alpha_prune in (0.5, 5.0):
        limit = hard_limit_error(alpha_prune, theta)
        for t, e in zip(theta, limit, strict=True):
            assert_order(solve(alpha_prune / f, KeepHard(f), t).error / e - 1, f, 2.0)
    assert hard_limit_error(3.0, np.pi / 2) == pytest.approx(solve(3.0, KeepHard(1.0), 0.0).error, rel=1e-12)
    # 1 - R1 = (pi C0/alpha)^2 / 2 = 1e-8
    np.testing.assert_allclose(hard_limit_error(1e4, theta), 0.5 - theta / np.pi, atol=1e-7)


def test_saturation_fraction():
    """The asymptotes C0 sin(theta) and C0 f cross there, and at most 21 % of the error is left below."""
    theta = np.array([0.01, 0.1, 0.4, 1.0, 1.5])
    at, floor = amplitude(KeepHard(saturation_fraction(theta)), theta), C0 * np.sin(theta)
    np.testing.assert_allclose(amplitude(KeepHard(1e-4 * np.sin(theta)), theta), floor, rtol=1e-7)
    np.testing.assert_allclose(amplitude(KeepHard(0.05), 0.01), C0 * 0.05, rtol=1e-6)  # f >> sin(theta)
    assert np.all(np.diff(at / floor) < 0)
    assert at[0] / floor[0] == pytest.approx(1.266, abs=5e-4)
    assert at[-1] / floor[-1] == pytest.approx(1, abs=5e-3)
    fractions = np.geomspace(1e-3, 1, 40)
    for t in theta:
        assert np.all(np.diff(amplitude(KeepHard(fractions), t)) >= -1e-15)
    assert saturation_fraction(0.0) == 0


def test_turn_of_the_student():
    """B = -(3/2) sin cos / (A c^2), the step that sets the best fraction; corrections 1/(A c^2)^2 and c^2."""
    theta = 0.5
    alpha_prune, f = np.array([1e4, 1e5]), np.array([0.04, 0.02])
    found = solve(alpha_prune / f, KeepHard(f), theta)
    q_overlap = (found.probe_overlap - found.teacher_overlap * np.cos(theta)) / np.sin(theta)
    outside = np.sin(np.pi * found.error) ** 2 - q_overlap**2
    c = f * np.sqrt(np.pi / 2)
    a = alpha_prune / (np.pi * C0 * np.sin(theta))
    predicted = -1.5 * np.sin(theta) * np.cos(theta) / (a * c**2)
    np.testing.assert_allclose(
        q_overlap / np.sqrt(outside) / predicted, 1, rtol=0, atol=np.max(predicted**2 + 2 * c**2)
    )


@pytest.mark.parametrize("theta", [0.3, 1.0])
def test_frontier_of_keep_hard(theta):
    """The best fraction with corrections alpha^(-2/3), its error with corrections alpha^(-4/3).

    Direct minimisation over log f finds f to the square root of rounding, 1e-6; ``pareto_frontier`` is tested against
    the same in its own file.
    """
    alpha_prune = np.array([1e3, 1e4, 1e5])
    expected = hard_frontier_fraction(alpha_prune, theta)

    def log_error(log_f, alpha):
        return float(np.log(solve(alpha / np.exp(log_f), KeepHard(np.exp(log_f)), theta).error))

    best = [
        minimize_scalar(log_error, bounds=np.log([0.4 * f, 1.6 * f]), args=(a,), options={"xatol": 1e-6})
        for a, f in zip(alpha_prune, expected, strict=True)
    ]
    fraction = np.exp([found.x for found in best]) / expected - 1
    assert_order(fraction, alpha_prune, -2 / 3)
    assert abs(fraction[-1]) < 3e-4
    error = np.exp([found.fun for found in best]) / hard_frontier_error(alpha_prune, theta) - 1
    assert_order(error, alpha_prune, -4 / 3)
    assert abs(error[-1]) < 1e-6


@pytest.mark.parametrize("theta", [0.0, 0.3, 1.2])
@pytest.mark.parametrize("keep", [KeepRandom(0.4), KeepHard(0.05), KeepEasy(0.2)], ids=label)
def test_few_examples(keep, theta):
    """1/2 - b sqrt(alpha), corrections of relative order alpha."""
    alpha_prune = np.array([1e-3, 3e-3, 1e-2])
    found = 0.5 - solve(alpha_prune / keep.fraction, keep, theta).error
    excess = found / (hebb_coefficient(keep, theta) * np.sqrt(alpha_prune)) - 1
    assert_order(excess, alpha_prune, 1.0)
    assert abs(excess[-1]) < 1e-2


def test_hebb_coefficient_by_hand():
    """sqrt(2/pi^3) for all data; exp(-p0^2/2) / f times it for easy at theta = 0; f / (4 pi phi(0)) for thin hard."""
    everything = np.sqrt(2 / np.pi**3)
    assert hebb_coefficient(KeepRandom(0.2), 0.3) == pytest.approx(everything, rel=1e-14)
    assert hebb_coefficient(KeepHard(0.2), np.pi / 2) == pytest.approx(everything, rel=1e-14)
    p0 = ndtri(1 - 0.1 / 2)
    assert hebb_coefficient(KeepEasy(0.1), 0.0) == pytest.approx(everything * np.exp(-(p0**2) / 2) / 0.1, rel=1e-13)
    assert hebb_coefficient(KeepHard(1e-4), 0.0) == pytest.approx(1e-4 / (4 * np.pi * density(0.0)), rel=1e-8)
    # continuous at theta = 0
    assert hebb_coefficient(KeepHard(1e-3), 1e-9) == pytest.approx(hebb_coefficient(KeepHard(1e-3), 0.0), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: amplitude(KeepHard(0.2), -0.1), ValueError, r"theta is in radians and must lie in \[0, pi/2\]"),
        (lambda: amplitude(KeepHard(0.2), 2.0), ValueError, "theta"),
        (lambda: amplitude(KeepHard(0.2), np.nan), ValueError, "theta must be finite"),
        (lambda: amplitude(0.2, 0.1), TypeError, "keep must be a keep rule"),
        (lambda: amplitude(KeepHard([0.2, 0.3]), [0.1, 0.2, 0.3]), ValueError, "shapes do not broadcast"),
        (lambda: hebb_coefficient(None, 0.1), TypeError, "keep must be a keep rule"),
        (lambda: hebb_coefficient(KeepHard(0.2), 90), ValueError, "theta"),
        (lambda: hard_limit_error_over_f(0.0), ValueError, "alpha_prune must be positive, got 0.0"),
        (lambda: hard_limit_error_over_f(np.inf), ValueError, "alpha_prune must be finite"),
        (lambda: hard_limit_error(1.0, 0.0), ValueError, r"theta must lie in \(0, pi/2\]"),
        (lambda: hard_limit_error(1e9, 0.1), ValueError, "alpha_prune"),
        (lambda: hard_limit_error([1.0, 2.0], [0.1, 0.2, 0.3]), ValueError, "shapes do not broadcast"),
        (lambda: saturation_fraction(-1e-9), ValueError, "theta"),
        (lambda: hard_frontier_fraction(-1.0, 0.1), ValueError, "alpha_prune must be positive"),
        (lambda: hard_frontier_fraction(10.0, 0.0), ValueError, r"theta must lie in \(0, pi/2\)"),
        (lambda: hard_frontier_error(10.0, np.pi / 2), ValueError, r"theta must lie in \(0, pi/2\)"),
        (lambda: hard_frontier_error([1.0, 2.0], [0.1, 0.2, 0.3]), ValueError, "shapes do not broadcast"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
