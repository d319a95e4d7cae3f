"""How the axes of a tensor lie elsewhere: rules by name, each in both directions, each a permutation of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from real_data.models.transformer import HEAD_WIDTH

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """Axes of a tensor there and here.

    Attributes:
        num_axes: how many axes the tensor may have there; empty: any number.
        read: tensor here, from the tensors there; raises ValueError with the end of a sentence on their shape.
        write: tensors there, from the tensor here and the channels of an image.
        parts: what ``{part}`` in names there runs over, where one tensor here is several there.
    """

    num_axes: tuple[int, ...]
    read: Callable[[Sequence[np.ndarray]], np.ndarray]
    write: Callable[[np.ndarray, int], list[np.ndarray]]
    parts: tuple[str, ...] = ("",)


def _rows_of_pixels(kernel: np.ndarray) -> np.ndarray:
    """Rows of the pixels of a patch from a kernel of a convolution, (row, column, channel, output)."""
    rows, columns, _, width = kernel.shape
    if rows != columns:
        raise ValueError(f"patches of {rows} x {columns} pixels, those here are square")
    return kernel.reshape(-1, width)


def _tokens(token: np.ndarray) -> np.ndarray:
    """(token, channel) from (1, token, channel)."""
    if len(token) != 1:
        raise ValueError("whose first axis is not 1")
    return token[0]


def _patch_kernel(rows: np.ndarray, channels: int) -> np.ndarray:
    """Kernel of a convolution, (row, column, channel, output), from rows of the pixels of a patch."""
    size = isqrt(len(rows) // channels)
    return rows.reshape(size, size, channels, -1)


def _flat_heads(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Columns (part, head, channel) from tensors (..., head, channel)."""
    for part in parts:
        if part.shape[-1] != HEAD_WIDTH:
            raise ValueError(f"heads of attention of {part.shape[-1]} channels, those here have {HEAD_WIDTH}")
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"those beside it {' and '.join(str(part.shape) for part in parts[1:])}")
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)


def _heads_back(flat: np.ndarray) -> list[np.ndarray]:
    return [part.reshape(*part.shape[:-1], -1, HEAD_WIDTH) for part in np.split(flat, 3, axis=-1)]


RULES = {
    "same": Rule((), lambda x: x[0], lambda x, _: [x]),
    # (output, input)
    "linear": Rule((2,), lambda x: x[0].T, lambda x, _: [x.T]),
    # (output, input, row, column)
    "convolution": Rule((4,), lambda x: x[0].transpose(2, 3, 1, 0), lambda x, _: [x.transpose(3, 2, 0, 1)]),
    # the same, of patches that do not overlap
    "patches": Rule(
        (4,),
        lambda x: _rows_of_pixels(x[0].transpose(2, 3, 1, 0)),
        lambda x, channels: [_patch_kernel(x, channels).transpose(3, 2, 0, 1)],
    ),
    # (row, column, input, output), of patches that do not overlap
    "patch_kernel": Rule((4,), lambda x: _rows_of_pixels(x[0]), lambda x, channels: [_patch_kernel(x, channels)]),
    # (1, token, channel)
    "token": Rule((3,), lambda x: _tokens(x[0]), lambda x, _: [x[None]]),
    # (input, head, channel) or (head, channel), three times
    "heads_in": Rule((2, 3), _flat_heads, lambda x, _: _heads_back(x), ("query", "key", "value")),
    # (head, channel, output)
    "heads_out": Rule(
        (3,),
        lambda x: x[0].reshape(-1, x[0].shape[-1]),
        lambda x, _: [x.reshape(-1, HEAD_WIDTH, x.shape[-1])],
    ),
}
"""By the name in the tables of names."""
