"""Training several networks at once, each on its own kept examples.

The networks share the images but have their own initial weights, kept examples and order of batches; JAX's
``vmap`` runs them side by side in one compiled program.  NumPy makes the order of batches beforehand, as an
array of indices of shape (num_networks, num_steps, batch_size): this shape does not depend on how many
examples are kept, so one compilation serves every cell of an experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx
from numpy.typing import NDArray

from real_data.config import TrainingConfig

__all__ = ["Model", "TrainedNetworks", "TrainingConfig", "batch_indices", "train"]

Model = Callable[..., nnx.Module]
"""Builds one network from the keyword ``rngs``, for example ``functools.partial(MLP, 64, 10)``.

Make it once and use it again: JAX compiles anew for every new object.
"""

Params = Any  # a pure dictionary of arrays


@dataclass(frozen=True, eq=False)
class TrainedNetworks:
    """Networks after training.

    Attributes:
        graphdef: structure of one network (Flax NNX).
        params: weights, a pure dictionary of float32 arrays with a leading axis (num_networks,).
        losses: training loss of each step, shape (num_networks, num_steps).
    """

    graphdef: Any
    params: Params
    losses: NDArray[np.float32]

    def logits(self, images: np.ndarray, *, batch_size: int = 1024) -> NDArray[np.float32]:
        """Logits of images under all networks, shape (num_networks, num_images, num_classes).

        The batch size does not matter beyond float32 rounding: the last batch is filled up with blank
        images, whose logits are dropped.

        Args:
            images: shape (num_images, height, width, channels), uint8 or float32, num_images >= 1.
            batch_size: images per call of the network, at least 1.

        Raises:
            ValueError: ``batch_size`` below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        parts = []
        for start in range(0, len(images), batch_size):
            batch = _network_inputs(images[start : start + batch_size])
            blank = np.zeros((batch_size - len(batch), *batch.shape[1:]), dtype=np.float32)
            logits = _logits(self.graphdef, self.params, np.concatenate([batch, blank]))
            parts.append(np.asarray(logits)[:, : len(batch)])
        return np.concatenate(parts, axis=1)

    def errors(self, images: np.ndarray, labels: np.ndarray) -> NDArray[np.float64]:
        """Fraction of images that each network classifies wrongly, shape (num_networks,)."""
        return np.mean(self.logits(images).argmax(axis=-1) != labels, axis=-1)


def train(
    model: Model,
    images: np.ndarray,
    labels: np.ndarray,
    subsets: Sequence[np.ndarray],
    *,
    seeds: Sequence[int],
    config: TrainingConfig,
) -> TrainedNetworks:
    """Train one network on each subset of the images, all at once.

    A network depends on its subset and seed alone, not on the others trained beside it (beyond float32
    rounding).

    Args:
        model: builds one network; see :data:`Model`.
        images: shape (num_images, height, width, channels), uint8 (scaled to [0, 1]) or float32 (taken as
            it is).
        labels: classes, integers of shape (num_images,).
        subsets: indices of the kept examples of each network, one array of shape (num_kept,) per network.
        seeds: one seed in [0, 2^32) per network, for initial weights and order of batches.
        config: steps, batch size, learning rate and so on, the same for all networks.

    Returns:
        The networks in the order of ``subsets``.

    Raises:
        ValueError: ``seeds`` and ``subsets`` differ in length, a subset is empty or has an index out of
            range, or a label is not a class of the network.
        FloatingPointError: a loss or weight is no longer finite.
    """
    if len(subsets) != len(seeds) or not len(seeds):
        raise ValueError(f"give one seed per subset, at least one: got {len(seeds)} seeds, {len(subsets)} subsets")
    for number, kept in enumerate(subsets):
        if len(kept) == 0 or np.min(kept) < 0 or np.max(kept) >= len(images):
            raise ValueError(f"subsets[{number}] must be at least one index in [0, {len(images)}), got {kept!r}")
    graphdef = nnx.split(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param)[0]
    # one by one: compiling the random numbers takes seconds, under vmap again for every number of networks
    each = [_initial_params(model, np.uint32(seed)) for seed in seeds]
    initial = jax.tree.map(lambda *weights: np.stack(weights), *each)
    num_classes = jax.eval_shape(partial(_logits, graphdef), initial, _network_inputs(images[:1])).shape[-1]
    if np.shape(labels) != (len(images),) or np.min(labels) < 0 or np.max(labels) >= num_classes:
        raise ValueError(f"labels must be {len(images)} integers in [0, {num_classes}), one per image")
    batches = np.stack(
        [
            batch_indices(kept, config.num_steps, config.batch_size, seed)
            for kept, seed in zip(subsets, seeds, strict=True)
        ]
    )
    params, losses = _descend(
        graphdef,
        initial,
        _network_inputs(images),
        np.asarray(labels, dtype=np.int32),
        batches,
        _learning_rates(config),
        np.float32(config.momentum),
        np.float32(config.weight_decay),
    )
    if not all(np.all(np.isfinite(array)) for array in (losses, *jax.tree.leaves(params))):
        raise FloatingPointError(f"training diverged with {config}: lower learning_rate")
    return TrainedNetworks(graphdef, params, np.asarray(losses))


