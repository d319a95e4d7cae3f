"""The network of the settings: ``build``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from real_data.models.config import HEADS, ModelConfig
from real_data.models.convolutional import CNN
from real_data.models.perceptron import MLP
from real_data.models.readout import PatchFeatures, RandomFeatures
from real_data.models.residual import ResNet
from real_data.models.transformer import HEAD_WIDTH, VisionTransformer, check_patches

__all__ = ["Model", "build"]

Model = Callable[..., nnx.Module]
"""Builds one network from the keyword ``rngs``, for example ``functools.partial(MLP, 64, 10)``.

Make it once and use it again: JAX compiles anew for every new object.
"""


def build(config: ModelConfig, image_shape: Sequence[int], num_classes: int) -> Model:
    """The network of the settings; equal arguments give the same object, so that JAX compiles once.

    Args:
        config: which network.
        image_shape: height, width and channels of an image.
        num_classes: number of classes, at least 2.

    Raises:
        ValueError: ``image_shape`` or ``num_classes`` is none, the images are too small for the network, or patches
            do not tile them.
    """
    shape = tuple(map(int, image_shape))
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"image_shape must be height, width and channels, each at least 1, got {image_shape!r}")
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, got {num_classes!r}")
    bfloat16 = config.precision == "bfloat16" or (
        config.precision == "auto" and jax.default_backend() in ("gpu", "tpu")
    )
    return _build(config, (shape[0], shape[1], shape[2]), int(num_classes), bfloat16)


@cache
def _build(config: ModelConfig, image_shape: tuple[int, int, int], num_classes: int, bfloat16: bool) -> Model:
    dtype = jnp.bfloat16 if bfloat16 else jnp.float32
    height, width, channels = image_shape
    if config.kind == "mlp":
        return partial(MLP, height * width * channels, num_classes, config.hidden, dtype=dtype)
    if config.kind == "cnn":
        if min(height, width) < 4:
            raise ValueError(f"a cnn needs images of at least 4 x 4 pixels, got {height} x {width}")
        first, second, third = (max(1, round(number * config.width)) for number in (32, 64, 128))
        return partial(CNN, image_shape, num_classes, (first, second, third), dtype=dtype)
    if config.kind == "random-features":
        return partial(RandomFeatures, height * width * channels, num_classes, max(1, round(500 * config.width)))
    if config.kind == "patch-features":
        return partial(PatchFeatures, image_shape, num_classes, max(1, round(200 * config.width)))
    if config.attends:
        return _transformer(config, image_shape, num_classes, dtype)
    stem = config.stem
    if stem == "auto":
        stem = "imagenet" if min(height, width) >= 64 else "cifar"
    make = partial(ResNet, 18) if config.kind == "resnet18" else partial(ResNet, 50)
    return partial(make, channels, num_classes, stem=stem, width=config.width, dtype=dtype)


def _transformer(config: ModelConfig, image_shape: tuple[int, int, int], num_classes: int, dtype: Any) -> Model:
    num_heads = max(1, round(HEADS[config.kind] * config.width))
    patch_size = config.patch_size or (16 if min(image_shape[:2]) >= 64 else 4)
    check_patches(image_shape, patch_size)
    return partial(
        VisionTransformer,
        image_shape,
        num_classes,
        patch_size=patch_size,
        width=HEAD_WIDTH * num_heads,
        num_heads=num_heads,
        depth=config.depth or 12,
        registers=config.registers,
        dtype=dtype,
    )
