"""Pictures of image experiments and scores: what the axes contain, and what is refused."""

import io
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from figures.draw.extreme_images import extreme_images
from figures.draw.image_scores import rank_correlations, score_histograms
from figures.draw.images import fig3
from figures.draw.looks import LOOKS, rule_label, rule_look
from perceptron_theory import Results
from real_data.findings.frontier import pareto_frontier
from real_data.scores import Scores


def experiment(
    *, metrics=("el2n",), pools=(1000,), rules=("hard", "easy", "random"), fractions=(0.2, 0.4), num_seeds=6
):
    """Errors that fall as K^(-1/2), harder rules lower, with 2 % of noise."""
    rng = np.random.default_rng(0)
    results = Results("experiment", {"experiment": {"dataset": "cifar10"}})
    results.add("metric", "metric", list(metrics), "", "")
    results.add("pool_size", "pool", list(pools), "1", "")
    results.add("rule", "rule", list(rules), "", "")
    results.add("fraction", "fraction", list(fractions), "1", "")
    results.add("seed", "seed", np.arange(num_seeds), "1", "")
    shape = (len(metrics), len(pools), len(rules), len(fractions), num_seeds)
    kept = np.multiply.outer(pools, fractions)
    worse = 1 + 0.2 * np.arange(len(rules))
    mean = worse[:, None, None] * np.sqrt(1 / kept)
    errors = mean.transpose(1, 0, 2)[None, ..., None] * (1 + 0.02 * rng.standard_normal(shape))
    whole = np.sqrt(2 / np.array(pools))[:, None] * (1 + 0.02 * rng.standard_normal((len(pools), num_seeds)))
    cells = ("metric", "pool", "rule", "fraction")
    num_kept = np.broadcast_to(np.round(kept).astype(int)[None, :, None, :, None], shape)
    results.add("num_kept", (*cells, "seed"), num_kept, "1", "")
    results.add("errors", (*cells, "seed"), errors, "1", "")
    results.add("mean", cells, errors.mean(axis=-1), "1", "")
    results.add("standard_error", cells, errors.std(axis=-1, ddof=1) / np.sqrt(num_seeds), "1", "")
    results.add("errors_all", ("pool", "seed"), whole, "1", "")
    results.add("mean_all", "pool", whole.mean(axis=-1), "1", "")
    results.add("standard_error_all", "pool", whole.std(axis=-1, ddof=1) / np.sqrt(num_seeds), "1", "")
    return results


POOLS = (500, 1000, 2000, 4000)


def points_of(axes):
    """Positions of the points with error bars, and their bars, by label."""
    found = {}
    for container in axes.containers:
        (bars,) = container.lines[2]
        segments = np.array([segment[:, 1] for segment in bars.get_segments()])
        found[container.get_label()] = (container.lines[0].get_xydata(), segments)
    return found


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_one_panel_per_metric_of_one_pool():
    results = experiment(metrics=("el2n", "grand"), rules=("hard", "window@0.5", "policy@0,0.5/1"))
    figure = fig3(results)
    assert [axes.get_title() for axes in figure.axes] == [
        "cifar10, EL2N scores, 6 seeds",
        "cifar10, GraNd scores, 6 seeds",
    ]
    for m, axes in enumerate(figure.axes):
        drawn = points_of(axes)
        assert list(drawn) == ["keep hard", "window at $P$ = 0.5", "policy"]
        for r, (points, bars) in enumerate(drawn.values()):
            mean, error = 100 * results["mean"][m, 0, r], 100 * results["standard_error"][m, 0, r]
            np.testing.assert_allclose(points, np.column_stack([[200, 400], mean]))
            np.testing.assert_allclose(bars, np.column_stack([mean - error, mean + error]))
    assert "all training images" in legend_of(figure.axes[0])
    assert [axes.get_title() for axes in fig3(results, "grand").axes] == ["cifar10, GraNd scores, 6 seeds"]


def test_ticks_are_plain_numbers_that_do_not_overlap():
    figure = fig3(experiment(pools=(60000,), fractions=(0.1, 0.2, 0.3, 0.4, 0.6, 0.8)))
    figure.savefig(io.BytesIO(), format="png")
    axes = figure.axes[0]
    ticks = [tick for tick in axes.get_xticklabels() if tick.get_text()]
    assert ticks[0].get_text() == "6,000"
    assert ticks[-1].get_text() == "48,000"
    boxes = [tick.get_window_extent() for tick in ticks]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert len([tick for tick in axes.get_yticklabels() if tick.get_text()]) >= 2


def test_windows_run_from_hard_to_easy():
    assert rule_look("hard") is LOOKS["hard"]
    np.testing.assert_allclose(rule_look("window@0")["color"][:3], (0.267, 0.005, 0.329), atol=0.01)  # that of hard
    lightness = [sum(rule_look(f"window@{p:g}")["color"][:3]) for p in np.linspace(0, 1, 5)]
    assert np.all(np.diff(lightness) > 0)
    assert rule_label("window@0.25") == "window at $P$ = 0.25"


