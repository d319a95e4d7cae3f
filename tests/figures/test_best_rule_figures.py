"""The pictures of the best rule and of the students: right numbers, resumed rather than computed again."""

from functools import partial

import numpy as np
import pytest

from figures import jobs as reproduction
from figures.compute import best_rule, students
from figures.draw import best_rule as best_rule_pictures
from figures.settings import Job
from perceptron_theory import KeepHard, KeepWindow, Labels, MaxMargin, Results, best_window, solve
from perceptron_theory.best_rule import optimal_policy
from simulations import Point, validate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def phase(folder):
    return best_rule.compute_phase_diagram(folder, (0.0,), 4, 3)


@pytest.fixture(scope="module")
def policies(folder):
    return best_rule.compute_policies(folder, [(10.0, 0.2, 0.0, MaxMargin())], 32)


@pytest.fixture(scope="module")
def frontiers(folder):
    return best_rule.compute_frontiers(folder, (0.0,), 20.0, (0.1, 0.5), 5)


@pytest.fixture(scope="module")
def curves(folder):
    return students.compute_students(folder, 5)


@pytest.fixture(scope="module")
def noise(folder):
    return students.compute_label_noise(folder, 4)


@pytest.fixture(scope="module")
def validation():
    # one shape for all points: 60 kept examples of N = 20
    points = [Point(10.0, rule, 0.0, 20, 4) for rule in (KeepHard(0.3), KeepWindow(0.2, 0.5))]
    return validate(points).results()


def test_phase_diagram_holds_best_windows(phase):
    assert phase["place"].shape == (1, 4, 3)
    lower, error = best_window(phase["alpha_tot"][2], phase["f"][1], 0.0)
    assert phase["lower_rank"][0, 2, 1] == pytest.approx(lower, abs=1e-5)
    assert phase["error"][0, 2, 1] == pytest.approx(error, rel=1e-9)
    for rival in ("hard", "easy", "random"):
        assert np.all(phase["error"] <= phase[f"{rival}_error"] * (1 + 1e-9))
    assert np.all((phase["place"] >= 0) & (phase["place"] <= 1 + 1e-12))


def test_phase_diagram_keeps_its_shape_where_no_window_was_simulated(phase):
    """An empty line that is not clipped left the axes no room."""
    only_hard = validate([Point(10.0, KeepHard(0.3), 0.0, 20, 4)]).results()
    figure = best_rule_pictures.phase_diagram(phase, only_hard)
    figure.draw_without_rendering()
    assert all(axes.get_position().width > 0.4 for axes in figure.axes[:2])


def test_kept_ranks_are_those_of_value_above_the_threshold(policies):
    assert policies["value"].shape == (1, 32)
    middle = (policies["ranks"][1:] + policies["ranks"][:-1]) / 2
    kept = (middle > policies["lower"][0, 0]) & (middle < policies["upper"][0, 0])
    edge = np.abs(middle[:, None] - np.array([policies["lower"][0, 0], policies["upper"][0, 0]])).min(axis=1) < 1 / 32
    assert np.array_equal(kept[~edge], (policies["value"][0] > policies["threshold"][0])[~edge])
    assert policies["gap"][0] < 1e-5


def test_frontier_holds_the_best_of_all_rules(frontiers):
    assert frontiers["error"].shape == (1, 2)
    assert frontiers["lower"].shape[:2] == (1, 2)
    assert frontiers["curve_hard_error"].shape == (1, 5)
    assert frontiers["error"][0, 1] == pytest.approx(optimal_policy(20.0, 0.5, 0.0).error, rel=1e-9)
    assert np.all(frontiers["curve_window_error"] <= frontiers["curve_hard_error"] * (1 + 1e-9))


