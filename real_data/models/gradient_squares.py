"""Squared norms of the gradients of convolutions and linear layers on sequences, one example at a time.

Position p of the output sees x_k(p) through offset k of the kernel, and the gradient of the kernel is, with d(p) the
derivative of the loss with respect to the output,

    G_k = sum_p x_k(p) d(p)^T.

Either these matrices are formed, or, cheaper for few positions and many channels,

    sum_k |G_k|^2 = sum_pq [sum_k x_k(p) . x_k(q)] [d(p) . d(q)].

A linear layer on a sequence is a convolution with a single offset.

Source: Rochette, Manoel, Tramel, *Efficient per-example gradient computations in convolutional neural networks* (2019);
Li, Tramer, Liang, Hashimoto, *Large language models can be strong differentially private learners* (ICLR 2022) for
sequences; Bu, Mao, Xu, *Scalable and efficient training of large convolutional neural networks with differential
privacy* (NeurIPS 2022) for the choice between the two forms, layer by layer.
"""

from __future__ import annotations

import math
from itertools import product

import jax
import jax.numpy as jnp

__all__ = ["Padding", "convolution_squares", "sequence_squares", "sum_of_squares"]

Padding = tuple[tuple[int, int], tuple[int, int]]


def sum_of_squares(a: jax.Array) -> jax.Array:
    """Of each example, float32 of shape (batch,)."""
    return jnp.sum(jnp.square(a.astype(jnp.float32)), axis=tuple(range(1, a.ndim)))


def sequence_squares(x: jax.Array, d: jax.Array) -> jax.Array:
    """|sum_p x(p) d(p)^T|^2 of each example, float32 of shape (batch,).

    Args:
        x: inputs of a linear layer, shape (batch, positions, features).
        d: derivatives with respect to its outputs, shape (batch, positions, units).

    Where matrices are formed they have fewer entries than ``x`` and ``d`` together.
    """
    positions, num_in, num_out = x.shape[1], x.shape[-1], d.shape[-1]
    if num_in * num_out <= positions * (num_in + num_out):
        return sum_of_squares(_product(x, d))
    return jnp.sum(_gram(x) * _gram(d), axis=(1, 2))


def convolution_squares(
    x: jax.Array, d: jax.Array, size: tuple[int, int], *, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    """sum_k |G_k|^2 of each example, float32 of shape (batch,).

    Args:
        x: inputs, shape (batch, height, width, channels).
        d: derivatives with respect to the outputs, likewise.
        size: rows and columns of the kernel.
        strides: of the convolution.
        padding: zeros before and after the rows and the columns.
    """
    (rows, columns), num_in, num_out = size, x.shape[-1], d.shape[-1]
    offsets = list(product(range(rows), range(columns)))
    seen, made = math.prod(x.shape[1:3]), math.prod(d.shape[1:3])
    # multiplications per example; to shift the table and add it up takes as long as 64 of them per entry (measured)
    by_matrices = len(offsets) * made * num_in * num_out
    if strides == (1, 1):
        by_products = seen**2 * num_in + made**2 * (num_out + 64 * len(offsets))
    else:
        by_products = made**2 * (len(offsets) * num_in + num_out)
    if by_matrices <= by_products:
        return _squares_by_matrices(x, d, offsets, strides, padding)
    if strides == (1, 1):
        return _squares_by_shifted_products(x, d, offsets, padding)
    return _squares_by_products(x, d, offsets, strides, padding)


def _views(
    x: jax.Array, d: jax.Array, offsets: list[tuple[int, int]], strides: tuple[int, int], padding: Padding
) -> list[jax.Array]:
    """What the positions of the output see through each offset of the kernel, each (batch, positions, channels)."""
    batch, height, width, _ = d.shape
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    return [
        padded[
            :,
            dy : dy + (height - 1) * strides[0] + 1 : strides[0],
            dx : dx + (width - 1) * strides[1] + 1 : strides[1],
        ].reshape(batch, height * width, -1)
        for dy, dx in offsets
    ]


def _product(x: jax.Array, d: jax.Array) -> jax.Array:
    return jnp.einsum("bpi,bpo->bio", x, d, preferred_element_type=jnp.float32)


def _gram(a: jax.Array) -> jax.Array:
    return jnp.einsum("bpi,bqi->bpq", a, a, preferred_element_type=jnp.float32)


def _squares_by_matrices(
    x: jax.Array, d: jax.Array, offsets: list[tuple[int, int]], strides: tuple[int, int], padding: Padding
) -> jax.Array:
    flat = d.reshape(len(d), -1, d.shape[-1])
    views = _views(x, d, offsets, strides, padding)
    return sum((sum_of_squares(_product(view, flat)) for view in views), start=jnp.zeros(len(d), jnp.float32))


def _squares_by_products(
    x: jax.Array, d: jax.Array, offsets: list[tuple[int, int]], strides: tuple[int, int], padding: Padding
) -> jax.Array:
    patches = jnp.concatenate(_views(x, d, offsets, strides, padding), axis=-1)
    return jnp.sum(_gram(patches) * _gram(d.reshape(len(d), -1, d.shape[-1])), axis=(1, 2))


def _squares_by_shifted_products(
    x: jax.Array, d: jax.Array, offsets: list[tuple[int, int]], padding: Padding
) -> jax.Array:
    """With stride 1 all offsets see the same pairs of inputs, shifted: one table of products serves them all."""
    batch, height, width, num_out = d.shape
    inputs = _gram(x.reshape(batch, -1, x.shape[-1])).reshape(batch, *x.shape[1:3], *x.shape[1:3])
    inputs = jnp.pad(inputs, ((0, 0), *padding, *padding))
    shifted = [inputs[:, dy : dy + height, dx : dx + width, dy : dy + height, dx : dx + width] for dy, dx in offsets]
    outputs = _gram(d.reshape(batch, -1, num_out)).reshape(batch, height, width, height, width)
    return jnp.sum(sum(shifted, start=jnp.float32(0)) * outputs, axis=(1, 2, 3, 4))
