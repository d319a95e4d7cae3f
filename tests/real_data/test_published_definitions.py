"""Faults of public scoring code that these scores do not share: each test fails for the fault and holds for the paper.

The rules' own faults are pinned in tests/data_pruning/test_faults_of_public_code.py.  Elsewhere: that forgetting of
wrong labels is far above chance, in test_training_dynamics.py; GraNd example by example against the gradients of all
layers of every kind of network, in test_gradient_norm.py; near-duplicates as stars and not as chains, with the
duplicates.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from small_normalized_network import SmallNormalizedNetwork

from real_data import MLP, Scores, TrainingConfig, load_digits, train
from real_data.scores import (
    area_under_margin,
    difficulty_and_uncertainty,
    dynamic_uncertainty,
    el2n,
    error_norm,
    forgetting_events,
    scores_of_networks,
    temporal_dual_depth,
)

DATA = load_digits(0)
IMAGES, LABELS = DATA.train_images[:150], DATA.train_labels[:150]


def logits_over_epochs(num_epochs=12, num_examples=5, num_classes=4):
    rng = np.random.default_rng(9)
    return rng.normal(0, 2, (num_epochs, num_examples, num_classes)), rng.integers(0, num_classes, num_examples)


def test_never_learned_is_not_the_easiest():
    """Counting transitions alone gives 0 to an example that is never classified rightly, as to one that always is."""
    correct = np.zeros((1, 8, 2), bool)
    correct[0, :, 0] = True
    always, never = forgetting_events(correct, np.broadcast_to([0, 1], correct.shape), 2)[0]
    assert always == 0
    assert never == 8 // 2 + 1


def test_el2n_is_of_networks_at_one_time_in_evaluation_mode():
    """Not of one network, summed over its epochs, from outputs of training mode with augmented images.

    Batch normalisation tells the modes apart: in evaluation the running statistics count.
    """
    config = TrainingConfig(num_steps=10, batch_size=32, learning_rate=0.05, augmentation="crop")
    found = el2n(SmallNormalizedNetwork, IMAGES, LABELS, config=config, num_networks=2, seed=1)
    seeds = np.random.SeedSequence(1).generate_state(2).tolist()
    networks = train(SmallNormalizedNetwork, IMAGES, LABELS, [np.arange(150)] * 2, seeds=seeds, config=config)
    each = []
    for i in range(2):
        network = networks.network(i)
        evaluated = network(networks.prepare(IMAGES), train=False)
        each.append(error_norm(evaluated, LABELS))
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-4)
    in_training = error_norm(networks.network(0)(networks.prepare(IMAGES), train=True), LABELS)
    assert not np.allclose(in_training, each[0], rtol=0.05)


def test_aum_takes_all_epochs_and_logits():
    """Not the last epoch alone, as where the sum starts anew in every epoch, and not the margin of probabilities."""
    logits, labels = logits_over_epochs()
    other = logits.copy()
    other[:-1] += 3 * np.eye(4)[labels]  # larger margins in all but the last epoch
    np.testing.assert_allclose(area_under_margin(logits, labels) - area_under_margin(other, labels), 3 * 11 / 12)
    sharper = 50 * logits  # of probabilities the margins would stay in [-1, 1]
    np.testing.assert_allclose(area_under_margin(sharper, labels), 50 * area_under_margin(logits, labels))


def test_tdds_moves_its_window_and_takes_probabilities():
    """Not the first window every time, and not differences of logits.

    What happens after the first window counts most: a jump in the last epochs of an otherwise constant course.
    """
    logits = np.zeros((14, 2, 3))
    logits[13, 0, 0] = 2.0  # example 0 jumps in the last epoch, example 1 never
    first_window = temporal_dual_depth(logits[:10])
    assert first_window.tolist() == [0, 0]
    found = temporal_dual_depth(logits)
    assert found[0] > 0
    assert found[1] == 0
    # a change of the first epoch has left all but the first of the five windows: 0.9 x 0.1^4 of the same depth
    early = np.zeros((14, 1, 3))
    early[0, 0, 0] = 2.0
    change = temporal_dual_depth(early[:10], decay=1.0)
    np.testing.assert_allclose(temporal_dual_depth(early), 0.9 * 0.1**4 * change, rtol=1e-12)
    # a number added to all logits of an example changes no probability
    values, _ = logits_over_epochs()
    moved = values + np.random.default_rng(0).normal(0, 5, (12, 5, 1))
    np.testing.assert_allclose(temporal_dual_depth(moved), temporal_dual_depth(values), rtol=1e-9)


def test_dual_ends_with_the_early_epochs():
    """Epochs beyond the first thirty count for Dyn-Unc, not for DUAL."""
    probabilities = np.random.default_rng(1).uniform(size=(40, 6))
    other = probabilities.copy()
    other[30:] = 0.5
    np.testing.assert_array_equal(difficulty_and_uncertainty(other), difficulty_and_uncertainty(probabilities))
    assert np.all(dynamic_uncertainty(other) < dynamic_uncertainty(probabilities))


def test_scores_stay_in_data_set_order(tmp_path):
    """Not sorted, with the order in a second file: position i is example i, in the file too."""
    logits, labels = logits_over_epochs()
    probabilities = np.random.default_rng(2).uniform(size=(12, 5))
    order = np.array([3, 0, 4, 1, 2])
    for found, permuted in (
        (temporal_dual_depth(logits), temporal_dual_depth(logits[:, order])),
        (area_under_margin(logits, labels), area_under_margin(logits[:, order], labels[order])),
        (dynamic_uncertainty(probabilities), dynamic_uncertainty(probabilities[:, order])),
    ):
        np.testing.assert_array_equal(permuted, found[order])
        assert np.any(np.diff(found) > 0)
        assert np.any(np.diff(found) < 0)
    path = Scores("tdds", temporal_dual_depth(logits), "five", "fingerprint").save(tmp_path / "tdds.nc")
    np.testing.assert_array_equal(Scores.load(path).values, temporal_dual_depth(logits))


def test_grand_is_the_gradient_of_all_layers():
    """Not of the last layer alone: that is shorter, and here by more than a tenth for most examples."""
    config = TrainingConfig(num_steps=5, batch_size=32, learning_rate=0.05, warmup=0)
    model = partial(MLP, 64, 10, (8,))
    networks = train(model, IMAGES, LABELS, [np.arange(150)], seeds=[1], config=config)
    found = scores_of_networks(networks, ["grand"], IMAGES, LABELS)["grand"][0]
    graphdef, params = nnx.split(networks.network(0), nnx.Param)

    def loss(params, inputs, label):
        return optax.softmax_cross_entropy_with_integer_labels(nnx.merge(graphdef, params)(inputs[None])[0], label)

    gradients = jax.vmap(jax.grad(loss), (None, 0, 0))(params, networks.prepare(IMAGES), jnp.asarray(LABELS))
    leaves = [np.asarray(one) for one in jax.tree.leaves(gradients)]
    squares = [np.square(one).reshape(150, -1).sum(axis=1) for one in leaves]
    np.testing.assert_allclose(found, np.sqrt(np.sum(squares, axis=0)), rtol=1e-4)
    last = [one for one, leaf in zip(squares, leaves, strict=True) if leaf.shape[1:] in ((8, 10), (10,))]
    assert len(last) == 2  # kernel and bias
    of_last = np.sqrt(np.sum(last, axis=0))
    assert np.mean(of_last < 0.9 * found) > 0.5