def test_students_and_label_noise_hold_what_the_solver_says(curves, noise):
    assert curves["error"].shape == (4, 3, 5)
    theta = float(curves["theta"])
    expected = solve(curves["alpha_tot"][3], students.RULES["easy"], theta, student=students.STUDENTS[2]).error
    assert curves["error"][2, 1, 3] == pytest.approx(expected, rel=1e-9)
    assert noise["error"].shape == noise["alpha_c"].shape == (4, 4)
    flip = Labels(flip_probability=noise["flip_probability"][2])
    found = solve(students.NOISY_ALPHA, students.RULES["bylabel"], theta, student=students.NOISY_STUDENT, labels=flip)
    assert noise["error"][3, 2] == pytest.approx(found.error, rel=1e-9)
    assert noise["fraction"][3, 2] == pytest.approx(found.fraction, rel=1e-9)
    assert np.all(np.isinf(noise["alpha_c"][:, 0]))
    assert np.all(np.isfinite(noise["alpha_c"][:3, 1:]))


def test_what_is_saved_is_not_computed_again(folder, phase, policies, frontiers, curves, noise, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("computed again")

    for module, names in (
        (best_rule, ("best_window", "solve", "optimal_policy", "value_function")),
        (students, ("solve", "separability_threshold")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, refuse)
    again = best_rule.compute_phase_diagram(folder, (0.0,), 4, 3)
    np.testing.assert_array_equal(again["error"], phase["error"])
    best_rule.compute_policies(folder, [(10.0, 0.2, 0.0, MaxMargin())], 32)
    best_rule.compute_frontiers(folder, (0.0,), 20.0, (0.1, 0.5), 5)
    students.compute_students(folder, 5)
    students.compute_label_noise(folder, 4)
    with pytest.raises(AssertionError, match="computed again"):
        best_rule.compute_phase_diagram(folder, (0.0,), 5, 3)


def test_simulated_points_are_distinct_and_of_the_best_rules(phase, policies, frontiers):
    points = best_rule.points_to_simulate(phase, policies, frontiers, 200, 60)
    assert len({str(point.settings()) for point in points}) == len(points) == 3 + 4 + 1
    assert {point.num_features for point in points} == {200}
    fractions = [float(point.keep.fraction) for point in points]
    np.testing.assert_allclose(fractions, [0.3, 0.5, 0.15, 0.2, 0.2, 0.2, 0.2, 0.1])
    assert len({str(point.settings()) for point in students.points_to_simulate(200, 40)}) == 36 + 12


def test_pictures_are_drawn_from_saved_files_alone(
    folder, phase, policies, frontiers, curves, noise, validation, tmp_path
):
    for name, results in (
        ("phase_diagram", phase),
        ("policies", policies),
        ("frontier", frontiers),
        ("students", curves),
        ("label_noise", noise),
        ("best_rule_validation", validation),
        ("students_validation", validation),
    ):
        results.save(tmp_path / reproduction.FILES[name])
        assert Results.load(tmp_path / reproduction.FILES[name]).sizes == results.sizes
    names = ("phase_diagram", "policies", "frontier", "students", "label_noise")
    written = reproduction.draw(tmp_path, names)
    assert [path.name for path in written] == [f"{name}.{suffix}" for name in names for suffix in ("pdf", "png")]
    assert all(path.stat().st_size > 5000 for path in written)


def test_frontier_picture_shows_the_curves(frontiers, validation):
    axes = best_rule_pictures.frontier(frontiers, validation).axes[0]
    wanted = np.column_stack([20.0 * frontiers["curve_f"], frontiers["curve_window_error"][0]])
    assert any(np.array_equal(line.get_xydata(), wanted) for line in axes.get_lines() if len(line.get_xdata()) == 5)


@pytest.mark.parametrize("job", [reproduction.reproduce, reproduction.pick_queries, *reproduction.COMPARISONS])
def test_what_would_stop_a_job_stops_it_at_once(job, tmp_path):
    work = job if callable(job) else partial(reproduction.compare, job)
    with pytest.raises(ValueError, match="num_trials must be at least 2, got 1"):
        work(Job(tmp_path, num_trials=1))
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="out must be a folder"):
        work(Job(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
