"""Trained probes: how they learn, the angle they reach, and pruning by them."""

import jax
import numpy as np
import pytest

from perceptron_theory import (
    HingeLoss,
    KeepEasy,
    KeepHard,
    KeepRandom,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
    solve,
)
from simulations import PerceptronRule, TrainedProbe, simulate
from simulations.probe import learned_angle
from simulations.pruned_students import PROBE, PrunedStudents

ALL = KeepRandom(1.0)
RIDGE = SquareLoss(0.1)  # a student that is quickly compiled


def key(number: int):
    return jax.random.fold_in(jax.random.key(0, impl="threefry2x32"), number)


def examples_of(key, num_examples: int, num_features: int, flip_probability: float) -> np.ndarray:
    """The examples that ``learned_angle`` draws, label times input over sqrt N."""
    inputs_key, flips_key = jax.random.split(key)
    inputs = np.asarray(jax.random.normal(inputs_key, (num_examples, num_features), float))
    flipped = np.asarray(jax.random.uniform(flips_key, (num_examples,), float)) < flip_probability
    return np.where(flipped, -1, 1)[:, None] * np.sign(inputs[:, :1]) * inputs / np.sqrt(num_features)


def angle_of(w: np.ndarray) -> float:
    return float(np.arctan2(np.linalg.norm(w[1:]), w[0]))


@pytest.mark.parametrize(("epochs", "flip_probability"), [(1, 0.0), (3, 0.0), (2, 0.2)])
def test_perceptron_rule_is_rosenblatts(epochs, flip_probability):
    with jax.enable_x64(True):
        learned = learned_angle(key(5), TrainedProbe(3.0, PerceptronRule(epochs)), 20, flip_probability)
        angle, gap = map(float, learned)
        examples = examples_of(key(5), 60, 20, flip_probability)
    w = np.zeros(20)
    for example in np.tile(examples, (epochs, 1)):
        if w @ example <= 0:
            w += example
    assert angle == pytest.approx(angle_of(w), rel=1e-12)
    assert gap == 0


def test_a_probe_with_a_loss_is_its_minimum():
    with jax.enable_x64(True):
        angle, gap = map(float, learned_angle(key(6), TrainedProbe(3.0, SquareLoss(0.3)), 20, 0.1))
        a = examples_of(key(6), 60, 20, 0.1)
    w = np.linalg.solve(a.T @ a + 0.3 * np.eye(20), a.sum(axis=0))
    assert angle == pytest.approx(angle_of(w), rel=1e-9)
    assert gap <= 1e-10


def angles(alpha: float, student, num_features: int, num_trials: int, labels: Labels) -> np.ndarray:
    probe = TrainedProbe(alpha, student)
    return simulate(0.5, ALL, probe, num_features, num_trials, seed=3, student=RIDGE, labels=labels).probe_angles


@pytest.mark.parametrize(
    ("student", "labels"),
    [(MaxMargin(), Labels()), (SquareLoss(0.5), Labels(0.1)), (LogisticLoss(0.1), Labels(0.1))],
    ids=["max margin", "square", "logistic"],
)
def test_probes_reach_the_angle_of_the_theory(student, labels):
    """pi times the test error of the theory, 0.5/N = 0.5 % allowed; false-alarm rate below 3 x 1e-4 beyond it."""
    found = angles(2.5, student, 100, 60, labels)
    expected = np.pi * solve(2.5, ALL, 0.0, student=student, labels=labels).error
    error = found.std(ddof=1) / np.sqrt(60)
    assert abs(found.mean() - expected) < 3.9 * error + 0.005 * expected


def test_more_passes_of_the_perceptron_rule_come_closer():
    """And all stay behind the largest margin; the differences are 20 standard errors and more."""
    passes = [angles(4.0, PerceptronRule(epochs), 100, 40, Labels()).mean() for epochs in (1, 3)]
    assert passes[0] > passes[1] > np.pi * solve(4.0, ALL, 0.0).error


@pytest.mark.parametrize("rule", [KeepHard(0.4), KeepEasy(0.4)], ids=["hard", "easy"])
def test_students_agree_with_the_theory_at_the_measured_angles(rule):
    """Trial by trial, 0.5/N = 0.5 % allowed; false-alarm rate below 2 x 1e-4 beyond it."""
    found = simulate(5.0, rule, TrainedProbe(1.5, PerceptronRule(2)), 100, 60, seed=1, student=RIDGE)
    assert found.probe_angles.std() > 0.01
    expected = solve(5.0, rule, found.probe_angles, student=RIDGE).error
    difference = found.errors - expected
    error = difference.std(ddof=1) / np.sqrt(60)
    assert abs(difference.mean()) < 3.9 * error + 0.005 * expected.mean()


