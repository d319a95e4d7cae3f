"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from real_data.models.gradient_tap import call

__all__ = ["MLP"]


class MLP(nnx.Module):
    """Multi-layer perceptron with ReLU units.

    Args:
        num_inputs: pixels times channels of an image.
        num_classes: number of classes, the width of the output.
        hidden: widths of the hidden layers; ``()`` is logistic regression.
        dtype: type of the hidden activations; None is that of the images.
        rngs: random numbers of the initial weights.
    """

    def __init__(
        self, num_inputs: int, num_classes: int, hidden: Sequence[int] = (64,), *, dtype: Any = None, rngs: nnx.Rngs
    ):
        widths = (num_inputs, *hidden, num_classes)
        self.layers = nnx.List(
            [
                nnx.Linear(before, after, dtype=dtype if number < len(hidden) else None, rngs=rngs)
                for number, (before, after) in enumerate(pairwise(widths))
            ]
        )

    def __call__(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Logits of a batch of images, shape (batch, num_classes)."""
        return call(self.layers[-1], self.features(images, tap=tap), tap)

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Activations of the last hidden layer, shape (batch, width); without one, the pixels."""
        x = images.reshape(images.shape[0], -1)
        for layer in self.layers[:-1]:
            x = nnx.relu(call(layer, x, tap))
        return x.astype(jnp.float32)
