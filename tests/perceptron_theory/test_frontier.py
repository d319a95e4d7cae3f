"""``pareto_frontier`` and ``crossover`` against direct minimisation, finite differences and the curves themselves."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, crossover, pareto_frontier, solve
from perceptron_theory.solver.rule_slope import log_error_slope

RULES = {"hard": KeepHard, "easy": KeepEasy}
F_MIN = 0.01


@pytest.mark.parametrize("rule", [KeepHard, KeepEasy])
@pytest.mark.parametrize("theta", [0.0, 0.2])
def test_slope_is_the_derivative(rule, theta):
    """Central differences of log(error) with steps h and 2h, extrapolated: good to h^4 and rounding / h."""
    alpha_prune, f = np.array([0.3, 2.0, 6.0, 40.0])[:, None], np.array([0.03, 0.2, 0.6, 0.95])
    slope = log_error_slope(alpha_prune, rule(f), theta)
    assert slope.shape == (4, 4)

    def difference(h):
        up, down = (np.log(solve(alpha_prune / x, rule(x), theta).error) for x in (f * (1 + h), f * (1 - h)))
        return (up - down) / (2 * h * f)

    h = 2e-3
    numerical = (4 * difference(h) - difference(2 * h)) / 3
    np.testing.assert_allclose(slope, numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("alpha_prune", "theta_deg", "rule"), [(4.0, 20, "hard"), (8.0, 20, "hard"), (0.5, 60, "easy")]
)
def test_interior_minimum(alpha_prune, theta_deg, rule):
    """Brent on log(error): its values are right to 1e-14, so that it finds f to about 1e-7 and the error to 1e-13."""
    theta = np.radians(theta_deg)
    best = pareto_frontier(alpha_prune, theta, rule=rule, f_min=F_MIN)
    assert not best.at_limit
    assert best.rule == rule
    assert F_MIN < best.fraction < 1

    def log_error(f):
        return float(np.log(solve(alpha_prune / f, RULES[rule](f), theta).error))

    direct = minimize_scalar(
        log_error,
        bounds=(0.9 * best.fraction, min(1.0, 1.1 * best.fraction)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert best.fraction == pytest.approx(direct.x, abs=1e-6)
    assert np.log(best.error) == pytest.approx(direct.fun, abs=1e-12)
    # sharper than values can be: the values on both sides at equal distance differ by the third derivative only
    h = 1e-2 * best.fraction
    sides = [log_error(best.fraction + h), log_error(best.fraction - h)]
    assert min(sides) > np.log(best.error)


@pytest.mark.parametrize("theta_deg", [0, 20, 75])
def test_no_curve_lies_below_the_frontier(theta_deg):
    theta, alpha_prune = np.radians(theta_deg), np.geomspace(0.05, 100, 12)
    f = np.append(np.geomspace(F_MIN, 1, 25)[:-1], 1.0)
    curves = {name: solve(alpha_prune[:, None] / f, rule(f), theta).error.min(axis=1) for name, rule in RULES.items()}
    found = {name: pareto_frontier(alpha_prune, theta, rule=name, f_min=F_MIN) for name in RULES}
    for name, frontier in found.items():
        assert np.all(frontier.error <= curves[name] * (1 + 1e-12))
        np.testing.assert_allclose(frontier.error, curves[name], rtol=0.05)  # and it is not far below
        again = solve(alpha_prune / frontier.fraction, RULES[name](frontier.fraction), theta)
        np.testing.assert_allclose(frontier.error, again.error, rtol=1e-12)
    best = pareto_frontier(alpha_prune, theta, f_min=F_MIN)
    hard_wins = found["hard"].error <= found["easy"].error
    np.testing.assert_array_equal(best.error, np.minimum(found["hard"].error, found["easy"].error))
    np.testing.assert_array_equal(best.rule, np.where(hard_wins, "hard", "easy"))
    np.testing.assert_array_equal(best.fraction, np.where(hard_wins, found["hard"].fraction, found["easy"].fraction))


def test_frontier_of_a_perfect_probe_is_at_its_limit():
    """At theta = 0 and alpha_prune > 2 the error of hard is proportional to f: the larger the pool the better."""
    best = pareto_frontier([2.5, 4.0, 10.0], 0.0, f_min=0.02)
    assert best.at_limit.all()
    np.testing.assert_array_equal(best.fraction, 0.02)
    assert np.all(best.rule == "hard")
    alone = pareto_frontier(4.0, 0.0, f_min=0.02)
    assert isinstance(alone.error, float)
    assert (alone.error, alone.fraction, alone.rule, alone.at_limit) == (best.error[1], 0.02, "hard", True)


def test_keep_everything_where_hard_examples_mislead():
    """Scarce data: the best fraction of hard examples is all of them."""
    best = pareto_frontier(0.3, 0.1, rule="hard", f_min=F_MIN)
    assert best.fraction == 1
    assert best.error == pytest.approx(solve(0.3, KeepRandom(1.0), 0.0).error, rel=1e-12)
    assert not best.at_limit


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"alpha_prune": 2.0, "theta": 0.1, "rule": "window"}, ValueError, 'rule must be "hard", "easy" or "best"'),
        ({"alpha_prune": 2.0, "theta": 0.1, "f_min": 1.0}, ValueError, r"f_min must lie in \[0.0001, 1\), got 1.0"),
        ({"alpha_prune": 2.0, "theta": 0.1, "f_min": 1e-5}, ValueError, "f_min must lie in"),
        ({"alpha_prune": 2.0, "theta": 0.1, "num_grid": 3}, ValueError, "num_grid must be at least 8, got 3"),
        ({"alpha_prune": 2.0, "theta": [0.1, 0.2]}, ValueError, r"theta must be a scalar, got shape \(2,\)"),
        ({"alpha_prune": 2.0, "theta": 3.0}, ValueError, r"theta is in radians and must lie in \[0, pi/2\]"),
        ({"alpha_prune": 1e6, "theta": 0.1}, ValueError, "alpha_prune = f alpha_tot must lie in"),
        ({"alpha_prune": "2", "theta": 0.1}, TypeError, "alpha_prune must be a real number"),
    ],
)
def test_bad_input_of_the_frontier(options, kind, message):
    with pytest.raises(kind, match=message):
        pareto_frontier(**options)


def test_slope_needs_an_edge():
    with pytest.raises(ValueError, match="f must be below 1 to be varied"):
        log_error_slope(2.0, KeepHard(1.0), 0.1)


def test_crossover():
    """The errors are equal there, easy wins just below and hard just above."""
    f, theta = np.array([0.05, 0.3, 0.8])[:, None], np.radians([0.0, 10.0])
    found = crossover(f, theta)
    assert found.exists.all()
    assert found.alpha_tot.shape == (3, 2)
    hard, easy = (solve(found.alpha_tot, rule(f), theta).error for rule in (KeepHard, KeepEasy))
    np.testing.assert_allclose(hard, easy, rtol=1e-8)
    np.testing.assert_allclose(found.error, hard, rtol=1e-12)
    for factor, sign in ((0.99, 1), (1.01, -1)):
        alpha_tot = factor * found.alpha_tot
        difference = solve(alpha_tot, KeepHard(f), theta).error - solve(alpha_tot, KeepEasy(f), theta).error
        assert np.all(sign * difference > 0)
    alone = crossover(0.3, 0.0)
    assert alone.alpha_tot == pytest.approx(found.alpha_tot[1, 0], rel=1e-9)
    assert alone.exists


def test_no_crossover_with_a_useless_probe():
    found = crossover([0.1, 0.5], np.pi / 2)
    assert not found.exists.any()
    assert np.isnan(found.alpha_tot).all()
    assert np.isnan(found.error).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((1.0), 0.1), "f must lie below 1, where keeping hard and keeping easy differ"),
        ((-0.1, 0.1), "f, the fraction kept, must lie in"),
        ((0.2, 2.0), "theta is in radians"),
        ((np.nan, 0.1), "f must be finite"),
    ],
)
def test_bad_input_of_the_crossover(arguments, message):
    with pytest.raises(ValueError, match=message):
        crossover(*arguments)
