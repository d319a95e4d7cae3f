"""What a user would try instead: RS2, InfoBatch, moderate and coverage, by their published definitions."""

import numpy as np
import pytest

from data_pruning import KeepCoverage, KeepWindow
from real_data import ModelConfig, TrainingConfig, load_digits, models, prune, train
from real_data.scores import median_distance
from real_data.selection.methods import chosen_examples, looks_at_scores
from real_data.selection.pruning import select
from real_data.training.batch_order import BatchOrder
from real_data.training.batches import batch_indices
from real_data.training.examples import Examples

LABELS = np.repeat([0, 1], [60, 40])


def test_rs2_draws_a_new_subset_every_epoch():
    """A fresh random fraction in each epoch, each example in it once; over many epochs all are equally frequent.

    40 epochs of 30 of 100: an example is in 12 +- 2.9 of them; outside 0.5 to 25 with probability below 1e-3 for any.
    """
    examples = chosen_examples("rs2", 0.3, None, LABELS)
    assert (examples.epoch_size, len(examples)) == (30, 100)
    seen = batch_indices(examples.indices, 40, 30, 5, per_epoch=30)
    assert all(np.unique(epoch).size == 30 for epoch in seen)
    times = np.bincount(seen.ravel(), minlength=100)
    assert 0.5 < times.min() <= times.max() < 25
    # begun in the middle, it is the same
    np.testing.assert_array_equal(batch_indices(examples.indices, 3, 30, 5, first_step=7, per_epoch=30), seen[7:10])


def test_infobatch_by_hand():
    """Losses 0, 1, ..., 9 in the first epoch: the mean is 4.5, half of the five below it stay and count twice."""
    order = BatchOrder(Examples(np.arange(100, 110), skip_learned=0.5), batch_size=2, num_steps=1000, seed=3)
    assert order.most_ahead(64) == 5
    first = order.take(0, 5)
    assert sorted(first.indices.ravel()) == list(range(100, 110))
    np.testing.assert_array_equal(first.importance, 1)
    order.learn((first.indices - 100).astype(np.float32))
    assert order.most_ahead(64) == 3  # round(2.5) = 2 of 5 below the mean, and the five above it: 7 examples
    second = order.take(5, 3)
    assert set(second.indices.ravel()) >= {105, 106, 107, 108, 109} - set(order.examples.indices[order._queue])
    low = second.indices < 105
    np.testing.assert_array_equal(second.importance[low], 2)
    np.testing.assert_array_equal(second.importance[~low], 1)


def test_infobatch_ends_with_all_examples():
    order = BatchOrder(Examples(np.arange(8), skip_learned=0.5), batch_size=8, num_steps=8, seed=0)
    for step in range(7):
        assert order.most_ahead(64) == 1
        order.take(step, 1)
        order.learn(np.zeros((1, 8), np.float32))  # none is below the mean: all stay
    order.most_ahead(1)
    last = order.take(7, 1)
    assert sorted(last.indices[0]) == list(range(8))
    np.testing.assert_array_equal(last.importance, 1)


def test_infobatch_is_unbiased():
    """Weights of an epoch add up to the number of examples, to within the rounding of the number that stays."""
    order = BatchOrder(Examples(np.arange(1000), skip_learned=0.5), batch_size=50, num_steps=10_000, seed=1)
    rng = np.random.default_rng(0)
    order.most_ahead(64)
    order.take(0, 20)
    order.learn(rng.random((20, 50)).astype(np.float32))
    order._queue, order._counts = order._queue[:0], order._counts[:0]
    order._begin_epoch()
    assert abs(order._counts.sum() - 1000) <= 1
    assert 700 < order._queue.size < 800


def test_moderate_keeps_the_middle():
    """Distances 0 to 9 from the median, all classes together: a fraction of 0.4 keeps ranks 3 to 6."""
    features = np.concatenate([np.arange(-3.0, 4.0), [10.0]])[:, None]
    np.testing.assert_allclose(median_distance(features, np.zeros(8, int)), np.abs(features[:, 0] - 0.5))
    # of two classes each has its own median; coordinates have theirs
    values = np.array([[0.0, 0.0], [1.0, 5.0], [2.0, 1.0], [7.0, 7.0]])
    labels = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(median_distance(values, labels), [np.sqrt(2), 4, 1, 0])
    kept = prune(np.arange(10.0), KeepWindow(0.3, 0.7))
    np.testing.assert_array_equal(kept, [3, 4, 5, 6])


