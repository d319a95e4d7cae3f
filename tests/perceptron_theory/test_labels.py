"""Wrong labels, rules that look at the label, separability, and a truth other than the teacher."""

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import minimize, minimize_scalar
from scipy.special import ndtr, ndtri

from perceptron_theory import (
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepRandom,
    KeepWindow,
    Labels,
    MaxMargin,
    SquareLoss,
    separability_threshold,
    solve,
)

RIDGE = SquareLoss(0.1)
HALF = KeepHard(0.5)
THETA = 0.3
NOISY = Labels(0.1)


def density(x):
    return np.exp(-0.5 * np.square(x)) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("student", [RIDGE, MaxMargin()])
def test_no_flips_is_clean(student):
    """Beside noisy points a clean one takes the noisy path; alone it does not."""
    beside = solve(2.0, HALF, THETA, student=student, labels=Labels([0.0, 0.1]))
    alone = solve(2.0, HALF, THETA, student=student, labels=Labels(0.0))
    assert beside.error[0] == pytest.approx(alone.error, rel=1e-12)
    assert beside.error[1] > 1.02 * alone.error
    assert alone == solve(2.0, HALF, THETA, student=student)


@pytest.mark.parametrize("student", [RIDGE, MaxMargin()])
def test_a_perfect_probe_removes_exactly_the_flips(student):
    """At theta = 0 the probe disagrees with a label just where it is flipped: what is left is clean, 1 - eta of it."""
    alpha_tot, labels = np.array([0.2, 2.0, 30.0]), Labels(0.1)
    kept = solve(alpha_tot, KeepByLabel(HALF), 0.0, student=student, labels=labels)
    clean = solve(0.9 * alpha_tot, HALF, 0.0, student=student)
    np.testing.assert_allclose(kept.fraction, 0.9 * 0.5, rtol=1e-12)
    np.testing.assert_allclose(kept.error, clean.error, rtol=1e-11)
    np.testing.assert_allclose(kept.norm, clean.norm, rtol=1e-11)


@pytest.mark.parametrize(
    "student",
    [
        RIDGE,
        MaxMargin(),
    ],
)
def test_a_perfect_probe_can_keep_exactly_the_flips(student):
    """Only wrong labels: the student of the reversed teacher, error 1 - error of eta alpha clean examples."""
    flips = solve(20.0, KeepByLabel(None, HALF), 0.0, student=student, labels=NOISY)
    clean = solve(2.0, HALF, 0.0, student=student)
    assert flips.fraction == pytest.approx(0.05, rel=1e-12)
    assert flips.error == pytest.approx(1 - clean.error, rel=1e-10)
    fewer = solve(2.0, KeepByLabel(None, HALF), 0.0, student=student, labels=NOISY)
    assert fewer.error == pytest.approx(1 - solve(0.2, HALF, 0.0, student=student).error, rel=1e-10)


def test_the_same_rule_for_both_is_the_rule():
    for labels in (NOISY, Labels()):
        one = solve([1.0, 5.0], HALF, THETA, student=RIDGE, labels=labels)
        for both in (KeepByLabel(HALF, HALF), KeepByLabel(KeepHard(0.5), KeepHard(0.5))):
            found = solve([1.0, 5.0], both, THETA, student=RIDGE, labels=labels)
            np.testing.assert_allclose(found.error, one.error, rtol=1e-12)
            np.testing.assert_allclose(found.fraction, 0.5, rtol=1e-12)


@pytest.mark.parametrize("theta", [0.05, 0.4, 1.2])
def test_fraction_kept_by_label(theta):
    """The Gaussian measure of what is kept, by dblquad over z and the other coordinate v, p = z cos + v sin."""
    eta, agree, disagree = 0.15, KeepWindow(0.2, 0.7), KeepEasy(0.2)
    expected = 0.0
    for rule, chance in ((agree, (1 - eta, eta)), (disagree, (eta, 1 - eta))):  # by whether sign p is sign z
        lower, upper, _ = (float(edge[0]) for edge in rule.windows())
        low, high = (ndtri((1 + u) / 2) if u < 1 else 9.0 for u in (lower, upper))
        boundary = lambda z: max(-9.0, -z / np.tan(theta))  # noqa: E731
        same = dblquad(lambda v, z: density(v) * density(z), low, high, boundary, 9.0, epsabs=1e-11)[0]
        expected += 2 * (chance[0] * same + chance[1] * (0.5 * (upper - lower) - same))
    found = solve(2.0, KeepByLabel(agree, disagree), theta, student=RIDGE, labels=Labels(eta))
    assert found.fraction == pytest.approx(expected, rel=1e-8)


def test_fraction_on_which_probe_and_teacher_agree():
    """Two half-spaces at angle theta: signs agree on 1 - theta/pi of all examples."""
    theta = np.array([0.0, 1e-3, 0.3, np.pi / 2])
    found = solve(2.0, KeepByLabel(KeepRandom(1.0)), theta, student=RIDGE)
    np.testing.assert_allclose(found.fraction, 1 - theta / np.pi, rtol=1e-13)


