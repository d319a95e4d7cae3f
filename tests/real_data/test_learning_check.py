"""Networks that did not learn: found, trained again at a lower rate, named, and never believed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import binom

from real_data import MLP, ImageDataset, ModelConfig, ScoreConfig, TrainingConfig, score, train
from real_data.training.learning_check import FALSE_ALARM, has_learned, label_statistics, stands_still

RNG = np.random.default_rng(0)
# two classes told apart by their colour, of 8 x 8 pixels
LABELS = np.arange(200) % 2
IMAGES = RNG.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
IMAGES[LABELS == 0, :, :, 0] |= 128
IMAGES[LABELS == 1, :, :, 2] |= 128
MODEL = partial(MLP, 192, 2, (8,))
CONFIG = TrainingConfig(num_steps=60, batch_size=32)
EVERYTHING = np.arange(200)


def test_most_frequent_share_and_entropy():
    share, entropy = label_statistics(np.array([0, 0, 0, 2]))
    assert share == 0.75
    assert entropy == pytest.approx(0.75 * np.log(4 / 3) + 0.25 * np.log(4))


@pytest.mark.parametrize("most_frequent", [0.25, 0.5, 0.1])
def test_of_networks_that_guess_one_in_a_thousand_passes(most_frequent):
    """Exact: the sum of the binomial chances of the counts that pass is at most FALSE_ALARM, and not far below."""
    for num_kept in (100, 1000):
        counts = np.arange(num_kept + 1)
        correct = np.arange(num_kept) < counts[:, None]  # one network for each count
        passes = has_learned(correct[:, None, :], np.full(counts.size, num_kept), np.full(counts.size, most_frequent))
        chance = binom.pmf(counts, num_kept, most_frequent)[passes].sum()
        assert FALSE_ALARM / 10 < chance <= FALSE_ALARM


def test_too_little_to_say_is_not_called_a_failure():
    nothing = np.zeros((1, 10, 8), bool)  # 3 steps of 8 in the last quarter
    assert has_learned(nothing, np.array([500]), np.array([0.5]))[0]
    assert not has_learned(np.zeros((1, 40, 32), bool), np.array([500]), np.array([0.5]))[0]


def test_a_loss_of_a_constant_answer_stands_still():
    losses = np.full((2, 8), np.log(2), np.float32)
    losses[1, 6:] = 0.5
    assert stands_still(losses, np.full(2, np.log(2))).tolist() == [True, False]


def test_defaults_tell_red_from_blue_for_every_seed():
    networks = train(MODEL, IMAGES, LABELS, [EVERYTHING] * 3, seeds=[0, 1, 2], config=CONFIG)
    assert networks.errors(IMAGES, LABELS).max() == 0
    assert networks.learned.all()
    assert networks.learning_rates == ((0.1,),) * 3


def test_a_training_that_diverges_is_started_again_lower_and_only_that(tmp_path, capfd):
    """Without clipping a rate of 1e4 diverges for all seeds; a third of it, and a ninth, too."""
    wild = replace(CONFIG, learning_rate=9.0, gradient_clip=None, warmup=0.0)
    networks = train(MODEL, IMAGES, LABELS, [EVERYTHING] * 3, seeds=[0, 1, 2], config=wild)
    tried = [len(rates) for rates in networks.learning_rates]
    assert max(tried) > 1  # else this test tests nothing
    assert networks.learned.all()
    for rates in networks.learning_rates:
        np.testing.assert_allclose(rates, 9.0 / 3.0 ** np.arange(len(rates)))
    assert "started again at 3" in capfd.readouterr().err
    # each as if it had been alone, and interrupted or not
    i = int(np.argmax(tried))
    for _ in range(2):  # the second time from the checkpoints
        alone = train(MODEL, IMAGES, LABELS, [EVERYTHING], seeds=[i], config=wild, folder=tmp_path, checkpoint_every=20)
        assert alone.learning_rates == (networks.learning_rates[i],)
        np.testing.assert_allclose(alone.losses[0], networks.losses[i], rtol=2e-3)


def test_networks_that_cannot_learn_are_named_and_give_no_scores():
    """Labels that have nothing to do with grey images: no rate helps, and no score is given."""
    grey = np.full((400, 8, 8, 1), 128, np.uint8)
    labels = np.arange(400) % 4
    networks = train(partial(MLP, 64, 4, (8,)), grey, labels, [np.arange(400)], seeds=[0], config=CONFIG)
    assert not networks.learned[0]
    assert len(networks.learning_rates[0]) == 4  # all were tried
    assert networks.training_errors[0] == pytest.approx(0.75, abs=0.1)
    data = ImageDataset("grey", grey, labels, grey, labels, 4)
    with pytest.raises(RuntimeError, match=r"2 of 2 networks that score are no better than the most frequent class"):
        score(data, ScoreConfig("el2n", 2, CONFIG), model=ModelConfig("mlp"))
