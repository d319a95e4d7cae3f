"""The figure of magnitude pruning shows the numbers it was given."""

import numpy as np
import pytest

from data_pruning import Results
from figures.__main__ import cli
from figures.draw.magnitude_pruning import magnitude_pruning

GUESS, GAMMA, P, PSI = 0.9, 1.4, 0.3, 1.1


def made_up(pools=(1000,)):
    """The law of eight networks for each number of images, as the command saves it."""
    law = Results("made up", {"measurement": {"magnitude_pruning": {"dataset": "digits"}}, "failed": []})
    grid = np.meshgrid(pools, [1, 2], [8.0, 16.0, 32.0, 64.0], indexing="ij")
    pool, depth, width = (each.ravel() for each in grid)
    unpruned = 0.1 * (width / 8) ** -0.3 * (pool / 1000) ** -0.4
    density = np.broadcast_to(0.8 ** np.arange(20), (width.size, 20))
    invariant = width[:, None] ** PSI * density
    e = unpruned[:, None]
    error = e * ((invariant**2 + (P * (GUESS / e) ** (1 / GAMMA)) ** 2) / (invariant**2 + P**2)) ** (GAMMA / 2)
    for name, values in (("pool_size", pool), ("depth", depth), ("width", width), ("unpruned_error", unpruned)):
        law.add(name, "network", values, "1", "")
    law.add("density", ("network", "round"), density, "1", "")
    law.add("mean", ("network", "round"), 1.05 * error, "1", "")
    law.add("standard_error", ("network", "round"), 0.03 * error, "1", "")
    law.add("guessing_error", (), GUESS, "1", "")
    law.add("hypothesis", "hypothesis", ["free", "weights left"], "", "")
    for name, values in (("gamma", GAMMA), ("p", P), ("phi", 0.0), ("psi", PSI)):
        law.add(name, "hypothesis", [values, values], "1", "")
    law.add("invariant", ("hypothesis", "network", "round"), [invariant] * 2, "1", "")
    law.add("predicted", ("hypothesis", "network", "round"), [error] * 2, "1", "")
    for name, values in (("sigma", [0.1, 0.2]), ("sigma_left_out", [0.12, 0.3]), ("sigma_left_out_error", [0.01, 0.1])):
        law.add(name, "hypothesis", values, "1", "")
    law.add("own_sigma", (), 0.08, "1", "")
    law.add("noise", (), 0.05, "1", "")
    return law


def test_panels_hold_the_errors_and_the_deviations():
    law = made_up()
    density, invariant, deviations = magnitude_pruning([law]).axes
    np.testing.assert_allclose(density.containers[5].lines[0].get_ydata(), law["mean"][5])
    lines = [line for line in density.get_lines() if line.get_linewidth() == 0.9]
    np.testing.assert_allclose(lines[5].get_ydata(), law["predicted"][0, 5])
    points = [line for line in invariant.get_lines() if line.get_linestyle() == "None"]
    np.testing.assert_allclose(points[3].get_xdata(), law["invariant"][0, 3])
    drawn = next(line for line in invariant.get_lines() if line.get_linestyle() == "--")  # of the worst network, 8 wide
    at = np.interp(law["invariant"][0, 0][::-1], drawn.get_xdata(), drawn.get_ydata())
    np.testing.assert_allclose(at, law["predicted"][0, 0][::-1], rtol=1e-3)
    assert r"w^{1.10}" in invariant.get_xlabel()
    np.testing.assert_allclose(deviations.get_lines()[0].get_xdata(), [10, 20])
    np.testing.assert_allclose(deviations.containers[0].lines[0].get_xdata(), [12, 30])
    assert [text.get_text() for text in deviations.get_yticklabels()] == [r"$l^\varphi w^\psi d$", "weights left"]


def test_a_row_for_each_measurement_and_the_largest_pool_alone():
    figure = magnitude_pruning([made_up(), made_up((1000, 250))])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == titles[3] == "digits, 1,000 images; lines: one law"
    assert titles[1::3] == ["the same errors", "errors at all numbers of images"]
    assert [len(figure.axes[i].containers) for i in (0, 3)] == [8, 8]
    with pytest.raises(ValueError, match="laws must be at least one"):
        magnitude_pruning([])
    with pytest.raises(KeyError):
        magnitude_pruning([Results("something else", {"measurement": {"magnitude_pruning": {"dataset": "x"}}})])


def test_command_line_draws_it_from_files(tmp_path, capsys):
    made_up().save(tmp_path / "digits-law.nc")
    cli.main(["magnitude-pruning", str(tmp_path / "digits-law.nc")])
    assert {path.name for path in tmp_path.glob("magnitude*")} == {"magnitude-pruning.pdf", "magnitude-pruning.png"}
    assert "saved in" in capsys.readouterr().out
