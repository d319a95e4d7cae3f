"""Pictures of rules on real images show the numbers they were given."""

import sys
from subprocess import run

import numpy as np
import pytest

from data_pruning import Results
from figures import learned_rule, rule_benchmark
from figures.draw.looks import rule_label, rule_look

RULES = ("window@0.25", "proportional@1+weighted", "coverage@0.1", "random")


def benchmark():
    rng = np.random.default_rng(0)
    results = Results("made up", {})
    results.add("metric", "metric", ["el2n"], "", "")
    results.add("pool_size", "pool", [4000, 1000], "1", "")
    results.add("rule", "rule", list(RULES), "", "")
    results.add("fraction", "fraction", [0.1, 0.3], "1", "")
    results.add("seed", "seed", np.arange(5), "1", "")
    dims = ("metric", "pool", "rule", "fraction", "seed")
    wrong = rng.random((1, 2, 4, 2, 5, 100)) < 0.3
    results.add("wrong", (*dims, "test"), wrong, "1", "")
    results.add("errors", dims, wrong.mean(axis=-1), "1", "")
    results.add("mean", dims[:-1], wrong.mean(axis=(-1, -2)), "1", "")
    results.add("test_scores", ("metric", "pool", "seed", "test"), rng.random((1, 2, 5, 100)), "1", "")
    results.add("errors_all", ("pool", "seed"), np.full((2, 5), 0.1), "1", "")
    return results


def test_gains_over_random_by_pool():
    results = benchmark()
    figure = rule_benchmark(results)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["pool 1,000", "pool 4,000"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "window at $P$ = 0.25",
        "score to the power 1, weighted",
        "coverage, 0.1 trimmed",
    ]
    bars = figure.axes[1].containers[1]  # pool 4,000 at f = 0.3
    gains = 100 * (results["errors"][0, 0, 3, 1] - results["errors"][0, 0, :3, 1])
    np.testing.assert_allclose(bars.lines[0].get_xdata(), gains.mean(axis=-1))
    widths = [np.ptp(segment[:, 0]) / 2 for segment in bars.lines[2][0].get_segments()]
    np.testing.assert_allclose(widths, 2.776445 / np.sqrt(5) * gains.std(axis=-1, ddof=1), rtol=1e-5)
    assert "pool 4,000, f = 0.3" in figure.axes[2].get_title()
    with pytest.raises(ValueError, match="metric must be one of el2n, got 'grand'"):
        rule_benchmark(results, metric="grand")


def test_looks_and_names_of_all_rules():
    names = ("proportional@0.5", "coverage@0", "mix@0.1", "rs2", "infobatch", "policy@0,1/0.5", "random+weighted@0.5")
    looks = [rule_look(name) for name in names]
    assert all({"color", "marker", "linestyle"} == look.keys() for look in looks)
    assert rule_look("proportional@0.5") != rule_look("proportional@0.5+weighted")
    assert rule_label("random+weighted@0.5") == "random, weighted 0.5"
    assert rule_label("mix@0.1") == "mix, share 0.1"
    assert rule_label("proportional@1+trim@0.2+weighted") == "score to the power 1, 0.2 trimmed, weighted"


def learned():
    results = Results("made up", {"experiment": {"fractions": [0.3]}, "rule": "random"})
    results.add("edge", "edge", [0.0, 0.5, 1.0], "1", "")
    for name, values in (("value", [[1.0, -1.0], [0.1, -0.1]]), ("standard_error", [[0.2, 0.3]] * 2)):
        results.add(name, ("round", "bin"), values, "1", "")
    results.add("base", ("round", "bin"), [[0.3, 0.3], [0.4, 0.2]], "1", "")
    results.add("gain", "round", [0.02, 0.0], "1", "")
    results.add("gain_half_width", "round", [0.01, 0.01], "1", "")
    return results


def test_values_of_ranks_and_the_rule():
    figure = learned_rule(learned())
    first = figure.axes[0].containers[0]
    np.testing.assert_allclose(first.lines[0].get_ydata(), [1, -1])
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["round 1", "round 2: no step helps"]
    assert len(figure.axes) == 2
    with pytest.raises(KeyError):
        learned_rule(Results("something else", {}))


def test_command_lines_draw_them_from_files(tmp_path):
    benchmark().save(tmp_path / "x.nc")
    learned().save(tmp_path / "learned-rule.nc")
    for command in (["rules", tmp_path / "x.nc"], ["learned-rule", tmp_path / "learned-rule.nc", "--alpha-tot", "3"]):
        done = run([sys.executable, "-m", "figures", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.glob("*.p*")}
    assert names == {"rules.pdf", "rules.png", "learned-rule.pdf", "learned-rule.png"}
