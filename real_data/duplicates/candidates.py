"""Pairs of similar rows, by products of blocks of unit vectors: which come near, and which reach a threshold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

__all__ = ["MOST_PAIRS", "ROUNDING", "Blocks", "PairList", "all_blocks", "nearest", "pairs_above", "split_block"]

Blocks: TypeAlias = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Rows and columns whose products are taken together."""

ROWS, COLUMNS = 2048, 8192  # of a block: 64 MiB of products
MOST_PAIRS = 20_000_000
"""Pairs of more than this number are refused: 0.5 GB."""

ROUNDING = 1e-6
"""How far one cosine may come out differently in two blocks: float32."""


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of rows.

    Attributes:
        row: shape (num_pairs,).
        column: likewise; above ``row`` where both are of one set.
        similarity: cosine, float32, at most 1.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def __len__(self) -> int:
        return self.row.size

    def __getitem__(self, index: NDArray[np.generic]) -> PairList:
        return PairList(self.row[index], self.column[index], self.similarity[index])

    @classmethod
    def joined(cls, parts: Iterable[PairList], *, within: bool) -> PairList:
        """Lists as one, each pair once, with the largest of its cosines."""
        lists = list(parts)
        if not lists:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        row, column = (np.concatenate([getattr(part, name) for part in lists]) for name in ("row", "column"))
        similarity = np.concatenate([part.similarity for part in lists])
        if within:
            row, column = np.minimum(row, column), np.maximum(row, column)
        order = np.lexsort((-similarity, column, row))
        row, column, similarity = row[order], column[order], similarity[order]
        new = np.ones(row.size, bool)
        new[1:] = (np.diff(row) != 0) | (np.diff(column) != 0)
        return cls(row[new], column[new], similarity[new])


def split_block(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Blocks:
    """Rows and columns in blocks that fit into memory."""
    return [
        (rows[i : i + ROWS], columns[j : j + COLUMNS])
        for i in range(0, rows.size, ROWS)
        for j in range(0, columns.size, COLUMNS)
    ]


def all_blocks(num_rows: int, num_columns: int | None = None) -> Blocks:
    """Blocks of all pairs of rows and columns; with None of all pairs of rows, each pair in one block."""
    if num_columns is not None:
        return split_block(np.arange(num_rows), np.arange(num_columns))
    everything = np.arange(num_rows)
    return [block for i in range(0, num_rows, ROWS) for block in split_block(everything[i : i + ROWS], everything[i:])]


def nearest(
    queries: NDArray[np.float32],
    keys: NDArray[np.float32],
    blocks: Blocks,
    *,
    within: bool,
    progress: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Largest cosine of each query with a key, and of each key with a query.

    Args:
        queries: unit vectors, shape (num_queries, width).
        keys: unit vectors, shape (num_keys, width).
        blocks: which pairs are looked at.
        within: queries and keys are the same rows: a row is not compared with itself, and both answers are one.
        progress: whether to show a bar on stderr.

    Returns:
        Shapes (num_queries,) and (num_keys,), at most 1; -1 where there is nothing to compare with.
    """
    of_queries, of_keys = np.full(len(queries), -1, np.float32), np.full(len(keys), -1, np.float32)
    for rows, columns in _shown(blocks, "comparing", progress):
        products = _products(queries, keys, rows, columns, within)
        of_queries[rows] = np.maximum(of_queries[rows], products.max(axis=1))
        of_keys[columns] = np.maximum(of_keys[columns], products.max(axis=0))
    if within:
        of_queries = of_keys = np.maximum(of_queries, of_keys)
    return np.minimum(of_queries, np.float32(1)), np.minimum(of_keys, np.float32(1))  # but for rounding they are below


def pairs_above(
    queries: NDArray[np.float32],
    keys: NDArray[np.float32],
    blocks: Blocks,
    threshold: float,
    near: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    within: bool,
    progress: bool = False,
) -> PairList:
    """All pairs with a cosine of at least a threshold.

    Args:
        queries: unit vectors, shape (num_queries, width).
        keys: unit vectors, shape (num_keys, width).
        blocks: which pairs are looked at.
        threshold: least cosine.
        near: what :func:`nearest` found: rows that come nowhere near are not looked at again.
        within: queries and keys are the same rows: each pair of different rows is found once.
        progress: whether to show a bar on stderr.

    Raises:
        ValueError: there are more than 20 million of them.
    """
    near_query, near_key = (one >= threshold - ROUNDING for one in near)
    found, count = [], 0
    for rows, columns in _shown(blocks, "pairs", progress):
        some_rows, some_columns = rows[near_query[rows]], columns[near_key[columns]]
        if some_rows.size == 0 or some_columns.size == 0:
            continue
        products = _products(queries, keys, some_rows, some_columns, within)
        i, j = np.nonzero(products >= threshold)
        count += i.size
        if count > MOST_PAIRS:
            raise ValueError(
                f"threshold must be higher: more than {MOST_PAIRS:,} pairs have a cosine of at least {threshold:.6g}"
            )
        found.append(PairList(some_rows[i], some_columns[j], np.minimum(products[i, j], np.float32(1))))
    return PairList.joined(found, within=within)


def _products(
    queries: NDArray[np.float32],
    keys: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    within: bool,
) -> NDArray[np.float32]:
    products = queries[rows] @ keys[columns].T
    if within:
        _, i, j = np.intersect1d(rows, columns, assume_unique=True, return_indices=True)
        products[i, j] = -2.0  # below any threshold: as many as are to be flagged may bring it to -1
    return products


def _shown(blocks: Blocks, what: str, progress: bool) -> Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    return tqdm(blocks, desc=what, unit="block", delay=2, leave=False, disable=not progress)
