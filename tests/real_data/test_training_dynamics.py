"""Scores of the course of a training: by hand, against loops, and of networks that are observed while they learn."""

import math
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from scipy.stats import rankdata
from small_normalized_network import SmallNormalizedNetwork

from real_data import MLP, ModelConfig, ScoreConfig, TrainingConfig, load_digits, train
from real_data.datasets import ImageDataset
from real_data.scores import (
    area_under_margin,
    course,
    difficulty_and_uncertainty,
    dynamic_uncertainty,
    forgetting_events,
    network_scores,
    score,
    score_all,
    scores_of_networks,
    temporal_dual_depth,
)
from real_data.training import restarts
from real_data.training.observation import epoch_ends

PERCEPTRON = partial(MLP, 64, 10, (8,))
CONFIG = TrainingConfig(
    num_steps=None, num_epochs=5, batch_size=32, learning_rate=0.1, warmup=0, schedule="constant", augmentation="crop"
)


def noisy_digits(seed, number):
    """Digits of which a tenth is labelled wrongly, and which."""
    rng = np.random.default_rng(seed)
    data = load_digits(0)
    chosen = rng.choice(1200, number, replace=False)
    labels = data.train_labels[chosen]
    wrong = rng.choice(number, number // 10, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, wrong.size)) % 10
    return ImageDataset("digits", data.train_images[chosen], labels, data.test_images, data.test_labels, 10), wrong


DATA, _ = noisy_digits(0, 150)
METRICS = ("aum", "dyn-unc", "tdds", "dual")


def short_windows(monkeypatch):
    monkeypatch.setattr(course, "WINDOW", 3)
    monkeypatch.setattr(course, "DUAL_EPOCHS", 4)


def observed(metrics=METRICS, model=PERCEPTRON, config=CONFIG, **settings):
    watched = course.Course.of(metrics, DATA.train_images, DATA.train_labels, 64)
    subsets = [np.arange(150)] * 2
    arguments = {"seeds": [3, 4], "config": config, "observation": watched, "networks_at_once": 2}
    return train(model, DATA.train_images, DATA.train_labels, subsets, **(arguments | settings))


def test_aum_by_hand():
    # label 0: margins of the logits 3 - 1 and 0 - 5, mean -1.5; label 2: -2 - 3 and 5 - 0, mean 0
    logits = [[[3.0, 1.0, 0.0], [3.0, 1.0, -2.0]], [[0.0, 2.0, 5.0], [0.0, -9.0, 5.0]]]
    np.testing.assert_allclose(area_under_margin(logits, [0, 2]), [1.5, 0.0], rtol=1e-15)
    # of logits, not of probabilities: adding a number to all changes nothing, doubling doubles
    np.testing.assert_allclose(area_under_margin(2 * np.array(logits) + 100, [0, 2]), [3.0, 0.0], rtol=1e-13)


def test_uncertainty_by_hand():
    # windows (0, 0.5, 1) and (0.5, 1, 1): unbiased deviations 1/2 and sqrt(1/12), means 1/2 and 5/6
    course_of_one = np.array([0.0, 0.5, 1.0, 1.0])[:, None]
    expected = (1 / 2 + math.sqrt(1 / 12)) / 2
    np.testing.assert_allclose(dynamic_uncertainty(course_of_one, window=3), [expected], rtol=1e-15)
    dual = (1 / 2 * 1 / 2 + math.sqrt(1 / 12) * 1 / 6) / 2
    np.testing.assert_allclose(difficulty_and_uncertainty(course_of_one, window=3), [dual], rtol=1e-15)
    early = difficulty_and_uncertainty(course_of_one, window=3, num_epochs=3)  # the first window alone
    np.testing.assert_allclose(early, [1 / 4], rtol=1e-15)
    # an example that stays wrong, or right, moves nothing
    assert dynamic_uncertainty(np.zeros((12, 3))).tolist() == difficulty_and_uncertainty(np.ones((12, 3))).tolist()


def test_tdds_by_hand():
    # odds 1, 3, 1, 3 of two classes: p = 1/2, 3/4, 1/2, 3/4
    logits = np.log(np.array([[1.0, 1.0], [3.0, 1.0], [1.0, 1.0], [3.0, 1.0]]))[:, None]
    there = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(2)  # the absolute value of each term
    back = 1 / 2 * math.log(3 / 2) + 1 / 2 * math.log(2)
    depth = math.sqrt(2 * ((there - back) / 2) ** 2)  # of the changes (there, back), and of (back, there)
    np.testing.assert_allclose(temporal_dual_depth(logits, window=3), [(0.9 + 0.09) * depth], rtol=1e-13)
    np.testing.assert_allclose(temporal_dual_depth(logits, window=3, decay=1.0), [depth], rtol=1e-13)
    # as even a change as there can be has no depth
    steady = np.cumsum(np.zeros((12, 2, 3)), axis=0)
    assert temporal_dual_depth(steady).tolist() == [0, 0]


def random_course(num_epochs=14, shape=(2, 6, 4)):
    rng = np.random.default_rng(7)
    return rng.normal(0, 2, (num_epochs, *shape)), rng.integers(0, shape[-1], shape[-2])


def of_loops(logits, labels, window, dual_epochs):
    """The four scores of one network, by their definitions in words."""
    found = {metric: [] for metric in METRICS}
    num_epochs, number, _ = logits.shape
    for i in range(number):
        p = [[math.exp(z) / sum(map(math.exp, of_epoch[i])) for z in of_epoch[i]] for of_epoch in logits]
        right = [one[labels[i]] for one in p]
        margins = [z[i][labels[i]] - max(np.delete(z[i], labels[i])) for z in logits]
        found["aum"].append(-sum(margins) / num_epochs)
        spread, products = [], []
        for start in range(num_epochs - window + 1):
            part = right[start : start + window]
            mean = sum(part) / window
            spread.append(math.sqrt(sum((x - mean) ** 2 for x in part) / (window - 1)))
            if start + window <= dual_epochs:
                products.append(spread[-1] * (1 - mean))
        found["dyn-unc"].append(sum(spread) / len(spread))
        found["dual"].append(sum(products) / len(products))
        total = 0.0
        for start in range(num_epochs - window + 1):
            changes = [
                sum(abs(after * math.log(after / before)) for before, after in zip(p[t], p[t + 1], strict=True))
                for t in range(start, start + window - 1)
            ]
            mean = sum(changes) / len(changes)
            age = num_epochs - window - start
            total += 0.9 * 0.1**age * math.sqrt(sum((d - mean) ** 2 for d in changes))
        found["tdds"].append(total)
    return found


@pytest.mark.parametrize(("window", "dual_epochs"), [(3, 5), (10, 12), (14, 30)])
def test_against_loops(window, dual_epochs):
    logits, labels = random_course()
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    right = probabilities[:, :, np.arange(6), labels]
    found = {
        "aum": area_under_margin(logits, labels),
        "dyn-unc": dynamic_uncertainty(right, window=window),
        "tdds": temporal_dual_depth(logits, window=window),
        "dual": difficulty_and_uncertainty(right, window=window, num_epochs=dual_epochs),
    }
    for network in range(2):
        for metric, values in of_loops(logits[:, network], labels, window, dual_epochs).items():
            np.testing.assert_allclose(found[metric][network], values, rtol=1e-11, err_msg=metric)


def test_what_is_no_course_is_refused():
    logits, labels = random_course()
    right = np.full((9, 4), 0.5)
    for function, argument in (
        (dynamic_uncertainty, right),
        (difficulty_and_uncertainty, right),
        (temporal_dual_depth, logits[:9]),
    ):
        with pytest.raises(ValueError, match="window must be at most the 9 epochs of the training, got 10"):
            function(argument)
    for bad in (np.nan, -0.1, 1.5):
        with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\], but 1 of 36 do not"):
            dynamic_uncertainty(np.where(np.arange(36).reshape(9, 4) == 5, bad, right), window=3)
    with pytest.raises(ValueError, match=r"window must lie in \[2, "):
        dynamic_uncertainty(right, window=1)
    with pytest.raises(ValueError, match=r"window must lie in \[3, "):
        temporal_dual_depth(logits, window=2)
    with pytest.raises(ValueError, match=r"decay must lie in \(0, 1\]"):
        temporal_dual_depth(logits, decay=0.0)
    with pytest.raises(ValueError, match=r"num_epochs must lie in \[5, "):
        difficulty_and_uncertainty(right, window=5, num_epochs=4)
    with pytest.raises(ValueError, match="logits must be finite, but 1 of"):
        area_under_margin(np.where(np.arange(logits.size).reshape(logits.shape) == 3, np.inf, logits), labels)
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 4\)"):
        area_under_margin(logits, labels + 4)
    with pytest.raises(TypeError, match="labels must be integers"):
        area_under_margin(logits, labels * 1.0)
    with pytest.raises(ValueError, match="at least 2 classes"):
        area_under_margin(logits[..., :1], labels * 0)
    with pytest.raises(ValueError, match=r"\(num_epochs, ..., num_examples, num_classes\), got \(6, 4\)"):
        area_under_margin(logits[0, 0], labels)