def g_of(d):
    """E_g (d - g)_+^2."""
    return (1 + d * d) * ndtr(d) + d * density(d)


@pytest.mark.parametrize("eta", [0.01, 0.1, 0.3])
def test_threshold_of_candes_and_sur(eta):
    """All data: 1/alpha_c = min_t E (-y t p - g)_+^2 (Candes and Sur 2020), y p of density 2 (1 - eta or eta) phi."""

    def violation(t):
        right = quad(lambda p: 2 * density(p) * ((1 - eta) * g_of(-t * p) + eta * g_of(t * p)), 0, 12, epsabs=1e-13)
        return right[0]

    least = minimize_scalar(violation, bounds=(1e-3, 30), method="bounded", options={"xatol": 1e-9})
    found = separability_threshold(KeepRandom(1.0), THETA, Labels(eta))
    assert found == pytest.approx(1 / least.fun, rel=1e-9)
    assert separability_threshold(KeepRandom(0.3), THETA, Labels(eta)) == pytest.approx(found, rel=1e-12)


def test_labels_by_the_toss_of_a_coin_separate_up_to_two():
    """Cover 1965: two random dichotomies per parameter."""
    found = separability_threshold(KeepRandom(1.0), THETA, Labels([0.4, 0.49, 0.4999]))
    assert np.all(np.diff(found) < 0)
    assert found[-1] == pytest.approx(2, abs=1e-6)
    # close to a coin the excess is proportional to (1 - 2 eta)^2
    assert (found[1] - 2) / (found[2] - 2) == pytest.approx(100**2, rel=0.02)


def test_threshold_of_hard_examples_by_a_search_in_the_plane():
    """The same with both components of the student, plain quadrature over the strip, and scipy's simplex search."""
    f, theta, eta = 0.4, 0.5, 0.1
    nodes, weights = np.polynomial.legendre.leggauss(50)
    edge = ndtri((1 + f) / 2)
    z, start = edge * nodes, np.clip(-edge * nodes / np.tan(theta), -9, 9)[:, None]
    v = start + (9 - start) * (1 + nodes) / 2
    weight = edge * weights[:, None] * weights * (9 - start) / 2 * density(z)[:, None] * density(v) * 2 / f
    p, q = z[:, None] * np.cos(theta) + v * np.sin(theta), z[:, None] * np.sin(theta) - v * np.cos(theta)

    def violation(m):
        field = m[0] * p + m[1] * q
        return np.sum(weight * ((1 - eta) * g_of(-field) + eta * g_of(field)))

    least = minimize(violation, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13})
    assert separability_threshold(KeepHard(f), theta, Labels(eta)) == pytest.approx(1 / least.fun, rel=1e-9)


def test_without_flips_examples_are_always_separable():
    assert separability_threshold(HALF, 0.0) == np.inf
    found = separability_threshold(KeepHard([0.1, 0.5]), THETA, Labels([[0.0], [0.1]]))
    assert np.all(np.isinf(found[0]))
    assert np.all(np.isfinite(found[1]))


@pytest.mark.parametrize("theta", [0.0, 0.3])
def test_what_the_probe_agrees_with_the_probe_separates(theta):
    """y = sign(J.x) on all kept examples: the probe itself separates them, however many there are."""
    assert separability_threshold(KeepByLabel(HALF), theta, NOISY) == np.inf


def test_margin_vanishes_at_the_threshold():
    limit = separability_threshold(HALF, THETA, NOISY)
    below = np.array([1e-2, 1e-3])
    margin = solve(limit * (1 - below) / 0.5, HALF, THETA, labels=NOISY).margin
    assert margin[0] / margin[1] == pytest.approx(10, rel=0.02)  # linearly
    assert margin[1] < 2e-3
    message = (
        r"the kept examples are not separable, .* alpha_prune = 3\.06.* is not below the threshold 3\.05.* "
        r"\(separability_threshold\)\. Keep fewer examples, or use a regularised student"
    )
    with pytest.raises(ValueError, match=message):
        solve([1.0, limit * 1.001 / 0.5], HALF, THETA, labels=NOISY)


def test_truth_where_teacher_or_probe_are():
    plain = solve(3.0, HALF, THETA, student=RIDGE)
    assert plain.truth_overlap == plain.teacher_overlap
    for angles, overlap in (
        ((0.0, THETA), plain.teacher_overlap),
        ((np.pi, np.pi - THETA), -plain.teacher_overlap),
        ((THETA, 0.0), plain.probe_overlap),
        ((np.pi - THETA, np.pi), -plain.probe_overlap),
        ((np.pi / 2, np.pi / 2), 0.0),  # a truth that neither has anything to do with
    ):
        found = solve(3.0, HALF, THETA, student=RIDGE, labels=Labels(0.0, *angles))
        assert found.truth_overlap == pytest.approx(overlap, abs=1e-14)
        assert found.error == pytest.approx(np.arccos(overlap) / np.pi, rel=1e-13)
        assert found.teacher_overlap == plain.teacher_overlap


