"""Importance weights in the theory: the loss scaled by w(u), and soft rules as policies over ranks."""

import jax
import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq
from scipy.stats import norm

from data_pruning import keep_by_score
from data_pruning.compilation import quickly_compiled
from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepCoverage,
    KeepHard,
    KeepMixture,
    KeepPolicy,
    KeepProportional,
    KeepRandom,
    KeepWeighted,
    KeepWindow,
    Labels,
    LogisticLoss,
    SquareLoss,
    margin_distribution,
    solve,
    value_function,
)
from perceptron_theory.solver.kept_set import probe_margin

MOMENTS = (
    lambda z, v: 1.0,
    lambda z, v: z,
    lambda z, v: v,
    lambda z, v: z * z,
    lambda z, v: z * v,
    lambda z, v: v * v,
)
POLICY = KeepPolicy([0, 0.3, 1], [0.8, 0.1])
STUDENTS = [SquareLoss(0.1), HingeLoss(0.2), LogisticLoss(0.1)]


@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_power_zero_changes_nothing(student):
    """Bit for bit."""
    plain, weighted = (solve(6.0, rule, 0.35, student=student) for rule in (POLICY, KeepWeighted(POLICY, 0.0)))
    assert plain == weighted


@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_equal_probabilities_have_equal_weights(student):
    """A window, or random examples: all weights are 1."""
    window = KeepWindow(0.2, 0.5)
    plain, weighted = (solve(6.0, rule, 0.35, student=student).error for rule in (window, KeepWeighted(window)))
    np.testing.assert_allclose(weighted, plain, rtol=1e-11)


def test_a_margin_has_no_weights():
    with pytest.warns(UserWarning, match=r"MaxMargin\(\) ignores the weights of KeepWeighted"):
        weighted = solve(6.0, KeepWeighted(POLICY), 0.35)
    assert weighted == solve(6.0, POLICY, 0.35)


@pytest.mark.parametrize("flip_probability", [0.0, 0.1])
def test_ridge_by_plain_quadrature(flip_probability):
    """The equations of ``least_squares`` with weights, from moments of each window by quadrature over (p, q)."""
    alpha_tot, theta, lam, power = 6.0, 0.5, 0.1, 0.7
    lower, upper, probability = POLICY.windows()
    f = POLICY.fraction
    edges = [(probe_margin(a), min(probe_margin(b), 9.0)) for a, b in zip(lower, upper, strict=True)]

    def moment(inner, outer, function):
        """Mean over label +1 (p > 0), kept on both sides of the probe's boundary; z = p cos + q sin."""
        total = 0.0
        for start, stop in ((inner, outer), (-outer, -inner)):
            # coordinates z along the probe and v across it: p = z cos - v sin > 0 for v < z / tan
            total += dblquad(
                lambda v, z: function(z, v) * norm.pdf(z) * norm.pdf(v),
                start,
                stop,
                -9,
                lambda z: np.clip(z / np.tan(theta), -9, 9),
                epsabs=1e-12,
            )[0]
        return 2 * total

    moments = (
        np.array([[moment(*edge, function) for function in MOMENTS] for edge in edges]) * (probability / f)[:, None]
    )
    mass, z1, v1, zz, zv, vv = moments.T
    z1, v1 = (1 - 2 * flip_probability) * z1, (1 - 2 * flip_probability) * v1
    weight = probability**-power / (mass @ probability**-power)
    alpha = f * alpha_tot
    v_ = brentq(lambda v: v * (lam + alpha * mass @ (weight / (1 + weight * v))) - 1, 1e-9, 1e9, xtol=1e-15, rtol=1e-15)
    c = weight / (1 + weight * v_)
    matrix = np.array([[c @ zz, c @ zv], [c @ zv, c @ vv]]) * alpha + lam * np.eye(2)
    m = np.linalg.solve(matrix, alpha * np.array([c @ z1, c @ v1]))
    squares = mass - 2 * (m[0] * z1 + m[1] * v1) + m[0] ** 2 * zz + 2 * m[0] * m[1] * zv + m[1] ** 2 * vv
    s2 = alpha * v_**2 * (c**2 @ squares) / (1 - alpha * v_**2 * (c**2 @ mass))
    along_teacher = m[0] * np.cos(theta) - m[1] * np.sin(theta)
    expected = np.arccos(along_teacher / np.sqrt(m @ m + s2)) / np.pi
    found = solve(
        alpha_tot, KeepWeighted(POLICY, power), theta, student=SquareLoss(lam), labels=Labels(flip_probability)
    )
    np.testing.assert_allclose(found.error, expected, rtol=1e-7)


