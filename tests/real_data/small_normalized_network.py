"""A convolutional network with batch normalisation that compiles in a few seconds."""

import jax.numpy as jnp
from flax import nnx


class SmallNormalizedNetwork(nnx.Module):
    """One convolution of four channels, batch normalisation, and a dense layer."""

    def __init__(self, *, rngs):
        self.convolution = nnx.Conv(1, 4, (3, 3), strides=2, rngs=rngs)
        self.normalization = nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4 * 16, 10, rngs=rngs)

    def features(self, images, *, train=False, tap=None):
        x = self.normalization(self.convolution(images), use_running_average=not train)
        return nnx.relu(x).reshape(len(x), -1).astype(jnp.float32)

    def __call__(self, images, *, train=False, tap=None):
        return self.head(self.features(images, train=train))