def batch_indices(kept: np.ndarray, num_steps: int, batch_size: int, seed: int) -> NDArray[np.int32]:
    """The examples of every training step: permutations of the kept ones in a row, cut into batches.

    A batch may run on from one epoch into the next; so no example is left out, and after any number of
    steps all have been used equally often, to within one.

    Args:
        kept: indices of the kept examples, shape (num_kept,), num_kept >= 1.
        num_steps: number of batches.
        batch_size: examples per batch.
        seed: non-negative integer.

    Returns:
        Indices of examples, shape (num_steps, batch_size).
    """
    num_used = num_steps * batch_size
    num_epochs = -(-num_used // len(kept))
    epochs = np.tile(np.asarray(kept, dtype=np.int32), (num_epochs, 1))
    order = np.random.default_rng(seed).permuted(epochs, axis=1)
    return order.reshape(-1)[:num_used].reshape(num_steps, batch_size)


def _learning_rates(config: TrainingConfig) -> NDArray[np.float32]:
    phase = np.pi * np.arange(config.num_steps) / config.num_steps
    return (config.learning_rate * (1 + np.cos(phase)) / 2).astype(np.float32)


def _network_inputs(images: np.ndarray) -> NDArray[np.float32]:
    if images.dtype == np.uint8:
        return np.divide(images, 255, dtype=np.float32)
    return images.astype(np.float32, copy=False)


@partial(jax.jit, static_argnames="model")
def _initial_params(model: Model, seed: np.uint32) -> Params:
    # the generator is named, so that the user's JAX configuration does not change the weights
    network = model(rngs=nnx.Rngs(jax.random.key(seed, impl="threefry2x32")))
    return nnx.to_pure_dict(nnx.state(network, nnx.Param))


@partial(jax.jit, static_argnames="graphdef")
def _descend(
    graphdef: Any,
    initial: Params,
    images: jax.Array,
    labels: jax.Array,
    batches: jax.Array,
    rates: jax.Array,
    momentum: jax.Array,
    weight_decay: jax.Array,
) -> tuple[Params, jax.Array]:
    def optimizer(rate: float | jax.Array) -> optax.GradientTransformation:
        return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum, nesterov=True))

    def loss(params: Params, batch: jax.Array) -> jax.Array:
        logits = nnx.merge(graphdef, params)(images[batch])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[batch]).mean()

    def of_one(params: Params, batches: jax.Array) -> tuple[Params, jax.Array]:
        def step(carry: tuple[Params, Any], at: tuple[jax.Array, jax.Array]) -> tuple[tuple[Params, Any], jax.Array]:
            (params, state), (batch, rate) = carry, at
            value, gradient = jax.value_and_grad(loss)(params, batch)
            updates, state = optimizer(rate).update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        # For convolutions on CPU, a Python loop over a jitted step is 9-18 times faster than this scan.
        start = (params, optimizer(0.0).init(params))
        (params, _), losses = jax.lax.scan(step, start, (batches, rates))
        return params, losses

    return jax.vmap(of_one)(initial, batches)


@partial(jax.jit, static_argnames="graphdef")
def _logits(graphdef: Any, params: Params, images: jax.Array) -> jax.Array:
    return jax.vmap(lambda of_one: nnx.merge(graphdef, of_one)(images))(params)
