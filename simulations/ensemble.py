"""Pruned teacher-student data sets, drawn in the basis (teacher, rest of the probe, everything else).

Label and selection depend on an example only through its teacher coordinate p = T.x and its probe margin
z = p cos(theta) + q sin(theta), up to flips of labels.  So p and q are drawn for all examples, and the other N - 2
coordinates for the kept ones alone: exact in distribution, and the cheaper the more is pruned.

The truth, where it is not the teacher, lies along the teacher, the rest of the probe and the third coordinate.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from simulations.seen_features import SeenCoordinates, seen_rows

__all__ = ["draw_kept_examples", "labels_agree"]

FLIPS = 2  # which key of a trial flips its labels; 0 and 1 are those of the plane and of the rest


def draw_kept_examples(
    key: Array,
    positions: Array,
    num_kept: Array,
    num_examples: Array,
    theta: Array,
    *,
    pool_size: int,
    num_features: int,
    flip_probability: Array | float = 0.0,
    by_label: Array | None = None,
    seen: SeenCoordinates | None = None,
) -> Array:
    """Draw a pool of examples, rank it by the probe and return what is kept.

    Args:
        key: JAX random key of the trial.
        positions: positions kept in the pool sorted from hardest (smallest |z|) to easiest, integers of shape
            (kept_size,); only the first ``num_kept`` count, the others pad the array.
        num_kept: number of positions that count, scalar integer, at most kept_size.
        num_examples: number of examples in the pool, scalar integer, at most ``pool_size``.
        theta: angle between probe and teacher in radians.
        pool_size: static size of the arrays of the pool.
        num_features: features that the student sees, at least 2: N, or M where ``seen`` is given.
        flip_probability: probability that a label is not sign(T.x).
        by_label: which positions are kept if the label is not sign(J.x), and which if it is, booleans of shape
            (2, kept_size); None keeps them all.
        seen: what the student sees of the features; None is all of them, of equal variance.

    Returns:
        Label times input over the square root of ``num_features``, shape (kept_size, num_features), float64; rows of
        padding and of examples that are not kept are zero.  Where all features are seen the first coordinate is along
        the teacher, the second along the rest of the probe.
    """
    p, q, z, label = _pool(key, num_examples, theta, pool_size, flip_probability, positions)
    rest_key = jax.random.split(key)[1]
    num_normal = num_features - 2 if seen is None else num_features
    rest = jax.random.normal(rest_key, (positions.shape[0], num_normal), float)
    plane = jnp.stack([p, q], axis=1)
    examples = jnp.concatenate([plane, rest], axis=1) if seen is None else seen_rows(plane, rest, seen)
    real = jnp.arange(positions.shape[0]) < num_kept
    if by_label is not None:
        real = real & jnp.where(label == jnp.sign(z), by_label[1], by_label[0])
    return jnp.where(real[:, None], label[:, None] * examples / jnp.sqrt(num_features), 0.0)


def labels_agree(
    key: Array,
    positions: Array,
    num_examples: Array,
    theta: Array,
    *,
    pool_size: int,
    flip_probability: Array | float = 0.0,
) -> Array:
    """Whether the label of each example that ``draw_kept_examples`` draws at these positions is sign(J.x).

    The arguments are those of ``draw_kept_examples``; the result has the shape of ``positions``.
    """
    _, _, z, label = _pool(key, num_examples, theta, pool_size, flip_probability, positions)
    return label == jnp.sign(z)


def _pool(
    key: Array, num_examples: Array, theta: Array, pool_size: int, flip_probability: Array | float, positions: Array
) -> tuple[Array, Array, Array, Array]:
    """Coordinates p and q, probe margin z and label of the examples at positions of the sorted pool."""
    p, q = jax.random.normal(jax.random.split(key)[0], (2, pool_size), float)
    z = p * jnp.cos(theta) + q * jnp.sin(theta)
    in_pool = jnp.arange(pool_size) < num_examples
    kept = jnp.argsort(jnp.where(in_pool, jnp.abs(z), jnp.inf))[positions]
    flipped = jax.random.uniform(jax.random.fold_in(key, FLIPS), (pool_size,), float) < flip_probability
    label = jnp.sign(p) * jnp.where(flipped, -1.0, 1.0)
    return p[kept], q[kept], z[kept], label[kept]
