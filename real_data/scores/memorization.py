"""Memorization: what it matters to a network's answer about an example that it has seen this example."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.scores.held_out import COLUMNS_AT_ONCE, Estimate, check_split, columns_of, matrix, share_variance
from real_data.subset_trainings.packing import Bits

__all__ = ["memorization"]


def memorization(outcomes: Bits | ArrayLike, members: Bits | ArrayLike) -> Estimate:
    """How much better networks that have seen an example do on it than those that have not.

    mem_i = mean(c_ki | i in S_k) - mean(c_ki | i not in S_k) over networks k, trained on the subsets S_k.  Near copies
    of an example take the memorization off it, as others have seen them.

    Source: Feldman, Zhang, *What Neural Networks Memorize and Why* (NeurIPS 2020), equation 1 and its estimator.

    Args:
        outcomes: c_ki, what comes of network k on example i: whether it is right, or any number, shape (num_networks,
            num_examples); an array or packed bits.
        members: whether i is in S_k, booleans of the same shape.

    Returns:
        Values, for right and wrong in [-1, 1], higher = harder, and their standard errors sqrt(v_1 / a + v_0 / (K -
        a)) with a the number of networks that have seen the example.  For right and wrong v = p (1 - p) with p = (right
        + 1/2) / (number + 1), so that few networks that agree are not taken for certain; for numbers the variance over
        networks, that of both groups together where one of them is a single network, and infinite where both are.

    Raises:
        TypeError: ``members`` is not boolean.
        ValueError: shapes that do not fit, or an example that all networks have seen, or none.
    """
    given, split = matrix("outcomes", outcomes), matrix("members", members, boolean=True)
    if given.shape != split.shape:
        raise ValueError(f"outcomes and members must have one shape, got {given.shape} and {split.shape}")
    parts = []
    for first in range(0, given.shape[1], COLUMNS_AT_ONCE):
        some = first, first + COLUMNS_AT_ONCE
        parts.append(_of_columns(columns_of(given, *some), columns_of(split, *some), first))
    return Estimate(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _of_columns(outcomes: np.ndarray, members: NDArray[np.bool_], first: int) -> Estimate:
    seen = check_split(members, first)
    held = len(members) - seen
    if outcomes.dtype == np.bool_:
        right = np.sum(outcomes & members, axis=0)
        right_held = np.sum(outcomes, axis=0) - right
        variance = share_variance(right, seen) + share_variance(right_held, held)
        return Estimate(right / seen - right_held / held, np.sqrt(variance))
    mean = np.sum(outcomes, axis=0, where=members) / seen
    mean_held = np.sum(outcomes, axis=0, where=~members) / held
    squares = np.sum((outcomes - mean) ** 2, axis=0, where=members)
    squares_held = np.sum((outcomes - mean_held) ** 2, axis=0, where=~members)
    both = np.full(seen.size, np.inf)
    if len(members) > 2:
        both = (squares + squares_held) / (len(members) - 2)
    apart = (seen > 1) & (held > 1)
    v_seen = np.where(apart, squares / np.maximum(seen - 1, 1), both)
    v_held = np.where(apart, squares_held / np.maximum(held - 1, 1), both)
    return Estimate(mean - mean_held, np.sqrt(v_seen / seen + v_held / held))
