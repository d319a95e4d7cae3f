"""The order of rows by their contents, so that what is computed in it does not depend on the order they come in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowOrder", "blocks", "row_order"]

NUMBERS_AT_ONCE = 2**22  # numbers of a block of rows, or of their products with centroids
SHORTEST, LONGEST = 1e-18, 1e18  # lengths whose products with one another are numbers of single precision


@dataclass(frozen=True, eq=False)
class RowOrder:
    """The different rows of an array, in the order of a digest of their bytes.

    Attributes:
        first: where each different row stands, shape (num_different,).
        weights: how often it is there, over the greatest common divisor of all: the rows twice over are the same rows;
            float64 of shape (num_different,).
        place: which different row each row is, shape (num_rows,); -1 for those left out.
        lengths: Euclidean length of each different row, float64 of shape (num_different,).
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float64]
    place: NDArray[np.int64]
    lengths: NDArray[np.float64]


def blocks(number: int, width: int) -> Iterator[slice]:
    """Parts of ``number`` rows that are worked on at a time, of ``width`` numbers each."""
    size = min(4096, max(16, NUMBERS_AT_ONCE // width))
    return (slice(start, min(start + size, number)) for start in range(0, number, size))


def row_order(rows: np.ndarray, *, seed: int, without_zeros: bool) -> RowOrder:
    """Read all rows once, check them, and find their order.

    The order is random and independent for every seed, but the same for the same contents: the digest is keyed by the
    seed.

    Args:
        rows: shape (num_rows, width), float16, float32 or float64, an array or a memory map.
        seed: non-negative integer below 2^64.
        without_zeros: leave out rows that are all zero.

    Raises:
        ValueError: a row has numbers that are not finite, or far too large or small; the message names the first.
    """
    key = seed.to_bytes(8, "little")
    digests = np.empty((len(rows), 2), np.uint64)
    lengths = np.empty(len(rows))
    for part in blocks(*rows.shape):
        block = np.ascontiguousarray(rows[part])
        values = block.astype(np.float64)
        lengths[part] = np.sqrt(np.einsum("ij,ij->i", values, values))
        possible = (lengths[part] == 0) | ((lengths[part] >= SHORTEST) & (lengths[part] <= LONGEST))
        bad = np.flatnonzero(~possible)  # NaN too
        if bad.size:
            raise ValueError(
                f"rows must be finite, of length 0 or in [{SHORTEST:g}, {LONGEST:g}], but row {part.start + bad[0]} "
                f"has length {lengths[part][bad[0]]:g}"
            )
        block = block + block.dtype.type(0)  # -0 is 0
        for i, row in enumerate(block, part.start):
            digest = hashlib.blake2b(row.data, digest_size=16, key=key).digest()
            digests[i] = np.frombuffer(digest, np.uint64)
    taken = np.flatnonzero(lengths > 0) if without_zeros else np.arange(len(rows))
    digests = digests[taken]
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    new = np.ones(len(order), bool)
    new[1:] = np.any(digests[order[1:]] != digests[order[:-1]], axis=1)
    number = np.cumsum(new) - 1
    place = np.full(len(rows), -1, np.int64)
    place[taken[order]] = number
    first = taken[order[new]]
    counts = np.bincount(number, minlength=len(first))
    weights = counts / (np.gcd.reduce(counts) if counts.size else 1)
    return RowOrder(first, weights, place, lengths[first])
