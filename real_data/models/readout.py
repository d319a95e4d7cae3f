"""Fixed features and a linear readout: students whose training is a linear solve."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from real_data.models.config import LEAST_FOR_PATCHES

__all__ = ["PatchFeatures", "RandomFeatures", "ReadoutNetwork"]

PATCH = 6  # pixels
NUM_PATCHES = 20_000  # from which the filters of patches are made
RARE = 0.75  # quantile of a filter's responses above which it is active
SMALL_VARIANCE = 0.1  # of the mean variance of patches, added to the variances before whitening


class ReadoutNetwork(nnx.Module):
    """A network of which only the linear last layer, ``readout``, is learned.

    :func:`real_data.training.train.train` solves for it (ridge regression) in place of gradient descent.
    """

    readout: nnx.Linear

    def __call__(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Logits of a batch of images, shape (batch, num_classes)."""
        if tap is not None:
            raise ValueError("gradients of examples are for networks that are trained by gradient descent")
        return self.readout(self.features(images))

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Features of a batch of images, float32, shape (batch, width)."""
        raise NotImplementedError

    def look_at(self, inputs: np.ndarray, rng: np.random.Generator) -> None:
        """Adapt the fixed features to images, without their labels; float32 of shape (num_images, ...)."""


class RandomFeatures(ReadoutNetwork):
    """ReLU of random projections of the pixels (Rahimi and Recht 2007), and a linear readout.

    Args:
        num_inputs: pixels times channels of an image.
        num_classes: number of classes.
        width: number of features.
        rngs: random numbers of the projections.
    """

    def __init__(self, num_inputs: int, num_classes: int, width: int = 500, *, rngs: nnx.Rngs):
        self.projection = nnx.Linear(
            num_inputs,
            width,
            kernel_init=nnx.initializers.he_normal(),
            bias_init=nnx.initializers.normal(0.5),
            rngs=rngs,
        )
        self.readout = nnx.Linear(width, num_classes, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:  # noqa: D102
        return nnx.relu(self.projection(images.reshape(images.shape[0], -1)))


class PatchFeatures(ReadoutNetwork):
    """How much each quarter of an image resembles patches of other images, and a linear readout.

    As Coates, Ng and Lee (2011): filters are whitened patches of 6 x 6 pixels of the training images, active above a
    threshold, averaged over the quarters of the image.

    Args:
        image_shape: height, width and channels of an image; height and width at least 8.
        num_classes: number of classes.
        num_filters: number of patches; four times as many features.
        rngs: random numbers of the filters before they have looked at images.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, num_filters: int = 200, *, rngs: nnx.Rngs):
        height, width, channels = image_shape
        if min(height, width) < LEAST_FOR_PATCHES:
            least = f"{LEAST_FOR_PATCHES} x {LEAST_FOR_PATCHES}"
            raise ValueError(f"image_shape must be at least {least} pixels for patch features, got {image_shape}")
        stride = 2 if min(height, width) >= 24 else 1
        shape: dict[str, Any] = {"kernel_size": (PATCH, PATCH), "strides": (stride, stride), "padding": "VALID"}
        self.filters = nnx.Conv(channels, num_filters, **shape, rngs=rngs)
        self.readout = nnx.Linear(4 * num_filters, num_classes, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:  # noqa: D102
        active = nnx.relu(self.filters(images))
        middle, centre = active.shape[1] // 2, active.shape[2] // 2
        quarters = [
            active[:, rows, columns].mean(axis=(1, 2))
            for rows in (slice(middle), slice(middle, None))
            for columns in (slice(centre), slice(centre, None))
        ]
        return jnp.concatenate(quarters, axis=1)

    def look_at(self, inputs: np.ndarray, rng: np.random.Generator) -> None:
        """Make filters of whitened patches of these images."""
        number, height, width, channels = inputs.shape
        which, top, left = (
            rng.integers(0, size, NUM_PATCHES) for size in (number, height - PATCH + 1, width - PATCH + 1)
        )
        within = np.arange(PATCH)
        patches = inputs[
            which[:, None, None], (top[:, None] + within)[:, :, None], (left[:, None] + within)[:, None, :]
        ]
        flat = patches.reshape(NUM_PATCHES, -1).astype(np.float64)
        mean = flat.mean(axis=0)
        variance, axes = np.linalg.eigh(np.cov(flat.T))
        whiten = (axes / np.sqrt(np.maximum(variance, 0) + SMALL_VARIANCE * variance.mean())) @ axes.T
        num_filters = self.readout.in_features // 4
        templates = (flat[rng.choice(NUM_PATCHES, num_filters, replace=False)] - mean) @ whiten
        kernel = whiten @ (templates / np.linalg.norm(templates, axis=1, keepdims=True)).T
        responses = (flat - mean) @ kernel
        kernel = kernel / responses.std(axis=0)
        threshold = np.quantile((flat - mean) @ kernel, RARE, axis=0)
        self.filters.kernel[...] = jnp.asarray(kernel.reshape(PATCH, PATCH, channels, num_filters), jnp.float32)
        assert self.filters.bias is not None
        self.filters.bias[...] = jnp.asarray(-threshold - mean @ kernel, jnp.float32)
