"""Two random views of an image, which contrastive learning takes for one thing: cut out, mirrored, coloured otherwise.

Source: Chen, Kornblith, Norouzi and Hinton, *A simple framework for contrastive learning of visual representations*
(ICML 2020), section 3 and appendix A, without the blur, as they do for CIFAR-10.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from real_data.embeddings.config import ContrastiveConfig

__all__ = ["crop_and_resize", "random_view"]

LEAST_RATIO = 3 / 4  # of width to height of what is cut out, to its inverse
CHANGED = 0.8  # share of the views whose colours are changed
GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue in the brightness
TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))  # the hue turns in the plane of I, Q


def random_view(images: jax.Array, key: jax.Array, config: ContrastiveConfig) -> jax.Array:
    """A random view of each image.

    Args:
        images: shape (batch, height, width, channels), float32; channels of brightness in [0, 1] if they are three.
        key: random key of JAX.
        config: how much is cut out and how much the colours are changed; hue, saturation and grey need three channels.

    Returns:
        Views of the same shape; of three channels, in [0, 1].
    """
    area, ratio, corner, mirror, colour = jax.random.split(key, 5)
    batch = len(images)
    share = jax.random.uniform(area, (batch,), minval=config.least_area)
    stretch = jnp.exp(jax.random.uniform(ratio, (batch,), minval=math.log(LEAST_RATIO), maxval=-math.log(LEAST_RATIO)))
    sides = jnp.minimum(jnp.stack([jnp.sqrt(share / stretch), jnp.sqrt(share * stretch)], axis=1), 1)
    starts = jax.random.uniform(corner, (batch, 2)) * (1 - sides)
    views = crop_and_resize(images, starts, sides)
    if config.flip:
        mirrored = jax.random.bernoulli(mirror, shape=(batch, 1, 1, 1))
        views = jnp.where(mirrored, views[:, :, ::-1], views)
    return _recoloured(views, colour, config)


def crop_and_resize(images: jax.Array, starts: jax.Array, sides: jax.Array) -> jax.Array:
    """Rectangles of images, brought to the size of the images by linear interpolation.

    Args:
        images: shape (batch, height, width, channels).
        starts: upper left corner, rows and columns, as shares of height and width, shape (batch, 2).
        sides: height and width, as shares, likewise.

    Returns:
        Shape (batch, height, width, channels).
    """
    height, width = images.shape[1:3]
    rows = _interpolation(height, starts[:, 0], sides[:, 0])
    columns = _interpolation(width, starts[:, 1], sides[:, 1])
    return jnp.einsum("bjw,bhwc->bhjc", columns, jnp.einsum("bih,bhwc->biwc", rows, images))


def _interpolation(size: int, start: jax.Array, side: jax.Array) -> jax.Array:
    """Weights of the old pixels in each new one, shape (batch, new, old): a product is faster than picking pixels."""
    centres = (start[:, None] + (jnp.arange(size) + 0.5) / size * side[:, None]) * size - 0.5
    centres = jnp.clip(centres, 0, size - 1)
    return jnp.maximum(1 - jnp.abs(centres[:, :, None] - jnp.arange(size)), 0)


def _recoloured(views: jax.Array, key: jax.Array, config: ContrastiveConfig) -> jax.Array:
    """Brightness, contrast, saturation and hue changed, then some without colour."""
    batch, channels = len(views), views.shape[-1]
    keys = jax.random.split(key, 6)
    if config.jitter > 0:
        low, high = 1 - config.jitter, 1 + config.jitter
        brightness, contrast, saturation = (
            jax.random.uniform(one, (batch, 1, 1, 1), minval=low, maxval=high) for one in keys[:3]
        )
        changed = views * brightness
        changed = _towards(changed, changed.mean(axis=(1, 2), keepdims=True).mean(axis=3, keepdims=True), contrast)
        if channels == 3:
            changed = _towards(changed, _brightness(changed), saturation)
            angle = 2 * jnp.pi * config.jitter / 4 * jax.random.uniform(keys[3], (batch,), minval=-1)
            changed = jnp.einsum("bhwc,bdc->bhwd", changed, _hue_turned(angle))
        views = jnp.where(jax.random.bernoulli(keys[4], CHANGED, (batch, 1, 1, 1)), changed, views)
    if channels == 3:
        without = jax.random.bernoulli(keys[5], config.grey, (batch, 1, 1, 1))
        views = jnp.clip(jnp.where(without, _brightness(views), views), 0, 1)
    return views


def _towards(views: jax.Array, middle: jax.Array, factor: jax.Array) -> jax.Array:
    return middle + factor * (views - middle)


def _brightness(views: jax.Array) -> jax.Array:
    return (views @ jnp.array(GREY))[..., None]


def _hue_turned(angle: jax.Array) -> jax.Array:
    """Matrices that turn the hue of red, green and blue by angles, shape (batch, 3, 3)."""
    to_yiq = jnp.array(TO_YIQ)
    cos, sin, one, none = jnp.cos(angle), jnp.sin(angle), jnp.ones_like(angle), jnp.zeros_like(angle)
    turn = jnp.stack([one, none, none, none, cos, -sin, none, sin, cos], axis=-1).reshape(-1, 3, 3)
    return jnp.linalg.inv(to_yiq) @ turn @ to_yiq
