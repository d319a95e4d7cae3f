"""Pruned teacher-student data sets, drawn in the basis (teacher, rest of the probe, everything else).

Label and selection depend on an example only through its teacher coordinate p = T.x and its probe margin
z = p cos(theta) + q sin(theta).  So p and q are drawn for all examples, and the other N - 2 coordinates for the kept
ones alone: exact in distribution, and the cheaper the more is pruned.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["draw_kept_examples"]


def draw_kept_examples(
    key: Array,
    positions: Array,
    num_kept: Array,
    num_examples: Array,
    theta: Array,
    *,
    pool_size: int,
    num_features: int,
) -> Array:
    """Draw a pool of examples, rank it by the probe and return what is kept.

    Args:
        key: JAX random key of the trial.
        positions: positions kept in the pool sorted from hardest (smallest |z|) to easiest, integers of shape
            (kept_size,); only the first ``num_kept`` count, the others pad the array.
        num_kept: number of examples kept, scalar integer, at most kept_size.
        num_examples: number of examples in the pool, scalar integer, at most ``pool_size``.
        theta: angle between probe and teacher in radians.
        pool_size: static size of the arrays of the pool.
        num_features: N, at least 2.

    Returns:
        Label times input over sqrt N, shape (kept_size, num_features), float64; padding rows are zero.  The first
        coordinate is along the teacher, the second along the rest of the probe.
    """
    plane_key, rest_key = jax.random.split(key)
    p, q = jax.random.normal(plane_key, (2, pool_size), float)
    difficulty = jnp.abs(p * jnp.cos(theta) + q * jnp.sin(theta))
    in_pool = jnp.arange(pool_size) < num_examples
    hardest_first = jnp.argsort(jnp.where(in_pool, difficulty, jnp.inf))
    kept = hardest_first[positions]
    rest = jax.random.normal(rest_key, (positions.shape[0], num_features - 2), float)
    examples = jnp.concatenate([p[kept, None], q[kept, None], rest], axis=1)
    real = jnp.arange(positions.shape[0]) < num_kept
    return jnp.where(real[:, None], jnp.sign(examples[:, :1]) * examples / jnp.sqrt(num_features), 0.0)
