"""GraNd: length of the gradient of the loss of one example."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
from flax import nnx

__all__ = ["gradient_norm"]


def gradient_norm(module: nnx.Module, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Length of the gradient of each example's cross-entropy with respect to all weights of the network.

    Exact, not an estimate.  Batch normalisation uses its running statistics, so that the score of an example does not
    depend on those beside it.

    A network whose ``__call__`` has the keyword ``tap``, as all of :mod:`real_data.models`, is differentiated once for
    the whole batch, see :mod:`real_data.models.gradient_tap`: no gradient of a single example is kept.  Any other
    network is differentiated for each example by itself, which is slow and takes memory for one gradient per example.

    Source: Paul, Ganguli, Dziugaite, *Deep Learning on a Data Diet* (NeurIPS 2021), definition 2.1.

    Args:
        module: network, called on images, returns logits.
        images: inputs of the network, shape (batch, height, width, channels).
        labels: classes, integers of shape (batch,).

    Returns:
        Lengths, at least 0, higher = harder, float32 of shape (batch,).
    """
    if "tap" in inspect.signature(type(module).__call__).parameters:
        return _by_tap(module, images, labels)
    return _one_by_one(module, images, labels)


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross-entropy as softplus(logsumexp of the other classes - logit of the class).

    Its gradient has no difference 1 - p, which for easy examples would leave of p near 1 only the rounding, and with it
    the batch size.
    """
    logits = logits.astype(jnp.float32)
    own = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    others = jnp.where(jnp.arange(logits.shape[1]) == labels[:, None], -jnp.inf, logits)
    return jax.nn.softplus(jax.scipy.special.logsumexp(others, axis=1) - own)


def _by_tap(module: nnx.Module, images: jax.Array, labels: jax.Array) -> jax.Array:
    def total_loss(tap: jax.Array) -> jax.Array:
        return jnp.sum(_cross_entropy(module(images, tap=tap), labels))

    return jnp.sqrt(jax.grad(total_loss)(jnp.zeros(len(images), jnp.float32)))


def _one_by_one(module: nnx.Module, images: jax.Array, labels: jax.Array) -> jax.Array:
    graphdef, weights, *others = nnx.split(module, nnx.Param, ...)

    def loss(weights: nnx.State, image: jax.Array, label: jax.Array) -> jax.Array:
        return _cross_entropy(nnx.merge(graphdef, weights, *others)(image[None]), label[None])[0]

    gradients = jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(weights, images, labels)
    squares = [
        jnp.sum(jnp.square(g.astype(jnp.float32)).reshape(len(images), -1), axis=1) for g in jax.tree.leaves(gradients)
    ]
    return jnp.sqrt(sum(squares, start=jnp.zeros(len(images), jnp.float32)))
