"""Exact copies: rows with the same content, and an order of contents that does not depend on the order of rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contents", "digests_of"]


def digests_of(rows: NDArray[np.generic]) -> NDArray[np.bytes_]:
    """A digest of each row: of the decoded pixels of images, or of the numbers of embeddings.

    Args:
        rows: shape (num, ...).

    Returns:
        BLAKE2b of 16 bytes over the values of each row, in hexadecimal, shape (num,), type ``S32``.
    """
    plain = np.ascontiguousarray(rows)
    return np.array([hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest().encode() for row in plain], "S32")


@dataclass(frozen=True, eq=False)
class Contents:
    """Different contents among rows, in the order of their digests.

    Attributes:
        digests: one for each content, ascending, shape (num_contents,).
        first: the first row that has each content, shape (num_contents,).
        of_row: content of each row, shape (num_rows,).
    """

    digests: NDArray[np.bytes_]
    first: NDArray[np.int64]
    of_row: NDArray[np.int64]

    @classmethod
    def of(cls, digests: NDArray[np.bytes_]) -> Contents:
        """The different ones among the digests of rows, shape (num_rows,)."""
        unique, first, of_row = np.unique(digests, return_index=True, return_inverse=True)
        return cls(unique, first.astype(np.int64), of_row.reshape(-1).astype(np.int64))

    def shared(self, other: Contents) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which contents here and there are the same, a number for each pair."""
        _, here, there = np.intersect1d(self.digests, other.digests, assume_unique=True, return_indices=True)
        return here.astype(np.int64), there.astype(np.int64)
