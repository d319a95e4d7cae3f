"""Cells of similar rows, so that only neighbours are compared: the work of all pairs grows with the square of images.

Source: Abbas et al., *SemDeDup: data-efficient learning at web-scale through semantic deduplication* (2023): spherical
k-means, pairs inside a cell.  Here every row is compared with the rows of several cells, its nearest ones, as pairs at
the border of two cells would be missed otherwise; :meth:`Cells.share_lost` measures how many still are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from real_data.duplicates.candidates import Blocks, split_block
from real_data.duplicates.whitening import unit_rows

__all__ = ["PLANTED", "Cells", "usual_num_cells"]

ALL_PAIRS = 100_000
"""Rows up to which all pairs are compared."""

SAMPLE_PER_CELL = 64  # rows that the centroids are fitted to
ITERATIONS = 20
AT_ONCE = 4096
PLANTED = 2000
"""Copies whose cells are looked at."""


def usual_num_cells(num_rows: int) -> int:
    """One cell up to 100,000 rows, above so many that finding cells and comparing in them are about equal work."""
    return 1 if num_rows <= ALL_PAIRS else round(np.sqrt(2 * num_rows))


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells around centroids: a row is at home in that of the nearest one.

    Attributes:
        centroids: unit vectors, shape (num_cells, width), float32.
        num_probes: nearest cells that a row is compared with.
    """

    centroids: NDArray[np.float32]
    num_probes: int

    @classmethod
    def fit(
        cls, rows: NDArray[np.float32], num_cells: int, num_probes: int, seed: int, *, progress: bool = False
    ) -> Cells:
        """Cells by spherical k-means on 64 rows per cell.

        Args:
            rows: unit vectors, shape (num, width), in an order that says nothing of them.
            num_cells: in [1, num].
            num_probes: at least 1; at most num_cells are probed.
            seed: of the first centroids.
            progress: whether to show a bar on stderr.

        Raises:
            ValueError: there are more cells than different rows.
        """
        from real_data.embeddings.k_means import k_means

        if num_cells > len(rows):
            raise ValueError(f"num_cells must be at most the number of different rows, {len(rows)}, got {num_cells}")
        sample = rows[: SAMPLE_PER_CELL * num_cells]
        found = k_means(sample, num_cells, seed=seed, max_iterations=ITERATIONS, progress=progress)
        return cls(found.centroids.astype(np.float32), min(num_probes, num_cells))

    def probes(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """The nearest cells of each row, the nearest one first, shape (num, num_probes)."""
        found = np.empty((len(rows), self.num_probes), np.int64)
        for start in range(0, len(rows), AT_ONCE):
            products = rows[start : start + AT_ONCE] @ self.centroids.T
            everything = np.arange(len(products))
            for probe in range(self.num_probes):
                best = products.argmax(axis=1)
                found[start : start + AT_ONCE, probe] = best
                products[everything, best] = -np.inf
        return found

    def blocks(self, query_probes: NDArray[np.int64], key_probes: NDArray[np.int64] | None = None) -> Blocks:
        """Pairs of which one probes the cell where the other is at home.

        Args:
            query_probes: cells that the queries probe, shape (num_queries, num_probes).
            key_probes: the same of the keys; None where these are the queries.
        """
        keys = query_probes if key_probes is None else key_probes
        sides = [(self._probing(query_probes), self._at_home(keys))]
        if key_probes is not None:
            sides.append((self._at_home(query_probes), self._probing(key_probes)))
        return [block for one, other in sides for pair in zip(one, other, strict=True) for block in split_block(*pair)]

    def _probing(self, probes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Rows that probe each cell, ascending."""
        return [np.sort(part // self.num_probes) for part in _by_cell(probes.reshape(-1), len(self.centroids))]

    def _at_home(self, probes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Rows whose nearest cell each is, ascending."""
        return _by_cell(probes[:, 0], len(self.centroids))

    def to_centroid(self, rows: NDArray[np.float32], homes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosine of each row with the centroid of its cell."""
        return np.einsum("ij,ij->i", rows, self.centroids[homes], dtype=np.float64)

    def share_lost(self, rows: NDArray[np.float32], cosine: float, seed: int) -> tuple[float, float]:
        """Share of planted copies that are not found, because neither probes the other's cell.

        Each of 2,000 rows is moved towards another one until their cosine is the given one.  Those at the threshold are
        the hardest to find of all that count, and real ones, which differ in few directions, are easier.

        Returns:
            The share, and its standard error.
        """
        rng = np.random.default_rng(seed)
        sources, others = (rows[rng.integers(0, len(rows), PLANTED)].astype(np.float64) for _ in range(2))
        apart = others - np.sum(sources * others, axis=1, keepdims=True) * sources
        copies = unit_rows(cosine * sources + np.sqrt(1 - min(1.0, cosine) ** 2) * unit_rows(apart))
        of_source, of_copy = self.probes(sources.astype(np.float32)), self.probes(copies)
        found = np.any(of_source == of_copy[:, :1], axis=1) | np.any(of_copy == of_source[:, :1], axis=1)
        share = float(np.mean(~found))
        return share, float(np.sqrt(share * (1 - share) / PLANTED))


def _by_cell(cell_of: NDArray[np.int64], num_cells: int) -> list[NDArray[np.int64]]:
    """The members of each cell, ascending."""
    order = np.argsort(cell_of, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cell_of, minlength=num_cells))[:-1])
