"""Training on images that are read as they are needed."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from real_data import MLP, TrainingConfig, train
from real_data.training import augmentation, descent

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (90, 8, 8, 1), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 90)
MODEL = partial(MLP, 64, 10, (8,))
CONFIG = TrainingConfig(num_steps=12, batch_size=16, learning_rate=0.1, standardize=True)


class Files:
    """Stands for images in files; a crop is the image, darker by its seed."""

    shape, dtype = PIXELS.shape, PIXELS.dtype

    def __init__(self, fail_at=None):
        self.asked, self.fail_at = [], fail_at

    def __len__(self):
        return len(PIXELS)

    def __getitem__(self, index):
        return PIXELS[index]

    def crops(self, indices, seeds):
        if len(self.asked) == self.fail_at:
            raise OSError("the disk is gone")
        self.asked.append((indices, seeds))
        return (PIXELS[indices] // (1 + seeds % 4)[:, None, None, None]).astype(np.uint8)

    def update(self, digest):
        digest.update(b"ninety images")


def trained(images, config=CONFIG, seeds=(3,), **settings):
    return train(MODEL, images, LABELS, [np.arange(70)] * len(seeds), seeds=seeds, config=config, **settings)


@pytest.mark.parametrize("kind", ["none", "flip"])
def test_images_from_files_train_as_images_in_memory(kind):
    """In memory several steps are one program: it may round otherwise."""
    config = replace(CONFIG, augmentation=kind)
    files, memory = trained(Files(), config, (3, 4)), trained(PIXELS, config, (3, 4), networks_at_once=1)
    np.testing.assert_allclose(files.losses, memory.losses, atol=1e-5)
    for one, other in zip(*(jax.tree.leaves(each.params) for each in (files, memory)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(files.logits(Files()), memory.logits(PIXELS), atol=1e-4)


def test_crops_depend_on_seed_and_step_alone_and_training_resumes(tmp_path):
    config = replace(CONFIG, augmentation="crop")
    images = Files()
    expected = trained(images, config)
    np.testing.assert_array_equal([indices for indices, _ in images.asked], expected.batches()[0])
    seeds = np.array([seeds for _, seeds in images.asked])
    assert len(set(seeds.ravel().tolist())) == seeds.size
    with pytest.raises(OSError, match="the disk is gone"):
        trained(Files(fail_at=9), config, folder=tmp_path, checkpoint_every=4)
    rest = Files()
    resumed = trained(rest, config, folder=tmp_path, checkpoint_every=4)
    np.testing.assert_array_equal([seeds for _, seeds in rest.asked], seeds[8:])
    np.testing.assert_array_equal(resumed.losses, expected.losses)
    for one, other in zip(*(jax.tree.leaves(each.params) for each in (resumed, expected)), strict=True):
        np.testing.assert_array_equal(one, other)
    beside, longer = Files(), Files()
    trained(beside, config, (9, 3))
    np.testing.assert_array_equal([seeds for _, seeds in beside.asked[12:]], seeds)
    trained(longer, replace(config, num_steps=14))
    np.testing.assert_array_equal([seeds for _, seeds in longer.asked[:12]], seeds)


@pytest.mark.parametrize(("kind", "on_device"), [("crop", "none"), ("crop_flip", "flip")])
def test_crops_of_files_are_not_shifted_on_top(kind, on_device, monkeypatch):
    kinds = []

    def recorded(images, key, kind):
        kinds.append(kind)
        return augmentation.augment(images, key, kind)

    monkeypatch.setattr(descent, "augment", recorded)
    unseen = partial(MLP, 64, 10, (5,))  # so that JAX traces the step
    config = replace(CONFIG, augmentation=kind, num_steps=2)
    train(unseen, Files(), LABELS, [np.arange(70)], seeds=[0], config=config)
    assert set(kinds) <= {on_device} - {"none"}
    assert bool(kinds) == (on_device != "none")


def test_files_take_one_network_at_a_time():
    with pytest.raises(ValueError, match="networks_at_once must be 1 for images that are read from files, got 2"):
        trained(Files(), seeds=(3, 4), networks_at_once=2)
