"""k-means of many rows, by angle or by distance, in blocks: the rows may lie in a file and are never copied whole.

Rows are worked on in the order of their contents (:mod:`real_data.embeddings.row_order`), equal rows as one with a
weight.  So the outcome is that of the set of rows: their order does not matter, bit for bit, nor does it that all are
there twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from real_data.embeddings.config import ClusterConfig
from real_data.embeddings.lloyd import DifferentRows, Lloyd, nearest_centroids
from real_data.embeddings.row_order import blocks, row_order
from real_data.embeddings.seeding import greedy_centroids

__all__ = ["Clusters", "distances_to", "k_means"]

SAMPLE_PER_CLUSTER, LEAST_SAMPLE = 5, 4096  # rows that the first centroids are chosen among


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of rows.

    Attributes:
        centroids: float64 of shape (num_clusters, width); of length 1 if ``spherical``.
        labels: nearest centroid of each row, shape (num_rows,); 0 for rows without direction.
        distances: 1 - cosine to that centroid, in [0, 2], where ``spherical``, and 1 for rows that are all zero; else
            the Euclidean distance; float64 of shape (num_rows,).
        inertia: sum over all rows of 1 - cosine, or of the squared distance.
        num_iterations: iterations of Lloyd that led to the centroids.
        converged: whether these ended by the tolerance, not by their largest number.
        spherical: by angle, or by distance.
    """

    centroids: NDArray[np.float64]
    labels: NDArray[np.int32]
    distances: NDArray[np.float64]
    inertia: float
    num_iterations: int
    converged: bool
    spherical: bool


def k_means(
    rows: ArrayLike,
    num_clusters: int,
    *,
    spherical: bool = True,
    seed: int = 0,
    num_starts: int = 1,
    max_iterations: int = 100,
    tolerance: float = 1e-4,
    start: ArrayLike | None = None,
    progress: bool = False,
) -> Clusters:
    """Clusters of rows by the iterations of Lloyd, from centroids that greedy k-means++ chooses.

    Spherical k-means: rows count by their direction alone, centroids are means of directions brought to length 1
    (Dhillon and Modha 2001).  First centroids: k-means++ (Arthur and Vassilvitskii 2007) on a sample of 5 rows per
    cluster and at least 4,096, each the best of several candidates.  A cluster that has lost its rows goes to the row
    that is farthest from its own centroid.

    Args:
        rows: shape (num_rows, width), float16, float32 or float64, finite; an array or a memory map.
        num_clusters: at least 1, at most the number of different rows (without those that are all zero, where
            ``spherical``).
        spherical: by angle, or by Euclidean distance.
        seed: integer in [0, 2^64), of the first centroids.
        num_starts: how often to begin anew; the outcome of least inertia is kept.
        max_iterations: most iterations of each, at least 1.
        tolerance: it ends where the inertia falls by less than this share of it, in [0, 1); with 0, where nothing
            changes.
        start: first centroids to take instead, shape (num_clusters, width).
        progress: show a progress bar on stderr.

    Raises:
        ValueError: arguments that are not as above.
    """
    values = np.asanyarray(rows)
    if values.ndim != 2 or 0 in values.shape or values.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"rows must be float16, float32 or float64 of shape (num_rows, width), got {values.dtype} of shape "
            f"{values.shape}"
        )
    ClusterConfig(spherical, seed, num_starts, max_iterations, tolerance)  # which checks them
    given = None if start is None else np.asarray(start, dtype=np.float64)
    if given is not None and (given.shape != (num_clusters, values.shape[1]) or not np.all(np.isfinite(given))):
        raise ValueError(f"start must be finite of shape ({num_clusters}, {values.shape[1]}), got shape {given.shape}")
    if given is not None and spherical:
        lengths = np.linalg.norm(given, axis=1, keepdims=True)
        if not np.all(lengths > 0):
            raise ValueError("start must have no centroid that is zero: it has no direction")
        given = given / lengths
    order = row_order(values, seed=seed, without_zeros=spherical)
    if not isinstance(num_clusters, int | np.integer) or not 1 <= num_clusters <= len(order.first):
        raise ValueError(
            f"num_clusters must be an integer in [1, {len(order.first)}], the number of different rows"
            f"{' that are not zero' if spherical else ''}, got {num_clusters}"
        )
    work = DifferentRows.of(values, order, spherical)
    best: tuple[Lloyd, int, bool] | None = None
    for attempt in range(num_starts if given is None else 1):
        rng = np.random.default_rng([seed, attempt])
        first = _first_centroids(work, int(num_clusters), rng, progress) if given is None else given - work.centre
        found = _iterated(work, first, max_iterations, tolerance, progress)
        if best is None or found[0].inertia < best[0].inertia:
            best = found
    assert best is not None
    return _clusters(*best)


