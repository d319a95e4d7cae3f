"""Drawing a fixed number of examples, each with its own probability."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["capped_probabilities", "draw_with_probabilities"]

BLOCK = 64  # examples of neighbouring difficulty that are shuffled: draws are stratified by difficulty beyond that
CERTAIN = 1 - 1e-12  # probability from which on an example is simply kept

Floats = NDArray[np.float64]


def capped_probabilities(weights: ArrayLike, count: float) -> Floats:
    """Probabilities min(1, c weight) of which ``count`` examples are kept in the mean, by exact water filling.

    Args:
        weights: of each example, shape (num_examples,), positive and finite.
        count: number of examples to keep in the mean, in [0, num_examples].

    Returns:
        Probabilities in [0, 1] that add up to ``count``, shape (num_examples,).
    """
    weights = np.asarray(weights, np.float64)
    if count == 0:
        return np.zeros(weights.size)
    largest_first = np.argsort(-weights, kind="stable")
    ordered = weights[largest_first]
    rest = np.cumsum(ordered[::-1])[::-1]  # of this and all smaller ones
    most = math.ceil(count)
    capped = np.arange(most)  # how many have probability 1
    c = (count - capped) / rest[:most]
    fits = np.flatnonzero(c * ordered[:most] <= 1)
    num_capped = int(fits[0]) if fits.size else most
    chances = np.ones(weights.size)
    if num_capped < most:
        chances[largest_first[num_capped:]] = np.minimum(c[num_capped] * ordered[num_capped:], 1.0)
    else:
        chances[largest_first[most:]] = 0.0
    return chances


def draw_with_probabilities(
    probability: Floats, count: int, rng: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """Draw exactly ``count`` examples, example i with probability ``probability[i]``, without replacement.

    Systematic sampling (Madow 1949) of examples that are shuffled within blocks of neighbours: the probability that an
    example is drawn is exact, and so is the number drawn of any long stretch of neighbours, to within one.

    Args:
        probability: in [0, 1], adding up to ``count``, shape (num_examples,); neighbours are of similar difficulty.
        count: number of examples.
        rng: needed unless all probabilities are 0 or 1.

    Returns:
        Positions drawn, increasing, shape (count,).

    Raises:
        ValueError: ``rng`` is missing.
    """
    certain = probability >= CERTAIN
    open_ones = np.flatnonzero(~certain & (probability > 0))
    missing = count - int(certain.sum())
    if missing == 0:
        return np.flatnonzero(certain)
    if rng is None:
        raise ValueError("examples are kept at random: give rng, a numpy.random.Generator")
    blocks = np.arange(open_ones.size) // BLOCK
    shuffled = open_ones[np.lexsort((rng.random(open_ones.size), blocks))]
    ends = np.cumsum(probability[shuffled])
    steps = np.floor(np.concatenate([[0.0], ends * (missing / ends[-1])]) + rng.random())
    steps[-1] = steps[0] + missing  # whatever rounding does
    return np.sort(np.concatenate([np.flatnonzero(certain), shuffled[np.diff(steps) > 0]]))
