"""One step of gradient descent, compiled: of many networks side by side, or of many steps at a time."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.training.augmentation import Standardization, augment, to_inputs
from real_data.training.config import Optimizer, TrainingConfig
from real_data.training.layers import merged
from real_data.training.networks import Params, of_each

__all__ = ["Hyperparameters", "State", "advance", "initial_state", "step_on_images", "step_on_pool"]


class State(NamedTuple):
    """What a step changes, weights that are frozen left out; each array with a leading axis (num_networks,)."""

    params: Params
    batch_stats: Params
    optimizer: Any


class Hyperparameters(NamedTuple):
    """The numbers of a training that the compiled step takes as arguments."""

    momentum: np.float32
    weight_decay: np.float32
    gradient_norm: np.float32  # longest gradient that is taken as it is; inf for any
    standardization: Standardization
    second_momentum: np.float32 | None = None  # of adamw
    rate_factors: Params | None = None  # on the learning rate of each trained weight; None is 1 for all

    @classmethod
    def of(
        cls, config: TrainingConfig, standardization: Standardization, rate_factors: Params | None = None
    ) -> Hyperparameters:
        """Those of the settings."""
        return cls(
            np.float32(config.momentum),
            np.float32(config.weight_decay),
            np.float32(np.inf if config.gradient_clip is None else config.gradient_clip),
            standardization,
            np.float32(config.second_momentum) if config.optimizer == "adamw" else None,
            rate_factors,
        )


def initial_state(params: Params, batch_stats: Params, optimizer: Optimizer = "sgd") -> State:
    """The state before the first step, of trained weights with a leading axis (num_networks,)."""
    return State(params, batch_stats, jax.vmap(_optimizer(optimizer, 0.0, 0.0, 0.0, 0.0).init)(params))


def _optimizer(
    kind: Optimizer, rate: Any, momentum: Any, weight_decay: Any, second_momentum: Any
) -> optax.GradientTransformation:
    if kind == "adamw":
        return optax.adamw(rate, momentum, second_momentum, weight_decay=weight_decay)
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum, nesterov=True))


def _step_of_one(
    graphdef: Any,
    augmentation: str,
    numbers: Hyperparameters,
    rate: jax.Array,
    step: jax.Array,
    state: State,
    images: jax.Array,
    labels: jax.Array,
    importance: jax.Array | None,
    key: jax.Array,
    masks: Params | None,
    frozen: Params | None,
) -> tuple[State, jax.Array, jax.Array]:
    """One step of one network: the next state, the loss, and which examples were classified rightly.

    Where examples have weights, the loss is given for each of them, without its weight.  Where there are masks, weights
    that are masked and 0 stay exactly 0: they have no gradient, and so no momentum, and nothing to decay.  Where some
    are frozen, the network is in evaluation mode, and no gradient goes through what comes before the trained ones.
    """
    inputs = to_inputs(images, numbers.standardization)
    if augmentation != "none":
        inputs = augment(inputs, jax.random.fold_in(key, step), augmentation)

    def loss(params: Params) -> tuple[jax.Array, tuple[Params, jax.Array, jax.Array]]:
        weights = params if frozen is None else merged(frozen, params)
        network = nnx.merge(graphdef, weights, state.batch_stats)
        logits = network(inputs, train=frozen is None)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        value = each.mean() if importance is None else (importance * each).mean()
        batch_stats = nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))
        return value, (batch_stats, logits.argmax(axis=-1) == labels, each)

    (value, (batch_stats, right, each)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    if masks is not None:
        gradient = jax.tree.map(lambda g, mask: jnp.where(mask, g, 0), gradient, masks)
    length = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
    shortened = jnp.minimum(1.0, numbers.gradient_norm / jnp.maximum(length, 1e-30))
    gradient = jax.tree.map(lambda g: shortened * g, gradient)
    kind: Optimizer = "sgd" if numbers.second_momentum is None else "adamw"
    optimizer = _optimizer(kind, rate, numbers.momentum, numbers.weight_decay, numbers.second_momentum)
    updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
    if numbers.rate_factors is not None:
        updates = jax.tree.map(jnp.multiply, updates, numbers.rate_factors)
    state = State(optax.apply_updates(state.params, updates), batch_stats, optimizer_state)
    return state, value if importance is None else each, right


@quickly_compiled(static_argnames=("graphdef", "augmentation"), donate_argnames="state")
def step_on_images(
    graphdef: Any,
    augmentation: str,
    state: State,
    images: jax.Array,
    labels: jax.Array,
    rate: jax.Array,
    step: jax.Array,
    keys: jax.Array,
    numbers: Hyperparameters,
    importance: jax.Array | None = None,
    masks: Params | None = None,
    frozen: Params | None = None,
) -> tuple[State, jax.Array, jax.Array]:
    """One step of every network, on batches of shape (num_networks, batch_size, ...).

    ``masks`` and ``frozen`` as of :func:`advance`.
    """
    of_one = partial(_step_of_one, graphdef, augmentation, numbers, rate, step)
    return of_each(of_one, len(images))(state, images, labels, importance, keys, masks, frozen)


@quickly_compiled(static_argnames=("graphdef", "augmentation"), donate_argnames="state")
def step_on_pool(
    graphdef: Any,
    augmentation: str,
    state: State,
    pool: jax.Array,
    labels: jax.Array,
    batch: jax.Array,
    rate: jax.Array,
    step: jax.Array,
    keys: jax.Array,
    numbers: Hyperparameters,
    importance: jax.Array | None = None,
    masks: Params | None = None,
    frozen: Params | None = None,
) -> tuple[State, jax.Array, jax.Array]:
    """One step of every network, on examples of the pool given by their indices (num_networks, batch_size).

    ``masks`` and ``frozen`` as of :func:`advance`.
    """
    of_one = partial(_step_of_one, graphdef, augmentation, numbers, rate, step)
    return of_each(of_one, len(batch))(state, pool[batch], labels[batch], importance, keys, masks, frozen)


@quickly_compiled(static_argnames=("graphdef", "augmentation"), donate_argnames="state")
def advance(
    graphdef: Any,
    augmentation: str,
    state: State,
    pool: jax.Array,
    labels: jax.Array,
    batches: jax.Array,
    rates: jax.Array,
    first_step: jax.Array,
    count: jax.Array,
    keys: jax.Array,
    numbers: Hyperparameters,
    importance: jax.Array | None = None,
    masks: Params | None = None,
    frozen: Params | None = None,
) -> tuple[State, jax.Array, jax.Array]:
    """``count`` steps of every network, of the batches of shape (num_networks, at least count, batch_size).

    ``importance`` has the shape of ``batches``; where it is given, losses are those of each example.  ``masks``, a tree
    as the weights, is False where a weight is not trained.  ``frozen`` has the weights that the state lacks, as no step
    changes them, with a leading axis (num_networks,).
    """

    def of_one(
        state: State,
        batches: jax.Array,
        importance: jax.Array | None,
        key: jax.Array,
        masks: Params | None,
        frozen: Params | None,
    ) -> tuple[State, jax.Array, jax.Array]:
        def body(i: jax.Array, carry: tuple[State, jax.Array, jax.Array]) -> tuple[State, jax.Array, jax.Array]:
            state, losses, correct = carry
            state, loss, right = _step_of_one(
                graphdef,
                augmentation,
                numbers,
                rates[i],
                first_step + i,
                state,
                pool[batches[i]],
                labels[batches[i]],
                None if importance is None else importance[i],
                key,
                masks,
                frozen,
            )
            return state, losses.at[i].set(loss), correct.at[i].set(right)

        per_step = len(rates) if importance is None else batches.shape
        nothing = jnp.zeros(per_step, jnp.float32), jnp.zeros(batches.shape, bool)
        return jax.lax.fori_loop(0, count, body, (state, *nothing))

    return of_each(of_one, len(batches))(state, batches, importance, keys, masks, frozen)
