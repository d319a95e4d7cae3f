"""Figure 5 shows the matrix of correlations above the benchmark of scores."""

import io

import numpy as np
import pytest

from data_pruning import Results
from figures import fig5
from figures.__main__ import cli
from real_data.scores import Scores, rank_agreement

METRICS = ("el2n", "memorization", "ssl-prototypes", "ddd", "own score")


def scores():
    values = np.random.default_rng(0).normal(size=(len(METRICS), 500))
    return [Scores(metric, each, "cifar10", "f") for metric, each in zip(METRICS, values, strict=True)]


def benchmark(metrics=METRICS):
    rng = np.random.default_rng(0)
    results = Results("Benchmark of scores of difficulty", {})
    results.add("metric", "metric", list(metrics), "", "")
    results.add("rule", "rule", ["hard", "random"], "", "")
    results.add("fraction", "fraction", [0.2, 0.6], "1", "")
    results.add("seed", "seed", np.arange(5), "1", "")
    results.add("pool_size", (), 1000, "1", "")
    cells, shape = ("metric", "rule", "fraction"), (len(metrics), 2, 2)
    for name in ("error", "error_half_width", "class_excess"):
        results.add(name, cells, 0.05 + 0.1 * rng.random(shape), "1", "")
    results.add("num_failed", cells, np.zeros(shape, int), "1", "")
    results.add("error_all", (), 0.04, "1", "")
    return results


def test_matrix_and_benchmark_are_those_of_their_own_pictures():
    agreement, results = rank_agreement(scores()), benchmark()
    figure = fig5(agreement, results)
    matrix, panels = figure.axes[0], [axes for axes in figure.axes if axes.get_xlabel() or axes.containers]
    np.testing.assert_array_equal(matrix.get_images()[0].get_array(), agreement["correlation"])
    assert [axes.get_title() for axes in panels] == ["EL2N", "memorization", "SSL prototype", "DDD", "own score"]
    shown = {text.get_text() for text in matrix.get_yticklabels()}
    assert shown == {axes.get_title() for axes in panels}  # the same names in both parts
    for m, axes in enumerate(panels):
        for r, container in enumerate(axes.containers):
            np.testing.assert_allclose(container.lines[0].get_ydata(), 100 * results["error"][m, r])
    above, below = figure.subfigs
    assert [part.texts[0].get_text() for part in (above, below)] == ["a", "b"]


def test_no_error_is_below_zero():
    """Intervals may be wider than errors."""
    results = benchmark()
    results["error_half_width"][...] = 0.07
    results["error"][...] = 0.05
    panel = next(axes for axes in fig5(rank_agreement(scores()), results).axes if axes.containers)
    assert panel.get_ylim()[0] == 0


def test_few_scores_leave_room_for_the_names():
    """The names on the left of a matrix of two scores are within the figure."""
    figure = fig5(rank_agreement(scores()[:2]), benchmark(METRICS[:2]))
    figure.savefig(io.BytesIO(), format="png")  # it is laid out
    edges = [label.get_window_extent().x0 for label in figure.axes[0].get_yticklabels()]
    assert min(edges) >= 0


def test_the_command_takes_a_table_or_score_files(tmp_path, capsys):
    files = [str(one.save(tmp_path / f"cifar10-{n}.nc")) for n, one in enumerate(scores())]
    table = str(rank_agreement(scores()).save(tmp_path / "correlations.nc"))
    of_scores = str(benchmark().save(tmp_path / "cifar10-benchmark.nc"))
    for correlations in ([table], files):
        cli.main(["fig5", "--benchmark", of_scores, "--correlations", *correlations, "--out", str(tmp_path / "out")])
        assert "fig5.png" in capsys.readouterr().out
    same = (tmp_path / "out" / "fig5.png").read_bytes()
    cli.main(["fig5", "--benchmark", of_scores, "--correlations", table, "--out", str(tmp_path / "again")])
    assert (tmp_path / "again" / "fig5.png").read_bytes() == same
    capsys.readouterr()
    for of_benchmark, correlations, complaint in (
        (table, [table], "correlations.nc is not a result of the command benchmark, but: Rank correlations of scores"),
        (of_scores, files[:1], "at least two score files, but"),
        (of_scores, [files[0], table], "correlations.nc is not a file of scores, but: Rank correlations of scores"),
    ):
        with pytest.raises(SystemExit):
            cli.main(["fig5", "--benchmark", of_benchmark, "--correlations", *correlations, "--out", str(tmp_path)])
        assert complaint in capsys.readouterr().err