def test_epochs_end_where_every_example_was_seen_once_more():
    epochs = TrainingConfig(num_steps=None, num_epochs=3, batch_size=32)
    assert epoch_ends(epochs, 150).tolist() == [5, 10, 15]  # 150 / 32 = 4.69, 300 / 32 = 9.4, 450 / 32 = 14.1
    assert epoch_ends(TrainingConfig(num_steps=14, batch_size=32), 150).tolist() == [5, 10]
    assert epoch_ends(TrainingConfig(num_steps=4, batch_size=32), 150).tolist() == []
    assert epoch_ends(TrainingConfig(num_steps=3, batch_size=200), 150).tolist() == [1, 2, 3]


@pytest.mark.parametrize("model", [PERCEPTRON, SmallNormalizedNetwork])
def test_observed_scores_are_those_of_trainings_that_end_with_each_epoch(model, monkeypatch):
    """At a constant learning rate a training of e epochs is the beginning of a longer one.

    The network with batch normalisation is in evaluation mode; neither sees the random shifts of the training.
    """
    short_windows(monkeypatch)
    networks = observed(model=model)
    logits, ends = [], []
    for num_epochs in range(1, 6):
        ended = observed(model=model, config=replace(CONFIG, num_epochs=num_epochs), observation=None)
        logits.append(ended.logits(DATA.train_images))
        ends.append(ended)
    np.testing.assert_array_equal(networks.losses, ends[-1].losses)  # looking changes nothing
    labels = DATA.train_labels
    shifted = np.exp(np.array(logits, np.float64))
    right = (shifted / shifted.sum(axis=-1, keepdims=True))[:, :, np.arange(150), labels]
    expected = {
        "aum": area_under_margin(logits, labels),
        "dyn-unc": dynamic_uncertainty(right, window=3),
        "tdds": temporal_dual_depth(logits, window=3),
        "dual": difficulty_and_uncertainty(right, window=3, num_epochs=4),
    }
    assert networks.observed.keys() == expected.keys()
    for metric, values in expected.items():
        np.testing.assert_allclose(networks.observed[metric], values, rtol=1e-5, atol=1e-7, err_msg=metric)
    found = scores_of_networks(networks, METRICS, DATA.train_images, labels)
    assert all(np.array_equal(found[metric], networks.observed[metric]) for metric in METRICS)