def test_several_pools_show_fractions_frontier_and_fits():
    results = experiment(pools=POOLS, rules=("hard", "random"))
    figure = fig3(results)
    assert [axes.get_title() for axes in figure.axes] == ["keep hard", "random", "power law or exponential?"]
    for r, axes in enumerate(figure.axes[:2]):
        drawn = points_of(axes)
        assert list(drawn) == ["20 %", "40 %", "100 %"]
        for f in range(2):
            kept = np.array(POOLS) * (0.2, 0.4)[f]
            expected = np.column_stack([kept, 100 * results["mean"][0, :, r, f]])
            np.testing.assert_allclose(list(drawn.values())[f][0], expected)
        np.testing.assert_allclose(drawn["100 %"][0], np.column_stack([POOLS, 100 * results["mean_all"]]))
        found = pareto_frontier(results)
        band = np.column_stack([found.num_kept, 100 * found.mean])
        assert any(line.get_label() == "best of all" and np.allclose(line.get_xydata(), band) for line in axes.lines)
    fits = figure.axes[2]
    drawn = points_of(fits)
    np.testing.assert_allclose(drawn["best of all"][0], band)
    np.testing.assert_allclose(drawn["all of the pool"][0], np.column_stack([POOLS, 100 * results["mean_all"]]))
    texts = legend_of(fits)
    assert texts[0] == "best of all"
    assert sum(text.startswith("power law, $b$ = 0.") for text in texts) == 2
    assert sum(text.startswith("verdict: ") for text in texts) == 2
    # the data are a power law, and the frontier has points enough to say so
    assert texts[3].startswith("verdict: power law")


def test_what_cannot_be_fitted_is_said():
    texts = legend_of(fig3(experiment(pools=POOLS[:2], rules=("hard",), num_seeds=3)).axes[-1])
    assert any(text.startswith("no frontier") for text in texts)
    assert any(text.startswith("no fit") for text in texts)


def test_fig3_refuses_what_is_not_there():
    several = experiment(metrics=("el2n", "grand"), pools=POOLS)
    with pytest.raises(ValueError, match="metric must be one of el2n, grand: the results have several, got None"):
        fig3(several)
    with pytest.raises(ValueError, match="metric must be one of el2n, grand, got 'margin'"):
        fig3(several, "margin")
    with pytest.raises(KeyError):
        fig3(Results("something else"))


@pytest.fixture(scope="module")
def dataset():
    """Three classes of twelve images of 4 x 4 pixels, each of one grey value that is its number."""
    images = np.broadcast_to(np.arange(36, dtype=np.uint8)[:, None, None, None], (36, 4, 4, 1))
    return SimpleNamespace(
        name="greys",
        train_images=images,
        train_labels=np.arange(36) % 3,
        num_classes=3,
        class_names=("cat", "dog", "ship"),
        train_fingerprint="greys",
    )


def scores_of(values, metric="el2n", fingerprint="greys"):
    return Scores(metric, np.asarray(values, float), "greys", fingerprint)


def test_hardest_and_easiest_images_by_hand(dataset):
    # the harder the brighter: of class 0, images 33, 30 are the hardest and 3, 0 the easiest
    figure = extreme_images(dataset, scores_of(np.arange(36)), num_per_class=2)
    hard, easy = figure.axes
    assert (hard.get_title(), easy.get_title()) == ("hardest", "easiest")
    assert [text.get_text() for text in hard.get_yticklabels()] == ["cat", "dog", "ship"]
    for axes, rows in ((hard, [[33, 30], [34, 31], [35, 32]]), (easy, [[3, 0], [4, 1], [5, 2]])):
        mosaic = axes.get_images()[0].get_array()
        assert mosaic.shape == (15, 10)  # cells of 4 + 1 pixels
        np.testing.assert_array_equal(mosaic[1::5, 1::5], rows)
        np.testing.assert_array_equal(mosaic[4::5], 255)  # white between the rows


def test_images_in_colour_and_of_chosen_classes(dataset):
    colour = np.repeat(dataset.train_images, 3, axis=-1).astype(np.float32) - 10  # standardised, say
    in_colour = SimpleNamespace(**vars(dataset) | {"train_images": colour, "class_names": None})
    figure = extreme_images(in_colour, scores_of(np.arange(36)), num_per_class=3, classes=[2, 1])
    mosaic = figure.axes[0].get_images()[0].get_array()
    assert mosaic.shape == (10, 15, 3)
    # from the darkest drawn, number 1, to the brightest, number 35
    assert figure.axes[1].get_images()[0].get_array()[6, 13, 0] == 0
    assert mosaic[1, 1, 0] == 255
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["2", "1"]


