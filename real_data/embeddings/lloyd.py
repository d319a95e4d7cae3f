"""The iterations of Lloyd: rows go to the nearest centroid, centroids to the mean of their rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tqdm import tqdm

from real_data.embeddings.row_order import RowOrder, blocks

__all__ = ["DifferentRows", "Lloyd", "nearest_centroids"]

MOST_MOVED = 0.8  # share of the centroids up to which products with the others are spared


@dataclass(frozen=True, eq=False)
class DifferentRows:
    """The different rows of an array in their order, read block by block.

    Attributes:
        rows: the array.
        order: which rows, in which order.
        spherical: whether they count by their direction.
        centre: weighted mean, which is taken off where distances are Euclidean: then products do not cancel; else 0.
        squares: squared length of each row less the centre; 1 if ``spherical``.
        scale: what each row is multiplied with to count.
    """

    rows: np.ndarray
    order: RowOrder
    spherical: bool
    centre: NDArray[np.float64]
    squares: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, rows: np.ndarray, order: RowOrder, spherical: bool) -> DifferentRows:
        """The rows, with one or two more readings where distances are Euclidean."""
        number, width = len(order.first), rows.shape[1]
        centre = np.zeros(width)
        if spherical:
            return cls(rows, order, True, centre, np.ones(number), 1 / order.lengths)
        for part in blocks(number, width):
            centre += order.weights[part] @ rows[order.first[part]].astype(np.float64)
        centre /= order.weights.sum()
        squares = np.empty(number)
        for part in blocks(number, width):
            block = rows[order.first[part]] - centre
            squares[part] = np.einsum("ij,ij->i", block, block)
        return cls(rows, order, False, centre, squares, np.ones(number))

    def __len__(self) -> int:
        return len(self.squares)

    def exact(self, part: slice | NDArray[np.intp]) -> NDArray[np.float64]:
        """Some of the rows less the centre, not scaled."""
        return self.rows[self.order.first[part]].astype(np.float64) - self.centre

    def rounded(self, part: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        """The same in single precision."""
        block = self.rows[self.order.first[part]]
        return block.astype(np.float32, copy=False) if self.spherical else (block - self.centre).astype(np.float32)

    def costs(self, products: NDArray[np.float32]) -> NDArray[np.float64]:
        """1 - cosine, or squared distance, from the products of :func:`nearest_centroids`."""
        cost = 1 - self.scale * products if self.spherical else self.squares - 2 * products.astype(np.float64)
        return np.maximum(cost, 0)


def nearest_centroids(
    block: NDArray[np.float32],
    columns: NDArray[np.float32],
    halves: NDArray[np.float32] | None,
    room: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The nearest centroid of rows, and its product with them, less half its squared length where that is given.

    Args:
        block: shape (num_rows, width).
        columns: the centroids, shape (width, num_centroids).
        halves: half the squared length of each, for Euclidean distances; None for angles.
        room: for the products, at least of as many numbers.
    """
    products = room[: len(block) * columns.shape[1]].reshape(len(block), -1)
    np.matmul(block, columns, out=products)
    if halves is not None:
        products -= halves
    found = products.argmax(axis=1)
    return found, products[np.arange(len(block)), found]


