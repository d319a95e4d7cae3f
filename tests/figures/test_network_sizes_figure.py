"""The figure of the joint law on real networks shows the numbers it was given."""

import numpy as np
import pytest

from data_pruning import Results
from figures.__main__ import cli
from figures.draw.network_sizes import network_sizes


def made_up(fitted=True):
    law = Results("made up", {"measurement": {"model_sizes": {"experiment": {"dataset": "digits"}}}})
    width, pool, rules = np.array([4.0, 8.0, 16.0]), np.array([100, 200, 400, 800]), ["all", "hard"]
    n = np.stack([np.broadcast_to(pool, (3, 4)), np.broadcast_to(pool // 2, (3, 4))])
    error = 2 * n**-0.5 + width[None, :, None] ** -1.0
    cells = ("selection", "model", "pool")
    law.add("width", "model", width, "1", "")
    law.add("depth", "model", [1, 1, 2], "1", "")
    law.add("rule", "selection", rules, "", "")
    law.add("fraction", "selection", [1.0, 0.5], "1", "")
    law.add("form", "form", ["envelope", "additive", "kaplan"], "", "")
    law.add("noise", "selection", [0.01, 0.02], "1", "")
    law.add("unchanged_mean", "selection", [0.1, 0.2], "1", "")
    law.add("unchanged_std", "selection", [0.05, 0.06], "1", "")
    for name, values in (
        ("num_kept", n),
        ("error", error),
        ("standard_error", 0.02 * error),
        ("small", ((n <= 200) & (width[:, None] < 16)).astype(int)),
        ("learned", np.ones(error.shape, int)),
    ):
        law.add(name, cells, values, "1", "")
    three = ("selection", "measure", "form")
    for number, name in enumerate(("mean_inside", "std_inside", "mean_outside", "std_outside")):
        law.add(name, three, np.full((2, 1, 3), 0.01 * number + 0.01) + 0.001 * np.arange(3), "1", "")
    law.add("fitted", three, np.array([[[1, 1, 1]], [[1, int(fitted), 1]]]), "1", "")
    law.add("law", (*three, "model", "pool"), np.broadcast_to(1.1 * error[:, None, None], (2, 1, 3, 3, 4)), "1", "")
    return law


def test_panels_hold_the_errors_the_law_and_its_deviations():
    law = made_up()
    errors, deviations, by_rule = network_sizes([law]).axes
    full, empty = errors.containers[0].lines[0], errors.containers[1].lines[0]
    np.testing.assert_allclose(full.get_ydata(), law["error"][0, 0, :2])
    np.testing.assert_allclose(empty.get_ydata(), law["error"][0, 0, 2:])
    assert empty.get_markerfacecolor() == "white" != full.get_markerfacecolor()
    dashed = [line for line in errors.get_lines() if line.get_linestyle() == "--"]
    solid = [line for line in errors.get_lines() if line.get_linestyle() == "-"]
    np.testing.assert_allclose(dashed[1].get_ydata(), law["law"][0, 0, 0, 1])
    assert len(solid[1].get_xdata()) == 2  # continued from the fitted ones
    assert len(solid[2].get_xdata()) == 0  # too wide to be fitted
    for line in deviations.get_lines()[1:]:
        np.testing.assert_allclose(line.get_ydata(), 10)
    assert r"+3.0 $\pm$ 4.0 %; noise 1.0 %" in deviations.get_title()
    np.testing.assert_allclose(by_rule.containers[3].lines[0].get_xdata(), [3.1, 3.1])  # additive, judged
    np.testing.assert_allclose(by_rule.containers[6].lines[0].get_xdata(), [10, 20])  # no law
    assert [text.get_text() for text in by_rule.get_yticklabels()] == ["all", "hard"]


def test_a_law_that_was_not_fitted_says_so():
    figure = network_sizes([made_up(), made_up(fitted=False)], ["one", "two"])
    assert len(figure.axes) == 6
    assert figure.axes[3].get_title().startswith("two; lines")
    assert next(text.get_text() for text in figure.axes[5].texts) == "additive: no fit"
    assert len(figure.axes[5].containers[2].lines[0].get_xdata()) == 1
    with pytest.raises(ValueError, match="laws must be at least one"):
        network_sizes([])
    with pytest.raises(ValueError, match="titles must be 1, one for each file, got 2"):
        network_sizes([made_up()], ["one", "two"])


def test_the_command_draws_saved_laws(tmp_path, capsys):
    law = made_up()
    law.save(tmp_path / "digits-joint-law.nc")
    cli.main(["network-sizes", str(tmp_path / "digits-joint-law.nc")])
    assert "network-sizes.png" in capsys.readouterr().out
    assert (tmp_path / "network-sizes.pdf").stat().st_size > 5000
