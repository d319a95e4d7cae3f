"""Positions of a vision transformer, for images of another size."""

from __future__ import annotations

import jax
import numpy as np
from numpy.typing import NDArray

__all__ = ["interpolated"]


def interpolated(positions: np.ndarray, before: tuple[int, int], after: tuple[int, int]) -> NDArray[np.float32]:
    """The vectors of a grid of patches, brought to another grid; that of the class token stays as it is.

    Bicubic, and antialiased where the grid gets smaller, the cubic of Keys (1981) with a = -1/2, weights of what lies
    outside left out: as timm's ``resample_abs_pos_embed``, which is PyTorch's ``interpolate`` with ``antialias``.  (Its
    ``interpolate`` without ``antialias`` has a = -3/4.)  Dosovitskiy et al. (2021, section 3.2) interpolate them to
    fine-tune at another resolution.

    Args:
        positions: float32 of shape (1 + rows * columns, channels), the class token first, then patches row by row.
        before: rows and columns of the grid that they are for.
        after: rows and columns of the grid that is wanted, each at least 1.

    Returns:
        Shape (1 + rows * columns, channels) of the grid ``after``.

    Raises:
        ValueError: ``positions`` are not those of the grid ``before`` or not finite, or a grid has a side below 1.
    """
    positions = np.asarray(positions, np.float32)
    if min(*before, *after) < 1:
        raise ValueError(f"before and after must have at least one row and one column, got {before} and {after}")
    if not np.all(np.isfinite(positions)):
        raise ValueError("positions must be finite, got some that are not")
    if positions.ndim != 2 or len(positions) != 1 + before[0] * before[1]:
        raise ValueError(
            f"positions must have 1 + {before[0]} x {before[1]} rows, the class token and the grid, got shape "
            f"{positions.shape}"
        )
    if tuple(before) == tuple(after):
        return positions
    channels = positions.shape[1]
    grid = positions[1:].reshape(*before, channels)
    with jax.default_matmul_precision("highest"):
        resized = jax.image.resize(grid, (*after, channels), method="cubic", antialias=True)
    return np.concatenate([positions[:1], np.asarray(resized).reshape(-1, channels)])
