"""Flipped labels, rules that look at labels, and a truth that is not the teacher."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepRandom,
    KeepWindow,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
)
from perceptron_theory.labels import truth_direction
from simulations import simulate
from simulations.pruned_students import PrunedStudents
from simulations.students import solvers as students

THETA = 0.4


def whole_pool(trials: PrunedStudents, number: int) -> np.ndarray:
    """Label times (T.x, rest of the probe.x) of all examples of a trial, hardest first."""
    everything = replace(trials, keep=KeepRandom(1.0)).data(number)[: trials.num_examples]
    return everything[:, :2] * np.sqrt(trials.num_features)


def test_labels_flip_with_the_right_rate_whatever_the_difficulty():
    eta, count = 0.15, 4000
    noisy = PrunedStudents(200.0, KeepHard(0.01), THETA, 20, labels=Labels(eta), seed=5)
    clean = replace(noisy, labels=Labels())
    total = 0
    for number in range(10):
        rows, plain = whole_pool(noisy, number), whole_pool(clean, number)
        assert np.all(plain[:, 0] > 0)
        np.testing.assert_array_equal(np.abs(rows), np.abs(plain))  # the same examples
        flipped = rows[:, 0] < 0
        np.testing.assert_array_equal(rows, np.where(flipped, -1, 1)[:, None] * plain)
        # 4.5 standard errors: a false alarm in 150,000 seeds, for each comparison
        for part in (flipped, flipped[: count // 2], flipped[plain[:, 0] > 1]):
            assert abs(part.mean() - eta) < 4.5 * np.sqrt(eta * (1 - eta) / part.size)
        total += flipped.sum()
    assert abs(total / (10 * count) - eta) < 4.5 * np.sqrt(eta * (1 - eta) / (10 * count))


def test_flips_are_independent_of_the_inputs():
    noisy = PrunedStudents(200.0, KeepHard(0.01), THETA, 20, labels=Labels(0.4), seed=6)
    flips = [whole_pool(noisy, number)[:, 0] < 0 for number in range(2)]
    agreement = np.mean(flips[0] == flips[1])
    assert abs(agreement - (0.4**2 + 0.6**2)) < 4.5 * np.sqrt(0.25 / 4000)  # each trial flips its own
    inputs = whole_pool(noisy, 0)
    unflipped = inputs * np.where(flips[0], -1, 1)[:, None]
    for column, mean, spread in ((0, np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)), (1, 0.0, 1.0)):
        for part in (flips[0], ~flips[0]):
            assert abs(unflipped[part, column].mean() - mean) < 4.5 * spread / np.sqrt(part.sum())


BY_LABEL = {
    # all with 33 to 40 positions: one program serves them all
    "agree only": KeepByLabel(KeepHard(0.6)),
    "disagree only": KeepByLabel(None, KeepEasy(0.6)),
    "one each": KeepByLabel(KeepWindow(0.2, 0.6), KeepHard(0.4)),
    "at random": KeepByLabel(KeepRandom(0.45), KeepRandom(0.2)),
}


@pytest.mark.parametrize("name", BY_LABEL)
def test_rules_by_label_keep_the_right_examples(name):
    keep, num_examples, seed = BY_LABEL[name], 60, 3
    found = simulate(3.0, keep, THETA, 20, 10, seed, student=SquareLoss(0.1), labels=Labels(0.2))
    for number in range(10):
        rng = np.random.default_rng([seed, number])  # the random rules draw agree's share first
        ranks = {
            agrees: set() if rule is None else set(rule.kept_positions(num_examples, rng).tolist())
            for agrees, rule in ((True, keep.agree), (False, keep.disagree))
        }
        expected = []
        for rank, (y_p, y_q) in enumerate(whole_pool(found.trials, number)):
            y_z = y_p * np.cos(THETA) + y_q * np.sin(THETA)  # positive where the label is sign(J.x)
            if rank in ranks[y_z > 0]:
                expected.append((y_p, y_q))
        rows = found.trials.data(number)
        rows = rows[np.any(rows != 0, axis=1)]
        np.testing.assert_allclose(rows[:, :2] * np.sqrt(20), expected, rtol=1e-14)
        assert found.kept[number] == len(expected)
    assert np.unique(found.kept).size > 1
    assert found.num_kept == np.mean(found.kept)
    assert found.fraction == pytest.approx(np.mean(found.kept) / 60)


@pytest.mark.parametrize("student", [MaxMargin(), SquareLoss(0), LogisticLoss(0.1), HingeLoss(0.1)])
def test_both_rules_the_same_is_the_rule_itself(student):
    rule = KeepWindow(0.2, 0.7)
    one, both = (simulate(4.0, keep, THETA, 20, 10, 3, student=student) for keep in (rule, KeepByLabel(rule, rule)))
    np.testing.assert_allclose(both.errors, one.errors, rtol=0, atol=2e-5)
    assert one.kept.tolist() == both.kept.tolist() == [40] * 10
    assert one.num_kept == 40


@pytest.mark.parametrize("student", [MaxMargin(), SquareLoss(0), LogisticLoss(0.1), HingeLoss(0.1)])
def test_more_positions_than_features_but_fewer_examples(student):
    # 36 positions of 48 may be kept, but fewer than 20 examples are: arrays that are mostly padding
    found = simulate(2.4, KeepByLabel(None, KeepHard(0.75)), 1.2, 20, 10, 3, student=student)
    assert found.kept.max() < 20
    assert np.all(found.gaps <= students.LARGEST_GAP)


def test_a_trial_that_keeps_nothing_is_named():
    # at theta = 0 probe and clean label always agree
    with pytest.raises(ValueError, match=r"trial \d of seed 0 keeps none of 80 examples with KeepByLabel"):
        simulate(4.0, KeepByLabel(None, KeepHard(0.5)), 0.0, 20, 10)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), flat=st.booleans())
def test_the_truth_has_its_angles(seed, flat):
    rng = np.random.default_rng(seed)
    teacher, probe, truth = rng.normal(size=(3, 2 if flat else 3))
    teacher, probe, truth = (v / np.linalg.norm(v) for v in (teacher, probe * np.sign(probe @ teacher), truth))
    theta, truth_angle, probe_truth = (
        float(np.arccos(np.clip(c, -1, 1))) for c in (teacher @ probe, teacher @ truth, probe @ truth)
    )
    w = truth_direction(theta, truth_angle, probe_truth)
    assert np.linalg.norm(w) == pytest.approx(1, rel=1e-12)
    assert w[0] == pytest.approx(np.cos(truth_angle), abs=1e-12)
    # vectors in a plane are at the edge of what is possible: there an angle is right to sqrt(rounding)
    assert w[0] * np.cos(theta) + w[1] * np.sin(theta) == pytest.approx(np.cos(probe_truth), abs=1e-9)
    assert w[2] >= 0
    if flat:
        assert w[2] < 1e-4


@pytest.mark.parametrize(
    "angles", [(0.3, 0.5, 0.1), (0.3, 0.5, 0.9), (0.0, 0.5, 0.6), (1.5, 3.0, 2.0), (0.3, 0.0, 0.4), (0.0, 0.0, 0.01)]
)
def test_angles_that_no_three_vectors_have(angles):
    with pytest.raises(ValueError, match=r"no three vectors have the angles.*probe_truth_angle must lie in"):
        simulate(4.0, KeepHard(0.5), angles[0], 20, 10, labels=Labels(0.0, *angles[1:]))


STUDENTS = {
    "square": (SquareLoss(0.2), lambda h: (1 - h) ** 2 / 2, lambda h: h - 1),
    "logistic": (LogisticLoss(0.2), lambda h: np.logaddexp(0, -h), lambda h: -1 / (1 + np.exp(h))),
}


@pytest.mark.parametrize("name", STUDENTS)
def test_errors_are_those_of_the_students_in_plain_units(name):
    """Minimise sum l(y w.x) + (lam N / 2) |w|^2 with x ~ N(0, I_N), and measure the angle to W."""
    student, loss, slope = STUDENTS[name]
    size, lam = 20, student.lam
    labels = Labels(0.1, 0.5, 0.7)
    found = simulate(4.0, KeepEasy(0.5), THETA, size, 10, 3, student=student, labels=labels)
    w_t = np.cos(0.5)
    w_q = (np.cos(0.7) - w_t * np.cos(THETA)) / np.sin(THETA)
    truth = np.r_[w_t, w_q, np.sqrt(1 - w_t**2 - w_q**2), np.zeros(size - 3)]
    for number in range(10):
        x = found.trials.data(number)[:40] * np.sqrt(size)  # the factor that the solvers take out
        assert np.all(np.any(x != 0, axis=1))
        w = minimize(
            lambda w, x=x: loss(x @ w).sum() + lam * size / 2 * w @ w,
            np.zeros(size),
            jac=lambda w, x=x: slope(x @ w) @ x + lam * size * w,
            method="BFGS",
            options={"gtol": 1e-7},
        ).x
        expected = np.arccos(w @ truth / np.linalg.norm(w)) / np.pi
        assert found.errors[number] == pytest.approx(expected, abs=1e-6)
        assert found.margins[number] == pytest.approx(np.min(x @ w) / np.linalg.norm(w), abs=1e-5)


def test_a_truth_at_the_teacher_is_the_teacher():
    arguments = (4.0, KeepHard(0.5), THETA, 20, 10, 3)
    plain = simulate(*arguments, student=SquareLoss(0.1))
    same = simulate(*arguments, student=SquareLoss(0.1), labels=Labels(0.0, 0.0, THETA))
    np.testing.assert_allclose(same.errors, plain.errors, rtol=1e-7)
    opposite = simulate(*arguments, student=SquareLoss(0.1), labels=Labels(0.0, np.pi, np.pi - THETA))
    np.testing.assert_allclose(opposite.errors, 1 - plain.errors, rtol=1e-7)


BAD = [
    ({"student": LogisticLoss(0)}, ValueError, r"LogisticLoss\(lam=0\).*small lam > 0, or MaxMargin"),
    ({"student": HingeLoss(0.0)}, ValueError, r"HingeLoss\(lam=0\.0\).*small lam > 0, or MaxMargin"),
    ({"student": SquareLoss(np.array([0.1, 0.2]))}, TypeError, "lam must be a number.*array"),
    ({"student": "hinge"}, TypeError, "student must be.*'hinge'"),
    ({"student": HingeLoss}, TypeError, "student must be"),
    ({"labels": 0.1}, TypeError, r"labels must be Labels.*0\.1"),
    ({"labels": Labels(np.array([0.1, 0.2]))}, TypeError, "flip_probability must be a number.*array"),
    ({"labels": Labels(0.0, np.array([0.1]), 0.3)}, TypeError, "truth_angle must be a number.*array"),
    ({"labels": Labels(0.0, 0.1, [0.3])}, TypeError, r"probe_truth_angle must be a number.*\[0\.3\]"),
    ({"labels": Labels(0.0, 0.1, 0.3), "num_features": 2}, ValueError, "num_features must be at least 3"),
    ({"keep": KeepByLabel(KeepHard([0.2, 0.4]))}, ValueError, r"array of rules of shape \(2,\)"),
    ({"student": SquareLoss(1e-13)}, RuntimeError, r"no certificate.*SquareLoss.*larger lam"),
]


@pytest.mark.parametrize(("change", "kind", "message"), BAD, ids=[str(change) for change, _, _ in BAD])
def test_bad_input_is_named(change, kind, message):
    arguments = {"alpha_tot": 5.0, "keep": KeepHard(0.4), "theta": 0.3, "num_features": 20, "num_trials": 10} | change
    with pytest.raises(kind, match=message):
        simulate(**arguments)


@pytest.mark.parametrize("student", [SquareLoss(0.1), LogisticLoss(0.1), HingeLoss(0.1)])
def test_same_seed_same_numbers_bit_for_bit(student):
    def again():
        return simulate(4.0, KeepHard(0.5), THETA, 20, 10, 3, student=student, labels=Labels(0.1))

    first, second = again(), again()
    assert first.errors.tobytes() == second.errors.tobytes()
    assert not jax.config.jax_enable_x64
    more = simulate(4.0, KeepHard(0.5), THETA, 20, 13, 3, student=student, labels=Labels(0.1))
    assert first.errors.tobytes() == more.errors[:10].tobytes()
