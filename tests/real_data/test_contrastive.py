"""Contrastive training: the loss by hand, views, and a training that goes on where it was interrupted."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from data_pruning.compilation import quickly_compiled
from real_data.datasets import load_digits
from real_data.embeddings import contrastive_step, views
from real_data.embeddings.config import ContrastiveConfig
from real_data.embeddings.contrastive import train_encoder
from real_data.models.config import ModelConfig
from real_data.training.run_folder import RunFolder

RNG = np.random.default_rng(0)
contrastive_loss = quickly_compiled(cheap=True)(contrastive_step.contrastive_loss)
random_view = quickly_compiled(cheap=True, static_argnames="config")(views.random_view)
IMAGES = load_digits(0).train_images[:256]
TINY = ContrastiveConfig(
    ModelConfig("cnn", width=0.125), num_steps=40, batch_size=32, learning_rate=3e-3, projection=16, flip=False
)


def test_the_loss_by_hand():
    """Two images whose views agree and that are at right angles: -log(e^(1/t) / (e^(1/t) + 2)), whatever the lengths.

    All views alike: 2 B - 1 answers are equally good.
    """
    one, t = np.array([[3.0, 0], [0, 0.1]], np.float32), 0.5
    expected = -np.log(np.exp(1 / t) / (np.exp(1 / t) + 2))
    assert contrastive_loss(one, 2 * one, t) == pytest.approx(expected, rel=1e-5)
    assert contrastive_loss(np.ones((5, 3)), np.ones((5, 3)), t) == pytest.approx(np.log(9), rel=1e-5)
    rows = RNG.standard_normal((2, 6, 4))  # beside plain loops
    z = rows.reshape(12, 4) / np.linalg.norm(rows.reshape(12, 4), axis=1, keepdims=True)
    each = [
        -np.log(np.exp(z[i] @ z[(i + 6) % 12] / t) / sum(np.exp(z[i] @ z[k] / t) for k in range(12) if k != i))
        for i in range(12)
    ]
    assert contrastive_loss(*rows, t) == pytest.approx(np.mean(each), rel=1e-5)


def test_a_rectangle_is_brought_to_the_size_of_the_image():
    """The whole image is itself; of a slope, rows 2 to 6 of 8 are half the slope, at its places."""
    images = RNG.random((2, 8, 8, 3), np.float32)
    crop_and_resize = quickly_compiled(cheap=True)(views.crop_and_resize)
    whole = crop_and_resize(images, np.zeros((2, 2)), np.ones((2, 2)))
    np.testing.assert_allclose(whole, images, atol=1e-6)
    slope = np.broadcast_to(np.arange(8, dtype=np.float32)[None, :, None, None], (2, 8, 8, 3))
    part = crop_and_resize(slope, np.array([[0.25, 0.0]] * 2), np.array([[0.5, 1.0]] * 2))
    np.testing.assert_allclose(part[1, :, 0, 0], 2 + (np.arange(8) + 0.5) / 2 - 0.5, atol=1e-5)


def test_views_are_of_the_range_and_of_the_kind_that_is_asked_for():
    """512 views.  Share without colour 0.5: 256 with standard deviation 11.3; five of them either way."""
    images = RNG.random((512, 8, 8, 3), np.float32)
    config = replace(TINY, grey=0.5)
    found = np.asarray(random_view(images, jax.random.key(0), config))
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 1
    grey = np.all(np.ptp(found, axis=-1) < 1e-6, axis=(1, 2))
    assert abs(grey.sum() - 256) < 57
    np.testing.assert_array_equal(found, random_view(images, jax.random.key(0), config))
    assert not np.allclose(found, random_view(images, jax.random.key(1), config))
    plain = replace(config, jitter=0.0, grey=0.0)
    np.testing.assert_allclose(random_view(np.ones((4, 8, 8, 3), np.float32), jax.random.key(0), plain), 1, atol=1e-6)
    assert random_view(images[..., :1], jax.random.key(0), config).shape == (512, 8, 8, 1)


def test_turning_the_hue_keeps_brightness_and_greys():
    """The constants of the television standard are rounded to three digits: so is what is kept."""
    turned = np.asarray(quickly_compiled(cheap=True)(views._hue_turned)(np.array([0.0, 1.0, 2 * np.pi], np.float32)))
    np.testing.assert_allclose(turned[[0, 2]], np.stack([np.eye(3)] * 2), atol=1e-5)
    np.testing.assert_allclose(turned @ np.ones(3), 1, atol=2e-3)
    np.testing.assert_allclose(np.array(views.GREY) @ turned[1], views.GREY, atol=1e-5)


def test_half_of_the_views_are_mirrored():
    """A bright left edge; 400 views of the whole width: 200 with standard deviation 10, five of them either way."""
    images = np.zeros((400, 8, 8, 1), np.float32)
    images[:, :, 0] = 1
    config = replace(TINY, flip=True, jitter=0.0, least_area=1.0)
    found = np.asarray(random_view(images, jax.random.key(3), config))[..., 0]
    mirrored = found[:, :, 4:].sum(axis=(1, 2)) > found[:, :, :4].sum(axis=(1, 2))
    assert abs(mirrored.sum() - 200) < 50


def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    """And the loss falls from that of a guess, log(63); by 0.16 here, where ten have an error of 0.03."""
    straight = train_encoder(IMAGES, TINY, seed=5)
    assert straight.losses[:5].mean() < np.log(63) + 0.3
    assert straight.losses[-10:].mean() < straight.losses[:5].mean() - 0.08
    save = RunFolder.save

    def interrupted(self, step, tree):
        save(self, step, tree)
        if step == 15:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", interrupted)
        with pytest.raises(KeyboardInterrupt, match="run it again to go on from the last checkpoint"):
            train_encoder(IMAGES, TINY, seed=5, folder=tmp_path, checkpoint_every=15)
    again = train_encoder(IMAGES, TINY, seed=5, folder=tmp_path, checkpoint_every=15)
    np.testing.assert_array_equal(again.losses, straight.losses)
    jax.tree.map(np.testing.assert_array_equal, again.params, straight.params)
    with pytest.raises(ValueError, match="belongs to other settings"):
        train_encoder(IMAGES, TINY, seed=6, folder=tmp_path)


def test_no_steps_are_the_network_as_it_begins():
    features = train_encoder(IMAGES, replace(TINY, num_steps=0), seed=5).features(IMAGES[:4])
    assert features.shape == (4, 16)
    assert np.all(np.isfinite(features))


def test_bad_arguments_are_named():
    for change, message in (
        ({"temperature": 0.0}, "temperature must lie in"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"least_area": 0.0}, "least_area must lie in"),
        ({"model": ModelConfig("random-features")}, "model must be one with weights to train"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(TINY, **change)
    for images, seed, message in (
        (IMAGES[:8], 0, "images must be at least batch_size, 32, got 8"),
        (IMAGES, -1, "seed must be in"),
        (IMAGES[0], 0, "images must be uint8 or float32 of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            train_encoder(images, TINY, seed=seed)
