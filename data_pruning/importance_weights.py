"""Importance weights: kept examples that stand for those that were not kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import check_real

__all__ = ["importance_weights"]


def importance_weights(probability: ArrayLike, power: float = 1.0) -> NDArray[np.float64]:
    """Weight of each kept example: 1 / probability to a power, divided by the mean over the kept examples.

    At power 1 weighted sums over the kept examples estimate those over all examples without bias (Horvitz and
    Thompson 1952); at power 0 all weights are 1.

    Args:
        probability: with which each kept example was kept, in (0, 1], shape (num_kept,).
        power: gamma, in [0, 1].

    Returns:
        Weights of mean 1, shape (num_kept,).

    Raises:
        TypeError, ValueError: a power or a probability out of range.

    Example:
        >>> from data_pruning import importance_weights
        >>> importance_weights([0.5, 0.25, 0.25])
        array([0.6, 1.2, 1.2])
    """
    check_power(power)
    chances = np.asarray(probability, np.float64)
    if chances.ndim != 1 or chances.size == 0 or not np.all((chances > 0) & (chances <= 1)):
        raise ValueError(f"probability must lie in (0, 1], shape (num_kept,), got {probability!r}")
    weights = chances ** -float(power)
    return weights / weights.mean()


def check_power(power: Any) -> None:
    """Raise unless ``power`` is a power of the weights, a number in [0, 1]."""
    check_real("power, that of the weights,", power, "[0, 1]")
