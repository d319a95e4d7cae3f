"""Residual networks."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from real_data.models.convolution import convolve
from real_data.models.gradient_tap import call

__all__ = ["ResNet"]

_STAGES = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


class ResNet(nnx.Module):
    """Residual network of 18 or 50 layers, the same function of its weights as torchvision's.

    He, Zhang, Ren, Sun, *Deep residual learning for image recognition* (CVPR 2016), table 1, in version 1.5: where a
    bottleneck block halves the image, its 3 x 3 convolution has the stride.  At width 1 and with the ImageNet stem the
    parameters are one to one those of ``torchvision.models.resnet18`` and ``resnet50``.

    Initial weights: convolutions normal, of variance 2 / (number of outputs that an input reaches) (He et al. 2015,
    "fan out"); all scales of batch normalisation 1, that of a block's last one too, so that every layer has a gradient
    from the start; dense layer by the default of Flax.  Running statistics move by a tenth per batch in training and
    use the variance of the batch divided by n (PyTorch: n - 1).

    Args:
        num_layers: 18 or 50.
        num_channels: channels of an image.
        num_classes: number of classes, the width of the output.
        stem: ``cifar``, a 3 x 3 convolution; ``imagenet``, a 7 x 7 convolution of stride 2 and 3 x 3 max pooling of
            stride 2.
        width: factor on all numbers of channels, above 0; rounded to whole channels, at least 1.
        dtype: type of the activations; weights and statistics are float32.
        rngs: random numbers of the initial weights.
    """

    def __init__(
        self,
        num_layers: Literal[18, 50],
        num_channels: int,
        num_classes: int,
        *,
        stem: Literal["cifar", "imagenet"] = "cifar",
        width: float = 1.0,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        if num_layers not in _STAGES:
            raise ValueError(f"num_layers must be 18 or 50, got {num_layers!r}")
        make = partial(_Normalized, dtype=dtype, rngs=rngs)
        expansion = 1 if num_layers == 18 else 4
        self.pooled_stem = stem == "imagenet"
        before = max(1, round(64 * width))
        self.stem = make(num_channels, before, 7, 2) if self.pooled_stem else make(num_channels, before, 3)
        blocks = []
        for stage, num_blocks in enumerate(_STAGES[num_layers]):
            inner, after = (max(1, round(64 * 2**stage * factor * width)) for factor in (1, expansion))
            for number in range(num_blocks):
                stride = 2 if stage > 0 and number == 0 else 1
                if num_layers == 18:
                    layers = [make(before, inner, 3, stride), make(inner, after, 3)]
                else:
                    layers = [make(before, inner, 1), make(inner, inner, 3, stride), make(inner, after, 1)]
                same = stride == 1 and before == after
                blocks.append(_Block(layers, None if same else make(before, after, 1, stride)))
                before = after
        self.blocks = nnx.List(blocks)
        self.head = nnx.Linear(before, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Logits of a batch of images, shape (batch, num_classes)."""
        return call(self.head, self.features(images, train=train, tap=tap), tap)

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Activations of the last block, averaged over the image, shape (batch, channels)."""
        x = nnx.relu(self.stem(images, train, tap))
        if self.pooled_stem:
            x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for block in self.blocks:
            x = block(x, train, tap)
        return jnp.mean(x.astype(jnp.float32), axis=(1, 2))


class _Normalized(nnx.Module):
    """Convolution and batch normalisation; zeros around the image keep its size, but for the stride."""

    def __init__(self, before: int, after: int, size: int, stride: int = 1, *, dtype: Any, rngs: nnx.Rngs):
        edge = (size // 2, size // 2)
        self.convolution = nnx.Conv(
            before,
            after,
            (size, size),
            strides=(stride, stride),
            padding=(edge, edge),
            use_bias=False,
            kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
            conv_general_dilated=convolve,
            dtype=dtype,
            rngs=rngs,
        )
        self.normalization = nnx.BatchNorm(after, momentum=0.9, epsilon=1e-5, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, train: bool, tap: jax.Array | None) -> jax.Array:
        return call(self.normalization, call(self.convolution, x, tap), tap, train=train)


class _Block(nnx.Module):
    """Layers with a way around them."""

    def __init__(self, layers: list[_Normalized], shortcut: _Normalized | None):
        self.layers = nnx.List(layers)
        self.shortcut = shortcut

    def __call__(self, x: jax.Array, train: bool, tap: jax.Array | None) -> jax.Array:
        around = x if self.shortcut is None else self.shortcut(x, train, tap)
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x, train, tap))
        return nnx.relu(self.layers[-1](x, train, tap) + around)
