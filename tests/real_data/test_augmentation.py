"""Random shifts and mirror images on the device, and standardisation, against brute force in NumPy."""

from functools import partial

import jax
import numpy as np
import pytest

from real_data.training.augmentation import augment, standardization_of, to_inputs

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(64, 16, 9, 2)).astype(np.float32)  # margins: 16 // 8 = 2 rows, max(1, 9 // 8) = 1 column
PADDED = np.zeros((64, 20, 11, 2), np.float32)
PADDED[:, 2:-2, 1:-1] = IMAGES
AUGMENT = jax.jit(augment, static_argnames="kind")


def shifts_of(images, number):
    """All shifts by which an image may have come from original ``number``, as (row, column, mirrored)."""
    return [
        (row, column, mirrored)
        for row in range(5)
        for column in range(3)
        for mirrored in (False, True)
        if np.array_equal(PADDED[number, row : row + 16, column : column + 9][:, :: -1 if mirrored else 1], images)
    ]


@pytest.mark.parametrize("kind", ["crop", "flip", "crop_flip"])
def test_every_image_is_one_shift_or_mirror_image_of_its_own(kind):
    """All 15 shifts are about equally frequent, and half are mirrored, each image by itself.

    2,048 images: a count of the 15 shifts has mean 136.5, standard deviation 11.3; of the mirrored, 1,024 and 22.6.
    Five standard deviations: a false alarm in fewer than 1 of 100,000 seeds; the seeds are fixed.
    """
    found = []
    for seed in range(32):
        changed = np.asarray(AUGMENT(IMAGES, jax.random.key(seed), kind=kind))
        assert changed.shape == IMAGES.shape
        assert changed.dtype == np.float32
        each = [shifts_of(image, number) for number, image in enumerate(changed)]
        assert all(len(shifts) == 1 for shifts in each)
        found += [shifts[0] for shifts in each]
        assert len({shifts[0] for shifts in each}) > 1  # each image by itself
    rows_columns = [(row, column) for row, column, _ in found]
    num_mirrored = sum(mirrored for *_, mirrored in found)
    if "crop" in kind:
        counts = [rows_columns.count((row, column)) for row in range(5) for column in range(3)]
        assert max(abs(np.array(counts) - 2048 / 15)) < 5 * 11.3
    else:
        assert set(rows_columns) == {(2, 1)}
    assert abs(num_mirrored - 1024) < 5 * 22.6 if "flip" in kind else num_mirrored == 0


def test_none_leaves_images_alone():
    np.testing.assert_array_equal(augment(IMAGES, jax.random.key(0), "none"), IMAGES)


def test_the_key_decides():
    first, again, other = (np.asarray(AUGMENT(IMAGES, jax.random.key(seed), kind="crop_flip")) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    # an image comes out the same under another key with probability 1/30
    assert np.mean([np.array_equal(one, two) for one, two in zip(first, other, strict=True)]) < 0.2


def test_vmap_over_networks_changes_nothing():
    keys = jax.random.split(jax.random.key(3), 2)
    together = jax.vmap(partial(augment, kind="crop_flip"))(np.stack([IMAGES, -IMAGES]), keys)
    for images, key, found in zip((IMAGES, -IMAGES), keys, together, strict=True):
        np.testing.assert_array_equal(AUGMENT(images, key, kind="crop_flip"), found)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_standardised_images_have_mean_zero_and_deviation_one(dtype):
    images = RNG.integers(0, 256, (50, 6, 6, 3)) // np.array([1, 2, 256])  # the last channel is constant
    images = images.astype(np.uint8) if dtype == np.uint8 else (images / 100 - 1).astype(np.float32)
    inputs = np.asarray(to_inputs(images, standardization_of(images, standardize=True)), np.float64)
    np.testing.assert_allclose(inputs.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(inputs.std(axis=(0, 1, 2)), [1, 1, 0], atol=1e-5)


def test_without_standardisation_uint8_is_scaled_and_float32_taken_as_it_is():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    none = standardization_of(pixels, standardize=False)
    np.testing.assert_allclose(to_inputs(pixels, none), pixels / 255, rtol=2e-7)
    np.testing.assert_array_equal(to_inputs(pixels.astype(np.float32), none), pixels)


def test_of_many_images_evenly_spaced_ones_are_taken():
    """Of 8,191 images the 4,096 evenly spaced ones are every second, from the first to the last."""
    images = np.zeros((8191, 1, 1, 1), np.float32)
    images[::4], images[1::2] = 2, np.nan
    mean, scale = standardization_of(images, standardize=True)
    assert (mean, scale) == (1, 1)


def test_rows_of_numbers_are_left_alone():
    """Embeddings come as images of one pixel: shifted they would be zero; a row of pixels is shifted along itself."""
    rows = IMAGES.reshape(64, 1, 1, -1)
    np.testing.assert_array_equal(AUGMENT(rows, jax.random.key(0), kind="crop_flip"), rows)
    lines = RNG.uniform(1, 2, size=(64, 1, 16, 1)).astype(np.float32)
    changed = np.asarray(AUGMENT(lines, jax.random.key(0), kind="crop"))
    assert np.all(changed.any(axis=2))
    assert not np.array_equal(changed, lines)
