"""Weights before the first step: random ones, or those of a start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.training.layers import by_name, with_values
from real_data.training.networks import Model, Params
from real_data.training.start import Start

__all__ = ["drawn_at_random", "initial_weights", "started_weights"]


def initial_weights(model: Model, seeds: Sequence[int]) -> tuple[Params, Params]:
    """Random weights and batch statistics, each array with a leading axis (num_networks,)."""
    # one by one: compiling the random numbers takes seconds, under vmap again for every number of networks
    each = [_initial_of_one(model, np.uint32(seed)) for seed in seeds]
    return jax.tree.map(lambda *arrays: np.stack(arrays), *each)


# at full strength the compiler takes 11 s for the random numbers of a small CNN, else an eighth; they are the same
@quickly_compiled(cheap=True, static_argnames="model")
def _initial_of_one(model: Model, seed: jax.Array) -> tuple[Params, Params]:
    # the generator is named, so that the user's JAX configuration does not change the weights
    network = model(rngs=nnx.Rngs(jax.random.key(seed, impl="threefry2x32")))
    _, *states = nnx.split(network, nnx.Param, nnx.BatchStat)
    params, batch_stats = map(nnx.to_pure_dict, states)
    return params, batch_stats


def started_weights(model: Model, seeds: Sequence[int], start: Start) -> tuple[Params, Params]:
    """Weights and batch statistics of a start; what it lacks is as :func:`initial_weights` draws it for the seed.

    Raises:
        ValueError: the start has names that the network does not have, or arrays of other shapes; all are listed.
    """
    params, batch_stats = initial_weights(model, seeds)
    of_network = by_name("params", params) | by_name("batch_stats", batch_stats)
    unknown = [name for name in start.arrays if name not in of_network]
    shapes = {name: array.shape[1:] for name, array in of_network.items()}
    others = [
        f"{name} {array.shape} where the network has {shapes[name]}"
        for name, array in start.arrays.items()
        if name in shapes and array.shape != shapes[name]
    ]
    if unknown or others:
        wrong = [f"the network has no {', '.join(unknown)}"] if unknown else []
        raise ValueError(f"the start does not fit the network: {'; '.join(wrong + others)}")

    values = {name: np.repeat(array[None], len(seeds), axis=0) for name, array in start.arrays.items()}
    return with_values("params", params, values), with_values("batch_stats", batch_stats, values)


def drawn_at_random(start: Start, params: Params, batch_stats: Params) -> tuple[str, ...]:
    """Names of the weights and statistics that a start lacks, so that networks of other seeds have others."""
    names: Any = by_name("params", params) | by_name("batch_stats", batch_stats)
    return tuple(name for name in names if name not in start.arrays)
