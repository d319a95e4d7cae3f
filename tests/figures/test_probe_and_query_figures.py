"""Figures of trained probes and of students that pick their examples: right numbers, drawn from saved data alone."""

import numpy as np
import pytest

from figures import jobs as reproduction
from figures.compute import probes, queries
from figures.draw.probes import probes as draw_probes
from figures.draw.queries import queries as draw_queries
from perceptron_theory import KeepEasy, KeepHard, KeepRandom, MaxMargin, Results, solve
from simulations import PerceptronRule, Point, TrainedProbe, select_queries, validate

CASES = ((6.0, 0.5, 2), (6.0, 0.5, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def curves(folder):
    return probes.compute_probes(folder, 5, 4)


@pytest.fixture(scope="module")
def validation(folder):
    points = [
        Point(10.0, rule(0.3), TrainedProbe(alpha, student), 10, 4)
        for rule, alpha, student in ((KeepHard, 2.0, PerceptronRule(3)), (KeepEasy, 2.0, PerceptronRule(3)))
    ]
    return probes.validation_of_probes(validate([*points, Point(10.0, KeepHard(0.3), TrainedProbe(2.0), 10, 4)]))


@pytest.fixture(scope="module")
def picked(folder):
    return queries.compute_queries(folder / "points", CASES, num_features=10, num_trials=4, seed=1)


def test_curves_are_the_theory(curves):
    budget, angle = curves["alpha_probe"][3], curves["probe_angle"][3]
    assert angle == pytest.approx(np.pi * solve(budget, KeepRandom(1.0), 0.0).error, rel=1e-9)
    assert curves["rule"].tolist() == ["hard", "easy"]
    assert curves["error"][1, 3] == pytest.approx(solve(10.0, KeepEasy(0.3), angle).error, rel=1e-9)
    assert curves["error_at_angle"][0, 1] == pytest.approx(solve(10.0, KeepHard(0.3), np.pi / 6).error, rel=1e-9)
    assert curves["random_error"] == pytest.approx(solve(10.0, KeepRandom(0.3), 0.0).error, rel=1e-9)


def test_simulated_points_are_all_probes_on_all_budgets():
    points = probes.points_to_simulate(200, 40)
    assert len({str(point.settings()) for point in points}) == 2 * len(probes.BUDGETS) * len(probes.PROBES)
    assert {point.theta.student for point in points} == {MaxMargin(), PerceptronRule(1), PerceptronRule(3)}


def test_comparison_knows_the_probes(validation):
    assert validation["alpha_probe"].tolist() == [2.0, 2.0, 2.0]
    assert validation["probe_kind"].tolist() == [*["perceptron rule, 3 passes"] * 2, "max margin"]
    assert np.all(validation["angle_error"] > 0)


def test_queries_are_what_was_simulated_and_the_theory_of_one_ranking(picked):
    found = select_queries(6.0, 0.5, 3, 10, 4, 1)
    np.testing.assert_array_equal(picked["mean"][1], found.mean)
    np.testing.assert_array_equal(picked["alpha_kept"][1], found.alpha_kept)
    assert np.isnan(picked["mean"][0, 2])  # the first case has two rounds
    angle, f = np.pi * found.mean[0], found.alpha_kept[1] / 6
    assert picked["one_ranking"][1, 1] == pytest.approx(solve(6.0, KeepHard(f), angle).error, rel=1e-9)
    assert picked["perfect_ranking"][1, 1] == pytest.approx(solve(6.0, KeepHard(f), 0.0).error, rel=1e-9)
    assert picked["random"][1, 1] == pytest.approx(solve(6.0, KeepRandom(f), 0.0).error, rel=1e-9)
    assert picked["all_error"][1] == pytest.approx(solve(6.0, KeepRandom(1.0), 0.0).error, rel=1e-9)
    lines = queries.summary(picked).splitlines()
    assert len(lines) == 2
    assert f"3 rounds: test error {found.mean[-1]:.5f}" in lines[1]


def test_pictures_are_drawn_from_saved_files_alone(curves, validation, picked, tmp_path):
    for name, results in (("probes", curves), ("probes_validation", validation), ("queries", picked)):
        results.save(tmp_path / reproduction.FILES[name])
        assert Results.load(tmp_path / reproduction.FILES[name]).sizes == results.sizes
    written = reproduction.draw(tmp_path, ("probes", "queries"))
    assert [path.name for path in written] == ["probes.pdf", "probes.png", "queries.pdf", "queries.png"]
    assert all(path.stat().st_size > 5000 for path in written)


def test_pictures_show_the_numbers(curves, validation, picked):
    error, angle, *_ = draw_probes(curves, validation).axes
    lines = [line.get_ydata() for line in error.lines]
    assert any(np.array_equal(line, curves["error"][0]) for line in lines)
    assert any(np.array_equal(line, np.rad2deg(curves["probe_angle"])) for line in (x.get_ydata() for x in angle.lines))
    shown = [line.get_ydata() for line in draw_queries(picked).axes[0].lines]
    assert any(np.array_equal(line, picked["mean"][1]) for line in shown)
