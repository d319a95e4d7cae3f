"""Difficulty without labels: how far an example's embedding is from the nearest cluster centroid."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.embeddings.config import ClusterConfig
from real_data.embeddings.k_means import distances_to, k_means

__all__ = ["ClusterDistance", "cluster_distance"]


@dataclass(frozen=True, eq=False)
class ClusterDistance:
    """Distances to the nearest centroid, and how the clusters came about.

    Attributes:
        values: of each training example, higher = harder, float64 of shape (num_examples,).
        test_values: of each test example, to the same centroids; None where there are none.
        num_clusters: number of centroids.
        spherical: whether it is 1 - cosine, or the Euclidean distance.
        inertia: what k-means makes least, see :class:`real_data.embeddings.k_means.Clusters`.
        num_iterations: iterations of k-means.
        converged: whether it ended by its tolerance.
    """

    values: NDArray[np.float64]
    test_values: NDArray[np.float64] | None
    num_clusters: int
    spherical: bool
    inertia: float
    num_iterations: int
    converged: bool


def cluster_distance(
    embeddings: ArrayLike,
    num_clusters: int,
    *,
    test_embeddings: ArrayLike | None = None,
    config: ClusterConfig | None = None,
    progress: bool = False,
) -> ClusterDistance:
    """Distance of each embedding to the nearest of the centroids of k-means: self-supervised prototypes.

    Source: Sorscher, Geirhos, Shekhar, Ganguli and Morcos, *Beyond neural scaling laws* (NeurIPS 2022), section 5.
    They take as many clusters as there are classes, and find the choice of little consequence within a factor of ten.

    It depends on the set of embeddings alone: their order does not matter, bit for bit, nor does it that all are there
    twice; see :func:`real_data.embeddings.k_means.k_means`.

    Args:
        embeddings: of the training examples, shape (num_examples, width), floating-point, finite; an array or a
            memory map.
        num_clusters: at least 1, at most the number of different embeddings.
        test_embeddings: of test examples, shape (num_test, width), which are scored by the same centroids.
        config: how the clusters are found; None is ``ClusterConfig()``, by angle.
        progress: show a progress bar on stderr.

    Raises:
        ValueError: arguments that are not as above.
    """
    how = config or ClusterConfig()
    found = k_means(embeddings, num_clusters, **asdict(how), progress=progress)
    of_tests = None
    if test_embeddings is not None:
        _, of_tests = distances_to(found.centroids, test_embeddings, spherical=how.spherical)
    came_about = (int(num_clusters), how.spherical, found.inertia, found.num_iterations, found.converged)
    return ClusterDistance(found.distances, of_tests, *came_about)
