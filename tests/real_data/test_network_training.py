"""Training: the order of batches, the optimizer against NumPy, determinism."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real_data import MLP, TrainingConfig, load_digits, train
from real_data.training import batch_indices

CONFIG = TrainingConfig(num_steps=60, batch_size=32)
MODEL = partial(MLP, 64, 10)
DATA = load_digits(0)


def trained(subsets, seeds, config=CONFIG):
    return train(MODEL, DATA.train_images, DATA.train_labels, subsets, seeds=seeds, config=config)


@given(
    kept=st.sets(st.integers(0, 99), min_size=1).map(sorted),
    num_steps=st.integers(1, 30),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_example_is_used_equally_often(kept, num_steps, batch_size, seed):
    stream = batch_indices(np.array(kept), num_steps, batch_size, seed).ravel()
    assert stream.size == num_steps * batch_size
    for start in range(0, stream.size, len(kept)):
        epoch = stream[start : start + len(kept)]
        assert len(set(epoch)) == epoch.size
        assert set(epoch) <= set(kept)


def test_descent_is_nesterov_sgd_with_cosine_schedule():
    """Logistic regression by hand: v <- m v + g, w <- w - eta (g + m v), g = gradient + decay * w."""
    config = TrainingConfig(num_steps=7, batch_size=16, learning_rate=0.5, momentum=0.8, weight_decay=0.01)
    model = partial(MLP, 64, 10, ())
    kept, seed = np.arange(50, 300), 5
    images, labels = DATA.train_images, DATA.train_labels
    networks = train(model, images, labels, [kept], seeds=[seed], config=config)
    start = train(model, images, labels, [kept], seeds=[seed], config=replace(config, learning_rate=1e-30))

    def weights(networks):
        layer = networks.params["layers"][0]
        return np.concatenate([layer["kernel"][0], layer["bias"]]).astype(np.float64)

    w, velocity = weights(start), 0.0
    x = np.concatenate([images.reshape(len(images), -1), np.ones((len(images), 1))], axis=1)
    for step, batch in enumerate(batch_indices(kept, 7, 16, seed)):
        probability = np.exp(x[batch] @ w)
        probability /= probability.sum(axis=1, keepdims=True)
        loss = -np.log(probability[np.arange(16), labels[batch]]).mean()
        np.testing.assert_allclose(networks.losses[0, step], loss, rtol=1e-5)
        gradient = x[batch].T @ (probability - np.eye(10)[labels[batch]]) / 16 + 0.01 * w
        velocity = 0.8 * velocity + gradient
        w = w - 0.5 * (1 + np.cos(np.pi * step / 7)) / 2 * (gradient + 0.8 * velocity)
    np.testing.assert_allclose(weights(networks), w, atol=2e-6)


def test_same_seed_same_network_bit_for_bit():
    subsets, seeds = [np.arange(0, 700), np.arange(0, 700)], [1, 2]
    first, again = trained(subsets, seeds), trained(subsets, seeds)
    for one, other in zip(jax.tree.leaves(first.params), jax.tree.leaves(again.params), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float32
        assert not np.allclose(one[0], one[1])  # the same examples, another seed


def test_initial_weights_are_lecun_normal_and_differ_by_seed():
    """Variance one over the number of inputs; the standard deviation of 4096 weights is known to 1.1 %."""
    untrained = trained([np.arange(9)] * 2, [1, 2], replace(CONFIG, learning_rate=1e-30))
    one, other = untrained.params["layers"][0]["kernel"]
    assert np.std(one) == pytest.approx(1 / 8, rel=0.05)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / 64


def test_network_does_not_depend_on_its_neighbours():
    """Only float32 rounding differs: batched products may sum in another order."""
    subsets = [np.arange(300), np.arange(500, 1200)]
    together = trained(subsets, [10, 11]).logits(DATA.test_images)
    for i in (0, 1):
        alone = trained([subsets[i]], [10 + i]).logits(DATA.test_images)[0]
        np.testing.assert_allclose(alone, together[i], atol=2e-4)


def test_double_precision_elsewhere_changes_nothing():
    single = trained([np.arange(400)], [0]).logits(DATA.test_images)
    with jax.enable_x64(True):
        double = trained([np.arange(400)], [0]).logits(DATA.test_images)
    assert double.dtype == np.float32
    np.testing.assert_allclose(double, single, rtol=0, atol=1e-6)


def test_one_compilation_serves_kept_sets_of_every_size():
    from real_data.training import _descend

    trained([np.arange(300)] * 2, [0, 1])
    compiled = _descend._cache_size()
    trained([np.arange(5), np.arange(1200)], [7, 8])
    assert _descend._cache_size() == compiled


def test_uint8_images_are_scaled():
    pixels = np.round(DATA.train_images * 255).astype(np.uint8)
    exact = pixels.astype(np.float32) / 255
    networks = [
        train(MODEL, images, DATA.train_labels, [np.arange(300)] * 2, seeds=[0, 1], config=CONFIG)
        for images in (pixels, exact)
    ]
    logits = [network.logits(images) for network, images in zip(networks, (pixels, exact), strict=True)]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)


def test_networks_learn():
    """A linear classifier makes 3 to 6 % errors on this split; chance is 90 %."""
    networks = trained([np.arange(1200), np.arange(1200)], [0, 1], replace(CONFIG, num_steps=300))
    errors = networks.errors(DATA.test_images, DATA.test_labels)
    assert np.all(errors < 0.06)
    answers = networks.logits(DATA.test_images).argmax(axis=-1)
    assert errors.tolist() == [np.count_nonzero(a != DATA.test_labels) / 597 for a in answers]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seeds": [1]}, ValueError, "one seed per subset, at least one: got 1 seeds, 2 subsets"),
        ({"subsets": [np.arange(3), np.arange(0)]}, ValueError, r"subsets\[1\] must be at least one index"),
        ({"subsets": [np.arange(1201), np.arange(3)]}, ValueError, r"subsets\[0\] .* in \[0, 1200\)"),
        ({"labels": DATA.train_labels + 1}, ValueError, r"labels must be 1200 integers in \[0, 10\)"),
        (
            {"config": replace(CONFIG, learning_rate=1e20)},
            FloatingPointError,
            "diverged.*lower learning_rate",
        ),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {
        "subsets": [np.arange(9)] * 2,
        "seeds": [0, 1],
        "config": CONFIG,
        "labels": DATA.train_labels,
    }
    with pytest.raises(error, match=message):
        train(MODEL, DATA.train_images, **(arguments | change))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer, got 2.5"),
        ({"learning_rate": float("nan")}, ValueError, r"learning_rate must lie in \(0, inf\), got nan"),
        ({"momentum": 1.0}, ValueError, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"weight_decay": -1e-4}, ValueError, r"weight_decay must lie in \[0, inf\), got -0.0001"),
    ],
)
def test_bad_settings_are_named(change, error, message):
    with pytest.raises(error, match=message):
        TrainingConfig(**change)
