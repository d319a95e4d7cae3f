"""Stratified choice: every class gives its proportional share of the examples chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_pruning.apportionment import apportion

__all__ = ["stratified_choice"]


def stratified_choice(labels: np.ndarray, number: int, num_classes: int, seed: int) -> NDArray[np.int64]:
    """Choose examples at random, of every class its share to within the rounding of one example.

    The choice is by a seeded permutation of each class, so with the same seed a smaller choice lies within a larger
    one, up to that rounding.

    Args:
        labels: class of each example, shape (num_examples,), integers in [0, num_classes).
        number: how many to choose, in [0, num_examples].
        num_classes: number of classes.
        seed: non-negative integer.

    Returns:
        Indices of the examples chosen, in ascending order, shape (number,).
    """
    rng = np.random.default_rng(seed)
    num_of_class = apportion(number, np.bincount(labels, minlength=num_classes))
    chosen = [rng.permutation(np.flatnonzero(labels == c))[:n] for c, n in enumerate(num_of_class)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
