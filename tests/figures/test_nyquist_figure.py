"""The figure of Nyquist learners: right numbers, found again, drawn from them alone."""

import math

import numpy as np
import pytest

from data_pruning import KeepHard, KeepRandom, Results
from figures.compute import nyquist as compute
from figures.draw.nyquist import nyquist as draw_nyquist
from figures.jobs import save_figure
from perceptron_theory import solve

SIZES = {"num_features": 40, "num_trials": 4, "densities": (0.5, 1.0, 2.0), "alphas": (0.5, 1.0, 2.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nyquist")


@pytest.fixture(scope="module")
def results(folder):
    return compute.compute_nyquist(folder, **SIZES)


def test_numbers_are_those_of_theory_and_simulation(results):
    told = dict(zip(results["rule"].tolist(), results["told_error"], strict=True))
    assert max(error[1:].max() for error in told.values()) < 1e-10  # zero from one example per parameter on
    assert told["easy"][0].mean() < told["random"][0].mean() < told["hard"][0].mean()
    at = np.argmin(np.abs(results["told_alpha"] - 0.5))
    expected = math.asin(math.sqrt(1 - results["told_alpha"][at])) / math.pi
    assert results["told_law"][0, at] == pytest.approx(expected, rel=1e-9)
    alpha = results["class_alpha"][30]
    hard = solve(alpha / 0.3, KeepHard(0.3), math.radians(20)).error
    assert results["class_error"][1, 30] == pytest.approx(hard, rel=1e-9)
    assert results["class_error"][0, 30] == pytest.approx(solve(alpha, KeepRandom(1.0), 0.0).error, rel=1e-9)
    assert np.all(results["bayes_error"] < results["class_error"][0])
    assert results["grid_error"][1, 0].max() < 1e-14
    assert results["classes_error"][1:].min() > 0.3
    summary = compute.summary(results).splitlines()
    assert len(summary) == 15
    assert summary[0].startswith("grid, band: median relative error")


def test_what_is_there_is_not_computed_again(results, folder, monkeypatch):
    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(compute, "tell_fields", never)
    monkeypatch.setattr("simulations.nyquist.experiment._draw", never)
    again = compute.compute_nyquist(folder, **SIZES)
    for name, variable in results.variables.items():
        np.testing.assert_array_equal(again[name], variable.values)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(compute, "tell_fields", interrupted)
    with pytest.raises(KeyboardInterrupt, match="5 of 9 experiments finished, saved in"):
        compute.compute_nyquist(folder, **SIZES | {"alphas": (0.7,)})


def test_picture_is_drawn_from_saved_files_alone(results, tmp_path):
    path = results.save(tmp_path / "nyquist.nc")
    figure = draw_nyquist(Results.load(path))
    panels = figure.axes
    assert panels[0].get_title() == "regular grid; functions of band $B = 20$, $D = 41$"
    # a: the law, five learners, the threshold of the wider band at 51 of 41 points
    lines = panels[0].get_lines()
    assert len(lines) == 7
    assert lines[6].get_xdata()[0] == pytest.approx(51 / 41)
    assert panels[1].get_lines()[6].get_xdata()[0] == pytest.approx(61 / 41)
    assert "told the class: max margin" in [text.get_text() for text in panels[3].get_legend().get_texts()]
    written = save_figure(figure, tmp_path / "nyquist")
    assert [file.name for file in written] == ["nyquist.pdf", "nyquist.png"]