@pytest.mark.parametrize(("student", "theta"), [*zip(STUDENTS, (0.0, 0.35, 0.35), strict=True)], ids=str)
def test_slope_along_the_number_of_examples(student, theta):
    keep = KeepWeighted(KeepMixture(KeepHard(0.3), 0.5))
    with jax.enable_x64(True):
        slope_at = jax.grad(lambda alpha: solve(alpha, keep, theta, student=student).error)
        slope = float(quickly_compiled(cheap=True)(slope_at)(6.0))
    ends = [solve(6.0 + h, keep, theta, student=student).error for h in (-1e-4, 1e-4)]
    np.testing.assert_allclose(slope, (ends[1] - ends[0]) / 2e-4, rtol=1e-7)


@pytest.mark.parametrize(
    "rule",
    [KeepProportional(0.2, 1.0), KeepProportional(0.1, -0.5), KeepProportional(0.2, 1.0, 0.2), KeepCoverage(0.2, 0.1)],
    ids=str,
)
def test_cells_of_a_smooth_rule_are_fine_enough(rule, monkeypatch):
    """Four times as many cells change the error by less than 2e-4 of it, also with weights."""
    coarse = solve(8.0, rule, 0.3).error, solve(8.0, KeepWeighted(rule), 0.3, student=SquareLoss(0.1)).error
    monkeypatch.setattr(keep_by_score, "NUM_CELLS", 256)
    fresh = rule.with_fraction(rule.fraction)
    fine = solve(8.0, fresh, 0.3).error, solve(8.0, KeepWeighted(fresh), 0.3, student=SquareLoss(0.1)).error
    np.testing.assert_allclose(coarse, fine, rtol=2e-4)


def test_an_array_of_rules_is_one_rule_after_another():
    powers = np.array([-0.5, 0.0, 1.0])
    together = solve(8.0, KeepProportional(0.2, powers), 0.3, student=SquareLoss(0.1)).error
    apart = [solve(8.0, KeepProportional(0.2, power), 0.3, student=SquareLoss(0.1)).error for power in powers]
    np.testing.assert_allclose(together, apart, rtol=1e-13)


def test_what_has_no_answer_with_weights_says_so():
    keep = KeepWeighted(POLICY)
    with pytest.raises(ValueError, match="keep must be a rule without weights here"):
        value_function(6.0, keep, 0.3, student=SquareLoss(0.1))
    with pytest.raises(ValueError, match="keep must be a rule without weights here"):
        margin_distribution(6.0, keep, 0.3, 0.0, student=SquareLoss(0.1))


def test_rules_by_label_have_weights_too():
    """Equal rules for both are that rule; weights of power 0 change nothing."""
    student, by_label = SquareLoss(0.1), KeepByLabel(POLICY, POLICY, 0.7)
    expected = solve(6.0, KeepWeighted(POLICY, 0.7), 0.35, student=student).error
    np.testing.assert_allclose(solve(6.0, by_label, 0.35, student=student).error, expected, rtol=1e-9)
    plain, zero = (
        solve(6.0, KeepByLabel(POLICY, KeepHard(0.3), *power), 0.35, student=student) for power in ((), (0.0,))
    )
    assert plain == zero
    with pytest.raises(TypeError, match="agree must be a rule without weights"):
        KeepByLabel(KeepWeighted(POLICY))


def test_windows_of_a_score_that_knows_the_label_lose_on_large_pools():
    """Ridge, probe at 40 degrees, 10 % wrong labels, 30 % kept by rank of y J.x (benchmarks/label_aware.py).

    With few examples the window is far ahead of random, with many far behind: its error does not fall any more.  A soft
    rule with weights of power 1 is ahead in both.
    """
    student, labels, theta, alpha = SquareLoss(0.01), Labels(0.1), np.deg2rad(40), np.array([3.0, 300.0, 3000.0])

    def errors(keep):
        return solve(alpha, keep, theta, student=student, labels=labels).error

    random = errors(KeepRandom(0.3))
    window = errors(KeepByLabel(KeepWindow(0.5, 0.8)))  # those whose label the probe predicts, at middle margins
    soft = errors(KeepByLabel(KeepPolicy([0, 0.5, 1], [0.3, 0.24]), KeepPolicy([0, 0.5, 1], [0.4, 0.8]), 1.0))
    assert window[0] < 0.8 * random[0]
    assert window[1] > 2 * random[1]
    assert window[2] > 0.9 * window[1]  # a floor
    assert random[2] < 0.4 * random[1]
    assert soft[1] < random[1]


def test_a_traced_fraction_is_refused():
    with jax.enable_x64(True), pytest.raises(TypeError, match="f of this rule cannot be traced"):
        jax.grad(lambda f: solve(6.0, KeepProportional(f), 0.3).error)(0.3)
    assert quad(KeepProportional(0.3), 0, 1, points=[0.1], limit=300)[0] == pytest.approx(0.3, rel=1e-8)
