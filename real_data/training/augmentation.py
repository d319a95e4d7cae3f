"""What happens to images before a network sees them: scaling, standardisation, random shifts and mirror images.

All of it runs on the device, inside the training step.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Standardization", "augment", "standardization_of", "to_inputs"]

SAMPLE = 4096


class Standardization(NamedTuple):
    """Mean and standard deviation of each channel, in units where uint8 images span [0, 1]; shape (channels,)."""

    mean: np.ndarray
    scale: np.ndarray


def standardization_of(images: np.ndarray, *, standardize: bool) -> Standardization:
    """Mean and standard deviation of the channels of training images.

    Args:
        images: shape (num_images, height, width, channels), uint8 or float32.  Of images in files and of more than
            4,096 images in memory, 4,096 evenly spaced ones are taken.
        standardize: False gives mean 0 and scale 1.
    """
    channels = images.shape[-1]
    if not standardize:
        return Standardization(np.zeros(channels, np.float32), np.ones(channels, np.float32))
    chosen = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(np.int64))
    sample = np.asarray(images[chosen])
    unit = 255 if sample.dtype == np.uint8 else 1
    mean = sample.mean(axis=(0, 1, 2), dtype=np.float64) / unit
    spread = sample.std(axis=(0, 1, 2), dtype=np.float64) / unit
    return Standardization(mean.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32))


def to_inputs(images: jax.Array, standardization: Standardization) -> jax.Array:
    """Float32 inputs of a network: uint8 is scaled to [0, 1], then every channel is standardised."""
    inputs = images.astype(jnp.float32) / 255 if images.dtype == jnp.uint8 else images
    return (inputs - standardization.mean) / standardization.scale


def augment(images: jax.Array, key: jax.Array, kind: str) -> jax.Array:
    """Shift and mirror images at random, each by itself.

    Args:
        images: shape (batch, height, width, channels).
        key: random key of JAX.
        kind: ``none``, ``crop``, ``flip`` or ``crop_flip``; see :class:`real_data.training.config.TrainingConfig`.

    Returns:
        Images of the same shape; pixels from outside are zero.
    """
    batch, height, width, _ = images.shape
    crop_key, flip_key = jax.random.split(key)
    if "crop" in kind:
        # a side of one pixel stays: shifted, nothing would be left of it
        margin = tuple(max(1, side // 8) if side > 1 else 0 for side in (height, width))
        padded = jnp.pad(images, ((0, 0), (margin[0], margin[0]), (margin[1], margin[1]), (0, 0)))
        most = jnp.array([2 * margin[0] + 1, 2 * margin[1] + 1])
        corner = jax.random.randint(crop_key, (batch, 2), 0, most)
        rows = corner[:, :1] + jnp.arange(height)
        columns = corner[:, 1:] + jnp.arange(width)
        images = padded[jnp.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]
    if "flip" in kind:
        mirrored = jax.random.bernoulli(flip_key, shape=(batch, 1, 1, 1))
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images
