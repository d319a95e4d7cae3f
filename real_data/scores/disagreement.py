"""Disagreement: how many networks of an ensemble are wrong about an example (dichotomous data difficulty, DDD)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.scores.consistency import inconsistency
from real_data.scores.held_out import Estimate
from real_data.subset_trainings.packing import Bits

__all__ = ["held_out_disagreement", "tie_share", "wrong_counts"]


def wrong_counts(wrong: ArrayLike) -> NDArray[np.int64]:
    """Number of networks that are wrong about each example, 0 to num_networks, higher = harder.

    Source: Meding, Schulze Buschoff, Geirhos, Wichmann, *Trivial or Impossible: Dichotomous Data Difficulty Masks Model
    Differences* (ICLR 2022); for networks that should differ by architecture, recipe and seed, and have not seen the
    example: a network that converged is right about all that it has seen.

    Args:
        wrong: booleans of shape (num_networks, num_examples).

    Raises:
        TypeError: not boolean.
        ValueError: not two axes, or none.
    """
    array = np.asarray(wrong)
    if array.dtype != np.bool_:
        raise TypeError(f"wrong must be boolean, got an array of type {array.dtype}")
    if array.ndim != 2 or not array.size:
        raise ValueError(f"wrong must have shape (num_networks, num_examples), got {array.shape}")
    return array.sum(axis=0)


def held_out_disagreement(right: Bits | ArrayLike, members: Bits | ArrayLike) -> Estimate:
    """Share of the networks that have not seen an example and are wrong about it: DDD of subset trainings.

    A share, as the number of such networks differs from example to example.  It is
    :func:`real_data.scores.consistency.inconsistency`, the same numbers; what makes it DDD is an ensemble of networks
    of several kinds.

    Args:
        right: whether each network is right about each example, shape (num_networks, num_examples).
        members: whether it was trained on it, of the same shape.

    Returns:
        Values in [0, 1], higher = harder, and their standard errors.

    Raises:
        TypeError, ValueError: see :func:`inconsistency`.
    """
    return inconsistency(right, members)


def tie_share(values: ArrayLike) -> float:
    """Share of the examples whose value another example has too: among them a fraction kept is not defined.

    Args:
        values: shape (num_examples,), at least one.
    """
    array = np.asarray(values)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"values must have shape (num_examples,), got {array.shape}")
    _, numbers = np.unique(array, return_counts=True)
    return float(numbers[numbers > 1].sum() / array.size)
