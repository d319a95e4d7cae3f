"""Regularised students: reference points, closed forms, limits, and the saddle point by independent quadrature."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, ndtr, ndtri

from data_pruning import keep_rule
from perceptron_theory import (
    HingeLoss,
    KeepEasy,
    KeepHard,
    KeepRandom,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
    separability_threshold,
    solve,
)
from perceptron_theory.solver import evaluation, loss_channels, regularised
from perceptron_theory.solver.batch import for_each_point
from perceptron_theory.solver.limits import solver_of
from perceptron_theory.solver.points import flat_points, lanes_of, parts_of

POINTS = json.loads((Path(__file__).parent / "regularised_students.json").read_text())["points"]
RULES = {"hard": KeepHard, "easy": KeepEasy}
STUDENTS = {"square": SquareLoss, "logistic": LogisticLoss, "hinge": HingeLoss}
ALL = KeepRandom(1.0)
THETA = 0.3  # says nothing where nothing is selected; not 0, which is compiled separately
MEAN_FIELD = np.sqrt(2 / np.pi)  # <y p>


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p['loss']}-{p['rule']}-{p['alpha_prune']}-{p['eta']}")
def test_reference_points(point):
    keep, student = RULES[point["rule"]](point["f"]), STUDENTS[point["loss"]](point["lam"])
    theta, labels = np.deg2rad(point["theta_deg"]), Labels(point["eta"])
    found = solve(point["alpha_prune"] / point["f"], keep, theta, student=student, labels=labels)
    assert found.error == pytest.approx(point["error"], rel=1e-9)
    assert found.margin is None
    assert found.converged


def ridge(alpha_prune, lam, mean, second):
    """The ridge student from first and second moments (Opper and Kinzel 1996; Bos 1998), for any selection.

    With h = (omega + V)/(1 + V) the force is (1 - omega)/(1 + V), linear in omega = y m.u + s g, and M'' = 1/(1 + V).
    With b = <y u>, C = <u u^T> the saddle point reads

        lambda (1 + V) m = alpha (b - C m)        1/V = lambda + alpha/(1 + V)
        s^2 = alpha c^2 (1 - 2 m.b + m.C m + s^2),  c = V/(1 + V).

    The second is lambda V^2 + (lambda + alpha - 1) V - 1 = 0, the first linear in m, the third linear in s^2.  V, and
    so how far the student goes off the plane per unit of noise, does not depend on the selection.

    Returns m, s.
    """
    p = lam + alpha_prune - 1
    root = np.sqrt(p * p + 4 * lam)
    v = 2 / (p + root) if p > 0 else (root - p) / (2 * lam)  # without cancellation
    m = np.linalg.solve(lam * (1 + v) * np.eye(len(mean)) + alpha_prune * second, alpha_prune * mean)
    c = v / (1 + v)
    s2 = alpha_prune * c**2 * (1 - 2 * m @ mean + m @ second @ m) / (1 - alpha_prune * c**2)
    return m, np.sqrt(s2)


@pytest.mark.parametrize("eta", [0.0, 0.2])
@pytest.mark.parametrize("lam", [1e-6, 0.03, 2.0])
def test_ridge_on_all_data_has_a_closed_form(lam, eta):
    """f = 1: b = (1 - 2 eta) sqrt(2/pi) along the teacher and C = 1."""
    alpha = np.array([1e-2, 0.4, 1.0, 1.7, 300.0])
    found = solve(alpha, ALL, THETA, student=SquareLoss(lam), labels=Labels(eta))
    for i, a in enumerate(alpha):
        m, s = ridge(a, lam, np.array([(1 - 2 * eta) * MEAN_FIELD]), np.eye(1))
        assert found.error[i] == pytest.approx(np.arctan2(s, m[0]) / np.pi, rel=1e-11)
        assert found.norm[i] == pytest.approx(np.hypot(s, m[0]), rel=1e-10)


@pytest.mark.parametrize("alpha_prune", [0.2, 1.0, 5.0, 80.0])
@pytest.mark.parametrize("theta", [0.1, 0.8, 1.5])
def test_ridge_on_hard_examples_has_a_closed_form(alpha_prune, theta):
    """Keep-hard keeps |z| < a.  Along the probe and across it, p = z cos + v sin with z, v independent:

    <y z> = <z (2 Phi(z cot theta) - 1)>, <y v> = <2 phi(z cot theta)>, <z^2> = 1 - 2 a phi(a)/f, <v^2> = 1.
    """
    f, lam = 0.4, 0.05
    a, cot = ndtri((1 + f) / 2), 1 / np.tan(theta)

    def kept(function):
        return quad(lambda z: function(z) * density(z) / f, -a, a, epsabs=1e-14, epsrel=1e-13)[0]

    mean = np.array([kept(lambda z: z * (2 * ndtr(z * cot) - 1)), kept(lambda z: 2 * density(z * cot))])
    m, s = ridge(alpha_prune, lam, mean, np.diag([1 - 2 * a * density(a) / f, 1.0]))
    found = solve(alpha_prune / f, KeepHard(f), theta, student=SquareLoss(lam))
    norm = np.sqrt(m @ m + s * s)
    assert found.probe_overlap == pytest.approx(m[0] / norm, rel=1e-10)
    assert found.teacher_overlap == pytest.approx(m @ [np.cos(theta), np.sin(theta)] / norm, rel=1e-10)
    assert found.norm == pytest.approx(norm, rel=1e-10)


def density(x):
    return np.exp(-0.5 * np.square(x)) / np.sqrt(2 * np.pi)


def test_pseudo_inverse_rule():
    """lambda -> 0 (Opper, Kinzel, Kleinz and Nehl 1990): the error falls, rises to 1/2 at alpha = 1, and falls again.

    In ``ridge``, alpha < 1: V -> infinity, lambda V -> 1 - alpha, m = alpha b and s^2 = alpha (1 - 2 alpha b^2 +
    alpha^2 b^2)/(1 - alpha); alpha > 1: V = 1/(alpha - 1), m = b, s^2 = (1 - b^2)/(alpha - 1).  With b^2 = 2/pi

        R^2 = 2 alpha (1 - alpha)/(pi - 2 alpha)    and    R^2 = 2 (alpha - 1)/(pi + 2 alpha - 4).
    """
    below, above = np.array([0.05, 0.5, 0.9, 0.999]), np.array([1.001, 1.1, 2.0, 50.0])
    overlap = np.sqrt(
        np.concatenate(
            [2 * below * (1 - below) / (np.pi - 2 * below), 2 * (above - 1) / (np.pi + 2 * above - 4)],
        )
    )
    found = solve(np.concatenate([below, above]), ALL, THETA, student=SquareLoss(0))
    np.testing.assert_allclose(found.error, np.arccos(overlap) / np.pi, rtol=1e-8)
    expected = np.sqrt(below * MEAN_FIELD**2 * below + below * (1 - MEAN_FIELD**2 * below * (2 - below)) / (1 - below))
    np.testing.assert_allclose(found.norm[:4], expected, rtol=1e-7)
    # regularisation takes the peak away (Opper and Kinzel 1996)
    assert found.error[3] > 0.48
    assert solve(1.0, ALL, THETA, student=SquareLoss(0.6)).error < found.error[1]


def test_pseudo_inverse_rule_has_no_limit_at_one():
    with pytest.raises(ValueError, match=r"SquareLoss\(0\) has no limit at alpha_prune = 1, .* use lam > 0"):
        solve([0.5, 1.0], ALL, THETA, student=SquareLoss(0))
    assert solve(1.0, ALL, THETA, student=SquareLoss(1e-3)).error < 0.5


def test_weakly_regularised_students_tend_to_the_max_margin():
    """Rosset, Zhu and Hastie 2004: hinge exponentially fast, logistic like 1 / log(1 / lambda)."""
    keep, theta = KeepHard(0.5), THETA
    best = solve(2.0, keep, theta)
    hinge = solve(2.0, keep, theta, student=HingeLoss([0.1, 0.01, 1e-6]))
    assert abs(hinge.error[0] / best.error - 1) > 1e-4  # it was not there already
    np.testing.assert_allclose(hinge.error[1:], best.error, rtol=1e-12)
    np.testing.assert_allclose(hinge.norm[1:], best.norm, rtol=1e-12)
    lam = np.array([1e-1, 1e-2, 1e-4, 1e-6, 1e-8])
    logistic = solve(2.0, keep, theta, student=LogisticLoss(lam))
    distance = np.abs(logistic.error / best.error - 1)
    assert np.all(distance[3:] < 2e-3)
    assert np.all(distance[1:] < distance[0] / 4)
    # the norm grows like log(1/lambda) / kappa
    slope = np.diff(logistic.norm[3:]) / np.log(100)
    assert slope[0] == pytest.approx(best.norm, rel=0.1)


@pytest.mark.parametrize("student", [HingeLoss(0), LogisticLoss(0.0)])
def test_no_regularisation_of_separable_examples_is_the_max_margin(student):
    alpha_tot = np.array([0.1, 2.0, 40.0])
    best = solve(alpha_tot, KeepHard(0.5), THETA)
    found = solve(alpha_tot, KeepHard(0.5), THETA, student=student)
    for name in ("error", "teacher_overlap", "probe_overlap", "truth_overlap", "fraction"):
        assert np.array_equal(getattr(found, name), getattr(best, name))
    assert np.array_equal(found.norm, np.full(3, np.inf) if isinstance(student, LogisticLoss) else best.norm)
    assert found.margin is None


def test_no_regularisation_where_examples_are_not_separable():
    """Up to the threshold the max-margin student; beyond it the minimum of the loss itself, which depends smoothly
    on lambda: halving a small lambda halves the distance.
    """
    keep, labels = KeepHard(0.5), Labels(0.1)
    limit = separability_threshold(keep, THETA, labels) / keep.fraction
    alpha_tot = np.array([0.5 * limit, 4 * limit])
    found = solve(alpha_tot, keep, THETA, student=HingeLoss(0), labels=labels)
    assert found.error[0] == solve(alpha_tot[0], keep, THETA, labels=labels).error
    assert found.norm[0] > 0
    near = solve(alpha_tot[1], keep, THETA, student=HingeLoss([2e-4, 1e-4]), labels=labels).error - found.error[1]
    assert near[0] / near[1] == pytest.approx(2, abs=1e-2)
    assert abs(near[1]) < 1e-3 * found.error[1]
    with pytest.raises(ValueError, match="not separable"):
        solve(alpha_tot, keep, THETA, student=MaxMargin(), labels=labels)


@pytest.mark.parametrize("student", [SquareLoss, LogisticLoss, HingeLoss])
def test_strongly_regularised_students_are_hebbs(student):
    """w -> sum y x / (lambda N) times -l'(0): m = alpha b, s^2 = alpha, error = arccos((1 + pi/(2 alpha))^(-1/2))/pi.

    The first correction is of order alpha / lambda.
    """
    alpha = np.array([0.02, 0.3, 3.0, 100.0])
    hebb = np.arccos((1 + np.pi / (2 * alpha)) ** -0.5) / np.pi
    np.testing.assert_allclose(solve(alpha, ALL, THETA, student=student(1e10)).error, hebb, rtol=1e-7)
    slope = 0.5 if student is LogisticLoss else 1.0
    norm = solve(alpha, ALL, THETA, student=student(1e10)).norm
    np.testing.assert_allclose(norm * 1e10, slope * np.sqrt(alpha + (alpha * MEAN_FIELD) ** 2), rtol=1e-7)


MINUS_SLOPE = {
    "square": lambda h: 1 - h,
    "logistic": lambda h: expit(-h),
    "hinge": lambda h: float(h < 1),
}


def plane_nodes(keep, theta, num_nodes=60):
    """Plain Gauss-Legendre nodes and weights over the kept part of the half-plane p > 0: p, q, weight (sum 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    lower, upper, _ = (float(edge[0]) for edge in keep.windows())
    low, high = (ndtri((1 + u) / 2) if u < 1 else 8.5 for u in (lower, upper))
    found = []
    for a, b in ((low, high), (-high, -low)):
        z = a + (b - a) * (1 + nodes) / 2
        start = np.clip(-z / np.tan(theta), -8.5, 8.5)[:, None]  # p = z cos + v sin > 0
        v = start + (8.5 - start) * (1 + nodes) / 2
        weight = weights[:, None] * weights * (b - a) / 2 * (8.5 - start) / 2 * density(z)[:, None] * density(v)
        p, q = z[:, None] * np.cos(theta) + v * np.sin(theta), z[:, None] * np.sin(theta) - v * np.cos(theta)
        found.append((p.ravel(), q.ravel(), 2 * weight.ravel() / keep.fraction))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


@pytest.mark.parametrize(
    ("loss", "keep", "alpha_tot", "theta", "lam", "eta"),
    [
        ("square", KeepHard(0.5), 4.0, 0.35, 0.1, 0.0),
        ("square", KeepEasy(0.5), 4.0, 0.35, 0.1, 0.1),
        ("logistic", KeepHard(0.4), 2.5, 0.9, 0.02, 0.0),
        ("logistic", KeepEasy(0.5), 8.0, 0.5, 0.1, 0.1),
        ("hinge", KeepHard(0.5), 6.0, 0.35, 0.1, 0.0),
        ("hinge", KeepHard(0.5), 0.8, 1.1, 0.5, 0.0),
    ],
)
def test_saddle_point_by_independent_quadrature(loss, keep, alpha_tot, theta, lam, eta):
    """All four equations; plain quadrature over the plane, the proximal operator by scipy's root finder.

    The average over g is one over omega = y m.u + s g, of density phi((omega - y m.u)/s)/s: the proximal operator is
    needed at the nodes of omega alone.  <M''> = -<force g>/s by partial integration, so no slope of it is needed.
    """
    student, labels = STUDENTS[loss](lam), Labels(eta)
    points, _ = flat_points(np.float64(alpha_tot), keep, np.float64(theta), student, labels, (), aligned=False)
    found = for_each_point(solver_of(loss, False), (points,), lanes=lanes_of(loss, points, False))
    r, turn, s, v = (float(found[name][0]) for name in ("r", "omega", "s", "v"))
    m = r * np.array([np.cos(turn), np.sin(turn)])

    def excess(h, omega):
        return (h - omega) / v - MINUS_SLOPE[loss](h)

    breaks = np.unique(np.clip([-8.0, -3.0, 0.0, 1 - v, 1.0, 4.0, 8.0], -8.5 * (r + s), 8.5 * (r + s)))
    breaks = np.unique([-8.5 * (r + s), *breaks, 8.5 * (r + s)])
    nodes, weights = np.polynomial.legendre.leggauss(60)
    half = np.diff(breaks) / 2
    omega = (breaks[:-1, None] + half[:, None] * (1 + nodes)).ravel()
    omega_weight = (half[:, None] * weights).ravel()
    furthest = omega + v * np.array([MINUS_SLOPE[loss](x) for x in omega])  # the force falls with the output
    low, high = np.minimum(omega, furthest) - 1e-9, np.maximum(omega, furthest) + 1e-9
    h = np.array([brentq(excess, *ends, xtol=1e-14, rtol=1e-14) for ends in zip(low, high, omega, strict=True)])
    force = (h - omega) / v

    p, q, weight = plane_nodes(keep, theta)
    assert weight.sum() == pytest.approx(1, abs=1e-9)
    along, across, squared, bend = 0.0, 0.0, 0.0, 0.0
    for y, chance in ((1, 1 - eta), (-1, eta)):
        g = (omega - y * (m[0] * p + m[1] * q)[:, None]) / s
        measure = chance * weight[:, None] * omega_weight * density(g) / s
        per_example = measure @ force
        along += np.sum(per_example * y * p)
        across += np.sum(per_example * y * q)
        squared += np.sum(measure @ force**2)
        bend -= np.sum((measure * g) @ force) / s
    alpha = alpha_tot * keep.fraction
    assert alpha * along == pytest.approx(lam * m[0], abs=1e-8)
    assert alpha * across == pytest.approx(lam * m[1], abs=1e-8)
    assert lam + alpha * bend == pytest.approx(1 / v, rel=1e-8)
    assert alpha * v**2 * squared == pytest.approx(s**2, rel=1e-8)
    # and what solve reports is this student
    shown = solve(alpha_tot, keep, theta, student=student, labels=labels)
    assert shown.norm == pytest.approx(np.hypot(r, s), rel=1e-12)
    assert shown.error == pytest.approx(np.arccos(m[0] / np.hypot(r, s)) / np.pi, rel=1e-12)
    assert shown.probe_overlap == pytest.approx(m @ [np.cos(theta), np.sin(theta)] / np.hypot(r, s), rel=1e-12)


def test_arrays_of_lambda_broadcast():
    lam = np.array([[0.1], [1.0]])
    found = solve([2.0, 4.0, 8.0], KeepHard(0.5), THETA, student=SquareLoss(lam))
    assert found.error.shape == (2, 3)
    assert found.error[1, 2] == solve(8.0, KeepHard(0.5), THETA, student=SquareLoss(1.0)).error


@pytest.mark.parametrize("student", [SquareLoss, LogisticLoss, HingeLoss])
@pytest.mark.parametrize(
    ("lam", "kind", "message"),
    [
        (
            -0.1,
            ValueError,
            r"lam, the strength lambda .*, must be 0 or lie in \[1e-14, 1e\+14\], got -0.1",
        ),
        (1e300, ValueError, r"must be 0 or lie in .* got 1e\+300"),
        (np.nan, ValueError, "lam must be finite, got nan"),
        ("strong", TypeError, "lam must be a real number"),
    ],
)
def test_bad_lambda(student, lam, kind, message):
    with pytest.raises(kind, match=message):
        student(lam)


def test_student_of_the_wrong_type():
    with pytest.raises(TypeError, match=r"student must be MaxMargin\(\), SquareLoss\(lam\).*got 'ridge'"):
        solve(2.0, ALL, THETA, student="ridge")


def test_logistic_quadrature_is_fine_enough(monkeypatch):
    """Sixteen nodes a panel against forty, for lambda from strong to weak."""
    import jax
    import jax.numpy as jnp

    def channel(v, a, s):
        with jax.enable_x64(True):
            return [
                np.asarray(x) for x in loss_channels.logistic_channel(jnp.asarray(a), jnp.asarray(s), jnp.asarray(v))
            ]

    cases = [(v, np.linspace(-3, 12, 7) * np.log1p(v), np.float64(np.log1p(v))) for v in (1e-3, 1.0, 100.0, 1e5)]
    coarse = [channel(*case) for case in cases]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    monkeypatch.setattr(loss_channels, "_NODES", nodes)
    monkeypatch.setattr(loss_channels, "_WEIGHTS", weights)
    for before, case in zip(coarse, cases, strict=True):
        for x, y in zip(before, channel(*case), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-13)


def test_slopes_of_the_logistic_averages_are_their_derivatives():
    """The formulas for the derivatives by field, spread and V against automatic differentiation of the averages."""
    import jax
    import jax.numpy as jnp

    a = np.linspace(-6, 9, 11)
    with jax.enable_x64(True):
        for s, v in ((0.1, 0.2), (1.5, 3.0), (4.0, 200.0)):
            at = (jnp.asarray(a), jnp.asarray(s), jnp.asarray(v))
            _, slopes = evaluation.with_slopes(loss_channels.logistic_channel)(*at)
            for i, slope in enumerate(slopes):
                direction = tuple(jnp.ones_like(x) if i == j else jnp.zeros_like(x) for j, x in enumerate(at))
                _, expected = jax.jvp(loss_channels.logistic_channel, at, direction)
                for x, y in zip(slope, expected, strict=True):
                    # two quadratures of one integral
                    np.testing.assert_allclose(x, y, rtol=1e-9, atol=5e-11)


@pytest.mark.parametrize("loss", ["square", "hinge", "logistic"])
@pytest.mark.parametrize("weighted", [False, True])
def test_conditions_in_blocks_are_the_conditions(loss, weighted):
    """Sums over the panels that kept examples cross, a few at a time, against sums over all; far from a solution."""
    import jax

    keep = keep_rule("proportional@1+weighted@0.5" if weighted else "window@0.6", 0.3)
    (part,) = parts_of(np.array([30.0]), keep, np.array(0.4), SquareLoss(0.1), Labels(0.1), (1,))
    point = jax.tree.map(lambda x: x[0], part.points)

    def both(unknowns):
        asked = (loss, point.alpha_prune, point.strips, point.theta, point.lam, unknowns)
        return [regularised.conditions(*asked, aligned=False, in_blocks=each) for each in (False, True)]

    with jax.enable_x64(True):
        for unknowns in ([1.0, 0.2, -0.5, 0.1], [3.0, -0.8, -2.0, -1.0], [0.3, 0.9, 0.4, 2.0]):
            whole, blocks = jax.jit(both)(np.array(unknowns))
            np.testing.assert_allclose(whole.value, blocks.value, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(whole.jacobian, blocks.jacobian, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("num_panels", [1, 4, 7])
def test_no_panel_is_counted_twice(num_panels):
    """Where all are crossed and do not fill the last block."""
    import jax

    (part,) = parts_of(np.array([30.0]), KeepHard(0.3), np.array(0.4), HingeLoss(0.1), Labels(), (1,))
    point = jax.tree.map(lambda x: x[0], part.points)

    def both():
        student = regularised._student(point.theta, jax.numpy.array([1.0, 0.2, -0.5, 0.1]), False)
        panels = regularised._panels("hinge", point.strips, student, False)
        panels = panels.at(jax.numpy.argsort(~panels.crossed)[:num_panels])
        whole = regularised._sums("hinge", point.alpha_prune, panels, student, aligned=False, sloped=True)
        return whole, regularised._sums_in_blocks("hinge", point.alpha_prune, panels, student, aligned=False)

    with jax.enable_x64(True):
        whole, blocks = jax.jit(both)()
    np.testing.assert_allclose(jax.tree.leaves(whole), jax.tree.leaves(blocks), rtol=1e-12, atol=1e-14)
