"""The saddle-point equations from first principles: G, stationarity of the margin, and that the margin is largest."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from perceptron_theory import KeepEasy, KeepHard, KeepWindow, solve

D = sp.symbols("d", real=True)
PDF = sp.exp(-(D**2) / 2) / sp.sqrt(2 * sp.pi)
CDF = (1 + sp.erf(D / sp.sqrt(2))) / 2
G = (1 + D**2) * CDF + D * PDF


def test_g_is_the_mean_square_shortfall():
    """G(d) = E_g (d - g)_+^2: integrate the definition."""
    g = sp.symbols("g", real=True)
    density = sp.exp(-(g**2) / 2) / sp.sqrt(2 * sp.pi)
    integral = sp.integrate(sp.expand((D - g) ** 2) * density, (g, -sp.oo, D))
    assert sp.simplify((integral - G).rewrite(sp.erf)) == 0


def test_derivatives_of_g():
    assert sp.simplify(sp.diff(G, D) - 2 * (D * CDF + PDF)) == 0
    assert sp.simplify(sp.diff(G, D, 2) - 2 * CDF) == 0


# Kept examples of the toy averages: (p, q, weight), weights add up to 1.  Stationarity is an identity in them.
A, B, K, ALPHA = sp.symbols("A B k alpha", positive=True)
TOY = [
    (sp.Rational(1, 3), sp.Rational(-2, 5), sp.Rational(1, 4)),
    (sp.Rational(7, 5), sp.Rational(1, 2), sp.Rational(3, 4)),
]
N = 1 + A**2 + B**2


def average(function):
    """<function(d, p, q)> over the toy examples."""
    return sum(w * function(K - A * p - B * q, p, q) for p, q, w in TOY)


def g_prime(d):
    return sp.diff(G, D).subs(D, d)


def test_stationarity_of_the_margin_gives_the_equations():
    """kappa = k/sqrt n on alpha <G> = 1: both derivatives vanish exactly where <G'(n p - k A)> = <G'(n q - k B)> = 0.

    Along the constraint dk/dA = <G' p>/<G'>, so that n^(3/2) <G'> dkappa/dA = n <G' p> - k A <G'>.
    """
    constraint = average(lambda d, p, q: G.subs(D, d))
    for unknown, pick in ((A, lambda p, q: p), (B, lambda p, q: q)):
        slope_of_k = -sp.diff(constraint, unknown) / sp.diff(constraint, K)
        kappa = K / sp.sqrt(N)
        slope = sp.diff(kappa, unknown) + sp.diff(kappa, K) * slope_of_k
        equation = average(lambda d, p, q, x=unknown, pick=pick: g_prime(d) * (N * pick(p, q) - K * x))
        remainder = slope * N ** sp.Rational(3, 2) * average(lambda d, p, q: g_prime(d)) - equation
        for a, b, k in ((0.3, 0.2, 0.7), (2, 1, 3), (5, 0.25, 0.1)):
            at = {A: sp.Rational(a), B: sp.Rational(b), K: sp.Rational(k)}
            assert abs(remainder.subs(at).evalf(30)) < 1e-25


def test_the_convex_program_gives_the_same_equations():
    """Minimise (a^2 + b^2 + s^2)/2 subject to H = alpha <E_g (1 - a p - b q - s g)_+^2> - s^2 <= 0.

    With (A, B, k) = (a, b, 1)/s, E_g (1 - a p - b q - s g)_+^2 = s^2 G(d), so that H = s^2 (alpha <G> - 1).
    With a multiplier mu, stationarity on H = 0 reads A <G' d> = <G' p> and B <G' d> = <G' q>.
    """
    a, b, s = sp.symbols("a b s", positive=True)
    of_program = {A: a / s, B: b / s, K: 1 / s}
    constraint = s**2 * (ALPHA * average(lambda d, p, q: G.subs(D, d)).subs(of_program, simultaneous=True) - 1)
    slopes = {
        a: average(lambda d, p, q: -g_prime(d) * p),
        b: average(lambda d, p, q: -g_prime(d) * q),
        s: average(lambda d, p, q: -g_prime(d) * d),
    }
    for values in ((0.3, 0.2, 0.7), (2, 1, 3), (5, 0.25, 0.5)):
        student = dict(zip((A, B, K), map(sp.Rational, values), strict=True))
        point = {a: student[A] / student[K], b: student[B] / student[K], s: 1 / student[K]}
        alpha = (1 / average(lambda d, p, q: G.subs(D, d)).subs(student)).evalf(40)  # puts the point on H = 0
        for unknown, slope in slopes.items():
            by_unknown = sp.diff(constraint, unknown).subs(point).subs(ALPHA, alpha).evalf(30)
            assert abs(by_unknown - (point[s] * alpha * slope.subs(student)).evalf(30)) < 1e-25

    # (a, b, s) = mu s alpha (<G' p>, <G' q>, <G' d>): divide the first two by the third, and solve
    g1, g1_p, g1_q = sp.symbols("g1 g1_p g1_q")
    g1_d = K * g1 - A * g1_p - B * g1_q
    solved = sp.solve([A * g1_d - g1_p, B * g1_d - g1_q], [g1_p, g1_q], dict=True)
    assert len(solved) == 1
    assert sp.simplify(N * solved[0][g1_p] - K * A * g1) == 0
    assert sp.simplify(N * solved[0][g1_q] - K * B * g1) == 0


def mean_g(a, b, k, low, high, f, theta):
    """<G(k - A p - B q)> over kept examples by plain Gauss-Legendre in (z, w), along and across the probe.

    There p = z cos(theta) - w sin(theta), so that p > 0 is w < z cot(theta).
    """
    nodes, weights = np.polynomial.legendre.leggauss(80)
    cos, sin = np.cos(theta), np.sin(theta)
    z = np.concatenate([low + (high - low) * (1 + nodes) / 2, -high + (high - low) * (1 + nodes) / 2])
    last = np.clip(z * cos / sin, -9.0, 9.0)
    w = -9.0 + (last[:, None] + 9.0) * (1 + nodes) / 2
    weight = np.tile(weights, 2)[:, None] * (high - low) / 2 * weights * (last[:, None] + 9.0) / 2
    d = k - a * (z[:, None] * cos - w * sin) - b * (z[:, None] * sin + w * cos)
    g = (1 + d * d) * ndtr(d) + d * density(d)
    return 2 * np.sum(weight * density(z)[:, None] * density(w) * g) / f


def density(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize(
    ("keep", "alpha_prune", "theta_deg"),
    [(KeepHard(0.3), 2.0, 20), (KeepEasy(0.4), 1.0, 50), (KeepWindow(0.2, 0.6), 3.0, 35), (KeepHard(0.1), 0.5, 70)],
)
def test_no_other_student_has_a_larger_margin(keep, alpha_prune, theta_deg):
    """On the constraint, kappa falls off in every direction, and far away too."""
    theta = np.radians(theta_deg)
    best = solve(alpha_prune / keep.fraction, keep, theta)
    lower, upper, _ = (float(edge[0]) for edge in keep.windows())
    low, high = (ndtri((1 + u) / 2) if u < 1 else 9.0 for u in (lower, upper))
    across = (best.probe_overlap - best.teacher_overlap * np.cos(theta)) / np.sin(theta)
    outside = np.sqrt(1 - best.teacher_overlap**2 - across**2)
    top = np.array([best.teacher_overlap, across]) / outside

    def margin(student):
        def excess(k):
            return alpha_prune * mean_g(*student, k, low, high, keep.fraction, theta) - 1

        reach = 10 + 10 * np.hypot(*student)
        return brentq(excess, -reach, reach, xtol=1e-10) / np.sqrt(1 + student @ student)

    assert margin(top) == pytest.approx(best.margin, rel=1e-8)
    rng = np.random.default_rng(0)
    for size in (0.03, 0.3, 3.0):
        for _ in range(4):
            direction = rng.standard_normal(2)
            step = size * np.linalg.norm(top) * direction / np.linalg.norm(direction)
            assert margin(top + step) < best.margin - 1e-6 * min(size, 1) ** 2


def test_g_without_integration_tables():
    """The closed form against quadrature of the definition."""
    form = sp.lambdify(D, G, modules=["scipy", "numpy"])
    for d in (-6.0, -1.0, 0.0, 0.5, 4.0):
        assert form(d) == pytest.approx(quad(lambda g, d=d: (d - g) ** 2 * density(g), -40, d)[0], rel=1e-8)
