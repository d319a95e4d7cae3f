"""``solve`` against independently computed solutions and the known limits of the theory."""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import erf, ndtri

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepWindow, solve
from perceptron_theory.solver import batch, quadrature

POINTS = json.loads((Path(__file__).parent / "max_margin.json").read_text())["points"]
RULES = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}


def keep_of(point):
    return KeepWindow(*point["window_rank"]) if point["rule"] == "window" else RULES[point["rule"]](point["f"])


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p['rule']}-{p['alpha_prune']}-{p['f']:.2g}-{p['theta_deg']}")
def test_reference_points(point):
    keep = keep_of(point)
    found = solve(point["alpha_prune"] / keep.fraction, keep, np.deg2rad(point["theta_deg"]))
    assert found.error == pytest.approx(point["error"], rel=1e-10)
    assert found.teacher_overlap == pytest.approx(point["R"], rel=1e-10)
    assert found.probe_overlap == pytest.approx(point["rho"], rel=1e-10, abs=1e-14)
    assert found.margin == pytest.approx(point["kappa"], rel=1e-10)
    assert found.converged


def pdf(x):
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def kept_average(function, keep, theta):
    """Average over kept examples of label +1, by plain two-dimensional quadrature over the whole half-plane strip."""
    lower, upper, _ = (float(w[0]) for w in keep.windows())
    low, high = (ndtri((1 + u) / 2) if u < 1 else 9.0 for u in (lower, upper))
    total = 0.0
    # strips of constant z: along them y = (p - z cos)/sin, and p > 0 is y > -z cot
    for sign in (1, -1):

        def density(y, z, sign=sign):
            p = sign * z * np.cos(theta) + y * np.sin(theta)
            q = sign * z * np.sin(theta) - y * np.cos(theta)
            return 2 * pdf(y) * pdf(z) * function(p, q) / keep.fraction

        start = lambda z, sign=sign: max(-9.0, -sign * z / np.tan(theta))  # noqa: E731
        total += dblquad(density, low, high, start, 9.0, epsabs=1e-11, epsrel=1e-10)[0]
    return total


@pytest.mark.parametrize(
    ("keep", "alpha_prune", "theta_deg"),
    [(KeepHard(0.3), 2.0, 20), (KeepEasy(0.4), 1.0, 50), (KeepWindow(0.2, 0.6), 3.0, 35)],
)
def test_solution_satisfies_the_equations_by_plain_quadrature(keep, alpha_prune, theta_deg):
    """The homogeneous saddle-point equations, averages by scipy's dblquad over the half-plane: nothing is shared."""
    theta = np.deg2rad(theta_deg)
    found = solve(alpha_prune / keep.fraction, keep, theta)
    # (A, B, 1)/sqrt(n) has components R along T, (rho - R cos)/sin along Q
    along_q = (found.probe_overlap - found.teacher_overlap * np.cos(theta)) / np.sin(theta)
    root_n = 1 / np.sqrt(1 - found.teacher_overlap**2 - along_q**2)
    a, b, k = found.teacher_overlap * root_n, along_q * root_n, found.margin * root_n

    def g(p, q):
        d = k - a * p - b * q
        return (1 + d * d) * cdf(d) + d * pdf(d)

    def g_prime(p, q):
        d = k - a * p - b * q
        return 2 * (d * cdf(d) + pdf(d))

    n = 1 + a * a + b * b
    assert kept_average(lambda p, q: 1.0, keep, theta) == pytest.approx(1, abs=1e-8)
    assert alpha_prune * kept_average(g, keep, theta) == pytest.approx(1, abs=1e-8)
    assert kept_average(lambda p, q: g_prime(p, q) * (n * p - k * a), keep, theta) == pytest.approx(0, abs=1e-7)
    assert kept_average(lambda p, q: g_prime(p, q) * (n * q - k * b), keep, theta) == pytest.approx(0, abs=1e-7)


def test_all_data_error_falls_as_half_over_alpha():
    assert solve(100, KeepRandom(1.0), 0).error == pytest.approx(5.0039919629e-3, rel=1e-10)
    assert solve(1e5, KeepRandom(1.0), 0).error * 1e5 == pytest.approx(0.5005, abs=5e-5)