def test_coverage_drops_the_hardest_and_evens_out():
    scores = np.repeat([9.0, 1.0, 0.5, 0.0], [20, 5, 10, 100])
    kept = prune(scores, KeepCoverage(30 / 135, 20 / 135))
    assert np.bincount(np.searchsorted([20, 25, 35], kept, side="right"), minlength=4).tolist() == [0, 5, 10, 15]


def test_weights_are_those_of_the_class():
    """Coverage keeps other shares of each class: weights are 1 over the chance in the class, mean 1 over all."""
    scores = np.concatenate([np.linspace(1, 0, 60), np.linspace(1, 0, 40) ** 3])
    chosen = select(scores, KeepCoverage(0.3), LABELS)
    assert chosen.weights is None
    assert np.all((chosen.probability > 0) & (chosen.probability <= 1))
    examples = chosen_examples("coverage@0+weighted", 0.3, scores, LABELS)
    np.testing.assert_array_equal(examples.indices, chosen.indices)
    np.testing.assert_allclose(examples.weights, 1 / chosen.probability / np.mean(1 / chosen.probability), rtol=1e-6)


@pytest.mark.parametrize("name", ["rs2", "infobatch"])
def test_baselines_do_not_look_at_scores(name):
    assert not looks_at_scores(name)
    with pytest.raises(ValueError, match=f"{name} at f = 0.001 takes none of 100 examples"):
        chosen_examples(name, 0.001, None, LABELS)


def _trained(subset, **settings):
    data = load_digits(0)
    model = models.build(ModelConfig(), data.train_images.shape[1:], 10)
    config = TrainingConfig(num_steps=30, **settings)
    return train(model, data.train_images, data.train_labels, [subset], seeds=[0], config=config)


def test_a_loss_of_weight_zero_teaches_nothing():
    """Almost: weights must be positive.  The weighted examples alone decide where the weights of the network go."""
    kept = np.arange(200)
    weights = np.where(kept < 100, 1.0, 1e-12).astype(np.float32)
    few, many = _trained(Examples(kept, weights)), _trained(kept)
    data = load_digits(0)
    wrong = [networks.wrong(data.train_images[100:200], data.train_labels[100:200]).mean() for networks in (few, many)]
    assert wrong[0] > wrong[1] + 0.05


def test_weights_of_one_change_next_to_nothing():
    kept = np.arange(300)
    plain, ones = _trained(kept), _trained(Examples(kept, np.ones(300, np.float32)))
    np.testing.assert_allclose(ones.losses, plain.losses, atol=1e-5)


def test_a_weight_of_two_is_twice_the_gradient():
    """One step of plain gradient descent on one batch: weights 2 at half the rate move as weights 1 do."""
    kept = np.arange(64)
    settings = {"warmup": 0.0, "schedule": "constant", "gradient_clip": None, "weight_decay": 0.0, "momentum": 0.0}
    data = load_digits(0)
    model = models.build(ModelConfig(), data.train_images.shape[1:], 10)
    ends = []
    for weight, rate in ((1.0, 0.1), (2.0, 0.05)):
        config = TrainingConfig(num_steps=3, learning_rate=rate, **settings)
        examples = Examples(kept, np.full(64, weight, np.float32))
        networks = train(model, data.train_images, data.train_labels, [examples], seeds=[0], config=config)
        ends.append(networks.params["layers"][0]["kernel"])
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-6)


def test_bad_examples_are_named():
    with pytest.raises(ValueError, match="weights must be positive, one for each of 3 kept examples"):
        Examples(np.arange(3), np.array([1.0, 0.0, 1.0], np.float32))
    with pytest.raises(ValueError, match=r"per_epoch must be in \[1, 3\], got 4"):
        Examples(np.arange(3), per_epoch=4)
    data = load_digits(0)
    model = models.build(ModelConfig(), data.train_images.shape[1:], 10)
    mixed = [np.arange(3), Examples(np.arange(3), np.ones(3, np.float32))]
    with pytest.raises(ValueError, match="subsets must all have weights, or none"):
        train(model, data.train_images, data.train_labels, mixed, seeds=[0, 1], config=TrainingConfig(num_steps=1))
