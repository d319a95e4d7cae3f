"""EL2N: values by hand, independence of batch size, and what it means."""

from functools import partial

import numpy as np
import pytest

from real_data import MLP, TrainingConfig, el2n, load_digits
from real_data.scores import error_norm

MODEL = partial(MLP, 64, 10)
DATA = load_digits(0)
CONFIG = TrainingConfig(num_steps=50)


def scored(**change):
    return el2n(MODEL, DATA.train_images, DATA.train_labels, **({"config": CONFIG, "num_networks": 3} | change))


def test_error_norm_by_hand():
    # uniform over ten classes: sqrt(0.9^2 + 9 * 0.1^2) = sqrt(0.9)
    np.testing.assert_allclose(error_norm(np.full((4, 10), 3.7), [0, 3, 5, 9]), np.sqrt(0.9), rtol=1e-15)
    # sure and right: 0; sure and wrong: sqrt 2, also where exp would overflow
    sure = np.array([[1000.0, 0.0, 0.0]])
    assert error_norm(sure, [0]) == 0
    np.testing.assert_allclose(error_norm(sure, [2]), np.sqrt(2), rtol=1e-15)
    # odds 3 : 1, so p = 3/4: sqrt 2 (1 - 3/4)
    np.testing.assert_allclose(error_norm([[np.log(3), 0.0]], [0]), np.sqrt(2) / 4, rtol=1e-15)


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
    scores = el2n(MODEL, DATA.train_images, labels, config=CONFIG, num_networks=3)
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