def test_interrupted_observations_go_on_to_the_same_bits(tmp_path, monkeypatch):
    """Interrupted while it looks, at every epoch once; checkpoints every 7 steps, epochs of 5."""
    short_windows(monkeypatch)
    expected = observed()
    look = course._Watched.observe
    refused = set()

    def interrupted(self, networks):
        epoch = int(self.epochs)
        if epoch not in refused:
            refused.add(epoch)
            raise KeyboardInterrupt
        look(self, networks)

    monkeypatch.setattr(course._Watched, "observe", interrupted)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            observed(folder=tmp_path, checkpoint_every=7)
    found = observed(folder=tmp_path, checkpoint_every=7)
    assert refused == {0, 1, 2, 3, 4}
    for metric in METRICS:
        np.testing.assert_array_equal(found.observed[metric], expected.observed[metric])
    again = observed(folder=tmp_path, checkpoint_every=7)  # finished: from the last checkpoint alone
    for metric in METRICS:
        np.testing.assert_array_equal(again.observed[metric], expected.observed[metric])
    with pytest.raises(ValueError, match=r"observed\.metrics is .* there and \['aum'\] now"):
        observed(("aum",), folder=tmp_path, checkpoint_every=7)


def test_a_network_that_starts_again_is_observed_again(monkeypatch):
    short_windows(monkeypatch)
    failed, calls = restarts._failed, []

    def second_failed(job, networks):
        calls.append(networks.num_networks)
        return np.array([False, True]) if len(calls) == 1 else failed(job, networks)

    monkeypatch.setattr(restarts, "_failed", second_failed)
    networks = observed()
    assert networks.learning_rates == ((0.1,), (0.1, 0.1 / 3))
    monkeypatch.undo()
    short_windows(monkeypatch)
    for i, rate in enumerate((0.1, 0.1 / 3)):
        alone = observed(config=replace(CONFIG, learning_rate=rate))
        for metric in METRICS:
            np.testing.assert_allclose(networks.observed[metric][i], alone.observed[metric][i], rtol=1e-3, atol=1e-6)


