"""The figure of the joint law: right numbers, drawn from saved data alone."""

import numpy as np
import pytest

from figures import jobs
from figures.compute import joint_law
from figures.draw.joint_law import joint_law as draw_joint_law
from perceptron_theory import (
    KeepRandom,
    KeepWindow,
    PowerLawFeatures,
    Results,
    bayes_error,
    best_ridge,
    compute_optimal,
)
from simulations import validate

THETA = np.deg2rad(10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def law(folder):
    return joint_law.compute_joint_law(folder, num_examples=4, num_places=4, num_sizes=4, num_budgets=3)


@pytest.fixture(scope="module")
def validation(law):
    points = joint_law.points_to_simulate(law, 30, 4)
    assert len(points) == 2 * len(joint_law.SIZES) * len(joint_law.SIMULATED)
    assert [point.num_features // 2**17 for point in points[::8]] == [4, 4, 4]
    return validate([points[i] for i in (0, 1, 8)]).results()


def test_numbers_are_the_theory(law):
    features = PowerLawFeatures(1.5, 1.8, 32)
    n = law["n"][1]
    random = best_ridge(n / 32, KeepRandom(1.0), 0.0, features=features)
    assert law["error"][0, 1, 1] == pytest.approx(random.error, rel=1e-9)
    lower = law["lower"][1, 1, 1]
    keep = KeepWindow(lower, lower + 0.3)
    window = best_ridge(n / 32 / 0.3, keep, THETA, features=features)
    assert law["error"][1, 1, 1] == pytest.approx(window.error, rel=1e-9)
    assert np.all(law["source"] >= 0)
    bayes = bayes_error(law["n"] / 128, features=PowerLawFeatures(1.5, 1.8, 128))
    np.testing.assert_allclose(law["source"][:2].sum(axis=0), bayes, rtol=1e-12)
    assert np.all(law["logistic_error"] > bayes)
    found = compute_optimal(float(law["budget"][1]), THETA, decay=1.5, teacher_decay=1.8)
    assert law["frontier_error"][0, 1] == pytest.approx(found.best.error, rel=1e-9)
    assert law["unpruned_error"][1] == pytest.approx(found.unpruned.error, rel=1e-9)


def test_a_small_model_gains_nothing(law):
    """And a large one of a large pool much: the corners of the diagram."""
    assert law["gain"][0, -1] < 1.01
    assert law["gain"][-1, -1] > 1.3


def test_picture_is_drawn_from_saved_files_alone(law, validation, tmp_path):
    for name, results in (("joint_law", law), ("joint_law_validation", validation)):
        results.save(tmp_path / jobs.FILES[name])
        assert Results.load(tmp_path / jobs.FILES[name]).sizes == results.sizes
    written = jobs.draw(tmp_path, ("joint_law",))
    assert [path.name for path in written] == ["joint_law.pdf", "joint_law.png"]
    again = draw_joint_law(Results.load(tmp_path / "joint_law.nc"), Results.load(tmp_path / "joint_law_validation.nc"))
    panels = [axes.get_title() for axes in again.axes]
    assert panels[0].startswith("probe at 10°")
    assert sum(line.get_linestyle() == "--" for line in again.axes[0].get_lines()) == 3
