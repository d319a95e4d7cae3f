"""Bits and small numbers, packed: in memory into bytes, in result files into their 32-bit integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Bits", "PackedBits", "from_words", "num_words", "to_words"]


@dataclass(frozen=True, eq=False)
class PackedBits:
    """A boolean matrix of which eight entries take a byte.

    Attributes:
        packed: eight columns in each byte, the first in its highest bit, uint8 of shape (num_rows, ceil(num_columns /
            8)).
        num_columns: number of columns.
    """

    packed: NDArray[np.uint8]
    num_columns: int

    @classmethod
    def of(cls, matrix: NDArray[np.bool_]) -> PackedBits:
        """A boolean matrix, packed."""
        return cls(np.packbits(matrix, axis=1), matrix.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.packed), self.num_columns

    def columns(self, first: int, stop: int) -> NDArray[np.bool_]:
        """The columns in [first, stop), unpacked."""
        stop = min(stop, self.num_columns)
        byte = first // 8
        bits = np.unpackbits(self.packed[:, byte : -(-stop // 8)], axis=1)
        return bits[:, first - 8 * byte : stop - 8 * byte].view(np.bool_)

    def all(self) -> NDArray[np.bool_]:
        """The whole matrix, unpacked."""
        return self.columns(0, self.num_columns)

    def picked(self, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Some of the columns, unpacked."""
        return (self.packed[:, columns // 8] >> (7 - columns % 8).astype(np.uint8) & 1).astype(bool)


Bits = PackedBits | np.ndarray
"""A matrix with one row for each network: booleans, packed or not, or other numbers."""


def num_words(num_columns: int, dtype: DTypeLike) -> int:
    """32-bit integers that ``num_columns`` numbers of a type take; booleans are bits."""
    kind = np.dtype(dtype)
    num_bytes = -(-num_columns // 8) if kind == np.bool_ else num_columns * kind.itemsize
    return -(-num_bytes // 4)


def to_words(matrix: np.ndarray) -> NDArray[np.int32]:
    """The bytes of each row of a matrix (of booleans, the bits), filled up with zeros, as 32-bit integers.

    Result files have no smaller numbers; nothing is rounded.
    """
    little = matrix.astype(matrix.dtype.newbyteorder("<"))
    rows = np.packbits(matrix, axis=1) if matrix.dtype == np.bool_ else np.ascontiguousarray(little).view(np.uint8)
    words = np.zeros((len(matrix), 4 * num_words(matrix.shape[1], matrix.dtype)), np.uint8)
    words[:, : rows.shape[1]] = rows
    return words.view("<i4").astype(np.int32)


def from_words(words: np.ndarray, dtype: DTypeLike, num_columns: int) -> np.ndarray:
    """The matrix that :func:`to_words` packed; booleans stay packed, as of :class:`PackedBits`."""
    rows = np.ascontiguousarray(words.astype("<i4")).view(np.uint8)
    kind = np.dtype(dtype)
    if kind == np.bool_:
        return rows[:, : -(-num_columns // 8)]
    little = kind.newbyteorder("<")
    return np.ascontiguousarray(rows[:, : num_columns * kind.itemsize]).view(little).astype(kind)