def test_a_network_that_diverges_does_not_disturb_its_neighbours(monkeypatch):
    short_windows(monkeypatch)
    watched = course.Course.of(METRICS, DATA.train_images, DATA.train_labels, 64)
    networks = observed()
    observer = watched.begin(networks)
    broken = replace(networks, params=_with_nan(networks.params, 1))
    for one in (networks, broken, networks):
        observer.observe(one)
    found = observer.result()
    for metric in METRICS:
        assert np.all(np.isfinite(found[metric][0])), metric
        assert np.all(np.isnan(found[metric][1])), metric
    with pytest.raises(FloatingPointError, match="aum must be finite, but 150 of 300 are not"):
        scores_of_networks(replace(networks, observed=found), ["aum"], DATA.train_images, DATA.train_labels)


def test_no_more_than_windows_of_numbers_is_held():
    """A few numbers per example and epoch of a window, whatever the number of classes, and the weights once."""
    networks = observed()
    observer = course.Course.of(METRICS, DATA.train_images, DATA.train_labels, 64).begin(networks)
    held = sum(array.size for array in jax.tree.leaves(observer.memory()))
    weights = sum(array.size for array in jax.tree.leaves((networks.params, networks.batch_stats)))
    rings = 2 * course.WINDOW + (course.WINDOW - 1)
    assert held - weights <= 2 * 150 * (rings + 4) + 10  # two networks; four sums


def _with_nan(tree, network):
    def spoiled(array):
        array = np.array(array)
        array[network] = np.nan
        return array

    return jax.tree.map(spoiled, tree)


def test_too_few_epochs_are_refused_before_any_training(monkeypatch):
    monkeypatch.setattr(restarts, "fit", None)
    short = TrainingConfig(num_steps=46, batch_size=32)  # 9 epochs of 150 are 43 steps, 10 are 47
    message = "needs at least 10 epochs, but a training of 46 steps of 32 of the 150 examples has 9: raise num_epochs"
    for metric in ("dyn-unc", "tdds", "dual"):
        with pytest.raises(ValueError, match=f"{metric} {message}"):
            score(DATA, ScoreConfig(metric, 2, short), model=ModelConfig())
    with pytest.raises(ValueError, match=r"aum needs at least 1 epochs, but a training of 4 steps .* has 0"):
        score(DATA, ScoreConfig("aum", 2, replace(short, num_steps=4)), model=ModelConfig())
    with pytest.raises(ValueError, match="last layer is solved for have no epochs to observe"):
        score(DATA, ScoreConfig("aum", 2, short), model=ModelConfig("patch-features"))
    with pytest.raises(ValueError, match=r"epochs of one length, got \[140, 150\] examples"):
        train(
            PERCEPTRON,
            DATA.train_images,
            DATA.train_labels,
            [np.arange(150), np.arange(140)],
            seeds=[1, 2],
            config=short,
            observation=course.Course.of(METRICS, DATA.train_images, DATA.train_labels, 64),
        )
    monkeypatch.undo()
    networks = observed(config=replace(CONFIG, num_epochs=1), observation=None)
    with pytest.raises(ValueError, match="aum, tdds need networks that were observed while they were trained"):
        scores_of_networks(networks, ["tdds", "aum"], DATA.train_images, DATA.train_labels)


def area(values, wrong):
    """Area under the ROC curve for finding the wrong labels: the share of pairs in the right order."""
    right = values.size - wrong.size
    return (rankdata(values)[wrong].sum() - wrong.size * (wrong.size + 1) / 2) / (wrong.size * right)


def test_wrong_labels_are_found(monkeypatch):
    """600 digits of which 60 are labelled wrongly, five networks, ten epochs.

    Over the seeds 0 to 3 the areas are 0.996 (standard deviation 0.001) for EL2N, 0.994 (0.001) for AUM and 0.988
    (0.003) for forgetting: 0.9 is 30 deviations away.  Public code leaves examples that are never learned at no
    forgetting events, the easiest: 0.605 (0.008) here, and below chance in a small public study.
    """
    events = []

    def recorded(correct, batches, number):
        found = forgetting_events(correct, batches, number)
        never = found == found.max(axis=1, keepdims=True)  # one more than is possible: nobody else has as many
        events.append(np.where(never, 0, found).mean(axis=0))
        return found

    monkeypatch.setattr(network_scores, "forgetting_events", recorded)
    data, wrong = noisy_digits(0, 600)
    config = TrainingConfig(num_steps=None, num_epochs=10, learning_rate=0.02, schedule="constant")
    metrics = ("el2n", "aum", "forgetting")
    found = score_all(data, [ScoreConfig(metric, 5, config) for metric in metrics], model=ModelConfig())
    for one in found:
        assert area(one.values, wrong) > 0.9, one.metric
    assert area(events[0], wrong) < 0.75