@pytest.mark.parametrize("alpha_prune", [0.1, 1.0, 7.0, 300.0])
def test_selection_that_says_nothing_changes_nothing(alpha_prune):
    """f = 1, a probe orthogonal to the teacher, or random selection: the error of no selection."""
    expected = solve(alpha_prune, KeepRandom(1.0), 0).error
    for keep, theta in (
        (KeepHard(1.0), 0.0),
        (KeepHard(1.0), 0.5),
        (KeepEasy(1.0), 1.2),
        (KeepHard(0.03), np.pi / 2),
        (KeepEasy(0.3), np.pi / 2),
        (KeepWindow(0.3, 0.4), np.pi / 2),
        (KeepRandom(0.02), 0.7),
    ):
        assert solve(alpha_prune / keep.fraction, keep, theta).error == pytest.approx(expected, rel=1e-10)


def test_two_hard_examples_per_parameter_are_critical():
    """At theta = 0 and f -> 0 the error tends to 1/2 below alpha_prune = 2 and is proportional to f above."""
    f = 1e-4
    assert solve(1.9 / f, KeepHard(f), 0).error > 0.499
    assert solve(2.5 / f, KeepHard(f), 0).error / f == pytest.approx(0.2429, abs=5e-4)
    assert solve(4.0 / f, KeepHard(f), 0).error / f == pytest.approx(0.1257, abs=5e-4)


def test_four_hard_examples_per_parameter_do_as_well_as_fifty():
    pruned, everything = solve(50, KeepHard(0.084), 0).error, solve(50, KeepRandom(1.0), 0).error
    assert pruned / everything - 1 == pytest.approx(0.003, abs=0.001)


def test_scarce_data_want_easy_examples_and_plenty_hard_ones():
    f = 0.2
    for alpha_prune, hard, easy in ((1, 0.417666, 0.134590), (4, 0.025018, 0.048194)):
        assert solve(alpha_prune / f, KeepHard(f), 0).error == pytest.approx(hard, abs=6e-7)
        assert solve(alpha_prune / f, KeepEasy(f), 0).error == pytest.approx(easy, abs=6e-7)


def test_best_windows_of_the_table():
    for alpha_tot, f, theta_deg, a, error in (
        (10, 0.2, 0, 0.448, 0.06148),
        (20, 0.1, 0, 0.486, 0.03897),
        (50, 0.1, 20, 0.148, 0.04897),
        (5, 0.4, 30, 0.254, 0.17124),
    ):
        # the table gives a to 3 digits and the error is flat there
        assert solve(alpha_tot, KeepWindow(a, a + f), np.deg2rad(theta_deg)).error == pytest.approx(error, abs=2e-5)


@pytest.mark.parametrize("theta_deg", [0, 1e-8, 1e-3, 5, 45, 90])
def test_every_corner_of_the_domain_converges(theta_deg):
    alpha_prune, f = np.meshgrid([1e-3, 0.3, 1.99, 2.01, 50, 1e5], [1e-4, 1e-3, 0.1, 0.99, 1.0])
    for rule in (KeepHard, KeepEasy):
        found = solve(alpha_prune / f, rule(f), np.deg2rad(theta_deg))
        assert found.converged.all()
        assert np.all((found.error > 0) & (found.error <= 0.5))
        assert np.all(found.margin > 0)
        assert np.all(np.abs(found.probe_overlap) <= 1)


HARD_CASES = [
    (2.0, KeepHard(0.1), 5.0),  # Newton on the equations diverges from generic starts
    (98495.4, KeepWindow(0.92676243, 0.92694812), 16.602),  # rare examples deep inside the margin decide
    (320.8, KeepWindow(0.6147, 0.6148455), 6.708),
    (100000.0, KeepEasy(101 / 300), 10.0),
]


def test_hard_cases_converge_and_do_not_depend_on_the_quadrature(monkeypatch):
    def errors():
        return [solve(alpha / keep.fraction, keep, np.deg2rad(angle)).error for alpha, keep, angle in HARD_CASES]

    found = errors()
    nodes, weights = np.polynomial.legendre.leggauss(64)
    for name, value in (("NODES", nodes), ("WEIGHTS", weights), ("STEP", 9.2), ("REACH", 9.5), ("TAIL", 15.5)):
        monkeypatch.setattr(quadrature, name, value)
    monkeypatch.setattr(batch, "_grouped", cache(batch._grouped.__wrapped__))  # compile anew
    assert errors() == pytest.approx(found, rel=1e-10)


def test_rank_of_the_probe_margin():
    from perceptron_theory.solver.kept_set import probe_margin

    rank = np.array([0.0, 1e-9, 1e-4, 0.3, 0.5, 0.9, 0.9999])
    np.testing.assert_allclose(erf(probe_margin(rank) / np.sqrt(2)), rank, rtol=1e-13, atol=1e-16)
