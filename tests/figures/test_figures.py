"""Figures show the numbers they are given, from saved data alone."""

import numpy as np
import pytest

import figures
from figures import jobs as reproduction
from figures.compute.curves import compute_curves
from perceptron_theory import KeepEasy, KeepHard, Results, crossover, pareto_frontier, solve
from simulations import Point, validate


@pytest.fixture(scope="module")
def curves():
    return compute_curves(fractions=(0.2, 0.5, 1.0), num_alphas=7, num_crossover_fractions=3)


@pytest.fixture(scope="module")
def validation():
    # one shape for all points: 60 kept examples of N = 20
    points = [
        Point(3 / f, rule(f), np.deg2rad(angle), 20, 4)
        for f, rule, angle in ((0.5, KeepHard, 0), (0.5, KeepEasy, 0), (0.5, KeepHard, 20), (1.0, KeepHard, 0))
    ]
    return validate(points).results()


@pytest.fixture(scope="module")
def digits():
    results = Results("digits", {"experiment": {"dataset": "digits"}})
    results.add("metric", "metric", ["el2n"], "", "")
    results.add("pool_size", "pool", [250], "1", "")
    results.add("rule", "rule", ["hard", "easy", "random"], "", "")
    results.add("fraction", "fraction", [0.4, 0.8], "1", "")
    results.add("seed", "seed", [0, 1], "1", "")
    cells, runs = ("metric", "pool", "rule", "fraction"), ("metric", "pool", "rule", "fraction", "seed")
    results.add("num_kept", runs, np.tile([[100], [200]], (1, 1, 3, 1, 2)), "1", "")
    results.add("mean", cells, [[[[0.1, 0.05], [0.2, 0.1], [0.08, 0.06]]]], "1", "")
    results.add("standard_error", cells, np.full((1, 1, 3, 2), 0.01), "1", "")
    results.add("mean_all", "pool", [0.03], "1", "")
    results.add("standard_error_all", "pool", [0.002], "1", "")
    return results


@pytest.fixture(scope="module")
def folder(tmp_path_factory, curves, validation, digits):
    path = tmp_path_factory.mktemp("results")
    for name, results in (("curves", curves), ("validation", validation), ("digits", digits)):
        results.save(path / reproduction.FILES[name])
    return path


def test_curves_are_the_solver_at_its_coordinates(curves):
    alpha, f, theta = curves["alpha_prune"][3], curves["f"][0], curves["theta"][2]
    assert curves["error"][2, 1, 0, 3] == solve(alpha / f, KeepEasy(f), theta).error
    frontier = pareto_frontier(alpha, theta, rule="hard", f_min=float(curves["f_min"]))
    assert curves["frontier_error"][2, 0, 3] == pytest.approx(frontier.error, rel=1e-9)
    crossing = crossover(curves["crossover_f"][1], curves["theta"][1])
    assert curves["crossover_alpha_tot"][1, 1] == pytest.approx(crossing.alpha_tot, rel=1e-8)


def test_frontier_lies_below_every_curve(curves):
    assert np.all(curves["frontier_error"][:, :, None, :] <= curves["error"] * (1 + 1e-12))


def drawn_lines(axes):
    return [line.get_xydata() for line in axes.get_lines()]


def test_fig1_draws_the_curves_and_every_simulated_point(curves, validation):
    figure = figures.fig1(curves, validation)
    hard, easy = figure.axes[0], figure.axes[1]
    for axes, rule in ((hard, 0), (easy, 1)):
        for error in curves["error"][0, rule]:
            line = np.column_stack([curves["alpha_prune"], error])
            assert any(drawn.shape == line.shape and np.array_equal(drawn, line) for drawn in drawn_lines(axes))
    # the hard panel shows its own point and the one without pruning, not that at 20 degrees
    means = [(p, m) for p, m in zip(validation["alpha_prune"], validation["mean"], strict=True)]
    points = np.concatenate([container.lines[0].get_xydata() for container in hard.containers])
    assert sorted(map(tuple, points)) == sorted([means[0], means[3]])


@pytest.mark.parametrize("name", ["fig1", "fig2", "fig3"])
def test_axes_carry_their_quantity(name, curves, validation, digits):
    data = (digits,) if name == "fig3" else (curves, validation)
    for axes in getattr(figures, name)(*data).axes:
        assert axes.get_ylabel()
        assert axes.get_xlabel() or not axes.xaxis.get_tick_params()["labelbottom"]


def test_fig3_draws_means_in_per_cent_with_error_bars(digits):
    axes = figures.fig3(digits).axes[0]
    hard = axes.containers[0]
    np.testing.assert_allclose(hard.lines[0].get_xydata(), [[100, 10], [200, 5]])
    (bars,) = hard.lines[2]
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[9, 11], [4, 6]])


def test_redrawing_from_saved_data_gives_the_same_files(folder):
    first = {path: path.read_bytes() for path in reproduction.draw(folder)}
    assert [path.name for path in first] == [f"fig{i}.{suffix}" for i in (1, 2, 3) for suffix in ("pdf", "png")]
    assert all(path.read_bytes() == first[path] for path in reproduction.draw(folder))
    assert not list(folder.glob(".*"))


def test_missing_data_and_missing_angle_say_so(tmp_path, curves, validation):
    with pytest.raises(FileNotFoundError, match=r"curves\.nc"):
        reproduction.draw(tmp_path)
    perfect = Results(curves.title, curves.config)
    for name, variable in curves.variables.items():
        values = variable.values
        if "theta" in variable.dims:
            values = values[:1]
        perfect.add(name, variable.dims, values, variable.units, variable.description)
    with pytest.raises(ValueError, match="theta = 10 degrees"):
        figures.fig2(perfect, validation)


def test_the_main_job_simulates_distinct_points_that_figures_show():
    points = reproduction.points_to_simulate(200, 60)
    assert len({str(point.settings()) for point in points}) == len(points)
    assert {round(np.rad2deg(point.theta)) for point in points} == {0, 10, 20}