def test_extreme_images_refuses_what_does_not_fit(dataset):
    scores = scores_of(np.arange(36))
    with pytest.raises(ValueError, match="other"):
        extreme_images(dataset, scores_of(np.arange(36), fingerprint="other"))
    with pytest.raises(ValueError, match="class 0 has 12 training images, but num_per_class = 7"):
        extreme_images(dataset, scores, num_per_class=7)
    with pytest.raises(ValueError, match="num_per_class must be at least 1, got 0"):
        extreme_images(dataset, scores, num_per_class=0)
    with pytest.raises(ValueError, match=r"classes must be in \[0, 3\), got 3"):
        extreme_images(dataset, scores, classes=[3])
    many = SimpleNamespace(**vars(dataset) | {"num_classes": 100})
    with pytest.raises(ValueError, match="classes must be 1 to 20 of the 100 classes, got 100"):
        extreme_images(many, scores)
    two_channels = SimpleNamespace(**vars(dataset) | {"train_images": np.zeros((36, 4, 4, 2), np.uint8)})
    with pytest.raises(ValueError, match="1 or 3 channels"):
        extreme_images(two_channels, scores)


def test_histograms_count_every_image():
    rng = np.random.default_rng(0)
    gradient, events = rng.random(500), rng.integers(0, 6, 500)
    figure = score_histograms([scores_of(gradient, "grand"), scores_of(events, "forgetting")], num_bins=20)
    assert [axes.get_xlabel().splitlines()[0] for axes in figure.axes] == [
        "GraNd: length of the gradient",
        "forgetting events",
    ]
    counts = [axes.patches[0].get_data().values for axes in figure.axes]
    np.testing.assert_array_equal(counts[0], np.histogram(gradient, 20)[0])
    np.testing.assert_array_equal(counts[1], np.bincount(events))  # counts: one bin for each
    np.testing.assert_array_equal(figure.axes[1].patches[0].get_data().edges, np.arange(7) - 0.5)
    # forty values in at most twenty bins: two in each
    wide = score_histograms([scores_of(np.arange(40))], num_bins=20).axes[0].patches[0].get_data()
    np.testing.assert_array_equal(wide.values, np.full(20, 2))


def test_histograms_of_classes_are_sorted_by_their_median():
    labels = np.repeat([0, 1, 2], 100)
    values = np.random.default_rng(0).random(300) + np.array([1, 2, 0])[labels]
    figure = score_histograms([scores_of(values)], labels, class_names=["cat", "dog", "ship"], num_bins=30)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["ship", "cat", "dog"]  # from below
    (mesh,) = axes.collections
    percent = np.ma.filled(mesh.get_array(), 0).reshape(3, 30)
    np.testing.assert_allclose(percent.sum(axis=1), 100)
    expected = [np.histogram(values[labels == label], np.histogram_bin_edges(values, 30))[0] for label in (2, 0, 1)]
    np.testing.assert_allclose(percent, expected)  # a hundred each: numbers are per cent


def test_histograms_refuse_what_does_not_fit():
    scores = scores_of(np.arange(36))
    with pytest.raises(ValueError, match="scores must be a list of at least 1, got 0"):
        score_histograms([])
    with pytest.raises(ValueError, match="scores must be a list of at least 1, got one that is no list"):
        score_histograms(scores)
    with pytest.raises(ValueError, match=r"labels must be integers of shape \(36,\)"):
        score_histograms([scores], np.arange(35))
    with pytest.raises(ValueError, match="labels must be of at most 20 classes, got 36"):
        score_histograms([scores], np.arange(36))
    with pytest.raises(ValueError, match="num_bins must be at least 1, got 0"):
        score_histograms([scores], num_bins=0)


def test_rank_correlations_by_hand():
    # the last ranking swaps the ends of five: 1 - 6 (4^2 + 4^2) / (5 * 24) = -0.6
    scores = [scores_of([1, 2, 3, 4, 5]), scores_of([1, 4, 9, 16, 25], "margin"), scores_of([5, 2, 3, 4, 1], "random")]
    figure = rank_correlations(scores)
    axes = figure.axes[0]
    expected = [[1, 1, -0.6], [1, 1, -0.6], [-0.6, -0.6, 1]]
    np.testing.assert_allclose(axes.get_images()[0].get_array(), expected)
    assert [text.get_text() for text in axes.texts] == ["1.00", "1.00", "\N{MINUS SIGN}0.60"] * 2 + [
        "\N{MINUS SIGN}0.60",
        "\N{MINUS SIGN}0.60",
        "1.00",
    ]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["EL2N", "margin", "random"]
    with pytest.raises(ValueError, match="names must be as many as scores, 3, got 1"):
        rank_correlations(scores, names=["one"])
    with pytest.raises(ValueError, match="at least 2, got 1"):
        rank_correlations(scores[:1])
    with pytest.raises(ValueError, match="fingerprint"):
        rank_correlations([scores[0], scores_of([1, 2, 3, 4, 5], fingerprint="other")])