def test_truth_anywhere():
    """Teacher, probe and truth are random vectors in space; the student is known by its overlaps with the first two.

    Its part in their plane, found by linear algebra, is all that the truth sees of it on average.
    """
    rng = np.random.default_rng(1)
    teacher, probe, truth = rng.standard_normal((3, 40, 3))
    probe *= np.sign(np.sum(teacher * probe, axis=1))[:, None]
    teacher, probe, truth = (v / np.linalg.norm(v, axis=1)[:, None] for v in (teacher, probe, truth))
    theta, tau, other = (
        np.arccos(np.sum(a * b, axis=1)) for a, b in ((teacher, probe), (teacher, truth), (probe, truth))
    )
    found = solve(3.0, HALF, theta, student=RIDGE, labels=Labels(0.0, tau, other))
    for i in range(theta.size):
        plane = np.stack([teacher[i], probe[i]])
        student = np.linalg.pinv(plane) @ [found.teacher_overlap[i], found.probe_overlap[i]]
        assert found.truth_overlap[i] == pytest.approx(student @ truth[i], abs=1e-10)
    np.testing.assert_allclose(found.error, np.arccos(found.truth_overlap) / np.pi, rtol=1e-12)


def test_good_generators_want_hard_examples_and_poor_ones_easy_examples():
    """Dohmatob, Pezeshki and Askari-Hemmat 2025: labels from a generator at angle tau to the truth, a probe that is
    the truth, ridge student.  Half of 20 examples per parameter, lambda = 0.1: hard wins at tau = 1 and 5 degrees (by
    0.03 and 0.02), easy at 20 and 30 degrees (by 0.05 and 0.07).  Scarce data (alpha_tot = 1) want easy ones always.
    """
    tau = np.deg2rad([1, 5, 20, 30])
    labels = Labels(0.0, tau, 0.0)
    hard, easy = (
        solve([[20.0], [1.0]], keep, tau, student=RIDGE, labels=labels).error for keep in (HALF, KeepEasy(0.5))
    )
    assert hard.shape == (2, 4)
    difference = hard - easy
    np.testing.assert_array_equal(np.sign(difference[0]), [-1, -1, 1, 1])
    np.testing.assert_allclose(difference[0], [-0.0292, -0.0213, 0.0501, 0.0753], atol=1e-4)  # from the closed form
    assert np.all(difference[1] > 0)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Labels(-0.1), ValueError, r"flip_probability must lie in \[0, 1/2\), got -0.1"),
        (lambda: Labels(0.5), ValueError, r"flip_probability must lie in \[0, 1/2\), got 0.5"),
        (lambda: Labels([0.1, np.nan]), ValueError, "flip_probability must be finite"),
        (lambda: Labels("often"), TypeError, "flip_probability must be a real number"),
        (lambda: Labels(0.0, 0.3), ValueError, "probe_truth_angle is needed where truth_angle is not 0"),
        (lambda: Labels(0.0, -0.1, 0.2), ValueError, r"truth_angle is in radians and must lie in \[0, pi\], got -0.1"),
        (lambda: Labels(0.0, 0.1, 3.2), ValueError, r"probe_truth_angle is in radians .* got 3.2"),
        (lambda: KeepByLabel(None), ValueError, "agree and disagree are both None"),
        (lambda: KeepByLabel(0.2), TypeError, "agree must be a keep rule .* got 0.2"),
        (lambda: KeepByLabel(HALF, KeepByLabel(HALF)), TypeError, "disagree must be a keep rule"),
    ],
)
def test_bad_labels(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


@pytest.mark.parametrize("angles", [(0.1, 0.1), (1.0, 0.5), (0.2, 0.7), (3.0, 3.0)])
def test_angles_that_no_three_vectors_have(angles):
    theta = 0.4 if angles != (0.1, 0.1) else 0.3
    with pytest.raises(ValueError, match=r"no three vectors have the angles.*probe_truth_angle must lie in"):
        solve(2.0, HALF, theta, student=RIDGE, labels=Labels(0.0, *angles))


def test_bad_arguments_to_solve():
    with pytest.raises(TypeError, match=r"labels must be Labels\(\.\.\.\), got 0.1"):
        solve(2.0, HALF, THETA, labels=0.1)
    with pytest.raises(ValueError, match=r"shapes do not broadcast: .*theta \(2,\).*labels \(3,\)"):
        solve(2.0, HALF, [0.1, 0.2], labels=Labels([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match=r"f, the fraction kept, must lie in \[0.0001, 1\]"):
        solve(2.0, KeepByLabel(None, HALF), 0.0, student=RIDGE)  # a perfect probe disagrees with no clean label


@pytest.mark.parametrize("labels", [Labels(), Labels(0.1)])
def test_no_points_have_no_threshold(labels):
    assert separability_threshold(HALF, [], labels).shape == (0,)
