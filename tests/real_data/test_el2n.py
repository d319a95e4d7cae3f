"""EL2N of bare arrays: independence of batch size, seeds, and what it means."""

from functools import partial

import numpy as np
import pytest

from real_data import MLP, TrainingConfig, el2n, load_digits

MODEL = partial(MLP, 64, 10)
DATA = load_digits(0)
CONFIG = TrainingConfig(num_steps=50)


def scored(images=DATA.train_images, labels=DATA.train_labels, **change):
    return el2n(MODEL, images, labels, **({"config": CONFIG, "num_networks": 3} | change))


def test_networks_that_learn_nothing_see_the_initial_weights_only():
    """At a vanishing learning rate EL2N is that of the initial networks, near sqrt(0.9) everywhere."""
    scores = scored(config=TrainingConfig(num_steps=50, learning_rate=1e-30))
    assert np.abs(scores.mean() - np.sqrt(0.9)) < 0.02


def test_batch_size_does_not_matter():
    reference = scored()
    for batch_size in (7, 1199, 5000):
        np.testing.assert_allclose(scored(batch_size=batch_size), reference, rtol=0, atol=2e-6)


def test_scores_are_in_dataset_order_and_seeded():
    scores = scored(seed=4)
    np.testing.assert_array_equal(scores, scored(seed=4))
    assert not np.allclose(scores, scored(seed=5), atol=1e-3)
    assert scores.shape == (1200,)


def test_higher_is_harder():
    """Wrongly labelled examples are the hardest there are: their scores lie above nearly all others."""
    labels = DATA.train_labels.copy()
    wrong = np.arange(0, 1200, 60)
    labels[wrong] = (labels[wrong] + 1) % 10
    scores = scored(labels=labels)
    right = np.delete(scores, wrong)
    below = np.mean(right < scores[wrong, None])
    assert below > 0.97  # the area under the ROC curve


def test_average_over_networks_is_less_noisy():
    """Scores of three networks agree better with those of three others than single ones with single ones."""

    def agreement(num_networks):
        one, other = (scored(num_networks=num_networks, seed=seed) for seed in (0, 1))
        return np.corrcoef(one, other)[0, 1]

    assert agreement(3) > agreement(1) + 0.02


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="num_networks must be at least 1, got 0"):
        scored(num_networks=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        scored(batch_size=0)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        scored(seed=-1)
    images = DATA.train_images.copy()
    images[[3, 8], 0, 0, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"images must be finite, but 2 of 1200 .* the first is image 3"):
        scored(images)
    with pytest.raises(ValueError, match="labels must be 1200 integers, one per image, got float64"):
        scored(labels=DATA.train_labels / 1)
    for label in (-1, 10):
        labels = DATA.train_labels.copy()
        labels[5] = label
        with pytest.raises(ValueError, match=r"labels must (lie in|be 1200 integers in) \[0, 10\)"):
            scored(labels=labels)
