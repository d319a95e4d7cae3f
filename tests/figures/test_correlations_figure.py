"""Rank correlations of scores: against SciPy, five random scores, the order, and what the picture says."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from data_pruning import Results
from figures.__main__ import cli
from figures.draw.correlations import correlations
from real_data.scores import Scores, rank_agreement, rank_correlation
from real_data.scores.rank_agreement import hierarchical_order

RNG = np.random.default_rng(5)
N = 2000


def scores(values, metric, fingerprint="f"):
    return Scores(metric, np.asarray(values, float), "imagenet", fingerprint)


def families():
    """Two families of two scores each and a binary one, in turn: el2n, memorization, grand, dual, active-learning."""
    one, other = RNG.normal(size=(2, N))
    noise = 0.2 * RNG.normal(size=(2, N))
    chosen = (RNG.permutation(N) < 0.8 * N) * 1.0
    values = {"el2n": one, "memorization": other, "grand": one + noise[0], "dual": other + noise[1]}
    return [*(scores(each, metric) for metric, each in values.items()), scores(chosen, "active-learning")]


def test_the_matrix_is_that_of_scipy_with_ties_too():
    counts = RNG.integers(0, 4, (3, N)) + RNG.integers(0, 2, N)  # many ties
    found = [scores(each, f"m{i}") for i, each in enumerate([*counts, *RNG.normal(size=(2, N))])]
    expected = spearmanr(np.stack([one.values for one in found], axis=1)).statistic
    matrix = rank_correlation(found)
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.diag(matrix).tolist() == [1] * 5


def test_five_random_scores_are_unrelated():
    """|rho| < 4 / sqrt(n): ten pairs exceed it with probability 6e-4 (four standard deviations); the seed is fixed."""
    rng = np.random.default_rng(100)
    n = 100_000
    found = [scores(rng.random(n), f"random-{100 + i}") for i in range(5)]
    results = rank_agreement(found)
    apart = results["correlation"][~np.eye(5, dtype=bool)]
    assert np.abs(apart).max() < 4 / np.sqrt(n)
    assert np.diag(results["correlation"]).tolist() == [1] * 5
    assert results["tied"].tolist() == [0] * 5


def test_similar_scores_stand_side_by_side():
    found = families()
    results = rank_agreement(found)
    names = results["name"].tolist()
    assert abs(names.index("el2n") - names.index("grand")) == 1
    assert abs(names.index("memorization") - names.index("dual")) == 1
    by_name = {one.metric: i for i, one in enumerate(found)}
    order = [by_name[name] for name in names]
    np.testing.assert_array_equal(results["correlation"], rank_correlation(found)[np.ix_(order, order)])
    tied = dict(zip(names, results["tied"], strict=True))
    assert tied == {name: float(name == "active-learning") for name in names}
    assert [one["metric"] for one in results.config["of"]] == names
    assert hierarchical_order(np.eye(2)).tolist() == [0, 1]
    # a chain 1 - 0 - 2: the middle one comes between the others
    chain = np.array([[1, 0.9, 0.8], [0.9, 1, 0.2], [0.8, 0.2, 1]])
    assert hierarchical_order(chain).tolist() in ([1, 0, 2], [2, 0, 1])


def test_the_picture_says_what_the_table_says():
    results = rank_agreement(families())
    figure = correlations(results)
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), results["correlation"])
    texts = [text.get_text() for text in axes.texts]
    assert texts[:25].count("1.00") == 5
    numbers = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts[:25]]
    np.testing.assert_allclose(np.reshape(numbers, (5, 5)), results["correlation"], atol=0.0051)
    assert sorted(texts[25:30]) == ["0", "0", "0", "0", "100"]
    assert "tied (%)" in texts
    shown = [text.get_text() for text in axes.get_yticklabels()]
    assert shown == [text.get_text() for text in axes.get_xticklabels()]
    assert shown.index("EL2N") == results["name"].tolist().index("el2n")
    assert axes.get_title() == "imagenet, 2,000 images"


def test_the_command_needs_no_images(tmp_path, capsys):
    files = [str(one.save(tmp_path / f"imagenet-{one.metric}.nc")) for one in families()]
    cli.main(["correlations", *files, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "active-learning: 100 % of the examples share their score with others" in said
    results = Results.load(tmp_path / "out" / "correlations.nc")
    assert sorted(results["name"]) == ["active-learning", "dual", "el2n", "grand", "memorization"]
    assert (tmp_path / "out" / "correlations.png").exists()
    assert (tmp_path / "out" / "correlations.pdf").exists()
    # two files of one metric go by the names of the files
    again = str(families()[0].save(tmp_path / "second-el2n.nc"))
    cli.main(["correlations", files[0], again, "--out", str(tmp_path / "two")])
    two = Results.load(tmp_path / "two" / "correlations.nc")
    assert sorted(two["name"]) == ["imagenet-el2n", "second-el2n"]
    other = str(scores(RNG.normal(size=N), "margin", "other images").save(tmp_path / "other.nc"))
    with pytest.raises(SystemExit):
        cli.main(["correlations", files[0], other, "--out", str(tmp_path / "two")])
    assert "fingerprint f, but scores[1] (margin) of 'imagenet', 2000 examples, fingerprint other" in (
        capsys.readouterr().err
    )


def test_what_cannot_be_compared_is_refused():
    found = families()
    with pytest.raises(ValueError, match="scores must be at least two, got 1"):
        rank_agreement(found[:1])
    with pytest.raises(ValueError, match="names must be 2 different ones, one for each score, got a, a"):
        rank_agreement(found[:2], ["a", "a"])
    with pytest.raises(ValueError, match="at most 40 scores in one picture, got 41"):
        correlations(rank_agreement([scores(RNG.normal(size=50), str(i)) for i in range(41)]))
    with pytest.raises(ValueError, match="these results have no 'correlation'"):
        correlations(Results("something else"))
