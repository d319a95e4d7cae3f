"""Masks of weights: which are left, and which of them go next.

A mask is a tree as the weights of :class:`real_data.TrainedNetworks`, with a leading axis (num_networks,).  Kernels
have a boolean for each weight; biases and what belongs to batch normalisation are never pruned and have one True for
each network.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from real_data.training.networks import Params

__all__ = ["Masks", "flattened", "masked", "num_weights", "pruned", "restored", "whole"]

Masks = Any  # a pure dictionary of boolean arrays


def _is_kernel(path: tuple[Any, ...]) -> bool:
    return getattr(path[-1], "key", None) == "kernel"


def num_weights(params: Params) -> int:
    """Number of weights of one network that can be pruned, those of its kernels."""
    return sum(array[0].size for path, array in jax.tree_util.tree_leaves_with_path(params) if _is_kernel(path))


def whole(params: Params) -> Masks:
    """The masks of networks that are not pruned."""
    return jax.tree_util.tree_map_with_path(
        lambda path, array: np.ones(array.shape if _is_kernel(path) else len(array), bool), params
    )


def masked(params: Params, masks: Masks) -> Params:
    """The weights, 0 where they are masked."""

    def of_array(array: np.ndarray, mask: NDArray[np.bool_]) -> np.ndarray:
        return np.where(mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim)), array, 0)

    return jax.tree.map(of_array, params, masks)


def flattened(masks: Masks) -> NDArray[np.bool_]:
    """The masks of all kernels in a row, shape (num_networks, num_weights)."""
    kernels = [mask for path, mask in jax.tree_util.tree_leaves_with_path(masks) if _is_kernel(path)]
    return np.concatenate([mask.reshape(len(mask), -1) for mask in kernels], axis=1)


def restored(left: NDArray[np.bool_], params: Params) -> Masks:
    """The masks that :func:`flattened` put in a row, in the form of the weights ``params``."""
    start = 0

    def next_one(path: tuple[Any, ...], array: np.ndarray) -> NDArray[np.bool_]:
        nonlocal start
        if not _is_kernel(path):
            return np.ones(len(array), bool)
        size = array[0].size
        start += size
        return left[:, start - size : start].reshape(array.shape)

    return jax.tree_util.tree_map_with_path(next_one, params)


def pruned(masks: Masks, params: Params, num_left: int) -> Masks:
    """Masks with only the weights of largest magnitude, of all kernels of a network together.

    Args:
        masks: the masks so far.
        params: the weights after training.
        num_left: how many weights of each network stay, at least 1 and no more than are left; of equal magnitudes the
            later ones, so that there are always exactly as many.

    Raises:
        ValueError: ``num_left`` is out of range, or a weight is not finite.
    """
    left = flattened(masks)
    magnitudes = np.abs(flattened(params))
    if not np.all(np.isfinite(magnitudes)):
        raise ValueError("params must be finite to be ranked by magnitude, but some weights are not")
    fewest = int(left.sum(axis=1).min())
    if not 1 <= num_left <= fewest:
        raise ValueError(f"num_left must lie in [1, {fewest}], the number of weights left, got {num_left}")
    kept = np.stack([_largest(of_one, alive, num_left) for of_one, alive in zip(magnitudes, left, strict=True)])
    return restored(kept, params)


def _largest(magnitudes: NDArray[np.float32], alive: NDArray[np.bool_], num_left: int) -> NDArray[np.bool_]:
    """Which of the weights of one network that are alive stay."""
    places = np.flatnonzero(alive)
    values = magnitudes[places]
    surplus = values.size - num_left
    kept = alive.copy()
    if surplus > 0:
        largest_to_go = np.partition(values, surplus - 1)[surplus - 1]
        goes = values < largest_to_go
        tied = np.flatnonzero(values == largest_to_go)
        goes[tied[: surplus - goes.sum()]] = True
        kept[places[goes]] = False
    return kept
