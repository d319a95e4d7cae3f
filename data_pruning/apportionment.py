"""Apportionment: dividing a whole number of examples between classes, or between windows of rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["apportion"]


def apportion(total: int, weights: ArrayLike) -> NDArray[np.int64]:
    """Divide ``total`` between classes in proportion to ``weights``, by largest remainder (Hamilton).

    Every class gets its exact share rounded down or up, and the parts sum to ``total``.  Equal remainders are
    served in order of class.

    Args:
        total: number of examples to divide, at least 0.
        weights: weight of each class, shape (num_classes,), non-negative with a positive sum.

    Returns:
        Number of examples of each class, shape (num_classes,).
    """
    weights = np.asarray(weights, dtype=np.float64)
    shares = np.round(total * weights / weights.sum(), 9)  # 9 digits: 0.3 * 10 counts as the 3 it means
    parts = np.floor(shares).astype(np.int64)
    largest_first = np.argsort(parts - shares, kind="stable")
    parts[largest_first[: total - parts.sum()]] += 1
    return parts
