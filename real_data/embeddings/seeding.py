"""First centroids of k-means: greedy k-means++."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

__all__ = ["greedy_centroids"]


def greedy_centroids(
    sample: NDArray[np.float32],
    weights: NDArray[np.float64],
    num_clusters: int,
    rng: np.random.Generator,
    *,
    progress: bool = False,
) -> NDArray[np.intp]:
    """Choose different rows far from one another.

    Each is drawn with a probability proportional to its squared distance to those chosen before, the best of
    4 + 2 log(num_clusters) drawn: the one that leaves the least sum of squared distances.

    Source: Arthur and Vassilvitskii, *k-means++* (SODA 2007), with the greedy choice that they propose in section 5.

    Args:
        sample: rows, shape (num_rows, width).
        weights: how often each row counts, above 0, shape (num_rows,).
        num_clusters: how many to choose, at most num_rows.
        rng: random numbers.
        progress: show a progress bar on stderr.

    Returns:
        Their places in the sample, shape (num_clusters,).
    """
    squares = np.einsum("ij,ij->i", sample, sample, dtype=np.float64)
    num_candidates = 4 + int(2 * np.log(num_clusters))
    chosen = np.empty(num_clusters, np.intp)
    chosen[0] = rng.choice(len(sample), p=weights / weights.sum())
    free = np.ones(len(sample), bool)
    nearest = np.full(len(sample), np.inf)
    nearest = np.minimum(nearest, _squared_distances(sample, squares, chosen[:1])[0])
    nearest[chosen[0]], free[chosen[0]] = 0, False
    for number in tqdm(range(1, num_clusters), desc="first centroids", disable=not progress, leave=False):
        mass = np.cumsum(weights * nearest)
        if mass[-1] > 0:
            at = np.searchsorted(mass, rng.random(num_candidates) * mass[-1], side="right")
            candidates = np.minimum(at, len(sample) - 1)
        else:  # all others lie where one is already
            candidates = np.flatnonzero(free)[:1]
        distances = np.minimum(_squared_distances(sample, squares, candidates), nearest)
        best = int(np.argmin(distances @ weights))
        chosen[number], nearest = candidates[best], distances[best]
        nearest[candidates[best]], free[candidates[best]] = 0, False
    return chosen


def _squared_distances(
    sample: NDArray[np.float32], squares: NDArray[np.float64], candidates: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Squared distances of all rows to some, shape (num_candidates, num_rows)."""
    products = sample[candidates] @ sample.T
    return np.maximum(squares + squares[candidates][:, None] - 2 * products, 0)
