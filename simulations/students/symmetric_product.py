"""Half of a symmetric matrix product: what a Cholesky factorisation reads."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

__all__ = ["lower_product"]


def lower_product(rows: Array, weight: Array | None = None) -> Array:
    """Lower triangle of rows^T diag(weight) rows; three quarters of the work of the whole, since by two blocks.

    Above the diagonal are zeros or what the product has there.
    """
    size = rows.shape[1]
    half = size // 2
    weighted = rows if weight is None else weight[:, None] * rows
    top = jnp.pad(rows[:, :half].T @ weighted[:, :half], ((0, 0), (0, size - half)))
    return jnp.concatenate([top, rows[:, half:].T @ weighted])