def distances_to(
    centroids: NDArray[np.float64], rows: ArrayLike, *, spherical: bool = True
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Nearest centroid of each row and the distance to it, as :class:`Clusters` has them, of other rows.

    Args:
        centroids: shape (num_clusters, width).
        rows: shape (num_rows, width), finite.
        spherical: by angle, or by Euclidean distance.
    """
    values = np.asanyarray(rows)
    if values.ndim != 2 or values.shape[1:] != centroids.shape[1:]:
        raise ValueError(f"rows must have shape (num_rows, {centroids.shape[1]}), got {values.shape}")
    labels, distances = np.zeros(len(values), np.int32), np.empty(len(values))
    centre = np.zeros(centroids.shape[1]) if spherical else centroids.mean(axis=0)
    columns = np.ascontiguousarray((centroids - centre).T, dtype=np.float32)
    halves = None if spherical else (np.sum((centroids - centre) ** 2, axis=1) / 2).astype(np.float32)
    for part in blocks(len(values), max(centroids.shape)):
        block = values[part].astype(np.float64)
        if not np.all(np.isfinite(block)):
            raise ValueError(
                f"rows must be finite, but there is a number that is not in rows {part.start} to {part.stop}"
            )
        room = np.empty(len(block) * len(centroids), np.float32)
        labels[part], _ = nearest_centroids((block - centre).astype(np.float32), columns, halves, room)
        distances[part] = _distance(block, centroids[labels[part]], spherical)
    return labels, distances


def _first_centroids(
    work: DifferentRows, num_clusters: int, rng: np.random.Generator, progress: bool
) -> NDArray[np.float64]:
    """Centroids chosen among a sample of the rows."""
    size = min(len(work), max(LEAST_SAMPLE, SAMPLE_PER_CLUSTER * num_clusters))
    chosen = np.sort(rng.choice(len(work), size, replace=False))
    sample = np.empty((size, work.rows.shape[1]), np.float32)
    for part in blocks(*sample.shape):
        sample[part] = work.exact(chosen[part]) * work.scale[chosen[part]][:, None]
    picked = chosen[greedy_centroids(sample, work.order.weights[chosen], num_clusters, rng, progress=progress)]
    return work.exact(picked) * work.scale[picked][:, None]


def _iterated(
    work: DifferentRows, centroids: NDArray[np.float64], max_iterations: int, tolerance: float, progress: bool
) -> tuple[Lloyd, int, bool]:
    """Rows at their last centroids, iterations, and whether they ended by the tolerance."""
    lloyd, before = Lloyd(work, centroids), np.inf
    num_iterations, converged = 0, False
    total = (max_iterations + 1) * lloyd.num_blocks
    with tqdm(total=total, desc="k-means", unit="block", disable=not progress, leave=False) as bar:
        while num_iterations < max_iterations:
            num_iterations += 1
            changed = lloyd.assign(bar)
            inertia = lloyd.inertia
            bar.set_postfix(inertia=f"{inertia:.6g}")
            empty = lloyd.move()
            if not empty and (not changed or before - inertia < tolerance * before):
                converged = True
                break
            before = inertia
        lloyd.assign(bar)
    return lloyd, num_iterations, converged


def _clusters(lloyd: Lloyd, num_iterations: int, converged: bool) -> Clusters:
    """The outcome for all rows, with distances in double precision."""
    work = lloyd.work
    distances = np.empty(len(work))
    for part in blocks(len(work), work.rows.shape[1]):
        distances[part] = _distance(work.exact(part), lloyd.centroids[lloyd.labels[part]], work.spherical)
    place = work.order.place
    of_all = np.where(place < 0, 1.0, distances[place])
    return Clusters(
        lloyd.centroids + work.centre,
        np.where(place < 0, 0, lloyd.labels[place]).astype(np.int32),
        of_all,
        float(np.sort(of_all if work.spherical else of_all**2).sum()),  # sorted: in whatever order the rows come
        num_iterations,
        converged,
        work.spherical,
    )


def _distance(rows: NDArray[np.float64], centroids: NDArray[np.float64], spherical: bool) -> NDArray[np.float64]:
    """Distance of each row to a centroid of its own."""
    if not spherical:
        return np.linalg.norm(rows - centroids, axis=1)
    lengths = np.linalg.norm(rows, axis=1)
    directions = rows / np.where(lengths > 0, lengths, 1)[:, None]
    # |u - v|^2 / 2 for unit vectors: no cancellation where they are nearly the same
    return np.where(lengths > 0, np.sum((directions - centroids) ** 2, axis=1) / 2, 1.0)
