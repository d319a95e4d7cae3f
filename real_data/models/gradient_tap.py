"""Squared norms of per-example gradients, out of a single backward pass.

A layer is called as usual, ``call(layer, x)``.  With a tap, zeros of shape (batch,), the output is the same, but in the
backward pass the layer hands the tap the squared norm of each example's gradient with respect to the layer's own
weights, and no gradient to the weights.  Given the same tap, the layers of a network add up what they hand back: if
L_i is the loss of example i, and example i alone decides it, the derivative of sum_i L_i with respect to tap_i is

    |grad_w L_i|^2,    w all weights of the network.

With x the input of a layer and d the derivative of the loss with respect to its output, one example at a time:

* linear: the gradient of the kernel is x d^T, with squared norm |x|^2 |d|^2;
* convolution: position p of the output sees x_k(p) through offset k of the kernel, and the gradient is
  G_k = sum_p x_k(p) d(p)^T.  Either these matrices are formed, or, cheaper for few positions and many channels,
  sum_k |G_k|^2 = sum_pq [sum_k x_k(p) . x_k(q)] [d(p) . d(q)];
* batch normalisation by running statistics: sum_p d(p) xhat(p) for the scale;
* biases: sum_p d(p).

Source: Goodfellow, *Efficient per-example gradient computations* (2015) for linear layers; Rochette, Manoel, Tramel,
*Efficient per-example gradient computations in convolutional neural networks* (2019) for convolutions; Bu, Mao, Xu,
*Scalable and efficient training of large convolutional neural networks with differential privacy* (NeurIPS 2022) for
the choice between the two forms, layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

__all__ = ["call"]

Weights = tuple[Any, ...]  # arrays, or None for a bias that is not there


def call(layer: nnx.Module, x: jax.Array, tap: jax.Array | None = None, *, train: bool = False) -> jax.Array:
    """Output of a layer; with a tap, its backward pass measures gradients instead of returning them.

    Activations of float32 are multiplied in float32 on every device.

    Args:
        layer: ``nnx.Linear``, a two-dimensional ``nnx.Conv`` without groups or dilation, or ``nnx.BatchNorm``.
        x: inputs, shape (batch, features) for a linear layer, else (batch, height, width, channels).
        tap: zeros of shape (batch,), or None for the plain layer.
        train: whether batch normalisation uses and updates the statistics of the batch.

    Raises:
        ValueError: a tap together with ``train``, where examples are not independent, or a layer of another kind.
    """
    with _as_precise_as(getattr(layer, "dtype", None) or x.dtype):
        return _call(layer, x, tap, train)


def _call(layer: nnx.Module, x: jax.Array, tap: jax.Array | None, train: bool) -> jax.Array:
    if tap is None:
        return layer(x, use_running_average=not train) if isinstance(layer, nnx.BatchNorm) else layer(x)
    if train:
        raise ValueError("a tap needs train = False: the statistics of a batch tie its examples together")
    if isinstance(layer, nnx.Linear):
        kernel, bias = layer.kernel[...], None if layer.bias is None else layer.bias[...]
        x, kernel, bias = layer.promote_dtype((x, kernel, bias), dtype=layer.dtype)
        return _tapped(_linear, _linear_squares, x, (kernel, bias), tap)
    if isinstance(layer, nnx.BatchNorm):
        dtype = layer.dtype or x.dtype
        scale, bias = (None if weight is None else weight[...] for weight in (layer.scale, layer.bias))
        apply = partial(_normalize, epsilon=layer.epsilon, dtype=dtype)
        squares = partial(_normalize_squares, epsilon=layer.epsilon)
        return _tapped(apply, squares, x, (scale, bias, layer.mean[...], layer.var[...]), tap)
    if isinstance(layer, nnx.Conv):
        return _tapped_convolution(layer, x, tap)
    raise ValueError(f"a tap needs nnx.Linear, nnx.Conv or nnx.BatchNorm, got {type(layer).__name__}")


def _as_precise_as(dtype: Any) -> AbstractContextManager[Any]:
    """Products of float32 in float32: by default a GPU rounds their factors to TF32, a TPU to bfloat16."""
    return jax.default_matmul_precision("highest") if dtype == jnp.float32 else nullcontext()


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _tapped(
    apply: Callable[..., jax.Array], squares: Callable[..., jax.Array], x: jax.Array, weights: Weights, tap: jax.Array
) -> jax.Array:
    return apply(x, weights)


def _forward(
    apply: Callable[..., jax.Array], squares: Callable[..., jax.Array], x: jax.Array, weights: Weights, tap: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, Weights]]:
    return apply(x, weights), (x, weights)


def _backward(
    apply: Callable[..., jax.Array],
    squares: Callable[..., jax.Array],
    saved: tuple[jax.Array, Weights],
    d: jax.Array,
) -> tuple[jax.Array, Any, jax.Array]:
    x, weights = saved
    with _as_precise_as(x.dtype):
        (to_x,) = jax.vjp(lambda x: apply(x, weights), x)[1](d)
        return to_x, jax.tree.map(jnp.zeros_like, weights), squares(x, weights, d)


_tapped.defvjp(_forward, _backward)


def _sum_of_squares(a: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(a.astype(jnp.float32)), axis=tuple(range(1, a.ndim)))


def _bias_squares(bias: jax.Array | None, d: jax.Array) -> jax.Array | float:
    if bias is None:
        return 0.0
    return _sum_of_squares(jnp.sum(d.astype(jnp.float32), axis=tuple(range(1, d.ndim - 1))))


def _linear(x: jax.Array, weights: Weights) -> jax.Array:
    kernel, bias = weights
    return x @ kernel if bias is None else x @ kernel + bias


def _linear_squares(x: jax.Array, weights: Weights, d: jax.Array) -> jax.Array:
    return _sum_of_squares(x) * _sum_of_squares(d) + _bias_squares(weights[1], d)


def _normalize(x: jax.Array, weights: Weights, *, epsilon: float, dtype: Any) -> jax.Array:
    scale, bias, mean, var = weights
    factor = lax.rsqrt(var + epsilon)
    y = (x - mean) * (factor if scale is None else factor * scale)
    return (y if bias is None else y + bias).astype(dtype)


def _normalize_squares(x: jax.Array, weights: Weights, d: jax.Array, *, epsilon: float) -> jax.Array:
    scale, bias, mean, var = weights
    total = jnp.asarray(_bias_squares(bias, d))
    if scale is None:
        return total
    to_scale = jnp.sum(d.astype(jnp.float32) * (x - mean), axis=tuple(range(1, x.ndim - 1))) * lax.rsqrt(var + epsilon)
    return total + _sum_of_squares(to_scale)


Padding = tuple[tuple[int, int], tuple[int, int]]


def _pair(n: Any) -> Any:
    return (n or 1, n or 1) if n is None or isinstance(n, int) else tuple(n)


def _tapped_convolution(layer: nnx.Conv, x: jax.Array, tap: jax.Array) -> jax.Array:
    height, width = layer.kernel.shape[:2]
    strides, dilation = map(_pair, (layer.strides, layer.kernel_dilation))
    if layer.feature_group_count != 1 or dilation != (1, 1) or layer.input_dilation not in (1, (1, 1)):
        raise ValueError("a tap needs a convolution without groups or dilation")
    if isinstance(layer.padding, str):
        if layer.padding not in ("SAME", "VALID"):
            raise ValueError(f"a tap needs a convolution with padding by numbers, SAME or VALID, got {layer.padding!r}")
        padding: Any = tuple(lax.padtype_to_pads(x.shape[1:3], (height, width), strides, layer.padding))
    else:
        pairs = [layer.padding] * 2 if isinstance(layer.padding, int) else layer.padding
        padding = tuple((n, n) if isinstance(n, int) else tuple(n) for n in pairs)
    kernel, bias = layer.kernel[...], None if layer.bias is None else layer.bias[...]
    x, kernel, bias = layer.promote_dtype((x, kernel, bias), dtype=layer.dtype)
    settings = {"strides": strides, "padding": padding}
    return _tapped(partial(_convolve, **settings), partial(_convolution_squares, **settings), x, (kernel, bias), tap)


def _convolve(x: jax.Array, weights: Weights, *, strides: tuple[int, int], padding: Padding) -> jax.Array:
    kernel, bias = weights
    y = lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y if bias is None else y + bias


def _convolution_squares(
    x: jax.Array, weights: Weights, d: jax.Array, *, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    kernel, bias = weights
    rows, columns, num_in, num_out = kernel.shape
    offsets = list(product(range(rows), range(columns)))
    seen, made = math.prod(x.shape[1:3]), math.prod(d.shape[1:3])
    # multiplications per example; to shift the table and add it up takes as long as 64 of them per entry (measured)
    by_matrices = len(offsets) * made * num_in * num_out
    if strides == (1, 1):
        by_products = seen**2 * num_in + made**2 * (num_out + 64 * len(offsets))
    else:
        by_products = made**2 * (len(offsets) * num_in + num_out)
    if by_matrices <= by_products:
        total = _squares_by_matrices(x, d, offsets, strides, padding)
    elif strides == (1, 1):
        total = _squares_by_shifted_products(x, d, offsets, padding)
    else:
        total = _squares_by_products(x, d, offsets, strides, padding)
    return total + _bias_squares(bias, d)


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


def _gram(a: jax.Array) -> jax.Array:
    return jnp.einsum("bpi,bqi->bpq", a, a, preferred_element_type=jnp.float32)


def _squares_by_matrices(
    x: jax.Array, d: jax.Array, offsets: list[tuple[int, int]], strides: tuple[int, int], padding: Padding
) -> jax.Array:
    flat = d.reshape(len(d), -1, d.shape[-1])
    views = _views(x, d, offsets, strides, padding)
    gradients = (jnp.einsum("bpi,bpo->bio", view, flat, preferred_element_type=jnp.float32) for view in views)
    return sum(map(_sum_of_squares, gradients), start=jnp.zeros(len(d), jnp.float32))


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
