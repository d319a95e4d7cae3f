"""Consistency: how often networks that have not seen an example are right about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from real_data.scores.held_out import COLUMNS_AT_ONCE, Estimate, columns_of, held_out_mean, matrix
from real_data.subset_trainings.packing import Bits

__all__ = ["inconsistency"]


def inconsistency(right: Bits | ArrayLike, members: Bits | ArrayLike) -> Estimate:
    """One minus the share of right answers of the networks that have not seen an example.

    Source: Jiang, Zhang, Talwar, Mozer, *Characterizing Structural Regularities of Labeled Data in Overparameterized
    Models* (ICML 2021), equation 1; their C-score is this share, averaged over several sizes of the subsets, here it is
    of one.

    Args:
        right: whether each network is right about each example, shape (num_networks, num_examples), booleans or packed
            bits; or any numbers with 1 the best, as the probability of the label.
        members: whether it was trained on it, booleans of the same shape.

    Returns:
        Values in [0, 1], higher = harder, and their standard errors; see :func:`held_out_mean`.

    Raises:
        TypeError: ``members`` is not boolean.
        ValueError: shapes that do not fit, or an example that all networks have seen.
    """
    given, split = matrix("right", right), matrix("members", members, boolean=True)
    if given.shape != split.shape:
        raise ValueError(f"right and members must have one shape, got {given.shape} and {split.shape}")
    parts = []
    for first in range(0, given.shape[1], COLUMNS_AT_ONCE):
        some = first, first + COLUMNS_AT_ONCE
        parts.append(held_out_mean([(columns_of(split, *some), columns_of(given, *some))]))
    values, errors = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Estimate(1 - values, errors)
