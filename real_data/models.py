"""Networks, as Flax NNX modules.

Every model is called on a float32 batch of images, shape (batch, height, width, channels), and returns
logits, shape (batch, num_classes).  Its constructor takes the random numbers by the keyword ``rngs``, so
that ``functools.partial(MLP, 64, 10)`` is what :func:`real_data.training.train` and
:func:`real_data.scores.el2n` need.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import jax
from flax import nnx

__all__ = ["MLP"]


class MLP(nnx.Module):
    """Multi-layer perceptron with ReLU units.

    Args:
        num_inputs: pixels times channels of an image.
        num_classes: number of classes, the width of the output.
        hidden: widths of the hidden layers; ``()`` is logistic regression.
        rngs: random numbers of the initial weights.
    """

    def __init__(self, num_inputs: int, num_classes: int, hidden: Sequence[int] = (64,), *, rngs: nnx.Rngs):
        widths = (num_inputs, *hidden, num_classes)
        self.layers = nnx.List([nnx.Linear(before, after, rngs=rngs) for before, after in pairwise(widths)])

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits of a batch of images."""
        x = images.reshape(images.shape[0], -1)
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)
