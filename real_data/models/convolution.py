"""Convolutions whose weight gradient is one matrix product, on a CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["convolve"]

_MOST_PAIRS = 128**2
"""Pairs of an input and an output channel up to which the matrix product is the faster way."""


def convolve(x: jax.Array, kernel: jax.Array, strides: Any, padding: Any, **settings: Any) -> jax.Array:
    """``lax.conv_general_dilated`` for ``nnx.Conv``, with another program for the gradient of the kernel on a CPU.

    There XLA is slow at that gradient where channels are few and pixels many: on two cores a training step of a CIFAR
    ResNet-18 at batch 32 takes 1.6 times as long with XLA's own.  Strided convolutions, those between many channels,
    and all on other devices are XLA's own.  The function is the same, but has no forward-mode derivative.
    """
    plain = (
        tuple(strides) == (1, 1)
        and not isinstance(padding, str)
        and all(n == (1, 1) for n in (settings["lhs_dilation"], settings["rhs_dilation"]))
        and settings["feature_group_count"] == 1
        and settings["precision"] is None
    )
    if plain and jax.default_backend() == "cpu" and kernel.shape[2] * kernel.shape[3] <= _MOST_PAIRS:
        return _convolve(tuple(map(tuple, padding)), x, kernel)
    return lax.conv_general_dilated(x, kernel, strides, padding, **settings)


def _plain(padding: Any, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


_convolve = partial(jax.custom_vjp, nondiff_argnums=(0,))(_plain)


def _forward(padding: Any, x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _plain(padding, x, kernel), (x, kernel)


def _backward(padding: Any, saved: tuple[jax.Array, jax.Array], d: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows of the kernel as shifted inputs, columns as shifted outputs: a product has every pair of shifts."""
    x, kernel = saved
    (to_x,) = jax.vjp(lambda x: _plain(padding, x, kernel), x)[1](d)
    rows, columns, num_in, num_out = kernel.shape
    height, none = d.shape[1], (0, 0)
    padded = jnp.pad(x, (none, *padding, none))
    inputs = jnp.concatenate([padded[:, row : row + height] for row in range(rows)], axis=-1)
    shifted = [jnp.pad(d, (none, none, (column, columns - 1 - column), none)) for column in range(columns)]
    outputs = jnp.concatenate(shifted, axis=-1).reshape(-1, columns * num_out)
    product = jnp.matmul(inputs.reshape(-1, rows * num_in).T, outputs, preferred_element_type=jnp.float32)
    to_kernel = product.reshape(rows, num_in, columns, num_out).transpose(0, 2, 1, 3)
    return to_x, to_kernel.astype(kernel.dtype)


_convolve.defvjp(_forward, _backward)
