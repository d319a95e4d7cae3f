"""One compiled step of contrastive training: two views, a projection, the loss over the batch.

Source: Chen, Kornblith, Norouzi and Hinton, *A simple framework for contrastive learning of visual representations*
(ICML 2020), section 2 and algorithm 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.embeddings.config import ContrastiveConfig
from real_data.embeddings.views import random_view
from real_data.training.augmentation import Standardization, to_inputs
from real_data.training.networks import Params

__all__ = ["State", "contrastive_loss", "initial_state", "step_on_images"]


class State(NamedTuple):
    """What a step changes."""

    params: Params
    batch_stats: Params
    projection: Params
    optimizer: Any


def initial_state(params: Params, batch_stats: Params, width: int, config: ContrastiveConfig, seed: int) -> State:
    """The state before the first step: behind the features two layers, weights of variance 2 / (number of inputs).

    Args:
        params: weights of the network.
        batch_stats: its running means and variances.
        width: of its features.
        config: the settings.
        seed: of the weights of the two layers.
    """
    rng = np.random.default_rng([seed, 1])
    sizes = ((width, config.projection), (config.projection, config.projection))
    projection = [
        {
            "kernel": (rng.standard_normal(size) * np.sqrt(2 / size[0])).astype(np.float32),
            "bias": np.zeros(size[1], np.float32),
        }
        for size in sizes
    ]
    return State(params, batch_stats, projection, optax.adam(0.0).init((params, projection)))


def contrastive_loss(one: jax.Array, other: jax.Array, temperature: float) -> jax.Array:
    """How badly the partner of each view is told from all other views (InfoNCE; NT-Xent of the paper).

    For 2 B views with unit vectors z, partner p(i) of view i: mean over i of
    -log(exp(z_i z_p(i) / t) / sum_{k != i} exp(z_i z_k / t)).

    Args:
        one: projections of one view of each image, shape (B, width).
        other: those of the other view, likewise.
        temperature: t.

    Returns:
        The loss; log(2 B - 1) where all views look alike.
    """
    z = jnp.concatenate([one, other])
    z = z * jax.lax.rsqrt(jnp.sum(z**2, axis=1, keepdims=True) + 1e-12)
    number = len(z)
    cosines = jnp.where(jnp.eye(number, dtype=bool), -jnp.inf, z @ z.T / temperature)
    partner = (jnp.arange(number) + len(one)) % number
    return (jax.nn.logsumexp(cosines, axis=1) - cosines[jnp.arange(number), partner]).mean()


def _projected(projection: Params, features: jax.Array) -> jax.Array:
    first, second = projection
    hidden = jax.nn.relu(features @ first["kernel"] + first["bias"])
    return hidden @ second["kernel"] + second["bias"]


@quickly_compiled(static_argnames=("graphdef", "config"), donate_argnames="state")
def step_on_images(
    graphdef: Any,
    config: ContrastiveConfig,
    state: State,
    images: jax.Array,
    rate: jax.Array,
    step: jax.Array,
    key: jax.Array,
    standardization: Standardization,
) -> tuple[State, jax.Array]:
    """One step on a batch of images: the next state and the loss."""
    pixels = images.astype(jnp.float32) / 255 if images.dtype == jnp.uint8 else images
    views = [random_view(pixels, one, config) for one in jax.random.split(jax.random.fold_in(key, step))]
    inputs = to_inputs(jnp.concatenate(views), standardization)

    def loss(trained: tuple[Params, Params]) -> tuple[jax.Array, Params]:
        params, projection = trained
        network = nnx.merge(graphdef, params, state.batch_stats)
        one, other = jnp.split(_projected(projection, network.features(inputs, train=True)), 2)
        value = contrastive_loss(one, other, config.temperature)
        return value, nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))

    trained = (state.params, state.projection)
    (value, batch_stats), gradient = jax.value_and_grad(loss, has_aux=True)(trained)
    updates, optimizer = optax.adam(rate).update(gradient, state.optimizer, trained)
    params, projection = optax.apply_updates(trained, updates)
    return State(params, batch_stats, projection, optimizer), value