class Lloyd:
    """Rows and their centroids between two iterations.

    What did not change is not computed again: sums of clusters change by the rows that come and go, and a row whose
    centroid did not move need not be compared with others that did not move either.

    Args:
        work: the rows.
        centroids: the first ones, shape (num_clusters, width), of length 1 where spherical.
    """

    def __init__(self, work: DifferentRows, centroids: NDArray[np.float64]):
        number, self.num_clusters = len(work), len(centroids)
        self.work = work
        self.centroids = centroids
        self.labels = np.full(number, -1, np.int32)
        self.products = np.full(number, -np.inf, np.float32)
        self.sums, self.counts = np.zeros_like(centroids), np.zeros(self.num_clusters)
        self._moved = np.ones(self.num_clusters, bool)
        self._parts = list(blocks(number, max(self.num_clusters, centroids.shape[1])))
        self._room = np.empty(max(part.stop - part.start for part in self._parts) * self.num_clusters, np.float32)

    @property
    def num_blocks(self) -> int:
        """Parts that an iteration has."""
        return len(self._parts)

    @property
    def inertia(self) -> float:
        """Weighted sum of the costs of the rows."""
        return float(self.work.order.weights @ self.work.costs(self.products))

    def assign(self, bar: tqdm | None = None) -> bool:
        """Take each row to its nearest centroid; whether any row changed."""
        columns = np.ascontiguousarray(self.centroids.T, dtype=np.float32)
        halves = None
        if not self.work.spherical:
            halves = (np.einsum("ij,ij->i", self.centroids, self.centroids) / 2).astype(np.float32)
        sets = [np.flatnonzero(self._moved), np.flatnonzero(~self._moved)]
        few = self._moved.mean() <= MOST_MOVED
        # of the moved ones and of the others
        split = (
            [(np.ascontiguousarray(columns[:, s]), None if halves is None else halves[s]) for s in sets] if few else []
        )
        changed = False
        for part in self._parts:
            if few:
                found, products = self._compared(part, sets, split)
            else:
                found, products = nearest_centroids(self.work.rounded(part), columns, halves, self._room)
            changed |= self._take(part, found, products)
            if bar is not None:
                bar.update()
        return changed

    def _compared(
        self,
        part: slice,
        sets: list[NDArray[np.intp]],
        split: list[tuple[NDArray[np.float32], NDArray[np.float32] | None]],
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Nearest centroids of some rows, where few centroids have moved."""
        moved, others = sets
        before, labels = self.products[part], self.labels[part]
        if not moved.size:
            return labels.astype(np.intp), before
        block = self.work.rounded(part)
        found, products = nearest_centroids(block, *split[0], self._room)
        found = moved[found]
        stays = ~self._moved[labels] & (before >= products)
        found[stays], products[stays] = labels[stays], before[stays]
        # the best so far was at least as good as all that have not moved; where it has gone away, one of them may be
        open_rows = np.flatnonzero(self._moved[labels] & (products < before))
        if open_rows.size and others.size:
            again, their = nearest_centroids(block[open_rows], *split[1], self._room)
            better = their > products[open_rows]
            found[open_rows[better]], products[open_rows[better]] = others[again[better]], their[better]
        return found, products

    def _take(self, part: slice, found: NDArray[np.intp], products: NDArray[np.float32]) -> bool:
        """Note the nearest centroids of some rows, and correct the sums by those that changed."""
        before = self.labels[part].copy()
        self.labels[part], self.products[part] = found, products
        rows = np.flatnonzero(found != before)
        if not rows.size:
            return False
        weights = self.work.order.weights[part][rows]
        amounts = weights * self.work.scale[part][rows]
        came, columns = found[rows], np.arange(rows.size)
        left = before[rows] >= 0  # there is none before the first iteration
        places = (np.concatenate([came, before[rows][left]]), np.concatenate([columns, columns[left]]))
        shape = (self.num_clusters, rows.size)
        share = csr_array((np.concatenate([amounts, -amounts[left]]), places), shape=shape)
        touched = np.unique(places[0])
        self.sums[touched] += share[touched] @ self.work.exact(part.start + rows)
        self.counts += np.bincount(came, weights, self.num_clusters)
        self.counts -= np.bincount(before[rows][left], weights[left], self.num_clusters)
        return True

    def move(self) -> int:
        """Take each centroid to the mean of its rows; those without rows go to the rows that cost most: how many."""
        empty = np.flatnonzero(self.counts == 0)
        self.sums[empty] = 0
        # a sum of length 0, of opposite rows, has no direction: such a centroid stays
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True) if self.work.spherical else self.counts[:, None]
        moved = np.where(lengths > 0, self.sums / np.where(lengths > 0, lengths, 1), self.centroids)
        taken = 0
        if empty.size:
            costs = self.work.costs(self.products)
            for cluster, row in zip(empty, np.argsort(-costs, kind="stable"), strict=False):
                if costs[row] > 0:
                    moved[cluster] = (self.work.exact(np.array([row])) * self.work.scale[row])[0]
                    taken += 1
        self._moved = np.any(moved.astype(np.float32) != self.centroids.astype(np.float32), axis=1)
        self.centroids = moved
        return taken
