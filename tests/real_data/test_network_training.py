"""Training against NumPy, independence of the networks, what trained networks say, and bad input."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from small_normalized_network import SmallNormalizedNetwork

from real_data import MLP, ModelConfig, TrainingConfig, models, train
from real_data.training import descent
from real_data.training import train as training
from real_data.training.batches import batch_indices

CONFIG = TrainingConfig(num_steps=60, batch_size=32)
MODEL = partial(MLP, 64, 10)
DIGITS = load_digits()
IMAGES, LABELS = (DIGITS.images[:1200, ..., None] / 16).astype(np.float32), DIGITS.target[:1200]
TEST_IMAGES, TEST_LABELS = (DIGITS.images[1200:, ..., None] / 16).astype(np.float32), DIGITS.target[1200:]


def trained(subsets, seeds, config=CONFIG, model=MODEL, **settings):
    return train(model, IMAGES, LABELS, subsets, seeds=seeds, config=config, **settings)


def assert_same_bits(first, again):
    found, expected = (
        [*jax.tree.leaves((each.params, each.batch_stats)), each.losses, each.correct] for each in (first, again)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


NESTEROV = TrainingConfig(
    batch_size=16,
    learning_rate=0.2,
    warmup=0.0,
    momentum=0.8,
    weight_decay=0.01,
    gradient_clip=None,
    standardize=False,
)


@pytest.mark.parametrize(
    ("config", "factors"),
    [
        (replace(NESTEROV, num_steps=12), [(1 + np.cos(np.pi * t / 12)) / 2 for t in range(12)]),
        (replace(NESTEROV, num_steps=12, schedule="step"), [1] * 6 + [0.1] * 3 + [0.01] * 3),
        (replace(NESTEROV, num_steps=12, schedule="constant", warmup=0.3), [1 / 4, 2 / 4, 3 / 4] + [1] * 9),
        # 3 epochs of 50 examples are 150 / 16 = 9.4 batches
        (replace(NESTEROV, num_steps=None, num_epochs=3, schedule="constant"), [1] * 10),
        (
            replace(NESTEROV, num_steps=12, warmup=0.25, standardize=True),
            [min(1, (t + 1) / 3) * (1 + np.cos(np.pi * t / 12)) / 2 for t in range(12)],
        ),
        (replace(NESTEROV, num_steps=12, schedule="constant", gradient_clip=0.4), [1] * 12),
    ],
)
def test_descent_is_nesterov_sgd_with_the_schedule(config, factors):
    """A network of one hidden layer by hand: v <- m v + g, w <- w - eta (g + m v), g = gradient + decay * w."""
    kept, seed = np.arange(30, 80), 5
    model = partial(MLP, 64, 10, (6,))
    networks = trained([kept], [seed], config, model)
    start = training.initial_weights(model, [seed])[0]["layers"]
    w = [np.array(start[i][name][0], np.float64) for i in (0, 1) for name in ("kernel", "bias")]
    velocity = [0.0] * 4
    x = IMAGES.reshape(1200, 64).astype(np.float64)
    if config.standardize:
        x = (x - x.mean()) / x.std()
    batches = networks.batches()[0]
    assert len(batches) == len(factors)
    for step, (batch, factor) in enumerate(zip(batches, factors, strict=True)):
        before = x[batch] @ w[0] + w[1]
        hidden = np.maximum(before, 0)
        logits = hidden @ w[2] + w[3]
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.log(probability[np.arange(16), LABELS[batch]]).mean()
        np.testing.assert_allclose(networks.losses[0, step], loss, rtol=1e-5)
        np.testing.assert_array_equal(networks.correct[0, step], logits.argmax(axis=1) == LABELS[batch])
        to_logits = (probability - np.eye(10)[LABELS[batch]]) / 16
        to_hidden = to_logits @ w[2].T * (before > 0)
        gradients = [x[batch].T @ to_hidden, to_hidden.sum(axis=0), hidden.T @ to_logits, to_logits.sum(axis=0)]
        length = np.sqrt(sum(np.sum(g**2) for g in gradients))
        if config.gradient_clip is not None and length > config.gradient_clip:
            gradients = [g * config.gradient_clip / length for g in gradients]
        for i in range(4):
            gradient = gradients[i] + 0.01 * w[i]
            velocity[i] = 0.8 * velocity[i] + gradient
            w[i] = w[i] - 0.2 * factor * (gradient + 0.8 * velocity[i])
    found = [networks.params["layers"][i][name][0] for i in (0, 1) for name in ("kernel", "bias")]
    for one, other in zip(found, w, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-6)


def test_fixed_epochs_use_every_example_equally_often():
    """4 epochs of 48 examples are 12 batches of 16 exactly; of 50, the last batch has 8 examples of a fifth epoch."""
    for num_kept, num_steps in ((48, 12), (50, 13)):
        networks = trained(
            [np.arange(num_kept)], [2], replace(NESTEROV, num_steps=None, num_epochs=4), partial(MLP, 64, 10, (6,))
        )
        assert networks.losses.shape == (1, num_steps)
        counts = np.bincount(networks.batches().ravel(), minlength=num_kept)
        assert sorted(set(counts)) == ([4] if num_kept == 48 else [4, 5])
        assert counts.sum() == 16 * num_steps


def test_same_seed_same_network_bit_for_bit():
    subsets, seeds = [np.arange(0, 700), np.arange(0, 700)], [1, 2]
    first, again = trained(subsets, seeds), trained(subsets, seeds)
    assert_same_bits(first, again)
    for one in jax.tree.leaves(first.params):
        assert one.dtype == np.float32
        assert not np.allclose(one[0], one[1])  # the same examples, another seed


def test_initial_weights_are_lecun_normal_and_differ_by_seed():
    """Variance one over the number of inputs; the standard deviation of 4096 weights is known to 1.1 %."""
    untrained = trained([np.arange(9)] * 2, [1, 2], replace(CONFIG, learning_rate=1e-30))
    one, other = untrained.params["layers"][0]["kernel"]
    assert np.std(one) == pytest.approx(1 / 8, rel=0.05)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / 64


@pytest.mark.parametrize("model", [MODEL, SmallNormalizedNetwork])
def test_network_does_not_depend_on_its_neighbours(model):
    """Only float32 rounding differs: batched products may sum in another order."""
    config = replace(CONFIG, num_steps=20, learning_rate=0.1, augmentation="crop_flip")
    subsets, seeds = [np.arange(300), np.arange(500, 1200), np.arange(900)], [10, 11, 4]
    together = trained(subsets, seeds, config, model, networks_at_once=3)
    for at_once in (1, 2):
        parts = trained(subsets, seeds, config, model, networks_at_once=at_once)
        assert parts.seeds == together.seeds
        np.testing.assert_array_equal(parts.batches(), together.batches())
        np.testing.assert_allclose(parts.losses, together.losses, atol=2e-4)
        np.testing.assert_allclose(parts.logits(TEST_IMAGES), together.logits(TEST_IMAGES), atol=5e-4)


def test_steps_one_by_one_and_in_one_program_agree(monkeypatch):
    """On CPU networks with convolutions take steps one by one; elsewhere many are one program.

    They are trained as on a CPU and then as elsewhere; ``advance`` is used in the second only.
    """
    config = replace(CONFIG, num_steps=20, learning_rate=0.1, augmentation="crop_flip", standardize=True)
    one_by_one = trained([np.arange(500)], [1], config, SmallNormalizedNetwork)
    programs = descent.advance.num_programs()
    found = training.architecture_of(SmallNormalizedNetwork, (8, 8, 1))
    assert found.convolutional
    monkeypatch.setattr(training, "architecture_of", lambda *_: replace(found, convolutional=False))
    at_once = trained([np.arange(500)], [1], config, SmallNormalizedNetwork)
    assert descent.advance.num_programs() == programs + 1
    np.testing.assert_allclose(at_once.losses, one_by_one.losses, atol=2e-4)
    for one, other in zip(
        *(jax.tree.leaves((each.params, each.batch_stats)) for each in (at_once, one_by_one)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_what_networks_say_of_images():
    """Logits and features by hand from the modules; the batch size does not matter; running statistics are used."""
    networks = trained(
        [np.arange(500)] * 2, [1, 2], replace(CONFIG, num_steps=20, standardize=False), SmallNormalizedNetwork
    )
    logits, features = networks.logits(TEST_IMAGES), networks.features(TEST_IMAGES)
    assert logits.shape == (2, 597, 10)
    assert features.shape == (2, 597, 64)
    for batch_size in (250, 1000):
        np.testing.assert_allclose(networks.logits(TEST_IMAGES, batch_size=batch_size), logits, atol=1e-5)
    np.testing.assert_allclose(networks.logits(TEST_IMAGES[:3]), logits[:, :3], atol=1e-5)
    for i in (0, 1):
        network = networks.network(i)
        prepared = networks.prepare(TEST_IMAGES[:5])
        np.testing.assert_allclose(network(prepared), logits[i, :5], atol=1e-5)
        np.testing.assert_allclose(network.features(prepared), features[i, :5], atol=1e-5)
    errors = networks.errors(TEST_IMAGES, TEST_LABELS)
    assert errors.tolist() == [np.count_nonzero(a != TEST_LABELS) / 597 for a in logits.argmax(axis=-1)]

    def label_and_sum(network, inputs, labels):
        return labels + inputs.sum(axis=(1, 2, 3))

    mapped = networks.map(label_and_sum, TEST_IMAGES, TEST_LABELS, batch_size=250)
    np.testing.assert_allclose(mapped, [TEST_LABELS + TEST_IMAGES.sum(axis=(1, 2, 3))] * 2, rtol=1e-5)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        networks.logits(TEST_IMAGES, batch_size=0)
    with pytest.raises(ValueError, match="images must be at least one, got none"):
        networks.logits(TEST_IMAGES[:0])
    with pytest.raises(ValueError, match=r"labels must be 597, one per image, got shape \(596,\)"):
        networks.errors(TEST_IMAGES, TEST_LABELS[1:])
    with pytest.raises(ValueError, match=r"labels must be 597, one per image, got shape \(\)"):
        networks.map(label_and_sum, TEST_IMAGES, 3)


def test_correct_is_about_the_batch_before_its_step():
    """A network trained for t steps at a constant rate is the one that met batch t of a longer training."""
    config = replace(CONFIG, num_steps=9, schedule="constant")
    whole = trained([np.arange(500)], [3], config)
    np.testing.assert_array_equal(whole.batches()[0], batch_indices(np.arange(500), 9, 32, 3))
    for step in (1, 4, 8):
        before = trained([np.arange(500)], [3], replace(config, num_steps=step))
        batch = whole.batches()[0, step]
        answers = before.logits(IMAGES[batch])[0].argmax(axis=1)
        np.testing.assert_array_equal(whole.correct[0, step], answers == LABELS[batch])
        np.testing.assert_array_equal(whole.losses[:, :step], before.losses)


def test_double_precision_elsewhere_changes_nothing():
    single = trained([np.arange(400)], [0]).logits(TEST_IMAGES)
    with jax.enable_x64(True):
        double = trained([np.arange(400)], [0]).logits(TEST_IMAGES)
    assert double.dtype == np.float32
    np.testing.assert_allclose(double, single, rtol=0, atol=1e-6)


def test_one_compilation_serves_kept_sets_and_numbers_of_steps_of_every_size():
    trained([np.arange(300)] * 2, [0, 1])
    compiled = descent.advance.num_programs()
    trained([np.arange(5), np.arange(1200)], [7, 8], replace(CONFIG, num_steps=70, learning_rate=0.1, momentum=0.0))
    assert descent.advance.num_programs() == compiled


def test_uint8_images_are_scaled():
    pixels = np.round(IMAGES * 255).astype(np.uint8)
    exact = pixels.astype(np.float32) / 255
    networks = [
        train(MODEL, images, LABELS, [np.arange(300)] * 2, seeds=[0, 1], config=CONFIG) for images in (pixels, exact)
    ]
    logits = [network.logits(images) for network, images in zip(networks, (pixels, exact), strict=True)]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)


def test_networks_learn():
    """Over seeds 0 to 19, errors on the last 597 digits have mean 0.069 and standard deviation 0.0045."""
    networks = trained([np.arange(1200), np.arange(1200)], [0, 1], replace(CONFIG, num_steps=300))
    assert np.all(networks.errors(TEST_IMAGES, TEST_LABELS) < 0.1)


def test_every_step_is_augmented_anew():
    """One image in batches of one, at a learning rate of 0: the loss tells which of the 18 variants was seen.

    Sixty draws of two mirror images show both; sixty of nine shifts, at least five, but for a chance below 1e-15.
    """
    config = replace(CONFIG, batch_size=1, learning_rate=1e-30)
    for kind, least, most in (("none", 1, 1), ("flip", 2, 2), ("crop", 5, 9)):
        losses = trained([np.array([7])], [1], replace(config, augmentation=kind)).losses
        assert least <= len(set(losses.round(4).ravel().tolist())) <= most


def test_bfloat16_activations_leave_weights_float32():
    model = models.build(ModelConfig("cnn", width=0.125, precision="bfloat16"), (8, 8, 1), 10)
    networks = trained([np.arange(600)], [0], replace(CONFIG, num_steps=100, learning_rate=0.05), model)
    assert all(array.dtype == np.float32 for array in [*jax.tree.leaves(networks.params), networks.losses])
    assert networks.logits(TEST_IMAGES[:9]).dtype == np.float32
    assert networks.losses[0, -10:].mean() < 0.5 * networks.losses[0, :10].mean()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seeds": [1]}, ValueError, "one seed per subset, at least one: got 1 seeds, 2 subsets"),
        ({"seeds": [], "subsets": []}, ValueError, "one seed per subset, at least one: got 0 seeds, 0 subsets"),
        ({"seeds": [0, -1]}, ValueError, r"seeds\[1\] must be an integer in \[0, 2\^32\), got -1"),
        ({"seeds": [2**32, 1]}, ValueError, r"seeds\[0\] must be an integer in \[0, 2\^32\), got 4294967296"),
        ({"seeds": [0.5, 1]}, ValueError, r"seeds\[0\] must be an integer in \[0, 2\^32\), got 0.5"),
        ({"subsets": [np.arange(3), np.arange(0)]}, ValueError, r"subsets\[1\] must be at least one index"),
        ({"subsets": [np.arange(1201), np.arange(3)]}, ValueError, r"subsets\[0\] .* in \[0, 1200\)"),
        ({"subsets": [np.arange(-1, 9), np.arange(3)]}, ValueError, r"subsets\[0\] .* in \[0, 1200\)"),
        ({"subsets": [np.ones(1200, bool)] * 2}, ValueError, r"subsets\[0\] must be at least one index"),
        ({"subsets": [np.arange(9.0)] * 2}, ValueError, r"subsets\[0\] must be at least one index"),
        ({"labels": LABELS + 1}, ValueError, r"labels must be 1200 integers in \[0, 10\)"),
        ({"labels": LABELS - 1}, ValueError, r"labels must be 1200 integers in \[0, 10\)"),
        ({"labels": LABELS + 0.5}, ValueError, r"labels must be 1200 integers in \[0, 10\)"),
        ({"labels": LABELS[1:]}, ValueError, r"labels must be 1200 integers in \[0, 10\)"),
        ({"images": IMAGES.astype(np.float64)}, ValueError, "images must be uint8 or float32 .* got float64 of shape"),
        ({"images": IMAGES[..., 0]}, ValueError, r"images must be .* got float32 of shape \(1200, 8, 8\)"),
        ({"networks_at_once": 0}, ValueError, "networks_at_once must be at least 1, got 0"),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every must be at least 1, got 0"),
        (
            {"config": TrainingConfig(None, 2), "subsets": [np.arange(65), np.arange(500)]},
            ValueError,
            r"subsets of \[65, 500\] examples need different numbers of steps: train them one after another",
        ),
        (
            {"config": replace(CONFIG, learning_rate=1e20)},
            FloatingPointError,
            "diverged at learning rates .*lower the learning_rate",
        ),
        (  # the last step's: no loss tells
            {"config": replace(CONFIG, num_steps=1, learning_rate=1e38, weight_decay=1e10)},
            FloatingPointError,
            "diverged at learning rates .*lower the learning_rate",
        ),
        (
            {"images": np.where(np.arange(1200)[:, None, None, None] == 3, np.float32(np.nan), IMAGES)},
            FloatingPointError,
            "diverged",
        ),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"images": IMAGES, "labels": LABELS, "subsets": [np.arange(9)] * 2, "seeds": [0, 1], "config": CONFIG}
    with pytest.raises(error, match=message):
        train(MODEL, **(arguments | change))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer, got 2.5"),
        ({"learning_rate": float("nan")}, ValueError, r"learning_rate must lie in \(0, inf\), got nan"),
        ({"momentum": 1.0}, ValueError, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"weight_decay": -1e-4}, ValueError, r"weight_decay must lie in \[0, inf\), got -0.0001"),
        ({"warmup": 1.0}, ValueError, r"warmup must lie in \[0, 1\), got 1.0"),
        ({"schedule": "linear"}, ValueError, "schedule must be one of cosine, step, constant, got 'linear'"),
        ({"augmentation": "mixup"}, ValueError, "augmentation must be one of none, crop, flip, crop_flip, got 'mixup'"),
        ({"num_epochs": 3}, ValueError, "give either num_steps or num_epochs"),
        ({"num_steps": None}, ValueError, "give either num_steps or num_epochs"),
        ({"num_steps": None, "num_epochs": 0}, ValueError, "num_epochs must be at least 1, got 0"),
    ],
)
def test_bad_settings_are_named(change, error, message):
    with pytest.raises(error, match=message):
        TrainingConfig(**change)