def test_probe_and_pool_are_independent():
    """Beside its angle the probe leaves no trace: errors are those of given angles. False-alarm rate 1e-4.

    The mean is that of ``simulate`` at fixed angles, 20 quantiles of those measured.
    """
    found = simulate(5.0, KeepHard(0.4), TrainedProbe(1.5, PerceptronRule(2)), 20, 400, seed=1, student=RIDGE)
    quantiles = np.quantile(found.probe_angles, (np.arange(20) + 0.5) / 20)
    fixed = [
        simulate(5.0, KeepHard(0.4), theta, 20, 20, seed=50 + i, student=RIDGE) for i, theta in enumerate(quantiles)
    ]
    errors = np.concatenate([each.errors for each in fixed])
    spread = np.hypot(found.standard_error, errors.std(ddof=1) / np.sqrt(errors.size))
    assert abs(found.mean - errors.mean()) < 3.9 * spread


def test_probes_do_not_depend_on_the_pool_nor_the_pool_on_them():
    probe = TrainedProbe(2.0, PerceptronRule())
    small, large = (simulate(a, KeepHard(0.5), probe, 20, 5, student=RIDGE) for a in (2.0, 4.0))
    assert small.probe_angles.tobytes() == large.probe_angles.tobytes()
    trials = PrunedStudents(2.0, KeepRandom(1.0), probe, 20, RIDGE)
    other = PrunedStudents(2.0, KeepRandom(1.0), TrainedProbe(3.0, PerceptronRule()), 20, RIDGE)
    # the whole pool is kept in order of difficulty, which the angle changes, but not what is in it
    mine, theirs = (np.sort(np.abs(each.data(1)[:, 5])) for each in (trials, other))  # labels aside
    assert mine.tobytes() == theirs.tobytes()
    with jax.enable_x64(True):
        inputs = examples_of(jax.random.fold_in(key(1), PROBE), 40, 20, 0.0)
    assert not np.intersect1d(np.abs(inputs[:, 5:]), np.abs(trials.data(1)[:, 5:])).size


def test_trials_with_trained_probes_are_reproducible(tmp_path):
    probe = TrainedProbe(2.0, PerceptronRule())
    first = simulate(5.0, KeepHard(0.4), probe, 20, 13, seed=4, student=RIDGE)
    simulate(5.0, KeepHard(0.4), probe, 20, 10, seed=4, student=RIDGE, out=tmp_path)
    resumed = simulate(5.0, KeepHard(0.4), probe, 20, 13, seed=4, student=RIDGE, out=tmp_path)
    for name in ("errors", "probe_angles", "probe_gaps"):
        assert getattr(resumed, name).tobytes() == getattr(first, name).tobytes()
    assert np.unique(first.probe_angles).size == 13


def test_inseparable_examples_of_a_max_margin_probe_are_a_clear_error():
    with pytest.raises(RuntimeError, match=r"probe of trial \d+ of seed 0 has no certificate .* HingeLoss\(0.1\)"):
        simulate(2.0, KeepHard(0.5), TrainedProbe(8.0), 20, 3, student=RIDGE, labels=Labels(0.3))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TrainedProbe(0.0), ValueError, "alpha, the probe's examples per parameter, must be positive, got 0.0"),
        (lambda: TrainedProbe(float("inf")), ValueError, "alpha must be finite, got inf"),
        (lambda: TrainedProbe("2"), TypeError, "alpha must be a number, got '2'"),
        (lambda: TrainedProbe(2.0, LogisticLoss(0.0)), ValueError, "no unique minimum"),
        (lambda: TrainedProbe(2.0, HingeLoss), TypeError, "student must be"),
        (lambda: PerceptronRule(0), ValueError, "epochs must lie in"),
        (lambda: PerceptronRule(1.5), TypeError, "epochs must be an integer, got 1.5"),
        (lambda: simulate(2.0, ALL, TrainedProbe(0.01), 20, 2), ValueError, "num_features = 20 gives no example"),
        (
            lambda: simulate(2.0, ALL, TrainedProbe(2.0), 20, 2, labels=Labels(0.0, 0.2, 0.3)),
            ValueError,
            "a trained probe needs a truth that is the teacher",
        ),
    ],
    ids=range(9),
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
