"""Simulated students that see a part of the features: what is drawn, errors, certificates, and the theory as judge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    PowerLawFeatures,
    SeenFeatures,
    SquareLoss,
    solve,
)
from simulations import Point, TrainedProbe, simulate, validate
from simulations.pruned_students import PrunedStudents
from simulations.seen_features import field_error, field_gap, num_seen_of, rounded, seen_coordinates, seen_rows

TEACHER = (1.0, 0.0, 0.0)
CASES = [
    (SeenFeatures(0.5), 20, 0.5),
    (SeenFeatures(0.5, "seen"), 20, 1.0),
    (SeenFeatures(1.0), 8, 0.3),
    (PowerLawFeatures(1.5, 1.8, 4, 10), 20, 0.3),
    (PowerLawFeatures(1.2, 2.0, 5, 5), 15, 0.3),
]


@pytest.mark.parametrize(("features", "num_features", "theta"), CASES, ids=str)
def test_what_is_drawn_has_the_right_covariances(features, num_features, theta):
    """Exactly: of the linear map from independent numbers, no sample."""
    seen = seen_coordinates(features, num_features, theta, TEACHER)
    m = num_seen_of(features, num_features)
    with jax.enable_x64(True):
        by_fields = np.asarray(seen_rows(jnp.eye(2), jnp.zeros((2, m)), seen))
        by_normal = np.asarray(seen_rows(jnp.zeros((m, 2)), jnp.eye(m), seen))
    covariance = by_fields.T @ by_fields + by_normal.T @ by_normal
    np.testing.assert_allclose(covariance, np.diag(seen.deviation**2), atol=1e-14)
    np.testing.assert_allclose(by_fields, seen.plane.T * seen.deviation, atol=1e-15)
    gram = seen.plane.T @ seen.plane
    if isinstance(features, SeenFeatures) and features.probe == "seen":
        probe = np.array([np.cos(theta), np.sin(theta)])
        np.testing.assert_allclose(gram @ probe, probe, atol=1e-14)  # it is seen as a whole
        assert gram[0, 0] == pytest.approx(features.fraction)
    else:
        np.testing.assert_allclose(gram, float(features.seen_part()) * np.eye(2), atol=1e-14)
    assert seen.hidden == pytest.approx(1 - float(features.seen_part()), abs=1e-14)


@pytest.mark.parametrize(("features", "num_features", "theta"), CASES, ids=str)
@pytest.mark.parametrize("truth", [TEACHER, (0.6, 0.48, 0.64)])
def test_error_is_the_angle_between_fields(features, num_features, theta, truth):
    """In the space of all coordinates: those seen over their deviations, and two for what is hidden of T and Q."""
    seen = seen_coordinates(features, num_features, theta, truth)
    gram = seen.plane.T @ seen.plane
    values, vectors = np.linalg.eigh(np.eye(2) - gram)
    hidden = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    full = np.concatenate([seen.plane, hidden, np.zeros((1, 2))]) @ truth[:2]
    full[-1] = truth[2]
    w = np.random.default_rng(0).normal(size=seen.deviation.size)
    student = np.concatenate([seen.deviation * w, np.zeros(3)])
    angle = np.arccos(student @ full / np.linalg.norm(student) / np.linalg.norm(full))
    with jax.enable_x64(True):
        assert field_error(w, seen) == pytest.approx(angle / np.pi, rel=1e-12)


def test_certificates_are_of_fields():
    """A direction that is right to an angle gives a field that is right to what the certificate says."""
    seen = seen_coordinates(PowerLawFeatures(1.5, 1.8, 10, 20), 40, 0.3, TEACHER)
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        for _ in range(200):
            w = rng.normal(size=20) * rng.choice([1e-2, 1, 1e2], 20)
            other = w + 10 ** rng.uniform(-8, -1) * rng.normal(size=20) * np.linalg.norm(w)
            cosine = w @ other / np.linalg.norm(w) / np.linalg.norm(other)
            fields = seen.deviation * w, seen.deviation * other
            found = fields[0] @ fields[1] / np.linalg.norm(fields[0]) / np.linalg.norm(fields[1])
            assert 1 - found <= field_gap(w, 1 - cosine, seen) * (1 + 1e-6) + 1e-15
        equal = seen_coordinates(SeenFeatures(0.5), 40, 0.3, TEACHER)
        assert field_gap(w, 1e-9, equal) == pytest.approx(1e-9)
        assert field_gap(w, np.inf, equal) == np.inf


def test_only_what_is_needed_is_drawn():
    """The kept examples, of the features seen."""
    trials = PrunedStudents(20.0, KeepHard(0.1), 0.3, 200, SquareLoss(0.1), features=SeenFeatures(0.25))
    assert trials.num_parameters == 50
    assert trials.num_examples == 1000
    assert trials.data(0).shape == (112, 50)  # 100 and padding
    assert np.sum(np.any(trials.data(0) != 0, axis=1)) == 100
    law = PrunedStudents(20.0, KeepHard(0.1), 0.3, 2 * 2**17, SquareLoss(0.1), features=PowerLawFeatures(1.5, 1.8, 25))
    assert law.data(0).shape == (112, 50)
    assert trials.footprint().data == 8 * 112 * 50


def test_theory_holds():
    """Seven points of 60 trials at seed 3: chi-square, p > 0.01, a false alarm in 100."""
    half, law = SeenFeatures(0.5), PowerLawFeatures(1.5, 1.8, 25, 100)
    own = float(np.arccos(np.cos(0.3) * np.sqrt(0.5)))
    points = [
        Point(4.0, KeepHard(0.5), 0.3, 160, 60, SquareLoss(0.3), features=half),
        Point(4.0, KeepHard(0.5), own, 160, 60, SquareLoss(0.3), features=SeenFeatures(0.5, "seen")),
        Point(3.0, KeepWindow(0.1, 0.4), 0.3, 160, 60, features=SeenFeatures(0.6)),
        Point(5.0, KeepByLabel(KeepEasy(0.4)), 0.3, 160, 60, HingeLoss(0.1), Labels(0.1), features=half),
        Point(12.0, KeepHard(0.4), 0.3, 400, 60, SquareLoss(0.01), features=law),
        Point(12.0, KeepRandom(0.5), 0.0, 400, 60, HingeLoss(0.02), Labels(0.1), features=law),
        Point(12.0, KeepWindow(0.2, 0.6), 0.3, 400, 60, LogisticLoss(0.01), features=law),
    ]
    found = validate(points, seed=3)
    assert found.p_value > 0.01
    assert found.worst_gap < 1e-10
    results = found.results()
    assert results["num_parameters"].tolist() == [80, 80, 96, 80, 100, 100, 100]
    assert results["alpha_prune"][0] == pytest.approx(2.0)
    assert results["features"][4] == str(law)
    wrong = [solve(p.alpha_tot, p.keep, p.theta, student=p.student, labels=p.labels).error for p in points[:1]]
    assert abs(found.mean[0] - wrong[0]) > 20 * found.standard_error[0]  # and without features it would not


def test_theory_is_asked_at_rounded_numbers():
    """Of 30 features a third is 10, a quarter 8."""
    assert rounded(SeenFeatures(0.26), 30) == SeenFeatures(8 / 30)
    asked = []

    def theory(alpha_tot, keep, theta, *, student, labels, features):
        asked.append(features)
        return solve(alpha_tot, keep, theta, student=student, labels=labels, features=features)

    validate([Point(4.0, KeepHard(0.5), 0.3, 30, 2, SquareLoss(0.3), features=SeenFeatures(0.26))], theory=theory)
    assert asked == [SeenFeatures(8 / 30)]


def test_a_trained_probe_sees_all():
    found = simulate(4.0, KeepHard(0.5), TrainedProbe(2.0), 40, 6, student=SquareLoss(0.3), features=SeenFeatures(0.5))
    assert np.all(found.probe_gaps < 1e-10)
    assert found.num_parameters == 20
    assert found.num_examples == 80
    with pytest.raises(ValueError, match="a trained probe sees all features"):
        simulate(4.0, KeepHard(0.5), TrainedProbe(2.0), 40, 6, features=SeenFeatures(0.5, "seen"))
    with pytest.raises(ValueError, match="a trained probe sees all features"):
        simulate(4.0, KeepHard(0.5), TrainedProbe(2.0), 40, 6, features=PowerLawFeatures(1.5, 1.8, 5, 20))


def test_saved_trials_know_their_features(tmp_path):
    """They are found again, and not taken for others."""
    given = {"student": SquareLoss(0.3), "features": SeenFeatures(0.5, "all"), "out": tmp_path}
    first, again = (simulate(4.0, KeepHard(0.5), 0.3, 40, 4, **given) for _ in range(2))
    np.testing.assert_array_equal(first.errors, again.errors)
    assert len(list(tmp_path.iterdir())) == 1
    settings = first.results().config
    assert settings["features"] == {"features": "SeenFeatures", "fraction": 0.5, "probe": "all"}
    simulate(4.0, KeepHard(0.5), 0.3, 40, 4, **given | {"features": SeenFeatures(0.55)})
    simulate(4.0, KeepHard(0.5), 0.3, 40, 4, **given | {"features": None})
    assert len(list(tmp_path.iterdir())) == 3
    assert "features" not in simulate(4.0, KeepHard(0.5), 0.3, 40, 2).results().config


def test_another_truth():
    """Against the theory: 100 trials, 4 standard errors, a false alarm in 10,000."""
    labels = Labels(0.0, 0.4, 0.5)
    question = (4.0, KeepHard(0.5), 0.3)
    given = {"student": SquareLoss(0.3), "labels": labels, "features": SeenFeatures(0.7)}
    found = simulate(*question, 200, 100, 5, **given)
    assert abs(found.mean - solve(*question, **given).error) < 4 * found.standard_error


@pytest.mark.parametrize(
    ("num_features", "features", "error", "message"),
    [
        (40, 0.5, TypeError, "features must be SeenFeatures"),
        (40, SeenFeatures([0.5, 0.6]), ValueError, "features must be single numbers"),
        (40, SeenFeatures(0.01), ValueError, "must see at least 2 features, got fraction = 0.01 of num_features = 40"),
        (
            40,
            SeenFeatures(0.5, "seen"),
            ValueError,
            r"at least 0\.785398.* radians.*fraction = 0\.5 is 20 of num_features = 40",
        ),
        (30, PowerLawFeatures(1.5, 1.8, 5, 20), ValueError, "must be a multiple of the power-law features' own 20"),
        (20, PowerLawFeatures(1.5, 1.8, 5, 20), ValueError, "must be at least twice the power-law features' own 20"),
    ],
)
def test_mistakes(num_features, features, error, message):
    with pytest.raises(error, match=message):
        simulate(4.0, KeepHard(0.5), 0.3, num_features, 4, student=SquareLoss(0.3), features=features)


def test_no_separator():
    """Beyond the threshold data are proven to have none."""
    with pytest.raises(RuntimeError, match=r"not separable.*SeenFeatures\(fraction=0\.3"):
        simulate(8.0, KeepHard(0.5), 0.3, 40, 4, student=MaxMargin(), features=SeenFeatures(0.3))
