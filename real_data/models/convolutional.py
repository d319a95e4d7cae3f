"""A small convolutional network."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from real_data.models.convolution import convolve
from real_data.models.gradient_tap import call

__all__ = ["CNN"]


class CNN(nnx.Module):
    """Three 3 x 3 convolutions with ReLU units, halving the image after the first two, and two dense layers.

    For small images, such as digits and CIFAR; without batch normalisation, so that examples never meet.

    Args:
        image_shape: height, width and channels of an image; height and width at least 4.
        num_classes: number of classes, the width of the output.
        channels: channels after the three convolutions; the last is the width of the hidden dense layer, too.
        dtype: type of the activations.
        rngs: random numbers of the initial weights: normal, of variance 2 / (number of inputs of a unit) (He et al.
            2015) before a ReLU, else the default of Flax.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        channels: tuple[int, int, int] = (32, 64, 128),
        *,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        height, width, before = image_shape
        if height < 4 or width < 4:
            raise ValueError(f"image_shape must be at least 4 x 4 pixels for a CNN, got {image_shape}")
        settings: dict[str, Any] = {"kernel_init": nnx.initializers.he_normal(), "dtype": dtype, "rngs": rngs}
        shape: dict[str, Any] = {"kernel_size": (3, 3), "padding": ((1, 1), (1, 1)), "conv_general_dilated": convolve}
        convolutions = []
        for after in channels:
            convolutions.append(nnx.Conv(before, after, **shape, **settings))
            before = after
        self.convolutions = nnx.List(convolutions)
        self.hidden = nnx.Linear((height // 4) * (width // 4) * before, before, **settings)
        self.head = nnx.Linear(before, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Logits of a batch of images, shape (batch, num_classes)."""
        return call(self.head, self.features(images, tap=tap), tap)

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Activations of the hidden dense layer, shape (batch, channels[-1])."""
        x = images
        for number, convolution in enumerate(self.convolutions):
            x = nnx.relu(call(convolution, x, tap))
            if number < 2:
                x = largest_of_four(x)
        return nnx.relu(call(self.hidden, x.reshape(len(x), -1), tap)).astype(jnp.float32)


def largest_of_four(x: jax.Array) -> jax.Array:
    """Max pooling over 2 x 2 pixels with stride 2; a last odd row or column is dropped.

    As ``nnx.max_pool(x, (2, 2), strides=(2, 2))``, whose derivative is ten times slower on a CPU.
    """
    height, width = (size // 2 * 2 for size in x.shape[1:3])
    corners = [x[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
    return jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))
