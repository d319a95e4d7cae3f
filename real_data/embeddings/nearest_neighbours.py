"""How well an embedding tells classes apart: accuracy of the nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from data_pruning.arguments import check_integer

__all__ = ["NeighbourAccuracy", "neighbour_accuracy"]

AT_ONCE = 2**24  # cosines held at a time


@dataclass(frozen=True, eq=False)
class NeighbourAccuracy:
    """Share of queries whose class is that of most of their nearest neighbours.

    Attributes:
        right: whether each query is classified rightly, shape (num_queries,).
        num_neighbours: neighbours that vote.
    """

    right: NDArray[np.bool_]
    num_neighbours: int

    @property
    def value(self) -> float:
        """The share, in [0, 1]."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of 95 % for other queries of the same kind (Wilson 1927)."""
        number, z = self.right.size, float(norm.ppf(0.975))
        middle = (self.value + z**2 / (2 * number)) / (1 + z**2 / number)
        half = z * np.sqrt(self.value * (1 - self.value) / number + z**2 / (4 * number**2)) / (1 + z**2 / number)
        return float(middle - half), float(middle + half)

    def above(self, other: NeighbourAccuracy) -> tuple[float, float, float]:
        """Difference to the accuracy of another embedding on the same queries, with its interval of 95 % (paired).

        Returns:
            Difference, lower end, upper end.

        Raises:
            ValueError: the other one has not as many queries.
        """
        if self.right.size != other.right.size:
            raise ValueError(f"both must have the same queries, got {self.right.size} and {other.right.size}")
        difference = self.right.astype(float) - other.right
        half = float(norm.ppf(0.975)) * difference.std() / np.sqrt(difference.size)
        return float(difference.mean()), float(difference.mean() - half), float(difference.mean() + half)


def neighbour_accuracy(
    known: ArrayLike,
    known_labels: ArrayLike,
    queries: ArrayLike,
    query_labels: ArrayLike,
    *,
    num_neighbours: int = 10,
) -> NeighbourAccuracy:
    """Classify queries by a vote of their nearest neighbours by cosine; between equal votes the cosines decide.

    Args:
        known: embeddings whose classes are known, shape (num_known, width).
        known_labels: their classes, integers of at least 0, shape (num_known,).
        queries: embeddings to classify, shape (num_queries, width).
        query_labels: their classes.
        num_neighbours: neighbours that vote, at least 1, at most ``num_known``.

    Raises:
        ValueError: shapes that do not fit, or embeddings that are not finite.
    """
    bank, asked = _directions("known", known), _directions("queries", queries)
    classes, truth = np.asarray(known_labels), np.asarray(query_labels)
    if bank.shape[1] != asked.shape[1] or classes.shape != bank.shape[:1] or truth.shape != asked.shape[:1]:
        raise ValueError(
            f"known and queries must have one width and a label each, got {bank.shape}, {classes.shape}, "
            f"{asked.shape} and {truth.shape}"
        )
    check_integer("num_neighbours", num_neighbours, 1, len(bank))
    num_classes = int(max(classes.max(), truth.max())) + 1
    right = np.empty(len(asked), bool)
    for start in range(0, len(asked), size := max(1, AT_ONCE // len(bank))):
        part = slice(start, start + size)
        cosines = asked[part] @ bank.T
        nearest = np.argpartition(-cosines, num_neighbours - 1, axis=1)[:, :num_neighbours]
        votes = np.zeros((len(nearest), num_classes))
        near = np.take_along_axis(cosines, nearest, axis=1)
        # the cosines decide between equal votes: they add less than one vote
        weights = 1 + (1 + near) / (4 * num_neighbours)
        np.add.at(votes, (np.arange(len(nearest))[:, None], classes[nearest]), weights)
        right[part] = votes.argmax(axis=1) == truth[part]
    return NeighbourAccuracy(right, num_neighbours)


def _directions(name: str, values: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must have shape (num, width), got {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, but {np.sum(~np.isfinite(array))} of {array.size} are not")
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.where(lengths > 0, lengths, 1)).astype(np.float32)
